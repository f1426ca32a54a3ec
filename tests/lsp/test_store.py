"""The store on a real file: what is applied is there, what is asked is answered, in this process and the next."""

import base64
import math
import sqlite3
import struct
from array import array

import pytest

from yonder import wire
from yonder_lsp import protocol
from yonder_lsp.store import Limits, Store, StoreError

HERE = protocol.Range(start=protocol.Position(line=3, character=0), end=protocol.Position(line=5, character=9))
HUB = "hub-1"


class Clock:
    def __init__(self):
        self.at = 1000.0

    def __call__(self):
        return self.at


class Window:
    """A store, the hub's numbering, and the panel's last revision."""

    def __init__(self, file, limits=None):
        self.file = file
        self.limits = limits
        self.clock = Clock()
        self.n = 0
        self.open()

    def open(self):
        self.store = Store(self.file, now=self.clock, limits=self.limits)

    def again(self):
        self.store.close()
        self.open()

    def create(self, run, **more):
        words = {"session": "main", "uri": "file:///a.py", "title": run.upper(), "text_hash": "h", "range": HERE}
        self.store.created(run, **{**words, "kind": "block", "generation": 0, **more})

    def tell(self, *events, hub=HUB):
        first = self.n + 1
        self.n += len(events)
        return self.store.apply(hub, [wire.Numbered(first + at, event) for at, event in enumerate(events)])

    def end(self, run, outcome="ok", at=None, **more):
        self.tell(wire.RunEnded(run, outcome, self.clock.at if at is None else at, 1.0, **more))

    def run(self, name):
        (found,) = [run for run in self.store.runs(0).runs if run.run == name]
        return found

    def names(self, since=0):
        return [run.run for run in self.store.runs(since).runs]

    def output(self, run, **more):
        return self.store.output(protocol.OutputParams(run=run, **more))

    def text(self, run, **more):
        return "".join(piece.text for piece in self.output(run, **more).pieces)

    def series(self, run, **more):
        found = self.store.series(protocol.SeriesParams(run=run, **more))
        return {(curve.call, curve.name): curve for curve in found.curves}


@pytest.fixture
def window(tmp_path):
    made = Window(tmp_path / "state" / "runs.sqlite")
    yield made
    made.store.close()


@pytest.fixture
def small(tmp_path):
    """Little room for everything."""
    limits = Limits(runs=3, size=10_000, letters=1000, points=100, texts=100, pictures=100, hubs=2)
    made = Window(tmp_path / "runs.sqlite", limits)
    yield made
    made.store.close()


def text(run, words, call="", fd=1, **more):
    return wire.Output(run, call, fd, words, 1001.0, **more)


def pack(numbers):
    return struct.pack(f"<{len(numbers)}d", *numbers)


def metrics(run, call="", first=0, **values):
    columns = [
        wire.Column(
            name, pack(range(first, first + len(ys))), pack(ys), pack([1000.0 + first + i for i in range(len(ys))])
        )
        for name, ys in values.items()
    ]
    return wire.Metrics(run, call, columns)


def unpacked(data):
    return list(array("f", base64.b64decode(data)))


def test_a_run_is_there_before_any_hub_knows_of_it(window):
    window.create("a")
    run = window.run("a")
    assert (run.state, run.title, run.range, run.created, run.hash, run.stale) == (
        "queued",
        "A",
        HERE,
        1000.0,
        "h",
        False,
    )


