"""What this Python has installed, and which of it the program's own modules use. Read from the names of metadata folders:
nothing is imported, and next to nothing is opened.

What belongs here: looking. What this file must not know: what is done about it.
"""

from __future__ import annotations

import contextlib
import os
import re
import site
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType

from yonder.wire import Environment

MARKS = ("/site-packages/", "/dist-packages/")
"""What the path of an installed module has in it."""

_MOST = 20_000
_SEPARATORS = re.compile(r"[-_.]+")
_EGG = re.compile(r"(?P<name>.+?)(?:-(?P<version>[^-]+))?(?:-py\d.*)?\Z")


def normal(name: str) -> str:
    """A distribution's name as everybody writes it the same."""
    return _SEPARATORS.sub("-", name).lower()


def survey(path: Iterable[str] | None = None) -> Environment:
    """The Python that runs this, with what is installed in the folders of `path` (None: its own)."""
    return Environment(
        sys.implementation.name,
        "{}.{}.{}".format(*sys.version_info[:3]),
        _SEPARATORS.sub("_", sysconfig.get_platform()),
        packages(sys.path if path is None else path),
    )


def packages(path: Iterable[str]) -> dict[str, str]:
    """Names and versions of the distributions in these folders; an earlier folder wins, as it does for imports."""
    found: dict[str, str] = {}
    for folder in path:
        for name, version, _ in _metadata(folder):
            found.setdefault(name, version)
    return found


def _metadata(folder: str) -> Iterator[tuple[str, str, Path]]:
    try:
        entries = sorted(os.listdir(folder or "."))[:_MOST]  # noqa: PTH208 - names only
    except OSError:
        return
    for entry in entries:
        stem, dot, kind = entry.rpartition(".")
        if dot and kind == "dist-info":
            name, _, version = stem.rpartition("-")
            if name:
                yield normal(name), version, Path(folder, entry)
        elif dot and kind == "egg-info" and (match := _EGG.match(stem)):
            yield normal(match["name"]), (match["version"] or "").replace("_", "-"), Path(folder, entry)


def own(module: ModuleType) -> bool:
    """Is it the person's own: with a file, which is neither installed nor the standard library's?"""
    file = module.__dict__.get("__file__")
    if module.__name__ == "__main__":
        return True
    if not isinstance(file, str) or module.__name__.partition(".")[0] in ("yonder", "yonder_lsp"):
        return False
    return not any(mark in file for mark in MARKS) and not file.startswith(_library())


def _library() -> str:
    return sysconfig.get_path("stdlib").rstrip("/") + "/"


def tops_used() -> list[str]:
    """Top-level names of the installed modules that the program's own modules refer to."""
    found: dict[str, None] = {}
    for module in [module for module in list(sys.modules.values()) if type(module) is ModuleType and own(module)]:
        for value in list(vars(module).values()):
            top = origin(value).partition(".")[0]
            if top and top != "yonder" and top not in found and _installed(top):
                found[top] = None
    return list(found)


def origin(value: object) -> str:
    """The name of the module that a value is, or comes from; nothing of the value's own code runs."""
    if type(value) is ModuleType:
        return value.__name__
    kind = type(value)
    if kind.__name__ in ("function", "builtin_function_or_method"):
        module = getattr(value, "__module__", "")
    elif issubclass(kind, type):
        module = type.__getattribute__(value, "__dict__").get("__module__")
    else:
        module = type.__getattribute__(kind, "__dict__").get("__module__")
    return module if type(module) is str else ""


def _installed(top: str) -> bool:
    module = sys.modules.get(top)
    file = module.__dict__.get("__file__") if type(module) is ModuleType else None
    return isinstance(file, str) and any(mark in file for mark in MARKS)


def distributions(tops: Iterable[str], path: Iterable[str] | None = None) -> dict[str, str]:
    """Which distribution each of these modules belongs to, as far as that is found: by the same name, else by what the
    metadata says that it holds."""
    folders = list(dict.fromkeys(path if path is not None else [*sys.path, *_sites()]))
    names = {name: file for folder in reversed(folders) for name, _, file in _metadata(folder)}
    found = {top: normal(top) for top in tops if normal(top) in names}
    wanted = {top for top in tops if top not in found}
    for name, file in names.items() if wanted else ():
        for top in wanted & _holds(file):
            found.setdefault(top, name)
    return found


def _sites() -> list[str]:
    with contextlib.suppress(AttributeError):  # an old virtual environment's own `site`
        return site.getsitepackages()
    return []


def _holds(metadata: Path) -> set[str]:
    """Top-level modules of one distribution."""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return set((metadata / "top_level.txt").read_text().split())
    with contextlib.suppress(OSError, UnicodeDecodeError):
        lines = (metadata / "RECORD").read_text().splitlines()
        return {re.split(r"[/,.]", line, maxsplit=1)[0] for line in lines}
    return set()
