"""The words that may stand where only some words may: one list for programs, settings and their documentation.

What this file must not know: what any of them does.
"""

from __future__ import annotations

from typing import Final

BACKENDS: Final = ("local", "docker", "standing")
BACKENDS_TO_COME: Final = ("kubernetes", "fly", "ray")
ISOLATIONS: Final = ("worker", "process", "executor")
STRATEGIES: Final = ("pack", "spread")
DEPENDENCIES: Final = ("lock", "report", "off")
