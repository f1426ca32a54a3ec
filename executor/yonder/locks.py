"""Lock files, read: lines and constraints for pip, and what no registry has, of `uv.lock`, `pylock.toml` and `poetry.lock`.

    pylock.toml, poetry.lock 2.1 and later   each package as a line with its marker; with hashes, where all of them have some
    uv.lock, poetry.lock before that         the project's direct dependencies; everything locked as constraints

What belongs here: these formats. What this file must not know: which file counts, installers, executors. Each reader takes a
parsed file and raises ValueError, KeyError, TypeError or AttributeError where it is not what it should be.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from yonder.installed import normal

OWN: Final = frozenset({"cloudpickle", "msgspec", "websockets", "yonder"})
"""What every executor has in the version that it came with."""

NAMED = 6
Table = Mapping[str, Any]

_TRUE, _FALSE = "python_version >= '0'", "python_version < '0'"
_IN = re.compile(r"""(['"])(?P<name>[^'"]*)\1\s+(?P<not>not\s+)?in\s+(?P<set>extras|dependency_groups)\b""")
_ELSEWHERE = {
    "vcs": "git",
    "git": "git",
    "archive": "an address",
    "url": "an address",
    "path": "a file",
    "file": "a file",
}
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?\Z")


@dataclass(frozen=True, slots=True)
class Requirements:
    """Lines of pip's files, and which file they are from. `without` names what is in the file and in no registry."""

    lines: list[str]
    constraints: list[str]
    file: str
    without: list[str] = field(default_factory=list)

    @property
    def source(self) -> str:
        """Where they come from, in words, with what is left out."""
        if not self.without:
            return self.file
        more = f" and {len(self.without) - NAMED} more" if len(self.without) > NAMED else ""
        return f"{self.file}, without {', '.join(self.without[:NAMED])}{more}: no registry has that"


def names_of(reader: Table) -> str:
    """The name of a package as its file has it. Raises ValueError for what is none: it becomes part of a line."""
    name = reader["name"]
    if not isinstance(name, str) or not _NAME.match(name):
        raise ValueError(f"{name!r} is no name of a package")
    return name


def elsewhere(package: Table, source: Table) -> list[str]:
    """Where a package comes from that no registry has, in words with its name; nothing for a folder: its code is the
    workspace's own, or travels with it."""
    said = [source["type"]] if "type" in source else source
    kinds = [words for kind, words in _ELSEWHERE.items() if kind in said]
    return [f"{names_of(package)} (from {kinds[0]})"] if kinds else []


# ── uv.lock ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def uv(file: Path) -> Requirements:
    """Raises OSError, too."""
    packages = _tables(_parsed(file).get("package", []))
    locked = _locked([one for one in packages if "registry" in one.get("source", {})])
    own = [one for one in packages if {"virtual", "editable", "directory"} & set(one.get("source", {}))]
    direct = [item for one in own for item in one.get("dependencies", [])]
    lines = dict.fromkeys(line for item in direct if (line := _direct(item, locked)))
    without = [words for one in packages for words in elsewhere(one, one.get("source", {}))]
    return Requirements(list(lines), _pins(locked), file.name, without)


def _locked(packages: Iterable[Table]) -> dict[str, list[str]]:
    """Versions by name; one that is locked in several versions has one for each platform."""
    found: dict[str, list[str]] = {}
    for package in packages:
        if (name := names_of(package)) not in OWN:
            found.setdefault(name, []).append(_version(package))
    return found


def _pins(locked: Mapping[str, list[str]]) -> list[str]:
    return [f"{name}=={versions[0]}" for name, versions in sorted(locked.items()) if len(versions) == 1]


def _direct(item: Table, locked: Mapping[str, list[str]]) -> str:
    """One dependency of the project as a line; "" for what does not come from a registry."""
    versions = locked.get(item["name"], [])
    if not versions:
        return ""
    extras = f"[{','.join(item['extra'])}]" if item.get("extra") else ""
    version = item.get("version") or (versions[0] if len(versions) == 1 else "")
    pin = f"=={version}" if version else ""
    marker = f" ; {item['marker']}" if item.get("marker") else ""
    return _line(f"{item['name']}{extras}{pin}{marker}")


# ── pylock.toml ───────────────────────────────────────────────────────────────────────────────────────────────────────


def pylock(file: Path) -> Requirements:
    """PEP 751: what its default groups and no extras want. Raises OSError, too."""
    found = _parsed(file)
    version = str(found["lock-version"])
    if version.partition(".")[0] != "1":
        raise ValueError(f"its lock-version is {version}, and 1.x is read here; export it to requirements.txt")
    groups = {normal(name) for name in found.get("default-groups", [])}
    closed = _Closed(file.name)
    for package in _tables(found["packages"]):
        files = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
        hashes = [f"{kind}:{value}" for one in files for kind, value in sorted(one["hashes"].items())]
        if files and "version" in package:
            closed.take(package, _settled(package.get("marker", ""), groups), hashes)
        else:
            closed.leave(elsewhere(package, package))
    return closed.requirements()


def _settled(marker: str, groups: set[str]) -> str:
    """The marker without what only lock files know: no extra is wanted, and these groups are."""

    def settle(match: re.Match[str]) -> str:
        wanted = match["set"] == "dependency_groups" and normal(match["name"]) in groups
        return _FALSE if wanted is bool(match["not"]) else _TRUE

    return _IN.sub(settle, marker)


# ── poetry.lock ───────────────────────────────────────────────────────────────────────────────────────────────────────


def poetry(file: Path) -> Requirements:
    """The main group, without optional packages. Raises OSError, too."""
    packages = _tables(_parsed(file).get("package", []))
    if not packages or not all("groups" in package for package in packages):
        return _older_poetry(file, packages)
    closed = _Closed(file.name)
    for package in packages:
        if "main" not in package["groups"] or package.get("optional"):
            continue
        if (without := elsewhere(package, source := package.get("source", {}))) or source.get("type") == "directory":
            closed.leave(without)
            continue
        markers = package.get("markers", "")
        marker = markers if isinstance(markers, str) else markers.get("main", "")
        closed.take(package, marker, [one["hash"] for one in package.get("files", [])])
    return closed.requirements()


def _older_poetry(file: Path, packages: list[Table]) -> Requirements:
    """It does not say who wants which package: the project does."""
    there = [one for one in packages if one.get("source", {}).get("type", "legacy") == "legacy"]
    locked = _locked(there)
    known = {normal(name): name for name in locked}
    project = file.with_name("pyproject.toml")
    tables = _parsed(project).get("tool", {}).get("poetry", {}) if project.is_file() else {}
    direct: list[str] = []
    for name, wanted in tables.get("dependencies", {}).items():
        if normal(name) in known:
            direct += _wanted(known[normal(name)], wanted, locked[known[normal(name)]])
    if "dependencies" not in tables:  # then nobody says what the others are for
        direct = [] if not locked else _pins(locked)
    without = [words for one in packages for words in elsewhere(one, one.get("source", {}))]
    return Requirements(direct, _pins(locked), file.name, without)


def _wanted(name: str, wanted: object, versions: list[str]) -> list[str]:
    """A dependency as the project names it: a version, a table, or tables for different platforms."""
    tables = [one if isinstance(one, dict) else {} for one in (wanted if isinstance(wanted, list) else [wanted])]
    pin = f"=={versions[0]}" if len(versions) == 1 else ""
    lines = []
    for table in tables:
        if not table.get("optional"):
            extras = f"[{','.join(table['extras'])}]" if table.get("extras") else ""
            marker = f" ; {table['markers']}" if table.get("markers") else ""
            lines.append(_line(f"{name}{extras}{pin}{marker}"))
    return lines


# ── inside ────────────────────────────────────────────────────────────────────────────────────────────────────────────


class _Closed:
    """Packages of a file that has all that is wanted and says for each when."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._found: list[tuple[str, str, list[str]]] = []
        self._without: list[str] = []

    def take(self, package: Table, marker: str, hashes: list[str]) -> None:
        name = names_of(package)
        line = f"{name}=={_version(package)}" + (f" ; {_line(marker)}" if marker else "")
        self._found.append((name, line, [f" --hash={_line(one)}" for one in hashes]))

    def leave(self, without: list[str]) -> None:
        """No registry has it, or it is the project itself."""
        self._without += without

    def requirements(self) -> Requirements:
        """With one hash pip wants one of everything that it installs: so all of them, or none."""
        if self._found and not self._without and all(hashes for _, _, hashes in self._found):
            lines = [line + "".join(hashes) for _, line, hashes in self._found]
        else:
            lines = [line for name, line, _ in self._found if name not in OWN]
        return Requirements(lines, [], self._file, self._without)


def _parsed(file: Path) -> dict[str, Any]:
    return tomllib.loads(file.read_text(encoding="utf-8"))


def _tables(found: object) -> list[Table]:
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise TypeError("its packages are no list of tables")
    return found


def _version(package: Table) -> str:
    return _line(package["version"])


def _line(text: object) -> str:
    """A part of a line, and no more than that. Raises ValueError."""
    if not isinstance(text, str) or not text.isprintable():
        raise ValueError(f"{text!r} cannot stand in a line of requirements")
    return text
