"""One connection of a link on paper: order, credit, turns, and what a break may not change."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from yonder import wire
from yonder.core.channels import GOT_FRAMES, MOST_CHANNELS, Begun, Bytes, Finished, Track

WINDOW = 256 * 1024


def pair(window=WINDOW):
    return Track(dialled=True, window=window), Track(dialled=False, window=window)


def move(a, b):
    """Everything that one end has to say reaches the other; what that made of it."""
    arrivals = []
    while (frame := a.next()) is not None:
        if (arrival := b.received(frame)) is not None:
            arrivals.append(arrival)
    return arrivals


def body(arrivals, channel):
    return b"".join(bytes(one.body) for one in arrivals if isinstance(one, Bytes) and one.channel == channel)


def test_a_conversation_there_and_back():
    a, b = pair()
    channel = a.open()
    a.write(channel, b"hello")
    assert move(a, b) == [Begun(1), Bytes(1, b"hello")]
    b.write(channel, b"welcome")
    assert move(b, a) == [Bytes(1, b"welcome")]
    a.finish(channel)
    assert move(a, b) == [Finished(1)]
    assert move(b, a) == []
    assert not list(a.channels())
    assert not list(b.channels())


def test_what_is_queued_goes_before_the_end():
    a, b = pair()
    channel = a.open()
    a.write(channel, b"last words")
    a.finish(channel)
    a.write(channel, b"too late")
    assert move(a, b) == [Begun(1), Bytes(1, b"last words"), Finished(1)]


def test_both_ends_may_open_and_never_the_same_number():
    a, b = pair()
    ours = [a.open() for _ in range(3)]
    theirs = [b.open() for _ in range(3)]
    assert not set(ours) & set(theirs)
    assert move(a, b) == [Begun(n) for n in ours]
    assert move(b, a) == [Begun(n) for n in theirs]


def test_long_bytes_travel_in_pieces_and_channels_take_turns():
    a, b = pair(1 << 24)
    long, short = a.open(), a.open()
    move(a, b)
    a.write(long, bytes(10 * wire.MAX_PIECE))
    a.write(short, b"quick")
    arrivals = move(a, b)
    assert [one.channel for one in arrivals[:3]] == [long, short, long]
    assert len(body(arrivals, long)) == 10 * wire.MAX_PIECE


def test_a_channel_that_is_not_read_holds_up_no_other_and_keeps_a_bounded_amount():
    a, b = pair()
    stuck, free = a.open(), a.open()
    a.write(stuck, bytes(10 * WINDOW))
    got = body(move(a, b), stuck)
    assert len(got) == WINDOW
    assert a.queued(stuck) == 9 * WINDOW
    a.write(free, b"through")
    assert body(move(a, b), free) == b"through"
    b.consumed(stuck, WINDOW // 2)
    move(b, a)
    assert len(body(move(a, b), stuck)) == WINDOW // 2


def test_credit_is_not_granted_for_every_few_bytes():
    a, b = pair()
    channel = a.open()
    a.write(channel, bytes(1000))
    move(a, b)
    b.consumed(channel, 1000)
    assert b.next() is None
    a.write(channel, bytes(WINDOW // 2))
    move(a, b)
    b.consumed(channel, WINDOW // 2)
    assert b.next() == wire.Grant(channel, 1000 + WINDOW // 2 + WINDOW)


def test_what_arrived_is_acknowledged_in_bunches_and_then_forgotten():
    a, b = pair()
    channel = a.open()
    for _ in range(GOT_FRAMES - 2):
        a.write(channel, b"x" * 10)
        move(a, b)
    assert b.next() is None
    assert a.kept == 10 * (GOT_FRAMES - 2)
    a.write(channel, b"x" * 10)
    move(a, b)
    assert b.next() == wire.Got(GOT_FRAMES)
    a.received(wire.Got(GOT_FRAMES))
    assert a.kept == 0


def test_after_a_break_only_what_is_missing_is_sent_again():
    a, b = pair()
    channel = a.open()
    for letter in b"abcdef":
        a.write(channel, bytes([letter]))
    frames = [a.next() for _ in range(7)]
    for frame in frames[:3]:
        b.received(frame)
    a.resume(b.got)
    b.resume(a.got)
    assert body(move(a, b), channel) == b"cdef"


def test_a_grant_that_was_lost_is_said_again():
    a, b = pair()
    channel = a.open()
    a.write(channel, bytes(2 * WINDOW))
    move(a, b)
    b.consumed(channel, WINDOW)
    assert isinstance(b.next(), wire.Grant)  # and the connection breaks
    a.resume(b.got)
    b.resume(a.got)
    move(b, a)
    assert len(body(move(a, b), channel)) == WINDOW


def test_the_other_end_finishing_drops_what_was_queued_for_it():
    a, b = pair()
    channel = a.open()
    a.write(channel, bytes(5 * WINDOW))
    move(a, b)
    b.finish(channel)
    assert move(b, a) == [Finished(channel)]
    assert a.queued(channel) == 0
    assert move(a, b) == []
    assert not list(a.channels())


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (wire.Begin(2, 1), "came where 1 was expected"),
        (wire.Begin(1, 2), "not the other end's"),
        (wire.Got(1), "the last one sent is 0"),
        (wire.Resume(0), "second Resume"),
    ],
)
def test_what_may_not_be_said_ends_the_connection(frame, words):
    _, b = pair()
    with pytest.raises(wire.WireError, match=words):
        b.received(frame)


def test_who_sends_beyond_his_credit_is_cut_off():
    _, b = pair(1000)
    b.received(wire.Begin(1, 1))
    b.received(wire.Carry(2, 1, bytes(1000)))
    with pytest.raises(wire.WireError, match="more than it was allowed"):
        b.received(wire.Carry(3, 1, b"x"))


def test_there_is_an_end_to_the_conversations_somebody_may_begin():
    _, b = pair()
    for n in range(MOST_CHANNELS):
        b.received(wire.Begin(n + 1, 2 * n + 1))
    with pytest.raises(wire.WireError, match="conversations at once"):
        b.received(wire.Begin(MOST_CHANNELS + 1, 2 * MOST_CHANNELS + 1))


@pytest.mark.parametrize("received", [-1, 3])
def test_a_resume_that_cannot_be_is_refused(received):
    a, b = pair()
    a.write(a.open(), b"x")
    move(a, b)
    with pytest.raises(wire.WireError, match="kept are"):
        a.resume(received)


def test_a_resume_behind_what_was_acknowledged_is_refused():
    a, b = pair()
    a.write(a.open(), b"x")
    move(a, b)
    a.received(b.acknowledge())
    with pytest.raises(wire.WireError, match="kept are"):
        a.resume(1)


class Breaks(RuleBasedStateMachine):
    """Two ends over a connection that loses what is under way at any moment: every byte arrives once, in order."""

    @initialize()
    def connect(self):
        self.ends = pair(1000)
        self.ways = [[], []]  # frames under way, from each end
        self.written = {}
        self.arrived = {}
        self.unread = {}
        self.finished = set()

    def _arrive(self, side, arrival):
        if isinstance(arrival, Begun):
            self.arrived.setdefault((1 - side, arrival.channel), b"")
        elif isinstance(arrival, Bytes):
            key = (1 - side, arrival.channel)
            self.arrived[key] = self.arrived.get(key, b"") + bytes(arrival.body)
            self.unread[(side, arrival.channel)] = self.unread.get((side, arrival.channel), 0) + len(arrival.body)

    @rule(side=st.sampled_from([0, 1]))
    def open(self, side):
        channel = self.ends[side].open()
        self.written[(side, channel)] = self.written[(1 - side, channel)] = b""

    @precondition(lambda self: self.written)
    @rule(data=st.data(), size=st.integers(1, 3000))
    def write(self, data, size):
        side, channel = data.draw(st.sampled_from(sorted(self.written)))
        if (side, channel) in self.finished or channel not in set(self.ends[side].channels()):
            return
        start = len(self.written[(side, channel)])
        piece = bytes((start + i) % 251 for i in range(size))
        self.written[(side, channel)] += piece
        self.ends[side].write(channel, piece)

    @rule(side=st.sampled_from([0, 1]), count=st.integers(1, 10))
    def send(self, side, count):
        for _ in range(count):
            if (frame := self.ends[side].next()) is None:
                return
            self.ways[side].append(frame)

    @rule(side=st.sampled_from([0, 1]), count=st.integers(1, 10))
    def deliver(self, side, count):
        for _ in range(min(count, len(self.ways[side]))):
            arrival = self.ends[1 - side].received(self.ways[side].pop(0))
            if arrival is not None:
                self._arrive(1 - side, arrival)

    @precondition(lambda self: self.unread)
    @rule(data=st.data())
    def read(self, data):
        side, channel = data.draw(st.sampled_from(sorted(self.unread)))
        self.ends[side].consumed(channel, self.unread.pop((side, channel)))

    @rule()
    def cut(self):
        self.ways = [[], []]
        a, b = self.ends
        received = a.got, b.got
        a.resume(received[1])
        b.resume(received[0])

    @invariant()
    def nothing_doubled_or_out_of_order(self):
        for key, got in getattr(self, "arrived", {}).items():
            assert self.written[key].startswith(got)

    @invariant()
    def what_is_kept_is_bounded(self):
        for end in getattr(self, "ends", ()):
            assert end.kept <= 1000 * (len(list(end.channels())) + 1) * 2 + GOT_FRAMES * 1000

    def teardown(self):
        if not hasattr(self, "ends"):
            return
        for _ in range(200):
            self.cut()
            for side in (0, 1):
                self.send(side, 1000)
                self.deliver(side, 1000)
            for side, channel in list(self.unread):
                self.ends[side].consumed(channel, self.unread.pop((side, channel)))
        for key, all_of_it in self.written.items():
            assert self.arrived.get(key, b"") == all_of_it


Breaks.TestCase.settings = settings(max_examples=30, stateful_step_count=40, deadline=None, database=None)
TestBreaks = Breaks.TestCase
