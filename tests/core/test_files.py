"""Names of files, whose they are, how one arrives, and the table of the hub, all without another machine."""

import asyncio
import os

import pytest

from yonder import wire
from yonder.core.writers import Span, writer
from yonder.errors import FetchFailed
from yonder.hub import files as hub_files
from yonder.hub.files import Files
from yonder.hub.owed import Owed
from yonder.incoming import FileChanged, Incoming
from yonder.patterns import another, problem, wanted
from yonder.snapshot import content

# ── names ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("pattern", "path", "means"),
    [
        ("*.pt", "a.pt", True),
        ("*.pt", "deep/down/a.pt", True),
        ("*.pt", "a.pt.txt", False),
        ("results/**", "results/a/b.csv", True),
        ("results/**", "results/b.csv", True),
        ("results/", "results/a/b.csv", True),
        ("results/**", "other/results/b.csv", False),
        ("results/*.csv", "results/a/b.csv", False),
        ("results/*.csv", "results/b.csv", True),
        ("**/b.csv", "b.csv", True),
        ("**/x/*.csv", "a/x/b.csv", True),
        ("./a.pt", "a.pt", True),
        ("**", "a/b", True),
        ("A.pt", "a.pt", False),
    ],
)
def test_what_a_pattern_means(pattern, path, means):
    assert wanted(path, [pattern]) is means


def test_no_pattern_takes_for_ever():
    assert not wanted("/".join(["a"] * 200), ["/".join(["**", "a"] * 50) + "/b"])


def test_patterns_that_lead_out_are_refused():
    assert problem(["*.pt", "results/"]) == ""
    for wrong in (["../x"], ["/etc/*"], [""], ["a\\b"], "*.pt", [3], ["x" * 300]):
        assert problem(wrong)


def test_a_name_that_is_taken_gets_a_number():
    assert another("a.pt", []) == "a.pt"
    assert another("a.pt", ["a.pt"]) == "a (2).pt"
    assert another("a.tar.gz", ["a.tar.gz", "a (2).tar.gz"]) == "a (3).tar.gz"
    assert another(".env", [".env"]) == ".env (2)"


# ── whose ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

ONE, TWO = Span("r", "1", 10.0, 20.0), Span("r", "2", 20.01, 30.0)


def test_a_file_belongs_to_who_was_there():
    assert writer(15.0, [ONE, TWO]) is ONE
    assert writer(25.0, [ONE, TWO]) is TWO
    assert writer(30.04, [ONE, TWO]) is TWO  # clocks agree only so far
    assert writer(20.0, [ONE, TWO]) is None  # between two
    assert writer(99.0, [ONE, TWO]) is None
    assert writer(15.0, [ONE, Span("r", "3", 12.0, 18.0)]) is None  # at the same time: nobody knows
    assert writer(11.0, [ONE, Span("r", "3", 11.0, 11.01)]) is ONE
    assert writer(1.0, [ONE]) is ONE  # copied with its old time, and nobody else was there
    assert writer(1.0, []) is None


# ── arriving ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def part(data, offset, *, stamp="1"):
    piece = data[offset : offset + wire.PIECE]
    return wire.FilePart(1, piece, len(data), stamp, content(piece))


def arrive(incoming, data):
    while (offset := incoming.wanted()) is not None:
        incoming.take(offset, part(data, offset))


def test_a_file_arrives_piece_by_piece_in_any_order(tmp_path):
    data = bytes(range(256)) * 3000
    incoming = Incoming("a", tmp_path / "deep" / "a")
    assert incoming.wanted() == 0
    assert incoming.wanted() is None  # how many there are is not known yet
    incoming.take(0, part(data, 0))
    offsets = []
    while (offset := incoming.wanted()) is not None:
        offsets.append(offset)
    for offset in reversed(offsets):
        assert not incoming.whole
        incoming.take(offset, part(data, offset))
    assert incoming.whole
    assert incoming.keep().read_bytes() == data
    assert [one.name for one in (tmp_path / "deep").iterdir()] == ["a"]


