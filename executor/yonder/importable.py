"""Which names of files are modules, and where they can be imported from.

What this file must not know: disks. Paths are relative, with "/".
"""

from __future__ import annotations

from collections.abc import Sequence

NEVER = frozenset({"__pycache__", "node_modules", "site-packages"})
"""Folders with code that nobody wrote here."""
ENVIRONMENT = frozenset({"pyvenv.cfg", "conda-meta"})
"""What lies in the folder of an environment: its packages are installed."""
_OWN = frozenset({"yonder", "yonder_lsp"})


def speakable(path: str) -> bool:
    """A file's name may be no text at all; such a one cannot be told to anybody."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_code(name: str) -> bool:
    """Is a file of this name a module: Python's, or an extension?"""
    stem, _, ending = name.partition(".")
    return stem.isidentifier() and (ending == "py" or name.endswith((".so", ".pyd")))


def importable(folder: str, roots: Sequence[str]) -> bool:
    """Can modules in `folder` be imported where they are looked for in `roots`? Yonder itself is on every executor."""
    ways = [[part for part in folder[len(root) :].split("/") if part] for root in roots if under(folder, root)]
    return any(all(map(str.isidentifier, way)) for way in ways) and not any(way and way[0] in _OWN for way in ways)


def under(path: str, folder: str) -> bool:
    """Is it that folder, or in it? "" is all."""
    return not folder or path == folder or path.startswith(folder.rstrip("/") + "/")
