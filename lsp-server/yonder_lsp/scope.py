"""Who a name is at a place in the text: bound above and not run yet, or local to a function. By lines, not by syntax
trees, because the text around a cursor is unfinished most of the time.

What this file must not know: live objects, LSP, jedi.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Container, Sequence
from pathlib import Path

_DEF = re.compile(r"(?P<indent>[ \t]*)(?:async[ \t]+)?(?:def[ \t]+\w+|class[ \t]+\w+)")
_FUNCTION = re.compile(r"[ \t]*(?:async[ \t]+)?def[ \t]+\w+[ \t]*\((?P<rest>.*)")
_WORD = re.compile(r"[^\W\d]\w*")
_TOP_IMPORT = re.compile(r"^(?:import|from)[ \t]+([^\W\d]\w*)", re.MULTILINE)


def binds(line: str, name: str) -> bool:
    """Does this one line (as it looks) give `name` a new value?"""
    word = re.escape(name)
    targets = rf"[(\[*\s]*(?:[\w.]+\s*[)\]]?\s*,[\s(\[*]*)*{word}(?:[\s,)\]][\w\s,()\[\]*.]*)?"
    patterns = (
        rf"\s*{targets}\s*(?::[^=]+)?(?<![=!<>])=(?!=)",
        rf"\s*(?:async\s+)?(?:def|class)\s+{word}\b",
        rf"\s*(?:import|from)\b.*\b{word}\s*(?:,|\)|#|;|$)",
        rf"\s*(?:async\s+)?for\s+{targets}\s+in\b",
        rf"\s*(?:async\s+)?(?:with|except)\b.*\bas\s+\(?{word}\b",
        rf".*\b{word}\s*:=",
    )
    return any(re.match(pattern, line) for pattern in patterns)


def rebound(lines: Sequence[str], name: str, before: int, ran: Container[str]) -> bool:
    """Has the text above line `before` a last binding of `name` that has not run in this form?

    `ran` holds the stripped lines of everything that ran. A name that the text does not bind at all is not rebound."""
    for index in range(min(before, len(lines)) - 1, -1, -1):
        line = lines[index]
        if name in line and not line.lstrip().startswith("#") and binds(line, name):
            return line.strip() not in ran
    return False


def is_local(lines: Sequence[str], name: str, at: int) -> bool:
    """Is `name` a parameter or an assigned name of a function whose body holds line `at`?"""
    if at >= len(lines):
        return False
    here = _indent(lines[at]) if lines[at].strip() else _indent_above(lines, at)
    top = at
    while here > 0 and top > 0:
        top -= 1
        line = lines[top]
        if not line.strip() or _indent(line) >= here or not _DEF.match(line):
            continue
        here = _indent(line)
        function = _FUNCTION.match(line)
        if function is None:
            continue
        if name in _parameters(lines, top, function["rest"]):
            return True
        body = lines[top + 1 : at + 1]
        if any(name in inner and binds(inner, name) for inner in body if _indent(inner) > here):
            return True
    return False


def _parameters(lines: Sequence[str], first: int, rest: str) -> set[str]:
    text = rest
    for line in lines[first + 1 : first + 20]:
        if re.search(r"\)\s*(?:->[^:]+)?:", text):
            break
        text += " " + line
    return set(_WORD.findall(re.sub(r"[=:][^,]*", "", text.partition(")")[0] + " ")))


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _indent_above(lines: Sequence[str], at: int) -> int:
    """An empty line belongs to the block above it."""
    for line in reversed(lines[:at]):
        if line.strip():
            return _indent(line) + (4 if line.rstrip().endswith(":") else 0)
    return 0


def third_party(text: str, folder: str) -> list[str]:
    """Top-level modules that the text imports and that are neither the standard library's nor the folder's own.

    Best effort: with a syntax error somewhere, lines that begin with an import are read as they look."""
    names: dict[str, None] = {}
    try:
        for node in ast.parse(text).body:
            if isinstance(node, ast.Import):
                names |= dict.fromkeys(alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names[node.module.partition(".")[0]] = None
    except (SyntaxError, ValueError, RecursionError):
        names = dict.fromkeys(_TOP_IMPORT.findall(text))
    root = Path(folder) if folder else None
    return [
        name
        for name in names
        if name not in sys.stdlib_module_names
        and name != "yonder"
        and not (root is not None and ((root / f"{name}.py").exists() or (root / name).is_dir()))
    ]
