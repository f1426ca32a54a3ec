"""Forks, deaths and what is left: asked of the process table, not of the agent."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.integration.agent_hub import CORE, living_hub

from yonder import payload, wire
from yonder.agent import launching, processes


@pytest.fixture
async def hub():
    async with living_hub() as found:
        yield found


def _alive(pid: int) -> bool:
    return _state(pid) not in "ZX"


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "X"


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _zygotes(hub) -> list[int]:
    workers = {message.pid for message in hub.find(wire.Forked)}
    return [
        pid for pid in hub.left() if pid != hub.process.pid and pid not in workers and _parent(pid) == hub.process.pid
    ]


async def test_the_agent_is_the_parent_and_the_marks_are_in_the_process_table(hub):
    worker = await hub.worker(executor="exec-7", env={"MINE": "yes"}, folder=str(hub.folder))
    pid = hub.pid(worker)
    assert _parent(pid) == hub.process.pid
    environ = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    assert b"YONDER_EXECUTOR=exec-7" in environ
    assert f"YONDER_OWNER={hub.owner}".encode() in environ
    code = "import os; os.environ['MINE'], os.environ['YONDER_EXECUTOR'], os.getcwd(), os.getpgid(0) == os.getpid()"
    assert (await hub.block(worker, code)).preview.short == repr(("yes", "exec-7", str(hub.folder), True))
    assert hub.token not in str(environ)


async def test_a_worker_killed_from_outside_is_reported_with_its_last_words(hub):
    worker = await hub.worker()
    task = hub.start(worker, "import sys, time\nprint('last words', file=sys.stderr)\ntime.sleep(1000)")
    await hub.until(lambda: "last words" in hub.output(task), "the words")
    os.kill(hub.pid(worker), signal.SIGKILL)
    report = (await hub.first(wire.Exited, worker=worker)).report
    assert (report.signal, report.code, report.stderr, report.out_of_memory) == (9, -1, "last words", False)


async def test_a_crash_in_c_says_where(hub):
    worker = await hub.worker()
    hub.start(worker, "import ctypes\ndef crash(): ctypes.string_at(0)\ncrash()")
    report = (await hub.first(wire.Exited, worker=worker)).report
    assert report.signal == signal.SIGSEGV
    assert "Segmentation fault" in report.stderr
    assert "in crash" in report.stderr
    assert "zygote.py" not in report.stderr
    exited = hub.heard.index(hub.find(wire.Exited)[0])
    assert not [m for m in hub.heard[exited:] if isinstance(m, wire.WorkerOutput)]


_GRANDCHILD = (
    "import subprocess\nchild = subprocess.Popen(['sleep', '1000'], start_new_session=True)\n"
    "forked = subprocess.Popen(['sleep', '1000'])\n(child.pid, forked.pid)"
)


async def _grandchildren(hub, worker):
    done = await hub.block(worker, _GRANDCHILD)
    pids = [int(word) for word in done.preview.text.strip("()").split(",")]
    assert all(_alive(pid) for pid in pids)
    return pids


@pytest.mark.parametrize("hard", [True, False])
async def test_kill_ends_grandchildren_too_and_no_sibling(hub, hard):
    worker, sibling = await hub.worker(), await hub.worker()
    pids = await _grandchildren(hub, worker)
    hub.agent.say(wire.Kill(worker, hard=hard))
    report = (await hub.first(wire.Exited, worker=worker)).report
    assert report.signal == (signal.SIGKILL if hard else signal.SIGTERM)
    await hub.poll(lambda: not any(map(_alive, pids)), lambda: f"left: {pids}")
    assert (await hub.block(sibling, "'alive'")).preview.short == "'alive'"


async def test_what_ignores_sigterm_is_killed(hub):
    worker = await hub.worker()
    await hub.block(worker, "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); None")
    hub.agent.say(wire.Kill(worker, hard=False))
    assert (await hub.first(wire.Exited, worker=worker)).report.signal == signal.SIGKILL


async def test_a_dataloader_like_child_keeps_no_lane_and_hides_no_death(hub):
    worker = await hub.worker()
    code = "import multiprocessing as m, time\np = m.get_context('fork').Process(target=time.sleep, args=(1000,)); p.start(); p.pid"
    child = int((await hub.block(worker, code)).preview.text)

    def sockets():
        files = [os.readlink(f"/proc/{child}/fd/{fd}") for fd in os.listdir(f"/proc/{child}/fd")]
        return [name for name in files if name.startswith("socket:")]

    await hub.poll(lambda: not sockets(), lambda: f"the child holds {sockets()}")
    os.kill(hub.pid(worker), signal.SIGKILL)
    await hub.first(wire.Exited, worker=worker)
    await hub.until(lambda: not hub.peers["call", worker].open, "the lane's end")
    await hub.poll(lambda: not _alive(child), lambda: "the child outlived its worker")


async def test_children_that_user_code_forks_say_nothing_as_the_worker(hub):
    worker = await hub.worker()
    code = (
        "import os\nfrom yonder.record import log\nfrom yonder import seat\npid = os.fork()\nif pid == 0: log(x=1)\n"
        "if pid == 0: seen = seat.current() is None\nif pid: os.waitpid(pid, 0)\nprint('child' if pid == 0 else 'parent')\nNone"
    )
    done = await hub.block(worker, code)
    assert (done.failure, done.control) == (None, 0)
    assert sorted((await hub.all_output(done)).split()) == ["child", "parent"]
    assert (await hub.block(worker, "'one worker'")).preview.short == "'one worker'"
    assert len(hub.find(wire.BlockDone)) == 2


async def test_the_zygote_may_die_under_a_session(hub):
    worker = await hub.worker()
    await hub.block(worker, "kept = 1")
    (zygote,) = _zygotes(hub)
    os.kill(zygote, signal.SIGKILL)
    await hub.poll(lambda: not _alive(zygote), lambda: "it lives")
    assert (await hub.block(worker, "kept + 1")).preview.short == "2"
    other = await hub.worker()
    assert (await hub.block(other, "'born of another'")).preview.short == "'born of another'"


async def test_a_zygote_that_hangs_holds_up_no_births_but_the_one_it_hangs_in(hub):
    await hub.worker()
    (zygote,) = _zygotes(hub)
    os.kill(zygote, signal.SIGSTOP)
    stuck, next_one = hub.fork(), hub.fork()
    hub.agent.say(wire.Kill(stuck))
    await hub.first(wire.ForkFailed, worker=stuck)
    await hub.first(wire.Forked, worker=next_one)
    assert not _alive(zygote)


@pytest.mark.parametrize("how", ["hang up", "exit", "SIGTERM"])
async def test_nothing_is_left_when_the_agent_ends(hub, how):
    workers = [await hub.worker() for _ in range(2)]
    pids = await _grandchildren(hub, workers[0])
    hub.start(workers[1], "while True: pass")
    if how == "hang up":
        hub.hang_up()
    elif how == "exit":
        hub.agent.say(wire.AgentExit("the test is over"))
    else:
        hub.process.send_signal(signal.SIGTERM)
    await hub.process.wait()
    assert not hub.left()
    assert not any(map(_alive, pids))


async def test_workers_and_zygote_die_with_an_agent_that_was_killed(hub):
    worker = await hub.worker()
    known = [hub.pid(worker), *_zygotes(hub)]
    hub.process.kill()
    await hub.process.wait()
    await hub.poll(lambda: not any(map(_alive, known)), lambda: f"left: {known}")


async def test_preloaded_modules_are_there_and_forks_differ(hub):
    hub.agent.say(wire.Preload(["torch", "numpy.random", "no_such_module_at_all"]))
    early = await hub.worker(preload=[])  # does not wait for torch
    told = await hub.first(wire.Preloaded)
    assert set(told.modules) == {"torch", "numpy.random", "no_such_module_at_all"}
    assert list(told.failed) == ["no_such_module_at_all"]
    assert early
    workers = [await hub.worker("pool", preload=["torch", "numpy.random"], threads=1) for _ in range(2)]

    def draw():
        import sys

        loaded = "torch" in sys.modules
        import numpy
        import torch

        return loaded, torch.get_num_threads(), float(torch.rand(1)), float(numpy.random.rand())  # noqa: NPY002 - the state a fork shares

    drawn = [payload.unpack((await hub.call(worker, draw)).body) for worker in workers]
    assert [values[:2] for values in drawn] == [(True, 1), (True, 1)]
    assert drawn[0][2] != drawn[1][2]
    assert drawn[0][3] != drawn[1][3]


async def test_a_worker_that_leaves_takes_nothing_along_that_was_preloaded(hub):
    (hub.folder / "owns.py").write_text("import tempfile\nfolder = tempfile.TemporaryDirectory()\n")

    def used():
        import os

        import owns

        return owns.folder.name, os.path.isdir(owns.folder.name)

    def kept():
        import tempfile

        import owns

        owns.mine = tempfile.TemporaryDirectory()
        return owns.mine.name

    async with living_hub(env={"PYTHONPATH": str(hub.folder)}) as other:
        first, second = [await other.worker("pool", preload=["owns"]) for _ in range(2)]
        folder, there = payload.unpack((await other.call(first, used)).body)
        own = payload.unpack((await other.call(first, kept)).body)
        other.peers["call", first].say(wire.Leave())
        assert (await other.first(wire.Exited, worker=first)).report == wire.ExitReport(0, 0, False, "")
        assert (there, os.path.isdir(own)) == (True, False)
        assert payload.unpack((await other.call(second, used)).body) == (folder, True)
        os.rmdir(folder)


async def test_a_stopped_worker_that_goes_on_has_lost_nothing(hub):
    """In a call, in a stream that waits for credit, and as an actor with methods asked for meanwhile."""

    def prints(n):
        for at in range(n):
            print(at)
        return "whole"

    def counts(n):
        yield from range(n)

    class Sum:
        total = 0

        def add(self, n):
            self.total += n
            return self.total

    workers = [await hub.worker("pool") for _ in range(3)]
    call = hub.call_later(workers[0], prints, 20_000)
    await hub.until(lambda: bool(hub.output(call)), "the first lines")
    stream = hub.call_later(workers[1], counts, 100, kind="stream", credit=1)
    await hub.first(wire.Yielded, task=stream)
    actor = await hub.place(workers[2], Sum)
    for worker in workers:
        os.kill(hub.pid(worker), signal.SIGSTOP)
    await hub.poll(lambda: all(_state(hub.pid(worker)) == "T" for worker in workers), lambda: "not stopped")
    hub.allow(workers[1], stream, 1000)
    numbers = [hub.ask(workers[2], actor, "add", n) for n in range(100)]
    beats = len(hub.find(wire.Beat))
    await hub.until(lambda: len(hub.find(wire.Beat)) > beats, "the agent goes on meanwhile")
    assert not hub.find(wire.MethodDone)
    for worker in workers:
        os.kill(hub.pid(worker), signal.SIGCONT)
    done = await hub.first(wire.Done, task=call)
    assert payload.unpack(done.body) == "whole"
    assert (await hub.all_output(done)).split() == [str(n) for n in range(20_000)]
    assert (await hub.first(wire.Done, task=stream)).ok
    assert hub.yielded(stream) == list(range(100))
    assert [await hub.answer(actor, number) for number in numbers] == [sum(range(n + 1)) for n in range(100)]


async def test_a_child_of_a_stream_that_is_killed_ends_with_it(hub):
    def loads():
        import multiprocessing
        import time

        child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(1000,))
        child.start()
        yield child.pid
        time.sleep(1000)

    worker = await hub.worker("pool")
    task = hub.call_later(worker, loads, kind="stream", credit=9)
    await hub.first(wire.Yielded, task=task)
    (child,) = hub.yielded(task)
    hub.agent.say(wire.Kill(worker))
    assert (await hub.first(wire.Exited, worker=worker)).report.signal == signal.SIGKILL
    await hub.until(lambda: not hub.peers["call", worker].open, "the lane's end")
    await hub.poll(lambda: not _alive(child), lambda: "the child outlived its worker")


async def test_a_module_whose_import_kills_is_named_and_survived(hub):
    (hub.folder / "murder.py").write_text("import os; os._exit(3)")
    async with living_hub(env={"PYTHONPATH": str(hub.folder)}) as other:
        other.agent.say(wire.Preload(["murder", "json"]))
        await other.until(lambda: len(other.find(wire.Preloaded)) >= 2, "both told")
        assert [name for told in other.find(wire.Preloaded) for name in told.failed] == ["murder"]
        assert await other.worker(preload=["json"])


STAND_IN = """
import os, time
computed_in = 0
class Weight:
    def __matmul__(self, other):
        global computed_in
        if computed_in not in (0, os.getpid()):
            time.sleep(600)  # for threads that have not come along into this child
        computed_in = os.getpid()
        return self
    def sum(self): return self
    def backward(self): return None
