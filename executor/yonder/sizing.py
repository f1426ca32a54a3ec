"""`Sizing`: how many items of a map travel in one message. Arithmetic only; times come in from outside.

Calls go singly until they have shown that the function is short. Then parcels grow, twofold at most at each step, to a few
milliseconds of work; towards a known end they shrink, so that no executor is left with the last large one.
"""

from __future__ import annotations

SHORT_MICROS = 500.0
"""A function that takes longer is not worth a parcel: the message costs little beside it."""
PARCEL_MICROS = 3_000.0
"""Work that goes into one parcel."""
MOST_ITEMS = 512
MOST_BYTES = 256 * 1024


class Sizing:
    """`slots` is how many calls run at a time, `length` how many items there are in all, None when nobody knows."""

    def __init__(self, slots: int, length: int | None) -> None:
        self._slots = max(slots, 1)
        self._left = length
        self._micros = 0.0
        self._bytes = 0.0
        self._now = 1

    def ended(self, items: int, micros: int) -> None:
        """A parcel's function ran so long in all. 0 is not known."""
        if micros <= 0:
            return
        each = micros / items
        if each > self._micros * 2 or not self._micros:
            self._micros = each  # slower than thought: believed at once
        else:
            self._micros += 0.3 * (each - self._micros)

    def sent(self, items: int, size: int) -> None:
        """A parcel went out, of so many bytes."""
        self._bytes = max(self._bytes, size / items)
        if self._left is not None:
            self._left -= items

    def next(self) -> int:
        """How many items the next parcel takes."""
        if not self._micros or self._micros >= SHORT_MICROS:
            self._now = 1
            return 1
        most = min(PARCEL_MICROS / self._micros, MOST_ITEMS, MOST_BYTES / max(self._bytes, 1.0), self._now * 2)
        self._now = max(int(most), 1)
        if self._left is None:
            return self._now
        return max(1, min(self._now, -(-self._left // (2 * self._slots))))
