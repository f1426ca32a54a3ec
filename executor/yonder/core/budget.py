"""One owner's executors and GPUs, divided among the pools that ask for them.

Told who has and needs what, it says how many executors each pool may have. What this file must not know: how a pool
comes to need them, who is told to go.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence

import msgspec


class Limits(msgspec.Struct, frozen=True):
    """What the owner may have at one time, over all pools; None = as much as is asked for."""

    executors: int | None = None
    gpus: int | None = None


class Claim(msgspec.Struct, frozen=True):
    """One pool's side. `have` are all its executors, those on their way out included; `busy` of them hold a call;
    `needed` are the busy ones and those that waiting calls ask for; `least` is its min; `gpus` is what each takes."""

    pool: str
    have: int
    busy: int
    needed: int
    least: int = 0
    gpus: int = 0


def divide(limits: Limits, claims: Sequence[Claim]) -> dict[str, int | None]:
    """How many executors each pool may have now; None: as many as it wants.

    Everyone keeps what is busy, then gets its min, then what it needs, then keeps what is idle, then the rest as room to
    grow; within each of these the pool with the fewest is served first. A pool that has nothing and finds all busy gets
    the next executor of the largest pool: that one's share is below what is busy, so one of its executors goes when its
    call is over. Nobody may grow into room that another still takes: ask again whenever a claim changes.
    """
    bound = [claim for claim in claims if _bound(limits, claim)]
    free: dict[str, int | None] = {claim.pool: None for claim in claims if not _bound(limits, claim)}
    if not bound:
        return free
    shares = {claim.pool: claim.busy for claim in bound}
    left = _Left(limits)
    for claim in bound:
        left.take(claim, claim.busy)
    _fill(bound, shares, left, _least)
    _fill(bound, shares, left, _needed)
    _relieve(bound, shares)
    _fill(bound, shares, left, _have)
    _fill(bound, shares, left, _anything)
    return free | _into_free_room(limits, bound, shares)


class _Left:
    """What is not given away; below zero when more is busy than the limits say."""

    def __init__(self, limits: Limits) -> None:
        self.executors = float("inf") if limits.executors is None else float(limits.executors)
        self.gpus = float("inf") if limits.gpus is None else float(limits.gpus)

    def take(self, claim: Claim, count: int = 1) -> None:
        self.executors -= count
        self.gpus -= count * claim.gpus

    def holds(self, claim: Claim) -> bool:
        return self.executors >= 1 and (claim.gpus == 0 or self.gpus >= claim.gpus)


def _bound(limits: Limits, claim: Claim) -> bool:
    return limits.executors is not None or (limits.gpus is not None and claim.gpus > 0)


def _least(claim: Claim) -> float:
    return claim.least


def _needed(claim: Claim) -> float:
    return claim.needed


def _have(claim: Claim) -> float:
    return claim.have


def _anything(_claim: Claim) -> float:
    return float("inf")


def _fill(claims: Sequence[Claim], shares: dict[str, int], left: _Left, target: Callable[[Claim], float]) -> None:
    """One by one to whoever has the fewest, until all have their target or nothing is left for them."""
    line = [(shares[claim.pool], n) for n, claim in enumerate(claims)]
    heapq.heapify(line)
    while line:
        share, n = heapq.heappop(line)
        claim = claims[n]
        if share < target(claim) and left.holds(claim):
            left.take(claim)
            shares[claim.pool] = share + 1
            heapq.heappush(line, (share + 1, n))


def _relieve(claims: Sequence[Claim], shares: dict[str, int]) -> None:
    """Who needs something and got nothing gets one of the largest's, which keeps at least one."""
    for claim in claims:
        if shares[claim.pool] or not claim.needed:
            continue
        donors = [other for other in claims if shares[other.pool] > 1 and other.gpus >= claim.gpus]
        if donors:
            largest = max(donors, key=lambda other: shares[other.pool])
            shares[largest.pool] -= 1
            shares[claim.pool] = 1


def _into_free_room(limits: Limits, claims: Sequence[Claim], shares: dict[str, int]) -> dict[str, int | None]:
    """The shares, as far as there is room for them beside what exists now."""
    room = _Left(limits)
    for claim in claims:
        room.take(claim, claim.have)
    allowed = {claim.pool: min(shares[claim.pool], claim.have) for claim in claims}

    def share(claim: Claim) -> float:
        return shares[claim.pool]

    _fill(claims, allowed, room, share)
    return dict(allowed)
