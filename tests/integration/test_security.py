"""docs/security.md: every promise on the page names a test that exists, and the tests that belong to no other file."""

from __future__ import annotations

import asyncio
import os
import pickle
import re
from pathlib import Path

import msgspec
import pytest
from tests.integration.cluster import a_cluster
from tests.integration.paper_hub import a_paper_hub
from tests.integration.programs import ROOT, environment, program
from tests.integration.test_gate import Agent, House
from tests.integration.test_parity import exists

from yonder import payload, wire
from yonder.hub.gate import split

PAGE = (ROOT / "docs" / "security.md").read_text("utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[^`]+?(?:::|: )[^`]+)`", PAGE)))
SECTIONS = dict(re.findall(r"^## (.+)\n((?:(?!^## ).*\n?)*)", PAGE, re.MULTILINE))
linux = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="asks /proc")

# ── the page ──


@pytest.mark.parametrize("name", NAMED)
def test_a_named_test_exists(name):
    assert exists(name)


def items(section):
    """The list items of a section, each with the lines that belong to it."""
    return [item.replace("\n", " ") for item in re.findall(r"^\* (.+(?:\n  .+)*)", SECTIONS[section], re.MULTILINE)]


@pytest.mark.parametrize("section", SECTIONS)
def test_every_promise_names_its_test(section):
    found = items(section)
    assert found
    if section != "What is not defended":
        assert [item for item in found if "`tests/" not in item] == []


def test_every_attacker_has_a_section():
    words = " ".join(SECTIONS)
    for attacker in ("network", "executor", "browser", "other user", "disk", "folder"):
        assert attacker in words
    assert len(NAMED) > 40


# ── the network ──


def listening(pid):
    """The TCP ports that a process listens on."""
    held = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            held.add(os.readlink(link))
        except OSError:
            continue  # closed meanwhile
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in held:
                found.append(fields[1])
    return found


@linux
async def test_with_local_executors_nothing_listens_on_the_network(tmp_path):
    async with a_cluster(tmp_path) as (cluster, owner):
        await owner.run("import yonder\nwith yonder.Pool(max=1) as pool: pool.call(len, 'x')")
        found = cluster.processes()
        assert len(found) >= 2
        assert [listening(one.pid) for one in [*found, cluster.note]] == [[]] * (len(found) + 1)


class Ear:
    """A line that writes down all that passes."""

    def __init__(self, host, port):
        self.heard = bytearray()
        self._to = host, port

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._pass, "127.0.0.1", 0)
        self.address = "{}:{}".format(*self._server.sockets[0].getsockname())
        return self

    async def __aexit__(self, *_):
        self._server.close()

    async def _pass(self, reader, writer):
        far_reader, far_writer = await asyncio.open_connection(*self._to)
        await asyncio.gather(self._way(reader, far_writer), self._way(far_reader, writer), return_exceptions=True)

    async def _way(self, reader, writer):
        while data := await reader.read(65536):
            self.heard += data
            writer.write(data)
        writer.close()


async def test_who_listens_on_the_line_learns_the_hubs_name_and_nothing_else():
    house = House()
    try:
        invitation = await house.invite()
        async with Ear(*split(invitation.hub)) as ear:
            agent = Agent(msgspec.structs.replace(invitation, hub=ear.address))
            await agent.dial()
            await agent.begin()
            agent.say(wire.Beat([wire.Usage("a worker's name", 1.0, 2)] * 100))
            await agent.next()
            heard = bytes(ear.heard)
            await agent.cut()
        assert invitation.name.encode() in heard
        for said in (invitation.secret, invitation.lane, agent.key, "a worker's name", "agent-1", "heard", "websocket"):
            assert said.encode() not in heard
    finally:
        await house.gate.close()


# ── an executor ──


class Bomb:
    """Whoever unpickles it makes the file."""

    def __init__(self, file):
        self.file = str(file)

    def __reduce__(self):
        return Path.touch, (Path(self.file),)


