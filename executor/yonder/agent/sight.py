"""What a process has seen of a snapshot, and whether it would see the same in another one. Pure.

What belongs here: looking names up among paths, the memory of all that was looked up. What this file must not know: modules,
files, sockets.

    Tree    a snapshot's paths as folders, in which module names are looked for
    Sight   what was looked up there, found or not, and for which module
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from importlib.machinery import EXTENSION_SUFFIXES
from typing import Literal

from yonder.snapshot import Snapshot

_SUFFIXES = (*EXTENSION_SUFFIXES, ".py")


@dataclass(frozen=True, slots=True)
class Found:
    """A module's file. `digest` is its content's name."""

    path: str
    digest: bytes
    package: bool = False

    @property
    def native(self) -> bool:
        """Is it an extension module?"""
        return not self.path.endswith(".py")


Portion = Literal["portion"]
Look = Found | Portion | None
"""A file; a folder that may be part of a namespace package; nothing."""


class Tree:
    """The folders of a snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.files = snapshot.files
        self.roots = snapshot.roots
        self.folders: dict[str, set[str]] = {"": set()}
        """Names of the files and folders in each folder."""
        for path in snapshot.files:
            rest = path
            while rest:
                parent, _, name = rest.rpartition("/")
                names = self.folders.setdefault(parent, set())
                if name in names:
                    break
                names.add(name)
                rest = parent

    def look(self, folder: str, name: str) -> Look:
        """The module of that name in one folder, in the order in which Python prefers them."""
        here = f"{folder}/{name}" if folder else name
        within = here in self.folders
        for start, package in ((f"{here}/__init__", True), (here, False)):
            if package and not within:
                continue
            for suffix in _SUFFIXES:
                if (digest := self.files.get(start + suffix)) is not None:
                    return Found(start + suffix, digest, package)
        return "portion" if within else None

    def top(self, name: str) -> tuple[Look, ...]:
        """What the roots have to say about a name, up to the first that has a file."""
        looks: list[Look] = []
        for root in self.roots:
            looks.append(self.look(root, name))
            if isinstance(looks[-1], Found):
                break
        return tuple(look for look in looks if look is not None)

    def modules(self, folder: str) -> Iterable[tuple[str, bool]]:
        """Names of the modules in a folder, and whether they are packages."""
        for name in sorted(self.folders.get(folder, ())):
            here = f"{folder}/{name}" if folder else name
            stem = next((name[: -len(suffix)] for suffix in _SUFFIXES if name.endswith(suffix)), name)
            found = self.look(folder, stem) if stem.isidentifier() else None
            if isinstance(found, Found) and stem != "__init__":
                package = found.path.startswith(f"{here}/__init__.")
                if package or found.path == here:
                    yield stem, package


class Sight:
    """Each look-up with the modules that it was made for ("" for none that is known)."""

    def __init__(self) -> None:
        self._names: dict[str, tuple[Look, ...]] = {}
        self._looks: dict[tuple[str, str], Look] = {}  # by folder and whole name: one file may have several
        self._listings: dict[str, tuple[frozenset[str], set[str]]] = {}
        self._contents: dict[str, tuple[bytes | None, set[str]]] = {}

    def top(self, name: str, tree: Tree) -> None:
        """A name was looked for in the roots."""
        self._names[name] = tree.top(name)

    def look(self, folder: str, module: str, tree: Tree) -> Look:
        """Look for a module in a folder, and remember what was there. `module` is its whole name."""
        found = self._looks[folder, module] = tree.look(folder, _last(module))
        return found

    def listing(self, folder: str, module: str, tree: Tree) -> set[str]:
        """List a folder for a module, and remember what was there."""
        names = tree.folders.get(folder, set())
        _, readers = self._listings.setdefault(folder, (frozenset(names), set()))
        self._listings[folder] = frozenset(names), readers | {module}
        return names

    def content(self, path: str, module: str, tree: Tree) -> bytes | None:
        """Look a file up for a module, and remember which content it had."""
        digest = tree.files.get(path)
        _, readers = self._contents.setdefault(path, (digest, set()))
        self._contents[path] = digest, readers | {module}
        return digest

    def differing(self, tree: Tree) -> set[str]:
        """The modules whose look-ups have another end in `tree`; empty when all of them end as they did."""
        found = {name for name, looks in self._names.items() if tree.top(name) != looks}
        found |= {module for (folder, module), look in self._looks.items() if tree.look(folder, _last(module)) != look}
        for folder, (names, readers) in self._listings.items():
            if names != tree.folders.get(folder, frozenset()):
                found |= readers
        for path, (digest, readers) in self._contents.items():
            if tree.files.get(path) != digest:
                found |= readers
        return found

    def renew(self, tree: Tree, but: Collection[str] = ()) -> None:
        """Everything was looked up again in `tree`, but what was looked up for these modules."""
        self._names.update({name: tree.top(name) for name in self._names if name not in but})
        for folder, module in self._looks:
            if module not in but:
                self._looks[folder, module] = tree.look(folder, _last(module))
        for folder, (_, readers) in self._listings.items():
            if readers.isdisjoint(but):
                self._listings[folder] = frozenset(tree.folders.get(folder, ())), readers
        for path, (_, readers) in self._contents.items():
            if readers.isdisjoint(but):
                self._contents[path] = tree.files.get(path), readers


def _last(module: str) -> str:
    return module.rpartition(".")[2]
