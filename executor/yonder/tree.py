"""A folder's code as snapshots: which of its files travel, where modules are looked for in it, what has changed since the
last look.

What belongs here: the rules of what travels, and looking again at no more than has changed. What this file must not know:
hubs, who runs what. Not locked: one thread at a time.

What travels are Python files, extension modules, and what `include` asks for; not what .gitignore or `exclude` leave out,
hidden folders, virtual environments, and links that lead out of the folder.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from yonder import snapshot as snapshots
from yonder.ignoring import RULES, Ignored, Patterns
from yonder.importable import ENVIRONMENT, NEVER, importable, is_code, speakable, under
from yonder.reading import Changed, Read, Reading
from yonder.snapshot import Snapshot
from yonder.watching import Change, Watcher

__all__ = ["Changed", "Rules", "Tree"]

_NOTHING: Mapping[str, set[str]] = {}


@dataclass(frozen=True)
class Rules:
    """`include` and `exclude` are patterns as in .gitignore, `roots` further folders where modules are looked for. A folder
    with more than `most` files, or whose listing takes longer than `seconds`, is not taken whole; nor is one that is not
    to be (`whole`)."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    roots: tuple[str, ...] = ()
    most: int = 20_000
    seconds: float = 2.0
    whole: bool = True


class _TooLarge(Exception):  # noqa: N818 - never leaves this file
    """The folder cannot be taken whole."""


@dataclass(slots=True)
class _Folder:
    """`same` is which folder it is. `dark`: it is left out, but `include` may name something below it. `links`: what is in
    it depends on what becomes of other folders."""

    same: tuple[int, int]
    dark: bool
    links: bool = False
    files: dict[str, Read] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)


