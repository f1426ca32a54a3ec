"""Where an object is written, and the text of that file, without importing and without `inspect`, which asks the object.

Texts come from `linecache` (blocks of a session, modules of snapshots, generated code), else from a Python file on this
machine that a loaded function or module says it is from.

What belongs here: from an object to file, line and text. What this file must not know: queries, who wants to know.
"""

from __future__ import annotations

import linecache
import operator
import os
import re
import stat
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat
from typing import Any, Final, Literal

from yonder.agent import modules, peek_call, peek_imports, peek_path
from yonder.agent import peek_raw as raw
from yonder.agent.peek_path import Lost
from yonder.agent.peek_stores import Stores
from yonder.wire import Step

ABSENT = raw.ABSENT
LARGEST = 2 << 20
_DECORATORS = 200
_BLOCK_FILES = 50
_MISSES = 50
# How many modules were loaded when none of them was of a file: going through thousands takes ten milliseconds.
_missed: dict[str, int] = {}
_CODING: Final = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
_ENDINGS = (".py", ".pyw", ".pyi")
Home = Literal["block", "snapshot", "file", "generated"]


@dataclass(frozen=True, slots=True)
class Text:
    """A file's text. `coding` is set when the bytes are only spelled out as latin-1: decoding them might import."""

    file: str
    text: str
    home: Home
    coding: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """`line` counts from 1 and is the `def`'s or `class`'s own, 1 for a module; `name` is what stands there."""

    file: str
    line: int
    name: str
    text: str
    home: Home
    coding: str = ""


# ── from a path to what is written ────────────────────────────────────────────────────────────────────────────────────


def written(namespace: dict[str, Any], path: list[Step], stores: Stores) -> tuple[Any, str]:
    """What a path is about (of a property its getter, of a value that was not read its class), or ABSENT and why."""
    sight = peek_path.follow(namespace, path, stores)
    if isinstance(sight, Lost):
        return _module_at(namespace, path, stores), sight.why
    if sight.value is not ABSENT:
        return sight.value, ""
    getter = _getter(namespace, path, stores)
    if getter is not ABSENT:
        return getter, ""
    return (ABSENT if sight.kind is None else sight.kind), sight.note or "this was not read"


def _getter(namespace: dict[str, Any], path: list[Step], stores: Stores) -> Any:
    """The function of a property that `follow` did not run."""
    name = path[-1].value
    owner = peek_path.follow(namespace, path[:-1], stores) if len(path) > 1 else None
    if owner is None or isinstance(owner, Lost) or type(name) is not str:
        return ABSENT
    kind = owner.kind if owner.value is ABSENT else type(owner.value)
    shared = raw.class_attribute(kind, name)[0] if kind is not None else ABSENT
    if type(shared) is property:
        return shared.fget
    return raw.find(raw.instance_dict(shared), "func") if type(shared) is cached_property else ABSENT


def _module_at(namespace: dict[str, Any], path: list[Step], stores: Stores) -> Any:
    """What an import names before it ran: the path as names of loaded modules, and attributes of the last of them."""
    if not path or raw.find(namespace, path[0].value) is not ABSENT:
        return ABSENT
    for count in range(len(path), 0, -1):
        head, rest = path[:count], path[count:]
        if not all(type(step.value) is str and step.kind in ("name", "attr") for step in head):
            continue
        module = peek_imports.loaded_module(".".join(str(step.value) for step in head))
        if module is not ABSENT:
            sight = peek_path.follow({"_": module}, [Step("name", "_"), *rest], stores)
            return ABSENT if isinstance(sight, Lost) else sight.value
    return ABSENT


