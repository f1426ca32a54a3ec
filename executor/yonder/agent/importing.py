"""What a module imports as it is executed, by its text: who has to be loaded again when another one was. Pure."""

from __future__ import annotations

import ast
from collections.abc import Iterator

Asked = tuple[int, str, tuple[str, ...]]
"""Level, module and names of one import statement, as `from .module import name` has them."""

_LATER = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def asked(tree: ast.AST) -> list[Asked]:
    """The import statements that run when the text does; those in functions look a module up each time they run."""
    return [one for node in _now(tree) for one in _of(node)]


def _now(tree: ast.AST) -> Iterator[ast.AST]:
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += [child for child in ast.iter_child_nodes(node) if not isinstance(child, _LATER)]


def _of(node: ast.AST) -> list[Asked]:
    if isinstance(node, ast.Import):
        return [(0, name.name, ()) for name in node.names]
    if isinstance(node, ast.ImportFrom):
        return [(node.level, node.module or "", tuple(name.name for name in node.names))]
    return []


def modules(imports: list[Asked], package: str) -> set[str]:
    """The names of modules that these statements may mean in a module of that package; some may be no modules."""
    found: set[str] = set()
    for level, module, names in imports:
        base = package
        for _ in range(level - 1):
            base = base.rpartition(".")[0]
        whole = ".".join(filter(None, (base if level else "", module)))
        found.update(f"{whole}.{name}" if whole else name for name in names)
        found.add(whole)
    return found - {""}
