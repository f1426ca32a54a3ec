"""What a measurement is, and the arithmetic of medians. Nothing here measures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec


class BenchError(Exception):
    """The thing measured did not do what it should, so its time means nothing."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One number. `peers` are other ways to the same end, measured in the same run, in the same unit."""

    name: str
    value: float
    unit: str
    peers: dict[str, float] = field(default_factory=dict)

    def line(self) -> str:
        """The figure as one line of JSON."""
        peers = {peer: rounded(value) for peer, value in self.peers.items()}
        return msgspec.json.encode(
            {"name": self.name, "value": rounded(self.value), "unit": self.unit, "peers": peers}
        ).decode()


def rounded(value: float) -> float:
    """Four significant digits: more would pretend to a precision that no run has."""
    return float(f"{value:.4g}")


def quantile(values: Sequence[float], share: float) -> float:
    """The nearest-rank quantile: a value that did occur. quantile(v, 0.5) is the (lower) median."""
    if not values:
        raise BenchError("nothing was measured")
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def median(values: Sequence[float]) -> float:
    return quantile(values, 0.5)
