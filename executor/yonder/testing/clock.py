"""Time that a test moves. What this file must not know: who asks for it."""

from __future__ import annotations


class FakeClock:
    """Time stands still until it is advanced. Callable, so it goes wherever `time.monotonic` would."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> float:
        if seconds < 0:
            raise ValueError("time does not go back")
        self.now += seconds
        return self.now
