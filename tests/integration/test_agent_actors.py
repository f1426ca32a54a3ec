"""Actors under the real agent: an object that stays, its methods in order, batches, ends."""

from __future__ import annotations

import pytest
from tests.integration.agent_hub import living_hub

from yonder import payload, wire


@pytest.fixture
async def hub():
    async with living_hub() as found:
        yield found


class Account:
    rate = 0.1

    def __init__(self, amount):
        print("open", amount)
        self.amount = amount
        self.double = abs

    def add(self, more=1):
        print("add", more)
        self.amount += more
        return self.amount

    async def later(self, value):
        import asyncio

        await asyncio.sleep(0)
        return value

    async def leave_behind(self):
        import asyncio

        self.task = asyncio.create_task(asyncio.sleep(0, "behind"))

    async def pick_up(self):
        return await self.task

    def breaks(self):
        raise KeyError(self.amount)

    def lock(self):
        import threading

        return threading.Lock()

    def sleep(self):
        import time

        print("asleep", flush=True)
        time.sleep(1000)

    def _hidden(self):
        pass

    def __call__(self, n):
        return n * 2

    @property
    def dangerous(self):
        raise AssertionError("looking runs no code")

    @staticmethod
    def still():
        return "still"

    def close(self):
        print("close")


class Bracket:
    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        print("exit", kind)
        raise ValueError("while leaving")


async def over(hub, worker, task):
    hub.ask(worker, task, "")
    return await hub.first(wire.Done, task=task)


async def test_an_object_stays_and_answers_in_order(hub):
    worker = await hub.worker("pool")
    task = await hub.place(worker, Account, 10)
    numbers = [hub.ask(worker, task, "add", 2), hub.ask(worker, task, "add", more=5), hub.ask(worker, task, "add")]
    assert [await hub.answer(task, number) for number in numbers] == [12, 17, 18]
    assert [one.number for one in hub.find(wire.MethodDone)] == numbers
    done = await over(hub, worker, task)
    assert (done.ok, payload.unpack(done.body)) == (True, None)
    assert await hub.all_output(done) == "open 10\nadd 2\nadd 5\nadd 1\nclose\n"
    assert payload.unpack((await hub.call(worker, int, "7")).body) == 7


async def test_what_a_method_prints_is_seen_before_the_actor_ends(hub):
    worker = await hub.worker("pool")
    task = await hub.place(worker, Account, 10)
    await hub.until(lambda: "open 10" in hub.output(task), "the constructor's words")
    hub.ask(worker, task, "add", 3)
    await hub.until(lambda: "add 3" in hub.output(task), "the method's words")
    assert not any(piece.after for piece in hub.find(wire.WorkerOutput, task=task))


async def test_what_a_method_draws_and_logs_comes_with_it(hub):
    class Draws:
        def draw(self):
            import matplotlib.pyplot as plt

            from yonder.record import log

            log(x=1.0)
            plt.plot([1, 2])

    worker = await hub.worker("pool")
    task = await hub.place(worker, Draws)
    await hub.answer(task, hub.ask(worker, task, "draw"))
    assert (await hub.first(wire.TaskDisplay, task=task)).mime == "image/png"
    assert await hub.first(wire.TaskMetrics, task=task)
    assert (await over(hub, worker, task)).control == 2


async def test_an_awaiting_method_is_interrupted_where_it_waits(hub):
    class Waits:
        async def wait(self):
            import asyncio

            asyncio.get_running_loop().call_soon(lambda: print("waiting", flush=True))
            try:
                await asyncio.sleep(1000)
            finally:
                print("cleaned up")

        def well(self):
            return True

    worker = await hub.worker("pool")
    task = await hub.place(worker, Waits)
    number = hub.ask(worker, task, "wait")
    await hub.until(lambda: "waiting" in hub.output(task), "the method to wait")
    assert await hub.interrupt(worker, task) == "interrupted"
    with pytest.raises(KeyboardInterrupt):
        await hub.answer(task, number)
    assert await hub.answer(task, hub.ask(worker, task, "well"))
    await hub.until(lambda: "cleaned up" in hub.output(task), "its last words")


async def test_the_public_methods_are_named_without_running_any_code(hub):
    task = await hub.place(await hub.worker("pool"), Account, 1)
    (placed,) = hub.find(wire.Placed, task=task)
    expected = "__call__ add breaks close double later leave_behind lock pick_up sleep still"
    assert placed.methods == expected.split()


