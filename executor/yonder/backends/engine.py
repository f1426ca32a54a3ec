"""One Docker Engine: where it is, how it is asked, and which engines were used before.

What belongs here: connections, requests, the engine's silence in words. What this file must not know: pools, hubs, what
a container is for. aiodocker is imported where it is used: it is an extra.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import importlib.util
import json
import os
import re
import ssl
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import msgspec

from yonder.backends.told import Facts, moment
from yonder.errors import BootFailed, CannotRun, UsageError
from yonder.places import state_root

if TYPE_CHECKING:
    import aiodocker
    from aiodocker.stream import Stream
    from aiohttp import BaseConnector

T = TypeVar("T")

ANSWER: Final = 30.0
"""Seconds in which an engine answers anything but a pull."""

DIAL: Final = 5.0
"""Seconds in which it takes a connection."""

REMEMBERED: Final = 32
"""So many engines are remembered, the latest first."""

KEPT: Final = 4000
"""Characters of what a container prints."""

_SOCKETS: Final = ("/run/docker.sock", "/var/run/docker.sock")


class EngineAwayError(CannotRun):
    """The engine does not answer."""


class Refusal(Exception):  # noqa: N818 - an answer, not a fault
    """The engine answers with no. `status` is HTTP's."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(said)
        self.status = status


class Address(NamedTuple):
    """Where an engine is; `cert_path` is the folder of the certificates for tcp."""

    host: str
    cert_path: str = ""


def core(why: str) -> str:
    """What the operating system said, out of the libraries' words around it: only for people, nothing is decided by it."""
    found = re.search(r"\[([^\[\]]+)\]+$", why)
    return found[1] if found else why


def check_installed() -> None:
    """Raises BootFailed where the extra is missing."""
    if importlib.util.find_spec("aiodocker") is None:
        raise BootFailed("the docker backend needs two packages: pip install aiodocker cryptography", phase="creating")


# ── which engine ──────────────────────────────────────────────────────────────────────────────────────────────────────


def resolve(host: str, cert_path: str, environ: Mapping[str, str], home: Path) -> Address:
    """The engine that is meant: the one named, else DOCKER_HOST, else docker's current context, else the usual socket.
    Raises BootFailed when there is none."""
    if host:
        return Address(host, _expanded(cert_path))
    if host := environ.get("DOCKER_HOST", ""):
        return Address(host, _expanded(cert_path or environ.get("DOCKER_CERT_PATH", "")))
    if found := _context(environ, home):
        return Address(found.host, _expanded(cert_path) or found.cert_path)
    for path in (*_SOCKETS, str(home / ".docker/run/docker.sock")):
        if Path(path).is_socket():
            return Address(f"unix://{path}")
    raise BootFailed(
        'there is no Docker Engine here: start it, set DOCKER_HOST, or say options = {"host": …}', phase="creating"
    )


def _expanded(folder: str) -> str:
    return str(Path(folder).expanduser()) if folder else ""


def _context(environ: Mapping[str, str], home: Path) -> Address | None:
    """The engine of docker's current context, None for the default one."""
    folder = Path(environ.get("DOCKER_CONFIG") or home / ".docker")
    name = environ.get("DOCKER_CONTEXT") or str(_json(folder / "config.json").get("currentContext") or "")
    if name in ("", "default"):
        return None
    key = hashlib.sha256(name.encode()).hexdigest()
    known = _json(folder / "contexts" / "meta" / key / "meta.json")
    host = str(((known.get("Endpoints") or {}).get("docker") or {}).get("Host") or "")
    if not host:
        raise BootFailed(f"docker's context {name} names no engine; see docker context ls", phase="creating")
    certificates = folder / "contexts" / "tls" / key / "docker"
    return Address(host, str(certificates) if certificates.is_dir() else "")


