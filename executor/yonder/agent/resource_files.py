"""Files of a snapshot for `importlib.resources`: what lies beside a package, read without a file system.

What belongs here: the interface of Traversable. What this file must not know: snapshots (it is given two functions).
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from importlib.resources.abc import Traversable, TraversableResources
from typing import Any


class Piece(Traversable):
    """A file or folder. `read` gives a file's content, `listed` a folder's names; each gives None for what is not that."""

    def __init__(
        self, read: Callable[[str], bytes | None], listed: Callable[[str], Iterable[str] | None], path: str
    ) -> None:
        self._read = read
        self._listed = listed
        self._path = path

    @property
    def name(self) -> str:
        return self._path.rpartition("/")[2]

    def iterdir(self) -> Iterator[Piece]:
        """Raises NotADirectoryError."""
        names = self._listed(self._path)
        if names is None:
            raise NotADirectoryError(f"{self._path} is no folder among the files that travel")
        return iter([self._at(name) for name in names])

    def is_dir(self) -> bool:
        return self._listed(self._path) is not None

    def is_file(self) -> bool:
        return self._read(self._path) is not None

    def joinpath(self, *descendants: Any) -> Piece:
        """Parts that lead up or out lead nowhere."""
        found = self
        for part in "/".join(map(str, descendants)).split("/"):
            if part not in ("", "."):
                found = found._at(part)
        return found

    def __truediv__(self, child: Any) -> Piece:
        return self.joinpath(child)

    def read_bytes(self) -> bytes:
        """Raises FileNotFoundError."""
        data = self._read(self._path)
        if data is None:
            raise FileNotFoundError(f"{self._path} is not among the files that travel (see include)")
        return data

    def read_text(self, encoding: str | None = None, errors: str | None = None) -> str:
        """Raises FileNotFoundError, UnicodeDecodeError."""
        return io.TextIOWrapper(io.BytesIO(self.read_bytes()), encoding or "utf-8", errors).read()

    def open(self, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        """For reading: mode "r" or "rb"."""
        stream = io.BytesIO(self.read_bytes())
        return stream if "b" in mode else io.TextIOWrapper(stream, *args, **kwargs)

    def _at(self, name: str) -> Piece:
        return Piece(self._read, self._listed, f"{self._path}/{name}" if self._path else name)


class Reader(TraversableResources):
    """What a loader gives for its package."""

    def __init__(self, piece: Piece) -> None:
        self._piece = piece

    def files(self) -> Traversable:
        return self._piece
