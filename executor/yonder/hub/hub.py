"""The hub: one owner's pools, sessions and executors, and the sockets through which everybody reaches them.

This file composes and dispatches; the rules are in `core`, the rooms in `pools` and `sessions`. It never unpickles.

    owner.sock ── owner.OwnerLink ─┐                     ┌─ sessions.SessionRoom ─┐
    hub.sock ── connection ────────┼──▶ Hub (dispatch) ──┤                        ├─▶ executors.Executors ─▶ backends
      (workers, agents, clients)   │                     └─ pools.PoolRoom ───────┘
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from yonder import wire
from yonder.core.link import check_hello
from yonder.hub.allowances import Allowances
from yonder.hub.clients import PROGRAM_ROLES, Client
from yonder.hub.code import OWNER
from yonder.hub.connection import Conversation, Receiver
from yonder.hub.deadlocks import Deadlocks
from yonder.hub.desk import Desk
from yonder.hub.executor import Executor
from yonder.hub.executors import Executors
from yonder.hub.files import Beside, Known, Table
from yonder.hub.keeps import Keeps
from yonder.hub.ledger import Ledger
from yonder.hub.patron import Audience
from yonder.hub.room import Room
from yonder.hub.sessions import SessionRoom
from yonder.hub.substrates import Substrates
from yonder.places import OwnerFolder, started_at
from yonder.version import __version__

if TYPE_CHECKING:
    from yonder.hub.distant import Distant
    from yonder.hub.gate import Gate

MACHINE_ROLES: tuple[wire.Role, ...] = ("client", "agent", "bulk", "call", "control")

READ_AT_ONCE = 256 * 1024
"""Bytes taken from a socket by one read."""

KNOWN_RUNS = 10_000
"""Runs that are known again when they are asked for twice."""

SILENCE = 600.0
"""Seconds for which executors elsewhere go on without a word of their hub, when nothing else was configured."""

STATUS_PAUSE = 0.2
"""Seconds between two unasked status messages."""


class Teller(Protocol):
    """Where events go: the owner's link, or a program's own terminal."""

    @property
    def full(self) -> bool: ...

    @property
    def last(self) -> int: ...

    def tell(self, event: wire.Event) -> None: ...

    def reply(self, message: wire.HubToOwner) -> None: ...


class Hub:
    """One owner's cluster. `log` takes lines for the log file. beside_editor: pool workers leave the first word on the
    processors to everything else, above all to the window of the person who waits. home: where code runs whatever the
    owner says, who is elsewhere and knows nothing of this machine."""

    def __init__(
        self,
        folder: OwnerFolder,
        token: str,
        log: Callable[[str], None],
        *,
        beside_editor: bool = False,
        home: wire.Place | None = None,
    ) -> None:
        self.folder = folder
        self.owner = folder.owner
        self.log = log
        self.place = wire.Place()
        self.session_spec = wire.PoolSpec(name="session")
        self.closing = False
        self.lingering = False
        self.silence = SILENCE
        self.allowances = Allowances()
        self.keeps = Keeps()
        self.desk = Desk(self)
        self.deadlocks = Deadlocks(self.desk.pools.values)
        self.sessions: dict[str, SessionRoom] = {}
        self._files: dict[str, SessionRoom] = {}
        self._needs: wire.Needs | None = None
        self._known: dict[str, None] = {}  # runs that were asked for, the latest last
        self._token = token
        self._beside_editor = beside_editor
        self._home = home
        self.patron: Audience | None = None
        self._teller: Teller | None = None
        self._server: asyncio.Server | None = None
        self._status_timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._held = False
        self.executors: Executors
        self.room = Room()
        self._ledger: Ledger
        self._gate: Gate | None = None

    def furnish(self, teller: Teller, substrates: Substrates, ledger: Ledger | None = None) -> None:
        """Give the hub its ear, its substrates and its ledger (without one nothing is written down); before `listen`."""
        self._teller = teller
        self._ledger = ledger or Ledger(self.owner, None, self.log)
        self.executors = Executors(
            self.owner, substrates, self._ledger, self.log, self.tell, self.changed, beside_editor=self._beside_editor
        )
        self.executors.files.news = self.desk.files_written
        self.executors.files.lost = self._files_lost

    def _tell_files(self, number: int, pool: str) -> None:
        files = self.executors.files

        def mine(table: Table) -> bool:
            return not pool or table.executor.pool == pool

        files.ask(mine, lambda: self.reply(wire.Files(number, *files.of(mine, OWNER))))

    def _files_lost(self, executor: Executor, files: list[Known], sentence: str) -> None:
        self.reply(wire.Problem(sentence))
        self.desk.files_lost(executor, files, sentence)

    def agent_ended(self, agent: str, sentence: str) -> None:
        """A backend saw the end of an agent's process."""
        self.log(f"{agent}: {sentence}")
        self.executors.agents.ended(agent, sentence)

    def _away(self, agent: str, sentence: str) -> None:
        self.log(f"{agent}: {sentence or 'it is back'}")
        self.executors.away(agent, sentence)

    def _distant_lost(self, agent: str, report: wire.ExitReport) -> None:
        self.log(f"{agent}: its machine {report.sentence()}")
        if (found := self.executors.agents.find(agent)) is not None:
            found.verdict = report

    @property
    def gate(self) -> Gate:
        """Where other machines come in; its doors are closed until the first is invited."""
        if self._gate is None:
            # A program whose executors are all local has no use for TLS and websockets.
            from yonder.hub.distant import Manners
            from yonder.hub.gate import Gate

            name = f"{secrets.token_hex(8)}.hub.yonder"
            manners = Manners(self._accept_distant, self._away, self._distant_lost, self.log, self.room)
            self._gate = Gate(name, self.owner, manners, silence=lambda: self.silence, told_ended=self.agent_ended)
        return self._gate

    async def listen(self) -> None:
        path = self.folder.hub_socket
        path.unlink(missing_ok=True)
        loop = asyncio.get_running_loop()
        space = bytearray(READ_AT_ONCE)
        self._server = await loop.create_unix_server(
            lambda: Conversation(self._accept, self.log, space, self.room), str(path), backlog=512
        )
        path.chmod(0o600)

    # ── the framed door ──

    def _accept(self, conversation: Conversation, hello: wire.Hello) -> Receiver | wire.Refused:
        """Somebody on this machine."""
        return self._judge(conversation, hello, self._token, None)

    def _accept_distant(
        self, distant: Distant, conversation: Conversation, hello: wire.Hello
    ) -> Receiver | wire.Refused:
        """Somebody on another machine, who may speak for nothing but that machine."""
        return self._judge(conversation, hello, distant.lane, distant.agent)

    def accept_program(self, conversation: Conversation, hello: wire.Hello) -> Receiver | wire.Refused:
        """A plain program, on whichever machine, and nobody else."""
        refusal = check_hello(hello, token=self._token, roles=PROGRAM_ROLES, package=__version__)
        if refusal is not None or self.patron is None:
            sentence = "this hub serves no programs"
            return refusal or wire.Refused(code="role", sentence=sentence, version=wire.VERSION, package=__version__)
        conversation.send(self._welcome())
        return self._program(conversation, self.patron)

    def _judge(
        self, conversation: Conversation, hello: wire.Hello, token: str, home: str | None
    ) -> Receiver | wire.Refused:
        refusal = check_hello(hello, token=token, roles=MACHINE_ROLES, package=__version__)
        if refusal is not None:
            return refusal
        receiver: Receiver
        if hello.role == "agent" and home in (None, hello.id):
            receiver = self.executors.agents.said_hello(hello, conversation)
            conversation.send(self._welcome())
            return receiver
        if hello.role == "bulk" and home is not None and home == hello.id:
            conversation.send(self._welcome())
            if (agent := self.executors.agents.find(home)) is not None:
                agent.beside = conversation
            return Beside(home, self.executors.files)
        if hello.role == "client" and not hello.id and home is None and self.patron is not None:
            conversation.send(self._welcome())
            return self._program(conversation, self.patron)
        executors = self.executors
        worker = executors.workers.get(hello.id) if home is None else executors.worker_on(home, hello.id)
        if worker is None or hello.role == "bulk":
            sentence = f"there is no worker {hello.id!r} here"
            return wire.Refused(code="role", sentence=sentence, version=wire.VERSION, package=__version__)
        conversation.send(self._welcome())
        if hello.role == "client":
            client = Client(conversation.send, self, worker, elsewhere=home is not None, near=conversation.near)
            conversation.pressed = client.pressed
            return client
        lane = worker.attach(hello.role, conversation)
        if self._held:
            worker.hold(True)
        return lane

    def _program(self, conversation: Conversation, patron: Audience) -> Client:
        """The plain program itself opens a pool."""
        client = Client(conversation.send, self, None, near=conversation.near)

        def pressed(slow: bool) -> None:
            client.pressed(slow)
            if not slow:
                patron.relieved()

        conversation.pressed = pressed
        patron.joined(client)
        return client

    def _welcome(self) -> wire.Welcome:
        return wire.Welcome(version=wire.VERSION, package=__version__, hub=hub_id())

    # ── events out ──

    def tell(self, event: wire.Event) -> None:
        teller = self._teller
        if teller is None:
            return
        teller.tell(event)
        if teller.full != self._held:
            self._held = teller.full
            for worker in self.executors.workers.values():
                worker.hold(self._held)

    def reply(self, message: wire.HubToOwner) -> None:
        if self._teller is not None:
            self._teller.reply(message)

    def changed(self) -> None:
        """Something in the status is new: send it soon, at most every STATUS_PAUSE seconds."""
        if self._status_timer is None:
            self._status_timer = asyncio.get_running_loop().call_later(STATUS_PAUSE, self._send_status)

    def _send_status(self) -> None:
        self._status_timer = None
        self.reply(self.status(0))
        if self._held and self._teller is not None and not self._teller.full:
            self._held = False
            for worker in self.executors.workers.values():
                worker.hold(False)
        elif self._held:
            self.changed()

    def status(self, number: int) -> wire.Status:
        executors = [
            wire.ExecutorState(
                id=one.id,
                pool=one.pool,
                backend=one.backend,
                state=one.state,
                pid=one.pid,
                since=one.since,
                doing=next((worker.task.call or worker.task.run for worker in one.workers.values() if worker.task), ""),
                cpu_percent=sum(worker.usage.cpu_percent for worker in one.workers.values()),
                memory=sum(worker.usage.memory for worker in one.workers.values()),
            )
            for one in self.executors.all.values()
        ]
        return wire.Status(
            id=number,
            pools=[room.state() for room in self.desk.pools.values()],
            executors=executors,
            sessions=[room.status() for room in self.sessions.values()],
            hub_pid=os.getpid(),
            peak=self.executors.peak,
            last=self._teller.last if self._teller else 0,
        )

    # ── the owner's requests ──

    def owner_asked(self, message: wire.OwnerToHub) -> None:
        """What the owner wants of pools and sessions (the clocks are the lease's business)."""
        match message:
            case wire.Configure():
                self.configure(message)
            case wire.Execute():
                self.execute(message)
            case wire.Blobs():
                self.executors.library.blobs(OWNER, message)
            case wire.Publish():
                answer = self.executors.library.publish(OWNER, message)
                if not answer.sentence:
                    self.desk.owner_published(message.snapshot)
                self.reply(answer)
            case wire.Interrupt():
                self.spawn(self._interrupt(message))
            case wire.RestartSession(session=name):
                if (room := self.sessions.get(name)) is not None:
                    room.restart()
            case wire.Peek():
                self._peek(message)
            case wire.AnswerInput(id=asked, text=text):
                session, _, question = asked.partition("\n")
                room = self.sessions.get(session) or self._files.get(session)
                if room is not None:
                    room.typed(question, text)
            case wire.AskEnvironments(id=number):
                self.reply(wire.Environments(number, dict(self.executors.environments)))
            case wire.GetStatus(id=number):
                self.reply(self.status(number))
            case wire.GetFiles(id=number, pool=pool):
                self._tell_files(number, pool)
            case wire.ReadFile():
                self.executors.files.read(OWNER, message, self.reply)
            case wire.GetStacks():
                self._tell_stacks(message)
            case wire.Hello() | wire.Ack() | wire.WindowAlive() | wire.Goodbye() | wire.Stop():
                pass  # the link's and the lease's

    def owner_came(self) -> None:
        """The owner is (again) there: say how things stand, ask again what waits for an answer."""
        self.executors.files.forsaken(OWNER)  # it asks again for what was on its way
        for room in (*self.sessions.values(), *self._files.values()):
            room.ask_again()
        self.changed()

    def configure(self, message: wire.Configure) -> None:
        self.place = self.located(message.place)
        self.silence = message.silence
        self._needs = message.needs
        self.session_spec = next((spec for spec in message.pools if spec.name == "session"), self.session_spec)
        self.desk.configure(message)
        self.changed()

    def located(self, place: wire.Place) -> wire.Place:
        """Where code runs when the owner says `place`."""
        return place if self._home is None else msgspec.structs.replace(self._home, env=place.env)

    def needs_of(self, backend: str, own: wire.Needs | None) -> wire.Needs | None:
        """What executors of this backend are compared with: what a program, or the owner, was written against. None where
        they run the same Python as it."""
        return (own or self._needs) if backend != "local" or self._home is not None else None

    def execute(self, request: wire.Execute) -> None:
        if request.run in self._known:
            return  # the owner could not know that it had arrived
        self._known[request.run] = None
        if len(self._known) > KNOWN_RUNS:
            del self._known[next(iter(self._known))]
        if request.place is not None:
            request = msgspec.structs.replace(request, place=self.located(request.place))
        if self.closing:
            self.tell(
                wire.RunEnded(
                    request.run, "cancelled", 0.0, 0.0, sentence="the window is closing: nothing new is started"
                )
            )
            return
        if request.kind == "file":
            room = self._files[request.run] = SessionRoom(request.run, self, single=True)
        else:
            room = self.sessions.get(request.session) or SessionRoom(request.session, self)
            self.sessions[request.session] = room
        room.execute(request)

    async def _interrupt(self, request: wire.Interrupt) -> None:
        for room in (*self.sessions.values(), *self._files.values()):
            answer = await room.interrupt(request)
            if answer.outcome not in ("idle", "not_this_run"):
                self.reply(answer)
                return
        self.reply(wire.Interrupted(request.id, "idle", "that run is not running any more"))

    def _peek(self, message: wire.Peek) -> None:
        room = self.sessions.get(message.session)

        def answer(found: wire.Answer) -> None:
            self.reply(
                wire.Peeked(
                    message.id,
                    message.session,
                    msgspec.structs.replace(found, generation=room.generation if room else 0),
                )
            )

        if room is None or not room.look(message.query, answer):
            self.reply(wire.Peeked(message.id, message.session, wire.Answer(found=False, why="no session is running")))

    def _tell_stacks(self, message: wire.GetStacks) -> None:
        rooms = {**self.sessions, **self._files}
        sessions = {room.worker.executor: name for name, room in rooms.items() if room.worker is not None}

        def asked(one: Executor) -> bool:
            return (
                message.pool in ("", one.pool)
                and message.executor in ("", one.id)
                and message.session in ("", sessions.get(one.id))
            )

        self.executors.stacks.ask(message.id, list(filter(asked, self.executors.all.values())), sessions, self.reply)

    def run_over(self, run: str) -> None:
        self._files.pop(run, None)

    # ── the clients' requests ──

    def client_said(self, client: Client, message: wire.ClientToHub) -> None:
        self.desk.client_said(client, message)

    def limit(self, executors: int, gpus: int, hours: float = 0.0) -> None:
        """At most so many executors and GPUs in all pools of this owner together, and so many executor-hours in all; 0 =
        no bound."""
        self.allowances.limit(executors, gpus, hours)

    def client_lost(self, client: Client) -> None:
        self.desk.client_lost(client)
        self.executors.files.forsaken(client)
        if self.patron is not None:
            self.patron.left(client)

    def asker(self, call: str) -> Client | None:
        """The conversation of a program that hears of this call's end."""
        return self.desk.asker(call)

    def hold_agents(self, paused: bool) -> None:
        """Read nothing more from agents, or read on."""
        self.executors.agents.hold(paused)

    # ── the end ──

    def linger(self, lingering: bool) -> None:
        """The window has gone, or is back: while it is gone, work goes on but nothing new is started."""
        if self.lingering and not lingering:
            self.lingering = False
            for room in self.desk.pools.values():
                room.resume()
        self.lingering = lingering

    async def close(self, reason: str) -> wire.Receipt:
        """End everything and ask the platforms what is left."""
        self.closing = True
        began = asyncio.get_running_loop().time()
        had = len(self.executors.all)
        for room in self.desk.pools.values():
            room.stop_timer()
        await self.executors.end_all(reason)
        left, silent = await self.executors.endings.left()
        seconds = asyncio.get_running_loop().time() - began
        sentence = f"{had} executors ended ({reason}); {left} left, says the platform"
        sentence += f", as far as it could be asked: {silent}" if silent else ""
        self.log(sentence)
        return wire.Receipt(0, had, self.executors.peak, left, seconds, sentence, self._ledger.close(reason, left))

    async def shut(self) -> None:
        """Close the doors (after `close`)."""
        if self._status_timer is not None:
            self._status_timer.cancel()
        for task in list(self._tasks):
            task.cancel()
        if self._gate is not None:
            await self._gate.close()
        if self._server is not None:
            self._server.close()
        self.folder.hub_socket.unlink(missing_ok=True)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run something beside; what fails is logged."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.log(f"a task of the hub failed: {error!r}")


def hub_id() -> str:
    """This hub's name: a process is its pid and its start."""
    return f"{os.getpid()}-{started_at(os.getpid())}"
