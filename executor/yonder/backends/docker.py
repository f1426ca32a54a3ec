"""Executors as containers of a Docker Engine, on this machine or another.

    boot: image (pull) ─▶ create ─▶ start, with the invitation on standard input ─▶ the agent dials the hub
    end:  kill and remove, until the engine says that there is no such container

What belongs here: the order of these steps, and what is taken back when one is cut short. What the engine's words mean is
in `containers`, how it is asked in `engine`, what is heard of containers and how they end in `fleet`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import secrets
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from yonder.backends import containers, told
from yonder.backends.base import HELD, Boarding, BootSpec, Finding, Handle, PhaseSink
from yonder.backends.containers import Wanted
from yonder.backends.engine import Address, Engine, EngineAwayError, Refusal, Words, remember, remembered, resolve
from yonder.backends.fleet import Fleet
from yonder.backends.gpus import Gpu, Gpus
from yonder.core.environment import minor
from yonder.errors import BootFailed, CannotRun
from yonder.places import OwnerFolder, installation
from yonder.wire import PoolSpec


class Pull:
    """One pull of an image, told to every boot that waits for it."""

    def __init__(self, fleet: Fleet, name: str) -> None:
        self.tell: list[PhaseSink] = []
        self.far = ""
        self._progress = told.Pulling()
        self.done = fleet.spawn(fleet.engine.pull(name, self._heard))

    def _heard(self, line: Mapping[str, Any]) -> None:
        if (far := self._progress.heard(line)) != self.far:
            self.far = far
            for phase in self.tell:
                phase("pulling", far)


class DockerBackend:
    """Executors as containers. `boarding` lets them come to the hub, `gpus` is the book of this machine's devices, `log`
    takes what belongs to nobody's boot."""

    def __init__(self, folder: OwnerFolder, boarding: Boarding, gpus: Gpus, log: Callable[[str], None]) -> None:
        self._owner = folder.owner
        self._hub = str(folder.hub_socket)
        self._boarding = boarding
        self._gpus = gpus
        self._log = log
        self._named: dict[tuple[Address, tuple[str, ...]], Gpus] = {}
        self._books: dict[str, Gpus] = {}
        self._fleets: dict[Address, Fleet] = {}
        self._opening = asyncio.Lock()
        self._pulls: dict[tuple[Address, str], Pull] = {}
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._here: dict[str, tuple[Fleet, Handle]] = {}

    # ── boot ──

    async def boot(self, spec: BootSpec, phase: PhaseSink) -> Handle:
        async with self._turn(spec.executor):
            if spec.executor in self._here:
                return self._here[spec.executor][1]
            phase("creating", "")
            try:
                wanted = Wanted.of(spec.pool)
                fleet = await self._fleet(resolve(wanted.host, wanted.cert_path, os.environ, Path.home()))
                if problem := told.resource_problem(spec.pool.resources, fleet.engine.facts):
                    raise BootFailed(problem, phase="creating")
                image = await self._image(fleet, spec.pool, wanted, phase)
                devices = await self._devices(fleet.engine, spec, wanted, phase)
                handle = await self._begin(fleet, spec, wanted, image, devices, phase)
            except EngineAwayError as error:
                await self._give_back(spec.executor)
                raise BootFailed(str(error), phase="creating") from error
            except BaseException:
                await self._give_back(spec.executor)
                raise
            self._here[spec.executor] = fleet, handle
            return handle

    def _turn(self, executor: str) -> asyncio.Lock:
        """One step after another for each executor."""
        return self._turns.setdefault(executor, asyncio.Lock())

    async def _fleet(self, address: Address) -> Fleet:
        """This hub's containers on the engine there. Raises BootFailed, EngineAwayError."""
        async with self._opening:
            if (found := self._fleets.get(address)) is not None:
                return found
            engine = await Engine.open(address)
            fleet = Fleet(
                engine, owner=self._owner, installation=installation(), boarding=self._boarding, log=self._log
            )
            try:
                await fleet.open()
            except BaseException:
                await fleet.close()
                raise
            self._fleets[address] = fleet
            remember(address)
            return fleet

    async def _image(self, fleet: Fleet, pool: PoolSpec, wanted: Wanted, phase: PhaseSink) -> str:
        """The id of the image, so that what was checked is what is started. Raises BootFailed."""
        name = containers.image_of(pool)
        found = await fleet.engine.image(name)
        if wanted.pull == "always" or (found is None and wanted.pull == "missing"):
            await self._pull(fleet, name, phase)
            found = await fleet.engine.image(name)
        if found is None:
            raise BootFailed(containers.missing_image(name, ""), phase="pulling")
        if problem := containers.image_problem(name, found, user=wanted.user):
            raise BootFailed(problem, phase="creating")
        return str(found["Id"])

    async def _pull(self, fleet: Fleet, name: str, phase: PhaseSink) -> None:
        """Pull it, or join a pull that is under way. It goes on when its boot takes too long: the next one joins it."""
        key = (fleet.engine.address, name)
        pull = self._pulls.get(key)
        if pull is None:
            pull = self._pulls[key] = Pull(fleet, name)
            pull.done.add_done_callback(lambda _: self._pulls.pop(key, None))
        pull.tell.append(phase)
        phase("pulling", pull.far or name)
        try:
            await asyncio.shield(pull.done)
        except (Refusal, EngineAwayError) as error:
            raise BootFailed(containers.missing_image(name, str(error)), phase="pulling") from error
        finally:
            pull.tell.remove(phase)

    async def _devices(self, engine: Engine, spec: BootSpec, wanted: Wanted, phase: PhaseSink) -> list[Gpu]:
        """GPUs that are this executor's alone until it is gone; waits for them. Raises BootFailed."""
        wishes = spec.pool.resources.gpu
        if not wishes:
            return []
        book = self._gpus
        if wanted.gpus:
            key = (engine.address, tuple(wanted.gpus))
            book = self._named.setdefault(key, Gpus(lambda: containers.named_gpus(wanted.gpus)))
        elif not engine.facts.runs_on(socket.gethostname()):
            raise BootFailed(
                f"which GPUs {engine.facts.name} has cannot be seen from here; name them: "
                'options = {"gpus": ["0", "1"]}',
                phase="creating",
            )
        self._books[spec.executor] = book
        wishes = containers.gpu_wishes(wishes, wanted.gpus)
        taken = await book.take(spec.executor, wishes, lambda why: phase(HELD, why))
        phase("creating", "")
        return taken

    async def _give_back(self, executor: str) -> None:
        if (book := self._books.pop(executor, None)) is not None:
            await book.give_back(executor)

    async def _begin(
        self, fleet: Fleet, spec: BootSpec, wanted: Wanted, image: str, devices: list[Gpu], phase: PhaseSink
    ) -> Handle:
        """Create and start. Cut short, at whatever moment, it leaves nothing."""
        agent, name = f"agent-{secrets.token_hex(8)}", containers.name_of(spec.executor)
        body = containers.creation(
            spec, wanted, agent=agent, installation=installation(), hub=self._hub, image=image, gpus=devices
        )
        listen, reach = await meeting_place(fleet.engine, wanted)
        creating: asyncio.Task[str] | None = None
        try:
            invitation = await self._boarding.invite(agent, listen=listen, reach=reach, lifetime=spec.pool.max_lifetime)
            phase("creating", name)
            # An engine goes on with what it was asked even when nobody waits for the answer any more.
            creating = fleet.spawn(self._create(fleet, spec.executor, name, body))
            native = await asyncio.shield(creating)
            phase("starting", f"{name} dials {reach or listen}")
            words = await self._start(fleet.engine, native, invitation + b"\n")
        except BaseException:
            self._boarding.withdraw(agent)
            if creating is not None:
                await asyncio.shield(fleet.spawn(self._take_back(fleet, spec.executor, name, creating)))
            raise
        handle = Handle(executor=spec.executor, owner=spec.owner, native=native, agent=agent)
        fleet.started(handle, name, words)
        return handle

    async def _create(self, fleet: Fleet, executor: str, name: str, body: dict[str, Any]) -> str:
        fleet.unwanted.discard(executor)
        try:
            return await fleet.engine.create(name, body)
        except Refusal as error:
            if error.status != 409 or not await self._clear(fleet, name):
                raise BootFailed(told.refusal(str(error)), phase="creating") from error
        try:
            return await fleet.engine.create(name, body)
        except Refusal as error:
            raise BootFailed(told.refusal(str(error)), phase="creating") from error

    async def _clear(self, fleet: Fleet, name: str) -> bool:
        """Remove what has this name, if it is ours and nobody has its handle: left by a hub of this owner that died, or
        by a boot that was cut short. Was that possible?"""
        found = await fleet.engine.container(name)
        if found is None:
            return True
        marks = (found.get("Config") or {}).get("Labels") or {}
        if marks.get(told.INSTALLATION) != installation() or marks.get(told.OWNER) != self._owner:
            return False
        await fleet.engine.gone(found["Id"])
        return True

    @staticmethod
    async def _start(engine: Engine, native: str, invitation: bytes) -> Words:
        try:
            return await engine.start(native, invitation)
        except Refusal as error:
            raise BootFailed(told.refusal(str(error)), phase="starting") from error
        except EngineAwayError as error:
            raise BootFailed(str(error), phase="starting") from error

    async def _take_back(self, fleet: Fleet, executor: str, name: str, creating: asyncio.Task[str]) -> None:
        """Remove what a boot that was cut short has made, as soon as the engine has made it. What comes even later,
        because the answer was lost, is removed when its creation is heard of."""
        fleet.unwanted.add(executor)
        await asyncio.wait({creating})
        with contextlib.suppress(EngineAwayError, Refusal):
            await self._clear(fleet, name)

    # ── end ──

    async def terminate(self, handle: Handle) -> None:
        """Raises CannotRun when an engine did not answer for long: the container may still run, says the sentence."""
        async with self._turn(handle.executor):
            here = self._here.get(handle.executor)
            if here is not None:
                await here[0].end(here[1])
            if told.is_native(handle.native) and (here is None or here[1].native != handle.native):
                for fleet in list(self._fleets.values()):
                    await fleet.end(handle)
            self._here.pop(handle.executor, None)
            await self._give_back(handle.executor)

    async def owned(self, owner: str) -> list[Handle]:
        """Before the first boot those engines are asked that were used before. Raises CannotRun when one does not answer."""
        try:
            for address in [] if self._fleets else remembered():
                await self._fleet(address)
            seen = [await fleet.all(owner) for fleet in list(self._fleets.values())]
        except Refusal as error:
            raise CannotRun(told.refusal(str(error))) from error
        return [one.handle for found in seen for one in found]

    async def close(self) -> None:
        for fleet in self._fleets.values():
            await fleet.close()
        self._fleets.clear()

    # ── what is missing ──

    async def preflight(self) -> list[Finding]:
        return await look(PoolSpec(backend="docker"))


