"""Who may come in on the link of another machine: one invitation per agent, and keys that change at every connection.

An agent is let in once by the secret of its invitation. Every answer holds the key that its next connection must show.
Small and bulk connections have a row of keys each; the secret of the invitation is the first of the small row, and the
answer to it holds the first of the bulk row. An answer can be lost in a cut, so a key stays good until its holder is
known to have the next one: it used it, or it said anything at all after the answer that held it::

                      shows key n (again, if the answer was lost): answered with key n+1, always the same
                        ┌────┐
                        │    ▼
    ──invite──▶ holds key n, perhaps n+1 ──────┐
                        ▲                      │ shows key n+1, or says anything after it was given it (its first word
                        │                      │ on a connection may be older than that):
                        └──── n becomes n+1 ───┘ key n is spent, for ever
    withdrawn: all keys are spent

So at most two keys of a row are good at any moment, a good agent is never locked out, and a spent key lets nobody in.
Whoever steals a key that is good has it for as long as the agent itself does not use the next one; from then on one of
the two is refused, and an agent that is refused ends.

Keys are not kept: each is a seal over agent, row and number, made with a seed that stays here. One number per row is all
that is remembered of an agent.

What this file must not know: sockets, TLS, randomness (the seed comes from outside), clocks.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Literal

import msgspec

from yonder import wire

Row = Literal["agent", "bulk"]
"""The role of a connection: what must not wait, or everything else. Each has its own keys."""

STRANGER = "this key opens nothing here"
SPENT = "this key was used before, or what it was for is over"


class Admitted(msgspec.Struct, frozen=True, kw_only=True):
    """Come in. `key` is what the next connection of this row shows; `bulk` what the first bulk connection shows ("" where
    that was told before). `invitation` and `number` say which key let it in."""

    agent: str
    row: Row
    invitation: int
    number: int
    key: str
    bulk: str = ""

    def __repr__(self) -> str:
        return f"Admitted({self.agent!r}, {self.row} {self.number})"  # keys have no business in a log


class _Guest:
    """One invited agent. `known` is the number of the highest key of each row that it is known to hold."""

    def __init__(self, invitation: int) -> None:
        self.invitation = invitation
        self.known: dict[Row, int] = {"agent": 0, "bulk": 0}


class Admission:
    """All invitations of one hub. `seed` are 32 random bytes or more that nobody else has."""

    def __init__(self, seed: bytes, *, package: str) -> None:
        self._seed = seed
        self._package = package
        self._guests: dict[str, _Guest] = {}
        self._invitations = 0

    def __contains__(self, agent: str) -> bool:
        """Is its invitation still good?"""
        return agent in self._guests

    def invite(self, agent: str) -> str:
        """The secret that lets this agent in. An earlier invitation of the same agent is withdrawn."""
        self._invitations += 1
        self._guests[agent] = _Guest(self._invitations)
        return self._key(agent, "agent", self._invitations, 0)

    def withdraw(self, agent: str) -> None:
        """Nobody comes in as this agent any more; connections that it has are not this file's business."""
        self._guests.pop(agent, None)

    def judge(self, hello: wire.Hello, certified: str) -> Admitted | wire.Refused:
        """May this one in? `certified` is the agent that its certificate names.

        The key comes first: strangers learn nothing else. A refusal spends nothing.
        """
        shown = self._read(hello)
        if shown is None or not hmac.compare_digest(certified.encode(), hello.id.encode()):
            return self._refused("token", STRANGER)
        row, invitation, number = shown
        guest = self._guests.get(hello.id)
        if guest is None or guest.invitation != invitation or number < guest.known[row]:
            return self._refused("spent", SPENT)
        if hello.version != wire.VERSION:
            return self._refused("version", self._mismatch(hello))
        guest.known[row] = number
        return Admitted(
            agent=hello.id,
            row=row,
            invitation=invitation,
            number=number,
            key=self._key(hello.id, row, invitation, number + 1),
            bulk=self._key(hello.id, "bulk", invitation, 0) if row == "agent" and number == 0 else "",
        )

    def proved(self, admitted: Admitted) -> None:
        """The agent said something on this connection after its answer: it holds the key that was in it."""
        guest = self._guests.get(admitted.agent)
        if guest is not None and guest.invitation == admitted.invitation:
            guest.known[admitted.row] = max(guest.known[admitted.row], admitted.number + 1)

    # ── keys ──

    def _key(self, agent: str, row: Row, invitation: int, number: int) -> str:
        place = f"{invitation}.{number}"
        return f"{place}.{self._seal(agent, row, place)}"

    def _seal(self, agent: str, row: str, place: str) -> str:
        # One text of three parts that no other three parts give.
        return hmac.new(self._seed, msgspec.json.encode([row, place, agent]), hashlib.sha256).hexdigest()

    def _read(self, hello: wire.Hello) -> tuple[Row, int, int] | None:
        """The row of the key that is shown, its invitation and its number; None: no key of ours. What is ours was given:
        no number above the next one has a key outside."""
        place, _, seal = hello.token.rpartition(".")
        ours = self._seal(hello.id, hello.role, place)
        if hello.role not in ("agent", "bulk") or not hmac.compare_digest(seal.encode(), ours.encode()):
            return None
        invitation, _, number = place.partition(".")
        return hello.role, int(invitation), int(number)

    # ── refusals ──

    def _refused(self, code: str, sentence: str) -> wire.Refused:
        return wire.Refused(code=code, sentence=sentence, version=wire.VERSION, package=self._package)

    def _mismatch(self, hello: wire.Hello) -> str:
        return (
            f"version mismatch: this hub is yonder {self._package} (wire {wire.VERSION}), the executor is yonder "
            f"{hello.package} (wire {hello.version}); install the same version in both places"
        )
