"""One budget over all pools of an owner."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from yonder.core.budget import Claim, Limits, divide


def claim(pool: str, have: int = 0, busy: int = 0, needed: int = 0, least: int = 0, gpus: int = 0) -> Claim:
    return Claim(pool, have, busy, needed, least, gpus)


@st.composite
def claims(draw: st.DrawFn) -> list[Claim]:
    found = []
    for n in range(draw(st.integers(1, 5))):
        have = draw(st.integers(0, 12))
        busy = draw(st.integers(0, have))
        found.append(
            Claim(
                f"p{n}",
                have,
                busy,
                busy + draw(st.integers(0, 9)),
                draw(st.integers(0, 4)),
                draw(st.sampled_from([0, 0, 1, 2])),
            )
        )
    return found


LIMITS = st.builds(Limits, st.none() | st.integers(0, 20), st.none() | st.integers(0, 12))


def test_without_limits_everybody_may_have_what_it_wants() -> None:
    assert divide(Limits(), [claim("a"), claim("b", gpus=2)]) == {"a": None, "b": None}


def test_a_limit_of_gpus_leaves_pools_without_gpus_alone() -> None:
    assert divide(Limits(gpus=4), [claim("a"), claim("b", needed=9, gpus=2)]) == {"a": None, "b": 2}


def test_who_needs_is_served_in_turns_and_the_fewest_first() -> None:
    assert divide(Limits(8), [claim("a", needed=20), claim("b", needed=3)]) == {"a": 5, "b": 3}
    assert divide(Limits(8), [claim("a", 5, 5, 20), claim("b", needed=20)]) == {"a": 5, "b": 3}


def test_min_goes_before_what_others_need() -> None:
    assert divide(Limits(4), [claim("a", needed=20), claim("b", least=3)]) == {"a": 1, "b": 3}


def test_idle_ones_are_kept_until_somebody_needs_them_and_room_is_given_when_it_is_free() -> None:
    idle = claim("a", have=8)
    assert divide(Limits(8), [idle, claim("b")]) == {"a": 8, "b": 0}
    assert divide(Limits(8), [idle, claim("b", needed=3)]) == {"a": 5, "b": 0}
    assert divide(Limits(8), [claim("a", have=6), claim("b", needed=3)]) == {"a": 5, "b": 2}


def test_who_has_nothing_gets_the_next_executor_of_the_largest_pool() -> None:
    busy, small = claim("a", 7, 7, 90), claim("c", 1, 1, 1)
    assert divide(Limits(8), [busy, claim("b", needed=2), small]) == {"a": 6, "b": 0, "c": 1}
    assert divide(Limits(8), [claim("a", 6, 6, 90), claim("b", needed=2), small]) == {"a": 6, "b": 1, "c": 1}


@given(LIMITS, claims())
def test_the_sum_keeps_the_limits_unless_more_is_busy_already(limits: Limits, all_: list[Claim]) -> None:
    allowed = divide(limits, all_)
    assert set(allowed) == {one.pool for one in all_}
    counts = {one.pool: allowed[one.pool] for one in all_}
    if limits.executors is not None:
        total = sum(count for count in counts.values() if count is not None)
        assert total <= max(limits.executors, sum(one.busy for one in all_))
    if limits.gpus is not None:
        gpus = sum((counts[one.pool] or 0) * one.gpus for one in all_)
        assert gpus <= max(limits.gpus, sum(one.busy * one.gpus for one in all_))


@given(LIMITS, claims())
def test_nobody_grows_into_room_that_another_still_takes(limits: Limits, all_: list[Claim]) -> None:
    allowed = divide(limits, all_)
    grown = {one.pool: max((allowed[one.pool] or 0) - one.have, 0) for one in all_}
    if limits.executors is not None:
        assert sum(grown.values()) <= max(limits.executors - sum(one.have for one in all_), 0)
    if limits.gpus is not None:
        free = limits.gpus - sum(one.have * one.gpus for one in all_)
        assert sum(grown[one.pool] * one.gpus for one in all_) <= max(free, 0)


@given(st.integers(1, 20), claims())
def test_nobody_who_needs_starves_while_another_has_idle_ones(executors: int, all_: list[Claim]) -> None:
    """Asked again until nothing changes, with pools that do what they are allowed to."""
    all_ = [Claim(one.pool, one.have, one.busy, one.needed, one.least) for one in all_]
    for _ in range(40):
        allowed = divide(Limits(executors), all_)
        now = []
        for one in all_:
            most = allowed[one.pool]
            assert most is not None
            stays = max(one.busy, min(one.have, most))
            grows = min(max(one.needed, one.least), most) if most > stays else stays
            now.append(Claim(one.pool, max(stays, grows), one.busy, one.needed, one.least))
        if now == all_:
            break
        all_ = now
    else:
        raise AssertionError("it never comes to rest")
    for one in all_:
        if one.have < one.needed:
            wasted = [other for other in all_ if other.have > max(other.busy, other.needed, other.least)]
            assert not wasted, f"{one} lacks while {wasted} are idle"


def test_a_smaller_limit_takes_nothing_that_is_busy_by_force() -> None:
    allowed = divide(Limits(2), [claim("a", 4, 4, 4), claim("b", 1, 1, 5)])
    assert allowed == {"a": 4, "b": 1}