def test_an_empty_file_arrives(tmp_path):
    incoming = Incoming("a", tmp_path / "a")
    arrive(incoming, b"")
    assert incoming.whole
    assert incoming.keep().read_bytes() == b""


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (wire.FilePart(1, b"x" * 10, 300_000, "1", content(b"x" * 10)), FileChanged),  # fewer than there are
        (wire.FilePart(1, b"x" * wire.PIECE, 300_000, "1", b"another hash"), FileChanged),
        (wire.FilePart(1, b"", 0, "", b"", "it is gone"), FetchFailed),
        (wire.FilePart(1, b"x" * wire.PIECE, 2**62, "1", content(b"x" * wire.PIECE)), FetchFailed),  # more than fits
    ],
)
def test_what_is_not_what_it_should_be_leaves_nothing(tmp_path, wrong, error):
    incoming = Incoming("a", tmp_path / "a")
    offset = incoming.wanted()
    with pytest.raises(error):
        incoming.take(offset, wrong)
    incoming.drop()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_grows_or_changes_while_it_is_read_is_begun_again(tmp_path):
    data = b"x" * 200_000
    for later in (part(data, wire.PIECE, stamp="2"), part(data + b"y", wire.PIECE)):
        incoming = Incoming("a", tmp_path / "a")
        incoming.take(incoming.wanted(), part(data, 0))
        with pytest.raises(FileChanged, match="written while it was read"):
            incoming.take(incoming.wanted(), later)
        incoming.drop()


def test_what_lies_there_already_stays(tmp_path):
    target = tmp_path / "a.pt"

    def kept(data, **how):
        incoming = Incoming("a.pt", target)
        arrive(incoming, data)
        return incoming.keep(**how)

    assert kept(b"one") == target
    assert kept(b"one") == target  # the same: once is enough
    assert kept(b"two") == tmp_path / "a (2).pt"
    assert target.read_bytes() == b"one"
    assert kept(b"three", replace=True) == target
    assert target.read_bytes() == b"three"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a (2).pt", "a.pt"]


def test_who_is_slower_gets_a_name_beside_it_and_leaves_nothing(tmp_path, monkeypatch):
    target = tmp_path / "a.pt"
    slow, quick = Incoming("a.pt", target), Incoming("a.pt", target)
    arrive(slow, b"slow")
    arrive(quick, b"quick")
    link = os.link

    def quicker(*names):
        monkeypatch.setattr(os, "link", link)
        quick.keep()
        link(*names)

    monkeypatch.setattr(os, "link", quicker)
    assert slow.keep() == tmp_path / "a (2).pt"
    slow.drop()
    assert {one.name: one.read_bytes() for one in tmp_path.iterdir()} == {"a.pt": b"quick", "a (2).pt": b"slow"}


def test_what_cannot_get_its_name_leaves_nothing(tmp_path):
    (tmp_path / "a").mkdir()
    incoming = Incoming("a", tmp_path / "a")
    arrive(incoming, b"new")
    with pytest.raises(OSError, match="directory"):
        incoming.keep(replace=True)
    incoming.drop()
    assert [one.name for one in tmp_path.iterdir()] == ["a"]


def test_a_link_that_leads_out_is_not_written_through(tmp_path):
    outside = tmp_path / "precious"
    outside.write_bytes(b"mine")
    (tmp_path / "a").symlink_to(outside)
    (tmp_path / "b").symlink_to(tmp_path / "nowhere")
    for name in ("a", "b"):
        incoming = Incoming(name, tmp_path / name)
        arrive(incoming, b"theirs")
        assert incoming.keep() == tmp_path / f"{name} (2)"
    assert outside.read_bytes() == b"mine"
    assert not (tmp_path / "nowhere").exists()


# ── the hub's table ───────────────────────────────────────────────────────────────────────────────────────────────────


class Machine:
    """An agent on paper."""

    def __init__(self, ident, *, elsewhere=True):
        self.id = ident
        self.elsewhere = elsewhere
        self.said = []
        self.owed = Owed(lambda: None, lambda *_: None)

    def say(self, message):
        self.said.append(message)


class One:
    def __init__(self, ident, pool="p"):
        self.id = ident
        self.pool = pool
        self.reason = "idle for 60 s"


class Floor:
    """What the table needs of executors."""

    def __init__(self, *, elsewhere=True):
        self.all = {"e": One("e")}
        self.machine = Machine("m", elsewhere=elsewhere)
        self.told = []
        self.now = []

    def agent_of(self, executor):
        return self.machine

    def running(self, executor):
        return self.now

    def tell(self, event):
        self.told.append(event)


class Ended:
    def __init__(self, span):
        self.span = span


