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
import textwrap
from pathlib import Path

import msgspec
import pytest
from tests.integration.cluster import ROOT, Owner, _Memory
from tests.links.far import Elsewhere
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

    async def start(self, first=""):
        """`first` is put in front of the path of the hub's Python."""
        environment = {**os.environ, "PYTHONPATH": f"{first}:{ROOT / 'executor'}:{ROOT / 'lsp-server'}"}
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


async def test_the_doctor_dials_the_hub_and_says_what_it_met(tmp_path):
    async def doctor(file):
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "executor"), "YONDER_HUB_FILE": str(file)}
        code = "import pathlib; from yonder.doctor import _hub; print(*_hub(pathlib.Path()))"
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-c", code, stdout=subprocess.PIPE, env=environment, cwd=tmp_path
        )
        return (await process.communicate())[0].decode()

    async with a_hub(tmp_path) as hub:
        assert f"answers at {hub.key.hub}" in await doctor(hub.file)
        other = Elsewhere(tmp_path)
        mistaken = tmp_path / "mistaken.json"
        keyfile.write(mistaken, other.key(hub.key.hub))
        assert "another hub answers" in await doctor(mistaken)
        owner = await hub.attach()
        assert (await owner.run("1")).preview.text == "1"  # nobody minded
    assert "cannot be read" in await doctor(hub.file)


# ── plain programs ────────────────────────────────────────────────────────────────────────────────────────────────────

SHORT = 1.0
"""Seconds that hubs of these tests wait for a program that dropped."""


class Running:
    """A plain program with the key file in its environment, line by line."""

    def __init__(self, process):
        self.process = process

    async def line(self):
        async with asyncio.timeout(PATIENCE):
            return (await self.process.stdout.readline()).decode().rstrip("\n")

    async def ended(self):
        """Its exit code and the rest of what it said."""
        async with asyncio.timeout(PATIENCE):
            out, err = await self.process.communicate()
        return self.process.returncode, (out + err).decode()


async def start(tmp_path, code, file, **more):
    script = tmp_path / "program.py"
    script.write_text(textwrap.dedent(code))
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT / "executor"),
        "YONDER_HUB_FILE": str(file),
        "PYTHONUNBUFFERED": "1",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(script),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        cwd=tmp_path,
        **more,
    )
    return Running(process)


@contextlib.asynccontextmanager
async def a_hub_for_programs(tmp_path):
    folder = tmp_path / "first"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(f"import yonder.hub.guests\nyonder.hub.guests.LINGER = {SHORT}\n")
    made = TcpHub(tmp_path)
    try:
        await made.start(folder)
        yield made
    finally:
        await made.end()


async def until(found):
    async with asyncio.timeout(PATIENCE):
        while not (value := found()):  # noqa: ASYNC110 - the process table sends no events
            await asyncio.sleep(0.02)
    return value


def executors(hub):
    return [one for one in processes(hub.owner) if one.role == "executor"]


async def test_a_program_runs_there_prints_here_and_leaves_nothing(tmp_path):
    async with a_hub_for_programs(tmp_path) as hub:
        program = await start(
            tmp_path,
            """
            import os, yonder
            def where(n):
                print("said there", n)
                return os.getcwd()
            def fail():
                raise KeyError("from there")
            with yonder.Pool(max=2) as pool:
                print("yonder-hub-" in pool.call(where, 7))
                print(sum(pool.map(abs, range(-50, 50))), len(pool.call(bytes, 20_000_000)))
                try:
                    pool.call(fail)
                except KeyError as error:
                    print(error, "in fail" in str(error.__cause__))
            print("over")
            """,
            hub.file,
        )
        code, out = await program.ended()
        assert code == 0, out
        assert out.splitlines() == ["said there 7", "True", "2500 20000000", "'from there' True", "over"]
        assert executors(hub) == []
        assert hub.process.returncode is None  # it waits for the next one


async def test_a_programs_own_modules_are_there_as_it_has_loaded_them(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "words.txt").write_text("some words")
    (tmp_path / "pyproject.toml").write_text('[tool.yonder]\ninclude = ["data/*.txt"]\n')
    (tmp_path / "lazy.py").write_text("value = 7\n")
    (tmp_path / "helper.py").write_text(
        "import enum, os\n"
        "class Colour(enum.Enum):\n    RED = 1\n"
        "def look(colour):\n"
        "    import lazy\n"
        "    words = open(os.path.join(os.path.dirname(__file__), 'data', 'words.txt')).read()\n"
        "    return colour is Colour.RED, lazy.value, words\n"
    )
    async with a_hub_for_programs(tmp_path) as hub:
        program = await start(
            tmp_path,
            """
            import importlib, pathlib, sys, yonder, helper
            sys.dont_write_bytecode = True
            with yonder.Pool(max=1) as pool:
                print(pool.call(helper.look, helper.Colour.RED))
                pathlib.Path("lazy.py").write_text("value = 88")
                import lazy
                print(pool.call(helper.look, helper.Colour.RED)[1])
            """,
            hub.file,
        )
        code, words = await program.ended()
        assert (code, words) == (0, "(True, 7, 'some words')\n88\n")