def names_of(file: str) -> dict[str, Any] | None:
    """The names of the loaded module that is written in this file, None when there is none."""
    parts = file.replace("\\", "/").split("/")
    parts[-1:] = [] if parts[-1] == "__init__.py" else [parts[-1].partition(".")[0]]
    candidates = [".".join(parts[at:]) for at in range(len(parts) - 1, max(len(parts) - 12, -1), -1)]
    for name in [*candidates, "__main__"]:
        module = peek_imports.loaded_module(name)
        if module is not ABSENT and _is_of(module, file):
            return raw.module_dict(module)
    loaded = raw.items(sys.modules)
    if _missed.get(file) == len(loaded):
        return None
    for name, module in loaded:  # a module that is not called what its file is
        if type(name) is str and raw.is_module(module) and _is_of(module, file):
            return raw.module_dict(module)
    if len(_missed) >= _MISSES:
        _missed.clear()
    _missed[file] = len(loaded)
    return None


def _is_of(module: object, file: str) -> bool:
    said = raw.exact(raw.find(raw.module_dict(module), "__file__"))
    return bool(said) and (file in (said, said.replace("\\", "/")) or _owners(said) == file)


# ── from an object to its file ────────────────────────────────────────────────────────────────────────────────────────


def source(value: Any) -> Source | Lost:
    """Where an object is written. Lost says why there is nothing to show."""
    if raw.is_module(value):
        return _module(value)
    target = value if raw.is_class(value) else peek_call.unwrap(value)[0]
    if type(target) is types.FunctionType:
        return _function(target)
    if not raw.is_class(target):
        if raw.kind_of(target) == "m":
            return Lost(f"{_said_name(target)} is written in C")
        target = type(target)
    return _class(target)


def _module(module: Any) -> Source | Lost:
    names = raw.module_dict(module)
    file = raw.exact(raw.find(names, "__file__"))
    if not file:
        return Lost(f"the module {raw.exact(raw.find(names, '__name__'))} has no file: it is built in")
    found = text_of(file)
    return found if isinstance(found, Lost) else Source(found.file, 1, "", found.text, found.home, found.coding)


def _function(function: Any) -> Source | Lost:
    code = function.__code__
    file, name = raw.exact(code.co_filename), raw.exact(code.co_name)
    if file.startswith("<frozen "):
        file = raw.exact(raw.find(function.__globals__, "__file__"))
    found = text_of(file)
    if isinstance(found, Lost):
        return found
    line = _definition(found.text, code.co_firstlineno, re.compile(rf"\s*(?:async\s+)?def\s+{re.escape(name)}\b"))
    return Source(found.file, line, name, found.text, found.home, found.coding)


def _class(kind: type) -> Source | Lost:
    name = raw.name_of(kind)
    file, line = peek_call.place(kind)
    if file.startswith("<frozen "):
        file = raw.exact(raw.known(raw.module_of(kind), "__file__"))
    pattern = re.compile(rf"class[ \t]+{re.escape(name)}\b")
    for one in dict.fromkeys((file, *(_block_files() if raw.module_of(kind) == "__main__" else ()))):
        found = text_of(one) if one else Lost("")
        if isinstance(found, Text) and (at := _class_line(found.text, pattern, line if one == file else 0)):
            return Source(found.file, at, name, found.text, found.home, found.coding)
    found = text_of(file) if line else Lost("")
    if isinstance(found, Lost) and found.why:
        return found
    return Lost(f"{raw.type_name(kind)} is written in C or was made by a program")


def _class_line(text: str, pattern: re.Pattern[str], near: int) -> int:
    """The line of the `class` statement that belongs to a line inside it (or above it: a decorator's); 0 for none."""
    starts = [found.start() for found in pattern.finditer(text)][:100]
    starts = [at for at in starts if not text[text.rfind("\n", 0, at) + 1 : at].strip()]
    lines = [text.count("\n", 0, at) + 1 for at in starts]
    above = [line for line in lines if line <= near]
    return above[-1] if above else next(iter(lines), 0)


def _definition(text: str, first: int, pattern: re.Pattern[str]) -> int:
    """The line of the `def` itself: code objects count from the first decorator."""
    lines = text.split("\n", first + _DECORATORS)
    for line in range(first, min(first + _DECORATORS, len(lines) + 1)):
        if pattern.match(lines[line - 1]):
            return line
    return first


def _said_name(value: Any) -> str:
    return raw.exact(value.__name__) if type(value) is types.BuiltinFunctionType else "this"


# ── from a file to its text ───────────────────────────────────────────────────────────────────────────────────────────


