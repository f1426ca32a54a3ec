"""The only owner of the connection to the hub: finds a living hub, starts one, speaks with it, comes back after a cut,
says goodbye.

::

    find / ensure ─▶ connected ──cut, hub lives──▶ dialling again ─▶ connected
                        │ └──cut, hub is dead──▶ lost ──ensure──▶ a fresh hub
                        └──goodbye / stop──▶ off

Numbered events go batch by batch into the store, are acknowledged, then told to the listener. What this file must not
know: LSP, documents, what a run looks like.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, Protocol, TypeVar

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage

from yonder import __version__, launch, wire
from yonder.errors import CannotRun, YonderError
from yonder.places import HubNote, OwnerFolder
from yonder_lsp import dialling
from yonder_lsp.store import Store
from yonder_lsp.storing import StoreThread

Cluster = Literal["off", "starting", "on", "stopping", "lost"]
T = TypeVar("T")
M = TypeVar("M", bound="wire.Interrupt | wire.Peek | wire.Stop | wire.GetStatus")

BACK_OFF_FIRST, BACK_OFF_LAST = 0.1, 2.0
STOP_WITHIN = 60.0
BATCH_BOUND = 4000
TAKEN_OVER = 1000
STORE_AGAIN = 1.0


class Listener(Protocol):
    """Who is told. Nothing here may block."""

    def stored(self, batch: Sequence[wire.Numbered]) -> None: ...

    def status_said(self, status: wire.Status) -> None: ...

    def cluster_changed(self) -> None: ...

    def notice(self, level: Literal["info", "warning", "error"], sentence: str) -> None: ...

    def log(self, level: Literal["debug", "info", "warning", "error"], text: str) -> None: ...


class Lifecycle:
    """`start` starts a hub and waits until it is up (a fake in tests)."""

    def __init__(
        self,
        owner: str,
        storing: StoreThread,
        listener: Listener,
        *,
        start: Callable[[OwnerFolder], Awaitable[HubNote]] | None = None,
    ) -> None:
        self.cluster: Cluster = "off"
        self.hub_pid = 0
        self._owner = owner
        self._folder = OwnerFolder(owner)
        self._storing = storing
        self._listener = listener
        self._start = start or _launched
        self._configure: wire.Configure | None = None
        self._hub: dialling.Hub | None = None
        self._tending: asyncio.Task[None] | None = None
        self._dialling = asyncio.Lock()
        self._connected = asyncio.Event()
        self._leaving = False
        self._ids = itertools.count(1)
        self._replies: dict[int, asyncio.Future[object]] = {}
        self._parser: wire.Parser[wire.HubToOwner] = wire.Parser(wire.HubToOwner)

    # ── coming ────────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def connected(self) -> bool:
        return self._hub is not None

    async def find(self, configure: Callable[[], Awaitable[wire.Configure | None]]) -> bool:
        """Take up a hub that lives already (the window was reloaded). Never starts one."""
        note = await asyncio.to_thread(self._folder.note)
        if note is None or note.version != wire.VERSION:
            return False
        self._configure = await configure()
        async with self._dialling:
            if self._hub is None:
                await self._dial(note)
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
            raise CannotRun("The cluster's hub does not answer though its process lives; try again, or: yonder reap.")

    async def _come_up(self) -> None:
        gone = self.cluster == "lost"
        deadline = asyncio.get_running_loop().time() + launch.PATIENCE
        self._become("starting")
        try:
            while True:
                note = await self._living_or_new()
                try:
                    await self._dial(note)
                    break
                except (OSError, InvalidHandshake, InvalidMessage, ConnectionClosed, EOFError, TimeoutError) as error:
                    # A hub that is just ending still has its note; soon it is gone and a fresh one starts.
                    if asyncio.get_running_loop().time() > deadline:
                        raise CannotRun(
                            f"The cluster's hub (process {note.pid}) does not answer: {error or type(error).__name__}. "
                            f"End it with: yonder reap --owner {self._owner}"
                        ) from error
                    await asyncio.sleep(BACK_OFF_FIRST)
        except BaseException:
            self._become("lost" if gone else "off")
            raise
        if gone:
            self._listener.notice(
                "info", "The cluster had ended; a fresh one was started, so the variables of earlier runs are gone."
            )

    async def _living_or_new(self) -> HubNote:
        note = await asyncio.to_thread(self._folder.note)
        if note is not None and note.version != wire.VERSION:
            self._listener.notice(
                "warning",
                f"A cluster of another version of Yonder ({note.package}) was ended and one of {__version__} started; "
                "its variables are gone.",
            )
            await asyncio.to_thread(launch.end, self._folder, note)
            note = None
        if note is None:
            self._listener.log("info", "starting the cluster's hub")
            note = await self._start(self._folder)
            self._listener.log("info", f"the hub is up (process {note.pid})")
        return note

    async def _dial(self, note: HubNote) -> None:
        """Connect, shake hands, configure, and keep the connection tended."""
        resume = await self._storing.do(Store.last, note.hub)
        self._hub = await dialling.dial(self._folder, note, resume)
        self.hub_pid = note.pid
        self._leaving = False
        self._connected.set()
        if self._configure is not None:
            await self.send(self._configure)
        await self.send(wire.GetStatus(0))
        self._become("on")
        if self._tending is None or self._tending.done():
            self._tending = asyncio.create_task(self._tend(self._hub))

    # ── being there ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def _tend(self, hub: dialling.Hub) -> None:
        """Read for as long as there is a hub: over cuts, until it is dead or we leave."""
        while True:
            await self._converse(hub)
            code = hub.connection.close_code
            self._forget_connection()
            if self._leaving:
                self._become("off")
                return
            if code == TAKEN_OVER and hub.connection.close_reason:
                self._listener.log("info", f"the hub closed the connection: {hub.connection.close_reason}")
                self._become("off")
                return
            again = await self._dial_again(hub.note)
            if again is None:
                await self._mourn(hub)
                return
            hub = again

    async def _converse(self, hub: dialling.Hub) -> None:
        batch: list[wire.Numbered] = []
        arrived, room = asyncio.Event(), asyncio.Event()
        room.set()
        keeper = asyncio.create_task(self._keep(hub, batch, arrived, room))
        try:
            async for data in hub.connection:
                message = self._parser.message(data if isinstance(data, bytes) else data.encode())
                if isinstance(message, wire.Numbered):
                    batch.append(message)
                    arrived.set()
                    if len(batch) >= BATCH_BOUND:
                        room.clear()
                        await room.wait()
                else:
                    self._take(message)
        except ConnectionClosed:
            pass  # `_tend` looks at the close code and at the process
        except wire.WireError as error:
            self._listener.log("error", f"the hub broke the protocol: {error}")
            await hub.connection.close(1002)
        finally:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)

    async def _keep(
        self, hub: dialling.Hub, batch: list[wire.Numbered], arrived: asyncio.Event, room: asyncio.Event
    ) -> None:
        """Store what has arrived, acknowledge it, tell it. Nothing is acknowledged that is not stored."""
        while True:
            await arrived.wait()
            arrived.clear()
            taken = batch[:]
            while True:
                try:
                    last = await _whole(self._apply(hub.name, taken))
                    break
                except YonderError as error:
                    self._listener.notice("error", f"Runs cannot be stored: {error}")
                    await asyncio.sleep(STORE_AGAIN)
            del batch[: len(taken)]
            room.set()
            with contextlib.suppress(ConnectionClosed):
                await hub.connection.send(wire.encode(wire.Ack(last)))

    async def _apply(self, hub: str, taken: Sequence[wire.Numbered]) -> int:
        """Store and tell. What is stored is never sent again, so no cut may come between the two."""
        last = await self._storing.do(Store.apply, hub, taken)
        self._listener.stored(taken)
        return last

    def _take(self, message: wire.HubToOwner) -> None:
        match message:
            case wire.Interrupted() | wire.Peeked() | wire.Receipt():
                self._answered(message.id, message)
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
        replies, self._replies = self._replies, {}
        for waiting in replies.values():
            if not waiting.done():
                waiting.set_exception(CannotRun("The connection to the cluster was cut; try again in a moment."))
                waiting.exception()  # looked at: nobody may be waiting for it any more

    async def _dial_again(self, note: HubNote) -> dialling.Hub | None:
        """The same hub again, as soon as it answers; None when it is dead."""
        pause = BACK_OFF_FIRST
        while True:
            living = await asyncio.to_thread(self._folder.note)
            if living is None or living.pid != note.pid or self._leaving:
                return None
            try:
                async with self._dialling:
                    if self._hub is None:
                        await self._dial(note)
                    return self._hub
            except (
                OSError,
                InvalidHandshake,
                InvalidMessage,
                ConnectionClosed,
                EOFError,
                TimeoutError,
                YonderError,
            ) as error:
                self._listener.log("info", f"the hub does not answer yet ({error or type(error).__name__})")
            await asyncio.sleep(pause)
            pause = min(pause * 2, BACK_OFF_LAST)

    async def _mourn(self, hub: dialling.Hub) -> None:
        """The hub is dead: what it ran is lost, and said so."""
        self.hub_pid = 0
        if self._leaving:
            self._become("off")
            return
        self._listener.log(
            "warning", f"the hub (process {hub.note.pid}) is gone.{launch.log_tail(self._folder.log_file)}"
        )
        await self._storing.do(
            Store.abandoned, "The cluster ended while this was running; the next Run starts a fresh one.", hub.name
        )
        self._become("lost")

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
        return answer.answer

    # ── leaving ───────────────────────────────────────────────────────────────────────────────────────────────────────

    async def stop(self) -> wire.Receipt | None:
        """End the cluster now. None: there was none. The receipt says what the platform found left of it."""
        if self._hub is None and not await self.find(_nothing):
            self._become("off")
            return None
        self._become("stopping")
        self._leaving = True
        try:
            async with asyncio.timeout(STOP_WITHIN):
                receipt = await self.ask(wire.Stop)
        except TimeoutError:
            self._leaving = False
            self._become("on")
            raise CannotRun(
                f"The cluster did not say within {STOP_WITHIN:g} s that it has ended; yonder ps shows what is left."
            ) from None
        assert isinstance(receipt, wire.Receipt)  # noqa: S101 - ids are never used twice
        await self._hang_up()
        self._become("off")
        return receipt

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


async def _whole(work: Awaitable[T]) -> T:
    """Await something to its end; whoever is cancelled meanwhile is cancelled after it."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    finally:
        await asyncio.gather(task, return_exceptions=True)


async def _nothing() -> None:
    """No configuration: a hub that is only found to be ended needs none."""