def test_the_whole_life_of_a_run_survives_the_server(window):
    window.create("a")
    last = window.tell(
        wire.Phase("a", "running", 1001.0),
        text("a", "hello "),
        text("a", "world\n"),
        wire.CallStarted("a", "c1", "lr=1", "default", "e1", 1002.0),
        metrics("a", "c1", loss=[3.0, 2.0]),
        wire.Progress("a", "", "p", "sweep", 1, 4, 1002.0),
        wire.Display("a", "", "image/png", b"PNG", "a curve", 1003.0),
        wire.CallEnded("a", "c1", "ok", "0.9", 1004.0, 2.0),
        wire.RunEnded("a", "ok", 1005.0, 4.0, preview=wire.Preview("int", "42", "42")),
    )
    assert last == 9

    def everything():
        return (
            msg_without_revision(window.run("a")),
            window.output("a"),
            window.series("a"),
            window.store.calls(protocol.CallsParams(run="a")),
            window.store.displays(protocol.DisplaysParams(run="a")),
            window.store.last(HUB),
        )

    def msg_without_revision(run):
        return {name: getattr(run, name) for name in run.__struct_fields__ if name != "revision"}

    before = everything()
    window.again()
    assert everything() == before
    assert before[0]["short"] == "42"
    assert [piece.text for piece in before[1].pieces] == ["hello world\n"]
    assert before[3].progress[0].total == 4
    assert before[4].displays[0].data == base64.b64encode(b"PNG").decode()
    assert window.store.notice == ""


def test_events_are_stored_once(window):
    window.create("a")
    events = [wire.Numbered(1, text("a", "one")), wire.Numbered(2, text("a", "two", fd=2))]
    assert window.store.apply(HUB, events) == 2
    revision = window.store.revision
    assert window.store.apply(HUB, events) == 2
    assert window.store.apply(HUB, [events[1], wire.Numbered(3, text("a", "three"))]) == 3
    assert window.text("a") == "onetwothree"
    assert window.store.revision == revision + 1
    assert window.store.apply("other hub", [wire.Numbered(1, text("a", "!"))]) == 1
    assert (window.store.last(HUB), window.store.last("other hub"), window.store.last("never met")) == (3, 1, 0)
    assert window.store.apply(HUB, []) == 3


def test_events_of_no_run_are_acknowledged_and_not_seen(window):
    revision = window.store.revision
    assert window.tell(wire.Phase("", "booting", 1.0), wire.InputOver("i"), text("", "who?")) == 3
    assert (window.store.revision, window.names()) == (revision, [])


def test_only_what_changed_since_is_told(window):
    window.create("a")
    window.create("b")
    seen = window.store.runs(0).revision
    assert window.names(seen) == []
    window.tell(wire.Phase("a", "running", 1001.0))
    assert window.names(seen) == ["a"]
    window.store.mark_stale("b", True)
    window.store.mark_stale("b", True)
    window.store.mark_stale("nobody", True)
    assert window.names(seen) == ["a", "b"]
    assert window.run("b").stale
    assert window.store.runs(0).revision == seen + 2


def test_a_panel_that_outlived_the_server_is_told_everything(window):
    window.create("a")
    seen = window.store.runs(0).revision
    window.clock.at += 60
    window.again()
    assert window.store.revision > seen
    assert window.names(seen) == ["a"]
    assert window.names(10**15) == ["a"]  # a number from a store that was set aside


def test_output_keeps_the_newest_within_the_limit(window):
    window.create("a")
    window.tell(*(text("a", f"{n}" * 10, fd=1 + n % 2) for n in range(6)))
    found = window.output("a", limit=25)
    assert ([piece.n for piece in found.pieces], found.skipped, found.next, found.total) == ([5, 6], 4, 6, 6)
    assert len(window.output("a", limit=1).pieces) == 1
    assert window.output("a", since=6).pieces == []
    assert [piece.n for piece in window.output("a", since=4).pieces] == [5, 6]


def test_output_of_one_call_or_all(window):
    window.create("a")
    window.tell(text("a", "own"), text("a", "first", call="1"), text("a", "second", call="2"))
    assert (window.text("a"), window.text("a", call=""), window.text("a", call="2")) == (
        "ownfirstsecond",
        "own",
        "second",
    )
    assert window.output("a", call="1").next == 3
    assert window.output("nobody", since=4).next == 4


def test_odd_text_comes_back_as_it_was(window):
    odd = "nul \0 ansi \x1b[1m cr \r 🙂 \ufeff"
    window.create("a", title="half \ud83d", uri="untitled:\udc00")
    window.tell(text("a", odd))
    window.again()
    assert window.text("a") == odd
    assert window.run("a").title == "half ?"


