"""The file of runs: opening, its tables and their versions, setting a broken one aside, transactions.

What belongs here: SQLite as such. What this file must not know: what the rows mean.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from yonder.errors import YonderError

# One script per version; user_version counts how many have been carried out. Never change one that was released.
MIGRATIONS = (
    """
    CREATE TABLE hub (name TEXT PRIMARY KEY, last INTEGER NOT NULL);
    CREATE TABLE run (id INTEGER PRIMARY KEY, run TEXT NOT NULL UNIQUE, body BLOB NOT NULL);
    CREATE TABLE call (id INTEGER NOT NULL, call TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (id, call))
        WITHOUT ROWID;
    CREATE TABLE output (id INTEGER NOT NULL, n INTEGER NOT NULL, call TEXT NOT NULL, fd INTEGER NOT NULL,
        after INTEGER NOT NULL, size INTEGER NOT NULL, text TEXT NOT NULL, PRIMARY KEY (id, n)) WITHOUT ROWID;
    CREATE TABLE display (id INTEGER NOT NULL, n INTEGER NOT NULL, call TEXT NOT NULL, mime TEXT NOT NULL,
        alt TEXT NOT NULL, data BLOB NOT NULL);
    CREATE UNIQUE INDEX display_by_number ON display (id, n);
    CREATE TABLE points (id INTEGER NOT NULL, body BLOB NOT NULL);
    CREATE INDEX points_by_run ON points (id);
    """,
)
OF_A_RUN = ("call", "output", "display", "points")

BUSY = 5000  # milliseconds: a server that is just ending may still write while the next one starts
_BROKEN = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class StoreError(YonderError):
    """Runs cannot be stored or read; says why and what helps. `broken`: the file itself is damaged."""

    def __init__(self, sentence: str, *, broken: bool = False) -> None:
        super().__init__(sentence)
        self.broken = broken


class _ForeignError(Exception):
    """The file is sound but was made by a version of Yonder that is newer than this one."""


class Database:
    """One open file. `notice` is a sentence for the person when an older file had to be set aside."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.notice = ""
        self._connection: sqlite3.Connection | None = None
        try:
            self._connection = self._opened()
        except sqlite3.DatabaseError as error:
            if not _broken(error):
                raise self._failure(error) from error
            self.set_aside("is damaged")
        except _ForeignError:
            self.set_aside("was written by a newer version of Yonder")
        except OSError as error:
            raise StoreError(f"The folder for runs cannot be used: {error}. Free it or choose another.") from error

    def set_aside(self, why: str) -> None:
        """Start anew beside what is there; nothing is deleted. `why` continues "the file of earlier runs …"."""
        if self._connection is not None:
            self._connection.close()
        aside = next(
            path
            for number in range(1, 10_000)
            if not (path := self._file.with_name(f"{self._file.name}.aside-{number}")).exists()
        )
        try:
            for suffix in ("", "-wal", "-shm"):
                part = self._file.with_name(self._file.name + suffix)
                if part.exists():
                    part.rename(aside.with_name(aside.name + suffix))
            self._connection = self._opened()
        except (OSError, sqlite3.Error) as error:
            raise self._failure(error) from error
        self.notice = f"The file of earlier runs {why}; it was set aside as {aside} and a new one was begun."

    def _opened(self) -> sqlite3.Connection:
        self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        self._file.chmod(0o600)  # SQLite gives its two side files the same mode
        connection = sqlite3.connect(self._file, isolation_level=None, timeout=BUSY / 1000)
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # only counts before the first table
        (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        # With a write-ahead log a killed process loses nothing that was committed; without one every commit must sync.
        connection.execute(f"PRAGMA synchronous = {'NORMAL' if mode == 'wal' else 'FULL'}")
        connection.execute("BEGIN IMMEDIATE")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > len(MIGRATIONS):
            raise _ForeignError
        for script in MIGRATIONS[version:]:
            for statement in script.split(";"):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        connection.execute("COMMIT")
        for table in ("hub", "run", *OF_A_RUN):
            connection.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone()  # noqa: S608 - our own names

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, on disk when the block is left. Raises StoreError."""
        connection = self._open()
        try:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise self._failure(error) from error

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """For queries. Raises StoreError."""
        try:
            yield self._open()
        except sqlite3.Error as error:
            raise self._failure(error) from error
        except msgspec.MsgspecError as error:
            raise StoreError(f"The file of runs holds what cannot be understood: {error}.", broken=True) from error

    def changes_of_others(self) -> int:
        """A number that is another one after somebody else wrote to the file."""
        (version,) = self._open().execute("PRAGMA data_version").fetchone()
        return int(version)

    def shrink(self) -> None:
        """Give pages of deleted rows back to the file system."""
        with self.reading() as connection:
            # execute would stop after the first page: the pragma yields a row without columns for each.
            connection.executescript("PRAGMA incremental_vacuum")

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StoreError(f"The file of runs {self._file} has been closed.")
        return self._connection

    def _failure(self, error: Exception) -> StoreError:
        broken = isinstance(error, sqlite3.DatabaseError) and _broken(error)
        remedy = "It is damaged; the next start sets it aside." if broken else "Is the disk full or the file locked?"
        return StoreError(f"The file of runs {self._file} cannot be used: {error}. {remedy}", broken=broken)


def _broken(error: sqlite3.DatabaseError) -> bool:
    # By code, not by text; the low byte is the kind. Errors that Python itself raises have none.
    return (getattr(error, "sqlite_errorcode", 0) & 0xFF) in _BROKEN
