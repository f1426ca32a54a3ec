"""The code of the folders that a window runs from, as the editor has it: what is on the disk, and unsaved text before that.

Folders are looked at in threads, one at a time each. What this file must not know: the hub, pygls, runs.
"""

from __future__ import annotations

import asyncio
import io
import threading
import tokenize
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from yonder.settings import Settings
from yonder.snapshot import Snapshot
from yonder.tree import Rules, Tree
from yonder.watching import Watching, tells
from yonder_lsp import uris

MOST_OUTSIDE = 8
"""Folders of files outside of the workspace that are kept an eye on."""


class Trees:
    """`text` gives an open document as it is now, `warn` gets sentences for the person (from threads)."""

    def __init__(self, workspace: str, text: Callable[[str], str], warn: Callable[[str], None]) -> None:
        self._workspace = workspace
        self._text = text
        self._warn = warn
        self.rules = Rules()
        """What the settings say of the code that travels."""
        self._kept: dict[str, Kept] = {}
        self.more: Sequence[str] = ()
        """The workspace's folders after the first."""
        self._maybe: dict[str, str] = {}  # paths and URIs of documents that may differ from the disk

    def settings(self, found: Settings) -> None:
        """What they say of the code that travels is another now, or not."""
        rules = Rules(found.include, found.exclude, found.roots)
        if rules != self.rules:
            self.rules = rules
            self.close()

    # ── documents ──

    def edited(self, uri: str) -> None:
        """It was opened, or its text changed: it may differ from the disk."""
        if path := uris.to_path(uri):
            self._maybe[path] = uri

    def saved(self, uri: str) -> None:
        """Its text is on the disk."""
        self._maybe.pop(uris.to_path(uri), None)

    def closed(self, uri: str) -> None:
        """Nobody has another text of it any more."""
        self._maybe.pop(uris.to_path(uri), None)

    # ── snapshots ──

    def of(self, uri: str, *, alone: bool) -> Moment:
        """The code beside and around a document, with the texts that are open now. `alone`: it runs by itself, as a
        program does, so that modules are first looked for in its own folder."""
        path, folder = uris.to_path(uri), uris.folder_of(uri, self._workspace, self.more)
        own = str(Path(path).parent) if path else folder
        if alone and not uris.within(own, folder):
            folder = own
        near = _inside(own, folder) if uris.within(own, folder) else ""
        kept = self._keep(folder)
        kept.seeds.add(path or str(Path(folder) / "_"))
        return Moment(self, kept, near, self._unsaved(folder), alone=alone)

    def whole(self) -> Moment | None:
        """The workspace folder's code; None without one."""
        if not self._workspace:
            return None
        return Moment(self, self._keep(self._workspace), "", self._unsaved(self._workspace), alone=False)

    def _unsaved(self, folder: str) -> dict[str, str]:
        return {path: self._text(uri) for path, uri in self._maybe.items() if uris.within(path, folder)}

    def same(self, path: str) -> None:
        """The disk has what the editor has."""
        self._maybe.pop(path, None)

    def _keep(self, folder: str) -> Kept:
        kept = self._kept.get(folder)
        if kept is None:
            outside = [name for name in self._kept if name != self._workspace]
            if len(outside) >= MOST_OUTSIDE:
                self._kept.pop(outside[0]).close()
            kept = self._kept[folder] = Kept(folder, self.rules, self._warn)
        return kept

    def close(self) -> None:
        """Watch no more."""
        kept, self._kept = self._kept, {}
        for one in kept.values():
            one.close()


class Kept:
    """A folder's tree, for threads. It is made at the first look."""

    def __init__(self, folder: str, rules: Rules, warn: Callable[[str], None]) -> None:
        self.folder = folder
        self.seeds: set[str] = set()
        self.lock = threading.Lock()
        self._rules = rules
        self._warn = warn
        self._tree: Tree | None = None
        self._closed = False

    def tree(self) -> Tree:
        """Call it with the lock held."""
        if self._tree is None:
            whole = Path(self.folder) not in (Path.home(), Path("/"))
            rules = (
                self._rules
                if whole
                else Rules(self._rules.include, self._rules.exclude, self._rules.roots, whole=False)
            )
            self._tree = Tree(
                self.folder, rules, warn=self._warn, watcher=_watcher(self.folder, whole=whole), seeds=self._beside
            )
            if self._closed:  # while somebody waited for it; it is used this once
                self._tree.close()
        return self._tree

    def _beside(self) -> list[str]:
        return sorted(_inside(path, self.folder) for path in self.seeds if uris.within(path, self.folder))

    def close(self) -> None:
        """In a thread of its own: somebody may be looking just now."""
        threading.Thread(target=self._close, daemon=True).start()

    def _close(self) -> None:
        with self.lock:
            self._closed = True
            if self._tree is not None:
                self._tree.close()


class Moment:
    """What was open in the editor at a moment, and the folder's code with it."""

    def __init__(self, trees: Trees, kept: Kept, near: str, unsaved: Mapping[str, str], *, alone: bool) -> None:
        self._trees = trees
        self._kept = kept
        self._near = near
        self._unsaved = unsaved
        self._alone = alone

    async def snapshot(self) -> Snapshot:
        """The code as it is now on the disk, with the texts of that moment."""
        snapshot, same = await asyncio.to_thread(self._look)
        for path in same:
            self._trees.same(path)
        return snapshot

    def _look(self) -> tuple[Snapshot, list[str]]:
        with self._kept.lock:
            tree = self._kept.tree()
            tree.look()
            texts, same = {}, []
            for path, text in self._unsaved.items():
                name = _inside(path, self._kept.folder)
                disk = tree.text(name)
                if disk is not None and _says(disk, text):
                    same.append(path)
                elif disk is not None:
                    texts[name] = _written(text)
            first = [self._near] if self._alone else []
            # Beside a block lie helpers, too; but in a session, which many files share, the folder's own modules win.
            last = (
                [] if self._alone or (Path(self._kept.folder) / self._near / "__init__.py").exists() else [self._near]
            )
            return tree.snapshot(first, texts, last), same

    def contents(self, wanted: Mapping[str, bytes]) -> Mapping[bytes, bytes]:
        """See Tree.contents."""
        with self._kept.lock:
            return self._kept.tree().contents(wanted)

    async def published(self) -> None:
        """The hub has it."""
        await asyncio.to_thread(self._release)

    def _release(self) -> None:
        with self._kept.lock:
            self._kept.tree().release()


def _inside(path: str, folder: str) -> str:
    """The way from the folder to the path, "" to itself."""
    way = Path(path).relative_to(folder).as_posix()
    return "" if way == "." else way


def _watcher(folder: str, *, whole: bool) -> Watching | None:
    try:
        return Watching() if whole and tells(str(Path(folder).resolve())) else None
    except OSError:  # not on this system, or there are too many already: everything is compared
        return None


def _says(disk: bytes, text: str) -> bool:
    """Is this what a file of those bytes is shown as?"""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(disk).readline)
        shown = disk.decode(encoding)
    except (SyntaxError, LookupError, UnicodeDecodeError):
        return False
    return _lines(shown) == _lines(text)


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n")


def _written(text: str) -> bytes:
    """The bytes that saving would write, as far as Python cares."""
    plain = text.encode(errors="replace")
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(plain).readline)
        return text.encode(encoding)
    except (SyntaxError, LookupError, UnicodeEncodeError):
        return plain
