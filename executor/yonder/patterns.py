"""Patterns of file names, and names that are free: which files are wanted, and what they are called when they have come.

What belongs here: the judgement about names. What this file must not know: disks.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable

from yonder.snapshot import outside

LONGEST = 200


def problem(value: object) -> str:
    """What is wrong with a list of patterns, "" when nothing is."""
    if not isinstance(value, list | tuple) or not all(isinstance(word, str) for word in value):
        return 'must be a list of patterns, as in ["*.pt", "results/**"]'
    for word in value:
        plain = word.removeprefix("./").removesuffix("/")
        if len(word) > LONGEST or outside(plain):
            return f"{word[:LONGEST]!r} is no pattern of files in the working directory (relative, with /, without ..)"
    return ""


def wanted(path: str, patterns: Iterable[str]) -> bool:
    """Does one of these patterns mean the file? `*` stays within a name and `**` does not; a pattern without "/" means files
    of that name in every folder, one that ends in "/" everything below."""
    return any(_means(pattern, path) for pattern in patterns)


def _means(pattern: str, path: str) -> bool:
    if pattern.endswith("/"):
        pattern += "**"
    pattern = pattern.removeprefix("./")
    parts = path.split("/")
    if "/" not in pattern:
        return pattern == "**" or fnmatch.fnmatchcase(parts[-1], pattern)
    return _match(pattern.split("/"), parts)


def _match(pattern: list[str], parts: list[str]) -> bool:
    """Row by row, so that no pattern takes more than its length times the path's."""
    row = [True, *(False for _ in parts)]
    for word in pattern:
        if word == "**":
            fresh = [any(row[: n + 1]) for n in range(len(row))]
        else:
            fresh = [False, *(row[n] and fnmatch.fnmatchcase(part, word) for n, part in enumerate(parts))]
        row = fresh
    return row[-1]


def another(name: str, taken: Iterable[str]) -> str:
    """`name`, or when that is taken the first of "name (2).ext", "name (3).ext", … that is not."""
    there = set(taken)
    folder, slash, last = name.rpartition("/")
    stem, dot, ending = last.partition(".") if not last.startswith(".") else (last, "", "")
    number = 2
    while name in there:
        name = f"{folder}{slash}{stem} ({number}){dot}{ending}"
        number += 1
    return name