async def test_a_killed_program_takes_its_executors_with_it_and_no_others(tmp_path):
    async with a_hub_for_programs(tmp_path) as hub:
        code = """
            import os, sys, time, yonder
            pool = yonder.Pool(sys.stdin.readline().strip(), max=1)
            print(pool.call(os.getpid))
            pool.submit(time.sleep, 600)
            print(pool.call(abs, -1) if sys.stdin.readline() else "")
        """
        programs = []
        for name in ("one", "other"):
            program = await start(tmp_path, code, hub.file, stdin=subprocess.PIPE)
            program.process.stdin.write(name.encode() + b"\n")
            programs.append((program, int(await program.line())))
        (killed, _), (lives, pid) = programs
        assert len(executors(hub)) == 2
        killed.process.kill()
        await killed.ended()
        await until(lambda: [one.pid for one in executors(hub)] == [pid])
        lives.process.kill()
        await lives.ended()
        await until(lambda: executors(hub) == [])


async def test_a_hub_that_is_killed_is_an_error_at_the_call(tmp_path):
    async with a_hub_for_programs(tmp_path) as hub:
        program = await start(
            tmp_path,
            """
            import time, yonder, yonder.uplink
            yonder.uplink.GIVE_UP = 1.0
            with yonder.Pool(max=1) as pool:
                pool.call(abs, -1)
                waiting = pool.submit(time.sleep, 600)
                print("ready")
                try:
                    waiting.result()
                except yonder.YonderError as error:
                    print(type(error).__name__, error)
            """,
            hub.file,
        )
        assert await program.line() == "ready"
        hub.process.kill()
        code, out = await program.ended()
        assert code == 0, out
        assert "could not be reached for 1 s" in out
        await until(lambda: processes(hub.owner) == [])
        await hub.process.wait()


async def test_a_hub_that_ends_in_order_is_an_error_at_the_call_at_once(tmp_path):
    async with a_hub_for_programs(tmp_path) as hub:
        program = await start(
            tmp_path,
            """
            import time, yonder
            with yonder.Pool(max=1) as pool:
                waiting = pool.submit(time.sleep, 600)
                pool.submit(print, "ready")
                print("ready")
                try:
                    waiting.result()
                except yonder.YonderError as error:
                    print("error")
            """,
            hub.file,
        )
        assert await program.line() == "ready"
        await until(lambda: executors(hub))
        hub.process.terminate()
        code, out = await program.ended()
        assert code == 0, out
        assert "error" in out
        assert (await hub.ended())[0] == 0


@pytest.mark.parametrize(
    ("break_", "words"),
    [
        (lambda file: file.unlink(), "cannot be read"),
        (lambda file: file.chmod(0o644), "chmod 600"),
        (lambda file: file.write_text("{}"), "no key file"),
        (lambda file: None, "does not answer"),
    ],
    ids=["missing", "open", "nonsense", "dead"],
)
async def test_a_program_with_a_useless_key_file_says_so_in_one_sentence(tmp_path, break_, words):
    file = tmp_path / "hub.json"
    hub = Elsewhere(tmp_path)
    keyfile.write(file, hub.key("127.0.0.1:1"))
    break_(file)
    code = """
        import yonder, yonder.uplink
        yonder.uplink.FIRST_WITHIN = 0.5
        try:
            yonder.Pool()
        except yonder.CannotRun as error:
            print(error)
    """
    program = await start(tmp_path, code, file)
    status, out = await program.ended()
    assert status == 0, out
    assert words in out
    assert len(out.splitlines()) == 1


async def test_a_program_of_another_python_is_told_before_it_sends_anything(tmp_path):
    async with a_hub_for_programs(tmp_path) as hub:
        file = tmp_path / "other.json"
        keyfile.write(file, msgspec.structs.replace(hub.key, python="3.99"))
        program = await start(
            tmp_path,
            """
            import yonder
            try:
                yonder.Pool()
            except yonder.CannotRun as error:
                print(error)
            """,
            file,
        )
        status, out = await program.ended()
        assert status == 0, out
        assert "Run it with python3.99" in out


async def test_a_strategy_of_ones_own_does_not_travel_to_a_hub_elsewhere(tmp_path):
    program = await start(
        tmp_path,
        """
        import yonder
        class Mine:
            spreads = False
            def count(self, demand, bounds): return 1
            def why(self, demand, bounds): return ""
        try:
            yonder.Pool(strategy=Mine())
        except yonder.UsageError as error:
            print(error)
        """,
        tmp_path / "none.json",
    )
    status, out = await program.ended()
    assert status == 0, out
    assert "runs no code of yours" in out


async def test_a_window_and_a_program_share_a_hub_and_each_hears_its_own(tmp_path):
    async with a_hub_for_programs(tmp_path) as hub:
        owner = await hub.attach(linger=0.2)
        assert (await owner.run("1 + 1")).preview.text == "2"
        program = await start(
            tmp_path,
            """
            import sys, yonder
            with yonder.Pool("mine", max=1) as pool:
                pool.call(print, "for the program")
                print("ready")
                sys.stdin.readline()
                print(pool.call(abs, -3))
            """,
            hub.file,
            stdin=subprocess.PIPE,
        )
        assert [await program.line(), await program.line()] == ["for the program", "ready"]
        assert "for the program" not in "".join(one.text for one in owner.of(wire.Output))
        await owner.hang_up(goodbye=True)
        await asyncio.sleep(0.5)  # longer than the linger: the program keeps the hub
        out, _ = await program.process.communicate(b"\n")
        assert out.decode().split() == ["3"]
        assert (await hub.ended())[0] == 0
