"""From a pool's wishes to a container: its image, its bounds, its devices, and where it meets its hub. Pure.

What this file must not know: sockets, aiodocker, when anything happens.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from yonder import particulars, resources
from yonder.backends.base import BootSpec, Finding
from yonder.backends.gpus import Gpu
from yonder.backends.told import AGENT, EXECUTOR, HUB, INSTALLATION, OWNER, VERSION, Facts, finding
from yonder.core.environment import minor
from yonder.errors import BootFailed
from yonder.particulars import Volume
from yonder.version import IMAGE, __version__
from yonder.wire import PoolSpec

SHM: Final = 1_000_000_000
PIDS: Final = 16_384
"""A bound for a loop that forks, not for 16 loaders with 100 threads each."""


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The options of one pool, checked (`particulars` says what each means)."""

    host: str = ""
    cert_path: str = ""
    network: str = "bridge"
    listen: str = ""
    reach: str = ""
    shm_size: str | int = 0
    pull: str = "missing"
    gpus: list[str] = []
    runtime: str = ""
    volumes: list[str] = []
    user: str = ""

    @classmethod
    def of(cls, pool: PoolSpec) -> Wanted:
        """Raises BootFailed: a pool of another program's settings may say anything."""
        if problem := particulars.options_problem(pool.options, "docker"):
            raise BootFailed(f"the pool's options: {problem}", phase="creating")
        return msgspec.convert(pool.options, cls)


# ── the way to the hub ────────────────────────────────────────────────────────────────────────────────────────────────────

_SAY: Final = 'say where: options = {"listen": "<an address of this machine that executors can dial>"}'


def meeting_place(
    wanted: Wanted,
    *,
    host: str,
    facts: Facts,
    network: Mapping[str, Any],
    machine: str,
    ours: Callable[[str], bool],
    facing: Callable[[str], str],
) -> tuple[str, str]:
    """Where the hub listens and what executors dial ("": the same), in this order: what the options say; Docker Desktop's
    own name for this machine; the gateway of the network, where the engine runs here; the address that faces the engine.

    `machine` is this machine's name, `ours` says whether an address is one of this machine's, `facing` the address from
    which this machine dials another. Raises BootFailed where nobody can know.
    """
    if wanted.listen:
        return wanted.listen, wanted.reach
    elsewhere = urlsplit(host).hostname or "" if host.startswith("tcp://") else ""
    if elsewhere in ("localhost", "127.0.0.1", "::1"):
        elsewhere = ""
    if facts.desktop:
        return "127.0.0.1", wanted.reach or "host.docker.internal"
    driver, here = network.get("Driver", ""), facts.runs_on(machine)
    if driver == "host" and here:
        return "127.0.0.1", wanted.reach
    if driver == "null":
        raise BootFailed("executors on the network none cannot reach their hub; choose another", phase="creating")
    if here and not facts.rootless and (found := next((one for one in gateways(network) if ours(one)), "")):
        return found, wanted.reach
    if elsewhere:
        return facing(elsewhere), wanted.reach
    if facts.rootless:
        raise BootFailed(
            f"a rootless engine's executors do not see this machine's own networks; {_SAY}", phase="creating"
        )
    if not here:
        raise BootFailed(
            f"the engine says that it runs on {facts.name}, and this is {machine}: how its executors reach this machine "
            f"is not known; {_SAY}",
            phase="creating",
        )
    raise BootFailed(
        f"the network {wanted.network} has no gateway on this machine by which executors could reach their hub; {_SAY}",
        phase="creating",
    )


def gateways(network: Mapping[str, Any]) -> list[str]:
    """The addresses of a bridge's own end, IPv4 first; IPv6 ones in brackets."""
    if network.get("Driver") != "bridge":
        return []
    found = [str(one.get("Gateway") or "").partition("/")[0] for one in (network.get("IPAM") or {}).get("Config") or ()]
    found = [one for one in found if one]
    return [one for one in found if ":" not in one] + [f"[{one}]" for one in found if ":" in one]


# ── images ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def image_of(pool: PoolSpec) -> str:
    """What the pool's executors are made from."""
    return pool.image or IMAGE


def image_problem(name: str, inspected: Mapping[str, Any], *, user: str = "") -> str:
    """Why this image does not do, "" when it does. `user` is the option's, who runs instead of the image's."""
    settings = inspected.get("Config") or {}
    version = (settings.get("Labels") or {}).get(VERSION)
    if version is None:
        return (
            f"the image {name} is no executor of Yonder (it has no label {VERSION}); "
            f"make one from it: yonder image --base {name}"
        )
    if version != __version__:
        return (
            f"the image {name} belongs to yonder {version}, and this is yonder {__version__}; "
            "make the one of this version: yonder image"
        )
    if not user and str(settings.get("User") or "root").partition(":")[0] in ("root", "0"):
        return f'the image {name} would run as root; end its Dockerfile in USER, or say options = {{"user": "1000"}}'
    return ""


