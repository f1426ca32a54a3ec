"""What a file imports, read from its text. What this file must not know: what is installed, editors."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

_LINE_END = re.compile(r"\r\n|\r|\n")
"""As the parser counts lines."""


@dataclass(frozen=True, slots=True)
class Import:
    """One top-level module that is imported. `line` and `end_line` count from 1, columns are characters from 0. `optional`:
    the file says what it does without it. `names` are the modules that are meant, with what may be one."""

    top: str
    line: int
    column: int
    end_line: int
    end_column: int
    optional: bool = False
    names: tuple[str, ...] = field(default=(), compare=False)


def imports(text: str) -> list[Import]:
    """Every import of another package, in the order of the text; the standard library's and the file's own package are left
    out, and so is what only type checkers see. Raises SyntaxError."""
    try:
        tree = ast.parse(text)
    except ValueError as error:  # a null byte
        raise SyntaxError(str(error)) from error
    except RecursionError as error:
        raise SyntaxError("the file is nested too deeply") from error
    lines = _LINE_END.split(text)
    return sorted(_found(tree, lines, optional=False), key=lambda one: (one.line, one.column))


def _found(tree: ast.AST, lines: list[str], *, optional: bool) -> Iterator[Import]:
    waiting: list[tuple[ast.AST, bool]] = [(tree, optional)]
    while waiting:
        node, mild = waiting.pop()
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _one([alias.name], node, lines, mild)
        elif isinstance(node, ast.ImportFrom):
            if node.level == 0 and node.module:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
                yield from _one([node.module, *names], node, lines, mild)
        elif isinstance(node, ast.Try | ast.TryStar):
            caught = mild or any(_catches(handler) for handler in node.handlers)
            waiting += [(part, caught) for part in node.body]
            rest = [*node.handlers, *node.orelse, *node.finalbody]
            waiting += [(part, caught) for part in rest]
        elif isinstance(node, ast.If) and _name(node.test) == "TYPE_CHECKING":
            waiting += [(part, mild) for part in node.orelse]
        else:
            waiting += [(part, mild) for part in ast.iter_child_nodes(node)]


def _one(names: list[str], node: ast.Import | ast.ImportFrom, lines: list[str], optional: bool) -> Iterator[Import]:
    top = names[0].partition(".")[0]
    if top in sys.stdlib_module_names or top in ("yonder", "__main__"):
        return
    end = node.end_lineno or node.lineno
    columns = [
        len(lines[line - 1].encode()[:at].decode(errors="replace")) if line <= len(lines) else 0
        for line, at in ((node.lineno, node.col_offset), (end, node.end_col_offset or 0))
    ]
    yield Import(top, node.lineno, columns[0], end, columns[1], optional, tuple(names))


def _catches(handler: ast.ExceptHandler) -> bool:
    """Does it catch an import that fails?"""
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(
        kind is None or _name(kind) in ("ImportError", "ModuleNotFoundError", "Exception", "BaseException")
        for kind in kinds
    )


def _name(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
