"""Streams and chunks under the real agent: values one by one, credit, early ends."""

from __future__ import annotations

import asyncio

import pytest
from tests.integration.agent_hub import living_hub

from yonder import payload, wire


@pytest.fixture
async def hub():
    async with living_hub() as found:
        yield found


def count(most):
    """A generator that says where it is, and that it was closed."""
    try:
        for n in range(most):
            print("made", n, flush=True)
            yield n
    finally:
        print("closed")
    return "all"


async def counted(most):
    import asyncio

    try:
        async with asyncio.timeout(1000):  # lasts over every yield: all of it must run in one task
            for n in range(most):
                print("made", n, flush=True)
                await asyncio.sleep(0)
                yield n
    finally:
        await asyncio.sleep(0)
        print("closed")


async def end(hub, task):
    return await hub.first(wire.Done, task=task)


async def raised(hub, task):
    done = await end(hub, task)
    assert not done.ok
    return payload.exception(done.body, done.failure)


# ── streams ──


@pytest.mark.parametrize(("generator", "value"), [(count, "all"), (counted, None)], ids=["plain", "async"])
async def test_a_stream_says_each_value_and_then_what_it_returns(hub, generator, value):
    worker = await hub.worker("pool")
    task = hub.call_later(worker, generator, 5, kind="stream", credit=100)
    done = await end(hub, task)
    assert (hub.yielded(task), done.ok, payload.unpack(done.body)) == ([0, 1, 2, 3, 4], True, value)
    assert (await hub.all_output(done)).endswith("made 4\nclosed\n")
    assert payload.unpack((await hub.call(worker, int, "7")).body) == 7


@pytest.mark.parametrize("generator", [count, counted], ids=["plain", "async"])
async def test_nothing_is_made_before_there_is_credit_for_it(hub, generator):
    worker = await hub.worker("pool")
    task = hub.call_later(worker, generator, 9, kind="stream", credit=2)
    for upto in (2, 3, 7):
        hub.allow(worker, task, upto)
        await hub.until(lambda upto=upto: len(hub.yielded(task)) == upto, f"{upto} values")
        await hub.until(lambda upto=upto: f"made {upto - 1}" in hub.output(task), "the print before it")
        hub.peers["control", worker].say(wire.Look(upto, wire.Query("children")))
        await hub.first(wire.Looked, id=upto)  # the worker lives and waits
        assert f"made {upto}" not in hub.output(task)
        assert len(hub.yielded(task)) == upto
    hub.allow(worker, task, 10)
    assert (await end(hub, task)).ok
    assert len(hub.yielded(task)) == 9


async def test_credit_that_overtakes_its_call_counts(hub):
    worker = await hub.worker("pool")
    blocker = hub.call_later(worker, input)
    asked = await hub.first(wire.InputAsked, task=blocker)
    task = hub.call_later(worker, count, 3, kind="stream", credit=0)
    hub.allow(worker, task, 10)
    hub.peers["control", worker].say(wire.Typed(asked.id, ""))  # heard after the credit: one lane
    assert (await end(hub, task)).ok
    assert hub.yielded(task) == [0, 1, 2]


async def test_waiting_for_credit_costs_no_processor_time(hub):
    def clock(stop):
        import time

        yield time.process_time()
        yield time.process_time()

    worker = await hub.worker("pool")
    task = hub.call_later(worker, clock, 0, kind="stream", credit=1)
    await hub.first(wire.Yielded, task=task, n=1)
    before = hub.find(wire.Beat)
    await hub.until(lambda: len(hub.find(wire.Beat)) > len(before), "a heartbeat, seconds later")
    hub.allow(worker, task, 5)
    await end(hub, task)
    first, second = hub.yielded(task)
    assert second - first < 0.2


@pytest.mark.parametrize("generator", [count, counted], ids=["plain", "async"])
async def test_an_interrupt_while_it_waits_for_credit_closes_it(hub, generator):
    worker = await hub.worker("pool")
    task = hub.call_later(worker, generator, 9, kind="stream", credit=2)
    await hub.first(wire.Yielded, task=task, n=2)
    while await hub.interrupt(worker, task) != "interrupted":
        pass  # it was between two values
    assert type(await raised(hub, task)) is KeyboardInterrupt
    done = await end(hub, task)
    assert (await hub.all_output(done)) == "made 0\nmade 1\nclosed\n"
    assert payload.unpack((await hub.call(worker, int, "7")).body) == 7