def test_curves_are_answered_as_base64_float32(window):
    window.create("a")
    window.tell(
        wire.Phase("a", "running", 999.5),
        wire.CallStarted("a", "c", "lr=0.1", "default", "e", 1000.0),
        metrics("a", "c", loss=[3.0, math.nan, math.inf]),
        metrics("a", acc=[0.5]),
    )
    found = window.series("a")
    loss = found["c", "loss"]
    assert (loss.label, loss.points, loss.last) == ("lr=0.1", 3, math.inf)
    assert unpacked(loss.xs) == [0, 1, 2]
    ys = unpacked(loss.ys)
    assert (ys[0], ys[2]) == (3.0, math.inf)
    assert math.isnan(ys[1])
    assert list(window.series("a", names=["acc"])) == [("", "acc")]
    assert unpacked(window.series("a", x="time")["c", "loss"].xs) == [0.5, 1.5, 2.5]
    assert unpacked(window.series("a", x="time", x_min=2.0)["c", "loss"].xs) == [1.5, 2.5]
    assert window.series("nobody") == {}


def test_curves_grow_while_somebody_looks_and_while_nobody_does(window):
    window.create("a")
    window.tell(metrics("a", loss=[1.0] * 10))
    assert window.series("a")["", "loss"].points == 10
    window.tell(metrics("a", first=10, loss=[2.0] * 10))
    assert window.series("a")["", "loss"].points == 20
    window.again()
    window.tell(metrics("a", first=20, loss=[3.0] * 10))
    assert unpacked(window.series("a")["", "loss"].ys) == [1.0] * 10 + [2.0] * 10 + [3.0] * 10


def test_points_leave_memory_and_come_back(small):
    for name in "abc":
        small.create(name)
        small.tell(metrics(name, loss=[float(ord(name))] * 60))
    for _ in range(2):
        for name in "abc":
            assert small.series(name)["", "loss"].last == float(ord(name))
            assert len(small.store._curves) == 1


def test_pictures_come_in_portions(small):
    small.create("a")
    small.tell(*(wire.Display("a", "", "image/png", b"x" * 60, f"{n}", 1.0) for n in range(3)))
    small.tell(wire.Display("a", "c", "text/html", b"<b>\xff</b>", "", 1.0))
    seen, at = [], 0
    while (found := small.store.displays(protocol.DisplaysParams(run="a", since=at))).displays:
        seen.append([item.n for item in found.displays])
        at = found.next
    assert seen == [[1], [2], [3, 4]]
    assert found.next == 4
    (html,) = small.store.displays(protocol.DisplaysParams(run="a", since=3)).displays
    assert (html.data, html.call) == ("<b>\ufffd</b>", "c")
    assert small.store.displays(protocol.DisplaysParams(run="nobody", since=2)).next == 2


def test_calls_are_listed_as_they_began_and_running_ones_age(window):
    window.create("a")
    window.tell(*(wire.CallStarted("a", f"c{n}", f"{n}", "default", "e", 1000.0) for n in (3, 1, 2)))
    window.clock.at = 1010.0
    window.again()
    found = window.store.calls(protocol.CallsParams(run="a")).calls
    assert [(row.label, row.seconds) for row in found] == [("3", 10.0), ("1", 10.0), ("2", 10.0)]
    assert window.store.calls(protocol.CallsParams(run="nobody")).calls == []


def test_runs_of_a_dead_hub_are_lost_and_others_are_not(window):
    for name in "abcd":
        window.create(name)
    window.tell(wire.Phase("a", "running", 1.0), wire.CallStarted("a", "c", "", "p", "e", 1.0))
    window.end("b")
    window.store.apply("other", [wire.Numbered(1, wire.Phase("c", "running", 1.0))])
    window.store.abandoned("The cluster is gone.", HUB)
    assert {name: window.run(name).state for name in "abcd"} == {"a": "lost", "b": "ok", "c": "running", "d": "lost"}
    window.again()
    assert window.run("a").short == "The cluster is gone."
    assert window.store.calls(protocol.CallsParams(run="a")).calls[0].state == "lost"
    window.store.abandoned("Everything is gone.")
    assert window.run("c").state == "lost"


