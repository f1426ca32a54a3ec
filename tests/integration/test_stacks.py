"""Where the threads of real workers stand: in Python, in a sleep, in C code that holds the interpreter, stopped, dead."""

import os
import signal

import pytest
from tests.integration.cluster import a_cluster
from tests.integration.programs import program

from yonder import stacks, wire
from yonder.agent import processes

pytestmark = pytest.mark.skipif(not processes.LINUX, reason="signals of workers that were forked")


def test_a_pool_tells_where_its_workers_stand(tmp_path):
    """Four calls at once: each stands somewhere else, and goes on afterwards."""
    out = program(
        tmp_path,
        """
        import itertools, os, pathlib, threading, time, yonder
        def together(name):  # all of them are up before the first of them begins
            pathlib.Path(f"{name} is up").touch()
            while not os.path.exists("begin"):
                time.sleep(0.001)
            pathlib.Path(name).touch()
        def loop(flag):
            together("loop")
            while not os.path.exists(flag):
                n = 1
            return "looped"
        def asleep(flag):
            together("asleep")
            time.sleep(4)
            return "slept"
        def held(flag):
            together("held")
            sum(itertools.repeat(1, 300_000_000))  # one C call: nothing else runs in this process meanwhile
            return "held"
        def several(flag):
            def inside():
                while not os.path.exists(flag):
                    time.sleep(0.01)
            beside = threading.Thread(target=inside)
            beside.start()
            together("several")
            beside.join()
            return "joined"
        with yonder.Pool(max=4) as pool:
            futures = [pool.submit(one, "go") for one in (loop, asleep, held, several)]
            names = ("loop", "asleep", "held", "several")
            while not all(os.path.exists(f"{name} is up") for name in names):
                time.sleep(0.01)
            pathlib.Path("begin").touch()
            while not all(os.path.exists(name) for name in names):
                time.sleep(0.01)
            for stack in pool.stacks():
                main = stack.threads[0]
                theirs = [thread for thread in stack.threads if not thread.own]
                found = [[frame.function for frame in thread.frames if not frame.own] for thread in theirs]
                print(stack.note, main.main, any(thread.own for thread in stack.threads), sorted(
                    next(one for one in ("loop", "asleep", "held", "inside", "several") if one in name) for name in found
                ))
            pathlib.Path("go").touch()
            print([future.result() for future in futures])
        """,
    )
    lines = out.splitlines()
    assert sorted(lines[:4]) == [
        " True True ['asleep']",
        " True True ['held']",
        " True True ['inside', 'several']",
        " True True ['loop']",
    ]
    assert lines[4:] == ["['looped', 'slept', 'held', 'joined']"]


async def _asked(owner, number, **whose):
    return stacks.read(await owner.answer(wire.GetStacks(number, **whose), wire.Stacks))


async def test_a_session_that_is_stopped_or_stuck_or_dead(tmp_path):
    async with a_cluster(tmp_path) as (_, owner):
        assert await _asked(owner, 900) == []
        await owner.run("import os, time")
        (idle,) = await _asked(owner, 901)
        assert (idle.session, idle.doing, idle.note) == ("main", "", "")
        assert "waits for work" in str(idle)
        run = await owner.execute("def wait():\n    while not globals().get('enough'): time.sleep(0.01)\nwait()")
        await owner.running(run)
        (busy,) = await _asked(owner, 902, session="main")
        assert busy.doing == run
        assert [frame.function for frame in busy.threads[0].frames if not frame.own] == ["wait", "<module>"]
        assert busy.threads[0].frames[0].file.endswith("work.py")
        assert await _asked(owner, 903, session="another") == await _asked(owner, 904, executor="none") == []
        os.kill(busy.pid, signal.SIGSTOP)
        (stopped,) = await _asked(owner, 905, executor=busy.executor)
        assert "SIGCONT" in stopped.note
        assert stopped.threads == ()
        os.kill(busy.pid, signal.SIGCONT)
        (again,) = await _asked(owner, 906)
        assert again.threads[0].frames[-1].own
        os.kill(busy.pid, signal.SIGKILL)
        await owner.ended(run)
        await owner.until(lambda: owner.of(wire.ExecutorChanged, executor=busy.executor, state="gone"))
        assert await _asked(owner, 907) == []


async def test_one_whose_handler_user_code_took_away_lives_on(tmp_path):
    """The signal would end it."""
    async with a_cluster(tmp_path) as (_, owner):
        await owner.run(f"import signal\nsignal.signal({processes.DUMP:d}, signal.SIG_DFL)")
        (stack,) = await _asked(owner, 900)
        assert "taken it away" in stack.note
        assert (await owner.run("1")).outcome == "ok"
