"""A module that is there, but does not travel: which file it is, why it is left out, and what to do so that it comes along.

It looks at the disk and at the rules, not at what has travelled. What this file must not know: who asks, where it is missing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from yonder.ignoring import Ignored, Patterns
from yonder.importable import ENVIRONMENT, NEVER
from yonder.reading import MOST_SOURCE
from yonder.tree import Rules

MOST_NEAR = 200
"""Folders of the top that are looked into for a module that is in none of the roots."""


class LeftOut:
    """What `rules` leave out of `folder`."""

    def __init__(self, folder: str, rules: Rules) -> None:
        self._top = Path(folder)
        self._rules = rules
        self._include = Patterns(rules.include)
        self._exclude = Patterns(rules.exclude)
        self._ignored = Ignored(self._top)

    def module(self, name: str, near: Sequence[str] = (), *, anywhere: bool = True) -> str:
        """Words on the module of this name: its file, why it does not travel, the remedy. "" when it travels or is not there.
        `near` are further roots; `anywhere`: also a folder without `__init__.py`, and where nobody looks for modules: with
        such a one another module may be meant, when none was missed yet."""
        parts = name.split(".")
        roots = dict.fromkeys(["", *(root.strip("/") for root in (*self._rules.roots, *near)), "src"])
        said = ""
        if not all(parts):
            return ""
        for root in roots:
            for path in self._files(root, parts, spaces=anywhere):
                why = self._why(path, root)
                if not why:
                    return ""
                said = said or f"{path} is there, but {why}"
        return said or (self._elsewhere(parts) if anywhere else "")

    def _files(self, root: str, parts: Sequence[str], *, spaces: bool) -> Iterator[str]:
        """What Python would take, of what is there."""
        base = "/".join([root, *parts] if root else parts)
        for path in (f"{base}/__init__.py", f"{base}.py"):
            if (self._top / path).is_file():
                yield path
                return
        folder = self._top / base
        if spaces and folder.is_dir() and next(folder.glob("*.py"), None) is not None:
            yield f"{base}/"

    def _elsewhere(self, parts: Sequence[str]) -> str:
        """It may lie in a folder in which modules are not looked for."""
        try:
            folders = sorted(entry.name for entry in os.scandir(self._top) if entry.is_dir())[:MOST_NEAR]
        except OSError:
            return ""
        for folder in folders:
            if folder.startswith(".") or folder in NEVER or _is_environment(self._top / folder):
                continue
            for path in self._files(folder, parts, spaces=False):
                remedy = f'roots = ["{folder}"] in [tool.yonder]'
                return f"{path} is there, but modules are not looked for in {folder}/: {remedy}"
        return ""

    def _why(self, path: str, root: str) -> str:
        """The reason and the remedy; "" when it travels as far as one can see."""
        inside = path[len(root) :].strip("/").removesuffix(".py").split("/")
        strange = next((part for part in inside if not part.isidentifier()), None)
        if strange is not None:
            return f"{strange!r} is no name of a module, and what is called so does not travel: rename it"
        above = [path[:at] for at, letter in enumerate(path) if letter == "/"]
        there = self._top / path
        file = path if not path.endswith("/") else path + next((self._top / path).glob("*.py"), there).name
        if any(self._exclude.match(folder, folder=True) for folder in above) or self._exclude.match(file):
            return "exclude in [tool.yonder] leaves it out: take it from that list"
        if (unfit := self._unfit(path, above)) or self._include.match(file):
            return unfit
        wanted = f'include = ["{_pattern(path)}"] in [tool.yonder]'
        for folder in above:
            name = folder.rpartition("/")[2]
            if name.startswith(".") or name in NEVER:
                return f"folders called {name} do not travel: {wanted}"
            if _is_environment(self._top / folder):
                return f"{folder}/ is an environment, and what is installed does not travel: put it beside your code"
        return f".gitignore leaves it out: {wanted}" if self._is_ignored(file, above) else ""

    def _is_ignored(self, file: str, above: Sequence[str]) -> bool:
        for folder in ("", *above):
            if folder and self._ignored.has(folder, folder=True):
                return True
            self._ignored.enter(folder)
        return self._ignored.has(file)

    def _unfit(self, path: str, above: Sequence[str]) -> str:
        """Why no rule could have it travel."""
        there = self._top / path
        real = os.path.realpath(self._top)
        for way in (*above, path):
            if (self._top / way).is_symlink() and not Path(os.path.realpath(self._top / way)).is_relative_to(real):
                return f"it is reached by a link that leads out of {self._top}: copy it, or open the folder around both"
        try:
            size = there.stat().st_size
        except OSError as error:
            return f"it cannot be looked at ({error.strerror})"
        if path.endswith(".py") and size > MOST_SOURCE:
            return (
                f"it has {size:,} bytes, and Python files over {MOST_SOURCE:,} do not travel: keep its data in a file "
                f"of another kind and name that in include"
            )
        return "" if os.access(there, os.R_OK) else "it may not be read: look at its permissions"


def _pattern(path: str) -> str:
    """What in `include` has it travel: of a package all of its Python."""
    package = path.removesuffix("__init__.py")
    return f"{package}**/*.py" if package.endswith("/") else path


def _is_environment(folder: Path) -> bool:
    return any((folder / name).exists() for name in ENVIRONMENT)
