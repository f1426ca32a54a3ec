"""Streams and actors on a hub of paper: credit, early ends, both kinds of loops."""

from __future__ import annotations

import concurrent.futures
import gc

import pytest

import yonder
from yonder import payload, wire
from yonder.stream import WINDOW


def count(n):
    yield from range(n)


def the_call(hub):
    (call,) = hub.calls
    return call


def give(hub, *values, start=1):
    """The generator's next values."""
    for n, value in enumerate(values, start):
        hub.receive(wire.CallYield(the_call(hub), n, payload.pack(value)))


# ── streams ──


def test_values_then_the_end_and_what_was_returned(slow):
    with yonder.Pool() as pool:
        stream = pool.stream(count, 3)
        assert slow.calls[the_call(slow)].options.mode == wire.Mode(kind="stream", credit=WINDOW)
        give(slow, 1, 2)
        slow.end(the_call(slow), "ok", body=payload.pack("over"))
        assert list(stream) == [1, 2]
        assert stream.value == "over"
        assert list(stream) == []
        assert slow.sent(wire.Cancel) == []


def test_next_and_a_loop_may_take_turns(slow):
    with yonder.Pool() as pool:
        stream = pool.stream(count, 3)
        give(slow, 1, 2, 3)
        slow.end(the_call(slow), "ok", body=payload.pack(None))
        assert next(stream) == 1
        assert list(stream) == [2, 3]


def test_closing_the_pool_ends_a_stream_that_nobody_reads_to_its_end(slow):
    with yonder.Pool() as pool:
        stream = pool.stream(count, 100)
        give(slow, 1, 2)
    assert len(slow.sent(wire.Cancel)) == 1
    assert next(stream) == 1
    assert next(stream) == 2
    with pytest.raises(concurrent.futures.CancelledError):
        next(stream)


def test_an_exception_comes_after_the_values_before_it(slow):
    with yonder.Pool() as pool:
        stream = pool.stream(count, 3)
        give(slow, 1)
        error = KeyError("late")
        slow.end(the_call(slow), "error", body=payload.pack_exception(error), failure=payload.failure(error, ""))
        assert next(stream) == 1
        with pytest.raises(KeyError, match="late"):
            next(stream)
        with pytest.raises(StopIteration):
            next(stream)


def test_credit_is_half_a_window_at_a_time(slow):
    with yonder.Pool() as pool, pool.stream(count, 100) as stream:
        give(slow, *range(40))
        for _ in range(40):
            next(stream)
        upto = [message.upto for message in slow.sent(wire.Credit)]
        assert upto == [WINDOW + n for n in range(8, 41, 8)]


def test_leaving_the_loop_ends_it_there(slow):
    with yonder.Pool() as pool:
        stream = pool.stream(count, 100)
        give(slow, 1, 2, 3)
        for value in stream:
            assert value == 1
            break
        assert len(slow.sent(wire.Cancel)) == 1
        assert list(stream) == []


def test_letting_go_of_a_stream_ends_it_there(slow):
    with yonder.Pool() as pool:
        stream = pool.stream(count, 3)
        give(slow, 1)
        assert next(stream) == 1
        call = the_call(slow)
        del stream
        gc.collect()
        assert slow.sent(wire.Cancel) == [wire.Cancel(call)]


@pytest.mark.parametrize("verb", ["submit", "stream", "place"])
def test_an_interrupt_when_the_call_has_just_left_takes_it_back(slow, monkeypatch, verb):
    with yonder.Pool() as pool:
        send = slow.send

        def interrupted(message):
            send(message)
            if isinstance(message, wire.Submit):
                raise KeyboardInterrupt

        monkeypatch.setattr(slow, "send", interrupted)
        with pytest.raises(KeyboardInterrupt):
            getattr(pool, verb)(count, 3)
        (submitted,) = slow.sent(wire.Submit)
        assert wire.Cancel(submitted.call) in slow.sent(wire.Cancel)
        assert slow.calls == {}


def test_cancel_close_and_the_with_block(slow):
    with yonder.Pool() as pool:
        for end in (lambda s: s.cancel(), lambda s: s.close(), lambda s: s.__exit__(None, None, None)):
            stream = pool.stream(count, 100)
            give(slow, 1)
            end(stream)
            end(stream)
            assert list(stream) == []
        assert len(slow.sent(wire.Cancel)) == 3


def test_a_lost_executor_is_said_in_the_loop(slow):
    with yonder.Pool() as pool:
        stream = pool.stream(count, 100)
        slow.end(the_call(slow), "lost", report=wire.ExitReport(signal=9))
        with pytest.raises(yonder.ExecutorLost, match="SIGKILL"):
            next(stream)


def test_a_value_that_does_not_unpack_ends_the_stream(slow):
    with yonder.Pool() as pool:
        stream = pool.stream(count, 100)
        slow.receive(wire.CallYield(the_call(slow), 1, b"nonsense"))
        with pytest.raises(Exception, match=r".+"):
            next(stream)
        assert len(slow.sent(wire.Cancel)) == 1


async def test_async_for(slow):
    async with yonder.Pool() as pool:
        stream = pool.astream(count, 3)
        give(slow, 1, 2)
        seen = []
        async for value in stream:
            seen.append(value)
            if value == 2:
                give(slow, 3, start=3)
                slow.end(the_call(slow), "ok", body=payload.pack("over"))
        assert (seen, stream.value) == ([1, 2, 3], "over")


