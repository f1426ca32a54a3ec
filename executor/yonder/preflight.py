"""What will happen to a call before it is made: what it takes along and how large that is, what does not pickle, which
modules travel, what is missing where it will run.

What belongs here: looking at a function, and words. What this file must not know: pools, hubs, how a call is made.
"""

from __future__ import annotations

import dis
import importlib.util
import inspect
import subprocess
import sys
import textwrap
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any, Literal

from yonder import culprit, installed, paths, payload, wire
from yonder.core import environment
from yonder.errors import CaptureWarning, SerializationError
from yonder.importing import imports
from yonder.paths import spell

SMALL = 64 * 1024
"""Captures below this many bytes are not worth a line."""

PYTHON_SECONDS = 30.0
"""How long a Python may take to say what it finds."""

_FIND = "import sys, importlib.util as u; print(*[n for n in sys.argv[1:] if u.find_spec(n) is None])"
_MOST_PARTS = 20_000
_LIBRARIES = frozenset({"numpy", "torch", "pandas", "scipy", "cupy", "jax", "jaxlib", "pyarrow", "polars"})
_RUNTIME = str(Path(__file__).parent) + "/"

Level = Literal["information", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing worth knowing. `subject`: capture, pickle, package, python, syntax, file. `remedy` says what to do, "" for nothing."""

    level: Level
    subject: str
    sentence: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.level}: {self.sentence}" + (f"\n  → {self.remedy}" if self.remedy else "")


@dataclass(frozen=True, slots=True)
class Capture:
    """A value that a function takes along: how it is reached, its type, and about how many bytes it has."""

    path: str
    type: str
    size: int

    def __str__(self) -> str:
        return f"{self.path} ({self.type}, {spell(self.size)})"


Check = Callable[[Callable[..., Any], Sequence[object], Mapping[str, object]], Iterable[Finding]]
"""A further look at a call."""


@dataclass(frozen=True, slots=True)
class Call:
    """What is to be called, and where: `spec` is the pool's, `pack` makes a function's bytes. `elsewhere`: executors have a
    Python of their own; `there` is that, where it is known."""

    function: Callable[..., Any]
    arguments: Sequence[object]
    keywords: Mapping[str, object]
    spec: wire.PoolSpec
    pack: Callable[[Callable[..., Any]], tuple[bytes, bytes]]
    elsewhere: bool = False
    there: wire.Environment | None = None


@dataclass(frozen=True, slots=True)
class Preflight:
    """What is known of a call before it is made. `size` is about what it takes along in bytes (None: it cannot travel),
    `modules` are those of the program's own that it needs there. Iterating gives the findings; `str` says all of it."""

    name: str
    where: str
    size: int | None
    captures: tuple[Capture, ...]
    modules: tuple[str, ...]
    findings: tuple[Finding, ...] = field(default=())

    @property
    def ok(self) -> bool:
        """Nothing is known that would make the call fail."""
        return not any(finding.level == "error" for finding in self.findings)

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __str__(self) -> str:
        weight = "cannot travel" if self.size is None else f"takes along {spell(self.size)}"
        lines = [f"{self.name} on {self.where}: {weight}"]
        lines += [f"  {capture}" for capture in self.captures]
        if self.modules:
            lines.append(f"modules of this program that it needs: {', '.join(self.modules)}")
        lines += [str(finding) for finding in self.findings]
        if not self.findings:
            lines.append("nothing is in its way")
        return "\n".join(lines)


def look(call: Call, more: Sequence[Check] = ()) -> Preflight:
    """Look at a call without making it. Pickles what it would take along; calls no function of the program's otherwise."""
    name = name_of(call.function)
    findings: list[Finding] = []
    size: int | None = None
    captures: tuple[Capture, ...] = ()
    try:
        body = call.pack(call.function)[1]
    except SerializationError as error:
        findings.append(_unpicklable(error))
    else:
        size, captures = len(body), captured(call.function, len(body))
        findings += _heavy(name, size, captures, call.spec.capture_warning)
    try:
        payload.pack_call(call.arguments, call.keywords)
    except SerializationError as error:
        findings.append(_unpicklable(error))
    modules = own_modules(call.function, [*call.arguments, *call.keywords.values()])
    findings += _packages(call, modules)
    for check in more:
        findings += check(call.function, call.arguments, call.keywords)
    order = ("error", "warning", "information")
    findings.sort(key=lambda finding: order.index(finding.level))
    where = f"{call.spec.name!r} ({call.spec.backend})"
    names = tuple(module.__name__ for module in modules if module.__name__ != "__main__")
    return Preflight(name, where, size, captures, names, tuple(findings))


def _unpicklable(error: SerializationError) -> Finding:
    remedy = "make it where the call runs, or leave it out (__getstate__)"
    return Finding("error", "pickle", str(error), f"{error.path}: {remedy}" if error.path else remedy)


def name_of(function: object) -> str:
    """What a person calls it."""
    if isinstance(function, FunctionType | MethodType | BuiltinFunctionType | type):
        return function.__qualname__
    return type(function).__name__


def paths_of(folder: str, travels: Callable[[str], bool]) -> Check:
    """A check for calls that run elsewhere: which paths does the function's text read that are in `folder` here and do not
    travel?"""

    def check(function: Callable[..., Any], _: Sequence[object], __: Mapping[str, object]) -> list[Finding]:
        try:
            text = textwrap.dedent(inspect.getsource(inspect.unwrap(function)))
        except (OSError, TypeError, ValueError):
            return []  # it has no text that anybody could look at
        found = paths.missing(text, Path(folder), travels)
        return [Finding("warning", "file", one.sentence, one.remedy) for one in found]

    return check


# ── a file ──


def look_at_file(text: str, name: str, absent: Callable[[list[str]], list[str]]) -> list[Finding]:
    """What would keep a file from running, read from its text: `absent` says which of these top-level modules are not there."""
    try:
        found = imports(text)
    except SyntaxError as error:
        where = f"{name}, line {error.lineno}" if error.lineno else name
        return [Finding("error", "syntax", f"{where}: {error.msg}")]
    missing = set(absent(list(dict.fromkeys(one.top for one in found))))
    findings: dict[str, Finding] = {}
    for one in found:
        if one.top in missing and (one.top not in findings or findings[one.top].level != "error"):
            level: Level = "information" if one.optional else "error"
            words = f"{name}, line {one.line}: {one.top} is not installed where it runs"
            findings[one.top] = Finding(level, "package", words, "" if one.optional else f"install {one.top} there")
    return sorted(findings.values(), key=lambda finding: finding.level)


def absent(python: str, folders: Sequence[Path], tops: list[str]) -> list[str]:
    """Those of these modules that this Python does not find, nor these folders have. One that does not answer knows all."""
    asked = [top for top in tops if not any(_has(folder, top) for folder in folders)]
    if not asked:
        return []
    try:
        done = subprocess.run(
            [python, "-P", "-c", _FIND, *asked], capture_output=True, text=True, timeout=PYTHON_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return []  # that it does not work is said by who runs it
    return [top for top in asked if top in done.stdout.split()]


def _has(folder: Path, top: str) -> bool:
    return (folder / f"{top}.py").is_file() or (folder / top).is_dir()


# ── what it takes along ───────────────────────────────────────────────────────────────────────────────────────────────


def captured(function: Callable[..., Any], whole: int) -> tuple[Capture, ...]:
    """The larger values that a function takes along, largest first. `whole` is the size of its bytes: what is larger than
    that is not in them (its module has it there)."""
    found = []
    for path, value in culprit.parts(function):
        size = weigh(value)
        if SMALL <= size <= whole + SMALL:
            found.append(Capture(path, type(value).__qualname__, size))
    return tuple(sorted(found, key=lambda capture: -capture.size))


def weigh(value: object) -> int:
    """About how many bytes a value has when it travels. Runs no code of the value's own but that of array libraries."""
    total = 0
    stack, seen = [value], set[int]()
    while stack and len(seen) < _MOST_PARTS:
        part = stack.pop()
        if id(part) in seen or isinstance(part, type | ModuleType | FunctionType | BuiltinFunctionType):
            continue
        seen.add(id(part))
        kind = type(part)
        if kind in (bytes, bytearray, str, int, float, bool, complex):
            total += sys.getsizeof(part)
        elif isinstance(part, memoryview):
            total += part.nbytes
        elif (size := _nbytes(part, kind)) is not None:
            total += size
        elif isinstance(part, dict):
            stack += [*dict.keys(part), *dict.values(part)]
        elif isinstance(part, list | tuple | set | frozenset):
            stack += list(part)
        else:
            stack += [inner for _, inner in culprit.fields(part)]
    return total


def _nbytes(value: Any, kind: type) -> int | None:
    """The size that an array, a tensor or a table says it has; None for what is none of these."""
    if not any(base.__module__.partition(".")[0] in _LIBRARIES for base in kind.__mro__):
        return None
    try:
        if hasattr(value, "nbytes"):
            return int(value.nbytes)
        if hasattr(value, "memory_usage"):
            used = value.memory_usage(index=True, deep=True)
            return int(used if isinstance(used, int) else used.sum())
    except Exception:  # noqa: BLE001 - a lazy or a broken one; its parts are weighed instead
        return None
    return None


def _heavy(name: str, size: int, captures: Sequence[Capture], limit: int) -> list[Finding]:
    if not limit or size <= limit:
        return []
    most = f"; most of it is {captures[0]}" if captures else ""
    return [
        Finding(
            "warning",
            "capture",
            f"{name} takes along {spell(size)} with its code{most}",
            "give it as an argument, which travels once to each machine, or put it there first (pool.put)",
        )
    ]


class Watch:
    """Warns once of each function that takes along more than `limit` bytes; 0: never."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._warned: set[object] = set()

    def leaving(self, function: Callable[..., Any], size: int) -> None:
        """A function of so many bytes is about to travel. A filter may make the warning an error, which is raised here."""
        if not self._limit or size <= self._limit:
            return
        code = getattr(function, "__code__", None) or type(function)
        if code in self._warned:
            return
        self._warned.add(code)
        for finding in _heavy(name_of(function), size, captured(function, size), self._limit):
            warnings.warn(f"{finding.sentence}: {finding.remedy}", CaptureWarning, stacklevel=_outside())


def _outside() -> int:
    """How many frames up the first one is that is not Yonder's own."""
    level, frame = 1, sys._getframe(1)  # noqa: SLF001 - the documented way to a frame
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_RUNTIME):
        level, frame = level + 1, frame.f_back
    return level


# ── what it needs there ───────────────────────────────────────────────────────────────────────────────────────────────


def own_modules(function: Callable[..., Any], arguments: Iterable[object] = ()) -> list[ModuleType]:
    """Modules of the program's own that the function, or one of its arguments, comes from or leads to, as far as names in
    them tell."""
    found: dict[str, ModuleType] = {}
    waiting = [_module_of(function), *_imported_in(function), *map(installed.origin, arguments)]
    for _, value in culprit.parts(function):
        waiting.append(installed.origin(value))
    while waiting:
        name = waiting.pop()
        module = sys.modules.get(name)
        if name in found or type(module) is not ModuleType or not installed.own(module):
            continue
        found[name] = module
        if name != "__main__":  # its names are the function's only where the function says so
            waiting += [installed.origin(value) for value in list(vars(module).values())]
    return sorted(found.values(), key=lambda module: module.__name__)


def _module_of(function: object) -> str:
    name = getattr(function, "__module__", "")
    return name if type(name) is str else ""


def _imported_in(function: object) -> list[str]:
    """Modules that the function's code imports when it runs."""
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    waiting, found = [code] if isinstance(code, CodeType) else [], dict[str, None]()
    while waiting:
        code = waiting.pop()
        found |= {str(one.argval): None for one in dis.get_instructions(code) if one.opname == "IMPORT_NAME"}
        waiting += [part for part in code.co_consts if isinstance(part, CodeType)]
    return list(found)


def tops_needed(function: Callable[..., Any], modules: Iterable[ModuleType]) -> list[str]:
    """Top-level names of what is neither the program's own nor the standard library's and that the call needs."""
    names = [*_imported_in(function), *(installed.origin(value) for _, value in culprit.parts(function))]
    for module in modules:
        if module.__name__ != "__main__":
            names += [installed.origin(value) for value in list(vars(module).values())]
    tops = dict.fromkeys(name.partition(".")[0] for name in names if name)
    return [top for top in tops if not _at_hand(top)]


def _at_hand(top: str) -> bool:
    if top in sys.stdlib_module_names or top in ("__main__", "yonder", "builtins"):
        return True
    module = sys.modules.get(top)
    return type(module) is ModuleType and installed.own(module)


def _packages(call: Call, modules: list[ModuleType]) -> list[Finding]:
    tops = tops_needed(call.function, modules)
    if not call.elsewhere:
        missing = [top for top in tops if top not in sys.modules and importlib.util.find_spec(top) is None]
        return [
            Finding("error", "package", f"{top} is imported by the call and is not installed here", f"install {top}")
            for top in missing
        ]
    here = installed.survey()
    names = installed.distributions(tops)
    used = sorted({names.get(top, installed.normal(top)) for top in tops})
    if call.there is None:
        words = "which packages its executors have is not known before the first of them is up"
        return [Finding("information", "package", words)] if used and call.spec.dependencies != "lock" else []
    where = f"the pool {call.spec.name!r}"
    findings = []
    if words := environment.refusal(here, call.there, f"executor of {where}", ""):
        findings.append(
            Finding("error", "python", words.strip(), "use an image or an interpreter of the same minor version")
        )
    if call.spec.dependencies != "lock":
        for one in environment.differences(wire.Needs(here, used), call.there):
            level: Level = "warning" if one.there else "error"
            findings.append(
                Finding(level, "package", f"on {where}: {one}", 'add it there, or say dependencies = "lock"')
            )
    return findings
