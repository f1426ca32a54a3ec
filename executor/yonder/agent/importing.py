"""What a module imports as it is executed, by its code: who has to be loaded again when another one was. Pure."""

from __future__ import annotations

import dis
import inspect
from collections.abc import Iterator
from types import CodeType

Asked = tuple[int, str, tuple[str, ...]]
"""Level, module and names of one import statement, as `from .module import name` has them."""


def asked(code: CodeType) -> list[Asked]:
    """The import statements that run when the module does; those in functions look a module up each time they run."""
    return [one for part in _now(code) for one in _of(part)]


def _now(code: CodeType) -> Iterator[CodeType]:
    """The code and the bodies of its classes."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType) and not constant.co_flags & inspect.CO_OPTIMIZED:
            yield from _now(constant)


def _of(code: CodeType) -> Iterator[Asked]:
    level: object = 0
    names: object = None
    for instruction in dis.get_instructions(code):
        if instruction.opname == "IMPORT_NAME":
            yield (
                level if isinstance(level, int) else 0,
                instruction.argval,
                names if isinstance(names, tuple) else (),
            )
        level, names = names, instruction.argval


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