async def test_the_hub_passes_pickles_on_as_they_are(tmp_path):
    mark = tmp_path / "unpickled"
    bomb = pickle.dumps(Bomb(mark))
    async with a_paper_hub() as paper:
        client = await paper.a_pool(max=1)
        client.says(wire.Submit(1, "default", b"f", bomb, bomb, "work"))
        worker = await paper.agent.worker(1)
        call = await worker.hears(wire.Call)
        worker.done(call.task, bomb)
        end = await client.end_of(1)
    assert (call.function_body, call.arguments, end.body) == (bomb, bomb, bomb)
    assert not mark.exists()


WATCHED = """
import os, sys
role = "hub" if "yonder.hub.detached" in " ".join(sys.orig_argv) else "other"
def watch(event, arguments, mark={mark!r}):
    if event == "pickle.find_class":
        open(f"{{mark}}-{{role}}", "a").close()
sys.addaudithook(watch)
from yonder.hubs import PROGRAM
PROGRAM.near = ()
"""


def test_the_hubs_process_unpickles_nothing(tmp_path, monkeypatch):
    """Python itself is asked: it tells of every class or function that a pickle names."""
    mark = tmp_path / "unpickled"
    watched = tmp_path / "watched"
    watched.mkdir()
    (watched / "sitecustomize.py").write_text(WATCHED.format(mark=str(mark)))
    path = f"{watched}{os.pathsep}{environment()['PYTHONPATH']}"
    monkeypatch.setattr("tests.integration.programs.environment", lambda _: {**os.environ, "PYTHONPATH": path})
    said = program(
        tmp_path,
        """
        import datetime, yonder
        with yonder.Pool(max=1) as pool:
            print(pool.call(lambda day: day + datetime.timedelta(1), datetime.date(2000, 1, 1)))
        """,
    )
    assert said == "2000-01-02\n"
    assert Path(f"{mark}-other").exists()  # the program and its worker do, of course
    assert not Path(f"{mark}-hub").exists()


def test_a_program_runs_what_the_results_of_its_executors_say(tmp_path):
    """Not defended, and nobody should believe that it is: a result is a pickle."""
    mark = tmp_path / "unpickled"
    payload.unpack(payload.pack(Bomb(mark)))
    assert mark.exists()


def test_no_file_of_language_server_or_hub_can_unpickle():
    for file in [
        *(ROOT / "lsp-server" / "yonder_lsp").rglob("*.py"),
        *(ROOT / "executor" / "yonder" / "hub").rglob("*.py"),
    ]:
        text = file.read_text("utf-8")
        assert not re.search(
            r"^\s*(import|from)\s+(pickle|cloudpickle|marshal|shelve|yonder\.payload)\b", text, re.MULTILINE
        ), file
        assert not re.search(r"^\s*from yonder import .*\bpayload\b", text, re.MULTILINE), file


# ── the disk, and lists of processes ──


@linux
async def test_the_token_is_in_its_file_and_nowhere_else(tmp_path):
    async with a_cluster(tmp_path) as (cluster, owner):
        await owner.run("import os; print(sorted(os.environ))")
        await owner.run("1 / 0")
        token = cluster.token.encode()
        for one in [*cluster.processes(), cluster.note]:
            folder = Path(f"/proc/{one.pid}")
            assert token not in (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
        holding = [file.name for file in cluster.files.path.iterdir() if file.is_file() and token in file.read_bytes()]
        assert holding == ["token"]
        assert not [event for event in owner.events if token in wire.encode(event)]


@linux
def test_certificates_are_written_to_no_file(tmp_path):
    """Python's ssl takes keys from files only; every file that is opened for writing is watched."""
    code = """
    import os, sys
    opened = []
    def watch(event, arguments):
        if event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR):
            opened.append(arguments[0])
    from yonder.hub.tls import Authority
    from yonder.credentials import client_context
    sys.addaudithook(watch)
    authority = Authority("hub.yonder")
    authority.server_context()
    client_context(authority.pem, *authority.certify("agent", "a"))
    print([name for name in opened if isinstance(name, str)])
    open("a file", "w").close()
    print(opened[-1])
    """
    assert program(tmp_path, code) == "[]\na file\n"
