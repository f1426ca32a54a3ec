"""The store of runs: the hub's numbered events become rows on disk, the panel's questions become answers.

    numbered events ──▶ runs.step ──▶ records in memory ─┐
                              └─────▶ writes ────────────┴──▶ one transaction ──▶ acknowledged by the caller

What belongs here: carrying writes out, reading rows, keeping what the panel asks for often in memory. What this file
must not know: the loop (it is synchronous and used by one thread), the hub's connection, what an event means (runs.py).

Everything on disk belongs to a run; what is applied is on disk before apply returns, so nothing acknowledged is lost
when the process is killed. Points come into memory when somebody looks at them and leave it when too many are there.
"""

from __future__ import annotations

import base64
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from yonder import wire
from yonder_lsp import protocol, rows, runs
from yonder_lsp.database import Database, StoreError
from yonder_lsp.records import CallChanged, Calls, Picture, Piece, Points, Run, Write
from yonder_lsp.series import Curves, packed

__all__ = ["Limits", "Store", "StoreError"]

FAILED = 20
"""Failed runs of a document that are shown again."""


class Limits(msgspec.Struct, frozen=True):
    """How much is kept: ended runs and their bytes on disk, characters of text of one run (then it is left out), points
    in memory, characters of long results and bytes of pictures in one answer, hubs whose numbers are remembered."""

    runs: int = 200
    size: int = 500_000_000
    letters: int = 256_000_000
    points: int = 8_000_000
    texts: int = 4_000_000
    pictures: int = 4_000_000
    hubs: int = 100


class _Batch(msgspec.Struct):
    """What one transaction has to write and what it makes visible."""

    touched: dict[str, None] = {}
    calls: dict[tuple[str, str], None] = {}
    kept: list[tuple[str, Piece | Picture | Points]] = []
    ended: bool = False


