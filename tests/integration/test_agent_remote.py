"""The agent on another machine, as a real process behind the real gate and a line that breaks."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from tests.integration.agent_hub import CORE
from tests.integration.remote_hub import a_remote_hub, living_remote_hub

from yonder import payload, wire
from yonder.agent import processes


@pytest.fixture
async def hub():
    async with living_remote_hub() as found:
        yield found


def _alive(pid):
    return _fields(pid)[0] not in "ZX"


def _fields(pid):
    """State and parent, first of all."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ["X", "0"]


async def _break(hub):
    """Nobody is connected, and nobody will be until `heal`."""
    await hub.proxy.refuse()
    hub.proxy.cut()


async def _waits_to_print(hub, worker):
    """Wait until the worker stands still in a write to its full pipe: whenever it is looked at, twenty times."""
    looks = []

    def still():
        looks.append(Path(f"/proc/{hub.pid(worker)}/wchan").read_text())
        return all("pipe_write" in look for look in looks[-20:]) and len(looks) >= 20

    await hub.poll(still, lambda: f"it does not wait: {looks[-20:]}")


# ── work ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_call_runs_there_and_its_output_comes_back(hub):
    def speaks(n):
        print("x" * n)
        return n

    worker = await hub.worker("pool")
    done = await hub.call(worker, speaks, 200_000)
    assert payload.unpack(done.body) == 200_000
    assert await hub.all_output(done) == "x" * 200_000 + "\n"
    assert hub.peers["control", worker].open
    assert not hub.trouble


async def test_large_values_travel_both_ways(hub):
    def twice(data):
        return data + data

    worker = await hub.worker("pool")
    data = os.urandom(20_000_000)
    done = await hub.call(worker, twice, data)
    assert payload.unpack(done.body) == data + data


async def test_a_program_in_a_worker_reaches_the_hub_as_a_client(hub):
    def says_hello():
        import socket

        from yonder import seat, wire

        here = seat.current()
        with socket.socket(socket.AF_UNIX) as dialled:
            dialled.connect(here.hub)
            hello = wire.Hello(version=wire.VERSION, package="0", role="client", token=here.token, id=here.worker)
            dialled.sendall(wire.frames(hello))
            return next(iter(wire.Parser(wire.HubToClient).feed(dialled.recv(65536)))).hub

    worker = await hub.worker("pool")
    assert payload.unpack((await hub.call(worker, says_hello)).body) == "fake"
    assert hub.peers["client", worker].hello.pid == 0
    await hub.until(lambda: not hub.peers["client", worker].open, "its end")


async def test_workers_know_nothing_of_the_invitation(hub):
    worker = await hub.worker()
    environ = (
        Path(f"/proc/{hub.pid(worker)}/environ").read_bytes() + Path(f"/proc/{hub.process.pid}/environ").read_bytes()
    )
    lines = Path(f"/proc/{hub.process.pid}/cmdline").read_bytes()
    invitation = hub.invitation
    for secret in (invitation.secret, invitation.lane, invitation.key.splitlines()[1]):
        assert secret.encode() not in environ + lines
        assert secret not in hub.log.read_text()
    done = await hub.block(worker, "import os; os.readlink('/proc/self/fd/0')")
    assert done.preview.short == "'/dev/null'"


NOBODY = {"user": 65534, "group": 65534, "extra_groups": []}


def _nobody_runs_python():
    command = [sys.executable, "-P", "-c", "import yonder"]
    try:
        subprocess.run(command, check=True, capture_output=True, env={"PYTHONPATH": CORE}, **NOBODY)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


