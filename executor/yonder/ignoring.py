"""What of a folder is not for others: the rules of its .gitignore files, nested ones and those above it too, and a
project's own lists of patterns.

What this file must not know: what is done with the files.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pathspec import GitIgnoreSpec

RULES = ".gitignore"
_WILD = "*?[!\\"
_MOST = 1_000_000


class Patterns:
    """A list of patterns as .gitignore has them; paths are relative, with "/"."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._spec = GitIgnoreSpec.from_lines(lines) if lines else None
        self._starts = [start for line in lines if (start := _plain_start(line))]

    def match(self, path: str, *, folder: bool = False) -> bool:
        """Is this file, or this folder, meant?"""
        return self._spec is not None and self._spec.match_file(path + "/" if folder else path)

    def leads_into(self, folder: str) -> bool:
        """May something below this folder be meant by a pattern that names a folder?"""
        below = folder + "/"
        return any(start.startswith(below) or below.startswith(start) for start in self._starts)


def _plain_start(pattern: str) -> str:
    """The folder that a pattern names before its first wildcard, with "/" at its end; "" when it names none."""
    kept: list[str] = []
    for part in pattern.strip().lstrip("/").split("/")[:-1]:
        if any(letter in part for letter in _WILD):
            break
        kept.append(part)
    return "/".join(kept) + "/" if kept else ""


class Ignored:
    """The .gitignore files that hold in `folder`, read as their folders are entered."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._specs: dict[str, GitIgnoreSpec | None] = {}
        self._above = _above(folder)

    def enter(self, folder: str) -> None:
        """Read the rules of this folder again ("": the top)."""
        self._specs[folder] = _read(self._folder / folder / RULES)

    def has(self, path: str, *, folder: bool = False) -> bool:
        """Do the rules leave this out? Those nearest to it win. A folder that is left out is not asked for what is in it."""
        asked = path + "/" if folder else path
        cut = len(path)
        while cut > 0:
            cut = path.rfind("/", 0, cut)
            spec = self._specs.get(path[:cut] if cut > 0 else "")
            if spec is not None:
                found = spec.check_file(asked[cut + 1 :] if cut > 0 else asked).include
                if found is not None:
                    return found
        for prefix, spec in self._above:
            found = spec.check_file(prefix + asked).include
            if found is not None:
                return found
        return False


def _above(folder: Path) -> list[tuple[str, GitIgnoreSpec]]:
    """The rules of the folders above, up to that of the repository, the nearest first; each with the way from it."""
    found: list[tuple[str, GitIgnoreSpec]] = []
    here, prefix = folder, ""
    while not (here / ".git").exists():
        if here.parent == here:
            return []  # it is in no repository
        here, prefix = here.parent, f"{here.name}/{prefix}"
        if (spec := _read(here / RULES)) is not None:
            found.append((prefix, spec))
    return found


def _read(file: Path) -> GitIgnoreSpec | None:
    try:
        with file.open(encoding="utf-8", errors="replace") as opened:
            text = opened.read(_MOST)
        return GitIgnoreSpec.from_lines(text.splitlines())
    except (OSError, ValueError):  # not there, not readable, or no patterns: it leaves nothing out
        return None
