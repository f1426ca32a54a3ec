"""A plain program whose pool is in containers, on a real engine; and what `yonder ps` and `yonder reap` say when its hub is
killed."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from scripts.engine import Engine
from tests.docker.harbour import Gossip

ROOT = Path(__file__).parents[2]

PROGRAM = """
import json, os, sys, yonder

def where(n):
    print("call", n, flush=True)
    return n, os.getuid(), open("/proc/1/cmdline").read().split("\\0")[3]

def eat():
    return len(bytearray(2_000_000_000))

if __name__ == "__main__":
    with yonder.Pool(backend="docker", image=sys.argv[1], max=2, memory="400MB", preload=[]) as pool:
        found = {"calls": list(pool.map(where, range(4)))}
        try:
            pool.call(eat)
        except yonder.ExecutorLost as error:
            found["lost"] = [error.out_of_memory, error.signal]
        found["again"] = pool.call(where, 7)
        print("FOUND", json.dumps(found), flush=True)
        if sys.argv[2:] == ["stay"]:
            sys.stdin.read()
"""


SURVIVOR = """
import json, sys, time, yonder

def sleep():
    time.sleep(600)

if __name__ == "__main__":
    with yonder.Pool(backend="docker", image=sys.argv[1], max=1, preload=[]) as pool:
        pool.call(len, "x")
        sleeping = pool.submit(sleep)
        while not sleeping.running():
            time.sleep(0.01)
        print("FOUND", json.dumps("up"), flush=True)
        lost = type(sleeping.exception()).__name__
        print("FOUND", json.dumps([lost, pool.call(len, "again")]), flush=True)
"""


class Program:
    """One running program with folders of its own, so that it is an installation of its own. Use as a context."""

    def __init__(self, engine, *arguments, host="", code=PROGRAM):
        self._engine = engine
        self.folder = Path(tempfile.mkdtemp(prefix="yd-"))  # socket paths are short
        self.environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT / "executor"),
            "DOCKER_HOST": host or engine.host,
            "XDG_RUNTIME_DIR": str(self.folder),
            "XDG_STATE_HOME": str(self.folder / "state"),
        }
        file = self.folder / "program.py"
        file.write_text(code)
        self.process = subprocess.Popen(
            [sys.executable, str(file), engine.image, *arguments],
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()
        for note in self.folder.glob("yonder/*/hub.json"):
            self.yonder("reap", "--all", "--owner", json.loads(note.read_text())["owner"])
        shutil.rmtree(self.folder)

    def found(self):
        """What it has found out, and what its executors had printed by then."""
        printed = []
        for line in self.process.stdout:
            if line.startswith("FOUND"):
                return json.loads(line[6:]), printed
            printed.append(line.strip())
        raise AssertionError(f"it ended with {self.process.wait()}; printed: {printed}")

    def yonder(self, *words, cwd=None):
        """The command line, seen from this installation."""
        command = [sys.executable, "-m", "yonder.cli", *words]
        return subprocess.run(
            command, env=self.environment, cwd=cwd, capture_output=True, text=True, timeout=100, check=False
        )

    def hub(self):
        """The pid of its hub, and the owner that it serves."""
        (note,) = self.folder.glob("yonder/*/hub.json")
        found = json.loads(note.read_text())
        return found["pid"], found["owner"]

    def seen(self, owner):
        """What `yonder ps` says of its containers; other programs of this machine are not of interest."""
        rows = [row for row in self.yonder("ps").stdout.splitlines() if owner in row and " container " in row]
        return {"dead" if " dead " in row else "alive" for row in rows}, len(rows)

    async def containers(self):
        """What the engine has of this program, by docker's own client."""
        mark = (self.folder / "state" / "yonder" / "installation").read_text().strip()
        listed = await asyncio.to_thread(
            self._engine.docker, "ps", "--all", "--format", '{{.Names}} {{.Label "dev.yonder.installation"}}'
        )
        return [line.split()[0] for line in listed.splitlines() if mark in line]

    async def emptied(self):
        async with asyncio.timeout(60):
            while await self.containers():  # noqa: ASYNC110 - asked of the engine, from outside
                await asyncio.sleep(0.1)


