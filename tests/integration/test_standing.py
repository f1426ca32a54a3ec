"""Machines that join a hub by themselves: a real hub, executors as processes that were started by hand, a program that
uses them; what is left is asked of the process table."""

import asyncio
import contextlib
import os
import signal
import stat
import subprocess
import sys

import msgspec
import pytest
from tests.integration.cluster import ROOT
from tests.integration.test_hub_tcp import PATIENCE, TcpHub, start, until

from yonder import wire
from yonder.agent.joining import NoInvitationError, take
from yonder.backends.local import processes

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "executor"), "PYTHONUNBUFFERED": "1"}


async def join(place, *more):
    """An executor that was started by hand."""
    command = [sys.executable, "-P", "-m", "yonder.cli", "executor", str(place), "--wait", "10", *more]
    return await asyncio.create_subprocess_exec(
        *command, stderr=subprocess.PIPE, stdin=subprocess.PIPE, env=ENVIRONMENT
    )


async def gone(machine):
    async with asyncio.timeout(PATIENCE):
        _, words = await machine.communicate()
    return machine.returncode, words.decode()


@contextlib.asynccontextmanager
async def a_hub(tmp_path, count):
    folder = tmp_path / "invitations"
    made = TcpHub(tmp_path, "--invite", str(count), "--invitations", str(folder))
    made.invitations = folder
    try:
        await made.start()
        yield made
    finally:
        await made.end()


def below(machine):
    """What the executor's machine runs, the agent itself aside."""
    from yonder.agent.processes import descendants

    return descendants(machine.pid)


WHERE = """
    import os, sys, time, yonder
    def where():
        import subprocess
        subprocess.Popen(["sleep", "600"], start_new_session=True, env={})
        return os.getppid(), os.getpid()
    with yonder.Pool(backend="standing", max=2) as pool:
        print(*pool.call(where))
        sys.stdin.readline()
    print("over")
"""


async def test_a_pool_runs_on_machines_that_came_and_leaves_them_as_they_were(tmp_path):
    async with a_hub(tmp_path, 2) as hub:
        files = sorted(hub.invitations.iterdir())
        assert [stat.S_IMODE(file.stat().st_mode) for file in files] == [0o600, 0o600]
        machine = await join(hub.invitations)
        for _ in range(2):  # two programs, one after the other
            program = await start(tmp_path, WHERE, hub.file, stdin=subprocess.PIPE)
            agent, worker = map(int, (await program.line()).split())
            assert agent == machine.pid
            assert worker in below(machine)
            before = len(below(machine))
            out, err = await program.process.communicate(b"\n")
            assert out.decode().split() == ["over"], err
            assert worker not in below(machine)
            # The worker and the child that it hid are gone, when the program is told so.
            assert len(below(machine)) <= before - 2
        assert len(list(hub.invitations.iterdir())) == 1  # the other one lies there still
        hub.process.terminate()
        assert (await hub.ended())[0] == 0
        code, words = await gone(machine)
        assert (code, below(machine)) == (0, [])
        assert "stopped by the person" in words
        assert not hub.invitations.exists()


async def test_a_boot_waits_for_a_machine_and_takes_it_when_it_comes(tmp_path):
    async with a_hub(tmp_path, 1) as hub:
        program = await start(tmp_path, WHERE, hub.file, stdin=subprocess.PIPE)
        owner = await hub.attach(configure=False)
        await owner.until(
            lambda: [one for one in owner.of(wire.ExecutorChanged) if "waits for one of 1" in one.reason], "the wait"
        )
        machine = await join(hub.invitations)
        assert (await program.line()).split()[0] == str(machine.pid)
        await program.process.communicate(b"\n")


async def test_a_windows_session_may_live_on_a_machine_that_came(tmp_path):
    async with a_hub(tmp_path, 1) as hub:
        machine = await join(hub.invitations)
        owner = await hub.attach(configure=False)
        session = wire.PoolSpec(name="session", backend="standing")
        await owner.say(wire.Configure(wire.Place(), [wire.PoolSpec(), session], 1.0, 60.0, 1 << 30))
        assert (await owner.run("import os; os.getppid()")).preview.text == str(machine.pid)
        assert (await owner.run("x = 20; x + 1")).preview.text == "21"
        await owner.hang_up(goodbye=True)
        assert (await hub.ended())[0] == 0
        assert (await gone(machine))[0] == 0


async def test_an_invitation_that_was_used_lets_nobody_else_in(tmp_path):
    async with a_hub(tmp_path, 1) as hub:
        (file,) = hub.invitations.iterdir()
        stolen = file.read_bytes()
        machine = await join(file)
        program = await start(tmp_path, WHERE, hub.file, stdin=subprocess.PIPE)
        assert await program.line()
        thief = await join("-")
        thief.stdin.write(stolen + b"\n")
        code, words = await gone(thief)
        assert code == 1
        assert "used before" in words
        assert machine.returncode is None
        await program.process.communicate(b"\n")


async def test_a_machine_that_ends_is_invited_again(tmp_path):
    async with a_hub(tmp_path, 1) as hub:
        (file,) = hub.invitations.iterdir()
        first = msgspec.json.decode(file.read_bytes(), type=wire.Invitation)
        machine = await join(file)
        program = await start(tmp_path, WHERE, hub.file, stdin=subprocess.PIPE)
        assert await program.line()
        await program.process.communicate(b"\n")
        machine.send_signal(signal.SIGTERM)
        assert (await gone(machine))[0] == 0
        await until(file.exists)
        again = msgspec.json.decode(file.read_bytes(), type=wire.Invitation)
        assert again.secret != first.secret
        machine = await join(hub.invitations)
        program = await start(tmp_path, WHERE, hub.file, stdin=subprocess.PIPE)
        assert (await program.line()).split()[0] == str(machine.pid)
        await program.process.communicate(b"\n")


async def test_a_hub_without_machines_says_how_they_come(tmp_path):
    made = TcpHub(tmp_path)
    try:
        await made.start()
        program = await start(
            tmp_path,
            """
            import yonder
            with yonder.Pool(backend="standing", max=1) as pool:
                try:
                    pool.call(abs, -1)
                except yonder.BootFailed as error:
                    print(error)
            """,
            made.file,
        )
        code, out = await program.ended()
        assert code == 0, out
        assert "yonder hub --invite" in out
    finally:
        await made.end()


# ── taking an invitation ──────────────────────────────────────────────────────────────────────────────────────────────


def test_of_a_folder_each_takes_another_one_and_nothing_lies_around(tmp_path):
    for number in range(3):
        (tmp_path / f"{number}.invitation").write_text(str(number))
    (tmp_path / "notes.txt").write_text("not one")
    assert [take(tmp_path, 0.0) for _ in range(3)] == [b"0", b"1", b"2"]
    assert [file.name for file in tmp_path.iterdir()] == ["notes.txt"]
    with pytest.raises(NoInvitationError, match="yonder hub --invite"):
        take(tmp_path, 0.0)


async def test_a_file_that_is_no_invitation_is_refused_and_not_quoted(tmp_path):
    file = tmp_path / "odd"
    file.write_text('{"secret": "hush"}')
    code, words = await gone(await join(file))
    assert code == 2
    assert "no invitation" in words
    assert "hush" not in words
    assert not file.exists()


async def test_without_an_invitation_it_says_so(tmp_path):
    machine = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "yonder.cli", "executor", str(tmp_path / "none"), "--wait", "0",
        stderr=subprocess.PIPE, env=ENVIRONMENT,
    )  # fmt: skip
    code, words = await gone(machine)
    assert code == 2
    assert "there is no invitation" in words
    assert processes("nobody") == []
