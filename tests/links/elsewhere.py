"""Other machines, played by processes of this one: every executor is an agent that was invited, dials its hub by TLS over a
proxy that a test can break, and relays its workers.

    this program ── Unix socket ──▶ hub's process ◀══ TLS ══ Proxy (a thread here) ◀══ agent ── worker

Everything else is the real thing: in the hub's process, the backend called "docker" is `Elsewhere`. A folder, the meeting,
is where the two processes tell each other addresses and wishes.
"""

import asyncio
import contextlib
import json
import os
import secrets
import sys
from pathlib import Path

import msgspec
import pytest
from tests.links.proxy import Aside, Proxy

from yonder import launch, wire
from yonder.backends.base import Finding, Handle
from yonder.backends.local import kill, processes
from yonder.hubs import PROGRAM
from yonder.places import OwnerFolder, started_at

ROOT = Path(__file__).parents[2]

_HUB = (
    "import sys; sys.path[:0] = [sys.argv.pop(1), sys.argv.pop(1)]; "
    "from tests.links.elsewhere import serve; serve(sys.argv.pop(1))  # yonder.hub.detached"
)


class Elsewhere:
    """A backend, as `meeting` wishes: an executor is an agent of its own."""

    def __init__(self, boarding, meeting):
        self._boarding = boarding
        self._meeting = Path(meeting)
        self._watching = set()
        self._owner = ""

    async def boot(self, spec, phase):
        phase("creating", "an agent of another machine")
        self._owner = spec.owner
        agent = f"agent-{secrets.token_hex(4)}"
        wishes = _wishes(self._meeting)
        line = await self._boarding.invite(agent, listen=wishes["listen"])
        invitation = msgspec.json.decode(line, type=wire.Invitation)
        _put(self._meeting / "gate", invitation.hub)
        line = msgspec.json.encode(msgspec.structs.replace(invitation, hub=wishes["reach"] or invitation.hub))
        words = self._meeting / f"{agent}.log"
        environment = {key: value for key, value in os.environ.items() if not key.startswith("YONDER_")}
        environment |= {"PYTHONPATH": str(ROOT / "executor"), "YONDER_OWNER": spec.owner, "YONDER_EXECUTOR": agent}
        with words.open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *(*wishes["inside"], sys.executable, "-P", "-m", "yonder.agent.remote"),
                env=environment,
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
            )
        process.stdin.write(line + b"\n")
        process.stdin.close()
        watch = asyncio.create_task(self._watch(agent, process, words))
        self._watching.add(watch)
        watch.add_done_callback(self._watching.discard)
        return Handle(
            executor=spec.executor, owner=spec.owner, native=f"{process.pid}:{started_at(process.pid)}", agent=agent
        )

    async def _watch(self, agent, process, words):
        """What the platform says of a machine's end."""
        code = await process.wait()
        if _wishes(self._meeting)["mute"]:
            return
        how = f"ended with signal {-code}" if code < 0 else f"ended with exit code {code}"
        tail = words.read_text(errors="replace").strip()[-2000:]
        self._boarding.ended(
            agent,
            f"the machine {how}" + (f":\n{tail}" if tail else ""),
            wire.ExitReport(code=max(code, -1), signal=max(-code, 0), stderr=tail),
        )

    async def terminate(self, handle):
        mine = {handle.executor, handle.agent}
        for one in await asyncio.to_thread(processes, handle.owner):
            if one.executor in mine:
                await kill(one)
        self._boarding.withdraw(handle.agent)

    async def owned(self, owner):
        return [
            Handle(executor=one.executor, owner=one.owner, native=f"{one.pid}:{one.started}")
            for one in await asyncio.to_thread(processes, owner)
            if one.role != "hub" and one.executor
        ]

    async def preflight(self):
        return [Finding(name="elsewhere", ok=True, sentence="machines of paper")]

    async def close(self):
        for one in await asyncio.to_thread(processes, self._owner or "nobody"):
            if one.role != "hub":
                await kill(one)
        await asyncio.gather(*self._watching)