async def test_workers_cannot_read_the_agents_memory():
    """As a user without privileges, which root's processes are not."""

    def tries(pid):
        import pathlib

        found = []
        for file in (f"/proc/{pid}/mem", f"/proc/{pid}/environ", "/proc/self/mem"):
            try:
                pathlib.Path(file).open("rb").close()
                found.append("open")
            except PermissionError:
                found.append("refused")
        return found

    if os.getuid() != 0 or not _nobody_runs_python():
        pytest.skip("only root can start it as another user, where that one may read this checkout")
    async with a_remote_hub() as hub:
        await hub.invite()
        await hub.launch(**NOBODY, env={"TMPDIR": "/tmp"})
        await hub.until(lambda: ("agent", hub.name) in hub.peers, "the agent's hello")
        worker = await hub.worker("pool", folder="")
        done = await hub.call(worker, tries, hub.process.pid)
        assert payload.unpack(done.body) == ["refused", "refused", "open"]
        hub.agent.say(wire.Preload(["json.tool"]))  # another zygote can be started all the same
        await hub.first(wire.Preloaded, modules=["json.tool"])
        await hub.close()


# ── breaks ────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_what_is_printed_and_returned_while_the_link_is_cut_arrives_once(hub):
    def speaks(folder):
        import pathlib
        import time

        print("begun")
        while not pathlib.Path(folder, "go").exists():
            time.sleep(0.01)
        for n in range(20_000):
            print(n, "x" * 6)
        pathlib.Path(folder, "printed").touch()
        return "whole"

    worker = await hub.worker("pool")
    task = hub.call_later(worker, speaks, str(hub.folder))
    await hub.until(lambda: "begun" in hub.output(task), "the first line")
    await _break(hub)
    (hub.folder / "go").touch()
    await hub.poll((hub.folder / "printed").exists, lambda: "it does not go on")
    before = hub.proxy.accepted
    assert not hub.find(wire.Done)
    await hub.proxy.heal()
    done = await hub.first(wire.Done, task=task)
    lines = (await hub.all_output(done)).splitlines()
    assert lines == ["begun", *(f"{n} xxxxxx" for n in range(20_000))]
    assert payload.unpack(done.body) == "whole"
    assert hub.proxy.accepted == before + 2
    assert not hub.trouble


async def test_who_prints_more_than_is_kept_waits_until_the_link_is_back(hub):
    def floods():
        for n in range(400_000):
            print(f"{n:050d}")
        return "whole"

    worker = await hub.worker("pool")
    other = await hub.worker("pool")
    task = hub.call_later(worker, floods)
    await hub.until(lambda: bool(hub.output(task)), "the first lines")
    await _break(hub)
    await _waits_to_print(hub, worker)
    await hub.proxy.heal()
    done = await hub.first(wire.Done, task=task)
    assert [int(line) for line in (await hub.all_output(done)).split()] == list(range(400_000))
    assert payload.unpack((await hub.call(other, len, "four")).body) == 4


async def test_a_link_that_breaks_at_any_byte_loses_and_doubles_nothing(hub):
    """Also in the middle of a TLS handshake and of a hello."""

    def speaks(n):
        print(f"line {n}")
        return bytes([n % 256]) * 10_000

    worker = await hub.worker("pool")
    way = hub.proxy.up
    way.cut_at(*(way.passed + n * 7919 for n in range(1, 11)))
    down = hub.proxy.down
    down.cut_at(*(down.passed + n * 977 for n in range(1, 6)))
    tasks = []
    for n in range(40):
        tasks.append(hub.call_later(worker, speaks, n))
        done = await hub.first(wire.Done, task=tasks[-1])
        assert payload.unpack(done.body) == bytes([n]) * 10_000
        assert await hub.all_output(done) == f"line {n}\n"
    assert len(hub.find(wire.Done)) == 40
    assert hub.proxy.broken >= 10
    assert not hub.trouble


async def test_an_interrupt_that_is_asked_for_during_a_cut_comes_after_it(hub):
    worker = await hub.worker()
    task = hub.start(worker, "print('on', flush=True)\nwhile True: pass")
    await hub.until(lambda: "on" in hub.output(task), "the loop")
    await _break(hub)
    hub.peers["control", worker].say(wire.Raise(task))
    await hub.proxy.heal()
    assert (await hub.first(wire.Raised, task=task)).outcome == "interrupted"
    assert (await hub.first(wire.BlockDone, task=task)).failure.type == "KeyboardInterrupt"


