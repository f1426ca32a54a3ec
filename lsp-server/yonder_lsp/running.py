"""What a person starts and stops: blocks, interrupts, restarts, the cluster itself. The order of the steps of a Run.

    text → block → a place to run → stored as created → a hub is there → Execute

What this file must not know: pygls, how things look.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from typing import Protocol

from yonder import wire
from yonder.errors import CannotRun, YonderError
from yonder.reading import Changed
from yonder_lsp import cells, protocol, scope, uris
from yonder_lsp.documents import Document
from yonder_lsp.lifecycle import Lifecycle
from yonder_lsp.sessions import Sessions
from yonder_lsp.store import Store
from yonder_lsp.storing import StoreThread
from yonder_lsp.trees import Moment

TRIES = 5
GRACE = 5.0
INTERRUPT_WITHIN = GRACE + 5.0


class Ground(Protocol):
    """Where code runs from, as far as a Run asks."""

    @property
    def folder(self) -> str: ...

    @property
    def more(self) -> Sequence[str]: ...

    async def place(self, folder: str) -> wire.Place: ...

    async def configure(self) -> wire.Configure: ...

    def preload(self) -> list[str]: ...


class Running:
    """`code` gives the code around a document, for a run of the whole file or not (None: nothing of it travels). `started` is
    told of every block with the document as it was; `changed` that the run list has news."""

    def __init__(
        self,
        ground: Ground,
        lifecycle: Lifecycle,
        storing: StoreThread,
        sessions: Sessions,
        *,
        code: Callable[[str, bool], Moment | None],
        started: Callable[[str, Document, cells.Block], None],
        changed: Callable[[], None],
    ) -> None:
        self._ground = ground
        self._lifecycle = lifecycle
        self._storing = storing
        self._sessions = sessions
        self._code = code
        self._started = started
        self._changed = changed
        self._turn = asyncio.Lock()
        self._going: dict[str, str] = {}

    def session(self, uri: str) -> str:
        return uris.session_of(uri, self._ground.folder, self._ground.more)

    async def run(self, document: Document, params: protocol.RunParams) -> protocol.RunStarted:
        """Run a block. Raises in words; what has been stored as created then ends as lost."""
        block = cells.block(document.text, params.where, params.selection)
        run, session = secrets.token_hex(6), self.session(document.uri)
        # One after another: two quick presses run in the order in which they were made, also while a hub starts.
        async with self._turn:
            configure = await self._ground.configure()
            folder = uris.folder_of(document.uri, self._ground.folder, self._ground.more)
            place = None if folder == self._ground.folder else await self._ground.place(folder)
            await self._storing.do(
                Store.created,
                run,
                session=session,
                uri=document.uri,
                title=block.title,
                text_hash=cells.text_hash(block.code),
                range=block.range,
                kind=block.kind,
                generation=self._sessions.get(session).generation,
            )
            self._started(run, document, block)
            self._changed()
            try:
                await self._lifecycle.ensure(configure)
                snapshot = await self._published(document.uri, block.kind == "file")
                preload = list(dict.fromkeys(self._ground.preload() + scope.third_party(document.text, folder)))
                await self._lifecycle.execute(
                    wire.Execute(
                        run,
                        session,
                        block.code,
                        uris.shown_path(document.uri),
                        block.first_line,
                        block.kind,
                        [uris.shown_path(document.uri)] if block.kind == "file" else [],
                        place,
                        preload,
                        snapshot,
                    )
                )
            except YonderError as error:
                if not self._lifecycle.connected:
                    await self._storing.do(Store.abandoned, f"It was not started: {error}")
                    self._changed()
                raise
            self._going[run] = document.uri
            if block.kind == "block":
                self._sessions.running(session, block.code)
        return protocol.RunStarted(run=run, session=session, range=block.range, title=block.title)

    async def _published(self, uri: str, alone: bool) -> bytes:
        """The code that a run of this document is to run on, which the hub has; b"" for none."""
        moment = self._code(uri, alone)
        return b"" if moment is None else await publish(moment, self._lifecycle)

    async def interrupt(self, params: protocol.InterruptParams) -> protocol.InterruptResult:
        """Interrupt a run, or what the document's session runs now, or what this document has going (a file's run)."""
        now = self._sessions.get(self.session(params.uri)).run
        run = params.run or now or next((run for run, uri in self._going.items() if uri == params.uri), "")
        if not run or not self._lifecycle.connected:
            return protocol.InterruptResult(outcome="idle", sentence="Nothing is running here.")
        try:
            async with asyncio.timeout(INTERRUPT_WITHIN):
                answer = await self._lifecycle.ask(lambda number: wire.Interrupt(number, run, GRACE, params.kill))
        except TimeoutError:
            sentence = f"The cluster did not answer within {INTERRUPT_WITHIN:g} s; Restart Session ends the run."
            return protocol.InterruptResult(outcome="in_c_code", sentence=sentence)
        assert isinstance(answer, wire.Interrupted)  # noqa: S101 - ids are never used twice
        return protocol.InterruptResult(outcome=answer.outcome, sentence=answer.sentence)

    def ended(self, run: str) -> None:
        """The run is over."""
        self._going.pop(run, None)

    def lost(self) -> None:
        """The hub is gone, and all it ran."""
        self._going.clear()

    async def restart(self, uri: str) -> protocol.Sentence:
        """End the document's session; the next Run makes a fresh one."""
        session = self.session(uri)
        if not self._lifecycle.connected or self._sessions.get(session).state == "none":
            return protocol.Sentence(sentence="There is no session yet; Run starts one.")
        await self._lifecycle.deliver(wire.RestartSession(session))
        self._sessions.get(session).ran = set()
        return protocol.Sentence(sentence="The session starts afresh; its variables are gone.")

    async def stop(self) -> protocol.StopResult:
        """End the cluster without linger."""
        receipt = await self._lifecycle.stop()
        if receipt is None:
            return protocol.StopResult(executors=0, peak=0, left=0, sentence="No cluster is running.")
        return protocol.StopResult(
            executors=receipt.executors, peak=receipt.peak, left=receipt.left, sentence=stopped(receipt)
        )


async def publish(moment: Moment, lifecycle: Lifecycle) -> bytes:
    """Have the hub know the code of this moment; its name. Raises CannotRun."""
    for _ in range(TRIES):
        snapshot = await moment.snapshot()
        try:
            await lifecycle.publish(snapshot, moment.contents)
        except Changed:  # while it was told; what is there now is wanted anyway
            continue
        await moment.published()
        return snapshot.digest
    raise CannotRun("Files of the workspace change faster than they can be read; run again when that has ended.")


def stopped(receipt: wire.Receipt) -> str:
    """What a person is told about the end they asked for; the hub's own sentence is for logs."""
    ended = f"{receipt.executors} executor{'' if receipt.executors == 1 else 's'} ended" if receipt.executors else ""
    left = "" if not receipt.left else f"{receipt.left} of its processes did not end: `yonder reap` ends them"
    told = ", ".join(part for part in (ended, left or ("none left" if ended else "")) if part)
    return f"The cluster is stopped: {told}." if told else "The cluster is stopped; it had no executors."
