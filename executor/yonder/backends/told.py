"""What a Docker Engine says, in our words: what it is, how far a pull is, what a refusal, an event or an end means. Pure.

What this file must not know: sockets, aiodocker, what was asked for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import msgspec

from yonder.backends.base import Finding, Handle
from yonder.wire import ExitReport, Resources

OWNER: Final = "dev.yonder.owner"
EXECUTOR: Final = "dev.yonder.executor"
AGENT: Final = "dev.yonder.agent"
INSTALLATION: Final = "dev.yonder.installation"
HUB: Final = "dev.yonder.hub"
VERSION: Final = "dev.yonder.version"
"""Labels. The hub's is the path of its socket, by which others of this machine find out whether it lives."""

WORDS: Final = 2000
"""Characters of a container's last words that are told."""

_ID = re.compile(r"[0-9a-f]{64}\Z")


# ── the engine ────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Facts:
    """What an engine says of itself. `memory` in bytes; `limits` names what it cannot bound."""

    name: str
    version: str
    system: str
    cpus: int
    memory: int
    desktop: bool
    rootless: bool
    unlimited: tuple[str, ...] = ()

    @classmethod
    def read(cls, info: Mapping[str, Any]) -> Facts:
        """From the engine's answer to `info`."""
        bounds = {"memory": "MemoryLimit", "cpus": "CpuCfsQuota", "processes": "PidsLimit"}
        return cls(
            name=str(info.get("Name", "")),
            version=str(info.get("ServerVersion", "")),
            system=str(info.get("OperatingSystem", "")),
            cpus=int(info.get("NCPU", 0)),
            memory=int(info.get("MemTotal", 0)),
            desktop=info.get("OperatingSystem") == "Docker Desktop",
            rootless=any("rootless" in str(one) for one in info.get("SecurityOptions") or ()),
            unlimited=tuple(name for name, key in bounds.items() if not info.get(key)),
        )

    def runs_on(self, machine: str) -> bool:
        """Is this the machine whose containers it makes?"""
        return self.name == machine and not self.desktop


def moment(info: Mapping[str, Any]) -> float:
    """The engine's own time, in seconds since the epoch."""
    return datetime.fromisoformat(str(info["SystemTime"])).timestamp()


def resource_problem(asked: Resources, facts: Facts) -> str:
    """What the engine's machine has not got at all, "" when it can be."""
    if facts.cpus and asked.cpus > facts.cpus:
        return f"cpus={asked.cpus:g}, and the engine's machine {facts.name} has {facts.cpus}; ask for fewer"
    if facts.memory and asked.memory > facts.memory:
        there, wish = facts.memory / 2**30, asked.memory / 2**30
        return f"memory={wish:.1f} GiB, and the engine's machine {facts.name} has {there:.1f} GiB; ask for less"
    return ""


STEPS: Final = 50
"""In so many steps a pull is told."""


