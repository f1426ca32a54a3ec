"""Gathering calls into batches: none lost, none twice, order kept, bounds of size and time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from yonder.agent.batching import Gathering

steps = st.lists(
    st.one_of(
        st.tuples(st.just("arrived"), st.sampled_from(["a", "b", None])),
        st.tuples(st.just("passed"), st.floats(0.0, 3.0)),
    ),
    max_size=60,
)


@given(steps, st.integers(1, 6), st.floats(0.0, 2.0))
def test_every_member_is_in_one_batch_in_order_and_in_bounds(events, most, wait):
    gathering, now, sent, batches = Gathering[int](most, wait), 0.0, 0, []
    kinds, arrived = [], []
    for what, value in events:
        ready = []
        if what == "arrived":
            kinds.append(value)
            arrived.append(now)
            ready = gathering.arrived(now, value, sent)
            sent += 1
        else:
            now += value
            batch = gathering.passed(now)
            ready = [batch] if batch else []
        batches += ready
        done = sum(map(len, batches))
        assert (gathering.due is None) == (done == sent)
        if gathering.due is not None:
            assert gathering.due == arrived[done] + wait  # counted from the first that waits
            assert what == "arrived" or now < gathering.due  # after `passed` nothing is overdue
            assert sent - done < most
    rest = gathering.rest()
    batches += [rest] if rest else []
    assert gathering.due is None
    assert [member for batch in batches for member in batch] == list(range(sent))
    for batch in batches:
        assert 1 <= len(batch) <= most
        assert len({kinds[member] for member in batch}) == 1
        assert kinds[batch[0]] is not None or len(batch) == 1


def test_a_batch_is_not_cut_before_it_must_be():
    gathering = Gathering[str](3, 1.0)
    assert gathering.arrived(0.0, "k", "x") == []
    assert gathering.passed(0.9) == []
    assert gathering.arrived(0.9, "k", "y") == []
    assert gathering.passed(1.0) == ["x", "y"]
    assert gathering.arrived(5.0, "k", "z") == []
    assert gathering.due == 6.0