# ── ends ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def _busy(hub):
    """Two workers, one of them in a call, and children of user code; the pids of all."""
    worker, other = [await hub.worker() for _ in range(2)]
    done = await hub.block(
        worker,
        "import subprocess\nchild = subprocess.Popen(['sleep', '1000'], start_new_session=True)\n"
        "forked = subprocess.Popen(['sleep', '1000'])\n(child.pid, forked.pid)",
    )
    task = hub.start(other, "print('on', flush=True)\nwhile True: pass")
    await hub.until(lambda: "on" in hub.output(task), "the loop")
    return [int(word) for word in done.preview.text.strip("()").split(",")] + hub.left()


async def _nothing_left(hub, pids):
    await hub.gone()
    assert not any(map(_alive, pids))
    assert not list(hub.temporary.iterdir())


@pytest.mark.parametrize("how", ["exit", "SIGTERM", "silence"])
async def test_nothing_is_left_when_the_agent_ends(how):
    async with a_remote_hub() as hub:
        await hub.open(**({"silence": 3.0} if how == "silence" else {}))
        pids = await _busy(hub)
        if how == "exit":
            hub.agent.say(wire.AgentExit("the test is over"))
        elif how == "SIGTERM":
            hub.process.send_signal(signal.SIGTERM)
        else:
            await _break(hub)
        code, words = await hub.ended()
        said = {
            "exit": (0, "the test is over"),
            "SIGTERM": (0, "signal 15"),
            "silence": (0, r"nothing was heard of the hub for 3 s \(127.0.0.1:\d+: .*refused|reset"),
        }[how]
        assert code == said[0]
        assert re.search(said[1], words), words
        await _nothing_left(hub, pids)


async def test_an_agent_ends_though_nobody_is_left_to_hear_its_last_words():
    async with a_remote_hub() as hub:
        await hub.open(around=("bash", "-c", 'exec "$@" 2> >(exit 0)', "bash"))
        pids = await _busy(hub)
        hub.process.send_signal(signal.SIGTERM)
        code, _ = await hub.ended()
        assert code == 0
        await _nothing_left(hub, pids)


async def test_an_agent_whose_key_was_used_by_somebody_else_ends(hub):
    """Either it or a thief holds the next key; the one without is refused."""
    hub.gate._admission.withdraw(hub.name)  # as if every key that it may have was spent
    hub.proxy.cut()
    code, words = await hub.ended()
    assert code == 1
    assert f"the hub at {hub.invitation.hub} refused this executor: this key was used before" in words
    assert hub.invitation.secret not in words


async def test_workers_and_zygote_die_with_an_agent_that_was_killed(hub):
    worker = await hub.worker()
    known = [pid for pid in hub.left() if pid != hub.process.pid]
    assert hub.pid(worker) in known
    hub.process.kill()
    await hub.process.wait()
    await hub.poll(lambda: not any(map(_alive, known)), lambda: f"left: {known}")


async def test_the_zygote_may_die_under_a_session(hub):
    worker = await hub.worker()
    await hub.block(worker, "kept = 1")
    (zygote,) = [pid for pid in hub.left() if pid not in (hub.process.pid, hub.pid(worker))]
    os.kill(zygote, signal.SIGKILL)
    assert (await hub.block(worker, "kept + 1")).preview.short == "2"
    assert (await hub.block(await hub.worker(), "'born of another'")).preview.short == "'born of another'"


@pytest.mark.parametrize("how", ["nobody listens", "silence"])
async def test_an_agent_that_is_never_let_in_ends(how):
    async with a_remote_hub() as hub:
        await hub.invite(reach=1.0)
        if how == "silence":
            hub.proxy.deaf()
        else:
            await hub.proxy.refuse()
        await hub.launch()
        code, words = await hub.ended()
        assert code == 0
        assert "the hub did not let it in within 1 s" in words
        assert ("refused" in words) == (how == "nobody listens")
        await hub.gone()


