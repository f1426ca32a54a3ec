"""The only owner of the connection to the hub: finds a living hub, starts one, speaks with it, comes back after a cut,
says goodbye. The hub may be on another machine (`ways`); while it cannot be reached there, the cluster is away.

::

    find / ensure ─▶ connected ──cut, hub lives──▶ dialling again (elsewhere: away) ─▶ connected
                        │ └──cut, hub is dead──▶ lost ──ensure──▶ a fresh hub
                        └──goodbye / stop──▶ off

Numbered events go batch by batch into the store, are acknowledged, then told to the listener. What this file must not
know: LSP, documents, what a run looks like.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Literal, Protocol, TypeVar

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage

from yonder import launch, receipts, wire
from yonder.account import at_once
from yonder.errors import CannotRun, YonderError
from yonder.places import HubNote, OwnerFolder
from yonder.publishing import Contents
from yonder.snapshot import Snapshot
from yonder_lsp import dialling, memory
from yonder_lsp.announced import Announced, Unheard
from yonder_lsp.intake import Intake
from yonder_lsp.owed import Owed
from yonder_lsp.store import Store
from yonder_lsp.storing import StoreThread
from yonder_lsp.ways import Far, Near, Start, Way

Cluster = Literal["off", "starting", "on", "away", "stopping", "lost"]
M = TypeVar(
    "M",
    bound="wire.Interrupt | wire.Peek | wire.Stop | wire.GetStatus | wire.ReadFile | wire.AskEnvironments | wire.GetStacks",
)

BACK_OFF_FIRST, BACK_OFF_LAST = 0.1, 2.0
STOP_WITHIN = 60.0
SILENCE = 600.0
TAKEN_OVER, ENDED = 1000, 1001
UNREACHED = (OSError, InvalidHandshake, InvalidMessage, ConnectionClosed, EOFError, TimeoutError)


class Listener(Protocol):
    """Who is told. Nothing here may block."""

    def stored(self, batch: Sequence[wire.Numbered]) -> None: ...

    def status_said(self, status: wire.Status) -> None: ...

    def cluster_changed(self) -> None: ...

    def notice(self, level: Literal["info", "warning", "error"], sentence: str) -> None: ...

    def log(self, level: Literal["debug", "info", "warning", "error"], text: str) -> None: ...


class Lifecycle:
    """`start` starts a hub and waits until it is up (a fake in tests); `key_file` says which hub elsewhere is to be used
    ("": none)."""

    def __init__(
        self,
        owner: str,
        storing: StoreThread,
        listener: Listener,
        *,
        start: Start | None = None,
        key_file: Callable[[], str] = lambda: "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.cluster: Cluster = "off"
        self.hub_pid = 0
        self._owner = owner
        self._near = Near(OwnerFolder(owner), start or _launched)
        self._way: Way = self._near
        self._key_file = key_file
        self._clock = clock
        self._since = 0.0  # from when on the hub could not be reached
        self._storing = storing
        self._listener = listener
        self._configure: wire.Configure | None = None
        self._hub: dialling.Hub | None = None
        self._tending: asyncio.Task[None] | None = None
        self._dialling = asyncio.Lock()
        self._connected = asyncio.Event()
        self._leaving = False
        self._stopping = False
        self._owed = Owed()
        self._paying = asyncio.Lock()
        self._announcing = asyncio.Lock()
        self._announced = Announced()
        self._ids = itertools.count(1)
        self._replies: dict[int, asyncio.Future[object]] = {}

    # ── coming ────────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def connected(self) -> bool:
        return self._hub is not None

    @property
    def where(self) -> str:
        """Where the hub is when it is elsewhere, or since when it cannot be reached there; "" for one of this machine."""
        if not isinstance(self._way, Far) or self.cluster in ("off", "lost"):
            return ""
        return self._way.away(self._since) if self.cluster == "away" else f"The hub is at {self._way.address}."

    def _choose(self) -> Way:
        file = self._key_file()
        self._way = Far(self._owner, Path(file), self._silence, self._clock) if file else self._near
        return self._way

    def _silence(self) -> float:
        return self._configure.silence if self._configure is not None else SILENCE

    async def find(self, configure: Callable[[], Awaitable[wire.Configure | None]]) -> bool:
        """Take up a hub that lives already (the window was reloaded). Never starts one."""
        way = self._choose()
        if isinstance(way, Far):
            return await self._find_far(way, configure)
        note = await way.find()
        if note is None:
            return False
        self._configure = await configure()
        async with self._dialling:
            if self._hub is None:
                await self._dial(note)
        return True

    async def _find_far(self, way: Far, configure: Callable[[], Awaitable[wire.Configure | None]]) -> bool:
        """A hub elsewhere is this window's once it has run something there; until then it is left to others."""
        try:
            note = await way.find()
            if not await self._storing.do(Store.last, note.hub):
                return False
            self._configure = await configure()
            async with self._dialling:
                if self._hub is None:
                    await self._dial(note)
        except YonderError as error:
            self._listener.notice("warning", str(error))
            return False
        except UNREACHED as error:
            self._listener.log("warning", way.unanswered(note, error))
            self._part()
            self._tending = asyncio.create_task(self._tend(note, None))
        return True

    async def ensure(self, configure: wire.Configure) -> None:
        """Be connected to a hub that is configured so, whatever that takes. Raises CannotRun or BootFailed in words."""
        fresh = configure != self._configure
        self._configure = configure
        if self._hub is not None:
            if fresh:
                await self.send(configure)
            return
        await self._tended()
        async with self._dialling:
            if self._hub is None:
                await self._come_up()

    async def configure(self, configure: wire.Configure) -> None:
        """The workspace changed; a hub that is there is told."""
        if configure != self._configure:
            self._configure = configure
            if self._hub is not None:
                await self.send(configure)

    async def _tended(self) -> None:
        """If a cut is being mended, wait for its end: connected again, or the hub is dead and its runs are called lost."""
        tending = self._tending
        if tending is None or tending.done():
            return
        mended = asyncio.create_task(self._connected.wait())
        try:
            await asyncio.wait({tending, mended}, timeout=launch.PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        finally:
            mended.cancel()
        if self._hub is None and not tending.done():
            raise CannotRun(
                self.where or "The cluster's hub does not answer though its process lives; try again, or: yonder reap."
            )

    async def _come_up(self) -> None:
        gone = self.cluster == "lost"
        way = self._choose()
        deadline = asyncio.get_running_loop().time() + launch.PATIENCE
        self._become("starting")
        try:
            while True:
                note = await way.come(
                    lambda sentence: self._listener.notice("warning", sentence),
                    lambda text: self._listener.log("info", text),
                )
                try:
                    await self._dial(note)
                    break
                except UNREACHED as error:
                    # A hub that is just ending still has its note; soon it is gone and a fresh one starts.
                    if asyncio.get_running_loop().time() > deadline:
                        raise CannotRun(way.unanswered(note, error)) from error
                    await asyncio.sleep(BACK_OFF_FIRST)
        except BaseException:
            self._become("lost" if gone else "off")
            raise
        if gone:
            self._listener.notice(
                "info", "The cluster had ended; a fresh one was started, so the variables of earlier runs are gone."
            )

    async def _dial(self, note: HubNote) -> None:
        """Connect, shake hands, configure, and keep the connection tended."""
        resume = await self._storing.do(Store.last, note.hub)
        self._hub = await self._way.dial(note, resume)
        self.hub_pid = note.pid
        self._leaving = False
        self._owed.again()
        self._connected.set()
        try:
            if self._configure is not None:
                await self.send(self._configure)
            await self.send(wire.GetStatus(0))
            await self._pay()
        except CannotRun as error:
            self._forget_connection()
            raise ConnectionResetError("it was cut at once") from error
        except BaseException:  # whoever wanted it was cancelled: nobody would ever read it
            self._hub.connection.transport.abort()
            self._forget_connection()
            raise
        self._become("stopping" if self._stopping else "on")
        if self._tending is None or self._tending.done():
            self._tending = asyncio.create_task(self._tend(note, self._hub))

    # ── being there ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def _tend(self, note: HubNote, hub: dialling.Hub | None) -> None:
        """Read for as long as there is a hub: over cuts, until it is dead or we leave."""
        while True:
            if hub is not None:
                await Intake(hub, self._storing, self, self._take).run()
                self._forget_connection()
                if self._left(hub):
                    await self._forgo()
                    self._become("off")
                    return
                if self._ended(hub):
                    break
                self._part()
            hub = await self._dial_again(note)
            if hub is None:
                break
        await self._mourn(note)

    def _left(self, hub: dialling.Hub) -> bool:
        """Is it our own will, or another window's, that this conversation is over?"""
        if self._leaving:
            return True
        taken = hub.connection.close_code == TAKEN_OVER and bool(hub.connection.close_reason)
        if taken:
            self._listener.log("info", f"the hub closed the connection: {hub.connection.close_reason}")
        return taken

    def _ended(self, hub: dialling.Hub) -> bool:
        """Has a hub elsewhere said that it ends? (One of this machine is known by its process.)"""
        return isinstance(self._way, Far) and hub.connection.close_code == ENDED

    def _part(self) -> None:
        """The line is cut. A hub elsewhere may stay away for long, and the person is told."""
        self._since = self._clock()
        if isinstance(self._way, Far):
            self._become("away")

    # ── intake.Ear ──

    def stored(self, batch: Sequence[wire.Numbered]) -> None:
        self._owed.heard(batch)
        self._listener.stored(batch)

    def notice(self, level: Literal["info", "warning", "error"], sentence: str) -> None:
        self._listener.notice(level, sentence)

    def log(self, level: Literal["debug", "info", "warning", "error"], text: str) -> None:
        self._listener.log(level, text)

    def _take(self, message: wire.HubToOwner) -> None:
        match message:
            case wire.Interrupted() | wire.Peeked() | wire.Receipt() | wire.FilePart() | wire.Files() | wire.Stacks():
                self._answered(message.id, message)
            case wire.Environments(id=number):
                self._answered(number, message)
            case wire.Published():
                self._announced.answered(message)
            case wire.Status():
                self._answered(message.id, message)
                self._listener.status_said(message)
            case wire.Problem():
                self._listener.notice("warning", message.sentence)
            case wire.Refused():
                self._listener.log("warning", f"the hub refused: {message.sentence}")
            case wire.Welcome() | wire.Numbered():
                # A second welcome says nothing new; numbered events are taken before this.
                return

    def _answered(self, number: int, message: object) -> None:
        waiting = self._replies.pop(number, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(message)

    def _forget_connection(self) -> None:
        self._hub = None
        self._connected.clear()
        self._announced.cut()
        replies, self._replies = self._replies, {}
        for waiting in replies.values():
            if not waiting.done():
                waiting.set_exception(CannotRun("The connection to the cluster was cut; try again in a moment."))
                waiting.exception()  # looked at: nobody may be waiting for it any more

    async def _dial_again(self, note: HubNote) -> dialling.Hub | None:
        """The same hub again, as soon as it answers; None when it is dead."""
        pause = BACK_OFF_FIRST
        while True:
            if self._leaving or not await self._way.lives(note, self._since):
                return None
            try:
                async with self._dialling:
                    if self._hub is None:
                        await self._dial(note)
                    return self._hub
            except dialling.Gone as error:
                self._listener.log("warning", str(error))
                return None
            except (*UNREACHED, YonderError) as error:
                self._listener.log("info", f"the hub does not answer yet ({error or type(error).__name__})")
            await asyncio.sleep(pause)
            pause = min(pause * 2, BACK_OFF_LAST)

    async def _mourn(self, note: HubNote) -> None:
        """The hub is dead: what it ran is lost, and said so."""
        self.hub_pid = 0
        self._owed.clear()
        if self._leaving or self._stopping:
            self._become("off")
            return
        self._listener.log("warning", self._way.last_words(note))
        await self._storing.do(
            Store.abandoned, "The cluster ended while this was running; the next Run starts a fresh one.", note.hub
        )
        self._become("lost")

    async def _forgo(self) -> None:
        """This hub is no longer ours: what it was not told of will not run."""
        if len(self._owed):
            self._owed.clear()
            await self._storing.do(Store.abandoned, "It was not started: the window let go of the cluster.", "")

    def _become(self, cluster: Cluster) -> None:
        if cluster != self.cluster:
            self.cluster = cluster
            if cluster in ("off", "lost"):
                self.hub_pid = 0
            self._listener.cluster_changed()

    # ── speaking ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def send(self, message: wire.OwnerToHub) -> None:
        """Say something. Raises CannotRun when nobody is connected."""
        hub = self._hub
        if hub is None:
            raise CannotRun("There is no cluster now; Run starts one.")
        try:
            await hub.connection.send(wire.encode(message))
        except ConnectionClosed as error:
            raise CannotRun("The connection to the cluster was cut; try again in a moment.") from error

    async def execute(self, message: wire.Execute) -> None:
        """Have it run, though the connection may be cut at any moment; when the hub is dead, so is the run. Raises CannotRun
        when there is no cluster."""
        if self._hub is None and (self._tending is None or self._tending.done()):
            raise CannotRun("There is no cluster now; Run starts one.")
        self._owed.add(message)
        await self._pay()

    async def _pay(self) -> None:
        """Send the runs that are owed, in their order; those that a cut keeps go out on the next connection."""
        async with self._paying:
            while (hub := self._hub) is not None and (message := self._owed.next()) is not None:
                try:
                    await hub.connection.send(wire.encode(message))
                except ConnectionClosed:
                    return
                self._owed.sent(message)

    async def publish(self, snapshot: Snapshot, contents: Contents) -> None:
        """Have the hub know this code, so that runs may name it; over cuts, which it may have forgotten it in. Raises
        CannotRun, and what `contents` raises (it is called in threads)."""
        async with self._announcing:
            while True:
                if self._hub is None and (self._tending is None or self._tending.done()):
                    raise CannotRun("There is no cluster now; Run starts one.")
                try:
                    hub = self._hub.name if self._hub is not None else ""
                    await self._announced.tell(hub, snapshot, contents, self.send)
                except Unheard as error:
                    if not await self._back():
                        raise CannotRun(
                            "The cluster ended while it was told of your code; Run starts a fresh one."
                        ) from error
                else:
                    return

    async def deliver(self, message: wire.OwnerToHub) -> None:
        """Say something, and know that it has arrived. Raises CannotRun when that is not known."""
        await self.send(message)
        await self.ask(wire.GetStatus)  # answered in turn

    async def ask(self, make: Callable[[int], M]) -> object:
        """Send what `make(id)` gives and wait for its answer; the caller sets the deadline."""
        number = next(self._ids)
        waiting: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self._replies[number] = waiting
        try:
            await self.send(make(number))
            return await waiting
        finally:
            self._replies.pop(number, None)

    async def peek(self, session: str, query: wire.Query) -> wire.Answer:
        """One look into a session's namespace; the caller sets the deadline."""
        answer = await self.ask(lambda number: wire.Peek(number, session, query))
        assert isinstance(answer, wire.Peeked)  # noqa: S101 - ids are never used twice
        return memory.believable(answer.answer)

    # ── leaving ───────────────────────────────────────────────────────────────────────────────────────────────────────

    async def stop(self) -> wire.Receipt | None:
        """End the cluster now. None: there was none. The receipt says what the platform found left of it."""
        if self.cluster == "away":
            raise CannotRun(f"{self.where} It cannot be told to stop now.")
        if self._hub is None and not await self.find(_nothing):
            self._become("off")
            return None
        self._stopping = True
        self._become("stopping")
        try:
            async with asyncio.timeout(STOP_WITHIN):
                receipt = await self._stopped()
        except TimeoutError:
            self._become("on" if self._hub is not None else "away")
            raise CannotRun(
                f"The cluster did not say within {STOP_WITHIN:g} s that it has ended; yonder ps shows what is left."
            ) from None
        finally:
            self._stopping = False
        self._leaving = True
        await self._hang_up()
        self._become("off")
        return receipt

    async def _stopped(self) -> wire.Receipt | None:
        """Ask until there is an answer: over cuts, or until the hub has ended; then its receipt lies in a file."""
        while True:
            try:
                receipt = await self.ask(wire.Stop)
            except CannotRun:
                if not await self._back():
                    return await asyncio.to_thread(_written_receipt, self._owner)
                continue
            assert isinstance(receipt, wire.Receipt)  # noqa: S101 - ids are never used twice
            return receipt

    async def _back(self) -> bool:
        """After a cut: True as soon as it is mended, False when the hub is dead."""
        tending, mended = self._tending, asyncio.create_task(self._connected.wait())
        try:
            await asyncio.wait([mended] if tending is None else [mended, tending], return_when=asyncio.FIRST_COMPLETED)
        finally:
            mended.cancel()
        return self._hub is not None

    async def goodbye(self, reason: str) -> None:
        """Say that the window closes in good order. Never takes longer than CLOSE_WITHIN or so."""
        self._leaving = True
        with contextlib.suppress(CannotRun, TimeoutError):
            async with asyncio.timeout(dialling.CLOSE_WITHIN):
                await self.send(wire.Goodbye(reason))
                await self._hang_up()

    async def _hang_up(self) -> None:
        """Close the connection without waiting long for the other side's manners."""
        hub = self._hub
        if hub is not None:
            await hub.connection.close()

    async def close(self) -> None:
        """Let go of everything here; a hub lives on."""
        self._leaving = True
        if self._tending is not None:
            self._tending.cancel()
            await asyncio.gather(self._tending, return_exceptions=True)
        await self._hang_up()


async def _launched(folder: OwnerFolder) -> HubNote:
    return await asyncio.to_thread(launch.launch, folder)


def _written_receipt(owner: str) -> wire.Receipt | None:
    """What a hub that has ended wrote down, None where it ran nothing or could not write."""
    with contextlib.suppress(OSError, YonderError):
        sheet = next(iter(receipts.read(owner)), None)
        if sheet is not None and sheet.finished:
            ended = [life for life in sheet.lives if life.reason == sheet.reason]
            return wire.Receipt(0, len(ended), at_once(sheet.lives), sheet.left, 0.0, sheet.reason, sheet.lives)
    return None


async def _nothing() -> None:
    """No configuration: a hub that is only found to be ended needs none."""
