"""When the hub ends: linger after the owner went, silence while it is there, and what counts as neither."""

from __future__ import annotations

import math

import pytest

from yonder.core.lease import FIRST_CONTACT, OwnerLease, spell


def lease(*, linger: float = 20, silence: float = 600, attended: bool = True) -> OwnerLease:
    """Connected at 0."""
    made = OwnerLease(linger=linger, silence=silence, at=0, attended=attended)
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


@pytest.mark.parametrize(
    ("seconds", "words"), [(20, "20 s"), (1.5, "1.5 s"), (60, "1 min"), (600, "10 min"), (90, "90 s"), (7200, "2 h")]
)
def test_spans_are_said_as_people_say_them(seconds: float, words: str) -> None:
    assert spell(seconds) == words
