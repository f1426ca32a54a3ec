"""What `yonder doctor` looks at: each check is tried for real and answers with a finding, the remedy in words.

What belongs here: the checks and the table of limits. What this file must not know: terminals, colours, exit codes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import socket
import ssl
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import msgspec

from yonder import elsewhere, installed, keyfile, overlays, requirements, settings, settings_page, wire
from yonder.backends.base import Finding
from yonder.backends.local import LocalBackend
from yonder.core import environment
from yonder.errors import YonderError
from yonder.machine import left_over
from yonder.places import OwnerFolder, runtime_root, state_root
from yonder.version import GETTING_IT, __version__

AGENT_SECONDS: Final = 60.0
REACH_SECONDS: Final = 5.0
_SOCKET_PATH: Final = 104  # macOS; Linux allows four more
_CORE: Final = ("cloudpickle", "msgspec", "websockets")
_EDITOR: Final = ("pygls", "jedi", "httpx", "typer", "rich", "psutil")


def findings(folder: Path) -> Iterator[Finding]:
    """All checks, in the order in which one explains the next."""
    yield _python()
    yield _installed("the core's libraries", _CORE, GETTING_IT)
    yield _installed("the editor's libraries", _EDITOR, GETTING_IT)
    yield _folder("runtime folder", runtime_root)
    yield _folder("state folder", state_root)
    yield _sockets()
    yield _settings(folder)
    yield from _locked(folder)
    yield _fork()
    yield from _local()
    yield _agent()
    yield from _docker(folder)
    yield from _hub(folder)
    yield _packages()
    yield _left_over()


def limits() -> list[tuple[str, str, str]]:
    """The numbers that decide when something ends: name, value, meaning."""
    top = {row.key: row.default.strip("`") for row in settings_page.describe() if row.table == "tool.yonder"}
    return [
        ("agent heartbeat", "2 s", "an agent says so often that it lives"),
        ("linger", f"{top['linger']} s", "a closed window's cluster stays so long (setting linger)"),
        ("silence", f"{top['silence']} s", "a vanished window's cluster stays so long (setting silence)"),
        ("lease", "end-of-file", "an agent on this machine ends when its hub's connection ends"),
        ("interrupt grace", "5 s", "then the answer is: still in C code"),
        ("stream bound", f"{int(top['stream_bound']) // 1_000_000:,} MB", "more text of one run leaves a gap"),
        ("frame", f"{wire.MAX_FRAME // 1024} kB", "longer messages travel in pieces"),
        ("message", f"{wire.MAX_MESSAGE // 1024**3} GB", "larger arguments and results are refused"),
    ]


def _python() -> Finding:
    found = f"{platform.python_implementation()} {platform.python_version()} at {sys.executable}; yonder {__version__}"
    if platform.python_implementation() != "CPython":
        return Finding(name="python", ok=False, sentence=found, remedy="use CPython 3.11 or newer")
    return Finding(name="python", ok=True, sentence=found)


def _installed(name: str, distributions: tuple[str, ...], remedy: str) -> Finding:
    found, missing = [], []
    for distribution in distributions:
        try:
            found.append(f"{distribution} {version(distribution)}")
        except PackageNotFoundError:
            missing.append(distribution)
    if missing:
        return Finding(name=name, ok=False, sentence=f"missing: {', '.join(missing)}", remedy=remedy)
    return Finding(name=name, ok=True, sentence=", ".join(found))


def _folder(name: str, root: Callable[[], Path]) -> Finding:
    """The folder exists, is this user's alone and can be written."""
    try:
        path = root()
        probe = path / f".doctor-{os.getpid()}"
        probe.write_bytes(b"")
        probe.unlink()
    except (YonderError, OSError) as error:
        return Finding(name=name, ok=False, sentence=str(error), remedy="make it a folder that only you can enter")
    return Finding(name=name, ok=True, sentence=f"{path} is private and can be written")


def _sockets() -> Finding:
    name = "socket paths"
    try:
        folder = OwnerFolder("doctor")
    except (YonderError, OSError) as error:
        return Finding(name=name, ok=False, sentence=str(error))
    length = max(len(os.fsencode(path)) for path in (folder.hub_socket, folder.owner_socket))
    with contextlib.suppress(OSError):
        folder.path.rmdir()
    sentence = f"{length} bytes of at most {_SOCKET_PATH}"
    remedy = "" if length < _SOCKET_PATH else "set XDG_RUNTIME_DIR to a folder with a shorter path"
    return Finding(name=name, ok=length < _SOCKET_PATH, sentence=sentence, remedy=remedy)


def _settings(folder: Path) -> Finding:
    try:
        found = settings.load(folder)
    except YonderError as error:
        return Finding(name="settings", ok=False, sentence=str(error), remedy="see docs/settings.md")
    pools = ", ".join(f"{spec.name} ({spec.backend}, at most {spec.max})" for spec in found.pool_specs())
    return Finding(name="settings", ok=True, sentence=f"pools: {pools}", remedy=" ".join(found.warnings))


def _hub(folder: Path) -> Iterator[Finding]:
    """Is the hub there that the settings, or the environment, name? Nothing is said to it."""
    name = "hub elsewhere"
    with contextlib.suppress(YonderError):  # broken settings are a finding of their own
        if file := settings.load(folder).hub:
            yield _answer(name, file)


