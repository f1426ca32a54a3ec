"""The verbs of a pool, on a hub of paper: what goes out, what comes back, what is refused."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import io
import os
import threading

import pytest

import yonder
from yonder import line, payload, wire


def fail(text):
    raise KeyError(text)


# ── one call ──


def test_every_keyword_goes_to_the_function(hub):
    with yonder.Pool() as pool:
        assert pool.call(dict, timeout=3, label="x", fn=1) == {"timeout": 3, "label": "x", "fn": 1}
    assert hub.sent(wire.Submit)[0].options is None


def test_an_exception_comes_as_itself_with_the_remote_traceback(hub):
    with yonder.Pool() as pool, pytest.raises(KeyError, match="boo") as caught:
        pool.call(fail, "boo")
    assert "in fail" in str(caught.value.__cause__)


@pytest.mark.parametrize("verb", ["submit", "call", "spawn", "stream", "broadcast", "place"])
def test_what_is_no_function_is_refused_here(hub, verb):
    with yonder.Pool() as pool:
        with pytest.raises(TypeError, match=r"needs a function, not int; .* call\(f, x\)"):
            getattr(pool, verb)(3)
        with pytest.raises(TypeError, match="needs a function, not str"):
            list(pool.map("abs", [1]))
        assert pool.call(abs, -1) == 1


class Dots(dict):
    """As many configurations are: a missing attribute is a KeyError."""

    __getattr__ = dict.__getitem__

    def __call__(self):
        return len(self)


class Chameleon:
    """It has every attribute, and none is what its name says."""

    def __getattr__(self, name):
        if name.startswith("__") and name != "__name__":
            raise AttributeError(name)
        return 3


def test_objects_with_odd_attributes_are_arguments_and_functions_like_any(hub):
    with yonder.Pool() as pool:
        assert pool.call(len, Dots(a=1)) == 1
        assert pool.call(str, Chameleon()).startswith("<")
        assert pool.call(Dots(a=1)) == 1
        assert pool.spawn(Dots(a=1)).result() == 1
        assert list(pool.map(len, [Dots(a=1)])) == [1]
    labels = [sent.label for sent in hub.sent(wire.Submit)]
    assert labels == ["Dots", "Chameleon", "Dots", "Dots", "Dots"]


def test_deep_and_endless_arguments_have_a_label_too(hub):
    endless = []
    endless.append(endless)
    with yonder.Pool() as pool:
        assert pool.call(len, endless) == 1
    assert hub.sent(wire.Submit)[0].label == "((((…))))"


def test_a_large_dict_is_not_spelled_out(hub):
    with yonder.Pool() as pool:
        assert pool.call(len, dict.fromkeys(range(1000))) == 1000
    assert hub.sent(wire.Submit)[0].label == "dict"


def test_a_module_to_preload_that_is_not_there_is_named(hub):
    with pytest.raises(yonder.UsageError, match=r"Pool\(preload=\['json', 'nump'\]\): there is no module 'nump' here"):
        yonder.Pool(preload=["json", "nump"])
    yonder.Pool(preload=["json.decoder"]).close()


def test_pools_and_futures_stay_where_they_are(hub):
    with yonder.Pool("mine") as pool:
        future = pool.submit(abs, -1)
        with pytest.raises(
            yonder.SerializationError, match="the pool 'mine' stays with its program; a call opens"
        ) as no:
            pool.call(lambda: pool.call(abs, -1))
        assert no.value.path == "its variable 'pool'"
        with pytest.raises(yonder.SerializationError, match="the pool 'mine' stays"):
            pool.call(len, pool.with_options(timeout=3))
        with pytest.raises(yonder.SerializationError, match=r"a future stays .* give its result\(\)"):
            pool.call(abs, future)


def test_acall_and_what_asyncio_makes_of_a_future(hub):
    async def main(pool):
        loop = asyncio.get_running_loop()
        futures = [pool.acall(abs, -1), loop.run_in_executor(pool, abs, -2), asyncio.wrap_future(pool.submit(abs, -3))]
        return await asyncio.gather(*futures)

    with yonder.Pool() as pool:
        assert asyncio.run(main(pool)) == [1, 2, 3]


async def test_a_cancelled_task_cancels_its_call(slow):
    async with yonder.Pool() as pool:
        task = asyncio.create_task(pool.acall(abs, 1))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(slow.sent(wire.Cancel)) == 1


def test_options_are_said_with_the_call_and_never_with_the_pools_others(hub):
    with yonder.Pool(timeout=9, retries=1) as pool:
        quick = pool.with_options(timeout=3, affinity="a", gpu="h100", label="mine")
        quick.call(abs, -1)
        pool.call(abs, -1)
        with quick as same:
            assert same.call(abs, -2) == 2
        assert pool.call(abs, -3) == 3, "the end of the options' block is not the pool's"
    first, second, *_ = hub.sent(wire.Submit)
    assert (first.label, first.options.timeout, first.options.retries, first.options.affinity) == ("mine", 3.0, 1, "a")
    assert first.options.resources.gpu == ["h100"]
    assert second.options is None


def test_an_option_that_does_not_exist(hub):
    with yonder.Pool() as pool, pytest.raises(TypeError, match="timout"):
        pool.with_options(timout=3)


def test_a_function_travels_once_until_it_is_forgotten(hub, monkeypatch):
    monkeypatch.setattr(line.Sent.__init__, "__defaults__", (2, 1 << 20))
    with yonder.Pool() as pool:
        for fn in (abs, abs, len, dict, abs):
            pool.call(fn, "x") if fn is not abs and fn is not dict else pool.call(fn, *([1] if fn is abs else []))
    bodies = [bool(message.function_body) for message in hub.sent(wire.Submit)]
    assert bodies == [True, False, True, True, True]
    assert len(hub.sent(wire.Forget)) == 2


def test_ends_that_are_not_the_functions(slow):
    spoken = {
        "timeout": (yonder.CallTimeout, TimeoutError),
        "boot_failed": (yonder.BootFailed, yonder.CannotRun),
        "no_room": (yonder.NoRoom, yonder.YonderError),
        "queue_full": (yonder.QueueFull, yonder.CannotRun),
        "deadlock": (yonder.PoolDeadlock, yonder.CannotRun),
        "closed": (yonder.PoolClosed, RuntimeError),
        "cancelled": (yonder.Cancelled, concurrent.futures.CancelledError),
        "lost": (yonder.ExecutorLost, yonder.YonderError),
    }
    with yonder.Pool() as pool:
        for outcome, kinds in spoken.items():
            future = pool.submit(abs, 1)
            slow.end(future.number, outcome, sentence="said", phase="queued", times={"queued": 1.5})
            with pytest.raises(kinds[1]) as caught:
                future.result()
            assert type(caught.value) is kinds[0]
            assert "said" in str(caught.value)
            if outcome == "timeout":
                assert (caught.value.phase, caught.value.times) == ("queued", {"queued": 1.5})


def test_attempts_executor_and_times_of_a_call(slow):
    with yonder.Pool() as pool:
        future = pool.submit(abs, 1)
        slow.receive(wire.CallPhase(future.number, "running", attempt=1))
        slow.receive(wire.CallPhase(future.number, "running", attempt=2))
        assert (future.running(), future.attempts) == (True, 2)
        slow.end(
            future.number, "ok", body=payload.pack(1), attempts=2, executor="e1", times={"running": 0.5}, code="c1"
        )
        assert (future.result(), future.attempts, future.executor, future.times) == (1, 2, "e1", {"running": 0.5})
        assert future.code == "c1"


def test_cancel_of_a_call_that_waits_and_of_one_that_runs(slow):
    with yonder.Pool() as pool:
        waits, runs = pool.submit(abs, 1), pool.submit(abs, 2)
        slow.receive(wire.CallPhase(runs.number, "running"))
        told = []
        waits.add_done_callback(told.append)
        assert waits.cancel()
        assert waits.cancelled()
        assert told == [waits]
        assert runs.cancel()
        with pytest.raises(yonder.Cancelled):
            runs.result()
        assert not runs.cancel(), "it has ended"


def test_a_call_may_be_made_where_another_ends(hub):
    with yonder.Pool() as pool:
        future = pool.submit(abs, -1)
        heard = []
        future.add_done_callback(lambda _: heard.append(pool.call(len, "four")))
        pool.spawn(len, "x").add_done_callback(lambda _: heard.append(pool.call(dict)))
        assert heard == [4, {}]


def test_the_first_exception_wakes_who_waits_for_it(slow):
    with yonder.Pool() as pool:
        good, bad = pool.submit(abs, -1), pool.submit(fail, "x")
        slow.run(bad.number)
        assert concurrent.futures.wait([good, bad], return_when="FIRST_EXCEPTION").done == {bad}
        slow.run(good.number)


def test_cancelling_twice_is_as_good_as_once(slow):
    with yonder.Pool() as pool:
        future = pool.submit(abs, -1)
        assert (future.cancel(), future.cancel()) == (True, True)


# ── the end of the pool ──


def test_a_closed_pool_says_so(hub):
    pool = yonder.Pool()
    pool.close()
    pool.close()
    for verb in (pool.submit, pool.call, pool.spawn, pool.map, pool.stream, pool.broadcast, pool.place):
        with pytest.raises(yonder.PoolClosed, match="open a new one"):
            verb(abs, [1])
    for fact in (pool.status, pool.explain, pool.events):
        with pytest.raises(RuntimeError):
            fact()


def test_close_waits_for_calls_and_cancel_does_not(slow):
    pool = yonder.Pool()
    future = pool.submit(abs, -1)
    closing = threading.Thread(target=pool.close)
    closing.start()
    while not pool._line.closed:  # the other thread begins to close
        slow.receive(wire.CallPhase(future.number, "running"))
    with pytest.raises(yonder.PoolClosed):
        pool.status()
    assert not slow.sent(wire.ClosePool)
    slow.run(future.number)
    closing.join(20)
    assert (future.result(), len(slow.sent(wire.ClosePool))) == (1, 1)


def test_leaving_the_block_by_an_exception_cancels(slow):
    pool = yonder.Pool()
    future = pool.submit(abs, -1)
    pool.__exit__(ZeroDivisionError, ZeroDivisionError(), None)
    assert future.cancelled()


def test_shutdown_refuses_at_once_and_cancels_only_what_has_not_begun(slow):
    pool = yonder.Pool()
    runs, waits = pool.submit(abs, -1), pool.submit(abs, -2)
    slow.receive(wire.CallPhase(runs.number, "running"))
    pool.shutdown(wait=False, cancel_futures=True)
    with pytest.raises(RuntimeError):
        pool.submit(abs, 1)
    assert waits.cancelled()
    slow.run(runs.number)
    pool.shutdown()
    assert (runs.result(), len(slow.sent(wire.ClosePool))) == (1, 1)


def test_a_hub_that_goes_ends_every_call_in_words(slow):
    pool = yonder.Pool()
    future = pool.submit(abs, 1)
    slow.receive(wire.Refused(code="closing", sentence="the hub is closing", version=1, package="0"))
    with pytest.raises(yonder.ExecutorLost, match="closing"):
        future.result()
    with pytest.raises(yonder.CannotRun, match="closing"):
        pool.submit(abs, 1)
    with pytest.raises(yonder.CannotRun, match="closing"):
        pool.status()
    pool.close()


# ── spawn ──


def test_a_spawned_failure_is_said_once_with_its_traceback(hub, capsys):
    with yonder.Pool() as pool:
        pool.spawn(fail, "unheard")
        assert pool.call(abs, -1) == 1
        said = capsys.readouterr().err
        assert "in fail" in said
        assert "KeyError: 'unheard'" in said
    assert capsys.readouterr().err == ""


def test_a_handle_that_is_kept_speaks_when_the_pool_closes(hub, capsys):
    with yonder.Pool() as pool:
        kept = pool.spawn(fail, "unheard")
        assert capsys.readouterr().err == ""
    assert "unheard" in capsys.readouterr().err
    del kept
    assert capsys.readouterr().err == ""


def test_a_forked_childs_copy_of_a_handle_says_nothing(hub):
    pool = yonder.Pool()
    kept = pool.spawn(fail, "unheard")
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        assert in_child(lambda: kept.surface() or said.getvalue()) == ""
        pool.close()
    assert said.getvalue().count("unheard") >= 1


def test_who_asks_hears_it_and_nobody_else(hub, capsys):
    with yonder.Pool() as pool:
        assert isinstance(pool.spawn(fail, "asked").exception(), KeyError)
        assert pool.spawn(abs, -1).result() == 1
    assert capsys.readouterr().err == ""


# ── broadcast ──


def test_broadcast_gives_a_value_for_each_worker(hub):
    with yonder.Pool() as pool:
        assert pool.broadcast(abs, -3) == [3, 3]


def test_broadcast_raises_what_failed_together(hub):
    hub.workers = 3
    with yonder.Pool() as pool, pytest.raises(ExceptionGroup, match="3 of 3 workers") as caught:
        pool.broadcast(fail, "all")
    assert [type(error) for error in caught.value.exceptions] == [KeyError] * 3


# ── facts ──


def test_status_explain_and_resize(hub):
    with yonder.Pool(max=3) as pool:
        assert (pool.status().max, pool.explain()) == (3, "because of the paper")
        pool.resize(max=5, buffer=1)
        assert pool.max == 5
        with pytest.raises(yonder.UsageError, match="min would be 6"):
            pool.resize(min=6)


def test_events_until_the_pool_closes(hub):
    with yonder.Pool() as pool:
        events, others = pool.events(), pool.events()
        others.close()
        hub.receive(wire.PoolEvent("default", "boot", 1.0, "e1", "a call waits"))
        assert next(events).sentence == "a call waits"
        assert list(others) == []
    assert list(events) == []
    assert [message.on for message in hub.sent(wire.Watch)] == [True]


async def test_events_for_asyncio(hub):
    async with yonder.Pool() as pool:
        events = pool.events()
        waiting = asyncio.create_task(anext(events))
        await asyncio.sleep(0)
        hub.receive(wire.PoolEvent("default", "boot", 1.0))
        assert (await waiting).kind == "boot"
        events.close()
        assert [event async for event in events] == []
        assert [message.on for message in hub.sent(wire.Watch)] == [True, False]


# ── @pool.remote ──


def test_a_remote_function_runs_here_when_called_and_there_when_asked(hub):
    with yonder.Pool() as pool:

        @pool.remote
        def twice(x):
            """Doubles."""
            return 2 * x

        assert (twice(2), len(hub.sent(wire.Submit))) == (4, 0)
        assert (twice.call(3), twice.submit(4).result(), list(twice.map([1, 2]))) == (6, 8, [2, 4])
        assert twice.with_options(label="x").call(5) == 10
        assert hub.sent(wire.Submit)[-1].label == "x"
        assert (twice.__name__, twice.__doc__) == ("twice", "Doubles.")
        assert twice.broadcast(1) == [2, 2]
        assert twice.spawn(1).result() == 2


def test_a_remote_function_may_call_itself_and_leaves_its_pool_at_home(hub):
    with yonder.Pool() as pool:

        @pool.remote
        def down(n):
            return 0 if n == 0 else 1 + down(n - 1)

        assert down.call(3) == 3
        away = payload.unpack(payload.pack(down))
        assert away(2) == 2
        with pytest.raises(yonder.UsageError, match="open a Pool here"):
            away.submit(1)


# ── forked children ──


def in_child(work):
    """What `work` returns, in a forked child of this process."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(write, str(work()).encode()[:1000])
        except BaseException as error:
            os.write(write, f"{type(error).__name__}: {error}".encode()[:1000])
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        said = pipe.read()
    os.waitpid(pid, 0)
    return said


