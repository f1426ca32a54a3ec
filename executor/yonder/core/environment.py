"""Two Pythons compared by content: may code travel between them, and which packages are others there.

What belongs here: the judgement and its sentences. What this file must not know: how a Python is asked, what is done about it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from yonder.wire import Environment, Needs

NAMED = 6
"""How many packages a sentence names."""

OWN = frozenset({"cloudpickle", "msgspec", "websockets", "yonder"})
"""What every executor has in the version that it came with."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One package: its version here, and there ("": it is missing)."""

    name: str
    here: str
    there: str

    def __str__(self) -> str:
        if not self.there:
            return f"{self.name} is missing there"
        return f"{self.name} {self.here} here, {self.there} there"


def minor(version: str) -> str:
    """`3.11` of `3.11.7`."""
    return ".".join(version.split(".")[:2])


def tag(environment: Environment) -> str:
    """What a compiled wheel must have been made for: `cp311-linux_x86_64`."""
    kind = "cp" if environment.implementation == "cpython" else environment.implementation
    return f"{kind}{minor(environment.version).replace('.', '')}-{environment.platform}"


def key(environment: Environment, requirements: Iterable[str], constraints: Iterable[str]) -> str:
    """The name of what is installed for these lines on this Python: the same for the same."""
    text = "\n".join([tag(environment), *sorted(requirements), "", *sorted(constraints)])
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def refusal(here: Environment, there: Environment, where: str, remedy: str) -> str:
    """Why code cannot travel from here to there, "" when it can. Patch releases may differ. `where` is the executor in
    words, `remedy` what changes its Python."""
    mine, its = _python(here), _python(there)
    if mine == its:
        return ""
    return (
        f"this program runs {mine}, the {where} {its}: functions travel as byte code, which another minor version cannot "
        f"run. {remedy}"
    )


def _python(environment: Environment) -> str:
    name = "Python" if environment.implementation == "cpython" else environment.implementation
    return f"{name} {minor(environment.version)}"


def differences(needs: Needs, there: Environment) -> list[Difference]:
    """What the code uses and is missing or of another version there, missing ones first. Versions that differ in how they
    were built only (`2.13.0+cpu`) are the same."""
    found = []
    for name in sorted(set(needs.used) - OWN):
        here = needs.environment.packages.get(name, "")
        its = there.packages.get(name)
        if its is None:
            found.append(Difference(name, here, ""))
        elif here and its and _public(here) != _public(its):
            found.append(Difference(name, here, its))
    return sorted(found, key=lambda one: (bool(one.there), one.name))


def _public(version: str) -> str:
    return version.partition("+")[0]


def sentence(where: str, found: list[Difference], remedy: str) -> str:
    """All of it in one sentence; "" for nothing."""
    if not found:
        return ""
    missing = [one.name for one in found if not one.there]
    parts = [f"{one.name} {one.here} here, {one.there} there" for one in found if one.there][:NAMED]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        more = f" and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
        parts.insert(0, f"{', '.join(missing[:NAMED])}{more} {verb} missing there")
    return f"on {where}: {'; '.join(parts)}. {remedy}"
