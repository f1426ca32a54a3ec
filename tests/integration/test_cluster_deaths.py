"""Kill things, one after the other, and ask the process table what is left. The table of belts in ARCHITECTURE.md
points here."""

import asyncio
import os
import signal
import subprocess
import sys

import pytest
from tests.integration.cluster import ROOT, a_cluster

from yonder import wire

BUSY = "import time\nwhile not globals().get('enough'): time.sleep(0.01)"

STOPPED = 30.0
"""Seconds: longer than any time after which somebody is taken for dead on one machine."""

GRANDCHILD = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
child.pid
"""


async def busy(owner):
    run = await owner.execute(BUSY)
    await owner.running(run)
    return run


async def test_orderly_goodbye_lets_work_go_on_and_then_ends_everything(tmp_path):
    async with a_cluster(tmp_path, linger=0.5) as (cluster, owner):
        await busy(owner)
        assert cluster.processes("executor")
        await owner.hang_up(goodbye=True)
        await cluster.gone()
        assert "the window was closed" in cluster.log()
        assert {file.name for file in cluster.files.path.iterdir()} == {"hub.log"}  # no secret, no socket


async def test_a_reload_within_the_linger_finds_session_and_running_cell(tmp_path):
    async with a_cluster(tmp_path, linger=60) as (cluster, owner):
        await owner.run("kept = 41")
        run = await busy(owner)
        before = {one.pid for one in cluster.processes("executor")}
        await owner.hang_up(goodbye=True)
        owner = await cluster.attach()
        await owner.answer(wire.Interrupt(1, run), wire.Interrupted)
        assert (await owner.ended(run)).outcome == "cancelled"
        assert (await owner.run("kept + 1")).preview.short == "42"
        assert before <= {one.pid for one in cluster.processes("executor")}


async def test_output_made_while_nobody_listens_is_delivered_after_the_reload(tmp_path):
    code = "import time\nfor n in range(400):\n    print(n)\n    time.sleep(0.002)\n'end'"
    async with a_cluster(tmp_path, linger=60) as (cluster, owner):
        run = await owner.execute(code)
        await owner.until(lambda: owner.text(run), "first lines")
        owner.cut()
        await cluster.wait_for(lambda: "connection ended" in cluster.log(), "the hub sees the cut")
        owner = await cluster.attach()
        assert (await owner.ended(run)).preview.short == "'end'"
        assert owner.text(run) == "".join(f"{n}\n" for n in range(400))


async def test_a_reloaded_window_is_asked_again_what_nobody_has_answered(tmp_path):
    async with a_cluster(tmp_path, linger=60) as (cluster, owner):
        run = await owner.execute("input('name? ')")
        await owner.until(lambda: owner.of(wire.InputWanted, run=run), "the question")
        await owner.hang_up(goodbye=True)
        owner = await cluster.attach()
        _, again = await owner.until(
            lambda: len(owner.of(wire.InputWanted, run=run)) == 2 and owner.of(wire.InputWanted, run=run), "it again"
        )
        await owner.say(wire.AnswerInput(again.id, "ada"))
        assert (await owner.ended(run)).preview.short == "'ada'"
        assert owner.of(wire.InputOver, id=again.id)


async def test_a_vanished_window_ends_after_the_silence_though_the_server_lives(tmp_path):
    async with a_cluster(tmp_path, silence=1.0, linger=600) as (cluster, owner):
        run = await owner.execute(BUSY)
        ended = await owner.ended(run)
        assert ended.outcome == "lost"
        assert "was not heard of" in ended.sentence
        await cluster.gone()
        assert "was not heard of" in cluster.log()


async def test_heartbeats_of_the_window_keep_it(tmp_path):
    async with a_cluster(tmp_path, silence=4.0, linger=0.2) as (cluster, owner):
        await owner.run("1")
        for _ in range(20):
            await owner.say(wire.WindowAlive())
            await asyncio.sleep(0.3)  # the thing tested is a clock of another process
        assert cluster.processes("executor")
        await owner.hang_up()
        await cluster.gone()


async def test_a_killed_worker_ends_its_run_in_words_and_the_next_run_has_a_fresh_session(tmp_path):
    async with a_cluster(tmp_path) as (cluster, owner):
        pid = int((await owner.run("import os; os.getpid()")).preview.short)
        run = await busy(owner)
        cluster.kill(pid)
        ended = await owner.ended(run)
        assert ended.outcome == "lost"
        assert ended.report.signal == signal.SIGKILL
        assert "SIGKILL" in ended.sentence
        assert "variables are gone" in ended.sentence
        assert (await owner.run("'pid' in globals(), 1")).preview.short == "(False, 1)"
        notes = [one.note for one in owner.of(wire.SessionChanged) if one.note]
        assert any("fresh session" in note for note in notes)


async def test_a_crash_in_c_names_the_signal_and_shows_the_last_words(tmp_path):
    async with a_cluster(tmp_path) as (_, owner):
        ended = await owner.run("import ctypes, sys; print('last words', file=sys.stderr); ctypes.string_at(0)")
        assert ended.outcome == "lost"
        assert "SIGSEGV" in ended.sentence
        assert "last words" in owner.text(ended.run)
        assert "most recent call first" in ended.report.stderr


async def test_exit_of_the_process_names_the_code(tmp_path):
    async with a_cluster(tmp_path) as (_, owner):
        ended = await owner.run("import os; os._exit(3)")
        assert (ended.outcome, ended.report.code) == ("lost", 3)
        assert "exit code 3" in ended.sentence


async def test_a_killed_executor_is_an_exception_at_the_call_and_nothing_else(tmp_path):
    code = """
