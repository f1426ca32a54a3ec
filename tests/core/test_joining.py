"""Who may come in on a machine's link: a good agent always, everybody else never, whatever is lost or repeated."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from yonder import wire
from yonder.core.joining import SPENT, STRANGER, Admission, Admitted

PACKAGE = "9.9"
SEED = b"thirty-two bytes of a fixed seed"


def hello(agent, token, role="agent", version=wire.VERSION):
    return wire.Hello(version=version, package=PACKAGE, role=role, token=token, id=agent)


def come(admission, agent, token, role="agent"):
    return admission.judge(hello(agent, token, role), agent)


def code(answer):
    return answer.code if isinstance(answer, wire.Refused) else "in"


@pytest.fixture
def admission():
    return Admission(SEED, package=PACKAGE)


# ── an agent's life ──


def test_the_secret_of_the_invitation_lets_in_and_is_answered_with_a_key_for_each_row(admission):
    answer = come(admission, "a", admission.invite("a"))
    assert isinstance(answer, Admitted)
    assert (answer.agent, answer.row) == ("a", "agent")
    assert code(come(admission, "a", answer.key)) == "in"
    assert code(come(admission, "a", answer.bulk, "bulk")) == "in"


def test_a_key_is_spent_when_the_next_one_was_used(admission):
    secret = admission.invite("a")
    second = come(admission, "a", secret).key
    third = come(admission, "a", second).key
    assert come(admission, "a", secret).sentence == SPENT
    assert code(come(admission, "a", second)) == "in"
    assert code(come(admission, "a", third)) == "in"
    assert code(come(admission, "a", second)) == "spent"


def test_a_key_is_spent_when_its_holder_was_heard_after_the_answer(admission):
    secret = admission.invite("a")
    first = come(admission, "a", secret)
    admission.proved(first)
    assert code(come(admission, "a", secret)) == "spent"
    assert code(come(admission, "a", first.key)) == "in"


def test_an_answer_that_was_lost_is_given_again(admission):
    secret = admission.invite("a")
    assert come(admission, "a", secret) == come(admission, "a", secret)


def test_a_late_word_on_an_old_connection_takes_no_key_away_from_the_new_one(admission):
    old = come(admission, "a", admission.invite("a"))
    new = come(admission, "a", old.key)
    admission.proved(old)
    assert code(come(admission, "a", old.key)) == "in"
    admission.proved(new)
    admission.proved(old)
    assert code(come(admission, "a", old.key)) == "spent"
    assert code(come(admission, "a", new.key)) == "in"


def test_the_rows_do_not_move_each_other(admission):
    first = come(admission, "a", admission.invite("a"))
    admission.proved(first)
    admission.proved(come(admission, "a", first.key))
    bulk = come(admission, "a", first.bulk, "bulk")
    assert code(bulk) == "in"
    assert bulk.bulk == ""
    assert code(come(admission, "a", bulk.key, "bulk")) == "in"


# ── everybody else ──


@pytest.mark.parametrize(
    "token", ["", ".", "1.0", "1.0.", "1.0." + "0" * 64, "..", "٣.0.x", "1.0.\N{SNOWMAN}", "9" * 4000]
)
def test_what_is_no_key_is_refused_in_words_that_tell_nothing(admission, token):
    admission.invite("a")
    for agent in ("a", "b"):
        answer = come(admission, agent, token)
        assert (answer.code, answer.sentence) == ("token", STRANGER)


@given(token=st.text(), agent=st.text(), certified=st.text())
@settings(derandomize=True, max_examples=200)
def test_whatever_is_shown_is_answered(token, agent, certified):
    admission = Admission(SEED, package=PACKAGE)
    admission.invite(agent)
    assert code(admission.judge(hello(agent, token), certified)) == "token"


def test_a_key_opens_only_for_its_own_agent_and_its_own_row(admission):
    secret = admission.invite("a")
    admission.invite("b")
    first = come(admission, "a", secret)
    assert code(come(admission, "b", secret)) == "token"
    assert code(come(admission, "b", first.key)) == "token"
    assert code(come(admission, "a", secret, "bulk")) == "token"
    assert code(come(admission, "a", first.bulk)) == "token"
    assert code(come(admission, "a", first.key, "bulk")) == "token"
    for role in ("owner", "client", "call", "control"):
        assert code(come(admission, "a", secret, role)) == "token"


def test_no_two_agents_share_a_seal_by_where_their_names_are_cut(admission):
    secret = admission.invite('x","y')
    admission.invite("y")
    place, _, seal = secret.rpartition(".")
    assert code(come(admission, "y", f'{place}","x.{seal}')) == "token"


def test_the_certificate_must_name_the_same_agent(admission):
    secret = admission.invite("a")
    admission.invite("b")
    for certified in ("b", "", "A", "a "):
        assert code(admission.judge(hello("a", secret), certified)) == "token"
    assert code(admission.judge(hello("a", secret), "a")) == "in"


def test_a_withdrawn_invitation_lets_nobody_in(admission):
    secret = admission.invite("a")
    key = come(admission, "a", secret).key
    admission.withdraw("a")
    admission.withdraw("a")
    assert "a" not in admission
    assert code(come(admission, "a", secret)) == code(come(admission, "a", key)) == "spent"


def test_a_second_invitation_of_the_same_agent_ends_the_first(admission):
    old = admission.invite("a")
    before = come(admission, "a", old)
    new = admission.invite("a")
    admission.proved(before)
    assert code(come(admission, "a", old)) == code(come(admission, "a", before.key)) == "spent"
    assert code(come(admission, "a", new)) == "in"


def test_another_hub_knows_none_of_our_keys(admission):
    secret = admission.invite("a")
    elsewhere = Admission(SEED[::-1], package=PACKAGE)
    elsewhere.invite("a")
    assert code(come(elsewhere, "a", secret)) == "token"


def test_another_version_is_told_both_and_spends_nothing(admission):
    secret = admission.invite("a")
    answer = admission.judge(hello("a", secret, version=wire.VERSION + 1), "a")
    assert answer.code == "version"
    assert f"wire {wire.VERSION}" in answer.sentence
    assert f"wire {wire.VERSION + 1}" in answer.sentence
    assert code(admission.judge(hello("a", "no key", version=wire.VERSION + 1), "a")) == "token"
    assert code(come(admission, "a", secret)) == "in"


def test_no_answer_and_no_refusal_repeats_what_was_shown(admission):
    secret = admission.invite("a")
    come(admission, "a", come(admission, "a", secret).key)
    for token in (secret, "guess-of-a-stranger"):
        assert token not in come(admission, "a", token).sentence


# ── everything at once ──


class Joining(RuleBasedStateMachine):
    """One agent that dials, is cut at any point and dials again, and a thief who keeps every key that was ever shown.

    `flying` are hellos under way, `answers` those of the hub; both may be lost, overtake each other, or come after the
    agent has given that connection up. The agent has one connection per row that it listens to: its last.
    """

    def __init__(self):
        super().__init__()
        self.admission = Admission(SEED, package=PACKAGE)
        self.held = {}
        self.dials = {"agent": 0, "bulk": 0}
        self.flying = []
        self.answers = []
        self.live = {}  # the answers that each row has read
        self.shown = {"agent": [], "bulk": []}

    @initialize()
    def invited(self):
        self.held["agent"] = self.admission.invite("a")

    def rows(self):
        return sorted(self.held)

    @rule(data=st.data())
    def dial(self, data):
        row = data.draw(st.sampled_from(self.rows()))
        self.dials[row] += 1
        if self.held[row] not in self.shown[row]:
            self.shown[row].append(self.held[row])
        self.flying.append((row, self.dials[row], self.held[row]))

    @precondition(lambda self: self.flying)
    @rule(data=st.data(), lost=st.booleans())
    def hello_arrives(self, data, lost):
        row, dial, key = self.flying.pop(data.draw(st.integers(0, len(self.flying) - 1)))
        if lost:
            return
        answer = come(self.admission, "a", key, row)
        if dial == self.dials[row]:  # the agent still waits for this one
            assert code(answer) == "in"
        if isinstance(answer, Admitted):
            self.answers.append((row, dial, answer))

    @precondition(lambda self: self.answers)
    @rule(data=st.data(), lost=st.booleans())
    def answer_arrives(self, data, lost):
        row, dial, answer = self.answers.pop(data.draw(st.integers(0, len(self.answers) - 1)))
        if lost or dial != self.dials[row]:
            return
        self.held[row] = answer.key
        if answer.bulk:
            self.held.setdefault("bulk", answer.bulk)
        self.live.setdefault(row, []).append(answer)

    @precondition(lambda self: self.live)
    @rule(data=st.data())
    def agent_is_heard(self, data):
        """What it said on one of its connections arrives, perhaps long after it dialled again."""
        row = data.draw(st.sampled_from(sorted(self.live)))
        answer = data.draw(st.sampled_from(self.live[row]))
        self.admission.proved(answer)
        if answer.key != self.held[row]:
            return
        # Everything but what the agent holds now is spent.
        for key in self.shown[row]:
            if key != self.held[row]:
                assert code(come(self.admission, "a", key, row)) == "spent"

    @rule(agent=st.sampled_from(["b", "a"]), row=st.sampled_from(["agent", "bulk"]), data=st.data())
    def thief_tries_a_key_in_the_wrong_place(self, agent, row, data):
        keys = [key for keys in self.shown.values() for key in keys if agent == "b" or key not in self.shown[row]]
        if keys:
            assert code(come(self.admission, agent, data.draw(st.sampled_from(keys)), row)) in ("token", "spent")

    @invariant()
    def at_most_one_old_key_is_good(self):
        for row in self.rows():
            old = [key for key in self.shown[row] if key != self.held[row]]
            good = [key for key in old if self.is_good(row, key)]
            assert len(good) <= 1
            # and that is the last one shown before the present one: older ones are gone for ever
            assert good in ([], old[-1:])

    def is_good(self, row, key):
        """Would this key be let in? Asked without changing anything: another version's hello is refused after the key."""
        return self.admission.judge(hello("a", key, row, version=wire.VERSION + 1), "a").code == "version"

    @invariant()
    def the_agent_is_not_locked_out(self):
        for row in self.rows():
            assert self.is_good(row, self.held[row])


Joining.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None, derandomize=True)
TestJoining = Joining.TestCase
