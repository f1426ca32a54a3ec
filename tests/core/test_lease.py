"""When a hub ends: linger after the owner went, silence while it is there, and what counts as neither. When an agent on
another machine ends."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yonder.core.lease import BEAT, FIRST_CONTACT, LATE, AgentLease, OwnerLease, spell


def lease(*, linger: float = 20, silence: float = 600, attended: bool = True, distant: bool = False) -> OwnerLease:
    """Connected at 0."""
    made = OwnerLease(linger=linger, silence=silence, at=0, attended=attended, distant=distant)
    made.connected(0)
    return made


def test_a_closed_window_ends_after_the_linger() -> None:
    one = lease()
    one.goodbye(100)
    one.dropped(100.2)
    assert one.closing
    assert one.next_wake(101) == 120
    assert one.judge(119.9) is None
    assert one.judge(120) == "the window was closed"


def test_a_reload_comes_back_within_the_linger() -> None:
    one = lease()
    one.goodbye(100)
    one.connected(110)
    assert not one.closing
    assert one.judge(121) is None
    assert one.next_wake(121) == 710


def test_a_server_that_died_without_a_goodbye_is_the_same_case() -> None:
    one = lease()
    one.dropped(100)
    assert one.closing
    assert one.judge(119) is None
    assert one.judge(120) == "the editor went away and did not come back within 20 s"


def test_the_drop_that_follows_a_goodbye_does_not_restart_the_linger() -> None:
    one = lease()
    one.goodbye(100)
    one.dropped(115)
    assert one.judge(121) == "the window was closed"


def test_a_second_goodbye_does_not_prolong_the_linger() -> None:
    one = lease()
    one.goodbye(100)
    one.goodbye(115)
    assert one.next_wake(116) == 120


def test_a_window_that_is_not_heard_of_ends_after_the_silence() -> None:
    one = lease()
    one.window_alive(50)
    one.window_alive(60)
    assert not one.closing
    assert one.next_wake(100) == 660
    assert one.judge(659) is None
    assert one.judge(660) == "the editor was not heard of for 10 min"


def test_the_silence_clock_starts_with_the_connection_even_if_the_window_never_speaks() -> None:
    assert lease(silence=30).judge(30) == "the editor was not heard of for 30 s"


def test_a_straggling_heartbeat_after_the_goodbye_changes_nothing() -> None:
    one = lease()
    one.goodbye(100)
    one.window_alive(119)
    assert one.judge(120) == "the window was closed"


def test_an_owner_without_a_window_has_no_silence_clock() -> None:
    one = lease(attended=False)
    assert one.next_wake(5) == math.inf
    assert one.judge(1e9) is None
    one.dropped(2e9)
    assert one.judge(2e9 + 20) is not None


def test_without_linger_a_goodbye_ends_at_once() -> None:
    one = lease(linger=0)
    one.goodbye(100)
    assert one.judge(100) == "the window was closed"


def test_stopping_ends_at_once_and_nothing_takes_it_back() -> None:
    one = lease()
    one.stop(100)
    one.connected(101)
    one.window_alive(101)
    one.goodbye(101)
    assert one.closing
    assert one.next_wake(101) == 101
    assert one.judge(200) == "stopped by the person"


def test_stopping_wins_over_a_linger() -> None:
    one = lease()
    one.goodbye(100)
    one.stop(105)
    assert one.judge(105) == "stopped by the person"


def test_a_hub_that_nobody_comes_to_ends() -> None:
    one = OwnerLease(linger=1, silence=600, at=0)
    assert not one.closing
    assert one.judge(FIRST_CONTACT - 1) is None
    assert one.judge(FIRST_CONTACT) == "nobody connected within 1 min"


def test_a_drop_before_any_connection_is_nobodys() -> None:
    one = OwnerLease(linger=1, silence=600, at=0)
    one.dropped(5)
    assert not one.closing
    assert one.judge(10) is None


@pytest.mark.parametrize("went", ["goodbye", "dropped"])
def test_a_machine_that_slept_through_the_linger_gives_it_again(went: str) -> None:
    one = lease()
    getattr(one, went)(100)
    assert one.judge(5000) is None
    assert one.next_wake(5000) == 5020
    assert one.judge(5020) is not None


def test_a_machine_that_slept_through_the_silence_waits_for_the_window_again() -> None:
    one = lease(silence=60)
    assert one.judge(5000) is None
    one.window_alive(5003)
    assert one.judge(5062) is None
    assert one.judge(5063) is not None


def test_a_judgement_a_little_late_is_no_pause() -> None:
    one = lease()
    one.goodbye(100)
    assert one.judge(125) == "the window was closed"


def test_the_clocks_can_be_set_while_they_run() -> None:
    one = lease()
    one.goodbye(100)
    one.configured(linger=2, silence=600)
    assert one.next_wake(100) == 102
    assert one.judge(102) == "the window was closed"


def test_the_next_wake_is_never_in_the_past() -> None:
    one = lease()
    one.goodbye(100)
    assert one.next_wake(150) == 150


def test_a_distant_owner_whose_connection_drops_has_the_silence_and_work_goes_on() -> None:
    one = lease(distant=True)
    one.dropped(100)
    assert not one.closing
    assert one.judge(125) is None
    assert one.next_wake(125) == 700
    assert one.judge(700) == "the owner's connection was cut and did not come back within 10 min"


def test_a_distant_owner_that_comes_back_starts_the_clock_again() -> None:
    one = lease(distant=True)
    one.dropped(100)
    one.connected(650)
    assert one.judge(1249) is None
    assert one.judge(1250) == "the editor was not heard of for 10 min"


def test_a_distant_program_has_no_clock_but_while_it_is_cut_off() -> None:
    one = lease(attended=False, distant=True)
    assert one.next_wake(5) == math.inf
    one.dropped(100)
    assert one.next_wake(100) == 700


def test_a_distant_owner_that_says_goodbye_is_gone_after_the_linger() -> None:
    one = lease(distant=True)
    one.goodbye(100)
    one.dropped(101)
    assert one.closing
    assert one.judge(120) == "the window was closed"


def test_a_straggling_heartbeat_of_a_dropped_connection_changes_nothing() -> None:
    one = lease(distant=True)
    one.dropped(100)
    one.window_alive(300)
    assert one.next_wake(300) == 700


# ── an agent's ──


def agent(*, reach: float = 120, silence: float = 660, lifetime: float = 0) -> AgentLease:
    return AgentLease(reach=reach, silence=silence, lifetime=lifetime, at=0)


def wait(one: AgentLease, start: float, end: float) -> str | None:
    """Judge it as its shell does, from start to end."""
    at = start
    while (why := one.judge(at)) is None and at < end:
        at = min(end, one.next_wake(at))
    return why


def test_an_agent_that_is_never_let_in_ends() -> None:
    assert wait(agent(), 0, 119.9) is None
    assert wait(agent(), 0, 120) == "the hub did not let it in within 2 min"


def test_an_agent_that_was_let_in_ends_after_the_silence() -> None:
    one = agent()
    one.heard(100)
    assert wait(one, 0, 759.9) is None
    assert one.judge(760) == "nothing was heard of the hub for 11 min"


def test_every_word_of_the_hub_starts_the_silence_again() -> None:
    one = agent(silence=30)
    for at in range(0, 300, 20):
        one.heard(at)
        assert wait(one, at, at + 20) is None


def test_an_agents_lifetime_ends_whatever_the_hub_says() -> None:
    one = agent(lifetime=3600)
    assert wait(one, 0, 100) is None
    one.heard(100)
    assert wait(one, 100, 700) is None
    one.heard(700)
    one.heard(3599)
    assert one.judge(3599) is None
    assert one.next_wake(3599) == 3600
    assert one.judge(3600) == "its lifetime of 1 h is over"


def test_a_pause_of_the_machine_lets_the_hub_be_heard_of_again() -> None:
    one = agent(silence=60)
    one.heard(0)
    assert one.judge(1) is None
    assert one.judge(4000) is None
    one.heard(4001)
    assert wait(one, 4001, 4060) is None
    assert one.judge(4061) == "nothing was heard of the hub for 1 min"


def test_after_a_pause_in_which_the_hub_went_an_agent_ends_soon() -> None:
    one = agent(silence=60)
    one.heard(0)
    assert one.judge(1) is None
    assert one.judge(4000) is None
    assert wait(one, 4000, 4000 + LATE) is not None


def test_a_pause_that_ends_just_after_the_silence_is_one_too() -> None:
    one = agent(silence=60)
    one.heard(0)
    assert one.judge(1) is None
    assert one.judge(61) is None


def test_a_pause_does_not_prolong_a_lifetime() -> None:
    one = agent(lifetime=100)
    one.heard(0)
    assert one.judge(1) is None
    assert one.judge(1000) == "its lifetime of 100 s is over"


def test_an_address_where_nobody_listens_is_no_hubs_any_more() -> None:
    one = agent()
    one.heard(0)
    assert wait(one, 0, 10) is None
    for at in range(10, 68, 2):
        one.dialled(at, refused=True)
        assert wait(one, at, at + 1.9) is None
    assert wait(one, 68, 70) == "nobody has listened at the hub's address for 1 min: the hub has ended"


@pytest.mark.parametrize("sign", ["a word", "a silent network", "a pause"])
def test_only_a_hub_that_is_known_to_be_gone_shortens_the_wait(sign: str) -> None:
    one = agent()
    one.heard(0)
    assert wait(one, 0, 10) is None
    one.dialled(10, refused=True)
    assert wait(one, 10, 60) is None
    if sign == "a word":
        one.heard(60)
    elif sign == "a silent network":
        one.dialled(60, refused=False)
    assert wait(one, 80 if sign == "a pause" else 60, 110) is None


def test_a_hub_that_was_never_met_has_its_time_to_come() -> None:
    one = agent()
    one.dialled(0, refused=True)
    assert wait(one, 0, 119.9) is None
    assert wait(one, 119.9, 120) == "the hub did not let it in within 2 min"


MOMENTS = st.lists(st.tuples(st.floats(0.01, 40), st.booleans()), max_size=40)


@given(MOMENTS, st.floats(1, 100), st.floats(1, 100))
def test_an_agent_ends_exactly_when_a_clock_is_over(
    moments: list[tuple[float, bool]], reach: float, silence: float
) -> None:
    """Without pauses: at every moment it lives if and only if its present clock has not run out before."""
    one = agent(reach=reach, silence=silence)
    at, end = 0.0, reach
    for pause, heard in moments:
        assert (wait(one, at, at + pause) is not None) == (at + pause >= end)
        at += pause
        if at >= end:
            return
        if heard:
            one.heard(at)
            end = at + silence


@given(MOMENTS, st.floats(1, 100))
def test_an_agent_outlives_a_dead_hub_by_no_more_than_its_silence_and_one_grant(
    pauses: list[tuple[float, bool]], silence: float
) -> None:
    """Whatever pauses there are: LATE after the last one, and the silence after the last word, it is over."""
    one = agent(silence=silence)
    one.heard(0)
    at = last = 0.0
    for pause, _ in pauses:
        if pause > BEAT + LATE:
            last = at + pause
        at += pause
        one.judge(at)
    assert wait(one, at, max(at, silence, last + LATE)) is not None


@pytest.mark.parametrize(
    ("seconds", "words"), [(20, "20 s"), (1.5, "1.5 s"), (60, "1 min"), (600, "10 min"), (90, "90 s"), (7200, "2 h")]
)
def test_spans_are_said_as_people_say_them(seconds: float, words: str) -> None:
    assert spell(seconds) == words
