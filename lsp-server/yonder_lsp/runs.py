"""One run as the panel sees it: a record, and what each event of the hub makes of it. Pure: time comes in the events.

    step(run, calls, event) ── changes the records in place and says with Writes what has to be kept beside them

What belongs here: states, counts, sentences, the rows of calls. What this file must not know: SQLite, curves, sockets.

Rules: a run ends once, with RunEnded. After its end only text and calls can still come. A run that was *presumed* lost
(its hub was gone) lives again with the next event, should the hub turn up after all.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping

import msgspec

from yonder import wire
from yonder_lsp.protocol import Trace
from yonder_lsp.records import Bar, Call, CallChanged, Calls, Kept, Picture, Piece, Points, Run, Write

SHORT = 100
BARS = 8
NAMED = 5
FILES = 500
PIECE = 64 * 1024

_PHASES = {"queued": "queued", "creating": "creating", "running": "running"}
_TAIL = struct.Struct("<d")


# ── events ────────────────────────────────────────────────────────────────────────────────────────────────────────────

RunEvent = (
    wire.Phase
    | wire.Output
    | wire.Metrics
    | wire.Progress
    | wire.Display
    | wire.CallStarted
    | wire.CallEnded
    | wire.RunEnded
    | wire.CodeChanged
    | wire.FilesWritten
)


def of_a_run(event: wire.Event) -> RunEvent | None:
    """The event if it belongs to a run; sessions, executors, questions and what has no run are not kept here."""
    if isinstance(event, RunEvent) and event.run:
        return event
    return None


def introduces(event: RunEvent) -> bool:
    """May this event make a run known that nobody created here (the store was lost in between)? What can come late does
    not: it would bring back a run that a person has cleared."""
    match event:
        case wire.Phase() | wire.RunEnded():
            return True
        case wire.Output(after=after, call=call):
            return not after and not call
        case _:
            return False


def joined(events: Iterable[RunEvent]) -> list[RunEvent]:
    """Neighbouring texts of one stream as one event: what was printed in a hundred writes is stored in one row.

    The order within a run's own stream and within each call stays; only texts of different calls may pass each other.
    """
    found: list[RunEvent] = []
    open_texts: dict[tuple[str, str], tuple[int, list[str], int]] = {}
    for event in events:
        if not isinstance(event, wire.Output):
            if isinstance(event, wire.RunEnded):
                _settle(found, open_texts, event.run)
            found.append(event)
            continue
        key = (event.run, event.call)
        place, texts, size = open_texts.get(key, (-1, [], 0))
        if place >= 0 and _same_stream(found[place], event) and size + len(event.text) <= PIECE:
            texts.append(event.text)
            open_texts[key] = (place, texts, size + len(event.text))
            continue
        _settle(found, open_texts, *key)
        open_texts[key] = (len(found), [event.text], len(event.text))
        found.append(event)
    for run, call in list(open_texts):
        _settle(found, open_texts, run, call)
    return found


def _same_stream(first: RunEvent, event: wire.Output) -> bool:
    return (
        isinstance(first, wire.Output)
        and (first.fd, first.after) == (event.fd, event.after)
        and not (first.missing or event.missing)
    )


def _settle(
    found: list[RunEvent],
    open_texts: dict[tuple[str, str], tuple[int, list[str], int]],
    run: str,
    call: str | None = None,
) -> None:
    """Write the collected texts into their events: of one stream, or of a whole run (call None)."""
    for key in [key for key in open_texts if key[0] == run and call in (None, key[1])]:
        place, texts, _ = open_texts.pop(key)
        first = found[place]
        if len(texts) > 1 and isinstance(first, wire.Output):
            found[place] = msgspec.structs.replace(first, text="".join(texts))


def step(run: Run, calls: Calls, event: RunEvent, bound: int) -> list[Write]:
    """What the event changes. `bound` is how many characters of a run's text are kept."""
    if (
        run.presumed
        and not isinstance(event, wire.FilesWritten)
        and not (isinstance(event, wire.Output) and event.after)
    ):
        run.presumed, run.state, run.ended, run.short, run.text, run.error_type = False, "running", 0.0, "", "", ""
        run.detail = ""
    match event:
        case wire.Phase():
            return _phase(run, event)
        case wire.Output():
            return _output(run, event, bound)
        case wire.Metrics():
            return _metrics(run, calls, event)
        case wire.Progress():
            return _progress(run, calls, event)
        case wire.Display(call=call, mime=mime, data=data, alt=alt):
            run.displays += 1
            run.kept += len(data)
            return [Picture(run.displays, call, mime, data, alt)]
        case wire.CallStarted():
            return _call_started(run, calls, event)
        case wire.CallEnded():
            return _call_ended(run, calls, event)
        case wire.RunEnded():
            return _ended(run, event)
        case wire.CodeChanged(call=call, reloaded=reloaded, kept=kept):
            if not call:
                run.code = code_words(reloaded, kept)
            return []
        case wire.FilesWritten():
            _files_written(run, event)
            return []


