"""Who notices which death when executors are containers: a window's hub on this machine, a real engine that is asked what is
left, and somebody who is killed. (The daemon's own death, and creations that are answered too late, are test_docker_backend's;
a plain program's is test_docker_program's.)"""

import asyncio
import contextlib
import os
import signal

from tests.docker.harbour import containers
from tests.integration.cluster import a_cluster

LOST = """
import os, signal, yonder
def die(): os.kill(os.getpid(), signal.SIGKILL)
with yonder.Pool(max=1, concurrency=2) as pool:
    here = pool.call(os.getpid)
    sibling = pool.submit(__import__("time").sleep, 1)
    try:
        pool.call(die)
    except yonder.ExecutorLost as error:
        told = error.signal
    sibling.result()
    again = pool.call(abs, -1)
told, again
"""


async def left(engine, cluster):
    """The containers of this owner, whatever their state, says the engine."""
    return await containers(engine, f"label=dev.yonder.owner={cluster.owner}")


async def emptied(engine, cluster, seconds=60):
    async with asyncio.timeout(seconds):
        while await left(engine, cluster):  # noqa: ASYNC110 - asked of the engine, from outside
            await asyncio.sleep(0.1)


async def test_a_window_that_closes(engine, placed, tmp_path):
    async with a_cluster(tmp_path, **placed) as (cluster, owner):
        await owner.run("1")
        assert len(await left(engine, cluster)) == 1
        await owner.hang_up(goodbye=True)
        await cluster.gone()
        assert await left(engine, cluster) == []


async def test_a_language_server_that_is_killed(engine, placed, tmp_path):
    async with a_cluster(tmp_path, **placed) as (cluster, owner):
        await owner.run("1")
        owner.cut()
        await cluster.gone()
        assert await left(engine, cluster) == []


async def test_a_window_that_vanishes(engine, placed, tmp_path):
    async with a_cluster(tmp_path, silence=1.0, **placed) as (cluster, owner):
        await owner.run("1")
        await cluster.gone()
        assert await left(engine, cluster) == []


async def test_a_hub_that_is_killed_is_outlived_by_its_containers_lease_alone(engine, placed, tmp_path):
    """Nobody sweeps: the agents find that nobody listens where their hub was, and end a minute later."""
    async with a_cluster(tmp_path, silence=600.0, **placed) as (cluster, owner):
        await owner.run("1")
        assert len(await left(engine, cluster)) == 1
        os.kill(cluster.note.pid, signal.SIGKILL)
        with contextlib.suppress(Exception):
            await owner.hang_up()
        await emptied(engine, cluster, 110)


async def test_a_hub_that_is_killed_is_swept_after_by_the_next_one_of_its_owner(engine, placed, tmp_path):
    async with a_cluster(tmp_path, **placed) as (cluster, owner):
        await owner.run("1")
        (before,) = await left(engine, cluster)
        os.kill(cluster.note.pid, signal.SIGKILL)
        with contextlib.suppress(Exception):
            await owner.hang_up()
        cluster.memory.events.clear()
        await cluster.wait_for(lambda: cluster.files.note() is None, "the end of the hub")
        await cluster.start()
        again = await cluster.attach()
        await again.run("2")
        now = await left(engine, cluster)
        assert before not in now
        assert len(now) == 1
        await again.hang_up(goodbye=True)
        await emptied(engine, cluster)


async def test_an_agent_that_is_killed(engine, placed, tmp_path):
    async with a_cluster(tmp_path, **placed) as (cluster, owner):
        run = await owner.execute("import time\ntime.sleep(600)")
        await owner.running(run)
        (container,) = await left(engine, cluster)
        await asyncio.to_thread(engine.docker, "kill", container)
        end = await owner.ended(run)
        assert end.outcome == "lost"
        assert end.report.signal == signal.SIGKILL
        assert (await owner.run("1 + 1")).outcome == "ok"
        assert container not in await left(engine, cluster)


async def test_a_worker_that_is_killed_costs_its_call_alone(engine, placed, tmp_path):
    async with a_cluster(tmp_path, **placed) as (_, owner):
        end = await owner.run(LOST)
        assert (end.outcome, end.preview.short) == ("ok", "(9, 1)")