def sleeps():
    import time

    try:
        yield 1
        print("asleep", flush=True)
        time.sleep(1000)
    except KeyboardInterrupt:
        print("interrupted")
        raise
    finally:
        print("closed")


async def sleeps_in_the_loop():
    import asyncio

    try:
        yield 1
        asyncio.get_running_loop().call_soon(lambda: print("asleep", flush=True))
        await asyncio.sleep(1000)
    except asyncio.CancelledError:
        print("interrupted")
        raise
    finally:
        await asyncio.sleep(0)
        print("closed")


async def computes():
    try:
        yield 1
        print("asleep", flush=True)
        while True:
            pass
    except KeyboardInterrupt:
        print("interrupted")
        raise
    finally:
        print("closed")


@pytest.mark.parametrize("generator", [sleeps, sleeps_in_the_loop, computes])
async def test_an_interrupt_while_it_computes_is_raised_in_it(hub, generator):
    worker = await hub.worker("pool")
    task = hub.call_later(worker, generator, kind="stream", credit=9)
    await hub.until(lambda: "asleep" in hub.output(task), "the generator to be busy")
    assert await hub.interrupt(worker, task) == "interrupted"
    assert type(await raised(hub, task)) is KeyboardInterrupt
    assert (await hub.all_output(await end(hub, task))) == "asleep\ninterrupted\nclosed\n"
    assert payload.unpack((await hub.call(worker, int, "7")).body) == 7


async def test_interrupts_at_any_moment_end_a_stream_and_never_the_next_call(hub):
    worker = await hub.worker("pool")
    for n in range(1, 60):
        task = hub.call_later(worker, count, 10**9, kind="stream", credit=10**9)
        await hub.first(wire.Yielded, task=task, n=n)
        while await hub.interrupt(worker, task) != "interrupted":
            pass
        assert type(await raised(hub, task)) is KeyboardInterrupt
        assert (await hub.call(worker, int, "7")).ok
        hub.heard.clear()


async def test_a_value_that_does_not_travel_is_named_by_its_number_and_closes_the_stream(hub):
    def locks():
        import threading

        try:
            yield 1
            yield threading.Lock()
            yield 3
        finally:
            print("closed")

    worker = await hub.worker("pool")
    task = hub.call_later(worker, locks, kind="stream", credit=9)
    error = await raised(hub, task)
    assert type(error).__name__ == "SerializationError"
    assert str(error).startswith("value 2 of the stream: ")
    assert hub.yielded(task) == [1]
    assert await hub.all_output(await end(hub, task)) == "closed\n"


async def test_an_error_of_the_generator_is_the_streams_end(hub):
    def breaks():
        yield 1
        raise KeyError("here")

    worker = await hub.worker("pool")
    task = hub.call_later(worker, breaks, kind="stream", credit=9)
    error = await raised(hub, task)
    assert (type(error), error.args, hub.yielded(task)) == (KeyError, ("here",), [1])
    assert [frame.function for frame in (await end(hub, task)).failure.frames] == ["breaks"]


async def test_an_error_of_the_closing_is_printed_and_hides_no_reason(hub):
    def breaks():
        import threading

        try:
            yield threading.Lock()
        finally:
            raise ValueError("while closing")

    worker = await hub.worker("pool")
    task = hub.call_later(worker, breaks, kind="stream", credit=9)
    assert "value 1 of the stream" in str(await raised(hub, task))
    assert "ValueError: while closing" in await hub.all_output(await end(hub, task))


@pytest.mark.parametrize(
    ("function", "values"),
    [(lambda: [1, 2], [1, 2]), (lambda: range(3), [0, 1, 2]), (lambda: iter("ab"), ["a", "b"]), (lambda: (), [])],
)
async def test_what_is_iterable_is_streamed(hub, function, values):
    worker = await hub.worker("pool")
    task = hub.call_later(worker, function, kind="stream", credit=9)
    assert (await end(hub, task)).ok
    assert hub.yielded(task) == values


async def test_what_is_not_iterable_is_refused_in_words(hub):
    def seven():
        return 7

    task = hub.call_later(await hub.worker("pool"), seven, kind="stream", credit=9)
    error = await raised(hub, task)
    assert type(error).__name__ == "UsageError"
    assert "seven is streamed" in str(error)
    assert "returned int" in str(error)


