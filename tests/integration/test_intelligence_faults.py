"""What a person sees while the session cannot, or hardly can, answer: the list comes all the same, from memory or empty; what
is old says so; the status bar says *live: slow*; and the first reply makes everything as before.

Nothing here measures time (tests/bench does). That no request waits for a stuck session is seen by order: the session is let
go only after the requests were answered.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from scripts.process_table import marked
from tests.integration.desk import ENDED, Desk, desks

pytestmark = pytest.mark.asyncio(loop_scope="module")
client = desks(static="none")

CODE = """
import ctypes, os, sys, time
import torch
class Thing:
    def __init__(self): self.size = 3
    def walk(self, steps: int = 1): '''One foot before the other.'''
thing = Thing()
"""
MEMBERS = {"size", "walk"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(client) -> Desk:
    await client.desk.run(CODE)
    return client.desk


async def _fresh(desk: Desk, *names: str) -> None:
    """Things that nobody has asked for before."""
    await desk.run("\n".join(f"{name} = Thing()" for name in names))


@contextlib.asynccontextmanager
async def running(desk: Desk, code: str) -> AsyncIterator[str]:
    """While this cell runs; it is interrupted afterwards, and it must not have ended before."""
    run = await desk.begin(code)
    await desk.until(run, "running")
    await desk.until_busy()
    try:
        yield run
        one = await desk.until(run, "running", *ENDED)
        assert one["state"] == "running"
    finally:
        await desk.ask("yonder/interrupt", uri=desk.uri, run=run)
        await desk.until(run, *ENDED)


BUSY = {
    "a Python loop": "while True: pass",
    "sleep": "time.sleep(600)",
    "torch": "matrix = torch.randn(64, 64)\nwhile True: matrix = torch.nn.functional.normalize(matrix @ matrix)",
    "a namespace that changes all the time": (
        "number = 0\nwhile True:\n    number += 1\n    globals()[f'name_{number % 5000}'] = Thing()\n"
        "    globals().pop(f'name_{(number - 2500) % 5000}', None)"
    ),
}


@pytest.mark.parametrize("what", BUSY)
async def test_a_busy_session_answers_while_it_is_busy(desk: Desk, what: str) -> None:
    """Names that were never asked for before: the answer can only come from the session itself."""
    await _fresh(desk, "unseen", "unheard")
    async with running(desk, BUSY[what]):
        assert set(await desk.complete("unseen.|")) >= MEMBERS
        assert set(await desk.complete("unheard.|")) >= MEMBERS
        assert {"unseen", "unheard", "thing"} <= set(await desk.complete("un|"))


async def test_at_a_breakpoint_the_session_answers(desk: Desk) -> None:
    await _fresh(desk, "unseen")
    run = await desk.begin("breakpoint()\nafter = 1")
    question = await desk.questions.get()
    assert set(await desk.complete("unseen.|")) >= MEMBERS
    assert "Thing" in await desk.hover("|thing")
    await desk.ask("yonder/answer", id=question, text="c")
    await desk.until(run, "ok")


async def test_where_a_debugger_stopped_its_functions_names_come_first(desk: Desk) -> None:
    await _fresh(desk, "unseen")
    lines = ["def work(size):", "    inner = Thing()", "    breakpoint()", "    return inner", "", "inner = 1"]
    run = await desk.begin("\n".join([*lines, "work(3)"]))
    question = await desk.questions.get()
    there = "\n".join(lines[:3]) + "\n    {}"
    assert set(await desk.complete(there.format("inner.|"))) >= MEMBERS
    assert "Thing" in await desk.hover(there.format("|inner"))
    assert "walk" not in await desk.complete("inner.|")  # the module's own
    assert "walk" not in await desk.complete("def other():\n    inner = 1\n    inner.|")
    await desk.ask("yonder/answer", id=question, text="c")
    await desk.until(run, "ok")
    assert "walk" not in await desk.complete(there.format("inner.|"))  # it is gone with the function


# ── nobody can answer ─────────────────────────────────────────────────────────────────────────────────────────────────


async def _while_stuck(desk: Desk) -> None:
    """Ask as a person who goes on typing. Nothing raises, nothing waits for the session, nothing old passes for new."""
    labels, incomplete = await desk.once("thing.|")
    assert (labels >= MEMBERS, incomplete) == (True, True)  # remembered, and marked
    for name in ("one", "two", "three", "four"):
        labels, incomplete = await desk.once(f"{name}.|")
        assert incomplete
        assert not labels or "walk" in labels  # its class may be known: then its members are
    await desk.until_live("slow")
    labels, incomplete = await desk.once("thing.|")
    assert (labels >= MEMBERS, incomplete) == (True, True)
    await desk.hover("|five")
    await desk.signature("thing.walk(|")


async def _recovered(desk: Desk) -> None:
    """Everything is as before, with names that were asked for in vain meanwhile."""
    assert set(await desk.complete("one.|")) >= MEMBERS
    assert set(await desk.complete("thing.|")) >= MEMBERS
    await desk.until_live("ok")
    _, incomplete = await desk.once("thing.|")
    assert not incomplete


@contextlib.contextmanager
def stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def _asked_before(desk: Desk) -> None:
    await _fresh(desk, "thing", "one", "two", "three", "four", "five")
    assert set(await desk.complete("thing.|")) >= MEMBERS


async def test_the_interpreter_is_held_by_c_code(desk: Desk, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A call that keeps the GIL until this test writes a byte."""
    fifo = tmp_path_factory.mktemp("held") / "fifo"
    os.mkfifo(fifo)
    await _asked_before(desk)
    run = await desk.begin(
        f"reader = os.open({str(fifo)!r}, os.O_RDWR)\nhold = ctypes.PyDLL(None).read\nprint('held', flush=True)\n"
        "hold(reader, ctypes.create_string_buffer(1), 1)\ntime.sleep(600)"
    )
    await desk.until(run, "running")
    await _printed(desk, run, "held")
    await desk.until_busy()
    await _while_stuck(desk)
    with fifo.open("wb", buffering=0) as held:
        held.write(b"x")
    await _recovered(desk)
    await desk.ask("yonder/interrupt", uri=desk.uri, run=run)
    await desk.until(run, *ENDED)


