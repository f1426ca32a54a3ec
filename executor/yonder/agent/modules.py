"""The way to workspace modules: a finder and a loader that read snapshots, and nothing of the folder itself.

    import ──▶ Finder (sys.meta_path, first) ──▶ PathFinder ──▶ path hook ──▶ Folder ──▶ Tree: which file, which content
                                                                             Loader ──▶ shelf: code, text, data

Folders of the workspace are on `sys.path` and in `__path__` under the name that they have on this machine (the owner's
folder where it is here, else the worker's link to real files of the snapshot), so that child processes without this finder
have something to read. In this process the hook claims them: what is served is the snapshot.

What this file must not know: tasks, when another snapshot is to be taken.
"""

from __future__ import annotations

import _imp  # `importlib.machinery.FrozenImporter` makes a spec to say the same
import linecache
import os
import sys
from collections.abc import Iterable, Iterator
from importlib.abc import MetaPathFinder, PathEntryFinder
from importlib.machinery import ExtensionFileLoader, ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import Any, Self

from yonder.agent import ahead, importing
from yonder.agent.resource_files import Piece, Reader
from yonder.agent.shelf import Shelf
from yonder.agent.sight import Found, Sight, Tree
from yonder.payload import is_under
from yonder.snapshot import Snapshot

_OWN = str(Path(__file__).parent.parent)


class Place:
    """One workspace folder as this process sees it: the snapshot that counts, and what has been looked up there."""

    def __init__(self, snapshot: Snapshot, shelf: Shelf) -> None:
        self.folder = snapshot.folder.rstrip("/")
        self.snapshot = snapshot
        self.tree = shelf.tree(snapshot)
        self.sight = Sight()
        self.importers: dict[str, set[str]] = {}
        """Which modules were being executed when one was looked for, found or not."""
        self.near = not shelf.rooted(snapshot.digest)
        self.base = self.folder if self.near else shelf.view
        self.archive = os.path.isfile(snapshot.folder)  # noqa: PTH113 - a zipped program, which Python itself reads

    def take(self, snapshot: Snapshot, tree: Tree) -> None:
        """This snapshot counts from now on."""
        self.snapshot, self.tree = snapshot, tree

    def within(self, path: str) -> str | None:
        """A path of this machine, or the owner's, relative to the folder; None when it leads elsewhere."""
        for base in (self.base, self.folder):
            if path == base:
                return ""
            if path.startswith(base + "/"):
                return path[len(base) + 1 :].rstrip("/")
        return None

    @property
    def roots(self) -> list[str]:
        """The import roots under their names on this machine."""
        roots = [] if self.archive else self.snapshot.roots
        return [f"{self.base}/{root}" if root else self.base for root in roots]


