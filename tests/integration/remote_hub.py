"""The scripted hub of the agent's tests, for an agent elsewhere: it comes in at the real gate, by TLS, through a proxy that
can break the link.

What belongs here: inviting and starting the real agent. What this file must not know: the rest of the real hub.
"""

import asyncio
import contextlib
import os
import shutil
import sys
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from tests.integration.agent_hub import CORE, SECONDS, FakeHub, Peer
from tests.links.proxy import a_proxy

from yonder import wire
from yonder.hub.distant import Manners
from yonder.hub.gate import Gate
from yonder.version import __version__

COMMAND = [sys.executable, "-P", "-m", "yonder.agent.remote"]


class Speaker:
    """The hub's end of a conversation, as the thing that a `Peer` writes to."""

    def __init__(self, conversation):
        self._conversation = conversation

    def write(self, data):
        self._conversation._transport.write(data)

    def close(self):
        self._conversation.close()

    def hold(self, held):
        self._conversation.hold(held)


class Listener:
    """Receives one conversation for the hub."""

    def __init__(self, hub, peer):
        self._hub = hub
        self._peer = peer

    def received(self, message):
        self._hub.heard.append(message)
        self._hub._news.set()

    def lost(self):
        self._peer.open = False
        self._hub._news.set()


class RemoteHub(FakeHub):
    """`proxy` lies between agent and gate. The invitation's fields can be changed by `more`."""

    def __init__(self, folder):
        super().__init__(folder)
        self.name = f"{self.owner}-agent"
        self.trouble = []
        self.lost = {}
        manners = Manners(self._accept, lambda *_: None, self.lost.__setitem__, self.trouble.append)
        self.gate = Gate("test.hub.yonder", self.owner, manners, silence=lambda: 600.0, told_ended=lambda *_: None)
        self.proxy = None
        self.invitation = None
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        self._stack = contextlib.AsyncExitStack()

    def _accept(self, distant, conversation, hello):
        if hello.token != distant.lane:
            return wire.Refused("token", "wrong token", wire.VERSION, __version__)
        conversation.send(wire.Welcome(version=wire.VERSION, package=__version__, hub="fake"))
        peer = self.peers[hello.role, hello.id] = Peer(hello, Speaker(conversation))
        self._news.set()
        return Listener(self, peer)

    async def invite(self, **more):
        invited = msgspec.json.decode(await self.gate.invite(self.name, listen="127.0.0.1"), type=wire.Invitation)
        host, _, port = invited.hub.rpartition(":")
        self.proxy = await self._stack.enter_async_context(a_proxy((host, int(port))))
        self.invitation = msgspec.structs.replace(invited, hub="{}:{}".format(*self.proxy.address), **more)

    async def launch(self, line=None, *, env=None, around=(), **more):
        """The agent's process, with the invitation (or something else) as its first words; `around` is a command that
        starts it in surroundings of its own."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith("YONDER_")}
        environment |= {"YONDER_OWNER": self.owner, "PYTHONPATH": CORE, "TMPDIR": str(self.temporary)}
        with self.log.open("wb") as log:
            self.process = await asyncio.create_subprocess_exec(
                *around,
                *COMMAND,
                env=environment | (env or {}),
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **more,
            )
        self.process.stdin.write((msgspec.json.encode(self.invitation) if line is None else line) + b"\n")
        await self.process.stdin.drain()
        self.process.stdin.close()

    async def open(self, *, env=None, around=(), **more):
        await self.invite(**more)
        await self.launch(env=env, around=around)
        await self.until(lambda: ("agent", self.name) in self.peers, "the agent's hello")

    async def ended(self):
        """The agent's exit code and what it said."""
        code = await asyncio.wait_for(self.process.wait(), SECONDS)
        return code, self.log.read_text()

    async def close(self):
        if self.process.returncode is None:
            self.agent.say(wire.AgentExit("the test is over"))
            await self.ended()
        await self.gone()

    def hang_up(self):
        pass

    async def clear(self):
        await self._stack.aclose()
        await self.gate.close()
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()
        for pid in self.left():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)


@asynccontextmanager
async def a_remote_hub():
    """A hub whose agent is not started yet."""
    folder = Path(tempfile.mkdtemp(prefix="yb-"))
    hub = RemoteHub(folder)
    try:
        yield hub
    finally:
        await hub.clear()
        shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def living_remote_hub(**more):
    """A hub with its agent; at the end the agent is sent away and the process table is asked."""
    async with a_remote_hub() as hub:
        await hub.open(**more)
        yield hub
        await hub.close()