async def _printed(desk: Desk, run: str, text: str) -> None:
    while text not in str(await desk.ask("yonder/output", run=run, since=0)):
        pass  # each asking is a round trip


async def test_the_worker_is_stopped_by_a_signal(desk: Desk) -> None:
    await _asked_before(desk)
    pid = int(await desk.run("os.getpid()"))
    async with running(desk, "time.sleep(600)"):
        with stopped(pid):
            await _while_stuck(desk)
        await _recovered(desk)


async def test_the_hub_is_stopped_by_a_signal(desk: Desk) -> None:
    await _asked_before(desk)
    await desk.run("'another generation'")
    (hub,) = [one for one in marked(desk.owner) if one.hub]
    with stopped(hub.pid):
        await _while_stuck(desk)
    await _recovered(desk)


async def test_an_idle_session_that_is_stopped_is_remembered_as_it_was(desk: Desk) -> None:
    """Nothing ran since, so that what was seen is still so: it is not late."""
    await _asked_before(desk)
    pid = int(await desk.run("os.getpid()"))
    assert set(await desk.complete("thing.|")) >= MEMBERS
    with stopped(pid):
        labels, incomplete = await desk.once("thing.|")
        assert (labels >= MEMBERS, incomplete) == (True, False)


# ── there is nobody any more ──────────────────────────────────────────────────────────────────────────────────────────


async def test_a_restarted_session_has_forgotten_everything(desk: Desk) -> None:
    await _asked_before(desk)
    await desk.ask("yonder/restartSession", uri=desk.uri)
    await desk.run("other = 1")
    assert not MEMBERS & set(await desk.complete("thing.|"))
    assert await desk.hover("|thing") == ""
    labels = await desk.complete("th|")
    assert "thing" not in labels
    assert "other" in await desk.complete("oth|")


async def test_a_killed_worker_leaves_nothing_that_looks_alive(desk: Desk) -> None:
    await desk.run(CODE)
    assert set(await desk.complete("thing.|")) >= MEMBERS
    pid = int(await desk.run("os.getpid()"))
    run = await desk.begin("time.sleep(600)")
    await desk.until(run, "running")
    os.kill(pid, signal.SIGKILL)
    await desk.until(run, "lost", "error")
    assert not MEMBERS & set(await desk.complete("thing.|"))
    assert await desk.hover("|thing") == ""
    await desk.run(CODE)
    assert set(await desk.complete("thing.|")) >= MEMBERS
    await desk.until_live("ok")
