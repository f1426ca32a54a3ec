"""Several calls of one function in one task: each with its own arguments, its own value or error.

What belongs here: running the members in turn. What this file must not know: the task's begin and end, lanes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from yonder import payload
from yonder.agent.guard import Ran
from yonder.agent.stage import MAX_RESULT, Stage
from yonder.errors import SerializationError
from yonder.payload import Outcome
from yonder.wire import Body, whole


class Chunk:
    """The ends of its members so far. An interrupt ends the member it hits, and those after it are not begun."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._ends: list[Outcome] = []

    def run(self, digest: bytes, arguments: Body) -> Ran[bytes]:
        """The packed outcomes; an error only where the function or the list of arguments itself does not unpack."""
        stage = self._stage
        ready = stage.guard.run(lambda: (stage.function(digest), payload.unpack_chunk(arguments)))
        if ready.value is None:
            return Ran(None, ready.error, ready.interrupted)
        function, members = ready.value
        while len(self._ends) < len(members):
            ran = stage.guard.run(lambda: self._members(function, members))
            if ran.error is not None and len(self._ends) < len(members):
                self._ends.append(self._failed(ran.error))
                if ran.interrupted or stage.guard.missed:
                    self._ends += [Outcome("cancelled")] * (len(members) - len(self._ends))
            del ran  # see Ran
        body = payload.pack_outcomes(self._ends)
        if len(body) > MAX_RESULT:
            error = f"the results of {len(members)} calls are {len(body):,} bytes large together; send fewer at once"
            return Ran(None, SerializationError(error))
        return Ran(body)

    def _members(self, function: Callable[..., Any], members: list[bytes]) -> None:
        """Run those that are left, up to the first that raises. User code on."""
        stage, ends = self._stage, self._ends
        for at in range(len(ends), len(members)):
            positional, keywords = stage.arguments(members[at])
            value = stage.run(function, positional, keywords)
            ends.append(Outcome("ok", bytes(whole(stage.pack(value, near=False)))))

    def _failed(self, error: BaseException) -> Outcome:
        return Outcome("error", *self._stage.told(error))