def serve(meeting):
    """The hub's process: what is called docker is elsewhere."""
    from yonder.backends import known
    from yonder.hub import detached, distant, executors, gate, hub, room

    wishes = _wishes(meeting)
    if wishes["silence"]:
        hub.SILENCE, gate.ALONE, distant.MARGIN = wishes["silence"], 0.0, wishes["margin"]
    if wishes["room"]:
        room.Room.__init__.__defaults__ = (wishes["room"],)
    if wishes["patience"]:
        executors.KILL_LIMIT = wishes["patience"]
    known.make = lambda name, folder, boarding, *_: Elsewhere(boarding, meeting)
    detached.main()


_USUAL = {
    "silence": 0.0,
    "margin": 0.0,
    "mute": False,
    "room": 0,
    "patience": 0.0,
    "listen": "127.0.0.1",
    "reach": "",
    "direct": False,
    "inside": [],
    "hub_inside": [],
}


def _wishes(meeting):
    return json.loads((Path(meeting) / "wishes").read_text())


def _put(file, text):
    """Whole or not at all."""
    new = file.with_suffix(".new")
    new.write_text(text)
    new.replace(file)


class World:
    """What a test sees of it: `proxy`, driven by `do`, and the processes of the one hub that its pools have."""

    def __init__(self, aside, meeting, wishes):
        self.do = aside.do
        self.meeting = meeting
        self._aside = aside
        self._wishes = wishes
        self._lines = []
        self.move()
        self.proxy = self._lines[0]

    def close(self):
        for line in self._lines:
            self.do(line.close)

    @property
    def hub(self):
        """The hub's process."""
        return PROGRAM._process._note.pid

    @property
    def owner(self):
        return PROGRAM._process._folder.owner

    def processes(self, *roles):
        return [one for one in self.of(self.owner) if not roles or one.role in roles]

    def of(self, owner):
        return processes(owner)

    def move(self):
        """Executors to come dial over another line than `proxy`."""
        self._lines.append(_line(self._aside, self.meeting, self._wishes))

    def log(self):
        return OwnerFolder(self.owner).log_file.read_text()


@contextlib.contextmanager
def elsewhere(meeting, **wishes):
    """The pools of this program with backend="docker" run on other machines. `silence`: agents and hub give each other up
    after so many seconds (0: as always), `margin` is what the hub adds. `mute`: the platform does not say when a machine
    has ended. `room`: bytes of large bodies that the hub may hold (0: as always), `patience` its seconds with an agent that was
    told to kill (0: as always). `inside` and `hub_inside` are put before the commands of agents and hub, `listen` is where
    the hub listens; agents dial the proxy, unless `direct`."""
    with a_world(meeting, **wishes) as world, pytest.MonkeyPatch.context() as patch:
        join(meeting, patch.setattr)
        yield world


@contextlib.contextmanager
def a_world(meeting, **wishes):
    """The machines and their line, for a hub that is started with `words`."""
    meeting.mkdir(parents=True, exist_ok=True)
    with Aside() as aside:
        world = World(aside, meeting, {**_USUAL, **wishes})
        try:
            yield world
        finally:
            world.close()


def words(meeting):
    """The command of a hub whose machines are there, but for its owner."""
    inside = _wishes(meeting)["hub_inside"]
    return [*inside, sys.executable, "-P", "-c", _HUB, str(ROOT), str(ROOT / "executor"), str(meeting)]


def join(meeting, put=setattr):
    """Have the hub of this program's pools be one whose machines are there."""
    put(launch, "program_command", lambda owner: [*words(meeting), "--program", "--owner", owner])


def _line(aside, meeting, wishes):
    """A new proxy, which the next executors shall dial."""
    proxy = aside.do(Proxy, lambda: _address(meeting / "gate"))
    address = "{}:{}".format(*aside.do(proxy.listen))
    _put(meeting / "wishes", json.dumps({**wishes, "reach": "" if wishes["direct"] else address}))
    return proxy


def _address(file):
    host, _, port = file.read_text().rpartition(":")
    return host, int(port)
