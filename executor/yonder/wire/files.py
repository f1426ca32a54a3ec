"""Files that code wrote on executors elsewhere: which there are, and their contents, piece by piece.

    owner or client ── GetFiles, ReadFile ──▶ hub ── LookForFiles, ReadFile ──▶ agent
                    ◀── Files, FilePart ─────     ◀── FilesFound, FilePart ────

Whoever wants a file asks for its pieces, a few at a time: nothing is ever on its way that nobody has asked for, and after
a cut the next piece is asked for again. Paths are relative to the executor's working directory, separated by "/".
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from yonder.wire.base import Msg, Part, Seconds

MOST_FILES = 1000
"""Files that are told of at once; the others are counted."""

LONGEST_PATH = 1024
PIECE = 128 * 1024
"""Bytes of one piece, at most."""

PIECES = 4
"""Pieces that one reader may have on their way; the next ones are refused."""

Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Path = Annotated[str, msgspec.Meta(max_length=LONGEST_PATH)]


class Written(Part, frozen=True):
    """A file as it is now. `at` is when it was written last, by the clock of its machine."""

    path: Path
    size: Count
    at: Seconds


class LookForFiles(Msg, frozen=True, tag=True):
    """What is new in the executor's working directory since this was asked last? Answered by FilesFound."""

    id: int
    executor: str


class FilesFound(Msg, frozen=True, tag=True):
    """`more` files are new besides these, or could not be looked at. `now` is this moment by the clock of that machine."""

    id: int
    files: Annotated[list[Written], msgspec.Meta(max_length=MOST_FILES)]
    more: Count
    now: Seconds


class ReadFile(Msg, frozen=True, tag=True):
    """At most `size` bytes of a file, from `offset` on. Answered by FilePart."""

    id: int
    executor: str
    path: Path
    offset: Count
    size: Annotated[int, msgspec.Meta(ge=0, le=PIECE)] = PIECE


class FilePart(Msg, frozen=True, tag=True):
    """The bytes that were asked for, and the file that they are of: it has `total` bytes, and `stamp` is another one after
    every change. `digest` is the hash of `data` (`snapshot.content`). `sentence` says why there is nothing."""

    id: int
    data: Annotated[bytes, msgspec.Meta(max_length=PIECE)]
    total: Count
    stamp: Annotated[str, msgspec.Meta(max_length=100)]
    digest: Annotated[bytes, msgspec.Meta(max_length=64)]
    sentence: Annotated[str, msgspec.Meta(max_length=500)] = ""


class GetFiles(Msg, frozen=True, tag=True):
    """What was written on the executors of a pool ("": of all)? Answered by Files, as soon as what ended was looked after."""

    id: int
    pool: str


class FileThere(Part, frozen=True):
    """A file on an executor. `call` is the number of the asking client's call that wrote it, 0 when that is not known;
    `fetched`: somebody has read all of it."""

    executor: str
    path: str
    size: int
    at: float
    call: int = 0
    fetched: bool = False


class Files(Msg, frozen=True, tag=True):
    """Answer to GetFiles, and (id 0) to a client of a pool with `outputs`: what was just written. `more` are not named."""

    id: int
    files: list[FileThere]
    more: int = 0
