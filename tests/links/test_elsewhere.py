"""Executors on other machines, as a program sees them, over a line that is cut, silent or gone for good. Real processes:
the program, its hub, agents and workers; what is left is asked of the process table."""

import os
import random
import signal
import time
from pathlib import Path

import pytest
from tests.links.elsewhere import elsewhere

import yonder
from yonder import machine
from yonder.places import started_at

PATIENCE = 60.0


def a_pool(**more):
    return yonder.Pool(**{"backend": "docker", "max": 1, "preload": [], **more})


def double(number):
    return number * 2


def until(gate, value):
    while not Path(gate).exists():
        time.sleep(0.005)
    return value


def tell(lines):
    for n in range(lines):
        print(n)
    return lines


def numbers(count):
    yield from range(count)


def where_am_i():
    return os.getpid(), os.getppid()


def begin(log, gate):
    """Note who begins, and wait."""
    with open(log, "a") as file:
        file.write(f"{os.getpid()}\n")
    return until(gate, os.getpid())


def leave_a_child(mark):
    """A process that does not end with its parent."""
    import subprocess
    import sys

    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", mark], start_new_session=True).pid


def wait_for(condition, what):
    """Other processes send no events."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"never came: {what}"
        time.sleep(0.01)


def lives(pid):
    return bool(started_at(pid))


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    """One hub for all tests that leave it as it was."""
    with elsewhere(tmp_path_factory.mktemp("meeting")) as made:
        yield made


@pytest.fixture
def world(wide):
    """Whole again after each test."""
    yield wide
    wide.do(wide.proxy.heal)


@pytest.fixture(scope="module")
def pool(wide):
    with a_pool() as made:
        yield made


# ── nothing is lost, nothing is doubled ───────────────────────────────────────────────────────────────────────────────


def test_results_lines_and_yields_arrive_once_over_a_line_that_is_cut_twenty_times(world, pool, capsys):
    lines, dice = 30_000, random.Random(3)
    assert pool.submit(double, 1).result() == 2
    first = world.proxy.up.passed
    world.do(world.proxy.up.cut_at, *(first + dice.randrange(1, 350_000) for _ in range(20)))
    told = pool.submit(tell, lines)
    values = pool.map(double, range(2000))
    stream = pool.stream(numbers, 1000)
    assert list(stream) == list(range(1000))
    assert list(values) == [number * 2 for number in range(2000)]
    assert told.result() == lines
    assert capsys.readouterr().out == "".join(f"{n}\n" for n in range(lines))
    assert world.proxy.broken >= 15


def test_a_call_that_ends_in_the_cut_delivers_its_result(world, pool, tmp_path):
    gate = tmp_path / "gate"
    call = pool.submit(until, str(gate), "through")
    wait_for(call.running, "the call runs")
    world.do(world.proxy.refuse)
    world.do(world.proxy.cut)
    gate.touch()
    late = pool.submit(double, 2)
    with pytest.raises(TimeoutError):
        call.result(1.0)  # this is the cut
    world.do(world.proxy.heal)
    assert (call.result(), late.result()) == ("through", 4)


def test_what_is_cancelled_in_a_cut_is_cancelled_there_after_it(world, pool, tmp_path):
    call = pool.submit(until, str(tmp_path / "never"), 1)
    wait_for(call.running, "the call runs")
    world.do(world.proxy.refuse)
    world.do(world.proxy.cut)
    assert call.cancel()
    world.do(world.proxy.heal)
    with pytest.raises(yonder.Cancelled):
        call.result(PATIENCE)
    assert pool.submit(double, 4).result() == 8


# ── who else is there ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_machines_with_a_hub_far_away_are_no_left_overs(world, pool, tmp_path, monkeypatch):
    """Somebody reaps on the machine where an agent lives: its hub has no socket there."""
    assert pool.submit(double, 1).result() == 2
    assert {"agent", "zygote", "executor"} <= {one.role for one in world.processes()}
    owner = world.owner
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert machine.left_over(owner) == []


# ── kill -9 ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_agent_killed_takes_its_workers_along_and_the_next_call_finds_another(world, pool, tmp_path):
    child = pool.submit(leave_a_child, "x").result()
    call = pool.submit(until, str(tmp_path / "never"), 1)
    wait_for(call.running, "the call runs")
    (agent,) = world.processes("agent")
    (worker,) = world.processes("executor")
    os.kill(agent.pid, signal.SIGKILL)
    with pytest.raises(yonder.ExecutorLost, match="signal 9"):
        call.result(PATIENCE)
    assert pool.submit(double, 3).result() == 6
    assert not lives(worker.pid)
    assert not lives(child)


def test_a_worker_killed_costs_its_call_only(world, pool):
    pid, _ = pool.submit(where_am_i).result()
    call = pool.submit(time.sleep, 600)
    wait_for(call.running, "the call runs")
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(yonder.ExecutorLost):
        call.result(PATIENCE)
    assert pool.submit(double, 3).result() == 6