import os, signal, yonder
def fatal(n):
    if n == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return n
with yonder.Pool(max=2) as pool:
    futures = [pool.submit(fatal, n) for n in range(4)]
    ends = []
    for future in futures:
        try:
            ends.append(future.result())
        except yonder.ExecutorLost as lost:
            ends.append((lost.signal, "SIGKILL" in str(lost)))
ends
"""
    async with a_cluster(tmp_path) as (_, owner):
        ended = await owner.run(code)
        assert ended.preview.text == "[0, (9, True), 2, 3]", ended.failure


async def test_a_killed_hub_takes_everything_with_it(tmp_path):
    async with a_cluster(tmp_path) as (cluster, owner):
        await owner.run(GRANDCHILD)
        await busy(owner)
        assert cluster.processes("child")
        cluster.kill(cluster.note.pid)
        await cluster.wait_for(lambda: not cluster.processes(), "agent, zygote, workers and children to end")


async def test_a_killed_agent_takes_its_workers_and_the_next_run_starts_anew(tmp_path):
    async with a_cluster(tmp_path) as (cluster, owner):
        await owner.run(GRANDCHILD)
        run = await busy(owner)
        (agent,) = cluster.processes("agent")
        old = {one.pid for one in cluster.processes("executor", "child")}
        assert len(old) >= 2
        cluster.kill(agent.pid)
        assert (await owner.ended(run)).outcome == "lost"
        assert (await owner.run("1 + 1")).preview.short == "2"
        await cluster.wait_for(
            lambda: not old & {one.pid for one in cluster.processes()}, "the old workers and their children to end"
        )


async def test_a_killed_zygote_costs_nobody_anything(tmp_path):
    async with a_cluster(tmp_path) as (cluster, owner):
        await owner.run("x = 5")
        (zygote,) = cluster.processes("zygote")
        cluster.kill(zygote.pid)
        assert (await owner.run("x")).preview.short == "5"
        code = "import yonder\nwith yonder.Pool() as pool:\n    n = pool.call(abs, -7)\nn"
        assert (await owner.run(code)).preview.short == "7"


async def test_hub_and_agent_killed_at_once_leave_only_what_reap_finds(tmp_path):
    async with a_cluster(tmp_path) as (cluster, owner):
        await owner.run(GRANDCHILD)
        (agent,) = cluster.processes("agent")
        cluster.kill(agent.pid, signal.SIGSTOP)  # it may not act between the two kills
        cluster.kill(cluster.note.pid)
        cluster.kill(agent.pid)
        await cluster.wait_for(lambda: not cluster.processes("agent", "zygote", "executor"), "the workers to end")
        command = [sys.executable, "-m", "yonder.cli", "reap", "--owner", cluster.owner]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "executor")}
        await asyncio.to_thread(subprocess.run, command, check=True, env=environment, stdout=subprocess.DEVNULL)
        assert cluster.processes() == []


async def test_a_setsid_child_of_user_code_ends_with_its_session(tmp_path):
    async with a_cluster(tmp_path) as (cluster, owner):
        pid = int((await owner.run(GRANDCHILD)).preview.short)
        assert pid in {one.pid for one in cluster.processes("child")}
        await owner.say(wire.RestartSession("main"))
        await cluster.wait_for(lambda: pid not in {one.pid for one in cluster.processes()}, "the grandchild to end")


async def test_a_stopped_hub_that_goes_on_has_lost_nobody(tmp_path):
    async with a_cluster(tmp_path, silence=3.0, linger=3.0) as (cluster, owner):
        await owner.run("x = 1")
        cluster.kill(cluster.note.pid, signal.SIGSTOP)
        await asyncio.sleep(9)  # longer than clocks and the five seconds that count as a pause
        cluster.kill(cluster.note.pid, signal.SIGCONT)
        await owner.say(wire.WindowAlive())
        assert (await owner.run("x")).preview.short == "1"


@pytest.mark.parametrize("moment", ["booting", "running"])
async def test_a_server_that_dies_at_any_moment_and_comes_back_finds_its_run(tmp_path, moment):
    async with a_cluster(tmp_path, linger=60) as (cluster, owner):
        run = await owner.execute("import time; time.sleep(0.3); 'done'")
        await owner.until(lambda: owner.of(wire.Phase, run=run, phase=moment), moment)
        owner.cut()
        owner = await cluster.attach()
        assert (await owner.ended(run)).preview.short == "'done'"


async def test_a_session_that_never_comes_up_is_an_error_in_words(tmp_path):
    pools = [wire.PoolSpec(max=2), wire.PoolSpec(name="session", boot_timeout=5.0)]
    async with a_cluster(tmp_path, pools=pools) as (cluster, owner):
        await owner.run("1")
        for zygote in cluster.processes("zygote"):
            cluster.kill(zygote.pid, signal.SIGSTOP)
        ended = await owner.run("1", session="another")
        assert ended.outcome == "lost"
        assert "was not ready within 5 s: " in ended.sentence
        assert (await owner.run("2")).preview.short == "2"


async def test_a_python_that_does_not_exist_is_an_error_in_words(tmp_path):
    async with a_cluster(tmp_path, python=str(tmp_path / "no-python")) as (_, owner):
        ended = await owner.run("1")
        assert ended.outcome == "lost"
        assert "no-python" in ended.sentence


async def test_a_python_without_the_core_is_an_error_in_words(tmp_path):
    bare = tmp_path / "python"
    bare.write_text("#!/bin/sh\necho 'no module named yonder' >&2\nexit 1\n")
    bare.chmod(0o755)
    async with a_cluster(tmp_path, python=str(bare)) as (_, owner):
        ended = await owner.run("1")
        assert ended.outcome == "lost"
        assert "no module named yonder" in ended.sentence


async def test_a_backend_that_meets_the_unexpected_is_an_error_in_words(tmp_path):
    async with a_cluster(tmp_path) as (cluster, owner):
        place = wire.Place(python=sys.executable, core=str(ROOT / "executor"), folder=str(tmp_path), env={"A": "\0"})
        await owner.say(wire.Configure(place, cluster.pools, 1.0, 60.0, 1 << 30))
        ended = await owner.run("1")
        assert ended.outcome == "lost"
        assert "null byte" in ended.sentence


async def test_the_silence_ends_everything_and_starts_nothing(tmp_path):
    """A pool that keeps executors must not put new ones in the place of those that are ended."""
    pools = [wire.PoolSpec(name="kept", min=1)]
    async with a_cluster(tmp_path, silence=4.0, pools=pools) as (cluster, owner):
        await owner.run("import yonder\nwith yonder.Pool('kept') as pool:\n    pool.call(abs, 1)")
        await cluster.gone()
        assert len({one.executor for one in owner.of(wire.ExecutorChanged, pool="kept")}) == 1


async def test_a_hub_that_is_stopped_for_half_a_minute_has_lost_nobody_when_it_goes_on(tmp_path):
    """No clock may take the pause for a silence: not the hub's for its owner, not the agent's for the hub. Linger and
    silence are shorter than the pause, and an owner that was cut off meanwhile finds everything as it was."""
    pools = [wire.PoolSpec(max=2, idle_timeout=600)]
    async with a_cluster(tmp_path, linger=2.0, silence=20.0, pools=pools) as (cluster, owner):
        await owner.run("import os, time, yonder\npool = yonder.Pool(max=1)\npool.call(abs, -1)\npid = os.getpid()")
        lines = "for n in range(150):\n    print(n, flush=True)\n    time.sleep(0.2)\nprint(pool.call(abs, -7))"
        run = await owner.execute(lines)
        await owner.until(lambda: "3\n" in owner.text(run), "its first lines")
        before = {(one.pid, one.started) for one in cluster.processes()}
        cluster.kill(cluster.note.pid, signal.SIGSTOP)
        owner.cut()
        await asyncio.sleep(STOPPED)
        cluster.kill(cluster.note.pid, signal.SIGCONT)
        owner = await cluster.attach()
        assert (await owner.ended(run)).outcome == "ok"
        assert owner.text(run) == "".join(f"{n}\n" for n in [*range(150), 7])
        assert {(one.pid, one.started) for one in cluster.processes()} == before
        await owner.hang_up(goodbye=True)
        await cluster.gone()
