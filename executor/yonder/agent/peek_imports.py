"""What could be imported here, from the directories of `sys.path` and the modules already loaded. Nothing is imported.

What belongs here: listing modules on disk. What this file must not know: queries, other objects than modules.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import all_suffixes
from typing import Any, Final

from yonder.agent import peek_raw as raw

_SUFFIXES: Final = tuple(sorted(all_suffixes(), key=len, reverse=True))
_DIRECTORIES_AT_MOST = 2000


class Listings:
    """Module names per directory, read again when the directory's time stamp has changed."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[int, tuple[str, ...]]] = {}

    def of(self, folder: str) -> tuple[str, ...]:
        """The modules and packages that lie in a directory; () when it cannot be read (a zip, a missing entry)."""
        try:
            stamp = os.stat(folder).st_mtime_ns  # noqa: PTH116 - no Path object for each of hundreds of look-ups
        except (OSError, ValueError):
            return ()
        known = self._seen.get(folder)
        if known is not None and known[0] == stamp:
            return known[1]
        if len(self._seen) > _DIRECTORIES_AT_MOST:
            self._seen.clear()
        names = tuple(sorted(_modules_in(folder)))
        self._seen[folder] = (stamp, names)
        return names


def _modules_in(folder: str) -> set[str]:
    names: set[str] = set()
    installed = folder.endswith(("site-packages", "dist-packages"))
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                name = _module_name(entry, installed=installed)
                if name.isidentifier():
                    names.add(name)
    except OSError:
        return names
    return names


def _module_name(entry: os.DirEntry[str], *, installed: bool) -> str:
    """The module a directory entry stands for, or ""."""
    for suffix in _SUFFIXES:
        if entry.name.endswith(suffix):
            return entry.name[: -len(suffix)]
    if entry.name == "__pycache__" or "." in entry.name or not entry.is_dir():
        return ""
    # Without __init__.py a folder is a name space; among installed packages those are wanted, elsewhere they are noise.
    return entry.name if installed or os.path.exists(f"{entry.path}/__init__.py") else ""  # noqa: PTH110


def top_level(listings: Listings) -> list[str]:
    """Everything `import x` could name."""
    names = set(sys.builtin_module_names)
    for folder in search_path():
        names.update(listings.of(folder))
    for name, module in raw.items(sys.modules):
        if type(name) is not str:
            continue
        if name.startswith("__editable___") and raw.is_module(module):
            names.update(_editable(module))
        elif "." not in name and name.isidentifier():
            names.add(name)
    return sorted(name for name in names if not name.startswith(("__editable__", "__mp_main__", "__main__")))


def search_path() -> list[str]:
    """The plain strings of `sys.path`; "" is the working directory."""
    path = sys.path
    return [entry or "." for entry in list(path) if type(entry) is str] if type(path) is list else []


def _editable(finder: Any) -> list[str]:
    """The packages that an editable install's finder serves from elsewhere."""
    mapping = raw.find(raw.module_dict(finder), "MAPPING")
    if type(mapping) is not dict:
        return []
    return [name for name, _ in raw.items(mapping) if type(name) is str and name.isidentifier()]


def submodules(name: str, listings: Listings) -> list[str]:
    """The modules inside the package `name`, loaded or not."""
    found: set[str] = set()
    for folder in _package_folders(name, listings):
        found.update(listings.of(folder))
    prefix = f"{name}."
    for loaded, _ in raw.items(sys.modules):
        if type(loaded) is str and loaded.startswith(prefix):
            found.add(loaded[len(prefix) :].partition(".")[0])
    found.discard("__init__")
    found.discard("__main__")
    return sorted(found)


def loaded_module(name: str) -> Any:
    """The module object under this name if it has been imported, else ABSENT."""
    module = raw.find(sys.modules, name)
    return module if module is not raw.ABSENT and raw.is_module(module) else raw.ABSENT


def _package_folders(name: str, listings: Listings) -> list[str]:
    module = loaded_module(name)
    if module is not raw.ABSENT:
        path = raw.find(raw.module_dict(module), "__path__")
        stored = path if type(path) is list else raw.find(raw.instance_dict(path), "_path")
        if type(stored) is list:
            return [entry for entry in list(stored) if type(entry) is str]
        return []
    parent, _, last = name.rpartition(".")
    above = _package_folders(parent, listings) if parent else search_path()
    return [f"{folder}/{last}" for folder in above if last in listings.of(folder)]