async def test_an_agent_ends_when_its_lifetime_is_over():
    async with a_remote_hub() as hub:
        await hub.open(lifetime=1.5)
        code, words = await hub.ended()
        assert (code, "its lifetime of 1.5 s is over" in words) == (0, True)
        await hub.gone()


async def test_another_hub_under_the_same_address_is_not_spoken_to():
    """Its certificate is not of the invitation's authority; the agent goes on looking for its own, to the end of its
    lease."""
    async with a_remote_hub() as other, a_remote_hub() as hub:
        await other.invite()
        await hub.invite(reach=1.0)
        hub.proxy.target = other.proxy.target
        await hub.launch()
        _, words = await hub.ended()
        assert "certificate verify failed" in words
        assert not other.peers


# ── invitations ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"hello",
        b"{}",
        b"[1, 2]",
        b'{"version": 1, "package": "0", "secret": "sesame"}',
        b"\xff\xfe",
        b"x" * 70_000,
    ],
    ids=["nothing", "word", "empty", "list", "half", "binary", "long"],
)
async def test_what_is_no_invitation_is_refused_in_words(line):
    async with a_remote_hub() as hub:
        await hub.launch(line)
        code, words = await hub.ended()
        assert code == 2
        assert words.startswith("yonder agent: what came on stdin is")
        assert words.count("\n") == 1
        assert "sesame" not in words


async def test_an_invitation_of_another_version_is_refused_in_words():
    async with a_remote_hub() as hub:
        await hub.launch(b'{"version": 999, "package": "9.9.9", "whatever": ["it", "says"]}')
        code, words = await hub.ended()
        assert code == 3
        assert "this side is yonder 0.1.0, the hub is yonder 9.9.9" in words


async def test_a_hub_of_another_version_refuses_in_words(monkeypatch):
    async with a_remote_hub() as hub:
        await hub.invite()
        monkeypatch.setattr(wire, "VERSION", 999)
        await hub.launch()
        code, words = await hub.ended()
        assert code == 3
        assert "version mismatch: this side is yonder 0.1.0" in words
        await hub.gone()


async def test_an_invitation_may_end_without_a_newline():
    async with a_remote_hub() as hub:
        await hub.invite(reach=0.0)
        await hub.launch(msgspec.json.encode(hub.invitation).rstrip())
        assert "did not let it in" in (await hub.ended())[1]
        assert not processes.marked("YONDER_OWNER", [hub.owner])


# ── as the first process of a container ───────────────────────────────────────────────────────────────────────────────

CONTAINED = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]


def _can_contain():
    return (
        shutil.which("unshare")
        and not subprocess.run([*CONTAINED, "true"], capture_output=True, check=False).returncode
    )


@pytest.fixture
async def contained():
    """The hub of an agent that has number 1 in a process table of its own."""
    if not _can_contain():
        pytest.skip("no process namespaces here (they need root and unshare)")
    async with living_remote_hub(around=CONTAINED) as found:
        yield found


def _first(hub):
    """The agent's number outside."""
    (found,) = [pid for pid in hub.left() if _fields(pid)[1] == str(hub.process.pid)]
    return found


def _zombies(parent):
    return [pid for pid in processes.all_pids() if _fields(pid)[:2] == ["Z", str(parent)]]


async def test_the_first_process_reaps_every_orphan(contained):
    worker = await contained.worker()
    assert contained.agent.hello.pid == 1
    code = "import subprocess\nfor _ in range(5): subprocess.run(['sh', '-c', 'sleep 0 & sleep 0 & exit 0'])"
    assert (await contained.block(worker, code)).failure is None

    first = _first(contained)
    await contained.poll(lambda: not _zombies(first), lambda: f"left: {_zombies(first)}")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_the_end_of_the_first_process_is_the_end_of_all(contained, number):
    await _busy(contained)
    pids = contained.left()
    assert len(pids) >= 7  # unshare, agent, zygote, two workers, two children of user code
    os.kill(_first(contained), number)
    await contained.process.wait()
    await contained.poll(lambda: not any(map(_alive, pids)), lambda: "somebody lives on")