def python_problem(name: str, inspected: Mapping[str, Any], here: str) -> str:
    """Why code of this side's Python (`here`: "3.11") cannot run there, as far as the image says which it has; else ""."""
    variables = [str(line) for line in (inspected.get("Config") or {}).get("Env") or ()]
    there = next((line.partition("=")[2] for line in variables if line.startswith("PYTHON_VERSION=")), "")
    if not there or minor(there) == here:
        return ""
    return f"the image {name} has Python {minor(there)}, and this is Python {here}: code does not travel between them"


def missing_image(name: str, said: str) -> str:
    """The sentence for an image that is not there and cannot be pulled."""
    remedy = "yonder image" if name == IMAGE else f"docker pull {name}, or yonder image --tag {name}"
    return (
        f"the engine has no image {name}"
        + (f", and could not pull it: {said}" if said else "")
        + f"; make it: {remedy}"
    )


# ── the container ─────────────────────────────────────────────────────────────────────────────────────────────────────


def name_of(executor: str) -> str:
    """What the container is called: a second boot of the same executor meets the first."""
    return "yonder-" + re.sub(r"[^A-Za-z0-9_.-]", "-", executor)


def creation(
    spec: BootSpec, wanted: Wanted, *, agent: str, installation: str, hub: str, image: str, gpus: Iterable[Gpu]
) -> dict[str, Any]:
    """The body of `create`. Everybody who may ask the engine can read it: nothing in it is secret."""
    asked = spec.pool.resources
    host: dict[str, Any] = {
        "AutoRemove": True,
        "RestartPolicy": {"Name": "no"},
        "NetworkMode": wanted.network,
        "ReadonlyRootfs": True,
        "Tmpfs": _tmpfs(asked.memory),
        "ShmSize": resources.memory(wanted.shm_size) or asked.memory // 2 or SHM,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges"],
        "PidsLimit": PIDS,
        "Init": False,  # the agent reaps
        "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m", "max-file": "1"}},
        "Binds": [_bind(Volume.read(one)) for one in wanted.volumes],
    }
    if asked.memory:
        host |= {"Memory": asked.memory, "MemorySwap": asked.memory}
    if asked.cpus:
        host["NanoCpus"] = round(asked.cpus * 1e9)
    if wanted.runtime:
        host["Runtime"] = wanted.runtime
    if devices := [gpu.uuid for gpu in gpus]:
        host["DeviceRequests"] = [{"Driver": "", "DeviceIDs": devices, "Capabilities": [["gpu"]]}]
    return {
        "Image": image,
        "User": wanted.user,
        "Env": ["HOME=/work"],
        "WorkingDir": "/work",
        "Labels": {
            OWNER: spec.owner,
            EXECUTOR: spec.executor,
            AGENT: agent,
            INSTALLATION: installation,
            HUB: hub,
            VERSION: __version__,
        },
        "OpenStdin": True,
        "StdinOnce": True,
        "AttachStdin": True,
        "AttachStdout": True,
        "AttachStderr": True,
        "Tty": False,
        "StopTimeout": 10,
        "HostConfig": host,
    }


def _tmpfs(memory: int) -> dict[str, str]:
    """Where a read-only executor may write. It is memory and counts as the executor's; one user lives there."""
    room = f",size={memory // 2}" if memory else ""
    return {
        "/tmp": f"rw,exec,nosuid,nodev,mode=1777{room}",  # noqa: S108 - the container's
        "/work": f"rw,exec,nosuid,nodev,mode=1777{room}",
        "/run/yonder": "rw,noexec,nosuid,nodev,mode=1777,size=16777216",
    }


def _bind(volume: Volume) -> str:
    return f"{volume.source}:{volume.path}" + ("" if volume.writable else ":ro")


def gpu_wishes(wishes: list[str], named: list[str]) -> list[str]:
    """What to ask the book for. Of devices that a pool names by their ids nothing is known but how many there are."""
    return [f"any:{wish.partition(':')[2] or 1}" for wish in wishes] if named else wishes


def named_gpus(named: list[str]) -> list[Gpu]:
    """The devices that a pool names by their ids."""
    return [Gpu(number, "", device) for number, device in enumerate(named)]


def gpu_findings(pool: PoolSpec, wanted: Wanted, facts: Facts, machine: str) -> list[Finding]:
    """Whether the devices of a pool that asks for some can be known."""
    if not pool.resources.gpu:
        return []
    if wanted.gpus:
        return [finding("GPUs", f"{len(wanted.gpus)} named by the pool")]
    if facts.runs_on(machine):
        return [finding("GPUs", "those that nvidia-smi lists here")]
    return [finding("GPUs", f"which ones {facts.name} has cannot be seen from here", "name them in the option gpus")]
