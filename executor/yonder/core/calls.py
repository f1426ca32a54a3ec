"""A pool's calls that are not over: what each is doing, for how long in which phase, and how it may end without a result.

What this file must not know: executors, the order of those who wait.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from yonder.core.events import Phase

State = Literal["waiting", "running", "stopping"]
# waiting: in a queue. running: on an executor. stopping: its caller was told its end, its worker is still busy.


class Call(msgspec.Struct, eq=False):
    """One call. `queue` is where it waits (only its identity matters here), `kind` and `key` say which executors may take
    it, `returned` that it was given to a worker before and goes before all others, `since` is when it entered its state; `queued`, `booting` and `ran` are seconds of the states it has left."""

    id: str
    number: int
    tenant: str
    kind: str
    key: str
    pin: str
    retries: int
    deadline: float | None
    patience: float | None
    since: float
    mark: float
    state: State = "waiting"
    attempt: int = 1
    repeatable: bool = True
    returned: bool = False
    queue: object = None
    executor: str = ""
    queued: float = 0.0
    booting: float = 0.0
    ran: float = 0.0


class BootClock:
    """How long, in sum, boots were under way: between two readings lies what a waiting call spent in the phase booting."""

    __slots__ = ("_running", "_since", "_sum")

    def __init__(self) -> None:
        self._sum = 0.0
        self._since = 0.0
        self._running = False

    @property
    def running(self) -> bool:
        return self._running

    def turn(self, now: float, *, on: bool) -> None:
        """Boots are under way, or none is any more."""
        if on != self._running:
            self._sum = self.read(now)
            self._running, self._since = on, now

    def read(self, now: float) -> float:
        return self._sum + (now - self._since) if self._running else self._sum


class Calls:
    """All calls that are not over, and how many came to which end."""

    __slots__ = ("_all", "boots", "done", "lost", "retried", "running")

    def __init__(self) -> None:
        self._all: dict[str, Call] = {}
        self.boots = BootClock()
        self.running = 0
        self.done = 0
        self.retried = 0
        self.lost = 0

    def __len__(self) -> int:
        return len(self._all)

    def get(self, id_: str) -> Call | None:
        return self._all.get(id_)

    def __getitem__(self, id_: str) -> Call:
        return self._all[id_]

    def everyone(self) -> list[Call]:
        return list(self._all.values())

    def add(self, call: Call) -> None:
        self._all[call.id] = call

    def assigned(self, call: Call, executor: str, now: float) -> None:
        """From here on it runs."""
        if now != call.since:
            self._waited(call, now)
            call.since = now
        call.state, call.executor = "running", executor
        self.running += 1

    def again(self, call: Call, now: float) -> None:
        """It was lost on its worker and waits for another one."""
        call.ran += now - call.since
        call.state, call.since, call.mark = "waiting", now, self.boots.read(now)
        call.attempt += 1
        call.returned = True
        call.retries -= 1
        self.running -= 1
        self.retried += 1

    def unbegun(self, call: Call, now: float) -> None:
        """It never began on the worker that it was given to, and waits for another one."""
        call.queued += now - call.since
        call.state, call.since, call.mark = "waiting", now, self.boots.read(now)
        call.returned = True
        self.running -= 1

    def may_repeat(self, call: Call, now: float) -> bool:
        """Has the call, which runs, tries and time left, and has it given nothing away yet?"""
        in_time = call.deadline is None or call.deadline > now
        return call.retries > 0 and call.repeatable and not call.pin and in_time

    def forget(self, call: Call) -> None:
        """It is over."""
        del self._all[call.id]
        if call.state != "waiting":
            self.running -= 1

    def phase(self, call: Call) -> Phase:
        """Where the call is. One that waits while an executor boots is in the phase booting."""
        if call.state != "waiting":
            return "running"
        return "booting" if self.boots.running else "queued"

    def times(self, call: Call, now: float) -> dict[str, float]:
        """Seconds in each phase up to now."""
        queued, booting, ran = call.queued, call.booting, call.ran
        if call.state == "waiting":
            coming = self.boots.read(now) - call.mark
            queued, booting = queued + (now - call.since) - coming, booting + coming
        else:
            ran += now - call.since
        return {"queued": max(queued, 0.0), "booting": booting, "running": ran}

    def _waited(self, call: Call, now: float) -> None:
        coming = self.boots.read(now) - call.mark
        call.queued += now - call.since - coming
        call.booting += coming


def spell(times: dict[str, float]) -> str:
    """`2.0 s queued, 8.0 s running`: the phases in which time was spent."""
    parts = [f"{seconds:.1f} s {phase}" for phase, seconds in times.items() if seconds >= 0.05]
    return ", ".join(parts) if parts else "no time at all"
