"""What of Yonder runs on other machines, and how what is left of it is ended: asked of the engines that were used.

What belongs here: containers of this installation, on every engine that a hub of this user has used. What this file must
not know: terminals, calls, pools.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from yonder.backends import told
from yonder.backends.engine import Address, Engine, Refusal, remembered
from yonder.backends.told import Seen
from yonder.errors import CannotRun
from yonder.places import answers, installation

ENGINE_SECONDS = 20.0
"""Seconds for one engine, all in all."""


@dataclass(frozen=True, slots=True)
class Found:
    """One container on the engine at `host`; `alive` says whether its hub serves."""

    seen: Seen
    host: str
    alive: bool


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What the engines say, and of those that say nothing why."""

    found: tuple[Found, ...]
    silent: tuple[str, ...]


def look(owner: str = "") -> Elsewhere:
    """The containers of this installation, of one owner or ("") of all."""

    async def asked(engine: Engine) -> list[Found]:
        return await _found(engine, owner)

    return asyncio.run(_everywhere(asked))


def reap(owner: str = "") -> Elsewhere:
    """Remove those whose hub is dead; `found` are those that are gone now."""

    async def asked(engine: Engine) -> list[Found]:
        doomed = [one for one in await _found(engine, owner) if not one.alive]
        await asyncio.gather(*(engine.gone(one.seen.handle.native) for one in doomed))
        return doomed

    return asyncio.run(_everywhere(asked))


async def _everywhere(asked: Callable[[Engine], Awaitable[list[Found]]]) -> Elsewhere:
    """Ask each engine that was used, one that does not answer holding up no other."""
    said = await asyncio.gather(*(_ask(address, asked) for address in remembered()))
    return Elsewhere(
        tuple(one for found, _ in said for one in found), tuple(sentence for _, sentence in said if sentence)
    )


async def _ask(address: Address, asked: Callable[[Engine], Awaitable[list[Found]]]) -> tuple[list[Found], str]:
    silence = f"What runs on {address.host} cannot be seen"
    try:
        async with asyncio.timeout(ENGINE_SECONDS):
            engine = await Engine.open(address)
            try:
                return await asked(engine), ""
            finally:
                await engine.close()
    except TimeoutError:
        return [], f"{silence}: it took longer than {ENGINE_SECONDS:g} s."
    except (CannotRun, Refusal) as error:
        return [], f"{silence}: {error}."


async def _found(engine: Engine, owner: str) -> list[Found]:
    seen = [Seen.read(one) for one in await engine.listed(told.marked(installation(), owner))]
    alive = {path: await asyncio.to_thread(answers, path) for path in {one.hub for one in seen}}
    return [Found(one, engine.address.host, alive[one.hub]) for one in seen]
