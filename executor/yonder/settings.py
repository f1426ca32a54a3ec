"""`[tool.yonder]` of pyproject.toml, with the editor's overrides, as frozen values: a closed set, checked at the door.

    settable (what may be set) ─▶ layers (where it stands) ─▶ load: what is in force ─▶ settings_page (docs/settings.md)

What this file must not know: the editor, the hub.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from yonder import resources
from yonder.layers import Layer, check_backends, check_limits, checked, file_layer
from yonder.settable import VARIABLE, default
from yonder.wire import PoolSpec

HUB_VARIABLE: Final = "YONDER_HUB_FILE"
"""The environment variable that names a hub's key file."""


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


def load(
    folder: Path | None, overrides: Mapping[str, object] | None = None, environ: Mapping[str, str] | None = None
) -> Settings:
    """The settings of a workspace folder (None: none), with `overrides` in the shape of [tool.yonder] winning.

    Raises SettingsError naming key, place and what is allowed.
    """
    environment = os.environ if environ is None else environ
    layers = [layer for layer in (file_layer(folder), Layer(overrides or {}, "the editor's settings", "")) if layer]
    tool: dict[str, Any] = {}
    session: dict[str, Any] = {}
    pools: dict[str, dict[str, Any]] = {"default": {}}
    for layer in layers:
        for path, value in checked(layer):
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
        check_limits(layer, pools)
        check_backends(layer, session, pools)
    return _build(folder, tool, session, pools, environment)


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
        linger=tool.get("linger", default("linger")),
        silence=tool.get("silence", default("silence")),
        stream_bound=tool.get("stream_bound", default("stream_bound")),
        max_executors=tool.get("max_executors", default("max_executors")),
        max_gpus=tool.get("max_gpus", default("max_gpus")),
        max_executor_hours=tool.get("max_executor_hours", default("max_executor_hours")),
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
        if not equals or not VARIABLE.match(name.strip()):
            warnings.append(f"{file}, line {number} is not NAME=value; it was left out.")
            continue
        found[name.strip()] = _unquoted(value.strip())
    return found


def _unquoted(value: str) -> str:
    quoted = len(value) >= 2 and value[0] == value[-1] and value[0] in "'\""
    return value[1:-1] if quoted else value


if __name__ == "__main__":
    from yonder.settings_page import markdown

    print(markdown(), end="")
