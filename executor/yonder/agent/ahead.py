"""What a zygote had before it forked this process: the modules it had imported, and code it has read without running any.

A fork shares memory until it touches it, and who counts a reference touches: to look at every module in the table copies a
page for each, as long as all the rest of a worker's beginning. So workers look at what came since.

What belongs here: where the zygote's part of the table ends. What this file must not know: zygotes, snapshots.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable


class _Zygote:
    """Where its part ends, and the files of its modules, each after a NUL; one text, which costs one page."""

    noted = False
    files = ""


def note() -> None:
    """All that is imported by now was imported ahead. To be said before each fork that follows imports."""
    files = [_file(module) for name, module in list(sys.modules.items()) if name != __name__]
    _Zygote.files = "".join("\0" + file for file in files if isinstance(file, str))
    sys.modules[__name__] = sys.modules.pop(__name__)  # this module is the mark: who purges the table purges it, too
    _Zygote.noted = True


def _file(module: object) -> object:
    contents = getattr(module, "__dict__", None)  # to ask for more may import
    return contents.get("__file__") if isinstance(contents, dict) else None


def fresh() -> list[str]:
    """Names of the modules in the table that came since, in their order; all of them where that is not known."""
    if not _Zygote.noted:
        return list(sys.modules)
    names = list(itertools.takewhile(lambda name: name != __name__, reversed(sys.modules)))
    if len(names) == len(sys.modules):
        return list(sys.modules)
    names.reverse()
    return names


def reaches(folders: Iterable[str]) -> bool:
    """May one of the modules from before lie in one of these folders?"""
    return not _Zygote.noted or any(f"\0{folder}/" in _Zygote.files for folder in folders)
