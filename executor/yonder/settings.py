"""`[tool.yonder]` of pyproject.toml, with the editor's overrides, as frozen values: a closed set, checked at the door.

The table `KEYS` is the only list of settings there is: it validates, gives the defaults and writes docs/settings.md
(`python -m yonder.settings`); what backends may be told besides is `particulars`. What this file must not know: the
editor, the hub.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, TypeGuard

import msgspec

from yonder import particulars, patterns, resources
from yonder.choices import BACKENDS, BACKENDS_TO_COME, DEPENDENCIES, ISOLATIONS, STRATEGIES
from yonder.errors import SettingsError
from yonder.wire import PoolSpec

FILE: Final = "pyproject.toml"
HUB_VARIABLE: Final = "YONDER_HUB_FILE"
"""The environment variable that names a hub's key file."""

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

_KIND_WORDS: Final[dict[Kind, str]] = {
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
_TABLES: Final[dict[Scope, str]] = {
    "tool": "tool.yonder",
    "session": "tool.yonder.session",
    "pool": "tool.yonder.pools",
}
_POOL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}\Z")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """`env` holds values already: what the session's worker gets beyond its own environment. `spec` is what its executor
    is, as a pool's; it has those variables, too."""

    preload: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    spec: PoolSpec = field(default_factory=lambda: PoolSpec(name="session"), repr=False)


@dataclass(frozen=True, slots=True)
class Settings:
    """What is in force. `warnings` are sentences for the person; nothing in them is secret."""

    python: str
    hub: str
    linger: float
    silence: float
    stream_bound: int
    max_executors: int
    max_gpus: int
    max_executor_hours: float
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    roots: tuple[str, ...]
    outputs: tuple[str, ...]
    session: SessionSettings
    pools: Mapping[str, PoolSpec]
    warnings: tuple[str, ...] = ()

    def pool_specs(self) -> list[PoolSpec]:
        """All pools, `default` among them."""
        return list(self.pools.values())


@dataclass(frozen=True, slots=True)
class _Layer:
    """One source of settings: its tree, and how to say where something stands in it."""

    tree: Mapping[str, object]
    file: str
    text: str

    def place(self, path: tuple[str, ...]) -> str:
        table = ".".join(("tool", "yonder", *path[:-1]) if path else ("tool",))
        if not self.text:
            return f"{self.file}, {'.'.join(path)}"
        return f"{self.file}, line {line_of(self.text, ('tool', 'yonder', *path))}, [{table}]"

    def error(self, path: tuple[str, ...], said: str) -> SettingsError:
        place = self.place(path)
        return SettingsError(f"{place}: {said}", place=place, key=path[-1] if path else "yonder")


def load(
    folder: Path | None, overrides: Mapping[str, object] | None = None, environ: Mapping[str, str] | None = None
) -> Settings:
    """The settings of a workspace folder (None: none), with `overrides` in the shape of [tool.yonder] winning.

    Raises SettingsError naming key, place and what is allowed.
    """
    environment = os.environ if environ is None else environ
    layers = [layer for layer in (_file_layer(folder), _Layer(overrides or {}, "the editor's settings", "")) if layer]
    tool: dict[str, Any] = {}
    session: dict[str, Any] = {}
    pools: dict[str, dict[str, Any]] = {"default": {}}
    for layer in layers:
        for path, value in _checked(layer):
            match path:
                case (name,):
                    tool[name] = value
                case ("session", name):
                    session[name] = value
                case ("pools", pool):
                    pools.setdefault(pool, {})
                case ("pools", pool, name):
                    pools.setdefault(pool, {})[name] = value
                case _:
                    raise AssertionError(path)
        _check_limits(layer, pools)
        _check_backends(layer, session, pools)
    return _build(folder, tool, session, pools, environment)


def _file_layer(folder: Path | None) -> _Layer | None:
    if folder is None:
        return None
    file = folder / FILE
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} cannot be read: {error}", place=str(file)) from error
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{file} is not valid TOML: {error}", place=str(file)) from error
    tool = tree.get("tool", {})
    table = tool.get("yonder", {}) if isinstance(tool, dict) else {}
    layer = _Layer(table if isinstance(table, dict) else {}, str(file), text)
    if not isinstance(table, dict):
        raise layer.error((), "tool.yonder must be a table")
    return layer


# ── checking ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _checked(layer: _Layer) -> Iterator[tuple[tuple[str, ...], object]]:
    """Every setting of a layer with its path, checked."""
    for name, value in layer.tree.items():
        if name == "session":
            yield from _table(layer, "session", ("session",), value)
        elif name == "pools":
            for pool, options in _as_table(layer, ("pools",), value).items():
                if not _POOL_NAME.match(pool):
                    raise layer.error(("pools", pool), f'"{pool}" is no pool name: letters, digits, "-" and "_" only')
                yield ("pools", pool), None
                yield from _table(layer, "pool", ("pools", pool), options)
        else:
            yield (name,), _value(layer, "tool", (name,), value)


def _table(
    layer: _Layer, scope: Scope, path: tuple[str, ...], value: object
) -> Iterator[tuple[tuple[str, ...], object]]:
    for name, item in _as_table(layer, path, value).items():
        yield (*path, name), _value(layer, scope, (*path, name), item)


