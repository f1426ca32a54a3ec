"""Loading modules again in a process that has state: which ones, in which order, which rather not, and doing it.

What belongs here: the rules (docs/code.md has them in words), and putting everything back where the new text fails. What
this file must not know: tasks, where a snapshot comes from.
"""

from __future__ import annotations

import importlib
import sys
from abc import ABCMeta
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import EnumMeta
from types import ModuleType
from typing import Any

from yonder.agent.instances import Instances
from yonder.agent.modules import Loader, Modules, Place
from yonder.agent.namespace import Namespace
from yonder.agent.sight import Found, Tree
from yonder.snapshot import Snapshot

Kept = dict[str, str]
_IMPORTED = frozenset(
    {"__name__", "__builtins__", "__spec__", "__loader__", "__package__", "__path__", "__file__", "__cached__"}
)
_HARMLESS = frozenset({"builtins", "typing", "typing_extensions", "enum", "abc", "collections.abc"})
_MISSING = object()


@dataclass(frozen=True)
class Change:
    """A snapshot in which `modules` are something else than what was looked up. Nothing was changed yet."""

    snapshot: Snapshot
    tree: Tree
    place: Place
    modules: frozenset[str]


# ── which, and in which order: pure ──


@dataclass
class Plan:
    """`order` is what is loaded again."""

    order: list[str] = field(default_factory=list)
    kept: Kept = field(default_factory=dict)


def plan(
    changed: Collection[str],
    imports: Mapping[str, Collection[str]],
    objection: Callable[[Collection[str]], Kept],
    gone: Collection[str] = (),
) -> Plan:
    """Changed modules and all that imported them, dependencies first. `imports` has every loaded module in the order in
    which their loading ended; `objection` says of those about to be loaded again which must not be, and why. What is
    `gone` has nothing new that a module could need."""
    importers: dict[str, set[str]] = {}
    for module, used in imports.items():
        for one in used:
            importers.setdefault(one, set()).add(module)
    kept = objection(_closure(changed, importers))
    while True:
        chosen = _closure(changed, importers, kept)
        stuck = {
            name: f"it imports {used}, which was not loaded again"
            for name in chosen & set(changed)
            for used in sorted(imports[name])
            if used in kept and used in changed and used not in gone
        }
        if not stuck:
            return Plan(_ordered(chosen, imports), kept)
        kept |= stuck


def _closure(names: Iterable[str], importers: Mapping[str, Collection[str]], but: Collection[str] = ()) -> set[str]:
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found and name not in but:
            found.add(name)
            waiting += importers.get(name, ())
    return found


def _ordered(names: Collection[str], imports: Mapping[str, Collection[str]]) -> list[str]:
    order: dict[str, None] = {}
    begun: set[str] = set()

    def visit(name: str) -> None:
        if name not in begun:
            begun.add(name)
            for used in sorted(imports[name]):
                if used in names:
                    visit(used)
            order[name] = None

    for name in imports:
        if name in names:
            visit(name)
    return list(order)


# ── doing it ──