def test_a_pool_in_containers(engine):
    with Program(engine) as program:
        found, printed = program.found()
        assert program.process.wait(60) == 0
        assert asyncio.run(program.containers()) == []
    assert [one[0] for one in found["calls"]] == [0, 1, 2, 3]
    assert {tuple(one[1:]) for one in found["calls"]} == {(10001, "yonder.agent.remote")}
    assert found["lost"] == [True, 9]
    assert found["again"][0] == 7
    assert sorted(line for line in printed if line.startswith("call")) == [f"call {n}" for n in (0, 1, 2, 3, 7)]


def test_a_program_that_is_killed_leaves_no_container(engine):
    with Program(engine, "stay") as program:
        program.found()
        assert asyncio.run(program.containers())
        program.process.kill()
        asyncio.run(program.emptied())


def test_what_a_killed_hub_left_is_seen_and_reaped(engine):
    with Program(engine, "stay") as program:
        program.found()
        pid, owner = program.hub()
        names = asyncio.run(program.containers())
        assert program.seen(owner) == ({"alive"}, len(names))
        assert "of dead hubs removed" not in program.yonder("reap", "--owner", owner).stdout
        assert asyncio.run(program.containers()) == names

        os.kill(pid, signal.SIGKILL)
        assert program.seen(owner) == ({"dead"}, len(names))
        assert "of dead hubs removed" in program.yonder("reap", "--owner", owner).stdout
        assert asyncio.run(program.containers()) == []


async def test_a_creation_that_is_answered_after_its_hub_died_is_found_and_reaped(engine, tmp_path):
    async with Gossip(engine.host, tmp_path / "line.sock") as line:
        line.hold = b"/containers/create"
        with Program(engine, host=line.host, code=SURVIVOR) as program:  # one executor, so one creation
            await asyncio.wait_for(line.caught.wait(), 60)
            pid, owner = program.hub()
            os.kill(pid, signal.SIGKILL)
            line.released.set()
            async with asyncio.timeout(60):
                while not await program.containers():  # noqa: ASYNC110 - asked of the engine, from outside
                    await asyncio.sleep(0.1)
            assert await asyncio.to_thread(program.seen, owner) == ({"dead"}, 1)
            reaped = await asyncio.to_thread(program.yonder, "reap", "--owner", owner)
            assert "1 container of dead hubs removed" in reaped.stdout
            assert await program.containers() == []


def test_a_daemon_that_is_killed_and_restarted_costs_the_call_and_not_the_pool(engine, own_engine):
    del engine  # made first: a machine without one skips here
    theirs = Engine(own_engine.host)
    with Program(theirs, code=SURVIVOR) as program:
        assert program.found()[0] == "up"
        own_engine.kill()
        own_engine.restart()
        assert program.found()[0] == ["ExecutorLost", 5]
        assert program.process.wait(60) == 0
        assert asyncio.run(program.containers()) == []


def test_the_doctor_looks_at_engine_image_and_network(engine):
    with Program(engine) as program:
        text = f'[tool.yonder.pools.box]\nbackend = "docker"\nimage = "{engine.image}"\n[tool.yonder.session]\nbackend = "docker"\n'
        (program.folder / "pyproject.toml").write_text(text + 'image = "yonder-none:1"\n')
        said = program.yonder("doctor", cwd=program.folder).stdout
    assert "ok      docker engine (pools box, session)" in said
    assert f"ok      docker image (pool box): {engine.image}" in said
    assert "ok      docker network (pools box, session): bridge: executors dial" in said
    assert "broken  docker image (pool session): the engine has no image yonder-none:1" in said


def test_an_engine_that_does_not_answer_is_named(engine):
    with Program(engine) as program:
        program.found()
        program.process.wait(60)
        known = program.folder / "state" / "yonder" / "engines.json"
        known.write_text('[["tcp://127.0.0.1:1", ""]]')
        assert "What runs on tcp://127.0.0.1:1 cannot be seen" in program.yonder("ps").stderr
        reaped = program.yonder("reap", "--owner", "nobody")
        assert reaped.returncode == 1
        assert "tcp://127.0.0.1:1" in reaped.stderr
        known.unlink()
