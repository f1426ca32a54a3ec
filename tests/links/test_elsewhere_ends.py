"""Executors on other machines, at the end of things: a line that is gone for good, a hub that is killed, a pool that is
closed while nobody can be reached. Each test has a hub of its own; what is left is asked of the process table."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.links.elsewhere import ROOT, a_world, elsewhere
from tests.links.test_elsewhere import PATIENCE, a_pool, begin, leave_a_child, lives, until, wait_for

import yonder


@pytest.fixture(params=["told", "untold"])
def forsaken(request, tmp_path):
    """A short lease; and a platform that says when a machine has ended, or one that cannot be asked either."""
    with elsewhere(tmp_path / "meeting", silence=3.0, margin=2.0, mute=request.param == "untold") as made:
        yield made, "nothing was heard of the hub" if request.param == "told" else "was not heard of for 5 s"


def test_after_a_cut_for_good_a_call_is_lost_when_it_cannot_run_any_more_and_only_then_tried_again(forsaken, tmp_path):
    world, words = forsaken
    log, gate = tmp_path / "log", tmp_path / "gate"
    with a_pool(max=2) as pool:
        lost = pool.submit(until, str(tmp_path / "never"), 1)
        wait_for(lost.running, "the call runs")
        call = pool.with_options(retries=1).submit(begin, str(log), str(gate))
        wait_for(log.exists, "the other call runs")
        first = int(log.read_text())
        world.move()  # executors to come have a line of their own
        world.do(world.proxy.deaf)
        with pytest.raises(yonder.ExecutorLost, match=words):
            lost.result(PATIENCE)
        wait_for(lambda: len(log.read_text().split()) == 2, "the second try")
        assert not lives(first)
        gate.touch()
        assert call.result() == int(log.read_text().split()[1]) != first


def test_agents_of_a_hub_that_was_killed_end_by_their_lease_and_leave_nothing(tmp_path):
    with elsewhere(tmp_path / "meeting", silence=3.0, margin=2.0) as world:
        with contextlib.suppress(yonder.YonderError), a_pool() as pool:
            child = pool.submit(leave_a_child, "x").result()
            call = pool.submit(until, str(tmp_path / "never"), 1)
            wait_for(call.running, "the call runs")
            owner = world.owner
            (agent,) = world.processes("agent")
            os.kill(world.hub, signal.SIGKILL)
            with pytest.raises(yonder.YonderError):
                call.result(PATIENCE)
            assert lives(agent.pid)  # it does not know yet
        wait_for(lambda: not lives(agent.pid), "the agent's lease")
        assert not lives(child)
        assert world.of(owner) == []


@pytest.mark.parametrize("state", ["idle", "busy"])
def test_a_pool_closed_while_its_machine_cannot_be_reached_has_the_platform_end_it(tmp_path, state):
    with elsewhere(tmp_path / "meeting", patience=1.0) as world:
        with a_pool(grace=0.5) as pool:
            child = pool.submit(leave_a_child, "x").result()
            owner = world.owner
            if state == "busy":
                call = pool.submit(until, str(tmp_path / "never"), 1)
                wait_for(call.running, "the call runs")
            world.do(world.proxy.deaf)
            if state == "busy":
                pool.shutdown(wait=False, cancel_futures=True)
                assert call.cancel()
        wait_for(lambda: world.of(owner) == [], "the end of everything")
        assert not lives(child)
        if state == "busy":
            with pytest.raises((yonder.Cancelled, yonder.ExecutorLost)):
                call.result(0)


PROGRAM = """
import sys
from tests.links.elsewhere import join
import yonder
from yonder.hubs import PROGRAM

def main(meeting, count, size):
    join(meeting)
    with yonder.Pool(backend="docker", max=2, preload=[]) as pool:
        pool.submit(abs, 1).result()
        print(PROGRAM._process._note.pid, flush=True)
        calls = [pool.submit(bytes, size) for _ in range(count)]
        print("submitted", flush=True)
        print(sum(len(calls.pop(0).result()) for _ in range(count)), flush=True)

if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
"""


def memory(pid, what="VmRSS"):
    """Bytes of a process now, or (VmHWM) at its most."""
    (line,) = [one for one in Path(f"/proc/{pid}/status").read_text().splitlines() if one.startswith(what)]
    return int(line.split()[1]) * 1024


def settled(pid):
    """Wait until a process neither works nor grows."""

    def used():
        return Path(f"/proc/{pid}/stat").read_text().split()[13:15], memory(pid)

    seen = [used()]

    def still():
        time.sleep(0.25)
        seen.append(used())
        return len(seen) > 4 and len({one[1] for one in seen[-4:]}) == 1

    wait_for(still, "an end of the growth")


def test_large_results_wait_for_a_reader_that_stands_still_and_the_hub_stays_small(tmp_path):
    """YONDER_RESULTS="64x100000000" has the size of the promise; the hub then has the room that it always has."""
    count, size = map(int, os.environ.get("YONDER_RESULTS", "24x6000000").split("x"))
    room = 0 if "YONDER_RESULTS" in os.environ else 12_000_000
    bound = 2 * (room or 256 << 20) + (64 << 20)  # the room, the program's socket and conversations
    assert count * size > bound
    with a_world(tmp_path / "meeting", room=room) as world:
        path = os.pathsep.join([str(ROOT), str(ROOT / "executor")])
        (tmp_path / "program.py").write_text(PROGRAM)
        program = subprocess.Popen(
            [sys.executable, str(tmp_path / "program.py"), str(world.meeting), str(count), str(size)],
            env={**os.environ, "PYTHONPATH": path},
            stdout=subprocess.PIPE,
            text=True,
        )
        with program:
            hub = int(program.stdout.readline())
            before = memory(hub)
            assert program.stdout.readline() == "submitted\n"
            program.send_signal(signal.SIGSTOP)
            settled(hub)
            program.send_signal(signal.SIGCONT)
            assert int(program.stdout.readline()) == count * size
            most = memory(hub, "VmHWM")
        print(f"the hub had {before >> 20} MiB before and {most >> 20} MiB at its most")
        assert most - before < bound
        assert program.wait(PATIENCE) == 0
