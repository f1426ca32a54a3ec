"""The agent on another machine, the first process of a container: `python -P -m yonder.agent.remote [core folder]`.

    stdin: invitation ──▶ Agent ── channel 1 ──▶ small ══▶ hub        its lease, not the end of a connection, ends it
                          workers ──▶ Relay ───▶ small, bulk ══▶ hub

What belongs here: reading the invitation, putting agent, relay and link together, the lease's clock. What this file must
not know: what agent and hub say to each other.

The zygote takes longest to be ready, so it is started before that which dials is even imported.
"""

from __future__ import annotations

import asyncio
import os
import select
import signal
import sys
import time
import traceback
from typing import TYPE_CHECKING, NoReturn, TypeVar

import msgspec

from yonder import wire
from yonder.agent import processes
from yonder.agent.agent import Agent, Conversation
from yonder.agent.home import Home
from yonder.core.lease import AgentLease
from yonder.errors import CannotRun, VersionMismatch
from yonder.version import __version__

if TYPE_CHECKING:
    from yonder.agent.dialling import Link

READ_WITHIN = 60.0
LONGEST_INVITATION = 64 * 1024
BAD_INVITATION, OTHER_VERSION = 2, 3
T = TypeVar("T")


class _Who(msgspec.Struct, frozen=True, kw_only=True):
    """What an invitation of any version says."""

    version: int
    package: str


def main() -> None:
    """Entry. Ends with exit code 0 when its lease or the hub ends it, 1 when something went wrong, BAD_INVITATION or
    OTHER_VERSION when it never began."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))  # the first process of a container has no default actions
    try:
        invitation = invited(_line(0, READ_WITHIN))
    except VersionMismatch as error:
        _refuse(str(error), OTHER_VERSION)
    except ValueError as error:
        _refuse(str(error), BAD_INVITATION)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    processes.become_subreaper()
    os.environ.update(YONDER_OWNER=invitation.owner, YONDER_EXECUTOR=invitation.agent)  # for its children
    asyncio.run(_live(invitation, sys.argv[1] if len(sys.argv) > 1 else ""))


def _refuse(sentence: str, code: int) -> NoReturn:
    print(f"yonder agent: {sentence}", file=sys.stderr, flush=True)
    raise SystemExit(code)


def _line(fd: int, seconds: float) -> bytes:
    """What the descriptor gives up to the first newline or its end. Raises ValueError when that is too long or late."""
    deadline = time.monotonic() + seconds
    data = b""
    while b"\n" not in data:
        if not select.select([fd], [], [], max(0.0, deadline - time.monotonic()))[0]:
            raise ValueError(f"no invitation came on stdin within {seconds:g} s; executors are started by a hub")
        more = os.read(fd, 65536)
        if not more:
            break
        data += more
        if len(data) > LONGEST_INVITATION:
            raise ValueError(f"what came on stdin is longer than {LONGEST_INVITATION} bytes and no invitation")
    return data.partition(b"\n")[0]


def invited(line: bytes) -> wire.Invitation:
    """The invitation in these bytes. Raises VersionMismatch, or ValueError for what is none (its words are not told: they
    may be a secret's)."""
    who = _read(line, _Who)
    if who.version != wire.VERSION:
        raise VersionMismatch(ours=__version__, theirs=who.package, where="hub")
    return _read(line, wire.Invitation)


def _read(line: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(line, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ValueError("what came on stdin is no invitation; executors are started by a hub") from None


async def _live(invitation: wire.Invitation, core: str) -> None:
    home = Home()
    lease = AgentLease(
        reach=invitation.reach, silence=invitation.silence, lifetime=invitation.lifetime, at=time.monotonic()
    )
    agent = Agent(hub=home.socket, ident=invitation.agent, token=invitation.lane, core=core)
    agent.leaving = home.leave
    agent.begin()
    try:
        await _serve(invitation, agent, home, lease)
    except VersionMismatch as error:
        agent.end(str(error), code=OTHER_VERSION)
    except (CannotRun, wire.WireError) as error:
        agent.end(f"the hub at {invitation.hub} refused this executor: {error}", code=1)
    except Exception as error:  # noqa: BLE001 - a fault of our own must leave no process behind
        traceback.print_exc()
        agent.end(f"a fault of its own: {error}", code=1)


async def _serve(invitation: wire.Invitation, agent: Agent, home: Home, lease: AgentLease) -> None:
    from yonder.agent.dialling import Link
    from yonder.agent.relay import Relay

    link = Link(invitation, lambda refused: lease.dialled(time.monotonic(), refused=refused))
    processes.keep_to_itself()  # the keys, from the code that workers run; before there is any
    link.small.heard = link.bulk.heard = lambda: lease.heard(time.monotonic())
    link.small.open(Conversation(agent))
    relay = Relay(link.small, link.bulk)
    agent.dead = relay.bury
    async with await relay.listen(home.socket):
        await asyncio.gather(link.hold(), agent.beat(), _watch(lease, link, agent, home))


async def _watch(lease: AgentLease, link: Link, agent: Agent, home: Home) -> NoReturn:
    """Judge the lease while this loop turns, and let the platform see that it does."""
    while True:
        home.beat()
        now = time.monotonic()
        if (reason := lease.judge(now)) is not None:
            agent.end(f"{reason} ({link.trouble})" if link.trouble else reason)
        await asyncio.sleep(lease.next_wake(now) - now)


if __name__ == "__main__":
    main()