class Store:
    """All runs of one workspace. `notice` is a sentence to show once ("" mostly), `revision` rises with every change
    that the panel could see. Raises StoreError, in words."""

    def __init__(self, file: Path, *, now: Callable[[], float], limits: Limits | None = None) -> None:
        self._now = now
        self._limits = limits or Limits()
        self._database = Database(file)
        # Begins at the clock so that a panel that outlived a server does not take the new one's numbers for old ones.
        self.revision = max(1, int(now() * 1000))
        self._runs: dict[str, Run] = {}
        self._ids: dict[str, int] = {}
        self._revisions: dict[str, int] = {}
        self._last: dict[str, int] = {}
        self._calls: dict[str, Calls] = {}
        self._curves: dict[str, Curves] = {}
        self._seen = 0  # of other people's changes; unlike any real count, so that the first transaction looks
        try:
            self._begin()
        except BaseException:
            self._database.close()
            raise
        self.notice = self._database.notice

    def _begin(self) -> None:
        try:
            self._load()
        except StoreError as error:
            if not error.broken:
                raise
            self._database.set_aside("is damaged")
            self._load()
        with self._writing():
            self._prune()

    def _load(self) -> None:
        """Take everything from disk: at the start, after a failed transaction, after somebody else wrote."""
        with self._database.reading() as connection:
            found = rows.runs(connection)
            self._last = rows.hubs(connection)
        self._runs = {run.run: run for _, run in found}
        self._ids = {run.run: key for key, run in found}
        self._revisions = dict.fromkeys(self._runs, self.revision)
        self._calls.clear()
        self._curves.clear()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction over what is on disk now; if it fails, memory goes back to what is on disk."""
        try:
            with self._database.transaction() as connection:
                seen = self._database.changes_of_others()
                if seen != self._seen:
                    self._seen = seen
                    self.revision += 1
                    self._load()
                yield connection
        except BaseException:
            self.revision += 1
            self._load()
            raise

    def close(self) -> None:
        self._database.close()

    # ── what changes runs ─────────────────────────────────────────────────────────────────────────────────────────────

    def last(self, hub: str) -> int:
        """The highest event number stored of this hub, 0 if none."""
        return self._last.get(hub, 0)

    def created(
        self,
        run: str,
        *,
        session: str,
        uri: str,
        title: str,
        text_hash: str,
        range: protocol.Range,  # noqa: A002 - the word of the editor's protocol
        kind: str,
        generation: int,
    ) -> None:
        """A person pressed Run: the run is there before any hub knows of it."""
        with self._writing() as connection:
            if run in self._runs:
                raise StoreError(f"A run called {run} is there already.")
            self._add(
                connection,
                Run(
                    run,
                    session=session,
                    uri=_clean(uri),
                    title=_clean(title),
                    hash=text_hash,
                    range=range,
                    kind=kind,
                    generation=generation,
                    created=self._now(),
                ),
            )
        self._show([run])

    def apply(self, hub: str, numbered: Sequence[wire.Numbered]) -> int:
        """Store events of a hub that are not stored yet, all or none; what is returned may be acknowledged."""
        batch = _Batch()
        with self._writing() as connection:
            fresh = [message for message in numbered if message.n > self.last(hub)]
            if not fresh:
                return self.last(hub)
            events = [event for message in fresh if (event := runs.of_a_run(message.event)) is not None]
            for event in runs.joined(events):
                self._take(connection, hub, event, batch)
            self._write(connection, batch)
            last = max(message.n for message in fresh)
            rows.set_last(connection, hub, last)
            self._last[hub] = last
            if batch.ended:
                self._prune()
        self._draw(batch)
        self._show(batch.touched)
        return last

    def abandoned(self, sentence: str, hub: str | None = None) -> None:
        """A hub is gone (None: all of them): its runs that have not ended are lost, and so are those nobody has heard
        of yet. A run that turns out to be alive comes back with its next event."""
        batch = _Batch()
        with self._writing() as connection:
            for name, run in self._runs.items():
                if not run.over and (hub is None or run.hub in (hub, "")):
                    batch.touched[name] = None
                    self._note(name, runs.lose(run, self._calls_of(name), sentence, self._now()), batch)
            self._write(connection, batch)
        self._show(batch.touched)

    def mark_stale(self, run: str, stale: bool) -> None:
        """The text of the block is (no longer) another one than the one that ran."""
        if run not in self._runs or self._runs[run].stale == stale:
            return
        with self._writing() as connection:
            if run in self._runs:
                self._runs[run].stale = stale
                self._write(connection, _Batch(touched={run: None}))
        self._show([run])

    def fetched(self, run: str, executor: str, path: str, local: str) -> None:
        """A file of a run lies here now."""
        with self._writing() as connection:
            for file in self._runs[run].files if run in self._runs else []:
                if (file.executor, file.path) == (executor, path):
                    file.local = local
                    self._write(connection, _Batch(touched={run: None}))
        self._show([run])

    def files(self, p: protocol.FilesParams) -> protocol.FilesResult:
        """What the run wrote on executors elsewhere."""
        run = self._runs.get(p.run)
        if run is None:
            return protocol.FilesResult(files=[], more=0)
        return protocol.FilesResult(files=[file.row() for file in run.files], more=run.more_files)

    def clear(self) -> None:
        """Forget the runs that have ended."""
        with self._writing():
            self._forget([name for name, run in self._runs.items() if run.over])
        self._database.shrink()
        self.revision += 1

    def _add(self, connection: sqlite3.Connection, run: Run) -> None:
        self._ids[run.run] = rows.add(connection, run)
        self._runs[run.run] = run

    def _take(self, connection: sqlite3.Connection, hub: str, event: runs.RunEvent, batch: _Batch) -> None:
        """One event into the records; what must be written goes into the batch."""
        name = event.run
        if name not in self._runs:
            if not runs.introduces(event):
                return
            self._add(connection, Run(name, title="a run of an earlier window", created=self._now()))
        run = self._runs[name]
        run.hub = hub
        batch.touched[name] = None
        batch.ended |= isinstance(event, wire.RunEnded)
        self._note(name, runs.step(run, self._calls_of(name), event, self._limits.letters), batch)

    def _note(self, run: str, writes: list[Write], batch: _Batch) -> None:
        for write in writes:
            if isinstance(write, CallChanged):
                batch.calls[run, write.call] = None
            else:
                batch.kept.append((run, write))

    def _write(self, connection: sqlite3.Connection, batch: _Batch) -> None:
        ids = self._ids
        rows.write(connection, [(ids[run], kept) for run, kept in batch.kept])
        rows.update(
            connection,
            [(ids[run], self._runs[run]) for run in batch.touched],
            [(ids[run], self._calls[run][call]) for run, call in batch.calls],
        )

    def _draw(self, batch: _Batch) -> None:
        """Points of curves that are in memory go there too; the others wait on disk until somebody looks."""
        for run, write in batch.kept:
            if isinstance(write, Points) and (curves := self._curves.get(run)) is not None:
                _add_points(curves, write)

    def _show(self, names: Sequence[str] | dict[str, None]) -> None:
        if names:
            self.revision += 1
            self._revisions.update((name, self.revision) for name in names if name in self._runs)

    def _prune(self) -> None:
        """Forget the oldest ended runs beyond the limits, and hubs that are long gone."""
        limits = self._limits
        ended = sorted((run for run in self._runs.values() if run.over), key=lambda run: run.ended)
        size = sum(run.kept for run in ended)
        surplus: list[str] = []
        for run in ended[:-1]:  # what has just ended is kept however large it is
            if len(ended) - len(surplus) <= limits.runs and size <= limits.size:
                break
            surplus.append(run.run)
            size -= run.kept
        self._forget(surplus)
        with self._database.reading() as connection:
            for name in list(self._last)[: -limits.hubs]:
                rows.forget_hub(connection, name)
                del self._last[name]

    def _forget(self, names: list[str]) -> None:
        with self._database.reading() as connection:
            rows.forget(connection, [self._ids[name] for name in names])
        for name in names:
            for known in (self._runs, self._ids, self._revisions, self._calls, self._curves):
                known.pop(name, None)

    # ── what the panel asks ───────────────────────────────────────────────────────────────────────────────────────────

    def runs(self, since: int) -> protocol.RunsResult:
        """Runs that changed after `since`, oldest first; all of them for a number this store never gave."""
        changed = [name for name in self._runs if since > self.revision or self._revisions[name] > since]
        left = self._limits.texts
        found: list[protocol.RunSummary] = []
        for name in reversed(changed):
            summary = self._runs[name].summary(self._revisions[name])
            left -= len(summary.text) + sum(map(len, summary.rich.values()))
            if left < 0:  # the newest keep their whole text, an answer of hundreds of long ones helps nobody
                summary = msgspec.structs.replace(summary, text=summary.text[:2000], rich={})
            found.append(summary)
        return protocol.RunsResult(revision=self.revision, runs=found[::-1])

    def failed(self, uri: str) -> list[Run]:
        """The document's runs that failed and whose lines no later run of it has run again, oldest first."""
        own = [run for run in self._runs.values() if run.uri == uri]
        found = []
        for at, run in enumerate(own):
            first, last = run.range.start.line, run.range.end.line
            again = any(later.range.start.line <= last and first <= later.range.end.line for later in own[at + 1 :])
            if run.state == "error" and run.failure is not None and not again:
                found.append(run)
        return found[-FAILED:]

    def output(self, p: protocol.OutputParams) -> protocol.OutputResult:
        """The newest pieces after `since` that fit into the limit, at least one."""
        run = self._runs.get(p.run)
        if run is None:
            return protocol.OutputResult(pieces=[], next=p.since, skipped=0, total=0)
        with self._database.reading() as connection:
            found, skipped = rows.newest_pieces(connection, self._ids[p.run], p.call, p.since, p.limit)
        pieces = [
            protocol.OutputPiece(n=piece.n, call=piece.call, fd=piece.fd, text=piece.text, after=piece.after)
            for piece in found
        ]
        return protocol.OutputResult(pieces=pieces, next=max(p.since, run.output), skipped=skipped, total=run.output)

    def series(self, p: protocol.SeriesParams) -> protocol.SeriesResult:
        """The curves asked for, thinned to the pixels there are."""
        run = self._runs.get(p.run)
        if run is None or not run.metrics:
            return protocol.SeriesResult(revision=self.revision, curves=[])
        origin = (run.started or run.created) if p.x == "time" else 0.0
        x_min, x_max = (None if x is None else x + origin for x in (p.x_min, p.x_max))
        calls = self._calls_of(p.run)
        curves: list[protocol.Curve] = []
        for call, name, series in self._curves_of(p.run).named(p.names):
            xs, ys = series.axis(p.x).thin(x_min, x_max, p.pixels)
            curves.append(
                protocol.Curve(
                    name=name,
                    call=call,
                    label=calls[call].label if call in calls else "",
                    points=len(series),
                    last=series.last,
                    xs=base64.b64encode(packed(xs, minus=origin)).decode(),
                    ys=base64.b64encode(packed(ys)).decode(),
                )
            )
        return protocol.SeriesResult(revision=self.revision, curves=curves)

    def calls(self, p: protocol.CallsParams) -> protocol.CallsResult:
        """The table of pool calls of a run, in the order in which they began, and the run's own bars."""
        run = self._runs.get(p.run)
        if run is None:
            return protocol.CallsResult(calls=[], progress=[])
        now = self._now()
        calls = sorted(self._calls_of(p.run).values(), key=lambda call: call.order)
        return protocol.CallsResult(calls=[call.row(now) for call in calls], progress=run.progress())

    def displays(self, p: protocol.DisplaysParams) -> protocol.DisplaysResult:
        """Pictures after `since`, as many as an answer should carry; `next` tells where to go on."""
        if p.run not in self._ids:
            return protocol.DisplaysResult(displays=[], next=p.since)
        with self._database.reading() as connection:
            found = rows.pictures(connection, self._ids[p.run], p.since, self._limits.pictures)
        items = [
            protocol.DisplayItem(
                n=picture.n, call=picture.call, mime=picture.mime, data=_shown(picture), alt=picture.alt
            )
            for picture in found
        ]
        return protocol.DisplaysResult(displays=items, next=found[-1].n if found else p.since)

    def _calls_of(self, run: str) -> Calls:
        calls = self._calls.get(run)
        if calls is None:
            with self._database.reading() as connection:
                calls = self._calls[run] = rows.calls(connection, self._ids[run])
        return calls

    def _curves_of(self, run: str) -> Curves:
        """The run's curves, from disk if nobody has looked at them lately; the least looked at make room."""
        curves = self._curves.pop(run, None)
        if curves is None:
            curves = Curves()
            with self._database.reading() as connection:
                for batch in rows.points(connection, self._ids[run]):
                    _add_points(curves, batch)
        self._curves[run] = curves
        while len(self._curves) > 1 and sum(known.points for known in self._curves.values()) > self._limits.points:
            del self._curves[next(iter(self._curves))]
        return curves


def _add_points(curves: Curves, points: Points) -> None:
    for column in points.columns:
        curves.add(points.call, column.name, column.steps, column.values, column.times)


def _shown(picture: Picture) -> str:
    """Images as base64, the rest is text."""
    if picture.mime.startswith("image/"):
        return base64.b64encode(picture.data).decode()
    return picture.data.decode("utf-8", "replace")


def _clean(text: str) -> str:
    """Without lone surrogates, which an editor may send and which cannot be stored."""
    return text.encode("utf-8", "replace").decode()