def _files_written(run: Run, event: wire.FilesWritten) -> None:
    """A file that is written again is there once, as it is now."""
    known = {(file.executor, file.path): file for file in run.files}
    run.more_files += event.more
    for written in event.files:
        file = known.get((event.executor, written.path))
        if file is not None:
            file.size, file.at, file.call, file.local = written.size, written.at, event.call, ""
        elif len(run.files) < FILES:
            run.files.append(Kept(event.executor, written.path, written.size, written.at, event.call))
        else:
            run.more_files += 1


def code_words(reloaded: Iterable[str], kept: Iterable[str]) -> str:
    """What a worker that keeps its variables did about newer code, in a line."""
    told = (("reloaded", reloaded), ("old code of", kept))
    return ", ".join(f"{words} {_names(list(modules))}" for words, modules in told if modules)


def kept_words(kept: Mapping[str, str]) -> str:
    """What a person is told of modules that are older than their files."""
    reasons = _names([f"{name} ({why})" for name, why in kept.items()])
    return f"The session still runs the old code of {reasons}. Restart it to run the new code; its variables go."


def _names(modules: list[str]) -> str:
    more = f" and {len(modules) - NAMED} more" if len(modules) > NAMED else ""
    return ", ".join(modules[:NAMED]) + more


def lose(run: Run, calls: Calls, sentence: str, now: float) -> list[Write]:
    """The run's hub is gone: nobody will tell how it ended."""
    run.state, run.ended, run.presumed = "lost", now, True
    run.detail = run.text = sentence
    run.short, run.error_type = _one_line(sentence), "ExecutorLost"
    changed: list[Write] = []
    for call in calls.values():
        if call.state == "running":
            call.state, call.summary, call.seconds = "lost", run.short, max(0.0, now - call.started)
            changed.append(CallChanged(call.call))
    return changed


def _phase(run: Run, event: wire.Phase) -> list[Write]:
    if run.over:
        return []
    run.state = _PHASES.get(event.phase, "booting")
    run.detail = event.detail or ("" if run.state == event.phase else event.phase)
    if run.state == "running" and not run.started:
        run.started = event.at
    return []


def _output(run: Run, event: wire.Output, bound: int) -> list[Write]:
    found: list[Write] = []
    if event.missing:
        found.append(_piece(run, event, gap(event.missing)))
    size = len(event.text)
    if not size:
        return found
    if run.letters + size <= bound:
        run.letters += size
        run.kept += size
        found.append(_piece(run, event, event.text))
    else:
        if not run.missing:
            found.append(
                _piece(run, event, f"\n… {bound:,} characters of this run are stored; what follows is left out …\n")
            )
        run.missing += size
    return found


def _piece(run: Run, event: wire.Output, text: str) -> Piece:
    run.output += 1
    return Piece(run.output, event.call, event.fd, text, event.after)


def gap(missing: int) -> str:
    """What stands where text was dropped."""
    return f"\n… {missing:,} character{'' if missing == 1 else 's'} left out here …\n"


