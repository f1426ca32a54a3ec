"""The numbered conversation: nothing is lost, nothing is doubled, whatever is cut; and who may begin it."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from yonder import wire
from yonder.core.link import Gap, Heartbeat, Inbox, Lost, Outbox, check_hello
from yonder.testing import LinkedPair

# ── outbox ──


def test_numbers_begin_with_one_and_have_no_holes() -> None:
    outbox = Outbox()
    assert [outbox.push() for _ in range(3)] == [1, 2, 3]
    assert list(outbox.sendable()) == [1, 2, 3]
    assert (outbox.last, outbox.acked, outbox.unacked) == (3, 0, 3)


def test_what_was_sent_is_not_sent_again_on_the_same_connection() -> None:
    outbox = Outbox()
    for _ in range(3):
        outbox.push()
    outbox.sent(1)
    outbox.sent(2)
    assert list(outbox.sendable()) == [3]


def test_the_window_bounds_what_is_under_way() -> None:
    outbox = Outbox(window=2)
    for _ in range(5):
        outbox.push()
    assert list(outbox.sendable()) == [1, 2]
    outbox.sent(1)
    outbox.sent(2)
    assert list(outbox.sendable()) == []
    outbox.ack(1)
    assert list(outbox.sendable()) == [3]
    assert outbox.unacked == 4


def test_sending_out_of_turn_is_a_mistake_here() -> None:
    outbox = Outbox()
    outbox.push()
    outbox.push()
    with pytest.raises(ValueError, match="out of turn"):
        outbox.sent(2)
    with pytest.raises(ValueError, match="out of turn"):
        outbox.sent(3)


def test_acknowledging_what_was_never_given_is_a_mistake_there() -> None:
    outbox = Outbox()
    outbox.push()
    with pytest.raises(ValueError, match="the last one given is 1"):
        outbox.ack(2)


def test_older_acknowledgements_change_nothing() -> None:
    outbox = Outbox()
    for _ in range(3):
        outbox.push()
    outbox.ack(2)
    outbox.ack(1)
    assert outbox.acked == 2
    assert list(outbox.sendable()) == [3]
    outbox.sent(2)  # was acknowledged while it was on its way out
    assert list(outbox.sendable()) == [3]


def test_resuming_makes_what_follows_unsent_again() -> None:
    outbox = Outbox()
    for _ in range(5):
        outbox.sent(outbox.push())
    outbox.ack(1)
    outbox.resume(3)
    assert outbox.acked == 3
    assert list(outbox.sendable()) == [4, 5]


def test_resuming_before_what_was_acknowledged_says_what_is_left() -> None:
    outbox = Outbox()
    for _ in range(5):
        outbox.sent(outbox.push())
    outbox.ack(4)
    with pytest.raises(Lost) as lost:
        outbox.resume(2)
    assert lost.value.first_kept == 5
    assert outbox.acked == 4


def test_resuming_beyond_the_last_is_another_hubs_number() -> None:
    with pytest.raises(ValueError, match="the last one given is 0"):
        Outbox().resume(7)


def test_numbering_may_go_on_from_elsewhere() -> None:
    outbox = Outbox(first=8)
    assert outbox.push() == 8
    assert list(outbox.sendable()) == [8]


# ── inbox ──


def test_repetitions_are_not_new_and_holes_are_refused() -> None:
    inbox = Inbox(received=4)
    assert inbox.take(5)
    assert not inbox.take(5)
    assert not inbox.take(1)
    with pytest.raises(Gap) as gap:
        inbox.take(7)
    assert (gap.value.expected, gap.value.got) == (6, 7)
    assert inbox.received == 5


def test_an_acknowledgement_is_due_once_per_so_many() -> None:
    inbox = Inbox()
    for n in range(1, 64):
        inbox.take(n)
    assert inbox.ack_due() is None
    inbox.take(64)
    assert inbox.ack_due() == 64
    assert inbox.ack_due() is None
    inbox.take(65)
    assert inbox.ack_due(1) == 65


# ── both, over a wire that is cut ──


class CutWire(RuleBasedStateMachine):
    """Everything pushed is stored once, in order, and kept until it is."""

    def __init__(self) -> None:
        super().__init__()
        self.pair: LinkedPair[str] = LinkedPair(window=5, ack_every=2)
        self.pushed: list[str] = []

    @rule(count=st.integers(1, 8))
    def push(self, count: int) -> None:
        for _ in range(count):
            self.pushed.append(f"event {len(self.pushed)}")
            self.pair.push(self.pushed[-1])

    @rule(count=st.integers(0, 5))
    def send(self, count: int) -> None:
        self.pair.send(count)

    @rule(count=st.integers(0, 5))
    def deliver(self, count: int) -> None:
        self.pair.deliver(count)

    @rule()
    def acknowledge(self) -> None:
        self.pair.acknowledge()

    @rule()
    def cut(self) -> None:
        self.pair.cut()

    @rule()
    def reconnect(self) -> None:
        self.pair.reconnect()

    @invariant()
    def stored_is_the_beginning_of_what_was_pushed(self) -> None:
        assert self.pair.stored == self.pushed[: len(self.pair.stored)]

    @invariant()
    def whatever_is_not_stored_is_kept(self) -> None:
        assert set(range(len(self.pair.stored) + 1, len(self.pushed) + 1)) <= set(self.pair.kept)

    @invariant()
    def never_more_under_way_than_the_window(self) -> None:
        assert self.pair.under_way <= 5

    def teardown(self) -> None:
        self.pair.reconnect()
        self.pair.settle()
        self.pair.reconnect()  # its hello acknowledges what was below the acknowledgement's measure
        assert self.pair.stored == self.pushed
        assert self.pair.kept == {}


TestCutWire = CutWire.TestCase
TestCutWire.settings = settings(max_examples=100, stateful_step_count=40, deadline=None, database=None)


# ── heartbeat ──


def test_silence_is_several_missed_heartbeats() -> None:
    heart = Heartbeat(2.0, 3)
    assert not heart.tick(100)
    assert [heart.tick(at) for at in (102, 104, 106)] == [False, False, False]
    assert heart.tick(108)


def test_a_sign_of_life_ends_the_silence() -> None:
    heart = Heartbeat(2.0, 3)
    heart.heard(100)
    assert heart.tick(107)
    heart.heard(107.5)
    assert not heart.tick(109)


def test_after_a_pause_of_this_machine_the_other_end_has_its_time_again() -> None:
    heart = Heartbeat(2.0, 3)
    heart.heard(100)
    assert not heart.tick(102)
    assert not heart.tick(1000)
    assert not heart.tick(1002)
    assert [heart.tick(at) for at in (1004, 1006, 1008)] == [False, False, True]


def test_a_tick_a_little_late_is_no_pause() -> None:
    heart = Heartbeat(2.0, 2)
    heart.heard(100)
    assert not heart.tick(100)
    assert heart.tick(107)


# ── hello ──


def hello(**changes: object) -> wire.Hello:
    facts = {"version": wire.VERSION, "package": "0.1.0", "role": "agent", "token": "secret", "id": "a", **changes}
    return wire.Hello(**facts)  # type: ignore[arg-type]


def judged(given: wire.Hello, token: str = "secret") -> wire.Refused | None:
    return check_hello(given, token=token, roles=("agent", "call"), package="0.2.0")


def test_a_good_hello_is_welcome() -> None:
    assert judged(hello()) is None


@pytest.mark.parametrize("token", ["", "secre", "secret ", "Secret", "sécret"])
def test_a_wrong_token_is_refused_whatever_else_is_wrong(token: str) -> None:
    refused = judged(hello(token=token, version=99, role="owner"))
    assert refused is not None
    assert refused.code == "token"
    assert "secret" not in refused.sentence


def test_without_a_token_of_our_own_nobody_comes_in() -> None:
    refused = judged(hello(token=""), token="")
    assert refused is not None
    assert refused.code == "token"


def test_a_version_mismatch_names_both() -> None:
    refused = judged(hello(version=wire.VERSION + 1))
    assert refused is not None
    assert refused.code == "version"
    for word in ("0.1.0", "0.2.0", f"wire {wire.VERSION}", f"wire {wire.VERSION + 1}"):
        assert word in refused.sentence
    assert (refused.version, refused.package) == (wire.VERSION, "0.2.0")


def test_a_role_at_the_wrong_door_is_refused() -> None:
    refused = judged(hello(role="owner"))
    assert refused is not None
    assert refused.code == "role"
    assert "owner" in refused.sentence