class Modules:
    """All of it, for one process. Nothing is changed before the first `take`. `folder` is on the path until then."""

    def __init__(self, shelf: Shelf, folder: str = "") -> None:
        self.shelf = shelf
        self._folder = folder
        self.places: dict[str, Place] = {}
        """By the owner's folder, the last that was used at the end."""
        self._installed = False

    # ── snapshots ─────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def current(self) -> Place | None:
        return next(reversed(self.places.values()), None)

    def place(self, snapshot: Snapshot) -> Place:
        """The snapshot's folder, as it was left, or a new one."""
        return self.places.get(snapshot.folder) or Place(snapshot, self.shelf)

    def take(self, snapshot: Snapshot, tree: Tree | None = None, place: Place | None = None) -> None:
        """From now on modules come from this snapshot; those that are loaded stay. `tree` is its, where it was made, and
        `place` its folder."""
        place = place or self.place(snapshot)
        self.places.pop(snapshot.folder, None)
        self.places[snapshot.folder] = place
        place.take(snapshot, tree or self.shelf.tree(snapshot))
        if not place.near:
            self.shelf.look_at(snapshot.digest)
        if not self._installed:
            self._installed = True
            sys.meta_path.insert(0, Finder(self))
            sys.path_hooks.insert(0, self._hook)
            if self._folder in sys.path and not os.path.isfile(self._folder):  # noqa: PTH113 - as text; an archive
                sys.path.remove(self._folder)
        self._clean(place)

    def forget(self, place: Place) -> None:
        """The folder does not count after all; the one before it does."""
        self.places.pop(place.snapshot.folder, None)
        if (current := self.current) is not None:
            self.take(current.snapshot, current.tree, current)

    def _clean(self, place: Place) -> None:
        """Let no entry lead to the folder itself, but to its environments, and forget who read there."""
        roots = place.roots
        rest = [path for path in sys.path if path not in roots and (self.claims(path) or not _inside(path, place))]
        sys.path[:] = roots + rest
        for path in list(sys.path_importer_cache):
            if place.within(path) is not None:
                del sys.path_importer_cache[path]
        for name in _names([place]):
            module = sys.modules.get(name)  # another thread's import may just have failed
            if name != "__main__" and module is not None and self._astray(module, place):
                sys.modules.pop(name, None)

    def _astray(self, module: ModuleType, place: Place) -> bool:
        """Was it loaded from the folder itself, by an editable installation, before there was a snapshot?"""
        file = _said(module, "__file__")
        if isinstance(_said(module, "__loader__"), Loader | Native) or not isinstance(file, str):
            return False
        return self.find(file) is not None and place.within(file) in place.tree.files

    def loaded(self) -> dict[str, ModuleType]:
        """The modules that came from snapshots, in the order in which their loading ended."""
        return {
            name: module
            for name in _names(self.places.values())
            if (module := sys.modules.get(name)) is not None
            and isinstance(_said(module, "__loader__"), Loader | Native)
        }

    def others(self, snapshot: Snapshot, tree: Tree) -> set[str]:
        """Loaded modules of other folders whose names mean another file, or another text, where this snapshot counts."""
        folder = snapshot.folder.rstrip("/")
        return {
            name
            for name, module in self.loaded().items()
            if isinstance(loader := module.__loader__, Loader)
            and loader.place.folder != folder
            and _another(name, loader, folder, tree)
        }

    # ── looking up ────────────────────────────────────────────────────────────────────────────────────────────────────

    def find(self, path: str) -> tuple[Place, str] | None:
        """The place that a path of this machine is in, and its path there; environments and Yonder itself are nobody's."""
        if path == _OWN or path.startswith(_OWN + "/"):
            return None
        for place in reversed(self.places.values()):
            relative = place.within(path)
            if (
                relative is not None
                and not place.archive
                and (not relative or is_under(f"{place.folder}/{relative}", place.folder))
            ):
                return place, relative
        return None

    def claims(self, path: object) -> bool:
        """Is it a folder that snapshots have files in, or an import root?"""
        if not isinstance(path, str):
            return False
        found = self.find(path or os.getcwd())  # noqa: PTH109 - as text
        return found is not None and (found[1] in found[0].tree.folders or found[1] in found[0].tree.roots)

    def _hook(self, path: str) -> PathEntryFinder:
        found = self.find(path)
        if found is None or not self.claims(path):
            raise ImportError(f"{path} is in no snapshot")
        return Folder(self, *found)

    def spec(self, name: str, place: Place, found: Found) -> ModuleSpec | None:
        """How a module of that name is made from that file."""
        here = f"{place.base}/{found.path}"
        if found.native:
            native = Native(name, self.shelf.blob(found.digest), here)
            return spec_from_file_location(name, native.path, loader=native)
        inside = [here.rpartition("/")[0]] if found.package else None
        loader = Loader(name, here, self, place, found)
        return spec_from_file_location(name, here, loader=loader, submodule_search_locations=inside)


def _names(places: Iterable[Place]) -> list[str]:
    """Names of all modules that may come from there."""
    folders = {folder for place in places for folder in (place.base, place.folder)}
    return list(sys.modules) if ahead.reaches(folders) else ahead.fresh()


def _another(name: str, loader: Loader, folder: str, tree: Tree) -> bool:
    meant = next((look for look in tree.top(name.partition(".")[0]) if isinstance(look, Found)), None)
    if meant is None:
        return False
    file = f"{loader.place.folder}/{loader.found.path}"
    path = file.removeprefix(folder + "/")
    return tree.files.get(path) != loader.found.digest or ("." not in name and meant.path != path)


def _said(module: object, name: str) -> object:
    """What is in a module's dictionary; anything may be in the table of modules, and `getattr` may import."""
    contents = getattr(module, "__dict__", None)
    return contents.get(name) if isinstance(contents, dict) else None


def _inside(path: str, place: Place) -> bool:
    """Does a path lead into the folder, and not to an environment there?"""
    whole = os.path.abspath(path) + "/"  # noqa: PTH100 - as text, and "" is the working directory
    if whole == str(Path(_OWN).parent) + "/" or os.path.isfile(path):  # noqa: PTH113 - as text; an archive
        return False
    for prefix in (sys.prefix, sys.base_prefix):
        if prefix.startswith(place.folder + "/") and whole.startswith(prefix + "/"):
            return False
    return whole == place.folder + "/" or is_under(whole, place.folder)


class Finder(MetaPathFinder):
    """Goes first, so that what an editable installation maps into the folder is the snapshot's, too."""

    def __init__(self, modules: Modules) -> None:
        self._modules = modules

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """See importlib. Only where a folder of the workspace has something to say about the name."""
        del target
        if path is not None:
            claimed = any(self._modules.claims(entry) for entry in path)
            return PathFinder.find_spec(name, path) if claimed else None
        if name in sys.builtin_module_names or _imp.is_frozen(name):
            return None
        for place in self._modules.places.values():
            place.sight.top(name, place.tree)
            place.importers.setdefault(name, set()).add(importer())
        if not any(place.tree.top(name) for place in self._modules.places.values()) and not self._added():
            return None
        ours = [at for at, entry in enumerate(sys.path) if self._modules.claims(entry)]
        found = PathFinder.find_spec(name, sys.path[: ours[-1] + 1]) if ours else None
        return found if found is not None and found.loader is not None else None

    def _added(self) -> bool:
        """Has user code put folders of the workspace on the path that are no roots?"""
        roots = {root for place in self._modules.places.values() for root in place.roots}
        return any(entry not in roots and self._modules.claims(entry) for entry in sys.path)


