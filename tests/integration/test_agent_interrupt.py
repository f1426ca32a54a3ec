"""Interrupts reach the run they name, in its user code, and nothing else."""

from __future__ import annotations

import asyncio
import random

import pytest
from tests.integration.agent_hub import living_hub

from yonder import wire


@pytest.fixture
async def hub():
    async with living_hub() as found:
        yield found


async def _running(hub, worker, code):
    """Start a block and wait until its own first words are here."""
    task = hub.start(worker, "print('on')\n" + code)
    await hub.until(lambda: "on" in hub.output(task), "the block to run")
    return task


@pytest.mark.parametrize(
    "code",
    ["while True: pass", "import time; time.sleep(1000)", "import threading; threading.Event().wait()", "input()"],
    ids=["loop", "sleep", "lock", "question"],
)
async def test_a_run_is_interrupted_wherever_it_waits(hub, code):
    worker = await hub.worker()
    task = await _running(hub, worker, code)
    if code == "input()":
        await hub.first(wire.InputAsked, task=task)
    assert await hub.interrupt(worker, task) == "interrupted"
    done = await hub.first(wire.BlockDone, task=task)
    assert done.interrupted
    assert done.failure.type == "KeyboardInterrupt"
    assert (await hub.block(worker, "'goes on'")).preview.short == "'goes on'"


async def test_an_awaiting_block_is_cancelled_through_its_task(hub):
    worker = await hub.worker()
    code = (
        "import asyncio\n"
        "async def wait():\n  try:\n    asyncio.get_running_loop().call_soon(print, 'waiting'); await asyncio.sleep(1000)\n  except asyncio.CancelledError:\n"
        "    print('cleaned up'); raise\n"
        "await wait()"
    )
    task = hub.start(worker, code)
    await hub.until(lambda: "waiting" in hub.output(task), "waiting")
    await hub.interrupt(worker, task)
    done = await hub.first(wire.BlockDone, task=task)
    assert (done.interrupted, done.failure.type) == (True, "KeyboardInterrupt")
    assert "cleaned up" in await hub.all_output(done)
    assert (await hub.block(worker, "await asyncio.sleep(0, 'loop lives')")).preview.short == "'loop lives'"


async def test_a_loop_inside_async_code_is_interrupted_directly(hub):
    worker = await hub.worker()
    task = await _running(hub, worker, "import asyncio\nasync def busy():\n  while True: pass\nawait busy()")
    await hub.interrupt(worker, task)
    assert (await hub.first(wire.BlockDone, task=task)).interrupted


async def test_idle_and_another_run_are_told_apart(hub):
    worker = await hub.worker()
    assert await hub.interrupt(worker, 5) == "idle"
    task = await _running(hub, worker, "import time; time.sleep(1000)")
    assert await hub.interrupt(worker, 99) == "not_this_run"
    assert await hub.interrupt(worker, task) == "interrupted"
    await hub.first(wire.BlockDone, task=task)


async def test_a_handler_of_the_users_holds_for_its_run_only(hub):
    worker = await hub.worker()
    code = "import signal, threading\ngot = threading.Event()\nsignal.signal(2, lambda *_: got.set())\nprint('set')\ngot.wait()\n'mine'"
    task = await _running(hub, worker, code)
    await hub.until(lambda: "set" in hub.output(task), "the handler")
    await hub.interrupt(worker, task)
    done = await hub.first(wire.BlockDone, task=task)
    assert (done.preview.short, done.interrupted) == ("'mine'", False)
    task = await _running(hub, worker, "while True: pass")
    await hub.interrupt(worker, task)
    assert (await hub.first(wire.BlockDone, task=task)).interrupted


async def test_user_code_may_interrupt_itself(hub):
    worker = await hub.worker()
    done = await hub.block(worker, "import signal; signal.raise_signal(signal.SIGINT)\nfor _ in range(10**9): pass")
    assert (done.failure.type, done.interrupted) == ("KeyboardInterrupt", False)


def _busy(seconds):
    import time

    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        time.sleep(0)  # lets the side thread in, so that interrupts come at any point and not only at a switch
    return seconds


async def test_interrupts_at_random_moments_never_reach_another_call(hub):
    """Around the end of a call anything may happen to that call, and nothing to the next, which is there already."""
    worker = await hub.worker("pool")
    assert (await hub.call(worker, _busy, 0.0)).ok
    hit = early = 0
    chance = random.Random(7)
    for _ in range(300):
        first = hub.call_later(worker, _busy, chance.uniform(0.0, 0.006))
        second = hub.call_later(worker, _busy, 0.001)
        await asyncio.sleep(chance.uniform(0.0, 0.008))  # the random moment
        hub.peers["control", worker].say(wire.Raise(first))
        done, after = await hub.first(wire.Done, task=first), await hub.first(wire.Done, task=second)
        raised = await hub.first(wire.Raised, task=first)
        assert after.ok, f"hit by the interrupt of the call before it: {after.failure}"
        assert done.ok or (raised.outcome, done.failure.type) == ("interrupted", "KeyboardInterrupt")
        hit += not done.ok
        early += raised.outcome != "interrupted"
        hub.heard.clear()
    assert hit >= 10
    assert early >= 10


async def test_many_interrupts_at_once_leave_the_lanes_whole(hub):
    """The worker logs and prints without end while it is interrupted over and over; every message stays readable."""
    worker = await hub.worker()
    code = (
        "from yonder.record import log\nimport sys\nn = 0\n"
        "while n < 40:\n  try:\n    while True:\n      log(x=1.0)\n  except KeyboardInterrupt:\n    n += 1\nn"
    )
    task = hub.start(worker, code)
    await hub.first(wire.TaskMetrics, task=task)
    while not hub.find(wire.BlockDone, task=task):
        hub.peers["control", worker].say(wire.Raise(task))
        count = len(hub.find(wire.Raised))
        await hub.until(
            lambda count=count: len(hub.find(wire.Raised)) > count or bool(hub.find(wire.BlockDone)), "an answer"
        )
    done = hub.find(wire.BlockDone, task=task)[0]
    if done.failure is not None:  # an interrupt that fell between the handler's own lines ended the loop early
        assert done.interrupted
    await hub.until(lambda: len(hub.find(wire.TaskMetrics, task=task)) == done.control, "every batch")
    assert (await hub.block(worker, "'still here'")).preview.short == "'still here'"