@pytest.fixture
def floor():
    return Floor()


@pytest.fixture
async def table(floor, monkeypatch):
    monkeypatch.setattr(hub_files, "clock", lambda: 40.0)
    return Files(floor)


def found(floor, *files, more=0, now=40.0):
    asked = [message for message in floor.machine.said if isinstance(message, wire.LookForFiles)][-1]
    return wire.FilesFound(asked.id, [wire.Written(*one) for one in files], more, now)


def mine(_):
    return True


def look(table, floor, *files, span=ONE, **more):
    table.over("e", Ended(span))
    table.found(floor.machine, found(floor, *files, **more))


async def test_nothing_is_looked_for_on_this_machine():
    floor = Floor(elsewhere=False)
    table = Files(floor)
    table.over("e", Ended(ONE))
    table.over("unknown", Ended(ONE))
    assert floor.machine.said == []


async def test_what_a_run_wrote_is_told_under_its_name(table, floor):
    look(table, floor, ("a.pt", 10, 15.0), more=2)
    event = floor.told[0]
    assert (event.run, event.call, event.executor, event.more) == ("r", "1", "e", 2)
    assert event.files == [wire.Written("a.pt", 10, 15.0)]


async def test_clocks_are_compared_before_moments_are(table, floor):
    """The machine's clock is a day ahead."""
    table.over("e", Ended(ONE))
    table.over("e", Ended(TWO))
    table.found(floor.machine, found(floor, ("a", 1, 86_425.0), ("b", 1, 86_412.0), now=86_440.0))
    assert {(event.call, event.files[0].path) for event in floor.told} == {("2", "a"), ("1", "b")}


async def test_what_the_next_call_has_written_already_is_not_the_last_ones(table, floor):
    floor.now = [Span("r", "now", 35.0, 40.0)]
    look(table, floor, ("a", 1, 37.0), ("b", 1, 15.0))
    assert {event.call: [one.path for one in event.files] for event in floor.told} == {"now": ["a"], "1": ["b"]}


async def test_calls_that_end_every_moment_are_looked_after_together(table, floor, monkeypatch):
    monkeypatch.setattr(hub_files, "PAUSE", 0.0)
    for _ in range(100):
        table.over("e", Ended(ONE))
    assert len(floor.machine.said) == 1
    table.found(floor.machine, found(floor))
    table.over("e", Ended(TWO))
    assert len(floor.machine.said) == 1  # it rests
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert len(floor.machine.said) == 2


async def test_paths_that_lead_out_are_not_believed(table, floor):
    look(table, floor, ("../../.bashrc", 1, 15.0), ("/etc/passwd", 1, 15.0), ("fine", 1, 15.0))
    assert [one.path for one in floor.told[0].files] == ["fine"]
    assert floor.told[0].more == 2


async def test_another_machine_may_not_answer(table, floor):
    table.over("e", Ended(ONE))
    liar = Machine("liar")
    table.found(liar, found(floor, ("a", 1, 15.0)))
    assert floor.told == []
    told = []
    table.read("me", wire.ReadFile(7, "e", "a", 0), told.append)
    asked = floor.machine.said[-1]
    table.part("liar", wire.FilePart(asked.id, b"", 0, "", b"", "no"))
    table.part("m", wire.FilePart(asked.id + 1, b"", 0, "", b"", "no"))
    assert told == []
    table.part("m", wire.FilePart(asked.id, b"data", 4, "s", b"h"))
    assert told == [wire.FilePart(7, b"data", 4, "s", b"h")]


async def test_what_is_known_is_bounded(table, floor, monkeypatch):
    monkeypatch.setattr(hub_files, "MOST_KNOWN", 3)
    look(table, floor, *((f"f{n}", 1, 15.0) for n in range(5)))
    files, more = table.of(mine, "me")
    assert (len(files), more) == (3, 2)


async def test_a_reader_has_a_few_pieces_on_their_way(table, floor):
    told = []
    for number in range(1, wire.PIECES + 2):
        table.read("me", wire.ReadFile(number, "e", "a", 0), told.append)
    assert [one.id for one in told] == [wire.PIECES + 1]
    assert "at a time" in told[0].sentence
    table.read("another", wire.ReadFile(1, "e", "a", 0), told.append)
    assert len(told) == 1


