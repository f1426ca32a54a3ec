"""The hub of a plain Python program: a background thread that ends with the program, or with its last pool.

The same hub as in the editor, with a terminal instead of an owner's link: what executors print is printed here.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from yonder import receipts, wire
from yonder.backends.local import LocalBackend
from yonder.core.scaling import Strategy
from yonder.errors import CannotRun
from yonder.hub.clients import Client
from yonder.hub.hub import Hub
from yonder.hub.ledger import Ledger
from yonder.hub.log import Log
from yonder.hub.room import passed_on
from yonder.hub.substrates import Substrates
from yonder.hub.turns import Turns
from yonder.places import OwnerFolder
from yonder.terminal import show


class Terminal:
    """Tells the program's own terminal what its executors print; the rest of the stream has nobody to see it."""

    full = False
    last = 0

    def __init__(self) -> None:
        self.ended: dict[str, Callable[[wire.RunEnded], None]] = {}
        self.asked: Callable[[wire.InputWanted], None] = lambda _: None

    def tell(self, event: wire.Event) -> None:
        match event:
            case wire.Output(fd=fd, text=text):
                show(fd, text)
            case wire.RunEnded(run=run) if run in self.ended:
                self.ended.pop(run)(event)
            case wire.InputWanted():
                self.asked(event)
            case _:
                pass  # metrics, figures and states are the editor's

    def reply(self, message: wire.HubToOwner) -> None:
        """Nobody asked."""


class HubThread:
    """A hub in a thread of this process. Raises CannotRun when it does not come up."""

    broken = False

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.folder = OwnerFolder(f"program-{self.pid}-{secrets.token_hex(6)}")
        self._token = secrets.token_urlsafe(32)
        self.folder.make_token(self._token)
        self.terminal = Terminal()
        self.turns = Turns()
        self._up = threading.Event()
        self._over = asyncio.Event()
        self._failure: BaseException | None = None
        self.hub = Hub(self.folder, self._token, Log(self.folder.log_file).line)
        self._thread = threading.Thread(target=self._live, name="yonder-hub", daemon=True)
        self._thread.start()
        self._up.wait()
        if self._failure is not None:
            raise CannotRun(f"the hub did not start: {self._failure}") from self._failure

    def _live(self) -> None:
        try:
            self.turns.serve(self._serve())
        except BaseException as error:  # noqa: BLE001 - carried to the thread that waits for us
            self._failure = error
        finally:
            self._up.set()

    async def _serve(self) -> None:
        hub = self.hub
        backend = LocalBackend(self.folder, self._token, hub.agent_ended)
        ledger = Ledger(hub.owner, receipts.write, hub.log, live=False)  # a short program must not wait for a disk
        hub.furnish(self.terminal, Substrates.only(local=backend), ledger)
        await hub.listen()
        self._up.set()
        await self._over.wait()
        await hub.close("the program closed its last pool")
        await backend.close()
        await hub.shut()
        shutil.rmtree(self.folder.path, ignore_errors=True)

    def do(self, work: Callable[..., None], *arguments: Any) -> None:
        """Have something done in the hub; nothing when it has ended."""
        with contextlib.suppress(CannotRun):
            self.turns.do(work, *arguments)

    def lend(self, strategy: Strategy) -> str:
        """Size pools by this object; the name by which a pool asks for it."""
        return self.hub.desk.lent.add(strategy)

    def client(self, receive: Callable[[wire.HubToClient], None], lost: Callable[[], None]) -> InProcessDoor:
        """A pool's way here; it is never lost while the program lives."""
        del lost
        return InProcessDoor(self, receive)

    def limit(self, executors: int, gpus: int, hours: float) -> None:
        """Bound all pools together; 0 = no bound."""
        self.do(self.hub.limit, executors, gpus, hours)

    def forked(self) -> None:
        """A child has no such thread; nothing of it needs to be let go."""

    def stop(self) -> None:
        """End every executor and the thread; returns when they are gone."""
        self.do(self._over.set)
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout=30)
        self.turns.shield.remove()


class InProcessDoor:
    """A pool's way to the hub of its own process: no socket, no copy, and where possible no other thread."""

    def __init__(self, thread: HubThread, receive: Callable[[wire.HubToClient], None]) -> None:
        self._thread = thread
        self._receive = receive
        self._client = Client(self._post, thread.hub, None, near=True)

    def _post(self, message: wire.HubToClient) -> None:
        self._thread.turns.post(self._receive, message)
        passed_on(wire.loads(message))

    def send(self, message: wire.ClientToHub) -> None:
        self._thread.turns.do(self._client.received, message)

    def help(self, done: Callable[[], bool], timeout: float | None) -> None:
        """Help the hub along until `done` or for `timeout` seconds, if nobody else does."""
        self._thread.turns.drive(done, timeout)

    def close(self) -> None:
        self._thread.do(self._client.lost)


def run_file(path: Path, argv: list[str], place: wire.Place, ask: Callable[[str, bool], str | None]) -> int:
    """Run a file on a local executor and print what it prints. Returns its exit code (1 for an exception or a death).

    `ask(prompt, secret)` answers input(). Ctrl+C interrupts the run; a second one kills it.
    """
    thread = HubThread()
    over: list[wire.RunEnded] = []
    done = threading.Event()

    def ended(event: wire.RunEnded) -> None:
        over.append(event)
        done.set()

    def asked(event: wire.InputWanted) -> None:
        def answer() -> None:
            text = ask(event.prompt, event.secret)
            thread.do(lambda: thread.hub.owner_asked(wire.AnswerInput(event.id, text)))

        threading.Thread(target=answer, daemon=True).start()

    thread.terminal.ended["file"] = ended
    thread.terminal.asked = asked
    request = wire.Execute("file", "file", path.read_text(), str(path.resolve()), 0, "file", argv, place)
    thread.do(thread.hub.execute, request)
    kill = False
    try:
        while not over:
            try:
                done.wait()
            except KeyboardInterrupt:
                stop = wire.Interrupt(0, "file", kill=kill)
                thread.do(thread.hub.owner_asked, stop)
                kill = True
    finally:
        thread.stop()
    return _exit_code(over[0])


def _exit_code(event: wire.RunEnded) -> int:
    """What a shell should see of the run's end; what there is to say of it goes to stderr."""
    if event.failure is not None and event.failure.type != "SystemExit":
        sys.stderr.write(event.failure.text)
    elif event.sentence:
        sys.stderr.write(event.sentence + "\n")
    if event.report is not None and event.report.signal:
        return 128 + event.report.signal
    if event.report is not None and event.report.code > 0:
        return event.report.code
    return {"ok": 0, "cancelled": 130}.get(event.outcome, 1)
