"""Sources of settings: a file's table, or the editor's words; each setting in one with its path, checked, and an error that
says where it stands.

What belongs here: finding, and naming places. What this file must not know: which layer wins, what a setting means.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from yonder import particulars
from yonder.errors import SettingsError
from yonder.settable import KEYS, POOL_NAME, Scope, problem, said, unknown
from yonder.wire import PoolSpec

FILE: Final = "pyproject.toml"
_POOL: Final = PoolSpec()


@dataclass(frozen=True, slots=True)
class Layer:
    """One source of settings: its tree, and how to say where something stands in it."""

    tree: Mapping[str, object]
    file: str
    text: str

    def place(self, path: tuple[str, ...]) -> str:
        """Where that key stands, in words."""
        table = ".".join(("tool", "yonder", *path[:-1]) if path else ("tool",))
        if not self.text:
            return f"{self.file}, {'.'.join(path)}"
        return f"{self.file}, line {line_of(self.text, ('tool', 'yonder', *path))}, [{table}]"

    def error(self, path: tuple[str, ...], said: str) -> SettingsError:
        """What is wrong with that key, with its place."""
        place = self.place(path)
        return SettingsError(f"{place}: {said}", place=place, key=path[-1] if path else "yonder")


def file_layer(folder: Path | None) -> Layer | None:
    """That of the folder's `FILE`; None where there is none. Raises SettingsError."""
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
    layer = Layer(table if isinstance(table, dict) else {}, str(file), text)
    if not isinstance(table, dict):
        raise layer.error((), "tool.yonder must be a table")
    return layer


# ── checking ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def checked(layer: Layer) -> Iterator[tuple[tuple[str, ...], object]]:
    """Every setting of a layer with its path, checked."""
    for name, value in layer.tree.items():
        if name == "session":
            yield from _table(layer, "session", ("session",), value)
        elif name == "pools":
            for pool, options in _as_table(layer, ("pools",), value).items():
                if not POOL_NAME.match(pool):
                    raise layer.error(("pools", pool), f'"{pool}" is no pool name: letters, digits, "-" and "_" only')
                yield ("pools", pool), None
                yield from _table(layer, "pool", ("pools", pool), options)
        else:
            yield (name,), _value(layer, "tool", (name,), value)


def _table(
    layer: Layer, scope: Scope, path: tuple[str, ...], value: object
) -> Iterator[tuple[tuple[str, ...], object]]:
    for name, item in _as_table(layer, path, value).items():
        yield (*path, name), _value(layer, scope, (*path, name), item)


def _as_table(layer: Layer, path: tuple[str, ...], value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise layer.error(path, f'"{path[-1]}" must be a table, not {said(value)}')
    return value


def _value(layer: Layer, scope: Scope, path: tuple[str, ...], value: object) -> object:
    name = path[-1]
    key = next((key for key in KEYS if key.scope == scope and key.name == name), None)
    if key is None:
        raise layer.error(path, unknown(scope, name))
    if wrong := problem(key, value):
        raise layer.error(path, f'"{name}" {wrong}')
    if key.kind in ("seconds", "hours") and isinstance(value, int | float):
        return float(value)
    if isinstance(value, Mapping):
        return dict(value)
    return tuple(value) if isinstance(value, list) else value


def check_limits(layer: Layer, pools: Mapping[str, Mapping[str, Any]]) -> None:
    """What was said of one pool in several layers has to fit together. Raises SettingsError, as the others."""
    for name, options in pools.items():
        least, most = options.get("min", _POOL.min), options.get("max", _POOL.max)
        if least > most:
            given = "min" if "min" in options else "max"
            raise layer.error(("pools", name, given), f'"min" is {least}, more than "max", which is {most}')


def check_backends(layer: Layer, session: Mapping[str, Any], pools: Mapping[str, Mapping[str, Any]]) -> None:
    """Images and options go with the backend, which may have been said in another layer."""
    tables = {("pools", name): options for name, options in pools.items()} | {("session",): session}
    for path, options in tables.items():
        name, wrong = particulars.problem(
            options.get("backend", _POOL.backend), options.get("image", ""), options.get("options", {})
        )
        if wrong:
            raise layer.error((*path, name), f'"{name}" {wrong}')


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
