"""The run list as a pure machine: events in, records and writes out."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yonder import wire
from yonder_lsp import runs
from yonder_lsp.records import CallChanged, Picture, Piece, Points, Run

BOUND = 1000


class Table:
    """One run and its calls, fed event by event."""

    def __init__(self):
        self.run = Run("r", created=1.0)
        self.calls = {}

    def __call__(self, *events, bound=BOUND):
        return [write for event in events for write in runs.step(self.run, self.calls, event, bound)]

    @property
    def row(self):
        (call,) = self.calls.values()
        return call.row(now=100.0)

    @property
    def seen(self):
        return self.run.summary(7)


@pytest.fixture
def table():
    return Table()


def phase(name, at=2.0, detail=""):
    return wire.Phase("r", name, at, detail)


def text(words, call="", fd=1, **more):
    return wire.Output("r", call, fd, words, 3.0, **more)


def ended(outcome="ok", **more):
    return wire.RunEnded("r", outcome, 9.0, 4.0, **more)


def metrics(call, **values):
    pack = lambda numbers: struct.pack(f"<{len(numbers)}d", *numbers)
    columns = [wire.Column(n, pack(range(len(v))), pack(v), pack(range(len(v)))) for n, v in values.items()]
    return wire.Metrics("r", call, columns)


def test_phases_become_states_and_unknown_ones_are_told_as_booting(table):
    seen = []
    for name in ["queued", "creating", "booting", "pulling", "ready", "running"]:
        table(phase(name, detail="3 of 8" if name == "booting" else ""))
        seen.append((table.seen.state, table.seen.detail))
    assert seen == [
        ("queued", ""),
        ("creating", ""),
        ("booting", "3 of 8"),
        ("booting", "pulling"),
        ("booting", "ready"),
        ("running", ""),
    ]
    assert table.seen.started == 2.0
    table(phase("running", at=5.0))
    assert table.seen.started == 2.0


def test_a_value(table):
    preview = wire.Preview("int", "4  \n 2", "42", {"text/html": "<b>42</b>"})
    table(phase("running"), ended(preview=preview))
    seen = table.seen
    assert (seen.state, seen.short, seen.text, seen.rich, seen.ended) == ("ok", "4 2", "42", preview.rich, 9.0)
    assert seen.revision == 7


def test_statements_without_a_value(table):
    table(ended())
    assert (table.seen.state, table.seen.short, table.seen.text) == ("ok", "", "")
    assert table.seen.started == 5.0  # told by the end when nothing told it before


def test_an_error_has_one_line_and_its_frames(table):
    frames = [wire.Frame("/a/b.py", 3, "f", "1 / 0", user=True)]
    table(ended("error", failure=wire.Failure("ValueError", "bad\nthing " * 30, "Traceback …", frames)))
    seen = table.seen
    assert seen.short.startswith("ValueError: bad thing")
    assert len(seen.short) == 100
    assert (seen.text, seen.error_type, seen.trace[0].line, seen.trace[0].user) == (
        "Traceback …",
        "ValueError",
        3,
        True,
    )


def test_an_error_without_message(table):
    table(ended("error", failure=wire.Failure("KeyboardInterrupt", "", "…")))
    assert table.seen.short == "KeyboardInterrupt"


def test_a_lost_worker_is_told_with_its_last_words(table):
    table(ended("lost", report=wire.ExitReport(signal=9, stderr="oh no\n")))
    assert table.seen.short == "The worker was killed by signal 9 (SIGKILL)."
    assert table.seen.text.endswith("\n\noh no")
    assert table.seen.error_type == "ExecutorLost"


def test_a_cancelled_run_says_why(table):
    table(ended("cancelled", sentence="It was still queued."))
    assert (table.seen.state, table.seen.short, table.seen.detail) == (
        "cancelled",
        "It was still queued.",
        "It was still queued.",
    )


def test_nothing_but_text_and_calls_changes_an_ended_run(table):
    table(ended(), phase("running"))
    assert table.seen.state == "ok"
    assert table(text("late", after=True)) == [Piece(1, "", 1, "late", True)]
    assert table.seen.state == "ok"


def test_text_is_numbered_per_run(table):
    assert [write.n for write in table(text("a"), text("b", call="c"), text("c", fd=2))] == [1, 2, 3]
    assert table.seen.output == 3


def test_a_gap_says_how_much_is_missing(table):
    (gap,) = table(text("", missing=12345))
    assert "12,345 characters left out here" in gap.text
    gap, more = table(text("more", missing=1))
    assert "1 character left" in gap.text
    assert (more.n, more.text) == (3, "more")


def test_at_the_bound_text_is_left_out_and_counted(table):
    written = table(text("x" * 8), text("y" * 8), text("z" * 8), ended(), bound=10)
    assert [write.n for write in written] == [1, 2, 3]
    assert "10 characters of this run are stored" in written[1].text
    assert "16 characters left out here" in written[2].text
    assert table.run.letters == 8


def test_pictures_do_not_count_as_text(table):
    (picture,) = table(wire.Display("r", "c", "image/png", b"p" * 5000, "a figure", 3.0))
    assert picture == Picture(1, "c", "image/png", b"p" * 5000, "a figure")
    assert table(text("fits"))[0].text == "fits"
    assert (table.seen.displays, table.run.kept) == (1, 5004)


def test_metrics_name_themselves_once_and_calls_show_their_last(table):
    first = metrics("c", loss=[3.0, 2.0], acc=[0.1])
    assert table(first) == [Points("c", first.columns), CallChanged("c")]
    table(metrics("", loss=[1.0]), metrics("c", loss=[float("nan")]))
    assert table.seen.metrics == ["loss", "acc"]
    assert table.row.metrics["acc"] == 0.1
    assert table.row.metrics["loss"] != table.row.metrics["loss"]


def test_an_empty_column_has_no_last(table):
    table(metrics("c", loss=[]))
    assert table.row.metrics == {}


def test_a_call_from_start_to_end(table):
    table(wire.CallStarted("r", "c", "lr=0.1", "default", "e1", 90.0))
    row = table.row
    assert (row.label, row.state, row.executor, row.started, row.seconds) == ("lr=0.1", "running", "e1", 90.0, 10.0)
    assert (table.seen.calls, table.seen.calls_done) == (1, 0)
    table(wire.CallEnded("r", "c", "ok", "0.98\n", 95.0, 5.0))
    assert (table.row.state, table.row.summary, table.row.seconds) == ("ok", "0.98", 5.0)
    assert table.seen.calls_done == 1


def test_a_call_that_is_tried_again_is_not_done(table):
    start = wire.CallStarted("r", "c", "", "default", "e1", 90.0)
    table(start, wire.CallEnded("r", "c", "lost", "", 95.0, 5.0), start)
    assert (table.seen.calls, table.seen.calls_done, table.row.state) == (1, 0, "running")


def test_a_call_that_ends_before_it_began_has_a_row(table):
    table(wire.CallEnded("r", "c", "cancelled", "", 95.0, 0.0))
    assert (table.row.state, table.row.seconds, table.seen.calls_done) == ("cancelled", 0.0, 1)


def bar(name, done, total=10.0, call="", label=""):
    return wire.Progress("r", call, name, label or name, done, total, 3.0)


def test_the_runs_own_bars_stay_in_order(table):
    assert table(bar("a", 1), bar("b", 2), bar("a", 3)) == []
    assert [(row.label, row.done) for row in table.run.progress()] == [("a", 3), ("b", 2)]


def test_a_call_shows_its_first_bar_that_is_not_full(table):
    table(bar("epochs", 1, call="c"), bar("batches", 10, call="c"))
    assert table.row.progress_label == "epochs"
    table(bar("epochs", 10, call="c"), bar("more", 2, total=0, call="c"))
    assert (table.row.progress_label, table.row.total) == ("more", 0)


def test_full_bars_make_room(table):
    table(bar("epochs", 1), *(bar(f"batch {n}", 10) for n in range(30)))
    assert table.run.progress()[0].label == "epochs"
    assert len(table.run.bars) == 8


def test_lost_with_its_hub_and_found_again(table):
    table(phase("running"), wire.CallStarted("r", "c", "", "p", "e", 4.0))
    assert runs.lose(table.run, table.calls, "The cluster is gone.", 8.0) == [CallChanged("c")]
    assert (table.seen.state, table.seen.short, table.row.state) == ("lost", "The cluster is gone.", "lost")
    assert table.seen.ended == 8.0
    table(text("late", after=True))
    assert table.seen.state == "lost"
    table(text("I live"))
    assert (table.seen.state, table.seen.short, table.seen.ended) == ("running", "", 0.0)
    table(ended())
    assert table.seen.state == "ok"


def test_only_what_belongs_to_a_run_is_kept():
    assert runs.of_a_run(wire.Phase("", "booting", 1.0)) is None
    assert runs.of_a_run(wire.InputOver("i")) is None
    assert runs.of_a_run(phase("queued")) == phase("queued")


@pytest.mark.parametrize(
    ("event", "yes"),
    [
        (phase("running"), True),
        (ended(), True),
        (text("own"), True),
        (text("late", after=True), False),
        (text("of a call", call="c"), False),
        (metrics("", a=[1.0]), False),
    ],
)
def test_who_may_introduce_a_run(event, yes):
    assert runs.introduces(event) is yes


def test_neighbouring_texts_are_joined():
    found = runs.joined(
        [text("a"), text("b"), text("x", call="c"), text("c"), phase("running"), text("d"), text("e", fd=2)]
    )
    assert [getattr(event, "text", "") for event in found] == ["abcd", "x", "", "e"]


def test_joining_respects_gaps_ends_and_size():
    big = "x" * (runs.PIECE - 1)
    found = runs.joined([text("a", missing=3), text("b"), text(big), text("y"), ended(), text("z", after=True)])
    assert [getattr(event, "text", "end") for event in found] == ["a", "b" + big, "y", "end", "z"]


TEXTS = st.builds(text, st.text(min_size=1, max_size=3), st.sampled_from(["", "c", "d"]), st.sampled_from([1, 2]))


@settings(deadline=None)
@given(st.lists(st.one_of(TEXTS, st.just(phase("running")), st.just(ended())), max_size=30))
def test_joining_loses_nothing_and_keeps_the_order_of_every_stream(events):
    found = runs.joined(events)
    for call in ("", "c", "d"):
        streams = [
            [
                (event.fd, letter)
                for event in some
                if isinstance(event, wire.Output) and event.call == call
                for letter in event.text
            ]
            for some in (events, found)
        ]
        assert streams[0] == streams[1]
    assert [e for e in events if not isinstance(e, wire.Output)] == [e for e in found if not isinstance(e, wire.Output)]


# ── newer code ──


def changed(call="", reloaded=(), **kept):
    return wire.CodeChanged("r", call, list(reloaded), kept, 3.0)


def test_a_run_says_what_was_reloaded_before_it(table):
    assert table(phase("running"), changed(reloaded=["helper", "model"])) == []
    assert table.seen.code == "reloaded helper, model"
    table(ended())
    assert (table.seen.state, table.seen.code) == ("ok", "reloaded helper, model")


def test_a_run_says_what_stayed_older(table):
    table(changed(reloaded=["helper"], model="it has live instances"))
    assert table.seen.code == "reloaded helper, old code of model"


def test_what_workers_of_its_calls_reload_is_not_the_run_s(table):
    table(changed("default.1", ["helper"]))
    assert table.seen.code == ""


def test_many_modules_are_counted(table):
    table(changed(reloaded=[f"m{n}" for n in range(8)]))
    assert table.seen.code == "reloaded m0, m1, m2, m3, m4 and 3 more"


def test_a_person_is_told_which_modules_stayed_older_and_why():
    one = runs.kept_words({"model": "it has live instances"})
    assert one == (
        "The session still runs the old code of model (it has live instances). "
        "Restart it to run the new code; its variables go."
    )
    assert " of a (x), b (y). " in runs.kept_words({"a": "x", "b": "y"})
    assert "m4 (why) and 3 more. " in runs.kept_words({f"m{n}": "why" for n in range(8)})


def test_a_file_that_is_written_again_is_there_once_as_it_is_now(table, monkeypatch):
    def files(*written, call="", more=0):
        return wire.FilesWritten("r", call, "e", [wire.Written(*one) for one in written], more, 3.0)

    table(files(("a", 1, 1.0), ("b", 2, 1.0), more=1))
    table.run.files[0].local = "/here/a"
    table(files(("a", 5, 2.0), call="c"))
    assert [(row.path, row.size, row.call, row.local) for row in (file.row() for file in table.run.files)] == [
        ("a", 5, "c", ""),
        ("b", 2, "", ""),
    ]
    assert table.seen.files == 3
    monkeypatch.setattr(runs, "FILES", 2)
    table(files(("z", 1, 1.0)))
    assert [file.path for file in table.run.files] == ["a", "b"]
    assert table.seen.files == 4


def test_files_found_after_the_end_belong_to_the_run_and_do_not_bring_it_back(table):
    table(phase("running"))
    table(wire.RunEnded("r", "ok", 3.0, 1.0), wire.FilesWritten("r", "", "e", [wire.Written("a", 1, 1.0)], 0, 3.1))
    assert table.seen.state == "ok"
    assert table.seen.files == 1
    assert not runs.introduces(wire.FilesWritten("r", "", "e", [], 0, 3.1))