async def test_leaving_an_async_with_block_ends_it_there(slow):
    async with yonder.Pool() as pool:
        async with pool.astream(count, 100) as stream:
            give(slow, 1)
            assert await anext(stream) == 1
        assert len(slow.sent(wire.Cancel)) == 1
        with pytest.raises(StopAsyncIteration):
            await anext(stream)


# ── actors ──


class Counter:
    def __init__(self, start):
        self.value = start

    def add(self, by):
        self.value += by
        return self.value


def placed(slow, pool, monkeypatch, **how):
    """An actor that stands: the hub answers its placing at once."""
    send = slow.send

    def answering(message):
        send(message)
        if isinstance(message, wire.Submit):
            slow.receive(wire.ActorReady(message.call, "e1", ["add", "value_of"]))

    monkeypatch.setattr(slow, "send", answering)
    actor = pool.place(Counter, 3, **how)
    monkeypatch.setattr(slow, "send", send)
    return actor


def reply(slow, number, value=None, *, error=None):
    call = slow.sent(wire.ActorCall)[number - 1].call
    body = payload.pack(value) if error is None else payload.pack_exception(error)
    failure = None if error is None else payload.failure(error, "")
    slow.receive(wire.ActorReply(call, number, error is None, body, failure))


def test_methods_in_their_three_forms(slow, monkeypatch):
    with yonder.Pool() as pool, placed(slow, pool, monkeypatch) as actor:
        assert actor.executor == "e1"
        first, second = actor.add.submit(1), actor.add.submit(by=2)
        reply(slow, 2, 6)
        reply(slow, 1, 4)
        assert (first.result(), second.result()) == (4, 6)
        assert [payload.unpack(said.arguments) for said in slow.sent(wire.ActorCall)] == [((1,), {}), ((), {"by": 2})]
        assert {"add", "value_of"} <= set(dir(actor))


def test_a_methods_exception_is_its_callers(slow, monkeypatch):
    with yonder.Pool() as pool, placed(slow, pool, monkeypatch) as actor:
        future = actor.add.submit(1)
        reply(slow, 1, error=KeyError("no"))
        with pytest.raises(KeyError, match="no"):
            future.result()


def test_a_name_that_is_no_method_names_those_there_are(slow, monkeypatch):
    with yonder.Pool() as pool, placed(slow, pool, monkeypatch) as actor:
        with pytest.raises(AttributeError, match=r"Counter has no public method 'sub'; it has: add, value_of"):
            _ = actor.sub
        assert not hasattr(actor, "_private")


def test_a_dead_actor_says_so_to_those_who_wait_and_to_later_ones(slow, monkeypatch):
    with yonder.Pool() as pool:
        actor = placed(slow, pool, monkeypatch)
        waiting = actor.add.submit(1)
        slow.end(the_call(slow), "lost", report=wire.ExitReport(signal=9))
        for future in (waiting, actor.add.submit(2)):
            with pytest.raises(yonder.ExecutorLost):
                future.result()
        actor.close()


def test_close_frees_the_slot_and_refuses_later_calls(slow, monkeypatch):
    with yonder.Pool() as pool:
        actor = placed(slow, pool, monkeypatch)
        actor.close()
        actor.close()
        assert len(slow.sent(wire.ActorClose)) == 1
        with pytest.raises(yonder.PoolClosed, match="Counter is closed"):
            actor.add(1)


def test_the_pools_end_is_the_actors(slow, monkeypatch):
    with yonder.Pool() as pool:
        actor = placed(slow, pool, monkeypatch)
    assert len(slow.sent(wire.ActorClose)) == 1
    assert "closed" in repr(actor)


def test_a_constructor_that_raises(slow, monkeypatch):
    error = KeyError("start")
    send = slow.send

    def answering(message):
        send(message)
        if isinstance(message, wire.Submit):
            slow.end(message.call, "error", body=payload.pack_exception(error), failure=payload.failure(error, ""))

    monkeypatch.setattr(slow, "send", answering)
    with yonder.Pool() as pool, pytest.raises(KeyError, match="start"):
        pool.place(Counter, 3)


def test_an_object_that_does_not_stand_in_time(slow):
    with yonder.Pool() as pool:
        with pytest.raises(yonder.CallTimeout, match="did not stand"):
            pool.with_options(timeout=0.01).place(Counter, 3)
        assert slow.calls == {}


def test_batches_are_said_on_the_wire(slow, monkeypatch):
    with yonder.Pool() as pool, placed(slow, pool, monkeypatch, max_batch=8, max_wait=0.02):
        mode = slow.calls[the_call(slow)].options.mode
        assert (mode.kind, mode.max_batch, mode.max_wait) == ("actor", 8, 0.02)


def test_an_actor_is_not_passed_on(slow, monkeypatch):
    with yonder.Pool() as pool:
        actor = placed(slow, pool, monkeypatch)
        with pytest.raises(yonder.SerializationError, match="stays with the program"):
            pool.submit(abs, actor)


def test_giving_up_a_method_does_not_end_the_actor(slow, monkeypatch):
    with yonder.Pool() as pool, placed(slow, pool, monkeypatch) as actor:
        future = actor.add.submit(1)
        assert future.cancel()
        reply(slow, 1, 4)
        assert slow.sent(wire.Cancel) == []
        gc.collect()


def test_an_actor_that_nobody_holds_is_closed_and_one_whose_method_is_held_is_not(slow, monkeypatch):
    with yonder.Pool() as pool:
        actor = placed(slow, pool, monkeypatch)
        method = actor.add
        del actor
        gc.collect()
        assert slow.sent(wire.ActorClose) == []
        del method
        gc.collect()
        assert len(slow.sent(wire.ActorClose)) == 1