def is_ours(address: str) -> bool:
    """Is it an address of this machine?"""
    bare = address.strip("[]")
    with socket.socket(socket.AF_INET6 if ":" in bare else socket.AF_INET) as probe:
        try:
            probe.bind((bare, 0))
        except OSError:
            return False
        return True


def facing(host: str) -> str:
    """The address from which this machine dials `host`; nothing is sent. Raises BootFailed."""
    try:
        family, kind, protocol, _, target = socket.getaddrinfo(host, 9, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.connect(target)
            found = str(probe.getsockname()[0])
    except OSError as error:
        raise BootFailed(f"the engine's machine {host} cannot be found: {error.strerror}", phase="creating") from error
    return f"[{found}]" if ":" in found else found


async def meeting_place(engine: Engine, wanted: Wanted) -> tuple[str, str]:
    """Where the hub listens and what executors dial. Raises BootFailed, EngineAwayError."""
    network = await engine.network(wanted.network)
    if network is None:
        raise BootFailed(told.refusal(f"network {wanted.network} not found"), phase="creating")
    return containers.meeting_place(
        wanted,
        host=engine.address.host,
        facts=engine.facts,
        network=network,
        machine=socket.gethostname(),
        ours=is_ours,
        facing=facing,
    )


async def look(pool: PoolSpec) -> list[Finding]:
    """What would keep executors of this pool from working: the engine, its bounds, the image, the way to the hub."""
    try:
        wanted = Wanted.of(pool)
        engine = await Engine.open(resolve(wanted.host, wanted.cert_path, os.environ, Path.home()))
    except CannotRun as error:
        return [
            told.finding("engine", str(error), "start it, or say which: DOCKER_HOST, or the options host and cert_path")
        ]
    try:
        return await _findings(engine, pool, wanted)
    except (EngineAwayError, Refusal) as error:
        return [told.finding("engine", str(error), "see the engine's own log")]
    finally:
        await engine.close()


async def _findings(engine: Engine, pool: PoolSpec, wanted: Wanted) -> list[Finding]:
    name = containers.image_of(pool)
    image = await engine.image(name)
    problem = containers.image_problem(name, image, user=wanted.user) if image else containers.missing_image(name, "")
    here = minor(platform.python_version())
    other = containers.python_problem(name, image, here) if image else ""
    try:
        listen, reach = await meeting_place(engine, wanted)
        way = told.finding("network", f"{wanted.network}: executors dial {reach or listen}")
    except BootFailed as error:
        way = told.finding("network", str(error), "see docs/docker.md, Networks")
    return [
        *told.engine_findings(engine.facts, engine.address.host),
        told.finding("image", problem, "yonder image") if problem else told.finding("image", name),
        *([told.finding("python", other, f"yonder image --base python:{here}-slim")] if other else []),
        way,
        *containers.gpu_findings(pool, wanted, engine.facts, socket.gethostname()),
    ]