def ones(*shape, requires_grad=False): return Weight()
def seed(): pass
def set_num_threads(number): pass
"""
"""In torch's place: three imports of torch itself take minutes on a machine that is busy."""


async def test_a_module_that_computes_on_import_is_caught_by_the_canary(hub):
    (hub.folder / "torch.py").write_text(STAND_IN)
    (hub.folder / "computes.py").write_text("import torch\ntorch.ones(1) @ torch.ones(1)\n")
    async with living_hub(env={"PYTHONPATH": str(hub.folder)}) as other:
        other.agent.say(wire.Preload(["torch", "computes"]))
        worker = await other.worker("pool", preload=["torch"])
        assert [name for told in other.find(wire.Preloaded) for name in told.failed] == ["computes"]
        code = "import sys; ahead = 'torch' in sys.modules; import torch; torch.ones(1) @ torch.ones(1); ahead"
        assert (await other.block(worker, code)).preview.short == "True"


async def test_children_of_who_has_computed_with_torch_hang_and_the_canary_says_so():
    """Where it does, as with the threads of GNU's OpenMP; before that nothing is wrong."""
    code = (
        f"import sys; sys.path.append({CORE!r})\n"
        "import torch; from yonder.agent.zygote import canary; print(canary())\n"
        "torch.set_num_threads(4); w = torch.ones(256, 256, requires_grad=True); (w @ w).sum().backward()\n"
        "print(canary())"
    )
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=110
    )
    assert done.stdout.split() == ["True", "False"]


