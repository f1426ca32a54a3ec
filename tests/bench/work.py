"""What is sent to be run: as little as possible, so that what is measured is the way and not the work."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any


def nothing(value: int) -> int:
    return value


def count_to(end: int) -> Iterator[int]:
    for number in range(end):  # noqa: UP028 - Ray wants a generator that can be sent to
        yield number


def with_torch(_: int) -> int:
    """Imports torch where it runs, unless it is there; says which process that was."""
    import torch

    return os.getpid() if torch.__name__ == "torch" else 0


def echo(value: Any) -> Any:
    return value


def size(value: Any) -> int:
    return int(value.nbytes)


def process(_: int) -> int:
    return os.getpid()