class Tree:
    """The code of `folder`. `warn` gets sentences for the person, each once; with a `watcher` only what it names is
    looked at again. `seeds` gives files of the folder that surely run: of a folder that is too large for anything else,
    what lies beside these is taken."""

    def __init__(
        self,
        folder: str,
        rules: Rules | None = None,
        *,
        warn: Callable[[str], None],
        watcher: Watcher | None = None,
        seeds: Callable[[], Iterable[str]] = tuple,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.folder = folder.rstrip("/") or "/"
        self._rules = rules or Rules()
        self.narrow = not self._rules.whole
        """Is the folder too large to be taken whole?"""
        self._reading = Reading(self.folder, warn)
        self._watcher = watcher
        self._seeds = seeds
        self._clock = clock
        self._top = Path(self.folder)
        self._real = os.path.realpath(self.folder)
        self._include = Patterns(self._rules.include)
        self._exclude = Patterns(self._rules.exclude)
        self._ignored = Ignored(self._top)
        self._folders: dict[str, _Folder] = {}
        self._extras: dict[str, Read | None] = {}
        self._count = 0
        self._end = 0.0
        self._made: dict[tuple[str, ...], Snapshot] = {}

    # ── looking ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def look(self) -> None:
        """See what has changed since the last time."""
        changes = self._watcher.changes() if self._watcher is not None else None
        named: dict[str, set[str]] = {}
        for change in changes or ():
            named.setdefault(change.folder, set()).add(change.name)
        if changes is None or "" not in self._folders or any(map(_upsets, changes)) or self._linked():
            self._look_everywhere(named)
        else:
            self._end = math.inf
            for folder in sorted(named):
                if folder not in self._folders:
                    continue  # it went with one that was looked at already
                try:
                    self._walk(folder, self._folders[folder].dark, named, deep=False)
                except _TooLarge:
                    self._give_up()
                    break
        for path, known in list(self._extras.items()):
            self._extra(path, known)

    def _linked(self) -> bool:
        return any(folder.links for folder in self._folders.values())

    def _look_everywhere(self, named: Mapping[str, set[str]] = _NOTHING) -> None:
        # Only what is there for the first time may take too long.
        self._end = self._clock() + self._rules.seconds if self.narrow or not self._folders else math.inf
        self._ignored = Ignored(self._top)
        reached: set[str] = set()
        try:
            if self.narrow:
                self._look_beside(reached)
            else:
                self._walk("", dark=False, named=named, deep=True, reached=reached)
        except _TooLarge:
            if not self.narrow:
                self._give_up()
                return
        for folder in [folder for folder in self._folders if folder not in reached]:
            self._drop(folder)

    def _give_up(self) -> None:
        self.narrow = True
        self._unwatched()
        for folder in list(self._folders):
            self._drop(folder)
        self._reading.say(
            f"{self.folder} is too large to be taken whole (more than {self._rules.most:,} files, or more than "
            f"{self._rules.seconds:g} s to list them): only modules and packages beside what runs travel. Open the "
            f"project's own folder, or name in [tool.yonder] exclude what does not belong to it."
        )
        self._look_everywhere()

    def _look_beside(self, reached: set[str]) -> None:
        """The folders of what runs, without what is below them, and the packages in them with all of it."""
        for seed in self._seeds():
            folder = seed.rpartition("/")[0]
            while folder and (self._top / folder / "__init__.py").is_file():
                folder = folder.rpartition("/")[0]
            if folder in reached:
                continue
            self._walk(folder, dark=False, deep=False, reached=reached, flat=True)
            for name in sorted(self._names(folder)):
                package = f"{folder}/{name}" if folder else name
                if name.isidentifier() and (self._top / package / "__init__.py").is_file():
                    self._walk(package, dark=False, deep=True, reached=reached)

    def _names(self, folder: str) -> list[str]:
        try:
            return [entry.name for entry in (self._top / folder).iterdir()]
        except OSError:
            return []

    def _walk(
        self,
        start: str,
        dark: bool,
        named: Mapping[str, set[str]] = _NOTHING,
        *,
        deep: bool,
        reached: set[str] | None = None,
        flat: bool = False,
    ) -> None:
        """List `start`, and what is below it: all of it (`deep`) or what is new there, nothing when `flat`. What is
        `named` of a folder is looked at whatever its stat says. Raises _TooLarge."""
        todo = [(start, dark)]
        while todo:
            folder, dark = todo.pop()
            names = named.get(folder, set())
            if reached is not None:
                reached.add(folder)
            below = self._list(folder, dark, names)
            if below is None:
                self._drop(folder)
                continue
            if flat:
                self._folders[folder].folders.clear()
                continue
            for name, its_dark in below:
                path = f"{folder}/{name}" if folder else name
                if deep or path not in self._folders or name in names:
                    if name in names:
                        self._drop(path)
                    todo.append((path, its_dark))

    def _list(self, folder: str, dark: bool, forced: set[str]) -> list[tuple[str, bool]] | None:
        """Look at one folder: its files are read where they have changed. Returns the folders in it that may have more (and
        whether they are dark), None when it is none of ours."""
        if self._clock() > self._end or self._count > self._rules.most or len(self._folders) > self._rules.most:
            raise _TooLarge
        where = os.path.join(self.folder, folder) if folder else self.folder  # noqa: PTH118 - as fast as can be
        try:
            same = _same(os.stat(where))  # noqa: PTH116
            if self._above(folder, same):
                return None
            known = self._folders.get(folder)
            if known is None or known.same != same or known.dark != dark:
                self._drop(folder)
                known = _Folder(same, dark)
            if self._watcher is not None and not self._watcher.watch(folder, where):
                self._unwatched()
            with os.scandir(where) as listing:  # after the watch has begun: what comes later is told
                entries = list(listing)
        except OSError as error:
            if not isinstance(error, FileNotFoundError | NotADirectoryError):
                self._reading.say(f"{where} cannot be read ({error.strerror}); its code does not travel.")
            return None
        if folder and any(entry.name in ENVIRONMENT for entry in entries):
            return None
        self._folders[folder] = known
        if any(entry.name == RULES for entry in entries):
            self._ignored.enter(folder)
        return self._compare(folder, known, entries, forced)

    def _compare(
        self, folder: str, known: _Folder, entries: list[os.DirEntry[str]], forced: set[str]
    ) -> list[tuple[str, bool]]:
        before, files, below = known.files, {}, []
        known.links = False
        for entry in entries:
            name = entry.name
            path = f"{folder}/{name}" if folder else name
            # That one leads elsewhere no more is a change beside it; all others change with what they lead to.
            known.links = known.links or (entry.is_symlink() and self._leads_within(path))
            if _is_folder(entry):
                if (dark := self._folder_wanted(entry, path, known)) is not None:
                    below.append((name, dark))
            elif self._file_wanted(entry, path, known.dark):
                begin = self._clock()
                if (found := self._reading.read(path, None if name in forced else before.get(name))) is not None:
                    files[name] = found
                self._end += self._clock() - begin  # listing is what may take for ever
        self._count += len(files) - len(before)
        if files != before:
            self._made.clear()
        known.files = files
        for gone in known.folders - {name for name, _ in below}:
            self._drop(f"{folder}/{gone}" if folder else gone)
        known.folders = {name for name, _ in below}
        return below

    def _above(self, folder: str, same: tuple[int, int]) -> bool:
        """Does the way to it, over links, lead through it already?"""
        while folder:
            folder = folder.rpartition("/")[0]
            if (known := self._folders.get(folder)) is not None and known.same == same:
                return True
        return False

    def _unwatched(self) -> None:
        """There are no more watches: from now on everything is compared."""
        if self._watcher is not None:
            self._watcher.close()
            self._watcher = None

    def _drop(self, folder: str) -> None:
        known = self._folders.pop(folder, None)
        if known is None:
            return
        self._made.clear()
        self._count -= len(known.files)
        if self._watcher is not None:
            self._watcher.forget(folder)
        for name in known.folders:
            self._drop(f"{folder}/{name}" if folder else name)

    # ── what travels ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _folder_wanted(self, entry: os.DirEntry[str], path: str, parent: _Folder) -> bool | None:
        """None: no; else whether only `include` wants something of it."""
        if self._exclude.match(path, folder=True):
            return None
        name = entry.name
        dark = parent.dark or name.startswith(".") or name in NEVER or self._ignored.has(path, folder=True)
        if dark and not (self._include.leads_into(path) or self._include.match(path, folder=True)):
            return None
        return None if entry.is_symlink() and not self._leads_within(path) else dark

    def _leads_within(self, path: str) -> bool:
        """Does a linked folder or file lie in ours?"""
        return under(os.path.realpath(os.path.join(self._real, path)), self._real)  # noqa: PTH118

    def _file_wanted(self, entry: os.DirEntry[str], path: str, dark: bool) -> bool:
        code = is_code(entry.name)
        if not (code or self._rules.include):
            return False
        try:
            if not entry.is_file() or self._exclude.match(path):
                return False
        except OSError:
            return False
        wanted = code and not dark and not self._ignored.has(path)
        wanted = wanted or (self._include.match(path) and not snapshots.outside(path) and speakable(path))
        return wanted and not (entry.is_symlink() and not self._leads_within(path))

    # ── named by those who know better ────────────────────────────────────────────────────────────────────────────────

    def take(self, path: str) -> None:
        """This file travels whatever the rules say, and is looked at now."""
        self._extra(path, None)

    def _extra(self, path: str, known: Read | None) -> None:
        if not self._exclude.match(path) and not snapshots.outside(path):
            found = self._reading.read(path, known)
            if path not in self._extras or found != self._extras[path]:
                self._made.clear()
            self._extras[path] = found

    # ── snapshots ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def roots(self, first: Sequence[str] = (), last: Sequence[str] = ()) -> tuple[str, ...]:
        """Where modules are looked for: `first`, the folder itself, those of the settings, a `src` that is no package, and
        `last`."""
        own = [root.strip("/") for root in self._rules.roots]
        own = [root for root in own if root in self._folders]
        src = self._folders.get("src")
        if src is not None and "__init__.py" not in src.files and (src.folders or src.files):
            own.append("src")
        return tuple(dict.fromkeys([*first, "", *own, *last]))

    def snapshot(
        self, first: Sequence[str] = (), unsaved: Mapping[str, bytes] | None = None, last: Sequence[str] = ()
    ) -> Snapshot:
        """As it was at the last `look`, with the roots `first` and `last` about the others. `unsaved` are contents that win
        over those on the disk."""
        roots = self.roots(first, last)
        made = self._made.get(roots)
        if made is None:
            made = self._made[roots] = Snapshot(self.folder, roots, self._files(roots))
        texts = {path: snapshots.content(text) for path, text in (unsaved or {}).items() if path in made.files}
        changed = {path: digest for path, digest in texts.items() if made.files[path] != digest}
        self._reading.lay({digest: (unsaved or {})[path] for path, digest in changed.items()})
        return Snapshot(self.folder, roots, {**made.files, **changed}) if changed else made

    def _files(self, roots: tuple[str, ...]) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for folder, known in self._folders.items():
            modules = importable(folder, roots)
            for name, file in known.files.items():
                path = f"{folder}/{name}" if folder else name
                if (modules and is_code(name)) or self._include.match(path):
                    found[path] = file.digest
        found.update((path, file.digest) for path, file in self._extras.items() if file is not None)
        return found

    def text(self, path: str) -> bytes | None:
        """A file that travels as it is on the disk now."""
        return self._reading.now(path)

    def contents(self, wanted: Mapping[str, bytes]) -> dict[bytes, bytes]:
        """The contents of these files of a snapshot, by their hashes. Raises Changed when one is not to be had any more."""
        return self._reading.contents(wanted)

    def release(self) -> None:
        """What was read is not wanted from memory any more."""
        self._reading.release()

    def close(self) -> None:
        """Watch no more."""
        self._unwatched()


def _upsets(change: Change) -> bool:
    """Does it change which files there are elsewhere?"""
    return change.name == RULES or change.name in ENVIRONMENT or not (change.name or change.folder)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _same(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino
