"""Objects of classes that are about to be made a second time: while there are some, `isinstance` would say no to them.

What belongs here: finding them within a bounded time. What this file must not know: why the classes are made again.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable, Mapping
from types import FunctionType, ModuleType
from typing import Any

SECONDS = 0.25
"""How long to look; what cannot be seen in that time is taken to be there."""
_STEPS = 2000


class Instances:
    """`modules` are those whose classes are asked about."""

    def __init__(self, modules: Mapping[str, ModuleType], clock: Callable[[], float] = time.monotonic) -> None:
        self._modules = modules
        self._clock = clock
        self._kinds = {
            value: name
            for name, module in modules.items()
            for value in module.__dict__.values()
            if issubclass(type(value), type) and value.__module__ == name
        }

    def objections(self, roots: Iterable[tuple[str, object]]) -> dict[str, str]:
        """The modules of which something lives that hangs on `roots` (a name, "" for none, and an object), and what."""
        if not self._kinds:
            return {}
        kept = self._heirs()
        if kept:
            gc.collect()  # a class that was made again is gone only when its cycle is
            kept = self._heirs()
        # By their ids: a metaclass may have a hash of its own.
        kinds = {id(heir): name for kind, name in self._kinds.items() for heir in (kind, *_below(kind))}
        if any(id(type(one)) in kinds for one in gc.get_objects()):
            kept |= self._reachable(list(roots), kinds)
        return kept

    def _heirs(self) -> dict[str, str]:
        """Classes from elsewhere that derive from them."""
        return {
            name: f"the class {heir.__module__}.{heir.__qualname__} derives from its {kind.__qualname__}"
            for kind, name in self._kinds.items()
            for heir in _heirs(kind)
            if heir.__module__ not in self._modules
        }

    def _reachable(self, roots: list[tuple[str, object]], kinds: Mapping[int, str]) -> dict[str, str]:
        end = self._clock() + SECONDS
        seen: set[int] = set()
        found: dict[str, str] = {}
        for root, value in roots:
            waiting = [value]
            while waiting:
                one = waiting.pop()
                if id(one) in seen:
                    continue
                seen.add(id(one))
                if (name := kinds.get(id(type(one)))) is not None and name not in found:
                    found[name] = _told(root, type(one), at_once=one is value)
                if len(seen) % _STEPS == 0 and self._clock() > end:
                    why = "there are too many objects to see whether some are of its classes"
                    return dict.fromkeys(kinds.values(), why) | found
                waiting += _held(one)
        return found


def _told(root: str, kind: type, *, at_once: bool) -> str:
    words = (
        "there are objects of" if not root else f"{root!r} is an object of" if at_once else f"{root!r} leads to one of"
    )
    return f"{words} its class {kind.__qualname__}"


def _heirs(kind: type) -> list[type]:
    found: list[type] = type.__subclasses__(kind)  # also of a metaclass that has its own
    return found


def _below(kind: type) -> list[type]:
    found: dict[int, type] = {}
    waiting = [kind]
    while waiting:
        for heir in _heirs(waiting.pop()):
            if id(heir) not in found:
                found[id(heir)] = heir
                waiting.append(heir)
    return list(found.values())


def _held(one: Any) -> list[object]:
    """What an object keeps alive by itself: not the globals of a function, no module, no class."""
    kind = type(one)  # `isinstance` would ask proxies, which are user code
    if issubclass(kind, ModuleType | type):
        return []
    if kind is FunctionType:
        return [cell.cell_contents for cell in one.__closure__ or () if _filled(cell)] + [one.__defaults__]
    return gc.get_referents(one) if gc.is_tracked(one) else []


def _filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018 - asks whether there is one
    except ValueError:
        return False
    return True
