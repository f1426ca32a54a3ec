"""Rows: how runs, calls, texts, pictures and points are written to the tables and read back.

What belongs here: every SQL statement about runs. What this file must not know: transactions, what is in memory, the
editor's questions.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

import msgspec

from yonder_lsp.database import OF_A_RUN
from yonder_lsp.records import Call, Calls, Picture, Piece, Points, Run

encode = msgspec.msgpack.Encoder().encode
_run_of = msgspec.msgpack.Decoder(Run).decode
_call_of = msgspec.msgpack.Decoder(Call).decode
_points_of = msgspec.msgpack.Decoder(list[Points]).decode

# One stream of a run, or all of them ("*"), after a number.
_PIECES = "FROM output WHERE id = ? AND n > ? AND (?3 = '*' OR call = ?3)"


def runs(connection: sqlite3.Connection) -> list[tuple[int, Run]]:
    """All runs with their keys, oldest first. Raises msgspec.MsgspecError when one cannot be understood."""
    rows = connection.execute("SELECT id, body FROM run ORDER BY id").fetchall()
    return [(key, _run_of(body)) for key, body in rows]


def hubs(connection: sqlite3.Connection) -> dict[str, int]:
    """The highest number of each hub, the oldest hub first."""
    return dict(connection.execute("SELECT name, last FROM hub ORDER BY rowid"))


def set_last(connection: sqlite3.Connection, hub: str, last: int) -> None:
    connection.execute("INSERT INTO hub VALUES (?, ?) ON CONFLICT DO UPDATE SET last = ?2", (hub, last))


def forget_hub(connection: sqlite3.Connection, hub: str) -> None:
    connection.execute("DELETE FROM hub WHERE name = ?", (hub,))


def add(connection: sqlite3.Connection, run: Run) -> int:
    """The new run's key."""
    cursor = connection.execute("INSERT INTO run (run, body) VALUES (?, ?)", (run.run, encode(run)))
    key = cursor.lastrowid
    assert key is not None  # noqa: S101 - an INSERT that did not raise has one
    return key


def forget(connection: sqlite3.Connection, keys: Sequence[int]) -> None:
    """Everything of these runs."""
    for table in ("run", *OF_A_RUN):
        connection.executemany(f"DELETE FROM {table} WHERE id = ?", [(key,) for key in keys])  # noqa: S608 - our names


def write(connection: sqlite3.Connection, kept: Sequence[tuple[int, Piece | Picture | Points]]) -> None:
    """Add what belongs to runs; the points of one run become one row."""
    texts: list[tuple[object, ...]] = []
    pictures: list[tuple[object, ...]] = []
    points: dict[int, list[Points]] = {}
    for key, row in kept:
        match row:
            case Piece(n=n, call=call, fd=fd, text=text, after=after):
                texts.append((key, n, call, fd, after, len(text), text))
            case Picture(n=n, call=call, mime=mime, data=data, alt=alt):
                pictures.append((key, n, call, mime, alt, data))
            case Points():
                points.setdefault(key, []).append(row)
    connection.executemany("INSERT INTO output VALUES (?, ?, ?, ?, ?, ?, ?)", texts)
    connection.executemany("INSERT INTO display VALUES (?, ?, ?, ?, ?, ?)", pictures)
    connection.executemany("INSERT INTO points VALUES (?, ?)", [(key, encode(rows)) for key, rows in points.items()])


def update(connection: sqlite3.Connection, runs: Sequence[tuple[int, Run]], calls: Sequence[tuple[int, Call]]) -> None:
    """Records that have changed."""
    connection.executemany("UPDATE run SET body = ? WHERE id = ?", [(encode(run), key) for key, run in runs])
    connection.executemany(
        "INSERT OR REPLACE INTO call VALUES (?, ?, ?)", [(key, call.call, encode(call)) for key, call in calls]
    )


def calls(connection: sqlite3.Connection, key: int) -> Calls:
    rows = connection.execute("SELECT call, body FROM call WHERE id = ?", (key,)).fetchall()
    return {call: _call_of(body) for call, body in rows}


def points(connection: sqlite3.Connection, key: int) -> Iterator[Points]:
    """All points of a run in the order in which they came."""
    for (body,) in connection.execute("SELECT body FROM points WHERE id = ? ORDER BY rowid", (key,)):
        yield from _points_of(body)


def newest_pieces(
    connection: sqlite3.Connection, key: int, call: str, since: int, limit: int
) -> tuple[list[Piece], int]:
    """The newest texts after a number that fit into the limit (at least one), oldest first, and how many did not fit."""
    found: list[Piece] = []
    size = 0
    values = (key, since, call)
    rows = connection.execute(f"SELECT n, call, fd, after, size, text {_PIECES} ORDER BY n DESC", values)
    for n, of, fd, after, length, text in rows:
        size += length
        if found and size > limit:
            break
        found.append(Piece(n, of, fd, text, bool(after)))
    rows.close()
    (count,) = connection.execute(f"SELECT count(*) {_PIECES}", values).fetchone()
    return found[::-1], count - len(found)


def pictures(connection: sqlite3.Connection, key: int, since: int, limit: int) -> list[Picture]:
    """Pictures after a number, the first of them that fit into the limit (at least one)."""
    found: list[Picture] = []
    size = 0
    rows = connection.execute(
        "SELECT n, call, mime, data, alt FROM display WHERE id = ? AND n > ? ORDER BY n", (key, since)
    )
    for row in rows:
        picture = Picture(*row)
        size += len(picture.data)
        if found and size > limit:
            break
        found.append(picture)
    rows.close()
    return found