async def test_a_piece_that_does_not_come_is_said_and_leaves_no_reader(table, floor):
    told = []
    look(table, floor, ("a", 1, 15.0))
    table.read("me", wire.ReadFile(1, "e", "a", 0), told.append)
    for _ in range(11):
        floor.machine.owed.tick()
    table.read("me", wire.ReadFile(2, "e", "a", 0), told.append)
    table.part("m", wire.FilePart(floor.machine.said[-1].id, b"1", 2, "s", content(b"1")))  # it is slow, and at work
    assert [one.sentence for one in told] == [""]
    for _ in range(12):
        floor.machine.owed.tick()
    assert told[1].sentence == "'a' did not come from e: its machine can be reached, but has not answered for 60 s"
    await asyncio.wait_for(table.released(floor.all["e"]), 5)
    assert len(floor.machine.owed) == 0


async def test_who_leaves_is_owed_nothing(table, floor):
    table.read("me", wire.ReadFile(1, "e", "a", 0), lambda _: None)
    table.forsaken("me")
    table.read("you", wire.ReadFile(1, "e", "a", 0), lambda _: None)
    table.gone("e")
    assert len(floor.machine.owed) == 0


async def test_the_end_of_an_executor_answers_everybody(table, floor):
    told = []
    table.read("me", wire.ReadFile(1, "e", "a", 0), told.append)
    table.gone("e")
    assert "ended while" in told[0].sentence
    floor.all.clear()
    table.read("me", wire.ReadFile(2, "e", "a", 0), told.append)
    assert "is gone" in told[1].sentence


async def test_who_asks_is_answered_when_the_last_call_was_looked_after(table, floor):
    answered = []
    table.over("e", Ended(ONE))
    table.ask(mine, lambda: answered.append(table.of(mine, "me")))
    assert answered == []
    table.found(floor.machine, found(floor, ("a", 1, 15.0)))
    assert [one.path for one in answered[0][0]] == ["a"]
    table.ask(mine, lambda: answered.append("at once"))
    assert answered[1:] == ["at once"]
    table.over("e", Ended(TWO))  # in the rest after a look
    table.ask(mine, lambda: answered.append("gone"))
    assert answered[2:] == []
    table.gone("e")
    assert answered[2:] == ["gone"]


async def test_an_agent_that_never_looks_keeps_nobody_waiting_for_ever(table, floor, monkeypatch):
    monkeypatch.setattr(hub_files, "ANSWERED_WITHIN", 0.0)
    table.over("e", Ended(Span("r", "", 10.0, 20.0)))
    answered = asyncio.Event()
    table.ask(mine, answered.set)
    assert not answered.is_set()
    async with asyncio.timeout(10):
        await answered.wait()


async def test_a_call_has_the_number_that_its_own_client_gave_it(table, floor):
    look(table, floor, ("a", 1, 15.0), span=Span("", "c", 10.0, 20.0, 5, "me"))
    assert [one.call for one in table.of(mine, "me")[0]] == [5]
    assert [one.call for one in table.of(mine, "another")[0]] == [0]


async def test_what_nobody_fetched_is_named_before_the_executor_ends(table, floor):
    lost = []
    table.lost = lambda executor, files, sentence: lost.append((files, sentence))
    look(table, floor, ("a.pt", 3_000_000, 15.0), ("b.csv", 10, 15.0))
    table.read("me", wire.ReadFile(1, "e", "b.csv", 0), lambda _: None)
    table.part("m", wire.FilePart(floor.machine.said[-1].id, b"x" * 10, 10, "s", b"h"))
    await table.released(floor.all["e"])
    ((files, sentence),) = lost
    assert [known.written.path for known in files] == ["a.pt"]
    assert "a.pt (3 MB)" in sentence
    assert "idle for 60 s" in sentence
    assert 'outputs = ["*.pt"]' in sentence


async def test_the_end_waits_for_who_is_reading_and_not_for_ever(table, floor, monkeypatch):
    table.read("me", wire.ReadFile(1, "e", "a", 0), lambda _: None)
    ending = asyncio.ensure_future(table.released(floor.all["e"]))
    await asyncio.sleep(0)
    assert not ending.done()
    table.forsaken("me")
    await ending
    monkeypatch.setattr(hub_files, "PATIENCE", 0.0)
    table.read("me", wire.ReadFile(1, "e", "a", 0), lambda _: None)
    await table.released(floor.all["e"])
