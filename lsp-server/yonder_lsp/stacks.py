"""Where the threads of executors stand, for the editor: asked of the hub, told as texts.

What this file must not know: documents, how a text is shown.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from yonder import stacks, wire
from yonder.errors import CannotRun
from yonder_lsp import protocol
from yonder_lsp.lifecycle import Lifecycle

WITHIN = 12.0
"""Seconds; the hub itself answers each question within 5."""


class Stacks:
    """`session` says which session a document's code runs in."""

    def __init__(self, lifecycle: Lifecycle, session: Callable[[str], str]) -> None:
        self._lifecycle = lifecycle
        self._session = session

    async def show(self, params: protocol.StacksParams) -> protocol.StacksResult:
        """Every process of a document's session; of all executors without a document, or without a session of it. Raises
        CannotRun."""
        if not self._lifecycle.connected:
            return protocol.StacksResult(processes=[], sentence="No cluster is running.")
        session = self._session(params.uri) if params.uri else ""
        try:
            async with asyncio.timeout(WITHIN):
                answer = await self._asked(session)
                if session and not answer.processes:  # what the document has going may be a file's run
                    answer = await self._asked("")
        except TimeoutError:
            raise CannotRun(f"The cluster did not say within {WITHIN:g} s where its threads stand.") from None
        told = [protocol.StackText(title=one.title, text=str(one)) for one in stacks.read(answer)]
        more = f"{answer.more} more processes are not shown." if answer.more else ""
        return protocol.StacksResult(processes=told, sentence=more if told else "Nothing runs on the cluster now.")

    async def _asked(self, session: str) -> wire.Stacks:
        answer = await self._lifecycle.ask(lambda number: wire.GetStacks(number, session=session))
        assert isinstance(answer, wire.Stacks)  # noqa: S101 - ids are never used twice
        return answer