def _as_table(layer: _Layer, path: tuple[str, ...], value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise layer.error(path, f'"{path[-1]}" must be a table, not {_said(value)}')
    return value


def _value(layer: _Layer, scope: Scope, path: tuple[str, ...], value: object) -> object:
    name = path[-1]
    key = next((key for key in KEYS if key.scope == scope and key.name == name), None)
    if key is None:
        raise layer.error(path, _unknown(scope, name))
    problem = _problem(key, value)
    if problem:
        raise layer.error(path, f'"{name}" {problem}')
    if key.kind in ("seconds", "hours") and isinstance(value, int | float):
        return float(value)
    if isinstance(value, Mapping):
        return dict(value)
    return tuple(value) if isinstance(value, list) else value


def _unknown(scope: Scope, name: str) -> str:
    allowed = [key.name for key in KEYS if key.scope == scope] + (["session", "pools"] if scope == "tool" else [])
    return f'unknown key "{name}"{_did_you_mean(name, allowed)} Allowed here: {", ".join(allowed)}'


def _did_you_mean(word: str, allowed: list[str]) -> str:
    # Half a likeness is enough: "idle" should find "idle_timeout", "maximum" should find "max".
    near = difflib.get_close_matches(word, allowed, n=1, cutoff=0.5)
    near = near or [name for name in allowed if name.startswith(word) or word.startswith(name)][:1]
    return f'; did you mean "{near[0]}"?' if near else "."


def _problem(key: Key, value: object) -> str:
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
            wrong = [word for word in value if not _VARIABLE.match(word)]
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
    return f"is {_said(value)}, which is no {noun}{near} Allowed: {', '.join(allowed)}"


def _is_words(value: object) -> TypeGuard[list[str]]:
    return isinstance(value, list | tuple) and all(isinstance(word, str) for word in value)


def _wanted(key: Key, value: object) -> str:
    least = f", at least {key.least:g}" if key.kind in ("seconds", "hours", "bytes", "count") else ""
    return f"must be {_KIND_WORDS[key.kind]}{least}, not {_said(value)}"


def _said(value: object) -> str:
    text = {True: "true", False: "false"}[value] if isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 and not isinstance(value, Mapping) else f"a {type(value).__name__}"


def _check_limits(layer: _Layer, pools: Mapping[str, Mapping[str, Any]]) -> None:
    for name, options in pools.items():
        least, most = options.get("min", _POOL.min), options.get("max", _POOL.max)
        if least > most:
            given = "min" if "min" in options else "max"
            said = f'"min" is {least}, more than "max", which is {most}'
            raise layer.error(("pools", name, given), said)


def _check_backends(layer: _Layer, session: Mapping[str, Any], pools: Mapping[str, Mapping[str, Any]]) -> None:
    """Images and options go with the backend, which may have been said in another layer."""
    tables = {("pools", name): options for name, options in pools.items()} | {("session",): session}
    for path, options in tables.items():
        name, problem = particulars.problem(
            options.get("backend", _POOL.backend), options.get("image", ""), options.get("options", {})
        )
        if problem:
            raise layer.error((*path, name), f'"{name}" {problem}')


# ── building ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _build(
    folder: Path | None,
    tool: Mapping[str, Any],
    session: Mapping[str, Any],
    pools: Mapping[str, Mapping[str, Any]],
    environ: Mapping[str, str],
) -> Settings:
    warnings: list[str] = []

    def variables(options: Mapping[str, Any], where: str) -> dict[str, str]:
        found = _from_file(folder, options.get("env_file", ""), where, warnings)
        for name in options.get("env", ()):
            if name in environ:
                found[name] = environ[name]
            else:
                warnings.append(f"[{where}] env names {name}, which is not set here; executors will not have it.")
        return found

    common = variables(tool, "tool.yonder")
    specs = {
        name: _spec(name, options, common | variables(options, f"tool.yonder.pools.{name}"))
        for name, options in pools.items()
    }
    own = _spec("session", session, common | variables(session, "tool.yonder.session"))
    python = tool.get("python", "")
    hub = environ.get(HUB_VARIABLE) or tool.get("hub", "")
    return Settings(
        python=str(_located(folder, python)) if python else "",
        hub=str(_located(folder, hub)) if hub else "",
        linger=tool.get("linger", _default("linger")),
        silence=tool.get("silence", _default("silence")),
        stream_bound=tool.get("stream_bound", _default("stream_bound")),
        max_executors=tool.get("max_executors", _default("max_executors")),
        max_gpus=tool.get("max_gpus", _default("max_gpus")),
        max_executor_hours=tool.get("max_executor_hours", _default("max_executor_hours")),
        include=tool.get("include", ()),
        exclude=tool.get("exclude", ()),
        roots=tuple(root.removeprefix("./").strip("/") for root in tool.get("roots", ())),
        outputs=tool.get("outputs", ()),
        session=SessionSettings(
            # What a session imports beforehand is told with each run.
            preload=session.get("preload", ()),
            env=own.env,
            spec=msgspec.structs.replace(own, preload=[]),
        ),
        pools=specs,
        warnings=tuple(warnings),
    )