def test_clear_forgets_what_has_ended_for_good(window):
    for name in "ab":
        window.create(name)
        window.tell(text(name, "x" * 1000), metrics(name, loss=[1.0]), wire.CallStarted(name, "c", "", "p", "e", 1.0))
    window.end("a")
    revision = window.store.revision
    window.store.clear()
    assert window.store.revision > revision
    assert window.names() == ["b"]
    window.tell(text("a", "late", after=True), wire.CallEnded("a", "c", "ok", "", 2.0, 1.0))
    assert window.names() == ["b"]
    window.again()
    assert (window.names(), window.text("b"), window.text("a")) == (["b"], "x" * 1000, "")
    with sqlite3.connect(window.file) as connection:
        for table in ("run", "call", "output", "points"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (1,), table
    connection.close()


def test_a_run_nobody_created_here_is_shown_when_it_tells_of_itself(window):
    window.tell(metrics("x", loss=[1.0]), wire.RunEnded("x", "ok", 5.0, 1.0, preview=wire.Preview("int", "1", "1")))
    assert (window.run("x").state, window.run("x").short, window.run("x").uri) == ("ok", "1", "")


def test_a_second_run_of_one_name_is_refused(window):
    window.create("a")
    with pytest.raises(StoreError, match="there already"):
        window.create("a")
    assert window.names() == ["a"]


# ── limits ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_old_runs_go_and_running_ones_stay(small):
    for n in range(6):
        small.create(f"r{n}")
        if n:
            small.clock.at += 1
            small.end(f"r{n}")
    assert small.names() == ["r0", "r3", "r4", "r5"]
    small.clock.at += 1
    small.end("r0")  # the last to end is the newest, whenever it began
    assert small.names() == ["r0", "r4", "r5"]


def test_large_runs_push_old_ones_out(small):
    for name in "abc":
        small.create(name)
        small.tell(wire.Display(name, "", "image/png", b"x" * 6000, "", 1.0))
        small.clock.at += 1
        small.end(name)
    assert small.names() == ["c"]


def test_text_over_the_bound_leaves_a_counted_gap(small):
    small.create("a")
    small.tell(text("a", "x" * 900), text("a", "y" * 900, fd=2), text("a", "z" * 600, fd=1))
    small.end("a")
    words = small.text("a")
    assert words.startswith("x" * 900)
    assert "y" not in words.replace("they", "")
    assert "1,500 characters left out here" in words


def test_a_gap_of_the_hub_is_shown(window):
    window.create("a")
    window.tell(text("a", "before"), text("a", "", missing=12345), text("a", "after"))
    assert window.text("a") == "before\n… 12,345 characters left out here …\nafter"


def test_long_results_of_older_runs_are_cut_in_the_list(small):
    for name in "ab":
        small.create(name)
        small.clock.at += 1
        small.end(name, preview=wire.Preview("str", "s", name * 4000, {"text/html": "<p>"}))
    assert (len(small.run("a").text), small.run("a").rich) == (2000, {})
    small.store.clear()


def test_the_newest_result_is_whole(window):
    window.create("a")
    window.end("a", preview=wire.Preview("str", "s", "x" * 100_000, {"text/html": "<p>"}))
    assert (len(window.run("a").text), window.run("a").rich) == (100_000, {"text/html": "<p>"})


def test_long_gone_hubs_are_forgotten(small):
    for n in range(4):
        small.create(f"r{n}")
        small.store.apply(f"hub{n}", [wire.Numbered(5, wire.RunEnded(f"r{n}", "ok", 1.0, 1.0))])
    assert [small.store.last(f"hub{n}") for n in range(4)] == [0, 0, 5, 5]
