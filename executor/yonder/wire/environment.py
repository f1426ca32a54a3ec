"""What a Python has installed, said by who runs it; and having more of it installed on an executor's machine.

owner, client ── Needs, with Configure and OpenPool ──▶ hub ── Survey ───▶ agent ── Surveyed ──▶ hub
hub ── Provide ──▶ agent ── Providing …, Provided ──▶ hub
"""

from __future__ import annotations

from yonder.wire.base import Msg, Part

PLACE_VARIABLE = "YONDER_PLACE"
"""The environment variable that tells a worker with a Python of its own where it is, in words."""


class Environment(Part, frozen=True):
    """One Python. `implementation` cpython, `version` all of it ("3.12.4"), `platform` as in wheels' names ("linux_x86_64"),
    `packages` maps the normal names of installed distributions to their versions ("": not known)."""

    implementation: str
    version: str
    platform: str
    packages: dict[str, str] = {}


class Needs(Part, frozen=True):
    """What code was written against: the Python of its own side, `used` the distributions that it imports. `requirements`
    and `constraints` are the lines of pip's files that install the same elsewhere, `source` where they come from."""

    environment: Environment
    used: list[str] = []
    requirements: list[str] = []
    constraints: list[str] = []
    source: str = ""


class AskEnvironments(Msg, frozen=True, tag=True):
    """Owner or client to hub: which Pythons have the executors? Answered by Environments."""

    id: int


class Environments(Msg, frozen=True, tag=True):
    """Those that are known, by pool ("session": the sessions'): where executors have a Python of their own and one has come
    up. A client is told of the pools that it has opened."""

    id: int
    known: dict[str, Environment]


class Survey(Msg, frozen=True, tag=True):
    """Hub to agent: which Python are you? Answered by Surveyed."""


class Surveyed(Msg, frozen=True, tag=True):
    environment: Environment


class Provide(Msg, frozen=True, tag=True):
    """Hub to agent: have these installed in a folder of their own, for workers whose Fork names `key`; `env` is added to the installer's environment. Answered by Provided, after any number of Providing."""

    key: str
    requirements: list[str]
    constraints: list[str]
    env: dict[str, str] = {}


class Providing(Msg, frozen=True, tag=True):
    """What the installer does at the moment."""

    key: str
    detail: str


class Provided(Msg, frozen=True, tag=True):
    """They are there; `sentence` says why not, with the installer's last lines."""

    key: str
    sentence: str = ""
