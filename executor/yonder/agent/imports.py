"""What user code has imported since this process began: names worth importing ahead in the next one.

What belongs here: telling third-party modules from others. What this file must not know: zygotes, the wire.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import ModuleType

from yonder.agent import ahead

DEEPEST = 2
"""Names of so many parts at most: what `import a.b` brings along comes along again."""

_OURS = frozenset({"yonder", "xxhash"})
"""What code of Yonder's own may import late."""


class Imports:
    """Third-party modules that were not there before. `modules` is the interpreter's own table."""

    def __init__(self, modules: Mapping[str, ModuleType] = sys.modules) -> None:
        self._modules = modules
        self._known = set(self._names())
        self._count = len(modules)

    def _names(self) -> list[str]:
        return ahead.fresh() if self._modules is sys.modules else list(self._modules)

    def fresh(self) -> list[str]:
        """Those imported since the last time, in the order in which they were begun. Costs next to nothing when there are
        none."""
        if len(self._modules) == self._count:
            return []
        names = [name for name in self._names() if name not in self._known]
        self._known.update(names)
        self._count = len(self._modules)
        return [name for name in names if self._worth(name)]

    def _worth(self, name: str) -> bool:
        parts = name.split(".")
        if len(parts) > DEEPEST or parts[0] in _OURS or any(part.startswith("_") for part in parts):
            return False
        origin = getattr(self._modules.get(name), "__file__", None)
        return isinstance(origin, str) and ("/site-packages/" in origin or "/dist-packages/" in origin)
