"""The hub as a process of its own under a plain program: what only it can do, and what must not go wrong with it.

What pools do there is in `test_pool_program`, which runs over both hubs. What is left is asked of the process table.
"""

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from tests.integration import programs
from tests.integration.cluster import a_cluster

from yonder import door
from yonder.backends.local import processes
from yonder.errors import CannotRun
from yonder.machine import hubs
from yonder.places import started_at

PATIENCE = 30.0


def far(tmp_path, code, **more):
    return programs.program(tmp_path, code, hub="process", **more)


@contextlib.contextmanager
def started(tmp_path, code, **more):
    """A program that runs beside the test, with its output as a pipe."""
    file = tmp_path / "program.py"
    file.write_text(textwrap.dedent(code))
    command = [sys.executable, str(file)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=programs.environment("process"), cwd=tmp_path, **more
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def hub_of(pid):
    return next(note for note in hubs() if note.owner.startswith(f"program-{pid}-"))


def until(true, what):
    """Ask the outside world, which sends no events, until it says so."""
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, f"never came: {what}"
        time.sleep(0.01)


def gone(note):
    until(lambda: started_at(note.pid) != note.started, "the end of the hub")
    until(lambda: not processes(note.owner), "the end of its executors")


def test_a_killed_program_takes_everything_along_though_its_own_child_lives_on(tmp_path):
    """A forked child holds copies of every descriptor: the hub's connections must end with the program all the same."""
    with started(
        tmp_path,
        """
        import os, time, yonder
        pool = yonder.Pool(max=1)
        running = pool.submit(time.sleep, 600)
        while not running.running():
            time.sleep(0.01)
        read, write = os.pipe()
        if child := os.fork():
            os.read(read, 1)
            print(child, flush=True)
            time.sleep(600)
        os.close(1)
        os.write(write, b"x")
        time.sleep(600)
        """,
    ) as process:
        child = int(process.stdout.readline())
        note = hub_of(process.pid)
        assert [one for one in processes(note.owner) if one.role == "executor"]
        process.kill()
        gone(note)
        os.kill(child, signal.SIGKILL)  # raises if it had ended


def test_a_killed_hub_is_a_loss_in_words_and_the_next_pool_gets_a_fresh_one(tmp_path):
    out = far(
        tmp_path,
        """
        import os, signal, time, yonder
        from yonder.machine import hubs
        pool = yonder.Pool(max=1)
        running = pool.submit(time.sleep, 600)
        while not running.running():
            time.sleep(0.01)
        note, = [note for note in hubs() if note.owner.startswith(f"program-{os.getpid()}-")]
        os.kill(note.pid, signal.SIGKILL)
        try:
            running.result()
        except yonder.ExecutorLost as error:
            print(error)
        try:
            pool.submit(abs, 1)
        except yonder.CannotRun as error:
            print(error)
        with yonder.Pool(max=1) as fresh:
            print(fresh.call(abs, -5))
        pool.close()
        """,
    )
    assert out.splitlines() == ["the connection to the hub is gone; it ended or was killed"] * 2 + ["5"]


def test_text_that_nobody_reads_waits_and_all_of_it_comes(tmp_path):
    """Like any program that prints into a pipe: the writers wait, the hub stays small, nothing is left out."""
    with started(
        tmp_path,
        """
        import os, sys, yonder
        def speak(lines):
            for number in range(lines):
                print(f"{number:099}")
        pool = yonder.Pool(max=1)
        pool.call(abs, -1)
        print("begun", flush=True)
        pool.call(speak, 200_000)
        pool.close()
        print("over")
        """,
    ) as process:
        assert process.stdout.readline() == "begun\n"
        note = hub_of(process.pid)
        worker = next(one for one in processes(note.owner) if one.role == "executor")
        until(lambda: asleep_in_a_write(worker.pid), "the writer waits")
        assert memory(note.pid) < 150e6
        lines = process.stdout.read().splitlines()
        assert lines[-1] == "over"
        assert lines[:-1] == [f"{number:099}" for number in range(200_000)]
        gone(note)


def asleep_in_a_write(pid):
    """Is it blocked in write(2) to a full pipe? Looked at twice, for a pipe that is just being emptied."""

    def waits():
        call = Path(f"/proc/{pid}/syscall").read_text().split()
        return call[0] == "1" and call[1] == "0x1"

    return waits() and not time.sleep(0.2) and waits()


def memory(pid):
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_text_of_a_nested_call_is_there_before_the_value_of_the_outer_one(tmp_path):
    out = far(
        tmp_path,
        """
        import yonder
        def inner(number):
            print("inner", number)
        def outer(number):
            with yonder.Pool("inner", max=1) as pool:
                pool.call(inner, number)
        with yonder.Pool("other", max=1) as other, yonder.Pool(max=1) as pool:
            for number in range(100):
                pool.call(outer, number)
                print("outer", number, flush=True)
                if number == 3:
                    break
        """,
    )
    assert out.split("\n")[:-1] == [f"{which} {number}" for number in range(4) for which in ("inner", "outer")]


def test_a_limit_holds_in_the_process_before_and_after_it_has_begun(tmp_path):
    out = far(
        tmp_path,
        """
        import time, yonder
        yonder.limit(executors=1)
        with yonder.Pool(max=4) as pool:
            list(pool.map(time.sleep, [0.01] * 8))
            print(pool.status().executors)
            yonder.limit(executors=2)
            futures = [pool.submit(time.sleep, 60) for _ in range(3)]
            while sum(future.running() for future in futures) < 2:
                time.sleep(0.01)
            print(pool.status().executors)
            pool.close(cancel=True)
        """,
    )
    assert out.split() == ["1", "2"]


def test_a_strategy_of_the_programs_own_has_no_place_there(tmp_path):
    out = far(
        tmp_path,
        """
        import yonder
        class Two:
            spreads = False
            def count(self, demand, bounds): return 2
            def why(self, demand, bounds): return "two"
        try:
            yonder.Pool(strategy=Two())
        except yonder.UsageError as error:
            print(error)
        """,
    )
    assert "another process, which runs no code of yours" in out


def test_many_threads_share_the_pool_and_open_their_own(tmp_path):
    out = far(
        tmp_path,
        """
        import concurrent.futures, yonder
        def work(pool, number):
            with yonder.Pool(f"own-{number % 2}", max=1) as own:
                return pool.call(abs, -number) + own.call(abs, -number)
        with yonder.Pool(max=2) as pool, concurrent.futures.ThreadPoolExecutor(8) as threads:
            print(sum(threads.map(work, [pool] * 16, range(16))))
        """,
    )
    assert int(out) == 2 * sum(range(16))


def test_a_forked_child_opens_pools_of_its_own_and_leaves_its_parents_alone(tmp_path):
    out = far(
        tmp_path,
        """
        import os, sys, yonder
        pool = yonder.Pool(max=1)
        print(pool.call(abs, -1), flush=True)
        if not (child := os.fork()):
            try:
                pool.call(abs, -2)
            except yonder.UsageError as error:
                print("belongs to process" in str(error), flush=True)
            with yonder.Pool(max=1) as own:
                print(own.call(abs, -3), flush=True)
            os._exit(0)
        os.waitpid(child, 0)
        print(pool.call(abs, -4))
        pool.close()
        """,
    )
    assert out.split() == ["1", "True", "3", "4"]


@pytest.mark.parametrize("moment", ["opening", "calling", "closing"])
def test_an_interrupt_at_any_moment_ends_the_program_and_its_hub(tmp_path, moment):
    code = f"""
        import contextlib, os, signal, threading, time, yonder
        from yonder import launch
        moment = {moment!r}
        def strike(): os.kill(os.getpid(), signal.SIGINT)
        if moment == "opening":
            spawn = launch._spawn
            def spawned(command):
                process = spawn(command)
                threading.Timer(0.02, strike).start()
                return process
            launch._spawn = spawned
        def sleep(seconds):
            with contextlib.suppress(KeyboardInterrupt):  # it does not end when it is cancelled
                time.sleep(seconds)
                return
            time.sleep(seconds)
        try:
            with yonder.Pool(max=1, grace=0.5) as pool:
                running = pool.submit(sleep, 600)
                while not running.running():
                    time.sleep(0.01)
                if moment == "calling":
                    threading.Timer(0.05, strike).start()
                    running.result()
                threading.Timer(0.05, strike).start()
        except KeyboardInterrupt:
            print("interrupted", flush=True)
    """
    with started(tmp_path, code) as process:
        assert process.stdout.read() == "interrupted\n"
        assert process.wait() == 0
        until(lambda: not processes_of(process.pid), "the end of its executors")


def processes_of(pid):
    return [one for one in processes() if one.owner.startswith(f"program-{pid}-")]


def test_who_opens_the_first_pool_elsewhere_finds_local_ones_there_too(tmp_path):
    """And a local pool that was first stays where it is: the thread is there for as long as it lives."""
    out = programs.program(
        tmp_path,
        """
        import yonder
        from yonder.hubs import PROGRAM
        def where(pool):
            return type(pool._line.board._hub).__name__
        class Two:
            spreads = False
            def count(self, demand, bounds): return 1
            def why(self, demand, bounds): return "one"
        PROGRAM.near = ()
        with yonder.Pool("far", max=1) as far:
            PROGRAM.near = ("local",)
            with yonder.Pool("near", max=1) as near:
                print(where(far), where(near), near.call(abs, -1))
            with yonder.Pool("own", max=1, strategy=Two()) as own:
                print(where(own), own.call(abs, -1))
                with yonder.Pool("near", max=1) as near:
                    print(where(near), near.call(abs, -1))
        """,
    )
    assert out.splitlines() == ["HubProcess HubProcess 1", "HubThread 1", "HubThread 1"]


def test_a_program_that_closes_no_pool_does_not_wait_for_its_hub(tmp_path):
    """The hub goes by itself, after the program."""
    with started(
        tmp_path, "import yonder\npool = yonder.Pool(max=1)\nprint(pool.call(abs, -4), flush=True)\n"
    ) as process:
        note = hub_of_soon(process)
        assert process.stdout.read() == "4\n"
        assert process.wait() == 0
        gone(note)


def hub_of_soon(process):
    until(lambda: any(note.owner.startswith(f"program-{process.pid}-") for note in hubs()), "its hub")
    return hub_of(process.pid)


async def test_an_editors_hub_takes_no_program(tmp_path):
    async with a_cluster(tmp_path) as (cluster, owner):
        said, lost = [], []
        way = door.SocketDoor(str(cluster.files.hub_socket), cluster.token, "", said.append, lambda: lost.append(1))
        await cluster.wait_for(lambda: lost, "the end of the connection")
        assert "no worker ''" in said[0].sentence
        way.close()
        await owner.hang_up(goodbye=True)


def test_a_hub_that_is_not_there_is_said_in_words(tmp_path):
    with pytest.raises(CannotRun, match="does not answer"):
        door.SocketDoor(str(tmp_path / "none.sock"), "t", "", print, print)
