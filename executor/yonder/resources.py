"""What an executor has to itself, in a person's words: `gpu="l40s:2"`, `memory="8GB"` become `wire.Resources`.

What this file must not know: where the words were written (a program, a settings file), or what a platform makes of them.
"""

from __future__ import annotations

import re

from yonder.wire import Resources

GPU_WORDS = '"l40s", "l40s:2", a number of GPUs, or a list of alternatives with the best first'
MEMORY_WORDS = 'bytes, or a size such as "512MB", "8GB" or "1.5GiB"'

_GPU = re.compile(r"([a-z0-9][a-z0-9._-]*)(?::([1-9][0-9]?))?\Z")
_MEMORY = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(k|m|g|t)?(i)?b?\Z", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def gpus(wish: object) -> list[str]:
    """Alternatives, best first, as the wire says them; [] is none. Raises ValueError when it is no such wish."""
    if type(wish) is int and 0 <= wish < 100:
        return [f"any:{wish}"] if wish else []
    words = [wish] if isinstance(wish, str) else wish
    if not isinstance(words, list | tuple) or not words:
        raise ValueError(f"must be {GPU_WORDS}")
    found = []
    for word in words:
        match = _GPU.match(word.strip().lower()) if isinstance(word, str) else None
        if match is None:
            raise ValueError(f"must be {GPU_WORDS}; {word!r} is none of these")
        found.append(match[0])
    return found


def memory(wish: object) -> int:
    """Bytes. GB are powers of a thousand, GiB of 1,024. Raises ValueError when it is no size."""
    if type(wish) is int and wish >= 0:
        return wish
    match = _MEMORY.match(wish.strip()) if isinstance(wish, str) else None
    if match is None:
        raise ValueError(f"must be {MEMORY_WORDS}")
    number, unit, binary = match.groups()
    if binary and not unit:
        raise ValueError(f"must be {MEMORY_WORDS}")
    return int(float(number) * (1024 if binary else 1000) ** _POWERS[(unit or "").lower()])


def cpus(wish: object) -> float:
    """Processors, parts of one included. Raises ValueError when it is no such number."""
    if isinstance(wish, bool) or not isinstance(wish, int | float) or not 0 <= wish < 1e6:
        raise ValueError("must be a number of processors, at least 0")
    return float(wish)


def resources(wishes: dict[str, object], base: Resources | None = None) -> Resources:
    """`gpu`, `cpus` and `memory` of `wishes` over `base`. Raises ValueError, whose words begin with `name=value)`."""
    base = base or Resources()
    found: dict[str, object] = {"gpu": base.gpu, "cpus": base.cpus, "memory": base.memory}
    for name, reading in (("gpu", gpus), ("cpus", cpus), ("memory", memory)):
        if wishes.get(name) is not None:
            try:
                found[name] = reading(wishes[name])
            except ValueError as error:
                raise ValueError(f"{name}={wishes[name]!r}): {error}") from None
    return Resources(**found)  # type: ignore[arg-type]
