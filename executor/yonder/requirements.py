"""What would install elsewhere what the code uses here: lines for pip, from the lock file beside the code.

    uv.lock            the project's direct dependencies, everything locked as constraints: pip and uv choose what a platform needs
    requirements.txt   its lines; files that it names with -r and -c are read, too
    neither            the versions that are installed here of what the code imports

What belongs here: reading. What this file must not know: installers, executors. `poetry.lock` and `pylock.toml` are not
read: export them (`poetry export`, `uv export`) to requirements.txt.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from yonder.errors import UsageError
from yonder.installed import normal
from yonder.wire import Environment

FILES: Final = ("uv.lock", "requirements.txt")
OWN: Final = frozenset({"cloudpickle", "msgspec", "websockets", "yonder"})
"""What every executor has in the version that it came with."""

_DEEPEST = 5
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_PIN = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(\[[^]]*\])?\s*==\s*(?P<version>[^\s;,*]+)\s*(--hash.*)?\Z")
_LINE = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)\s*(\[[^]]*\])?\s*([(=<>!~;]|--hash|\Z)")
_FILE = re.compile(r"(-r|-c|--requirement\b|--constraint\b)[\s=]*(\S.*)\Z")
_ARCHIVE = re.compile(r".*\.(whl|zip|tar|tar\.\w+|tgz)\Z", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Requirements:
    """Lines of pip's files, and where they come from in words."""

    lines: list[str]
    constraints: list[str]
    source: str


def read(folder: Path, here: Environment, used: Iterable[str]) -> Requirements:
    """The first of `FILES` in the folder or above it, up to where a project begins; else what is installed here of what is
    `used`. Raises UsageError for a file that cannot be read."""
    for place in (folder, *folder.parents):
        for name in FILES:
            file = place / name
            if file.is_file():
                return _uv(file) if name == "uv.lock" else _requirements(file)
        if any((place / mark).exists() for mark in ("pyproject.toml", ".git")):
            break
    pins = [(name, here.packages.get(name, "").partition("+")[0]) for name in sorted(set(used) - OWN)]
    lines = [f"{name}=={version}" if version else name for name, version in pins]
    return Requirements(lines, [], "what is installed here")


def names(lines: Iterable[str]) -> list[str]:
    """The normal names of the distributions that these lines are about."""
    return sorted({normal(match[0]) for line in lines if (match := _NAME.match(line))})


def pinned(line: str) -> tuple[str, str] | None:
    """Name and version of a line that allows one version everywhere; None for any other."""
    match = _PIN.match(line)
    return (normal(match["name"]), match["version"]) if match else None


# ── uv.lock ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _uv(file: Path) -> Requirements:
    try:
        packages = tomllib.loads(file.read_text(encoding="utf-8")).get("package", [])
        locked = _locked(packages)
        own = [package for package in packages if _is_own(package)]
        direct = [item for package in own for item in package.get("dependencies", [])]
        lines = dict.fromkeys(line for item in direct if (line := _direct(item, locked)))
    except (OSError, ValueError, AttributeError, KeyError, TypeError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from error
    pins = [f"{name}=={versions[0]}" for name, versions in sorted(locked.items()) if len(versions) == 1]
    return Requirements(list(lines), pins, file.name)


def _locked(packages: list[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Versions by name of what a registry has; one that is locked in several versions has one for each platform."""
    found: dict[str, list[str]] = {}
    for package in packages:
        if "registry" in package.get("source", {}) and package["name"] not in OWN:
            found.setdefault(package["name"], []).append(package["version"])
    return found


def _is_own(package: Mapping[str, Any]) -> bool:
    return bool({"virtual", "editable", "directory"} & set(package.get("source", {})))


def _direct(item: Mapping[str, Any], locked: Mapping[str, list[str]]) -> str:
    """One dependency of the project as a line; "" for what does not come from a registry."""
    versions = locked.get(item["name"], [])
    if not versions:
        return ""
    extras = f"[{','.join(item['extra'])}]" if item.get("extra") else ""
    version = item.get("version") or (versions[0] if len(versions) == 1 else "")
    pin = f"=={version}" if version else ""
    marker = f" ; {item['marker']}" if item.get("marker") else ""
    return f"{item['name']}{extras}{pin}{marker}"


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
        elif (match := _LINE.match(bare)) and not _ARCHIVE.match(match["name"]):
            own = match["name"].lower() in OWN and "--hash" not in bare  # with hashes, all of them have to be named
            into += [] if own else [bare]
