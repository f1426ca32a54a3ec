"""Do executors have the Python and the packages that the code was written against? Asked of their agents before the first
worker is forked, where they are not this machine's own.

Knows agents and the judgement of `core.environment`; not pools, not backends beyond their names.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from yonder import wire
from yonder.backends.base import BootSpec
from yonder.core import environment
from yonder.errors import BootFailed
from yonder.hub.agents import Agent

MOST_PACKAGES = 20_000
LONGEST = 200
"""How many packages an agent may tell of, and characters of a name or a version."""

ON_MACHINES_ALONE = (
    'dependencies = "lock" is for executors with a machine of their own; this one shares the hub\'s, '
    'whose Python serves others, too. Install the packages there, or say "report".'
)


class Unfit(BootFailed):
    """Another boot would meet the same. `there` is the executor's Python, where that is the reason."""

    def __init__(self, sentence: str, *, phase: str = "", there: wire.Environment | None = None) -> None:
        super().__init__(sentence, phase=phase)
        self.there = there


def place_of(spec: wire.PoolSpec) -> str:
    """Where its executors run, in words."""
    what = f"the image {spec.image}" if spec.image else spec.backend
    return f"{what} (pool {spec.name!r})"


class Fit(NamedTuple):
    """How an executor suits: `there` is its Python where it was asked, `overlay` the key of what was installed there,
    `differs` what is another there, in words."""

    there: wire.Environment | None = None
    overlay: str = ""
    differs: str = ""


async def fit(agent: Agent, spec: BootSpec, phase: Callable[[str, str], None]) -> Fit:
    """Make sure that this agent can run the code. Raises Unfit."""
    needs = spec.needs
    if needs is None:
        return Fit()
    there = bounded(await agent.survey())
    here = needs.environment
    # A session is sent text; what it sends on is made by its own Python.
    if spec.kind == "pool" and (
        sentence := environment.refusal(here, there, f"executor on {place_of(spec.pool)}", _other_python(spec, here))
    ):
        raise Unfit(sentence, phase="booting", there=there)
    if spec.pool.dependencies == "lock":
        return Fit(there, await _provide(agent, spec, needs, there, phase))
    if spec.pool.dependencies == "off":
        return Fit(there)
    found = environment.differences(needs, there)
    return Fit(there, differs=environment.sentence(place_of(spec.pool), found, _more_packages(spec.pool, found)))


async def _provide(
    agent: Agent, spec: BootSpec, needs: wire.Needs, there: wire.Environment, phase: Callable[[str, str], None]
) -> str:
    if spec.pool.backend == "local":
        raise Unfit(ON_MACHINES_ALONE, phase="booting")
    if not needs.requirements:
        return ""
    key = environment.key(there, needs.requirements, needs.constraints)
    phase("installing", needs.source)
    order = wire.Provide(key, needs.requirements, needs.constraints, {**spec.place.env, **spec.pool.env})
    if sentence := await agent.provide(order, lambda detail: phase("installing", detail[:LONGEST])):
        raise Unfit(f"on {place_of(spec.pool)}, from {needs.source}: {sentence}", phase="installing")
    return key


def sent_from(python: wire.Environment, needs: wire.Needs | None) -> wire.Needs:
    """What code needs that is sent by this Python, and not by that of the owner, who has said `needs`: what is installed for
    it stays the same."""
    return wire.Needs(python) if needs is None else msgspec.structs.replace(needs, environment=python)


def bounded(said: wire.Environment) -> wire.Environment:
    """What an agent says of itself, as much of it as can be meant."""
    packages = {
        name: version
        for name, version in list(said.packages.items())[:MOST_PACKAGES]
        if len(name) <= LONGEST and len(version) <= LONGEST and (name + version).isprintable()
    }
    kind, version, platform = (
        word[:LONGEST] if word.isprintable() else "?" for word in (said.implementation, said.version, said.platform)
    )
    return msgspec.structs.replace(said, implementation=kind, version=version, platform=platform, packages=packages)


def _other_python(spec: BootSpec, here: wire.Environment) -> str:
    wanted = environment.minor(here.version)
    if spec.pool.backend == "docker":
        return f"Use an image with Python {wanted} (yonder image --base python:{wanted}-slim), or run Python as it has here."
    return f"Let it run Python {wanted}, or run here what it has."


def _more_packages(spec: wire.PoolSpec, found: list[environment.Difference]) -> str:
    words = " ".join(f"{one.name}=={one.here}" if one.here else one.name for one in found[: environment.NAMED])
    if spec.backend == "docker":
        return f'Add them to the image (yonder image --extras "{words}"), or say dependencies = "lock".'
    return 'Install them there, or say dependencies = "lock".'
