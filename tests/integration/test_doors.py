"""The doors on this machine: another user is not let in, nor is somebody who never says who it is."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from websockets.asyncio.client import unix_connect

from yonder import door as doors
from yonder import wire
from yonder.door import Doors
from yonder.hub import connection, owner
from yonder.hub.connection import Conversation
from yonder.hub.journal import Journal
from yonder.hub.owner import OwnerLink
from yonder.places import foreigner, private
from yonder.version import __version__

TOKEN = "the token of this test"
NOBODY = 65534
AS_ANOTHER_USER = f"""
import os, socket, sys
os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})
with socket.socket(socket.AF_UNIX) as knock:
    try:
        knock.connect(sys.argv[1])
        knock.sendall(sys.stdin.buffer.read())
        while data := knock.recv(4096):
            sys.stdout.buffer.write(data)
    except OSError as error:
        sys.stdout.write(type(error).__name__)
"""
as_root = pytest.mark.skipif(
    os.getuid() != 0 or not hasattr(socket, "SO_PEERCRED"), reason="only root can knock as another user"
)


async def knock_as_another(path, said):
    """What a process of another user gets to see that says this, or the error that it meets."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", AS_ANOTHER_USER, str(path), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    answer, _ = await process.communicate(said)
    return answer


def hello(role="client", token=TOKEN):
    return wire.Hello(version=wire.VERSION, package=__version__, role=role, token=token, id="w")


def unlocked(path):
    """Open to everybody what is closed by its mode, so that the next bolt is the only one."""
    path.chmod(0o777)
    for folder in list(path.parents)[:2]:
        folder.chmod(0o755)


class Desk:
    """Whom the hub's doors let in."""

    def __init__(self):
        self.came = []
        self.in_here = asyncio.Event()
        self.complaints = []

    def accept(self, conversation, hello):
        self.came.append(conversation)
        self.in_here.set()
        return self

    def received(self, message): ...

    def lost(self): ...

    def owner_connected(self):
        self.came.append("owner")

    def owner_dropped(self): ...


@pytest.fixture
def desk():
    return Desk()


@pytest.fixture
def folder():
    """A private folder in one that tests may open to everybody."""
    with tempfile.TemporaryDirectory() as outer:
        yield private(Path(outer) / "owner")


@pytest.fixture
async def hub_socket(folder, desk):
    path = folder / "hub.sock"
    space = bytearray(4096)
    server = await asyncio.get_running_loop().create_unix_server(
        lambda: Conversation(desk.accept, desk.complaints.append, space), str(path)
    )
    path.chmod(0o600)
    yield path
    server.close()


@pytest.fixture
async def owner_socket(folder, desk, tmp_path):
    link = OwnerLink(
        hub="h1",
        package=__version__,
        token=TOKEN,
        journal=Journal(tmp_path / "journal"),
        requests=desk,
        trouble=desk.complaints.append,
    )
    path = folder / "owner.sock"
    await link.listen(path)
    yield path
    await link.close()


# ── another user of the machine ──


@as_root
async def test_another_user_does_not_reach_the_sockets(hub_socket, owner_socket, desk):
    for path in (hub_socket, owner_socket):
        assert await knock_as_another(path, wire.frames(hello())) == b"PermissionError"
    assert (desk.came, desk.complaints) == ([], [])


@as_root
async def test_another_user_who_has_the_token_is_refused_at_the_hubs_socket(hub_socket, desk):
    unlocked(hub_socket)
    assert await knock_as_another(hub_socket, wire.frames(hello())) in (
        b"",
        b"ConnectionResetError",
        b"BrokenPipeError",
    )
    assert desk.came == []
    assert desk.complaints == [f"a process of user {NOBODY} knocked and was refused"]


@as_root
async def test_another_user_who_has_the_token_is_refused_at_the_owners_socket(owner_socket, desk):
    unlocked(owner_socket)
    request = (
        "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
    )
    answer = await knock_as_another(owner_socket, request.encode())
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert TOKEN.encode() not in answer
    assert desk.came == []
    assert desk.complaints == [f"a process of user {NOBODY} knocked at the owner's door and was refused"]


def test_we_are_no_foreigners_to_ourselves():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert foreigner(ours) is None
    assert foreigner(None) is None


# ── somebody who does not say who it is ──


@pytest.mark.parametrize("said", [b"", wire.frames(hello())[:-1], b"\x00\x10\x00\x00" + b"x" * 4000])
async def test_who_does_not_finish_its_hello_is_cut_off(hub_socket, desk, monkeypatch, said):
    monkeypatch.setattr(connection, "HELLO_WITHIN", 0.01)
    reader, writer = await asyncio.open_unix_connection(str(hub_socket))
    writer.write(said)
    assert await reader.read() == b""
    writer.close()
    assert desk.came == []
    assert "did not say who it is" in desk.complaints[0]


async def test_who_has_said_hello_may_be_silent(hub_socket, desk):
    _, writer = await asyncio.open_unix_connection(str(hub_socket))
    writer.write(wire.frames(hello()))
    await desk.in_here.wait()
    assert desk.came[0]._waiting.cancelled()
    writer.close()


async def test_an_owner_who_has_the_token_and_says_nothing_is_cut_off(owner_socket, desk, monkeypatch):
    monkeypatch.setattr(owner, "HELLO_WITHIN", 0.01)
    async with unix_connect(
        str(owner_socket), uri="ws://localhost/", additional_headers={"Authorization": f"Bearer {TOKEN}"}
    ) as websocket:
        await websocket.wait_closed()
    assert desk.came == []
    assert "did not come" in desk.complaints[0]


def test_a_conversation_that_is_over_before_it_is_noted_is_told_as_lost(folder, monkeypatch):
    """A hub that is just ending may say no and hang up before the one who dialled goes on."""

    class Quick(doors.threading.Thread):
        def start(self):
            super().start()
            self.join(20)

    lost = []
    with socket.socket(socket.AF_UNIX) as ending:
        ending.bind(str(folder / "hub.sock"))
        ending.listen()

        def hang_up():
            knock = ending.accept()[0]
            knock.recv(4096)
            knock.close()

        hanging = doors.threading.Thread(target=hang_up)
        hanging.start()
        monkeypatch.setattr(doors.threading, "Thread", Quick)
        door = Doors(str(folder / "hub.sock"), TOKEN).client(lambda message: None, lambda: lost.append(True))
        hanging.join(20)
    assert lost
    door.close()