def _json(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _connector(address: Address) -> tuple[BaseConnector, str]:
    """What dials it, and the URL that requests begin with. Raises BootFailed for what is not spoken."""
    import aiohttp

    scheme, _, rest = address.host.partition("://")
    if scheme == "unix":
        return aiohttp.UnixConnector(rest, limit=0), "unix://localhost"
    if scheme not in ("tcp", "http", "https"):
        raise BootFailed(
            f"the engine {address.host}: only unix:// and tcp:// are spoken; for ssh forward its socket (ssh -L)",
            phase="creating",
        )
    if address.cert_path:
        return aiohttp.TCPConnector(ssl=_certified(address), limit=0), f"https://{rest}"
    if rest.rpartition(":")[0] not in ("localhost", "127.0.0.1", "[::1]"):
        # Whoever listens there would read the invitation of each executor.
        raise BootFailed(
            f"the engine {address.host} would be asked in plain text over a network; say cert_path, the folder of "
            "ca.pem, cert.pem and key.pem",
            phase="creating",
        )
    return aiohttp.TCPConnector(limit=0), f"http://{rest}"


def _certified(address: Address) -> ssl.SSLContext:
    folder = Path(address.cert_path)
    try:
        context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
        context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    except (OSError, ssl.SSLError) as error:
        raise BootFailed(
            f"the certificates for {address.host} in {folder} cannot be used: {error}", phase="creating"
        ) from error
    return context


# ── those used before ─────────────────────────────────────────────────────────────────────────────────────────────────


def remembered() -> list[Address]:
    """The engines that hubs of this user have used, the latest first. One whose socket is gone is left out."""
    try:
        found = msgspec.json.decode((state_root() / "engines.json").read_bytes(), type=list[Address])
    except (OSError, UsageError, msgspec.MsgspecError):
        return []
    return [one for one in found if not one.host.startswith("unix://") or Path(one.host[7:]).exists()]


def remember(address: Address) -> None:
    """For `yonder ps` and `yonder reap`: hosts and folders, nothing secret."""
    known = remembered()
    if known[:1] == [address]:
        return
    file = state_root() / "engines.json"
    partial = file.with_name(f"engines.{os.getpid()}.new")
    partial.write_bytes(msgspec.json.encode([address, *(one for one in known if one != address)][:REMEMBERED]))
    partial.replace(file)


# ── asking it ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class Engine:
    """One engine's answers. Every request raises EngineAwayError when it is silent and Refusal when it says no."""

    def __init__(self, address: Address, docker: aiodocker.Docker, connector: BaseConnector) -> None:
        self.address = address
        self.facts = Facts("", "", "", 0, 0, desktop=False, rootless=False)
        self.opened = 0.0  # by its own clock
        self._docker = docker
        self._connector = connector

    @classmethod
    async def open(cls, address: Address) -> Engine:
        """Dial it and ask what it is. Raises BootFailed, EngineAwayError."""
        check_installed()
        import aiodocker
        import aiohttp

        connector, url = _connector(address)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=DIAL)
        engine = cls(address, aiodocker.Docker(url=url, connector=connector, timeout=timeout), connector)
        try:
            info = await engine.info()
            engine.facts, engine.opened = Facts.read(info), moment(info)
        except BaseException:
            await engine.close()
            raise
        return engine

    async def close(self) -> None:
        await self._docker.close()
        await self._connector.close()

    async def _ask(self, request: Awaitable[T]) -> T:
        with self._translated():
            async with asyncio.timeout(ANSWER):
                return await request

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        """Foreign errors become ours here and nowhere else."""
        import aiodocker
        import aiohttp

        try:
            yield
        except aiodocker.DockerError as error:
            if error.status == 900:  # aiodocker's own: nobody there
                raise self._away(str(error.message)) from error
            raise Refusal(error.status, str(error.message)) from error
        except TimeoutError as error:
            raise self._away(f"no answer in {ANSWER:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise self._away(str(error) or type(error).__name__) from error

    def _away(self, why: str) -> EngineAwayError:
        return EngineAwayError(
            f"the Docker Engine at {self.address.host} does not answer: {core(why)}; see that it runs"
        )

    async def info(self) -> Mapping[str, Any]:
        """Everything that it says of itself."""
        return await self._ask(self._docker.system.info())

    async def image(self, name: str) -> dict[str, Any] | None:
        """What it knows of an image, None when it has none of that name."""
        return await self._found(self._docker.images.inspect(name))

    async def network(self, name: str) -> dict[str, Any] | None:
        """What it knows of a network, None when it has none of that name."""

        async def look() -> dict[str, Any]:
            return await (await self._docker.networks.get(name)).show()

        return await self._found(look())

    async def _found(self, request: Awaitable[Any]) -> dict[str, Any] | None:
        try:
            return dict(await self._ask(request))
        except Refusal as error:
            if error.status == 404:
                return None
            raise

    async def pull(self, name: str, heard: Callable[[Mapping[str, Any]], None]) -> None:
        """Pull an image; every line of progress is heard. However long it takes."""
        with self._translated():
            async for line in self._docker.images.pull(name, stream=True):
                heard(line)

    async def create(self, name: str, body: Mapping[str, Any]) -> str:
        """Create a container; its id."""
        made = await self._ask(self._docker.containers.create(dict(body), name=name))
        return made.id

    async def container(self, name: str) -> dict[str, Any] | None:
        """What it knows of a container by name or id, None when there is none."""
        return await self._found(self._docker.containers.container(name).show())

    async def start(self, native: str, line: bytes) -> Words:
        """Start it and hand over `line` where nobody else can read it: its standard input, which then ends. What it
        prints from then on is in the answer."""
        container = self._docker.containers.container(native)
        with self._translated():
            async with asyncio.timeout(ANSWER):
                words = Words(container.attach(stdout=True, stderr=True))
                try:
                    await words.open()  # one that dies at once is removed at once, and its words with it
                    async with container.attach(stdin=True) as stream:
                        await container.start()
                        await stream.write_in(line)
                except BaseException:
                    await words.close()
                    raise
        return words

    async def remove(self, native: str) -> None:
        """Kill it and remove it. Nothing happens when it is not there, or is going already."""
        try:
            await self._ask(self._docker.containers.container(native).delete(force=True, v=True))
        except Refusal as error:
            if error.status not in (404, 409):
                raise

    async def gone(self, native: str) -> None:
        """Kill it and remove it; returns when there is no such container any more."""
        pause = 0.01
        while True:
            await self.remove(native)
            if await self.container(native) is None:
                return
            await asyncio.sleep(pause)  # another removal of the same one is under way
            pause = min(0.5, pause * 2)

    async def listed(self, filters: Mapping[str, list[str]]) -> list[dict[str, Any]]:
        """Containers in all states."""
        found = await self._ask(self._docker.containers.list(all=True, filters=json.dumps(filters)))
        return [one._container for one in found]  # noqa: SLF001 - as the engine told it

    async def events(
        self, filters: Mapping[str, list[str]], since: float, until: float, heard: Callable[[Mapping[str, Any]], None]
    ) -> None:
        """Hear what happened, and happens, between two moments of the engine's own clock."""
        stream = self._docker.events
        told = stream.subscribe(create_task=False)  # type: ignore[no-untyped-call]
        asked: Any = {"filters": json.dumps(filters), "since": f"{since:.9f}", "until": f"{until:.9f}"}
        running = asyncio.ensure_future(stream.run(**asked))
        try:
            with self._translated():
                async with asyncio.timeout(until - since + ANSWER):
                    while (event := await told.get()) is not None:
                        heard(event)
                    await running
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


class Words:
    """What one container prints: the last of it is kept."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.last = ""

    async def open(self) -> None:
        await self._stream.__aenter__()

    async def close(self) -> None:
        await self._stream.close()

    async def listen(self) -> None:
        """Until it ends, or the connection does."""
        import aiohttp

        try:
            while (message := await self._stream.read_out()) is not None:
                self.last = (self.last + message.data.decode(errors="replace"))[-KEPT:]
        except (aiohttp.ClientError, OSError):
            pass  # what it said until then is kept
        finally:
            await self.close()