@pytest.mark.parametrize(
    ("name", "arguments", "value"),
    [("__call__", (4,), 8), ("still", (), "still"), ("double", (-3,), 3), ("later", ("x",), "x")],
)
async def test_whatever_can_be_called_is_a_method(hub, name, arguments, value):
    worker = await hub.worker("pool")
    task = await hub.place(worker, Account, 1)
    assert await hub.answer(task, hub.ask(worker, task, name, *arguments)) == value


async def test_tasks_live_between_the_methods(hub):
    worker = await hub.worker("pool")
    task = await hub.place(worker, Account, 1)
    hub.ask(worker, task, "leave_behind")
    assert await hub.answer(task, hub.ask(worker, task, "pick_up")) == "behind"


async def test_a_failing_method_is_its_own_callers_error_only(hub):
    worker = await hub.worker("pool")
    task = await hub.place(worker, Account, 7)
    first, second, third = (hub.ask(worker, task, name) for name in ("breaks", "lock", "add"))
    with pytest.raises(KeyError, match="7"):
        await hub.answer(task, first)
    with pytest.raises(Exception, match="lock"):
        await hub.answer(task, second)
    assert await hub.answer(task, third) == 8


@pytest.mark.parametrize("name", ["_hidden", "missing", "rate", "__init__"])
async def test_an_unknown_method_names_those_there_are(hub, name):
    worker = await hub.worker("pool")
    task = await hub.place(worker, Account, 7)
    with pytest.raises(AttributeError, match=f"Account has no public method '{name}'; it has: __call__, add, "):
        await hub.answer(task, hub.ask(worker, task, name))


async def test_a_failing_constructor_is_the_end(hub):
    worker = await hub.worker("pool")
    task = hub.call_later(worker, Account, kind="actor")
    hub.ask(worker, task, "add")  # sent in good faith
    done = await hub.first(wire.Done, task=task)
    assert (done.ok, done.failure.type) == (False, "TypeError")
    assert payload.unpack((await hub.call(worker, int, "7")).body) == 7
    assert not hub.find(wire.Placed)
    assert not hub.find(wire.MethodDone)


async def test_a_context_manager_is_left(hub):
    worker = await hub.worker("pool")
    done = await over(hub, worker, await hub.place(worker, Bracket))
    assert (done.ok, done.failure.message) == (False, "while leaving")
    assert await hub.all_output(done) == "exit None\n"


async def test_an_interrupt_ends_the_method_that_runs_and_not_the_actor(hub):
    worker = await hub.worker("pool")
    task = await hub.place(worker, Account, 7)
    assert await hub.interrupt(worker, task) == "idle"
    number = hub.ask(worker, task, "sleep")
    await hub.until(lambda: "asleep" in hub.output(task), "the method to run")
    assert await hub.interrupt(worker, task) == "interrupted"
    with pytest.raises(KeyboardInterrupt):
        await hub.answer(task, number)
    assert await hub.answer(task, hub.ask(worker, task, "add")) == 8


async def test_an_actor_is_closed_when_its_worker_must_leave(hub):
    worker = await hub.worker("pool")
    task = await hub.place(worker, Account, 7)
    hub.peers["call", worker].say(wire.Leave())
    assert (await hub.first(wire.Exited, worker=worker)).report.code == 0
    assert hub.output(task).endswith("close\n")


async def test_a_child_that_a_method_forks_does_not_answer(hub):
    class Forks:
        def fork(self):
            import os

            if pid := os.fork():
                os.waitpid(pid, 0)
                return "parent"
            return "child"

    worker = await hub.worker("pool")
    task = await hub.place(worker, Forks)
    assert await hub.answer(task, hub.ask(worker, task, "fork")) == "parent"
    assert await hub.answer(task, hub.ask(worker, task, "fork")) == "parent"
    assert len(hub.find(wire.MethodDone)) == 2


# ── batches ──


class Model:
    def __init__(self):
        self.sizes = []

    def predict(self, xs, by=None):
        self.sizes.append(len(xs))
        if "bad" in xs:
            raise ValueError("bad")
        return [x * (by[at] if by else 10) for at, x in enumerate(xs)]

    def short(self, xs):
        return [1]

    def scalar(self, xs):
        return 7

    def locked(self, xs):
        import threading

        return [threading.Lock() if x else x for x in xs]

    def seen(self):
        return self.sizes

    def wait(self):
        return input()