def test_a_forked_child_is_told_at_once_and_does_not_disturb_its_parent(slow):
    pool = yonder.Pool()
    future = pool.submit(abs, -5)
    for use in (
        lambda: pool.submit(abs, 1),
        lambda: pool.call(abs, 1),
        lambda: list(pool.map(abs, [1])),
        pool.status,
        future.result,
    ):
        assert in_child(use).startswith("UsageError: this ")
    assert in_child(pool.close) == "None"
    assert in_child(future.cancel) == "False"
    slow.run(future.number)
    assert future.result() == 5
    pool.close()


# ── waiting inside a worker ──


def test_a_worker_that_waits_says_for_what(slow, monkeypatch):
    with yonder.Pool() as pool:
        pool._line.board._nested = True
        one, two = pool.submit(abs, -1), pool.submit(abs, -2)
        said = slow.said

        def answer():
            slow.wait_for(wire.Waits, 1)
            slow.run(one.number)
            slow.wait_for(wire.Waits, 3)
            slow.run(two.number)

        other = threading.Thread(target=answer)
        other.start()
        assert one.result() == 1
        assert concurrent.futures.wait([one, two]).not_done == set()
        other.join(20)
        waits = [message.calls for message in said if isinstance(message, wire.Waits)]
        assert waits == [[one.number], [], [two.number], []]
        assert one.result() == 1, "nobody waits for what is over"
        assert len(slow.sent(wire.Waits)) == 4


def test_as_completed_says_it_only_while_it_waits(slow):
    with yonder.Pool() as pool:
        pool._line.board._nested = True
        futures = [pool.submit(abs, -1), pool.submit(abs, -2)]
        slow.run(futures[0].number)
        completed = concurrent.futures.as_completed(futures)
        assert next(completed) is futures[0]
        assert slow.sent(wire.Waits) == []
        other = threading.Thread(target=lambda: (slow.wait_for(wire.Waits), slow.run(futures[1].number)))
        other.start()
        assert next(completed) is futures[1]
        other.join(20)
        assert [message.calls for message in slow.sent(wire.Waits)] == [[futures[1].number], []]


def test_a_side_thread_of_a_worker_says_nothing(slow):
    with yonder.Pool() as pool:
        pool._line.board._nested = True
        future = pool.submit(abs, -1)
        side = threading.Thread(target=future.result)
        side.start()
        slow.run(future.number)
        side.join(20)
        assert slow.sent(wire.Waits) == []
