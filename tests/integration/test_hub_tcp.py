"""`yonder hub`: a real hub in a process of its own, reached over TCP with its key file; what is left is asked of the
process table."""

import asyncio
import contextlib
import os
import secrets
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from tests.integration.cluster import ROOT, Owner, _Memory
from websockets.asyncio.client import connect

from yonder import keyfile, wire
from yonder.backends.local import processes

PATIENCE = 30.0


class TcpHub:
    """A hub in the foreground of this test. `lines` is what it printed."""

    def __init__(self, tmp_path, *more):
        self.name = f"test-{secrets.token_hex(4)}"
        self.owner = f"hub-{self.name}"
        self.file = tmp_path / "hub.json"
        self.lines = []
        command = [sys.executable, "-P", "-m", "yonder.cli", "hub", "--listen", "127.0.0.1", "--name", self.name]
        self._command = [*command, "--key", str(self.file), *more]
        self.memory = _Memory(tmp_path)
        self.process = None

    async def start(self):
        environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'executor'}:{ROOT / 'lsp-server'}"}
        self.process = await asyncio.create_subprocess_exec(*self._command, stdout=subprocess.PIPE, env=environment)
        async with asyncio.timeout(PATIENCE):
            while not self.lines or "key file:" not in self.lines[-1]:
                self.lines.append((await self.process.stdout.readline()).decode())
                assert self.lines[-1], "the hub did not come up"
        self.key = keyfile.read(self.file)

    async def attach(self, *, ident="window", configure=True, linger=1.0):
        connection = await connect(f"wss://{self.key.name}/owner", **self.key.way(), max_size=None, close_timeout=1)
        await connection.send(wire.encode(self.key.hello("owner", ident, resume=len(self.memory.events))))
        welcome = wire.Parser(wire.HubToOwner).message(await connection.recv())
        assert isinstance(welcome, wire.Welcome), welcome
        assert welcome.hub == self.key.name
        owner = Owner(connection, self.memory)
        if configure:
            place = wire.Place(
                python="/laptop/python", core="/laptop/core", folder="/laptop/work", env={"LAPTOP": "yes"}
            )
            await owner.say(wire.Configure(place, [wire.PoolSpec(max=2)], linger, 60.0, 1 << 30))
        return owner

    async def ended(self):
        """Its exit code and the last that it printed, once nothing of it is left."""
        async with asyncio.timeout(PATIENCE):
            rest = (await self.process.stdout.read()).decode()
            code = await self.process.wait()
        assert processes(self.owner) == []
        return code, rest

    async def end(self):
        if self.process is not None and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGTERM)
            await self.ended()


@contextlib.asynccontextmanager
async def a_hub(tmp_path, *more):
    made = TcpHub(tmp_path, *more)
    try:
        await made.start()
        yield made
    finally:
        await made.end()


async def test_code_runs_on_the_hubs_machine_with_its_python_and_the_hub_ends_with_the_window(tmp_path):
    async with a_hub(tmp_path) as hub:
        assert stat.S_IMODE(hub.file.stat().st_mode) == 0o600
        assert str(hub.file) in hub.lines[-1]
        assert hub.key.token not in "".join(hub.lines)
        owner = await hub.attach()
        await owner.run("import os, sys; print(sys.executable, os.getcwd(), os.listdir(), os.environ['LAPTOP'])")
        python, folder, *rest = owner.text("run-1").split()
        assert os.path.realpath(python) == os.path.realpath(sys.executable)
        assert "yonder-hub-" in folder
        assert rest == ["[]", "yes"]
        await owner.run("import yonder\nwith yonder.Pool(max=2) as pool: print(sum(pool.map(abs, range(-5, 5))))")
        assert owner.text("run-2").strip() == "25"
        await owner.hang_up(goodbye=True)
        code, words = await hub.ended()
        assert code == 0
        assert "0 left" in words
        assert not hub.file.exists()
        assert not Path(folder).exists()


async def test_a_run_goes_on_while_the_line_is_cut_and_nothing_is_lost(tmp_path):
    async with a_hub(tmp_path) as hub:
        owner = await hub.attach(linger=0.1)
        go, done = tmp_path / "go", tmp_path / "done"
        code = f"""
            import pathlib, time
            print("begun")
            while not pathlib.Path({str(go)!r}).exists(): time.sleep(0.01)
            for n in range(1000): print(n)
            x = 42
            pathlib.Path({str(done)!r}).touch()
        """
        run = await owner.execute("\n".join(line[12:] for line in code.splitlines()))
        await owner.until(lambda: owner.text(run), "its first line")
        owner.cut()
        go.touch()
        async with asyncio.timeout(PATIENCE):
            while not done.exists():  # noqa: ASYNC110 - the file system sends no events
                await asyncio.sleep(0.02)
        owner = await hub.attach(configure=False)
        assert (await owner.ended(run)).outcome == "ok"
        assert owner.text(run) == "begun\n" + "".join(f"{n}\n" for n in range(1000))
        assert (await owner.run("x")).preview.text == "42"


async def test_a_signal_ends_it_in_order(tmp_path):
    async with a_hub(tmp_path) as hub:
        owner = await hub.attach()
        await owner.running(await owner.execute("import time; time.sleep(600)"))
        hub.process.send_signal(signal.SIGTERM)
        code, words = await hub.ended()
        assert code == 0
        assert "1 executors ended" in words
        assert not hub.file.exists()


async def test_a_second_hub_of_the_same_name_is_refused_and_the_first_stays(tmp_path):
    async with a_hub(tmp_path) as hub:
        second = TcpHub(tmp_path)
        second._command[second._command.index(second.name)] = hub.name
        refused = await asyncio.create_subprocess_exec(
            *second._command, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT / "executor")}
        )
        _, words = await refused.communicate()
        assert refused.returncode == 1
        assert f"a hub named {hub.name} runs here already" in words.decode()
        owner = await hub.attach()
        assert (await owner.run("1 + 1")).preview.text == "2"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--listen", "0.0.0.0:7443"], "say with --reach which one to dial"),
        (["--listen", "203.0.113.7"], "cannot listen on 203.0.113.7"),
        (["--listen", "here:port"], "say HOST or HOST:PORT"),
        (["--listen", "127.0.0.1", "--reach", "h:99999"], "say HOST or HOST:PORT"),
        (["--listen", "127.0.0.1", "--name", "../up"], "letters, digits"),
    ],
    ids=["every", "foreign", "port", "reach", "name"],
)
def test_what_cannot_be_is_said_in_one_sentence(tmp_path, more, words):
    command = [sys.executable, "-P", "-m", "yonder.cli", "hub", "--key", str(tmp_path / "k.json"), *more]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "executor")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=PATIENCE, check=False)
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "k.json").exists()


async def test_the_key_is_not_in_any_list_of_processes(tmp_path):
    async with a_hub(tmp_path) as hub:
        owner = await hub.attach()
        await owner.run("1")
        for one in processes(hub.owner):
            folder = Path(f"/proc/{one.pid}")
            seen = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
            assert hub.key.token.encode() not in seen
            assert b"PRIVATE KEY" not in seen
