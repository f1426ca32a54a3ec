"""`Pool.map`: lazy, bounded, in order or as it comes, in parcels where that pays."""

from __future__ import annotations

import itertools
import threading

import pytest
from tests.core.paper_hub import on_paper

import yonder
from yonder import wire
from yonder.mapping import LEAST_AHEAD


def odd(n):
    if n % 10 == 3:
        raise KeyError(n)
    return n


def parcels(hub):
    """How many items each message carried."""
    return [message.options.mode.chunk if message.options else 1 for message in hub.sent(wire.Submit)]


def test_order_laziness_and_the_bound(slow):
    read = []
    with yonder.Pool(max=2) as pool:
        values = pool.map(abs, (read.append(n) or -n for n in range(1000)), buffersize=3)
        assert read == [0, 1, 2]
        for call in list(slow.calls)[::-1]:
            slow.run(call)
        assert next(values) == 0
        assert read == [0, 1, 2, 3]
        assert (next(values), next(values)) == (1, 2)
        values.close()
        assert list(values) == []
    assert len(slow.sent(wire.Cancel)) == 3


@pytest.mark.parametrize(("size", "ahead"), [(2, LEAST_AHEAD), (40, 160)])
def test_without_a_wish_the_bound_is_in_messages(slow, size, ahead):
    with yonder.Pool(max=size) as pool:
        values = pool.map(abs, iter(range(10_000)))
        assert len(slow.calls) == ahead
        values.close()


def test_a_map_sends_no_more_ahead_than_may_wait(slow):
    with yonder.Pool(queue_limit=3) as pool:
        values = pool.map(abs, range(100))
        assert len(slow.sent(wire.Submit)) == 3
        values.close()


def test_several_inputs_end_with_the_shortest(hub):
    with yonder.Pool() as pool:
        assert list(pool.map(pow, [2, 3, 4], [1, 2])) == [2, 9]
        assert list(pool.map(abs, [])) == []
        assert list(pool.map(abs)) == []


def test_as_they_come(slow):
    with yonder.Pool() as pool:
        values = pool.map(abs, [-1, -2, -3], ordered=False)
        last, *rest = reversed(list(slow.calls))
        slow.run(last)
        assert next(values) == 3
        for call in rest:
            slow.run(call)
        assert sorted(values) == [1, 2]


def test_an_error_comes_at_its_turn_and_ends_the_map(hub):
    with yonder.Pool() as pool:
        values = pool.map(odd, range(20), chunksize=1)
        assert [next(values) for _ in range(3)] == [0, 1, 2]
        with pytest.raises(KeyError):
            next(values)
        with pytest.raises(StopIteration):
            next(values)


def test_what_the_input_raises_surfaces_after_the_rest_was_cancelled(slow):
    def numbers():
        yield from (1, 2)
        raise ZeroDivisionError

    with yonder.Pool() as pool:
        with pytest.raises(ZeroDivisionError):
            pool.map(abs, numbers())
        assert slow.calls == {}
        values = pool.map(abs, numbers(), buffersize=2)
        slow.run(next(iter(slow.calls)))
        with pytest.raises(ZeroDivisionError):
            next(values)
        assert slow.calls == {}


def test_what_cannot_travel_takes_back_what_was_sent(slow):
    with yonder.Pool() as pool:
        with pytest.raises(yonder.SerializationError, match="argument 1"):
            pool.map(abs, [1, 2, threading.Lock()])
        assert slow.calls == {}


def test_the_time_is_the_whole_maps(slow):
    with yonder.Pool() as pool:
        for ordered in (True, False):
            values = pool.map(abs, [1, 2], timeout=0, ordered=ordered)
            with pytest.raises(TimeoutError, match="map's timeout was over"):
                next(values)
            assert slow.calls == {}


def test_the_time_does_not_count_for_what_is_there(hub):
    with yonder.Pool() as pool:
        for ordered in (True, False):
            assert list(pool.map(abs, [1, 2], timeout=0, ordered=ordered)) == [1, 2]


def test_letting_go_of_a_map_that_has_begun_cancels_the_rest(slow):
    with yonder.Pool() as pool:
        values = pool.map(abs, [-1, -2, -3])
        slow.run(next(iter(slow.calls)))
        assert next(values) == 1
        del values
        assert slow.calls == {}


@pytest.mark.parametrize("wrong", [{"chunksize": 0}, {"chunksize": -1}, {"buffersize": 0}, {"buffersize": "x"}])
def test_sizes_that_make_no_sense(hub, wrong):
    with yonder.Pool() as pool, pytest.raises(ValueError, match=next(iter(wrong))):
        pool.map(abs, [1], **wrong)


# ── parcels ──


def test_a_chunk_is_exactly_what_was_asked_for(hub):
    with yonder.Pool() as pool:
        assert list(pool.map(abs, range(-10, 0), chunksize=4)) == list(range(10, 0, -1))
    assert parcels(hub) == [4, 4, 2]


def test_an_error_in_a_parcel_is_that_items_only(hub):
    with yonder.Pool() as pool:
        values = pool.map(odd, range(20), chunksize=10)
        assert [next(values), next(values), next(values)] == [0, 1, 2]
        with pytest.raises(KeyError, match="3") as caught:
            next(values)
        assert "in odd" in str(caught.value.__cause__)


def test_a_short_function_goes_in_parcels_by_itself(monkeypatch):
    with on_paper(monkeypatch, micros=20) as hub, yonder.Pool(max=2) as pool:
        assert list(pool.map(abs, (-n for n in range(5000)))) == list(range(5000))
        sizes = parcels(hub)
        assert sizes[:LEAST_AHEAD] == [1] * LEAST_AHEAD
        assert max(sizes) == 150
        assert sum(sizes) == 5000
        assert all(late <= 2 * early for early, late in itertools.pairwise(sizes))


def test_a_function_that_takes_its_time_goes_singly(monkeypatch):
    with on_paper(monkeypatch, micros=2000) as hub, yonder.Pool() as pool:
        list(pool.map(abs, range(500)))
        assert set(parcels(hub)) == {1}


def test_with_a_deadline_a_call_has_it_for_itself(monkeypatch):
    with on_paper(monkeypatch, micros=1) as hub, yonder.Pool(timeout=3) as pool:
        list(pool.map(abs, range(500)))
        assert {message.options for message in hub.sent(wire.Submit)} == {None}


def test_parcels_as_they_come_and_within_the_bound(monkeypatch):
    with on_paper(monkeypatch, micros=20) as hub, yonder.Pool() as pool:
        assert sorted(pool.map(abs, range(1000), ordered=False, buffersize=50)) == list(range(1000))
        assert max(parcels(hub)) <= 50


def test_one_message_stands_for_its_parcel_in_the_editor(hub):
    with yonder.Pool() as pool:
        list(pool.map(abs, range(4), chunksize=4))
    assert hub.sent(wire.Submit)[0].label == "0 … 4 calls"