def _spec(name: str, options: Mapping[str, Any], env: dict[str, str]) -> PoolSpec:
    """What is called `name`, from checked settings."""
    plain = {key: list(value) if isinstance(value, tuple) else value for key, value in options.items()}
    plain.pop("env_file", None)
    wishes = {wish: plain.pop(wish, None) for wish in ("gpu", "cpus", "memory")}
    return msgspec.convert({**plain, "name": name, "resources": resources.resources(wishes), "env": env}, PoolSpec)


def _default(name: str) -> Any:
    return next(key.default for key in KEYS if key.scope == "tool" and key.name == name)


def _located(folder: Path | None, path: str) -> Path:
    given = Path(path).expanduser()
    return given if given.is_absolute() or folder is None else folder / given


def _from_file(folder: Path | None, path: str, where: str, warnings: list[str]) -> dict[str, str]:
    """The variables of an env file. What is wrong with it is said without quoting it: its lines are secrets."""
    if not path:
        return {}
    file = _located(folder, path)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        warnings.append(f"[{where}] env_file {file} cannot be read: {reason}.")
        return {}
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.strip().removeprefix("export ").strip()
        if not bare or bare.startswith("#"):
            continue
        name, equals, value = bare.partition("=")
        if not equals or not _VARIABLE.match(name.strip()):
            warnings.append(f"{file}, line {number} is not NAME=value; it was left out.")
            continue
        found[name.strip()] = _unquoted(value.strip())
    return found


def _unquoted(value: str) -> str:
    quoted = len(value) >= 2 and value[0] == value[-1] and value[0] in "'\""
    return value[1:-1] if quoted else value


# ── where it stands ───────────────────────────────────────────────────────────────────────────────────────────────────

_HEADER = re.compile(r"\s*\[\[?\s*([^\]]+?)\s*\]\]?")
_ASSIGNMENT = re.compile(r"\s*((?:[\w-]+|\"[^\"]*\"|'[^']*')(?:\s*\.\s*(?:[\w-]+|\"[^\"]*\"|'[^']*'))*)\s*=")
_WORD = re.compile(r"[\w-]+|\"[^\"]*\"|'[^']*'")


def line_of(text: str, path: tuple[str, ...]) -> int:
    """The 1-based line of a TOML file where a dotted key stands, or of its nearest parent (an inline table's line)."""
    table: tuple[str, ...] = ()
    best, depth = 1, 0
    for number, line in enumerate(text.splitlines(), 1):
        header = _HEADER.match(line)
        assignment = None if header else _ASSIGNMENT.match(line)
        if header:
            table = here = _words(header[1])
        elif assignment:
            here = table + _words(assignment[1])
        else:
            continue
        if len(here) > depth and path[: len(here)] == here:
            best, depth = number, len(here)
    return best


def _words(dotted: str) -> tuple[str, ...]:
    return tuple(word.strip("\"'") for word in _WORD.findall(dotted))


# ── documentation ─────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the documentation."""

    table: str
    key: str
    value: str
    default: str
    about: str


_PAGE_TOP: Final = """\
# Settings

Yonder needs none. What you want otherwise stands in `pyproject.toml` of the workspace folder under `[tool.yonder]`; the
editor's `yonder.*` settings win over it. An unknown key or a value that is not allowed is an error that names itself, its
line and what is allowed.

This page is written by `python -m yonder.settings`.

```toml
[tool.yonder]
linger = 20
env = ["HF_HOME"]
include = ["models/*.json"]

[tool.yonder.session]
preload = ["torch"]

[tool.yonder.pools.default]
max = 16
idle_timeout = 120

[tool.yonder.pools.containers]
backend = "docker"
memory = "8GB"
options = { network = "lab" }
```
"""
_PAGE_END: Final = """\
The pool `default` always exists. Environment variables are named, never written here: their values are taken from the
machine that runs the editor, or from an `env_file` that you keep out of version control. Backends that will come later:
{later}."""


def describe() -> list[Row]:
    """Every setting in words."""
    return [
        Row(
            table=_TABLES[key.scope] + (".<name>" if key.scope == "pool" else ""),
            key=key.name,
            value=_KIND_WORDS[key.kind] + (f", at least {key.least:g}" if key.least else ""),
            default=_default_text(key.default),
            about=key.about,
        )
        for key in KEYS
    ]


def _default_text(default: object) -> str:
    if default in ("", {}):
        return "none"
    if isinstance(default, tuple):
        return "`[]`"
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


def markdown() -> str:
    """docs/settings.md."""
    parts = [_PAGE_TOP]
    for table in dict.fromkeys(row.table for row in describe()):
        parts.append(f"## `[{table}]`\n\n| key | value | default | |\n|---|---|---|---|")
        parts += [f"| `{r.key}` | {r.value} | {r.default} | {r.about} |" for r in describe() if r.table == table]
        parts.append("")
    parts.append(particulars.tables())
    parts.append(_PAGE_END.format(later=", ".join(BACKENDS_TO_COME)))
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    print(markdown(), end="")
