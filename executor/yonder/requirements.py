"""What would install elsewhere what the code uses here: lines for pip, from the lock file beside the code.

    a lock file        what `locks` reads in it
    requirements.txt   its lines; files that it names with -r and -c are read, too
    neither            the versions that are installed here of what the code imports

What belongs here: which file counts, and reading requirements.txt. What this file must not know: installers, executors.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from yonder import locks
from yonder.errors import UsageError
from yonder.installed import normal
from yonder.locks import OWN, Requirements
from yonder.wire import Environment

LOCKS: Final[Mapping[str, Callable[[Path], Requirements]]] = {
    "uv.lock": locks.uv,
    "pylock.toml": locks.pylock,
    "poetry.lock": locks.poetry,
}
FILES: Final = (*LOCKS, "requirements.txt")
"""The first of these that is there counts."""

_DEEPEST = 5
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_PIN = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(\[[^]]*\])?\s*==\s*(?P<version>[^\s;,*]+)\s*(--hash.*)?\Z")
_LINE = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)\s*(\[[^]]*\])?\s*([(=<>!~;]|--hash|\Z)")
_FILE = re.compile(r"(-r|-c|--requirement\b|--constraint\b)[\s=]*(\S.*)\Z")
_ELSEWHERE = re.compile(r"(?:([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^]]*\])?\s*@\s*)?(?:git\+|https?://)")
_ARCHIVE = re.compile(r".*\.(whl|zip|tar|tar\.\w+|tgz)\Z", re.IGNORECASE)


def read(folder: Path, here: Environment, used: Iterable[str]) -> Requirements:
    """The first of `FILES` in the folder or above it, up to where a project begins; else what is installed here of what is
    `used`. Raises UsageError for a file that cannot be read."""
    for place in (folder, *folder.parents):
        for name in FILES:
            file = place / name
            if file.is_file():
                return _locked(file, LOCKS[name]) if name in LOCKS else _requirements(file)
        if any((place / mark).exists() for mark in ("pyproject.toml", ".git")):
            break
    pins = [(name, here.packages.get(name, "").partition("+")[0]) for name in sorted(set(used) - OWN)]
    lines = [f"{name}=={version}" if version else name for name, version in pins]
    return Requirements(lines, [], "what is installed here")


def _locked(file: Path, reader: Callable[[Path], Requirements]) -> Requirements:
    try:
        return reader(file)
    except (OSError, ValueError, AttributeError, KeyError, TypeError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from error


def names(lines: Iterable[str]) -> list[str]:
    """The normal names of the distributions that these lines are about."""
    return sorted({normal(match[0]) for line in lines if (match := _NAME.match(line))})


def pinned(line: str) -> tuple[str, str] | None:
    """Name and version of a line that allows one version everywhere; None for any other."""
    match = _PIN.match(line)
    return (normal(match["name"]), match["version"]) if match else None


# ── requirements.txt ──────────────────────────────────────────────────────────────────────────────────────────────────


def _requirements(file: Path) -> Requirements:
    found = Requirements([], [], file.name)
    _take(file, found.lines, found, _DEEPEST)
    return found


def _take(file: Path, into: list[str], found: Requirements, depth: int) -> None:
    """The file's lines; what is not in a registry (`-e .`, paths, addresses) is left out: the workspace's own code travels
    by itself. Options about registries are left out, too: the executor has its own."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from error
    for line in re.sub(r"\\\r?\n", " ", text).splitlines():
        bare = re.sub(r"(^|\s)#.*", "", line).strip()
        if (named := _FILE.match(bare)) and depth:
            target = found.constraints if named[1] in ("-c", "--constraint") else into
            _take(file.parent / named[2], target, found, depth - 1)
        elif named := _ELSEWHERE.match(bare):
            found.without.append(f"{named[1] or 'something'} (from {'git' if 'git+' in bare else 'an address'})")
        elif (match := _LINE.match(bare)) and not _ARCHIVE.match(match["name"]):
            own = match["name"].lower() in OWN and "--hash" not in bare  # with hashes, all of them have to be named
            into += [] if own else [bare]