# ── chunks ──


async def ends(hub, task):
    done = await end(hub, task)
    assert done.ok
    return done, payload.unpack_outcomes(done.body)


async def test_the_members_of_a_chunk_have_ends_of_their_own(hub):
    def inverse(n):
        import threading

        print("for", n)
        return threading.Lock() if n == 2 else 6 // n

    worker = await hub.worker("pool")
    done, found = await ends(hub, hub.chunk_later(worker, inverse, [(1,), (0,), (2,), (3,), (), (6,)]))
    assert [one.outcome for one in found] == ["ok", "error", "error", "ok", "error", "ok"]
    assert [payload.unpack(one.body) for one in found if one.outcome == "ok"] == [6, 2, 1]
    assert [one.failure.type for one in found if one.failure] == [
        "ZeroDivisionError",
        "SerializationError",
        "TypeError",
    ]
    assert type(payload.exception(found[1].body, found[1].failure)) is ZeroDivisionError
    assert await hub.all_output(done) == "for 1\nfor 0\nfor 2\nfor 3\nfor 6\n"


async def test_members_share_nothing_and_give_what_was_true_then(hub):
    def grow(box, item, kept=[]):  # noqa: B006 - that it lasts is the point
        kept.append(item)
        box.append(item)
        return kept, box

    worker, box = await hub.worker("pool"), []
    _, found = await ends(hub, hub.chunk_later(worker, grow, [(box, 1), (box, 2)]))
    assert [payload.unpack(one.body) for one in found] == [([1], [1]), ([1, 2], [2])]


async def test_an_interrupt_ends_the_member_it_hits_and_those_after_it(hub):
    def stay(n):
        import time

        if n == 1:
            print("in it", flush=True)
            time.sleep(1000)
        return n

    worker = await hub.worker("pool")
    task = hub.chunk_later(worker, stay, [(0,), (1,), (2,), (3,)])
    await hub.until(lambda: "in it" in hub.output(task), "the second member")
    assert await hub.interrupt(worker, task) == "interrupted"
    _, found = await ends(hub, task)
    assert [one.outcome for one in found] == ["ok", "error", "cancelled", "cancelled"]
    assert found[1].failure.type == "KeyboardInterrupt"


async def test_leaving_the_process_is_not_for_a_member_to_decide(hub):
    import sys

    worker = await hub.worker("pool")
    _, found = await ends(hub, hub.chunk_later(worker, sys.exit, [(1,), (2,)]))
    assert [one.failure.message for one in found] == ["the call ended with exit(1)", "the call ended with exit(2)"]


async def test_a_function_that_does_not_unpack_fails_the_chunk_and_may_come_again(hub):
    worker = await hub.worker("pool")
    members = payload.pack_chunk([payload.pack_call((1,), {})])
    hub.peers["call", worker].say(wire.Call(900, b"d" * 16, b"no pickle", members, wire.Mode(chunk=1)))
    assert not (await end(hub, 900)).ok
    body = payload.pack_function(abs)[1]
    hub.peers["call", worker].say(wire.Call(901, b"d" * 16, body, members, wire.Mode(chunk=1)))
    assert (await end(hub, 901)).ok


# ── of every call ──


async def test_the_end_says_how_long_the_function_ran(hub):
    def busy(seconds):
        import time

        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            pass

    worker = await hub.worker("pool")
    assert (await hub.call(worker, busy, 0.05)).micros >= 50_000
    assert (await end(hub, hub.chunk_later(worker, busy, [(0.02,), (0.03,)]))).micros >= 50_000


async def test_what_is_forgotten_must_come_again(hub):
    worker = await hub.worker("pool")
    digest, body = payload.pack_function(abs)
    arguments = payload.pack_call((-1,), {})
    say = hub.peers["call", worker].say
    say(wire.Call(900, digest, body, arguments))
    say(wire.Call(901, *payload.pack_function(max), payload.pack_call((1, 2), {}), None, [digest]))
    say(wire.Call(902, digest, b"", arguments))
    say(wire.Call(903, digest, body, arguments))
    assert [(await end(hub, task)).ok for task in (900, 901, 902, 903)] == [True, True, False, True]


async def test_an_async_function_is_awaited(hub):
    async def later(value):
        await asyncio.sleep(0)
        return value

    assert payload.unpack((await hub.call(await hub.worker("pool"), later, 5)).body) == 5
