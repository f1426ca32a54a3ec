"""Receipts: what a hub has run, from each executor's start to its end, kept in the state folder after the hub has gone.

One JSON file for each hub, private to the user, replaced as a whole; the last KEPT of them stay. What this file must not
know: when something starts or ends, how a receipt looks to a person.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import msgspec

from yonder.places import private, started_at, state_root
from yonder.wire import Life

KEPT = 200
"""Receipts of hubs that have gone, whatever their owners."""

_NAME = re.compile(r"(.+)-(\d{8}T\d{6}\.\d{3})-\d+\.json")


class Sheet(msgspec.Struct, frozen=True, kw_only=True):
    """One hub's receipt. Times are seconds since the epoch; `ended` 0.0: the hub lives, or was killed. `started` guards
    against a recycled `pid`. `left` is what the platforms still ran at the end. Of the lives the last ones are listed;
    `unlisted` are those before them, which took `unlisted_seconds` in all."""

    owner: str
    package: str
    pid: int
    started: str
    began: float
    ended: float = 0.0
    reason: str = ""
    left: int = 0
    unlisted: int = 0
    unlisted_seconds: float = 0.0
    lives: list[Life] = []

    @property
    def finished(self) -> bool:
        return self.ended > 0

    @property
    def abandoned(self) -> bool:
        """Its hub is gone and has not finished it."""
        return not self.finished and started_at(self.pid) != self.started


def write(sheet: Sheet) -> None:
    """Put it in the place of what this hub wrote before. Raises OSError, and UsageError where the folder is not ours."""
    folder = _folder()
    file = folder / _name(sheet)
    partial = folder / f"{file.name}.new"
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as open_file:
        open_file.write(msgspec.json.encode(sheet))
    fresh = not file.exists()
    partial.replace(file)
    if fresh:
        for old in _files(folder, "")[KEPT:]:
            old.unlink(missing_ok=True)


def read(owner: str = "") -> list[Sheet]:
    """All there are of one owner ("": of all), the latest first. Raises UsageError where the folder is not ours."""
    found = []
    for file in _files(_folder(), owner):
        try:
            sheet = msgspec.json.decode(file.read_bytes(), type=Sheet)
        except (OSError, msgspec.MsgspecError):
            continue  # it went while we looked, or another version wrote it
        if owner in ("", sheet.owner):  # two owners may have files of like names
            found.append(sheet)
    return found


def _folder() -> Path:
    return private(state_root() / "receipts")


def _name(sheet: Sheet) -> str:
    at = time.strftime("%Y%m%dT%H%M%S", time.gmtime(sheet.began))
    return f"{_written(sheet.owner)}-{at}.{int(sheet.began * 1000) % 1000:03}-{sheet.pid}.json"


def _written(owner: str) -> str:
    """As it stands in names of files."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", owner)[:80]


def _files(folder: Path, owner: str) -> list[Path]:
    """The receipts there of that owner ("": of all), by their names, the latest first."""
    matches = [(match, file) for file in folder.iterdir() if (match := _NAME.fullmatch(file.name))]
    found = [(match[2], file) for match, file in matches if owner == "" or match[1] == _written(owner)]
    return [file for _, file in sorted(found, reverse=True)]
