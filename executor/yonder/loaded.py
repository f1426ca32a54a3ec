"""A plain program's code as the program itself has it: its folder as it was when the first pool opened, and what it has
imported or reloaded since as it was then.

So its executors run what it runs, also when files are edited while it does. What this file must not know: hubs, calls.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator, Mapping
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from yonder import paths, settings
from yonder.errors import SettingsError
from yonder.leftout import LeftOut
from yonder.payload import is_under
from yonder.snapshot import Snapshot
from yonder.terminal import show
from yonder.tree import Rules, Tree

_OWN = frozenset({"__main__", "yonder", "yonder_lsp"})
_CORE = str(Path(settings.__file__).parent.parent)
_PROJECT = (".git", "pyproject.toml", "setup.py")


class Loaded:
    """The code of a program that looks for modules in `folder`. Any thread may ask."""

    def __init__(self, folder: str) -> None:
        self._own = folder.rstrip("/")
        self.folder = _widened(self._own)
        """It, or the whole project around it where the program looks for modules elsewhere in that, too."""
        self._lock = threading.RLock()
        self._tree: Tree | None = None
        self._snapshot: Snapshot | None = None
        self._specs: dict[str, ModuleSpec | None] = {}
        self._seen = 0
        self._beginning: threading.Thread | None = None
        self._first: tuple[str, ...] = ()
        self._rules = Rules()

    def begin(self) -> None:
        """Look at the folder in the background: whoever asks first waits only for the rest of it."""
        with self._lock:
            if self._beginning is None:
                self._beginning = threading.Thread(target=self._begin, name="yonder-code", daemon=True)
                self._beginning.start()

    def snapshot(self) -> Snapshot:
        """As it is now in this program."""
        snapshot = self._snapshot
        if snapshot is not None and not self._news():
            return snapshot
        with self._lock:
            tree = self._begin()
            self._follow(tree)
            self._snapshot = tree.snapshot(self._first)
            return self._snapshot

    def has(self, module: ModuleType) -> bool:
        """Is it found under its name where the code travels to? What is not has to travel by value."""
        files = self.snapshot().files
        path = self._path(module)
        if not path or path not in files:
            return False
        for root in self.snapshot().roots:
            base = "/".join([root, *module.__name__.split(".")] if root else module.__name__.split("."))
            if path.startswith(base + ".") and not path.endswith(".py"):
                return True
            for found in (f"{base}/__init__.py", f"{base}.py"):
                if found in files:
                    return found == path
        return False

    def contents(self, wanted: Mapping[str, bytes]) -> Mapping[bytes, bytes]:
        """Contents of a snapshot's files. Raises Changed when one was too large to be kept and is another now."""
        with self._lock:
            return self._begin().contents(wanted)

    def changed(self, path: str) -> None:
        """This file is not what it was, and what it was is not to be had any more."""
        with self._lock:
            self._begin().take(path)
            self._snapshot = None

    def explain(self, error: BaseException) -> None:
        """Add to an error that came from elsewhere what is here and did not travel: its file, or its module."""
        paths.explain(error, "")
        if isinstance(error, ModuleNotFoundError) and isinstance(error.name, str):
            note = LeftOut(self.folder, self._rules).module(error.name, self._first)
            if note and note not in getattr(error, "__notes__", []):
                error.add_note(note)

    # ── inside ──

    def _begin(self) -> Tree:
        with self._lock:
            if self._tree is None:
                self._rules = self._settings()
                tree = Tree(self.folder, self._rules, warn=_warn, seeds=self._seeds)
                # What is imported from here on may be newer than what is looked at.
                early = [(name, module.__spec__, self._path(module)) for name, module in self._own_modules()]
                tree.look()
                here = [path.rstrip("/") for path in (self._own, *sys.path) if _within(path, self.folder)]
                self._first = tuple(dict.fromkeys(path[len(self.folder) + 1 :] for path in here))
                files = tree.snapshot(self._first).files
                self._specs = {name: spec for name, spec, path in early if path in files}
                self._tree = tree
            return self._tree

    def _settings(self) -> Rules:
        whole = Path(self.folder) != Path.home()
        try:
            found = settings.load(Path(self.folder))
        except SettingsError as error:
            _warn(f"{error}; what it says of the code that travels was left aside.")
            return Rules(whole=whole)
        return Rules(found.include, found.exclude, found.roots, whole=whole)

    def _seeds(self) -> Iterator[str]:
        for module in [sys.modules.get("__main__"), *(sys.modules.get(name) for name, _ in self._own_modules())]:
            if module is not None and (path := self._path(module)):
                yield path

    def _news(self) -> bool:
        """Was a module imported, or imported again?"""
        if len(sys.modules) != self._seen:
            return True
        specs = self._specs  # asked at each call
        for module, spec in zip(map(sys.modules.get, specs), specs.values(), strict=True):
            if module is not None and module.__spec__ is not spec:
                return True
        return False

    def _follow(self, tree: Tree) -> None:
        """Look at the files of what was imported, or imported again, since the last time."""
        self._seen = len(sys.modules)
        specs = dict(self._specs)
        for name, module in self._own_modules():
            if name not in specs or specs[name] is not module.__spec__:
                specs[name] = module.__spec__
                tree.take(self._path(module))
        self._specs = specs  # at once: other threads look at them without the lock

    def _own_modules(self) -> list[tuple[str, ModuleType]]:
        return [(name, module) for name, module in _loaded() if self._path(module)]

    def _path(self, module: ModuleType) -> str:
        """Its file in the folder, "" when it has none there."""
        file = _file(module)
        return file[len(self.folder) + 1 :] if is_under(file, self.folder) else ""


class Programs:
    """What this process has of its folders, each looked at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._folders: dict[str, Loaded] = {}
        os.register_at_fork(after_in_child=self._forked)

    def _forked(self) -> None:
        """A thread that is not here may have held a lock."""
        self._lock = threading.Lock()
        self._folders = {}

    def of(self, folder: str) -> Loaded:
        """The code of this folder."""
        with self._lock:
            return self._folders.setdefault(folder, Loaded(folder))


PROGRAMS = Programs()
"""This process's own."""


def _widened(folder: str) -> str:
    """The project around a folder, where this program has modules from elsewhere in it, or looks there."""
    around = (
        above for above in (Path(folder), *Path(folder).parents) if any((above / mark).exists() for mark in _PROJECT)
    )
    project = next(around, None)
    if project is None or str(project) == folder or project in (Path.home(), Path(project.anchor)):
        return folder
    places = [path for path in sys.path if _within(path, str(project))]
    places += [_file(module) for _, module in _loaded() if is_under(_file(module), str(project))]
    return folder if all(place == folder or place.startswith(folder + "/") for place in places) else str(project)


def _within(path: str, folder: str) -> bool:
    """Is it a folder of the person's own code in this one, or this one itself?"""
    return path != _CORE and is_under(path.rstrip("/") + "/", folder) and Path(path).is_dir()


def _loaded() -> list[tuple[str, ModuleType]]:
    return [
        (name, module)
        for name, module in list(sys.modules.items())
        if type(module) is ModuleType and name.partition(".")[0] not in _OWN
    ]


def _file(module: ModuleType) -> str:
    file = vars(module).get("__file__")
    return file if isinstance(file, str) else ""


def _warn(sentence: str) -> None:
    show(2, f"yonder: {sentence}\n")