class Reloading:
    """Made when nothing is changed yet: `reloaded` is what will be loaded again, `kept` what will not, and why.
    `held` are objects that live here besides those of the namespace."""

    def __init__(
        self,
        modules: Modules,
        change: Change,
        namespace: Namespace,
        held: Collection[object],
        done: Callable[[Kept], None],
    ) -> None:
        self._modules = modules
        self._change = change
        self._namespace = namespace
        self._held = held
        self._done = done
        place = change.place
        self._loaded = {
            name: module for name, module in modules.loaded().items() if place.within(_file(module)) is not None
        }
        imports = {name: _imports(module) & self._loaded.keys() - {name} for name, module in self._loaded.items()}
        for used, importers in place.importers.items():
            for name in importers & imports.keys() if used in imports else ():
                imports[name] |= {used} - {name}
        changed = self._changed()
        made = plan(changed, imports, self._objections, {name for name in changed if self._found(name) is None})
        self.reloaded = made.order
        self.kept = made.kept | self._elsewhere()

    def run(self) -> None:
        """Take the snapshot and load the modules again; when one of them raises, everything is as it was, all of it is
        `kept`, and it raises.
        User code on."""
        change, place = self._change, self._change.place
        before, known = (place.snapshot, place.tree), place in self._modules.places.values()
        for name in self.kept:
            _keep_text(self._loaded.get(name))
        saved = {name: dict(self._loaded[name].__dict__) for name in self.reloaded}
        there = self._modules.loaded().keys()
        self._modules.take(change.snapshot, change.tree, place)
        loading = ""
        try:
            for loading in self.reloaded:
                _load(loading, self._loaded[loading])
        except BaseException as error:
            self._keep_all(loading, type(error).__name__)
            for name in self._modules.loaded().keys() - there:
                _unload(name)
            for name, contents in saved.items():
                module = sys.modules[name] = self._loaded[name]
                module.__dict__.clear()
                module.__dict__.update(contents)
            self._modules.take(*before, place) if known else self._modules.forget(place)
            place.sight.renew(place.tree)
            raise
        place.sight.renew(place.tree, self.kept)
        self.kept |= self._namespace.rebind(saved)
        self._done(self.kept)

    def _keep_all(self, failed: str, error: str) -> None:
        """Nothing was loaded again, because that module raised."""
        for name in self.reloaded:
            why = f"loading it again raised {error}" if name == failed else f"{failed} could not be loaded again"
            self.kept.setdefault(name, why)
        self.reloaded = []

    def _changed(self) -> set[str]:
        """Loaded modules that are to be executed anew: those that differ, and those that looked for what was not there."""
        found: set[str] = set()
        for name in self._change.modules:
            if name in self._loaded:
                found.add(name)
            elif name not in sys.modules:
                found |= self._change.place.importers.get(name, set()) & self._loaded.keys()
        return found

    def _elsewhere(self) -> Kept:
        """Names that were somebody else's (an installed package's), and are the workspace's now."""
        return {
            name: _why_elsewhere(sys.modules[name])
            for name in self._change.modules
            if name in sys.modules and name not in self._loaded and name != "__main__"
        }

    # ── who must not be loaded again ──

    def _objections(self, names: Collection[str]) -> Kept:
        kept: Kept = {}
        for name in sorted(names):
            if why := self._objection(name, self._loaded[name]):
                kept[name] = why
        rest = {name: self._loaded[name] for name in names if name not in kept}
        stay = [
            (f"{name}.{inner}", value)
            for name in self._loaded.keys() - rest.keys()
            for inner, value in list(self._loaded[name].__dict__.items())
        ]
        held = [("", one) for one in self._held]
        return kept | Instances(rest).objections([*self._namespace.own(names).items(), *held, *stay])

    def _objection(self, name: str, module: ModuleType) -> str:
        loader = module.__loader__
        if not isinstance(loader, Loader):
            return "it is an extension module, which a process loads once" if name in self._change.modules else ""
        if module.__dict__.get("__yonder_reload__", True) is False:
            return "it says __yonder_reload__ = False"
        found = self._found(name)
        if found is None:
            return f"{loader.found.path} is not there any more"
        if found.path != loader.found.path and loader.found.path in self._change.tree.files:
            return f"another file is meant by its name now: {found.path}"
        return next(filter(None, map(_registered, _classes(module))), "")

    def _found(self, name: str) -> Found | None:
        """The module's file in the new snapshot."""
        parent, _, last = name.rpartition(".")
        if not parent:
            return next((look for look in self._change.tree.top(name) if isinstance(look, Found)), None)
        folders = [self._change.place.within(path) for path in getattr(sys.modules.get(parent), "__path__", ())]
        looks = [self._change.tree.look(folder, last) for folder in folders if folder is not None]
        return next((look for look in looks if isinstance(look, Found)), None)


def _file(module: ModuleType) -> str:
    return module.__dict__.get("__file__") or ""


def _why_elsewhere(found: object) -> str:
    if type(found) is not ModuleType:
        return "it has put something else into its place, which cannot be loaded again"
    if _file(found):
        return "another file of that name was loaded, which is not the workspace's"
    return "it was a folder without a file of its own, and is something else now"


def _imports(module: ModuleType) -> set[str]:
    loader = module.__loader__
    return loader.imports if isinstance(loader, Loader) else set()


def _keep_text(module: ModuleType | None) -> None:
    """Its text leaves the store, perhaps, and tracebacks still want it."""
    loader = getattr(module, "__loader__", None)
    if isinstance(loader, Loader) and loader.text is not None:
        loader.text.lines()


def _classes(module: ModuleType) -> list[type]:
    values = module.__dict__.values()  # not `isinstance`: proxies would answer it with user code
    return [value for value in values if issubclass(type(value), type) and value.__module__ == module.__name__]


def _registered(kind: type) -> str:
    """Why a class must not be made a second time, "" when it may."""
    metaclass = type(kind)
    if metaclass is not type and metaclass is not ABCMeta and not issubclass(metaclass, EnumMeta):
        return f"the metaclass {metaclass.__name__} of its class {kind.__qualname__} may have written it down somewhere"
    for base in kind.__mro__[1:]:
        if "__init_subclass__" in base.__dict__ and base.__module__ not in _HARMLESS:
            return f"{base.__qualname__} may have written its subclass {kind.__qualname__} down somewhere"
    return ""


def _unload(name: str) -> None:
    """As if it had never been imported."""
    module = sys.modules.pop(name)
    parent, _, last = name.rpartition(".")
    above = getattr(sys.modules.get(parent), "__dict__", {})
    if above.get(last) is module:
        del above[last]


def _load(name: str, module: ModuleType) -> None:
    """Execute a module anew, in the module object that everybody has, without names that its text has no more."""
    contents = module.__dict__
    for key, value in list(contents.items()):
        within = issubclass(type(value), ModuleType) and sys.modules.get(f"{name}.{key}") is value
        if key not in _IMPORTED and not within:
            del contents[key]
    frozen: Any = importlib._bootstrap  # noqa: SLF001 - its frames are hidden from tracebacks
    parent = name.rpartition(".")[0]
    path = sys.modules[parent].__path__ if parent else None
    spec = frozen._find_spec(name, path, module)  # noqa: SLF001 - as above
    if spec is None:
        raise ModuleNotFoundError(f"the module {name} is not there any more", name=name)
    frozen._exec(spec, module)  # noqa: SLF001 - as above
