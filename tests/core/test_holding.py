"""What a process remembers of objects elsewhere."""

from __future__ import annotations

import gc
import pickle
import queue

import pytest

from yonder import holding, wire
from yonder.errors import RemoteLost
from yonder.remotes import Remote

REF = b"r" * wire.REF


def handle(holdings: holding.Holdings) -> Remote[int]:
    (grip,) = holdings.delivered([REF])
    return Remote(wire.Facts(REF, "int", 28, preview="7"), grip)


def test_a_handle_that_goes_is_said_with_the_messages_that_brought_it():
    holdings = holding.Holdings()
    one, other = handle(holdings), handle(holdings)
    assert len(holdings) == 1
    del one
    assert holdings.collected() == {}
    del other
    assert holdings.collected() == {REF: 2}
    assert len(holdings) == 0


def test_one_that_comes_again_is_counted_anew():
    holdings = holding.Holdings()
    handle(holdings)
    kept = handle(holdings)
    assert holdings.collected() == {REF: 1}
    del kept
    assert holdings.collected() == {REF: 1}


def test_a_cycle_is_collected_whatever_lock_this_thread_holds():
    holdings = holding.Holdings()
    ring: list[object] = [handle(holdings)]
    ring.append(ring)
    del ring
    with holdings._lock:
        gc.collect()
    assert holdings.collected() == {REF: 1}


def test_a_handle_is_pickled_as_its_facts_and_finds_its_grip():
    holdings = holding.Holdings()
    one = handle(holdings)
    holding.noted()
    body = pickle.dumps([one, one])
    carried = holding.noted()
    assert carried is not None
    assert carried.refs == [REF]
    assert holding.noted() is None
    again, twin = pickle.loads(body)
    assert again is twin
    assert (again.preview, again.lost) == ("7", "")
    del one, carried, again, twin
    assert holdings.collected() == {REF: 1}
    stray = pickle.loads(body)[0]
    assert "not brought by a call" in stray.lost
    with pytest.raises(RemoteLost, match="not brought by a call"):
        stray.get()


def test_a_lost_object_is_known_as_such():
    holdings = holding.Holdings()
    one = handle(holdings)
    holdings.lost([REF, b"other"], "its worker died")
    assert one.lost == "its worker died"
    assert repr(one) == "<yonder.Remote 7, lost: its worker died>"
    with pytest.raises(RemoteLost, match="the remote int is lost: its worker died"):
        one.call(abs)


def test_a_thread_says_what_has_gone_until_the_conversation_ends():
    holdings = holding.Holdings()
    said: queue.Queue[dict[bytes, int]] = queue.Queue()
    holdings.attend(said.put)
    handle(holdings)
    assert said.get(timeout=20) == {REF: 1}
    holdings.end()
    assert holdings._thread is not None
    holdings._thread.join(20)
    assert not holdings._thread.is_alive()


def test_what_a_handle_has_not_says_how_to_reach_the_object():
    remote = Remote(wire.Facts(REF, "DataFrame", 28, preview="7"), None)
    with pytest.raises(AttributeError) as raised:
        remote.head  # noqa: B018 - looking is what is tested
    assert str(raised.value) == (
        "a handle has no 'head': the DataFrame itself is on a worker. "
        "handle.call(function) runs a function there with it, handle.get() brings a copy here"
    )
    assert (raised.value.name, raised.value.obj) == ("head", remote)
    assert not hasattr(remote, "__array__")
    for name in ("_facts", "head"):
        assert not hasattr(Remote.__new__(Remote), name)  # one that was never made asks nobody