def text_of(file: str) -> Text | Lost:
    """The text under a name that a code object or module carries."""
    entry: Any = raw.find(linecache.cache, file) if type(linecache.cache) is dict else ABSENT
    if type(entry) is modules.Text:
        return _of_snapshot(entry)
    kept = _kept_lines(entry)
    if kept is not None and entry[1] is None:
        return Text(file, kept, "generated" if file.startswith("<") else "block")
    found = _of_disk(file)
    return Text(file, kept, "file") if isinstance(found, Lost) and kept is not None else found


def _kept_lines(entry: Any) -> str | None:
    """The text of a plain entry of linecache; anything else was put there by somebody."""
    if type(entry) is not tuple or len(entry) != 4 or type(entry[2]) is not list:
        return None
    lines = list(entry[2])
    if not all(map(operator.is_, map(type, lines), repeat(str))) or sum(map(len, lines)) > LARGEST:
        return None
    return "".join(lines)


def _of_snapshot(entry: Any) -> Text | Lost:
    shelf, digest, read = tuple.__getitem__(entry, 2)
    name: str = tuple.__getitem__(entry, 3)
    if read:
        return Text(name, "".join(read[0]), "snapshot")
    data = _bytes(shelf.blob(digest))
    if isinstance(data, Lost):
        return Lost(f"{name}: {data.why}")
    text, coding = _decoded(data)
    return Text(name, text, "snapshot", coding)


def _owners(file: str) -> str:
    """What the owner calls a file of a snapshot, "" for another file."""
    entry = raw.find(linecache.cache, file) if type(linecache.cache) is dict else ABSENT
    name: str = tuple.__getitem__(entry, 3) if type(entry) is modules.Text else ""
    return name


def _block_files() -> Iterator[str]:
    """The documents that blocks were run from."""
    if type(linecache.cache) is dict:
        entries = [(name, entry) for name, entry in raw.items(linecache.cache) if type(name) is str]
        blocks = [name for name, entry in entries if type(entry) is tuple and len(entry) == 4 and entry[1] is None]
        yield from blocks[-_BLOCK_FILES:]


def _of_disk(file: str) -> Text | Lost:
    if not file or not file.endswith(_ENDINGS):
        return Lost(f"{file or 'this'} is no Python file: there is no source to show")
    data = _bytes(file)
    if isinstance(data, Lost):
        return Lost(f"{file}: {data.why}")
    text, coding = _decoded(data)
    return Text(os.path.abspath(file), text, "file", coding)  # noqa: PTH100 - as text, no look at the disk


def _bytes(file: str) -> bytes | Lost:
    """A regular file of bounded size. Nothing else is ever waited for: a pipe would hold this thread up for good."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except (OSError, ValueError) as error:
        return Lost(f"the file cannot be read ({type(error).__name__})")
    try:
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode):
            return Lost("this is no regular file")
        if state.st_size > LARGEST:
            return Lost(f"the file has {state.st_size} bytes, more than the {LARGEST} that are shown")
        with os.fdopen(os.dup(descriptor), "rb") as opened:
            data = opened.read(LARGEST + 1)
    except OSError as error:
        return Lost(f"the file cannot be read ({type(error).__name__})")
    finally:
        os.close(descriptor)
    return data[:LARGEST]


def _decoded(data: bytes) -> tuple[str, str]:
    """The text, and its coding when that one is left to the reader: looking a codec up may import it, or ask a person's."""
    coding = "utf-8"
    for line in data.split(b"\n", 2)[:2]:
        said = _CODING.match(line)
        if said is not None:
            coding = said[1].decode("ascii", "replace").lower().replace("_", "-")
            break
    plain = data.removeprefix(b"\xef\xbb\xbf")
    if coding in ("utf-8", "utf8", "ascii", "us-ascii") or len(plain) < len(data):
        return _lines(plain.decode("utf-8", "replace")), ""
    latin = coding in ("latin-1", "latin1", "iso-8859-1", "iso8859-1")
    return _lines(data.decode("latin-1")), "" if latin else coding[:40]


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
