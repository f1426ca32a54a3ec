"""Who waits where and goes to whom: the queue of each kind of executors, calls bound to an executor by their affinity,
calls pinned to a worker.

    pinned ─▶ the worker's own line ─────────┐
    key at home ─▶ its executor's own line ──┼─▶ the next call of an executor with a free worker
    all others ─▶ the queue of their kind ───┘

While calls wait in a kind's queue, no executor of that kind has a free worker, and a call that waits for another
executor stands in that one's line, so it holds up nobody here. What this file must not know: time, sizes, boots.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from yonder.core.backoff import Backoff
from yonder.core.calls import Call
from yonder.core.queue import Queue, Turns
from yonder.core.roster import Executor
from yonder.wire import Resources

KEPT = 10_000
"""Affinity keys that one executor is the home of; beyond, the one that was used longest ago may go elsewhere."""


class Key(msgspec.Struct, eq=False):
    """An affinity key that is in use. `home` is its executor, "" while none was picked; `waiting` are its calls, by id."""

    name: str
    home: str = ""
    waiting: dict[str, Call] = msgspec.field(default_factory=dict)


class Kind(msgspec.Struct, eq=False):
    """Executors of equal resources and the calls that need such. `tied` are those in the queue that another one of the
    same key goes before: they will follow it and need no executor of their own."""

    name: str
    resources: Resources
    queue: Queue
    backoff: Backoff
    keys: dict[str, Key] = msgspec.field(default_factory=dict)
    tied: int = 0


class Own(msgspec.Struct, eq=False):
    """What waits for one executor and no other, and the keys that are at home there."""

    line: Queue
    keys: dict[str, Key] = msgspec.field(default_factory=dict)
    pins: dict[str, Queue] = msgspec.field(default_factory=dict)


class Placing:
    """All calls that wait; `length` counts them."""

    __slots__ = ("_kinds", "_owns", "_turns", "length", "plain")

    def __init__(self, resources: Resources, backoff: Backoff) -> None:
        self._turns = Turns()
        self.plain = Kind("", resources, Queue(self._turns), backoff)  # the pool's own kind
        self._kinds = {"": self.plain}
        self._owns: dict[str, Own] = {}
        self.length = 0

    # ── kinds ──

    def __iter__(self) -> Iterator[Kind]:
        return iter(list(self._kinds.values()))

    @property
    def uniform(self) -> bool:
        """There is no other kind than the pool's own."""
        return len(self._kinds) == 1

    def kind(self, name: str) -> Kind:
        return self._kinds[name]

    def learn(self, name: str, resources: Resources, backoff: Backoff) -> None:
        """There is a kind of that name from now on."""
        self._kinds[name] = Kind(name, resources, Queue(self._turns), backoff)

    def knows(self, name: str) -> bool:
        return name in self._kinds

    def unlearn(self, name: str) -> None:
        """Nothing of that kind waits or exists any more."""
        del self._kinds[name]

    # ── coming and going ──

    def home(self, call: Call) -> str:
        """The executor that the call must go to because its key is at home there; "" if any of its kind will do."""
        if not call.key:
            return ""
        key = self._kinds[call.kind].keys.get(call.key)
        return key.home if key is not None else ""

    def wait(self, call: Call, *, returns: bool = False) -> None:
        """The call waits from now on. `returns`: it waited before, and takes its old place."""
        self.length += 1
        if call.pin:
            own = self._own(call.executor)
            queue = own.pins.get(call.pin)
            if queue is None:
                queue = own.pins[call.pin] = Queue(self._turns)
            queue.push(call)
            return
        kind = self._kinds[call.kind]
        if not call.key:
            kind.queue.push(call)
            return
        key = kind.keys.get(call.key)
        if key is None:
            key = kind.keys[call.key] = Key(call.key)
        queue = self._own(key.home).line if key.home else kind.queue
        if not key.home and key.waiting:
            kind.tied += 1
        key.waiting[call.id] = call
        if returns:
            queue.give_back(call)
        else:
            queue.push(call)

    def leave(self, call: Call) -> None:
        """The call, which waits, does so no longer."""
        self._untie(call)
        queue = call.queue
        if isinstance(queue, Queue):
            queue.leave(call)
        self._left()

    def settle_in(self, call: Call, one: Executor) -> None:
        """The call goes to `one`: if its key has no home yet, this is it, and the others of the key follow."""
        if not call.key:
            return
        kind = self._kinds[call.kind]
        key = kind.keys.get(call.key)
        if key is None:
            key = kind.keys[call.key] = Key(call.key)
        if key.home:
            keys = self._owns[key.home].keys
            keys[key.name] = keys.pop(key.name)  # the one that was used last stands last
            return
        kind.tied -= max(len(key.waiting) - 1, 0)
        key.home = one.id
        own = self._own(one.id)
        own.keys[key.name] = key
        if len(own.keys) > KEPT:
            self._forget_key(kind, own)
        for other in key.waiting.values():
            kind.queue.leave(other)
            own.line.push(other)

    @staticmethod
    def _forget_key(kind: Kind, own: Own) -> None:
        """The key that was used longest ago, unless its calls wait, is at home nowhere."""
        oldest = next(iter(own.keys.values()))
        if not oldest.waiting:
            del own.keys[oldest.name], kind.keys[oldest.name]

    def next_for(self, one: Executor) -> tuple[Call, str] | None:
        """The call whose turn it is on a free worker of `one`, and the worker that it must have ("": any). It has left."""
        own = self._owns.get(one.id) if self._owns else None
        kind = self._kinds[one.kind]
        if own is None:
            call = kind.queue.head() if len(kind.queue) else None
            queue = kind.queue
        else:
            for worker in reversed(one.free):
                pinned = own.pins.get(worker)
                if pinned is not None and (call := pinned.head()) is not None:
                    return self._serve(call, pinned), worker
            mine, any_ = own.line.head(), kind.queue.head()
            if mine is not None and (any_ is None or self._turns.before(mine, any_)):
                call, queue = mine, own.line
            else:
                call, queue = any_, kind.queue
        return None if call is None else (self._serve(call, queue), "")

    def forsake(self, executor: str, worker: str = "") -> list[Call]:
        """`worker`, or all of the executor, takes no more calls. Pinned calls that can never run now are the answer (they
        have left); what was bound by its key returns to the queue of its kind."""
        own = self._owns.get(executor)
        if own is None:
            return []
        pins = [own.pins.pop(worker)] if worker in own.pins else [] if worker else list(own.pins.values())
        hopeless = [call for queue in pins for call in queue.calls()]
        for call in hopeless:
            self.leave(call)
        if not worker:
            del self._owns[executor]
            for key in own.keys.values():
                self._unsettle(key, own.line)
        return hopeless

    # ── inside ──

    def _own(self, executor: str) -> Own:
        own = self._owns.get(executor)
        if own is None:
            own = self._owns[executor] = Own(Queue(self._turns))
        return own

    def _serve(self, call: Call, queue: Queue) -> Call:
        self._untie(call)
        queue.serve(call)
        self._left()
        return call

    def _left(self) -> None:
        self.length -= 1
        if self.length == 0:
            self._turns.forget()

    def _untie(self, call: Call) -> None:
        if not call.key or call.pin:
            return
        kind = self._kinds[call.kind]
        key = kind.keys[call.key]
        del key.waiting[call.id]
        if key.home:
            return
        if key.waiting:
            kind.tied -= 1
        else:
            del kind.keys[key.name]

    def _unsettle(self, key: Key, line: Queue) -> None:
        """Its executor is of no use any more: the key is free, its calls wait for whoever comes."""
        some = next(iter(key.waiting.values()), None)
        kind = next(kind for kind in self._kinds.values() if kind.keys.get(key.name) is key)
        key.home = ""
        if some is None:
            del kind.keys[key.name]
            return
        kind.tied += len(key.waiting) - 1
        for call in key.waiting.values():
            line.leave(call)
            kind.queue.give_back(call)
