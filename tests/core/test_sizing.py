"""How many items of a map travel together."""

from __future__ import annotations

from yonder.sizing import MOST_BYTES, MOST_ITEMS, SHORT_MICROS, Sizing


def sizes(sizing, rounds, micros, size=10):
    found = []
    for _ in range(rounds):
        items = sizing.next()
        found.append(items)
        sizing.sent(items, items * size)
        sizing.ended(items, int(micros * items))
    return found


def test_singly_until_the_function_has_shown_that_it_is_short():
    sizing = Sizing(4, None)
    assert [sizing.next() for _ in range(5)] == [1] * 5
    sizing.ended(1, 10)
    assert sizing.next() == 2


def test_a_function_that_takes_its_time_goes_singly():
    assert set(sizes(Sizing(4, None), 20, SHORT_MICROS)) == {1}


def test_a_time_that_is_not_known_says_nothing():
    assert set(sizes(Sizing(4, None), 20, 0)) == {1}


def test_parcels_grow_twofold_up_to_a_few_milliseconds():
    found = sizes(Sizing(4, None), 12, 30)
    assert found[:8] == [1, 2, 4, 8, 16, 32, 64, 100]
    assert found[-1] == 100


def test_never_more_than_so_many_items_or_bytes():
    assert max(sizes(Sizing(4, None), 30, 1)) == MOST_ITEMS
    large = sizes(Sizing(4, None), 30, 1, size=MOST_BYTES // 8)
    assert max(large) == 8


def test_a_function_that_becomes_slow_is_believed_at_once():
    sizing = Sizing(4, None)
    sizes(sizing, 12, 10)
    sizing.ended(1, 10_000)
    assert sizing.next() == 1


def test_parcels_shrink_towards_a_known_end():
    sizing = Sizing(2, 1000)
    found = []
    while sum(found) < 1000:
        found += sizes(sizing, 1, 10)
    assert max(found) > 50
    assert found[-1] == 1
    assert all(later <= 250 for later in found)
