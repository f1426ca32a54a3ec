"""What may be set: every key there is, with its place, what it may hold and what holds without it; and what is wrong with a
value, in words.

The table `KEYS` is the only list of settings there is: it validates, gives the defaults and writes docs/settings.md; what
backends may be told besides is `particulars`. What this file must not know: files, layers, what becomes of a value.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeGuard

from yonder import particulars, patterns, resources
from yonder.choices import BACKENDS, BACKENDS_TO_COME, DEPENDENCIES, ISOLATIONS, STRATEGIES
from yonder.wire import PoolSpec

Scope = Literal["tool", "session", "pool"]
Kind = Literal[
    "path",
    "seconds",
    "hours",
    "bytes",
    "count",
    "modules",
    "files",
    "names",
    "backend",
    "isolation",
    "strategy",
    "dependencies",
    "gpu",
    "cpus",
    "memory",
    "image",
    "options",
    "patterns",
    "folders",
]

_POOL: Final = PoolSpec()


@dataclass(frozen=True, slots=True)
class Key:
    """One setting: where it may stand, what it may hold, what holds without it."""

    scope: Scope
    name: str
    kind: Kind
    default: object
    about: str
    least: float = 0


KEYS: Final[tuple[Key, ...]] = (
    Key("tool", "python", "path", "", "The interpreter that runs the code; empty: the selected one, else `.venv`."),
    Key(
        "tool",
        "hub",
        "path",
        "",
        "The key file of a hub on another machine (`yonder hub`); none: a hub is started here. `YONDER_HUB_FILE` wins.",
    ),
    Key("tool", "linger", "seconds", 20.0, "How long the cluster stays after the window was closed in good order."),
    Key("tool", "silence", "seconds", 600.0, "How long the cluster stays when the window has vanished.", 1),
    Key("tool", "stream_bound", "bytes", 1_000_000_000, "How much text one run may print before a gap is cut.", 65_536),
    Key(
        "tool", "max_executors", "count", 0, "How many executors all pools together may have; 0: as many as they want."
    ),
    Key("tool", "max_gpus", "count", 0, "How many GPUs all pools together may have; 0: as many as they want."),
    Key("tool", "max_executor_hours", "hours", 0.0, "How long all executors of pools together may run; 0: any time."),
    Key("tool", "env", "names", (), "Variables that every executor gets from this machine's environment, by name."),
    Key("tool", "env_file", "path", "", "A file of `NAME=value` lines for every executor."),
    Key(
        "tool",
        "include",
        "patterns",
        (),
        "Files that travel with the code though they are no Python files, or ignored.",
    ),
    Key("tool", "exclude", "patterns", (), "What does not travel with the code, besides what `.gitignore` files name."),
    Key("tool", "roots", "folders", (), "Further folders where modules are looked for; `src` is one by itself."),
    Key(
        "tool",
        "outputs",
        "files",
        (),
        "Files that runs write on executors elsewhere and that are fetched by themselves, into `outputs/` of the workspace.",
    ),
    Key("session", "preload", "modules", (), "Modules that are imported before the session's first block."),
    Key("session", "env", "names", (), "Variables for the session alone, by name."),
    Key("session", "backend", "backend", _POOL.backend, "Where the session and *Run File* run."),
    Key("session", "image", "image", "", "What they are made from; none: the image of this version."),
    Key("session", "options", "options", {}, "What only their backend knows; see below."),
    Key("session", "boot_timeout", "seconds", _POOL.boot_timeout, "How long a session may take to come up.", 1),
    Key("session", "max_lifetime", "seconds", _POOL.max_lifetime, "How old a session may become; 0: any age."),
    Key("session", "dependencies", "dependencies", _POOL.dependencies, "As a pool's."),
    Key("session", "gpu", "gpu", "", "The GPUs of a session."),
    Key("session", "cpus", "cpus", 0.0, "The processors of a session; 0: whatever is there."),
    Key("session", "memory", "memory", 0, "The memory of a session; 0: whatever is there."),
    Key("pool", "backend", "backend", _POOL.backend, "Where its executors run."),
    Key("pool", "image", "image", _POOL.image, "What executors are made from; none: the image of this version."),
    Key("pool", "options", "options", _POOL.options, "What only its backend knows; see below."),
    Key("pool", "min", "count", _POOL.min, "How many executors are kept."),
    Key("pool", "max", "count", _POOL.max, "How many executors there may be.", 1),
    Key("pool", "concurrency", "count", _POOL.concurrency, "How many calls one executor runs at a time.", 1),
    Key("pool", "buffer", "count", _POOL.buffer, "How many spare executors are kept ready while there is work."),
    Key("pool", "idle_timeout", "seconds", _POOL.idle_timeout, "After how long an idle executor ends."),
    Key("pool", "boot_timeout", "seconds", _POOL.boot_timeout, "How long an executor may take to come up.", 1),
    Key("pool", "max_lifetime", "seconds", _POOL.max_lifetime, "How old an executor may become; 0: any age."),
    Key("pool", "timeout", "seconds", _POOL.timeout, "A call's deadline, waiting and booting included; 0: none."),
    Key("pool", "queue_timeout", "seconds", _POOL.queue_timeout, "How long a call may wait to begin; 0: any time."),
    Key("pool", "grace", "seconds", _POOL.grace, "How long a call that must end may clean up before it is killed."),
    Key(
        "pool",
        "isolation",
        "isolation",
        _POOL.isolation,
        "What is fresh for each call: nothing, a process, an executor.",
    ),
    Key("pool", "retries", "count", _POOL.retries, "How often a call is tried again after its executor was lost."),
    Key("pool", "gpu", "gpu", "", "The GPUs of one executor."),
    Key("pool", "cpus", "cpus", 0.0, "The processors of one executor; 0: whatever is there."),
    Key("pool", "memory", "memory", 0, "The memory of one executor; 0: whatever is there."),
    Key("pool", "strategy", "strategy", _POOL.strategy, "How calls find their executor: fill one first, or spread."),
    Key("pool", "queue_limit", "count", _POOL.queue_limit, "How many calls may wait; 0: any number."),
    Key("pool", "preload", "modules", (), "Modules that are imported before an executor's first call."),
    Key(
        "pool",
        "dependencies",
        "dependencies",
        _POOL.dependencies,
        "Packages that executors lack: installed from the lock file, only told of, or not looked at.",
    ),
    Key(
        "pool",
        "outputs",
        "files",
        (),
        "Files that its calls write elsewhere and that the program which holds the pool fetches by itself, into `outputs/`.",
    ),
    Key(
        "pool",
        "capture_warning",
        "bytes",
        _POOL.capture_warning,
        "Functions that take along more than this are warned of; 0: none.",
    ),
    Key(
        "pool",
        "blob_bytes",
        "bytes",
        _POOL.blob_bytes,
        "Contents of arguments from this size on travel once to each machine, however many calls have them; 0: none.",
    ),
    Key("pool", "env", "names", (), "Variables for this pool alone, by name."),
    Key("pool", "env_file", "path", "", "A file of `NAME=value` lines for this pool alone."),
)

KIND_WORDS: Final[dict[Kind, str]] = {
    "path": "a path",
    "seconds": "seconds",
    "hours": "a number of hours",
    "bytes": "a number of bytes",
    "count": "a whole number",
    "modules": "a list of module names",
    "files": "a list of patterns of files",
    "names": "a list of variable names",
    "backend": "one of: " + ", ".join(BACKENDS),
    "isolation": "one of: " + ", ".join(ISOLATIONS),
    "strategy": "one of: " + ", ".join(STRATEGIES),
    "dependencies": "one of: " + ", ".join(DEPENDENCIES),
    "gpu": resources.GPU_WORDS,
    "cpus": "a number of processors",
    "memory": resources.MEMORY_WORDS,
    "image": "an image's name",
    "options": "a table",
    "patterns": "a list of patterns as in .gitignore",
    "folders": "a list of folders in this one",
}
_READERS: Final[dict[Kind, Callable[[object], object]]] = {
    "gpu": resources.gpus,
    "cpus": resources.cpus,
    "memory": resources.memory,
}
TABLES: Final[dict[Scope, str]] = {
    "tool": "tool.yonder",
    "session": "tool.yonder.session",
    "pool": "tool.yonder.pools",
}
POOL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}\Z")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def unknown(scope: Scope, name: str) -> str:
    """What is said of a key that is none."""
    allowed = [key.name for key in KEYS if key.scope == scope] + (["session", "pools"] if scope == "tool" else [])
    return f'unknown key "{name}"{_did_you_mean(name, allowed)} Allowed here: {", ".join(allowed)}'


def _did_you_mean(word: str, allowed: list[str]) -> str:
    # Half a likeness is enough: "idle" should find "idle_timeout", "maximum" should find "max".
    near = difflib.get_close_matches(word, allowed, n=1, cutoff=0.5)
    near = near or [name for name in allowed if name.startswith(word) or word.startswith(name)][:1]
    return f'; did you mean "{near[0]}"?' if near else "."


def problem(key: Key, value: object) -> str:
    """What is wrong with a value, "" when nothing is."""
    match key.kind:
        case "path":
            return "" if isinstance(value, str) else _wanted(key, value)
        case "seconds" | "hours":
            fits = isinstance(value, int | float) and not isinstance(value, bool) and key.least <= value < 1e9
            return "" if fits else _wanted(key, value)
        case "bytes" | "count":
            fits = isinstance(value, int) and not isinstance(value, bool) and value >= key.least
            return "" if fits else _wanted(key, value)
        case "modules":
            if not _is_words(value):
                return _wanted(key, value)
            wrong = [word for word in value if not all(part.isidentifier() for part in word.split("."))]
            return f"names {wrong[0]!r}, which is no module name" if wrong else ""
        case "files":
            return patterns.problem(value)
        case "names":
            if not _is_words(value):
                return _wanted(key, value) + ' (values stay out of this file: put the name here, as in ["HF_HOME"])'
            wrong = [word for word in value if not VARIABLE.match(word)]
            # The text before "=" only: what follows may be the secret itself.
            return f"names {wrong[0].partition('=')[0]!r}, which is no variable's name alone" if wrong else ""
        case "backend":
            if value in BACKENDS:
                return ""
            if value in BACKENDS_TO_COME:
                return f'is "{value}", which this version does not have yet. Allowed now: {", ".join(BACKENDS)}'
            return _no_choice("backend", BACKENDS, value)
        case "isolation":
            return _no_choice("isolation", ISOLATIONS, value)
        case "strategy":
            return _no_choice("strategy", STRATEGIES, value)
        case "dependencies":
            return _no_choice("dependencies", DEPENDENCIES, value)
        case "image":
            return particulars.image_problem(value)
        case "options":
            return particulars.options_problem(value)
        case "patterns" | "folders":
            if not _is_words(value):
                return _wanted(key, value)
            wrong = [word for word in value if _leads_out(word, plain=key.kind == "folders")]
            return f"has {wrong[0]!r}, which names nothing in this folder" if wrong else ""
        case "gpu" | "cpus" | "memory":
            try:
                _READERS[key.kind](value)
            except ValueError:
                return _wanted(key, value)
            return ""


def _leads_out(path: str, *, plain: bool) -> bool:
    """Does it name something elsewhere, or nothing? A pattern may begin with "/", which is the folder itself."""
    return not path.strip("/ ") or ".." in path.split("/") or (plain and Path(path).is_absolute())


def _no_choice(noun: str, allowed: tuple[str, ...], value: object) -> str:
    if value in allowed:
        return ""
    near = _did_you_mean(value, list(allowed)) if isinstance(value, str) else "."
    return f"is {said(value)}, which is no {noun}{near} Allowed: {', '.join(allowed)}"


def _is_words(value: object) -> TypeGuard[list[str]]:
    return isinstance(value, list | tuple) and all(isinstance(word, str) for word in value)


def _wanted(key: Key, value: object) -> str:
    least = f", at least {key.least:g}" if key.kind in ("seconds", "hours", "bytes", "count") else ""
    return f"must be {KIND_WORDS[key.kind]}{least}, not {said(value)}"


def said(value: object) -> str:
    """A value as an error names it."""
    text = {True: "true", False: "false"}[value] if isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 and not isinstance(value, Mapping) else f"a {type(value).__name__}"


def default(name: str) -> Any:
    """What holds for a key of [tool.yonder] itself without it."""
    return next(key.default for key in KEYS if key.scope == "tool" and key.name == name)