async def busy(hub, worker, task):
    """Hold the actor in a method, so that what is asked for meanwhile queues; returns how to let it go."""
    hub.ask(worker, task, "wait")
    asked = await hub.first(wire.InputAsked, task=task)
    return lambda: hub.peers["control", worker].say(wire.Typed(asked.id, ""))


async def gathered(hub, worker, calls, **mode):
    """Ask for all of these at once; (numbers, task)."""
    task = await hub.place(worker, Model, **({"max_batch": 4, "max_wait": 60.0} | mode))
    go_on = await busy(hub, worker, task)
    numbers = [hub.ask(worker, task, name, *arguments, **keywords) for name, arguments, keywords in calls]
    go_on()
    return task, numbers


async def test_calls_are_run_together_up_to_the_size(hub):
    worker = await hub.worker("pool")
    task, numbers = await gathered(hub, worker, [("predict", (n,), {}) for n in range(8)])
    assert [await hub.answer(task, number) for number in numbers] == [n * 10 for n in range(8)]
    assert await hub.answer(task, hub.ask(worker, task, "seen")) == [4, 4]


async def test_a_batch_that_is_not_full_waits_no_longer_than_it_must(hub):
    worker = await hub.worker("pool")
    task = await hub.place(worker, Model, max_batch=1000, max_wait=0.01)
    assert await hub.answer(task, hub.ask(worker, task, "predict", 3)) == 30


async def test_without_waiting_only_what_is_there_is_taken(hub):
    worker = await hub.worker("pool")
    task, numbers = await gathered(hub, worker, [("predict", (n,), {}) for n in range(3)], max_wait=0.0)
    assert [await hub.answer(task, number) for number in numbers] == [0, 10, 20]


async def test_other_methods_and_other_keywords_end_a_batch(hub):
    worker = await hub.worker("pool")
    calls = [("predict", (1,), {}), ("predict", (2,), {"by": 3}), ("predict", (3,), {"by": 5}), ("seen", (), {})]
    task, numbers = await gathered(hub, worker, calls)
    assert [await hub.answer(task, number) for number in numbers] == [10, 6, 15, [1, 2]]


async def test_an_exception_goes_to_every_member(hub):
    worker = await hub.worker("pool")
    task, numbers = await gathered(hub, worker, [("predict", (x,), {}) for x in (1, "bad", 3, 4)])
    for number in numbers:
        with pytest.raises(ValueError, match="bad"):
            await hub.answer(task, number)


@pytest.mark.parametrize(
    ("name", "words"),
    [("short", "for a batch of 2 and must return as many values; it returned 1"), ("scalar", "it returned int")],
)
async def test_what_cannot_be_dealt_out_is_said_to_every_member(hub, name, words):
    worker = await hub.worker("pool")
    task, numbers = await gathered(hub, worker, [(name, (1,), {}), (name, (2,), {})], max_batch=2)
    for number in numbers:
        with pytest.raises(Exception, match=words):
            await hub.answer(task, number)


async def test_a_member_whose_value_does_not_travel_spoils_only_itself(hub):
    worker = await hub.worker("pool")
    task, numbers = await gathered(hub, worker, [("locked", (0,), {}), ("locked", (1,), {})], max_batch=2)
    assert await hub.answer(task, numbers[0]) == 0
    with pytest.raises(Exception, match="lock"):
        await hub.answer(task, numbers[1])


async def test_what_was_gathered_is_run_before_the_end(hub):
    worker = await hub.worker("pool")
    task, (number,) = await gathered(hub, worker, [("predict", (2,), {})])
    assert (await over(hub, worker, task)).ok
    assert await hub.answer(task, number) == 20


async def test_a_reply_counts_what_came_before_it(hub):
    worker = await hub.worker("pool")
    task = await hub.place(worker, Account, 10)
    said = ""
    for n in range(50):
        number = hub.ask(worker, task, "add", n)
        await hub.answer(task, number)
        reply = await hub.first(wire.MethodDone, task=task, number=number)
        said += f"add {n}\n"
        await hub.until(
            lambda last=reply.output: any(piece.n >= last for piece in hub.find(wire.WorkerOutput, task=task)),
            "the output that the reply counts",
        )
        told = "".join(piece.text for piece in hub.find(wire.WorkerOutput, task=task) if piece.n <= reply.output)
        assert told == "open 10\n" + said