async def test_the_beat_tells_what_workers_use(hub):
    worker = await hub.worker()
    await hub.until(lambda: any(beat.usage for beat in hub.find(wire.Beat)), "a beat")
    (usage,) = next(beat.usage for beat in hub.find(wire.Beat) if beat.usage)
    assert usage.worker == worker
    assert usage.memory > 5_000_000


async def test_where_forks_are_not_safe_every_worker_is_a_fresh_process():
    """As on systems other than Linux, as far as it can be tried here."""
    code = f"import sys; sys.path.append({CORE!r}); from yonder.agent import processes, agent; processes.LINUX = False; agent.main()"
    async with living_hub(argv=[sys.executable, "-P", "-c", code, CORE]) as hub:
        worker, other = await hub.worker(), await hub.worker()
        done = await hub.block(worker, "print('hello'); 1 + 1")
        assert (done.preview.short, await hub.all_output(done)) == ("2", "hello\n")
        os.kill(hub.pid(worker), signal.SIGKILL)
        assert (await hub.first(wire.Exited, worker=worker)).report.signal == 9
        assert (await hub.block(other, "'lives'")).preview.short == "'lives'"


def test_marks_overwrite_their_placeholder_and_refuse_what_has_no_room():
    assert len(launching.placeholder()) == launching.MARK_WIDTH
    with pytest.raises(ValueError, match="room for 128 bytes"):
        processes.mark("YONDER_TEST", "x" * 129)
    assert processes.marked("YONDER_EXECUTOR", [""]) == []