def _answer(name: str, file: str) -> Finding:
    try:
        key = keyfile.read(Path(file))
        way = key.way()
    except YonderError as error:
        return Finding(name=name, ok=False, sentence=str(error), remedy="see docs/hub.md")
    try:
        with (
            socket.create_connection((way["host"], way["port"]), REACH_SECONDS) as line,
            way["ssl"].wrap_socket(line, server_hostname=key.name),
        ):
            return Finding(name=name, ok=True, sentence=f"the hub of {file} answers at {key.hub}")
    except ssl.SSLCertVerificationError:
        sentence = f"at {key.hub} another hub answers than the one of {file}"
        return Finding(name=name, ok=False, sentence=sentence, remedy="copy the key file of the new one")
    except OSError as error:
        sentence = f"the hub of {file} does not answer at {key.hub}: {error.strerror or error}"
        return Finding(name=name, ok=False, sentence=sentence, remedy="start it there: yonder hub --listen …")


def _fork() -> Finding:
    if not hasattr(os, "fork"):
        return Finding(name="fork", ok=False, sentence="this platform cannot fork", remedy="use WSL or a remote pool")
    try:
        child = os.fork()
    except OSError as error:
        remedy = "raise the process limit (ulimit -u) or free memory"
        return Finding(
            name="fork", ok=False, sentence=f"a process could not be forked: {error.strerror}", remedy=remedy
        )
    if child == 0:
        os._exit(0)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return Finding(
        name="fork", ok=code == 0, sentence="processes can be forked" if code == 0 else f"a fork ended with {code}"
    )


def _local() -> list[Finding]:
    """What the local backend itself says."""
    folder = OwnerFolder("doctor")
    try:
        return asyncio.run(LocalBackend(folder, "", lambda _agent, _words: None).preflight())
    finally:
        with contextlib.suppress(OSError):
            folder.path.rmdir()


def _agent() -> Finding:
    """The whole way once: a hub, an agent, a zygote, a worker, one call, and nothing left behind."""
    from yonder.pool import Pool

    began = time.monotonic()
    try:
        with Pool("doctor", max=1, preload=[]) as pool:
            worker = pool.submit(os.getpid).result(AGENT_SECONDS)
    except (YonderError, TimeoutError, OSError) as error:
        remedy = "the lines above say what is missing; if they are all ok, send them with a bug report"
        return Finding(name="a first call", ok=False, sentence=f"no executor came up: {error}", remedy=remedy)
    seconds = time.monotonic() - began
    return Finding(
        name="a first call", ok=worker != os.getpid(), sentence=f"an executor ran it, {seconds:.1f} s in all"
    )


def _docker(folder: Path) -> list[Finding]:
    """What the docker backend says of each pool that uses it; nothing where none does."""
    try:
        found = settings.load(folder)
    except YonderError:
        return []  # told above
    specs = [spec for spec in (*found.pool_specs(), found.session.spec) if spec.backend == "docker"]
    return asyncio.run(_ask_engines(specs)) if specs else []


async def _ask_engines(specs: list[wire.PoolSpec]) -> list[Finding]:
    """Each thing is said once, however many pools it is about."""
    from yonder.backends.docker import look

    said: dict[Finding, list[str]] = {}
    for spec in specs:
        for finding in await look(spec):
            said.setdefault(finding, []).append(spec.name)
    return [named(finding, pools) for finding, pools in said.items()]


def named(finding: Finding, pools: list[str]) -> Finding:
    """The finding, with the pools that it is about."""
    noun = "pool" if len(pools) == 1 else "pools"
    return msgspec.structs.replace(finding, name=f"{finding.name} ({noun} {', '.join(pools)})")


def _locked(folder: Path) -> Iterator[Finding]:
    """Is installed here what the lock file says?"""
    name = "dependencies"
    here = installed.survey()
    try:
        found = requirements.read(folder, here, ())
    except YonderError as error:
        yield Finding(name=name, ok=False, sentence=str(error), remedy="see docs/dependencies.md")
        return
    pins = dict(pin for line in found.lines if (pin := requirements.pinned(line)))
    needs = wire.Needs(msgspec.structs.replace(here, packages=pins), list(pins))
    others = environment.differences(needs, here)
    if not pins:
        return
    if others:
        words = "; ".join(
            f"{one.name} {one.here} is locked, {one.there or 'nothing'} is installed"
            for one in others[: environment.NAMED]
        )
        remedy = "install what is locked here, or lock what is installed"
        yield Finding(name=name, ok=False, sentence=f"{found.source}: {words}", remedy=remedy)
    else:
        yield Finding(name=name, ok=True, sentence=f"{found.source}: what it pins is installed here")


def _packages() -> Finding:
    """What was installed for executors on this machine."""
    name = "packages"
    try:
        top = overlays.root()
    except (YonderError, OSError, RuntimeError) as error:
        return Finding(name=name, ok=True, sentence=f"no folder for packages of executors: {error}")
    found = overlays.look(top)
    if not found:
        return Finding(name=name, ok=True, sentence="none were installed for executors on this machine")
    busy = sum(one.busy for one in found)
    sentence = f"{overlays.spoken(found)} in {top}, {busy or 'none'} in use"
    remedy = "yonder reap --all removes what is not in use" if busy < len(found) else ""
    return Finding(name=name, ok=True, sentence=sentence, remedy=remedy)


def _left_over() -> Finding:
    count, away = len(left_over()), elsewhere.look()
    boxes = sum(not one.alive for one in away.found)
    if count or boxes:
        sentence = f"{count} processes and {boxes} containers whose hub is dead"
        return Finding(name="left over", ok=False, sentence=sentence, remedy="yonder reap")
    return Finding(name="left over", ok=True, sentence=" ".join(["nothing without a living hub", *away.silent]))
