"""What a pool may say to its backend alone: an image, and options that no other backend knows. A closed set per backend,
checked at the door and written into the documentation from here.

What this file must not know: how a backend makes use of any of it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from yonder import resources

IMAGES: Final = ("docker",)
"""The backends whose executors are made from an image."""

PULLS: Final = ("missing", "always", "never")
_LONGEST: Final = 500
_VOLUME = re.compile(r"(?P<source>[^:]+):(?P<path>/[^:]*[^:/])(?::(?P<mode>ro|rw))?\Z")
_VOLUME_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*\Z")
_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[^\s:/\[\]]+)(:[0-9]{1,5})?\Z")
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]{0,254}\Z")
_GPU = re.compile(r"[A-Za-z0-9][A-Za-z0-9/_.:-]*\Z")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?\Z")
OUR_FOLDERS: Final = ("/tmp", "/work", "/run/yonder", "/dev/shm", "/proc", "/sys")  # noqa: S108 - of the container
"""Paths in a container that are Yonder's or the kernel's."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option: what is wrong with a value ("" nothing), what it may be, what holds without it, what it does."""

    problem: Callable[[object], str]
    value: str
    default: str
    about: str


@dataclass(frozen=True, slots=True)
class Volume:
    """What is mounted where: a named volume, or a folder of the engine's machine."""

    source: str
    path: str
    writable: bool

    @classmethod
    def read(cls, text: str) -> Volume:
        """Read `name:/path`, `name:/path:ro` or `/folder:/path:ro`. Raises ValueError with what is wrong."""
        match = _VOLUME.match(text)
        if match is None or not (match["source"].startswith("/") or _VOLUME_NAME.match(match["source"])):
            raise ValueError(f"{text!r} is not name:/path, name:/path:ro or /folder:/path:ro")
        found = cls(match["source"], match["path"], match["mode"] != "ro")
        if found.writable and found.source.startswith("/"):
            raise ValueError(f"{text!r} would let executors write into a folder of the machine: end it in :ro")
        if any(found.path == ours or found.path.startswith(ours + "/") for ours in OUR_FOLDERS):
            raise ValueError(f"{text!r} covers {found.path}, which is Yonder's own; mount it elsewhere")
        return found


def _text(value: object) -> str:
    fits = isinstance(value, str) and 0 < len(value) <= _LONGEST and value.isprintable()
    return "" if fits else f"must be a text of 1 to {_LONGEST} characters"


def _host(value: object) -> str:
    if not isinstance(value, str) or not value.isprintable() or len(value) > _LONGEST:
        return "must be the engine's address as a text"
    if value.startswith("ssh://"):
        return (
            'ssh:// is not spoken; forward the engine\'s socket ("ssh -L /path/of/a.sock:/var/run/docker.sock machine") '
            "and say unix:///path/of/a.sock"
        )
    if re.match(r"unix:///.|tcp://[^/@\s]+\Z", value):
        return ""
    return "must be unix:///path/of/a.sock or tcp://machine:port"


def _address(value: object) -> str:
    match = _ADDRESS.match(value) if isinstance(value, str) else None
    fits = match is not None and int((match[2] or ":0")[1:]) < 65536
    return "" if fits else 'must be an address ("10.0.0.5", "10.0.0.5:7000", "[fd00::5]:7000")'


def _size(value: object) -> str:
    try:
        return "" if resources.memory(value) > 0 else "must be more than nothing"
    except ValueError as error:
        return str(error)


def _pull(value: object) -> str:
    return "" if value in PULLS else f"must be one of: {', '.join(PULLS)}"


def _gpus(value: object) -> str:
    fits = isinstance(value, list | tuple) and value and all(isinstance(one, str) and _GPU.match(one) for one in value)
    return "" if fits else 'must be a list of device ids (["0", "1"], or what nvidia-smi -L there calls UUID)'


def _user(value: object) -> str:
    if not isinstance(value, str) or not _USER.match(value):
        return 'must be a user of the image ("1000", "1000:1000", "name")'
    return "must not be root" if value.partition(":")[0] in ("0", "root") else ""