class Folder(PathEntryFinder):
    """One folder of a place."""

    def __init__(self, modules: Modules, place: Place, folder: str) -> None:
        self._modules = modules
        self._place = place
        self._folder = folder

    def find_spec(self, name: str, target: ModuleType | None = None) -> ModuleSpec | None:
        """See importlib."""
        del target
        place = self._place
        found = place.sight.look(self._folder, name, place.tree)
        place.importers.setdefault(name, set()).add(importer())
        if isinstance(found, Found):
            return self._modules.spec(name, place, found)
        if found is None:
            return None
        spec = ModuleSpec(name, None, is_package=True)
        inside = "/".join(filter(None, (place.base, self._folder, name.rpartition(".")[2])))
        spec.submodule_search_locations = [inside]
        return spec

    def iter_modules(self, prefix: str = "") -> Iterator[tuple[str, bool]]:
        """See pkgutil."""
        place = self._place
        place.sight.listing(self._folder, importer(), place.tree)
        for name, package in place.tree.modules(self._folder):
            yield prefix + name, package


def importer() -> str:
    """The module whose execution has led here, "" for none that is being loaded."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - has no other name
    while frame is not None:
        if frame.f_code.co_name == "<module>":
            name = frame.f_globals.get("__name__")
            return name if isinstance(name, str) else ""
        frame = frame.f_back
    return ""


class Loader(SourceFileLoader):
    """A module's text and code, as they were in the snapshot that it was found in. The base class executes it, so that
    import errors show no frames of ours. What such modules define is pickled by name: see `payload.served`."""

    def __init__(self, name: str, path: str, modules: Modules, place: Place, found: Found) -> None:
        super().__init__(name, path)
        self.found = found
        self.place = place
        self._modules = modules
        self.text: Text | None = None
        self.imports: set[str] = set()
        """What it may have imported as it was executed."""

    def get_code(self, fullname: str) -> CodeType:
        """See importlib; tracebacks and debuggers are led to the person's own file, and to its text of then."""
        owner = f"{self.place.folder}/{self.found.path}"
        self.text = Text(self._modules.shelf, self.found.digest, owner)
        linecache.cache[owner] = linecache.cache[self.path] = self.text
        code, imports = self._modules.shelf.code(owner, self.found.digest)
        package = fullname if self.found.package else fullname.rpartition(".")[0]
        self.imports = importing.modules(imports, package)
        return code

    def get_data(self, path: str | bytes) -> bytes:
        """See importlib. A file of the workspace is the snapshot's."""
        path = os.fsdecode(path)
        if path == self.path:
            return self._modules.shelf.content(self.found.digest)
        relative = self.place.within(path)
        if relative is None:
            return Path(path).read_bytes()
        digest = self.place.sight.content(relative, self.name, self.place.tree)
        if digest is None:
            raise FileNotFoundError(f"{path} is not among the files that travel (see include)")
        return self._modules.shelf.content(digest)

    def path_stats(self, path: str) -> Any:
        """See importlib: there is no file whose age would say anything."""
        raise OSError(f"{path} comes from a snapshot")

    def get_resource_reader(self, name: str | None = None) -> Any:
        """See importlib.resources."""
        if not self.found.package:
            return None
        return Reader(Piece(self._read, self._list, self.found.path.rpartition("/")[0]))

    def _read(self, path: str) -> bytes | None:
        digest = self.place.sight.content(path, self.name, self.place.tree)
        return None if digest is None else self._modules.shelf.content(digest)

    def _list(self, path: str) -> Iterable[str] | None:
        if path not in self.place.tree.folders:
            return None
        return sorted(self.place.sight.listing(path, self.name, self.place.tree))


class Native(ExtensionFileLoader):
    """An extension module, from the store's file. It is loaded once in a process, whatever its file becomes."""

    def __init__(self, name: str, path: str, here: str) -> None:
        super().__init__(name, path)
        self._here = here

    def exec_module(self, module: ModuleType) -> None:
        """See importlib; files that lie beside it are looked for where it lies in the workspace."""
        module.__file__ = self._here
        super().exec_module(module)


class Text(tuple[Any, ...]):
    """An entry of `linecache.cache` that reads the text when somebody wants it. No age: it is never thought outdated."""

    __slots__ = ()

    def __new__(cls, shelf: Shelf, digest: bytes, name: str) -> Self:
        read: list[list[str]] = []
        return super().__new__(cls, (0, None, (shelf, digest, read), name))

    def __getitem__(self, at: Any) -> Any:
        return self.lines() if at == 2 else super().__getitem__(at)

    def __iter__(self) -> Iterator[Any]:
        size, age, _, name = (tuple.__getitem__(self, at) for at in range(4))
        return iter((size, age, self.lines(), name))

    def lines(self) -> list[str]:
        """The text; from the first time on, also when the store has it no more."""
        shelf, digest, read = tuple.__getitem__(self, 2)
        if not read:
            read.append(shelf.lines(digest))
        lines: list[str] = read[0]
        return lines
