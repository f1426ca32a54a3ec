"""Relative paths in code that are on this side only: found in its text before it runs elsewhere, and in its errors after.

What belongs here: reading text, looking for the files that it names, words with the remedy. What this file must not know:
where code runs, what travels with it (who asks says so).
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

_LINE_END = re.compile(r"\r\n|\r|\n")  # as the parser counts lines
LOOKED_FOR = "It was looked for on "
"""How a worker elsewhere begins the note that says where a file was looked for."""

MOST = 50
MOST_COUNTED = 1000
_NAMES = frozenset(
    [
        "open",
        "Path",
        "imread",
        "memmap",
        "load",
        "loadtxt",
        "genfromtxt",
        "fromfile",
        "fromregex",
        "File",
        "open_dataset",
        "open_dataarray",
        "open_zarr",
        "load_dataset",
        "read_text",
        "read_bytes",
        "ImageFolder",
    ]
)
_PREFIXES = ("read_", "scan_", "load_")
_KEYWORDS = frozenset(["file", "path", "filename", "filepath", "fname", "fp", "io", "source", "filepath_or_buffer"])
_NO_READERS = frozenset({"load_module", "load_state_dict", "load_ext", "read_only"})


class Named(NamedTuple):
    """A path that a text reads from: where it stands (line from 1, columns in characters from 0)."""

    path: str
    line: int
    column: int
    end: int


class Missing(NamedTuple):
    """One that is on this side only: its size in bytes (of a folder: of what is in it, as far as that was counted)."""

    named: Named
    size: int
    sentence: str
    remedy: str


def named(text: str) -> list[Named]:
    """The relative paths that a text opens to read, as far as they are written out. Nothing for a text that is no Python."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    lines = _LINE_END.split(text)
    found: dict[tuple[int, int], Named] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _reads(node):
            for part in _arguments(node):
                if _plain(part.value):
                    line = lines[part.lineno - 1].encode() if part.lineno <= len(lines) else b""
                    column = len(line[: part.col_offset].decode("utf-8", "replace"))
                    one = part.lineno == part.end_lineno
                    end = len(line[: part.end_col_offset].decode("utf-8", "replace")) if one else len(line)
                    found[part.lineno, column] = Named(part.value, part.lineno, column, end)
    return [found[place] for place in sorted(found)]


def _reads(call: ast.Call) -> bool:
    function = call.func
    name = (
        function.id if isinstance(function, ast.Name) else function.attr if isinstance(function, ast.Attribute) else ""
    )
    if name not in _NAMES and (not name.startswith(_PREFIXES) or name in _NO_READERS):
        return False
    if name != "open":
        return True
    modes = [*call.args[1:2], *(keyword.value for keyword in call.keywords if keyword.arg == "mode")]
    return not any(isinstance(mode, ast.Constant) and set("wax") & set(str(mode.value)) for mode in modes)


def _arguments(call: ast.Call) -> Iterator[_Text]:
    for node in (*call.args[:1], *(keyword.value for keyword in call.keywords if keyword.arg in _KEYWORDS)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield _Text(node.value, node.lineno, node.col_offset, node.end_lineno or 0, node.end_col_offset or 0)


class _Text(NamedTuple):
    value: str
    lineno: int
    col_offset: int
    end_lineno: int
    end_col_offset: int


def _plain(path: str) -> bool:
    """A relative path, no address, and short enough to be one."""
    return 0 < len(path) < 500 and "://" not in path and "\n" not in path and "\0" not in path and path[0] not in "/~"


def missing(text: str, folder: Path, travels: Callable[[str], bool]) -> list[Missing]:
    """What a text reads that is below or beside `folder` here and does not travel; `travels` says of a path relative to that
    folder whether it does."""
    found = []
    for one in named(text)[:MOST]:
        there = Path(os.path.normpath(folder / one.path))
        try:
            size = weigh(there)
        except OSError:
            continue
        inside = there.is_relative_to(folder) and there != folder
        if inside and travels(there.relative_to(folder).as_posix()):
            continue
        sentence = f"{one.path!r} ({spell(size)}) is on this machine only"
        found.append(Missing(one, size, sentence, remedy(there, folder)))
    return found


def weigh(there: Path) -> int:
    """Bytes of a file, or of what is in a folder as far as it is counted. Raises OSError when there is nothing."""
    if not there.is_dir():
        return there.stat().st_size
    size = counted = 0
    for folder, _, names in os.walk(there):
        for name in names:
            counted += 1
            if counted > MOST_COUNTED:
                return size
            try:
                size += (Path(folder) / name).lstat().st_size
            except OSError:
                continue  # gone meanwhile
    return size


def remedy(there: Path, folder: Path) -> str:
    """What to do so that code elsewhere finds this file."""
    if not there.is_relative_to(folder) or there == folder:
        return "put it into the workspace and name it in include, or read it from a volume or a URL"
    inside = there.relative_to(folder)
    if there.is_dir():
        pattern = f"{inside.as_posix()}/"
    else:
        pattern = (inside.parent / f"*{inside.suffix}" if inside.suffix else inside).as_posix()
    return (
        f'include = ["{pattern}"] under [tool.yonder] has it travel; what is large belongs on a volume or behind a URL'
    )


def note_there(place: str) -> str:
    """What a worker elsewhere adds to an error about a file."""
    return f"{LOOKED_FOR}{place}, in the working directory there (docs/files.md)."


def note_here(filename: object, folder: str) -> str:
    """What the side that has the file adds to such an error; "" when it has none, either."""
    path = os.fsdecode(filename) if isinstance(filename, str | bytes | os.PathLike) else ""
    if not path or "\0" in path:
        return ""
    for base in dict.fromkeys((Path(folder or "."), Path.cwd())):
        there = Path(os.path.normpath(base / path))
        try:
            size = weigh(there)
        except OSError:
            continue
        return f"{path!r} ({spell(size)}) is on this side only, as {there}: {remedy(there, base)}."
    return ""


def explain(error: BaseException, folder: str) -> None:
    """Add that note to an error that came from elsewhere."""
    notes = getattr(error, "__notes__", [])
    if not isinstance(error, FileNotFoundError) or not any(str(one).startswith(LOOKED_FOR) for one in notes):
        return
    if (note := note_here(error.filename, folder)) and note not in notes:
        error.add_note(note)


def spell(size: int) -> str:
    """Bytes as a person reads them."""
    value, unit = float(size), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            break
        value /= 1000
    number = f"{value:.0f}" if value >= 100 else f"{value:.1f}".removesuffix(".0")
    return f"{number} {unit}"