def _volumes(value: object) -> str:
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
        return "must be a list of volumes"
    for one in value:
        try:
            Volume.read(one)
        except ValueError as error:
            return str(error)
    return ""


OPTIONS: Final[Mapping[str, Mapping[str, Option]]] = {
    "local": {},
    "standing": {},
    "docker": {
        "host": Option(
            _host,
            "`unix:///path` or `tcp://machine:port`",
            "`DOCKER_HOST`, else docker's current context, else the usual socket",
            "The engine.",
        ),
        "cert_path": Option(
            _text,
            "a folder",
            "`DOCKER_CERT_PATH`, or the context's",
            "Where `ca.pem`, `cert.pem` and `key.pem` for a `tcp://` engine are; without them only loopback is dialled.",
        ),
        "network": Option(_text, "a network's name", "`bridge`", "The engine's network that executors are put into."),
        "listen": Option(
            _address,
            "an address of this machine, with or without a port",
            "the network's gateway, or the address that faces the engine",
            "Where the hub listens for executors.",
        ),
        "reach": Option(
            _address,
            "an address, with or without a port",
            "what `listen` is",
            "What executors dial, where that is another address (NAT, a forwarded port).",
        ),
        "shm_size": Option(
            _size,
            resources.MEMORY_WORDS,
            "half of `memory`, else 1 GB",
            "How large `/dev/shm` is (DataLoader needs it).",
        ),
        "pull": Option(
            _pull, "`missing`, `always` or `never`", "`missing`", "When the image is pulled from its registry."
        ),
        "gpus": Option(
            _gpus,
            "a list of device ids",
            "what `nvidia-smi -L` lists on this machine",
            "The GPUs of an engine elsewhere; each is given to one executor at a time.",
        ),
        "runtime": Option(_text, "a name", "the engine's own", "The container runtime (`nvidia`, `runsc`, …)."),
        "volumes": Option(
            _volumes,
            "a list of `name:/path`, `name:/path:ro` or `/folder:/path:ro`",
            "none",
            "Named volumes, and folders of the engine's machine to read from.",
        ),
        "user": Option(_user, "a user", "the image's", "Who runs in the container; never root."),
    },
}


def image_problem(value: object) -> str:
    """What is wrong with an image's name, "" nothing."""
    return (
        "" if isinstance(value, str) and _IMAGE.match(value) else 'must be the name of an image ("team/executor:1.2")'
    )


def options_problem(value: object, backend: str = "") -> str:
    """What is wrong with a table of options, "" nothing. `backend` "": not known yet, any backend's options will do."""
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        return "must be a table of options"
    allowed: dict[str, Option] = {}
    for name, options in OPTIONS.items():
        if backend in ("", name):
            allowed |= options
    for name, given in value.items():
        if name not in allowed:
            near = difflib.get_close_matches(name, allowed, n=1, cutoff=0.5)
            hint = f'; did you mean "{near[0]}"?' if near else "."
            listed = f" Allowed: {', '.join(allowed)}" if allowed else ""
            who = f"the {backend} backend does not know" if backend else "no backend knows"
            return f'has "{name}", which {who}{hint}{listed}'
        if problem := allowed[name].problem(given):
            return f'"{name}" {problem}'
    return ""


def problem(backend: str, image: str, options: Mapping[str, object]) -> tuple[str, str]:
    """What does not go together: the field's name and what is wrong with it; two empty texts when nothing is."""
    if image and backend not in IMAGES:
        return (
            "image",
            f"is said, and the {backend} backend has no images; leave it out, or choose: {', '.join(IMAGES)}",
        )
    if wrong := options_problem(options, backend):
        return "options", wrong
    return "", ""


def tables() -> str:
    """The options of each backend that has any, for the documentation."""
    parts = []
    for backend, options in OPTIONS.items():
        if options:
            parts.append(f"## Options of `{backend}`\n\n| option | value | without it | |\n|---|---|---|---|")
            parts += [f"| `{name}` | {one.value} | {one.default} | {one.about} |" for name, one in options.items()]
            parts.append("")
    return "\n".join(parts)