def _metrics(run: Run, calls: Calls, event: wire.Metrics) -> list[Write]:
    found: list[Write] = [Points(event.call, event.columns)]
    call = _call(run, calls, event.call) if event.call else None
    for column in event.columns:
        if column.name not in run.metrics:
            run.metrics.append(column.name)
        run.kept += len(column.steps) + len(column.values) + len(column.times)
        if call is not None and len(column.values) >= _TAIL.size:
            (call.metrics[column.name],) = _TAIL.unpack(column.values[-_TAIL.size :])
    if call is not None:
        found.append(CallChanged(call.call))
    return found


def _progress(run: Run, calls: Calls, event: wire.Progress) -> list[Write]:
    call = _call(run, calls, event.call) if event.call else None
    bars = run.bars if call is None else call.bars
    bar = next((bar for bar in bars if bar.id == event.id), None)
    if bar is None:
        if len(bars) >= BARS:
            bars.remove(next((old for old in bars if old.full), bars[0]))
        bars.append(Bar(event.id, event.label, event.done, event.total))
    else:
        bar.label, bar.done, bar.total = event.label, event.done, event.total
    return [] if call is None else [CallChanged(call.call)]


def _call(run: Run, calls: Calls, name: str) -> Call:
    """The row of a call, made on its first event."""
    if name not in calls:
        run.calls += 1
        calls[name] = Call(name, order=run.calls)
    return calls[name]


def _call_started(run: Run, calls: Calls, event: wire.CallStarted) -> list[Write]:
    call = _call(run, calls, event.call)
    if call.state != "running":
        run.calls_done -= 1  # it is tried again
    call.label, call.pool, call.executor, call.started = event.label, event.pool, event.executor, event.at
    call.state, call.seconds, call.summary = "running", 0.0, ""
    return [CallChanged(call.call)]


def _call_ended(run: Run, calls: Calls, event: wire.CallEnded) -> list[Write]:
    call = _call(run, calls, event.call)
    if call.state == "running":
        run.calls_done += 1
    call.state, call.seconds, call.summary = event.outcome, event.seconds, _one_line(event.summary)
    return [CallChanged(call.call)]


def _ended(run: Run, event: wire.RunEnded) -> list[Write]:
    found: list[Write] = []
    if run.missing:
        run.output += 1
        found.append(Piece(run.output, "", 1, gap(run.missing), after=False))
        run.missing = 0
    run.state, run.ended, run.generation = event.outcome, event.at, event.generation
    run.started = run.started or event.at - event.seconds
    run.detail = event.sentence
    if event.failure is not None:
        _failed(run, event.failure)
    elif event.outcome == "lost":
        report = event.report.sentence() if event.report is not None else ""
        words = event.sentence or f"The worker {report or 'is gone'}."
        stderr = event.report.stderr.strip() if event.report is not None else ""
        run.short, run.text = _one_line(words), f"{words}\n\n{stderr}" if stderr else words
        run.error_type = "ExecutorLost"
    elif event.preview is not None:
        run.short, run.text, run.rich = _one_line(event.preview.short), event.preview.text, dict(event.preview.rich)
    elif event.sentence:
        run.short, run.text = _one_line(event.sentence), event.sentence
    run.kept += len(run.text) + sum(map(len, run.rich.values()))
    return found


def _failed(run: Run, failure: wire.Failure) -> None:
    run.short = _one_line(f"{failure.type}: {failure.message}" if failure.message else failure.type)
    run.text, run.error_type = failure.text, failure.type
    run.failure = msgspec.structs.replace(failure, text="")
    run.trace = [
        Trace(file=frame.file, line=frame.line, function=frame.function, source=frame.source, user=frame.user)
        for frame in failure.frames
    ]


def _one_line(text: str) -> str:
    """Fit to stand after a line of code."""
    line = " ".join(text.split())
    return line if len(line) <= SHORT else line[: SHORT - 1] + "…"