@dataclass(slots=True)
class Pulling:
    """How far a pull is, over all layers."""

    _layers: dict[str, tuple[int, int]] = field(default_factory=dict)
    _told: tuple[int, int] = (0, 0)
    _said: str = ""

    def heard(self, line: Mapping[str, Any]) -> str:
        """One line of the engine's progress; what is now to be said: "12 of 80 MB", new words only at every step."""
        layer, detail = line.get("id"), line.get("progressDetail") or {}
        if layer and line.get("status") == "Downloading" and detail.get("total"):
            self._layers[layer] = (int(detail.get("current", 0)), int(detail["total"]))
        elif layer in self._layers and line.get("status") in ("Download complete", "Pull complete"):
            self._layers[layer] = (self._layers[layer][1],) * 2
        done, total = (sum(part) for part in zip(*self._layers.values(), strict=True)) if self._layers else (0, 0)
        step = (done * STEPS // total if total else 0, total)
        if step != self._told:
            self._told, self._said = step, f"{done // 10**6} of {-(-total // 10**6)} MB"
        return self._said


# ── what the engine says ──────────────────────────────────────────────────────────────────────────────────────────────

_REFUSALS: Final = (
    (
        re.compile(r"could not select device driver|unresolvable CDI|nvidia-container-cli", re.IGNORECASE),
        (
            "the engine cannot give containers GPUs; install the NVIDIA Container Toolkit on its machine, restart the "
            "engine, or leave gpu out"
        ),
    ),
    (
        re.compile(r"unknown (or invalid )?runtime", re.IGNORECASE),
        "the engine has no such runtime; leave the option runtime out, or add the runtime to the engine's settings",
    ),
    (
        re.compile(r"exec format error", re.IGNORECASE),
        "the image is made for other processors than the engine's machine has; make one there: yonder image",
    ),
    (
        re.compile(r"no space left on device", re.IGNORECASE),
        "the disk of the engine's machine is full; make room there (docker system prune)",
    ),
    (
        re.compile(r"network .*not found", re.IGNORECASE),
        "the engine has no such network; make it (docker network create), or choose another one",
    ),
    (
        re.compile(r"minimum memory limit", re.IGNORECASE),
        "memory is less than any container needs; ask for more",
    ),
    (
        re.compile(r"executable file not found|no such file or directory: unknown", re.IGNORECASE),
        "the image has no python3 where an executor's is; make it from a usual one: yonder image",
    ),
)


def refusal(said: str) -> str:
    """The engine's refusal as a sentence; its own words follow."""
    said = " ".join(said.split())[:600]
    known = next((sentence for pattern, sentence in _REFUSALS if pattern.search(said)), "")
    return f"{known} (the engine said: {said})" if known else f"the engine refused: {said}"


def report(exit_code: int) -> ExitReport:
    """How a container ended, from its exit code: above 128 it is a signal's, and -1 is not known."""
    return ExitReport(signal=exit_code - 128) if 128 < exit_code <= 128 + 64 else ExitReport(code=exit_code)


def state_report(state: Mapping[str, Any]) -> ExitReport:
    """The same from what the engine still knows of it."""
    found = report(int(state.get("ExitCode", -1)))
    return msgspec.structs.replace(found, out_of_memory=bool(state.get("OOMKilled")))


def completed(found: ExitReport, *, starved: bool, words: str) -> ExitReport:
    """With the engine's verdict, which counts only where something was killed, and the last words."""
    verdict = found.out_of_memory or (starved and found.signal == 9)
    return msgspec.structs.replace(found, out_of_memory=verdict, stderr=words.strip()[-WORDS:])


def ending(name: str, told: ExitReport) -> str:
    """A container's end in words."""
    return f"the container {name} {told.sentence()}" + (f":\n{told.stderr}" if told.stderr else "")


def finding(what: str, sentence: str, remedy: str = "") -> Finding:
    """One line of `yonder doctor`; with a remedy it is broken."""
    return Finding(name=f"docker {what}", ok=not remedy, sentence=sentence, remedy=remedy)


def engine_findings(facts: Facts, host: str) -> list[Finding]:
    """The engine and what it cannot bound."""
    rootless = ", rootless" if facts.rootless else ""
    found = [finding("engine", f"{facts.version} on {facts.name} ({facts.system}{rootless}) at {host}")]
    if facts.unlimited:
        names = ", ".join(facts.unlimited)
        remedy = "give it cgroups of its own (rootless: delegate them to your user); until then these are wishes"
        found.append(finding("limits", f"this engine cannot bound {names}", remedy))
    return found


@dataclass(frozen=True, slots=True)
class Happening:
    """One event of a container of ours: kind create, oom or die."""

    kind: str
    native: str
    executor: str
    exit_code: int = -1

    @classmethod
    def read(cls, event: Mapping[str, Any]) -> Happening | None:
        """From one line of the engine's events; None for what is not of interest."""
        actor = event.get("Actor") or {}
        kind, marks = str(event.get("Action") or event.get("status") or ""), actor.get("Attributes") or {}
        if kind not in ("create", "oom", "die") or EXECUTOR not in marks:
            return None
        code = str(marks.get("exitCode", ""))
        return cls(
            kind=kind,
            native=str(actor.get("ID") or event.get("id") or ""),
            executor=str(marks[EXECUTOR]),
            exit_code=int(code) if code.isdigit() else -1,
        )


@dataclass(frozen=True, slots=True)
class Seen:
    """One container of this installation, as an engine lists it."""

    handle: Handle
    hub: str
    state: str
    image: str
    name: str

    @classmethod
    def read(cls, listed: Mapping[str, Any]) -> Seen:
        marks = listed.get("Labels") or {}
        handle = Handle(
            executor=marks.get(EXECUTOR, ""),
            owner=marks.get(OWNER, ""),
            native=listed["Id"],
            agent=marks.get(AGENT, ""),
        )
        name = str((listed.get("Names") or [""])[0]).lstrip("/")
        return cls(handle, marks.get(HUB, ""), str(listed.get("State", "")), str(listed.get("Image", "")), name)


def marked(installation: str, owner: str = "") -> dict[str, list[str]]:
    """The filter for containers of this installation, of one owner or ("") of all."""
    return {"label": [f"{INSTALLATION}={installation}", *([f"{OWNER}={owner}"] if owner else [])]}


def is_native(name: str) -> bool:
    """Is this a container's whole id? The engine would take the beginning of one for it, too."""
    return bool(_ID.match(name))
