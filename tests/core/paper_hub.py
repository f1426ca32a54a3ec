"""A hub on paper: it speaks the wire with a `Pool` in memory, and its test says what every call's end is.

Functions run at once in this process (`auto`), or wait for the test to run or end them.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import msgspec

from yonder import payload, wire
from yonder.switchboard import PROGRAM


class PaperHub:
    """Answers what a pool needs to open and close; calls are run here when `auto`, else wait in `calls`."""

    def __init__(self, *, auto: bool = True, micros: int = 0, spec: wire.PoolSpec | None = None) -> None:
        self.auto = auto
        self.micros = micros
        self.spec = spec
        self.said: list[wire.ClientToHub] = []
        self.calls: dict[int, wire.Submit] = {}
        self.functions: dict[bytes, bytes] = {}
        self.ended: list[int] = []
        self.workers = 2
        self.came = threading.Condition()

    # ── the door ──

    def client(self, receive, lost):
        self.receive = receive
        return self

    def help(self, done, timeout) -> None:
        """Paper needs no help."""

    def close(self) -> None:
        self.closed = True

    def send(self, message: wire.ClientToHub) -> None:
        with self.came:
            self.said.append(message)
            self.came.notify_all()
        match message:
            case wire.OpenPool():
                spec = self.spec or message.spec
                self.spec = spec
                self.receive(wire.PoolOpened(message.id, spec.name, spec))
            case wire.Submit():
                if message.function_body:
                    self.functions[message.function] = message.function_body
                assert message.function in self.functions, "a function that was never sent, or was to be forgotten"
                self.calls[message.call] = message
                if self.auto and (message.options is None or message.options.mode.kind == "call"):
                    self.run(message.call)
            case wire.Forget():
                for digest in message.functions:
                    del self.functions[digest]
            case wire.Cancel() if message.call in self.calls:
                self.end(message.call, "cancelled")
            case wire.ActorClose():
                self.end(message.call, "ok", body=payload.pack(None))
            case wire.Resize():
                changed = {key: getattr(message, key) for key in ("min", "max", "buffer")}
                given = {key: value for key, value in changed.items() if value is not None}
                self.spec = msgspec.structs.replace(self.spec, **given)
                self.receive(wire.PoolOpened(message.id, self.spec.name, self.spec))
            case wire.GetPool():
                state = wire.PoolState(self.spec.name, "local", 1, 0, 0, self.spec.max, 0, "because of the paper")
                self.receive(wire.PoolStatus(message.id, state))
            case wire.Broadcast():
                ends = [
                    self.outcome(message.call, message.function_body, message.arguments) for _ in range(self.workers)
                ]
                self.receive(wire.BroadcastDone(message.call, ends))
            case wire.ClosePool():
                self.receive(wire.PoolClosedNow(message.id))
            case _:
                pass

    # ── what a test has done ──

    def run(self, call: int) -> None:
        """Run a call here and deliver its end."""
        submit = self.calls[call]
        self.receive(wire.CallPhase(call, "running"))
        body = self.functions[submit.function]
        chunk = submit.options.mode.chunk if submit.options else 0
        if chunk:
            members = payload.unpack_chunk(submit.arguments)
            assert len(members) == chunk
            ends = [self.outcome(call, body, member) for member in members]
            outcomes = [payload.Outcome(end.outcome, end.body, end.failure) for end in ends]
            self.end(call, "ok", body=payload.pack_outcomes(outcomes), micros=self.micros * chunk)
        else:
            end = self.outcome(call, body, submit.arguments)
            self.end(call, end.outcome, body=end.body, failure=end.failure, micros=self.micros)

    def outcome(self, call: int, body: bytes, arguments: bytes) -> wire.CallDone:
        try:
            args, kwargs = payload.unpack(arguments)
            value = payload.unpack(body)(*args, **kwargs)
        except Exception as error:
            return wire.CallDone(call, "error", payload.pack_exception(error), payload.failure(error, ""))
        return wire.CallDone(call, "ok", payload.pack(value))

    def end(self, call: int, outcome: str, **more: object) -> None:
        """Deliver the end of a call."""
        del self.calls[call]
        self.ended.append(call)
        self.receive(wire.CallDone(call, outcome, **more))

    def sent(self, kind: type) -> list:
        return [message for message in self.said if type(message) is kind]

    def wait_for(self, kind: type, count: int = 1) -> list:
        """Until that many such messages came (other threads send them)."""
        with self.came:
            assert self.came.wait_for(lambda: len(self.sent(kind)) >= count, 20), f"no {kind.__name__} came"
        return self.sent(kind)


@contextlib.contextmanager
def on_paper(monkeypatch, **how) -> Iterator[PaperHub]:
    """Pools opened inside find this hub."""
    hub = PaperHub(**how)
    monkeypatch.setattr(PROGRAM, "enter", lambda backend, lends: hub)
    monkeypatch.setattr(PROGRAM, "leave", lambda hub: None)
    yield hub
