"""A session in a container, beside an editor's hub: blocks, a look at live objects, an interrupt, a pool inside a block."""

from tests.docker.harbour import containers
from tests.integration.cluster import a_cluster

from yonder import wire


async def test_a_session_in_a_container(engine, placed, tmp_path):
    async with a_cluster(tmp_path, **placed) as (cluster, owner):
        end = await owner.run("import os\nprint('hello')\nos.getuid(), os.environ['MARK']")
        assert (end.outcome, end.preview.short) == ("ok", "(10001, 'seen')")
        assert owner.text(end.run) == "hello\n"
        assert len(await containers(engine, f"label=dev.yonder.owner={cluster.owner}")) == 1

        assert (await owner.run("answer = 42")).outcome == "ok"
        assert (await owner.peek("describe", "answer")).short == "42"

        run = await owner.execute("import time\nwhile True: time.sleep(0.01)")
        await owner.running(run)
        assert (await owner.answer(wire.Interrupt(7, run), wire.Interrupted)).outcome == "interrupted"
        assert (await owner.ended(run)).failure.type == "KeyboardInterrupt"

        end = await owner.run(
            "import yonder\nwith yonder.Pool() as pool: found = list(pool.map(lambda n: (n + answer, os.getpid()), range(3)))\n"
            "[n for n, _ in found]"
        )
        assert (end.outcome, end.preview.short) == ("ok", "[42, 43, 44]")
        await owner.hang_up(goodbye=True)
        await cluster.gone()
        assert await containers(engine, f"label=dev.yonder.owner={cluster.owner}") == []


async def test_phases_of_a_boot_are_seen(engine, placed, tmp_path):
    async with a_cluster(tmp_path, **placed) as (_, owner):
        end = await owner.run("1")
        phases = [one.phase for one in owner.of(wire.Phase, run=end.run)]
        assert phases[:2] == ["queued", "booting"]
        assert phases[-2:] == ["starting", "running"]
        states = [one.state for one in owner.of(wire.ExecutorChanged)]
        assert states[:1] == ["creating"]
        assert "starting" in states
        assert states.index("starting") < states.index("ready")


async def test_a_boot_that_fails_says_why_to_the_person(engine, placed, tmp_path):
    session = wire.PoolSpec(
        name="session", backend="docker", image="yonder-none:1", options={"host": engine.host, "pull": "never"}
    )
    async with a_cluster(tmp_path, linger=1.0, pools=[session]) as (_, owner):
        end = await owner.run("1")
        assert end.outcome != "ok"
        assert "yonder image --tag yonder-none:1" in end.sentence