async def test_a_worker_that_is_no_longer_wanted_before_it_is_born(hub):
    workers = [hub.fork() for _ in range(4)]
    for worker in workers:
        hub.agent.say(wire.Kill(worker))

    def ended():
        return {m.worker for m in hub.heard if isinstance(m, wire.ForkFailed | wire.Exited)}

    await hub.until(lambda: ended() == set(workers), "an end for each")
    assert (await hub.block(await hub.worker(), "'fine'")).preview.short == "'fine'"


@pytest.mark.parametrize(
    "text", ["low 0\noom_kill {n}\n", "oom_kill_disable 0\nunder_oom 0\noom_kill {n}\n"], ids=["v2", "v1"]
)
def test_the_memory_verdict_is_the_control_groups(tmp_path, monkeypatch, text):
    counts = tmp_path / "memory.events"
    counts.write_text(text.format(n=2))
    monkeypatch.setattr(processes, "_memory_files", lambda: [tmp_path / "absent", counts])
    watch = processes.MemoryWatch()
    assert not watch.moved()
    counts.write_text(text.format(n=3))
    assert watch.moved()
    assert not watch.moved()


ENDS = """
import os, sys
from yonder.agent.agent import Agent

def fails():
    raise RuntimeError("the link is in a bad way")

async def live():
    agent = Agent(hub="nowhere", ident="a", token="t", core="")
    if sys.argv[1] == "leaving":
        agent.leaving = fails
    else:
        reader, writer = os.pipe()
        os.close(reader)
        os.dup2(writer, 2)
    agent.end("its time has come", code=7)

import asyncio
asyncio.run(live())
"""


@pytest.mark.parametrize("trouble", ["leaving", "nobody reads its last words"])
async def test_an_agent_that_cannot_take_its_leave_ends_all_the_same(trouble: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-c", ENDS, trouble, env={**os.environ, "PYTHONPATH": CORE}, stderr=subprocess.DEVNULL
    )
    assert await asyncio.wait_for(process.wait(), 30) == 7
