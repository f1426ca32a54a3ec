"""What a program may ask of a pool and of single calls: a closed set, checked at the door, as the wire says it.

What this file must not know: hubs, futures, how calls travel.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from yonder import particulars, patterns, resources, wire
from yonder.choices import BACKENDS, BACKENDS_TO_COME, DEPENDENCIES, ISOLATIONS, STRATEGIES
from yonder.errors import UsageError

_LONGEST_NAME: Final = 63
RESOURCES: Final = ("gpu", "cpus", "memory")
_COUNTS: Final = {
    "min": 0,
    "max": 1,
    "concurrency": 1,
    "buffer": 0,
    "retries": 0,
    "queue_limit": 0,
    "capture_warning": 0,
    "blob_bytes": 0,
}
_SECONDS_ABOVE: Final = ("boot_timeout", "max_lifetime", "timeout", "queue_timeout")
_SECONDS_FROM: Final = ("idle_timeout", "grace")
_CHOICES: Final[dict[str, tuple[str, ...]]] = {
    "backend": BACKENDS,
    "dependencies": DEPENDENCIES,
    "isolation": ISOLATIONS,
    "strategy": STRATEGIES,
}


def pool_fields(wishes: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a PoolSpec that `wishes` name (None: not named). Raises UsageError that names the argument."""
    given = {name: value for name, value in wishes.items() if value is not None}
    strategy = given.get("strategy")
    if strategy is not None and not isinstance(strategy, str):
        if missing := [name for name in ("spreads", "count", "why") if not hasattr(strategy, name)]:
            raise UsageError(
                f"Pool(strategy={strategy!r}): must be one of {', '.join(STRATEGIES)}, or an object with spreads, "
                f"count(demand, bounds) and why(demand, bounds); it has no {' and no '.join(missing)}"
            )
        del given["strategy"]
    for name, value in given.items():
        problem = _problem(name, value)
        if problem:
            raise UsageError(f"Pool({name}={value!r}): {problem}")
    if "backend" in given:
        _check_substrate(given["backend"], given.get("image", ""), given.get("options", {}))
    if given.get("min", 0) > given.get("max", given.get("min", 0)):
        raise UsageError(f"Pool(min={given['min']}, max={given['max']}): min is larger than max")
    try:
        found = resources.resources(given)
    except ValueError as error:
        raise UsageError(f"Pool({error}") from None
    fields = {name: value for name, value in given.items() if name not in RESOURCES}
    if "outputs" in fields:
        fields["outputs"] = list(fields["outputs"])
    if "options" in fields:
        fields["options"] = dict(fields["options"])
    if len(fields) < len(given):
        fields["resources"] = found
    return fields


def check_name(name: object) -> None:
    """Check what `Pool` was given as its name. Raises UsageError."""
    if name is None or (type(name) is str and 1 <= len(name) <= _LONGEST_NAME and name.isprintable()):
        return
    hint = f"; for {name} executors say Pool(max={name})" if type(name) is int else ""
    raise UsageError(f"Pool({name!r}): the first argument is a name, a text of 1 to {_LONGEST_NAME} characters{hint}")


def _check_substrate(backend: str, image: str, options: Mapping[str, Any]) -> None:
    name, problem = particulars.problem(backend, image, options)
    if problem:
        raise UsageError(f"Pool({name}={image if name == 'image' else dict(options)!r}): {problem}")


def check_whole(spec: wire.PoolSpec) -> None:
    """Check what was partly given and partly left out. Raises UsageError."""
    _check_substrate(spec.backend, spec.image, spec.options)
    if spec.min > spec.max:
        raise UsageError(f"Pool(min={spec.min}): min is larger than max, which is {spec.max}; give max, too")


def check_sizes(wishes: Mapping[str, Any], spec: wire.PoolSpec) -> None:
    """Check what `Pool.resize` was given. Raises UsageError."""
    if all(value is None for value in wishes.values()):
        raise UsageError("resize(): say at least one of min, max and buffer")
    given = pool_fields(wishes)
    least, most = given.get("min", spec.min), given.get("max", spec.max)
    if least > most:
        raise UsageError(f"resize(): min would be {least}, more than max, which would be {most}")


def placing_mode(max_batch: object, max_wait: object) -> wire.Mode:
    """How an object is placed. Raises UsageError."""
    if max_batch is not None and (type(max_batch) is not int or max_batch < 1):
        raise UsageError(f"place(max_batch={max_batch!r}): must be a whole number, at least 1")
    if not isinstance(max_wait, int | float) or not _is_number(max_wait) or max_wait < 0:
        raise UsageError(f"place(max_wait={max_wait!r}): must be a number of seconds, at least 0")
    return wire.Mode(kind="actor", max_batch=max_batch or 0, max_wait=float(max_wait))


class Wishes:
    """What calls ask for beyond their pool's own. Immutable; `over` makes the next one."""

    ALLOWED: Final = ("timeout", "queue_timeout", "retries", "grace", "affinity", *RESOURCES, "label")

    def __init__(self, wishes: Mapping[str, Any] | None = None) -> None:
        """Raises UsageError for an unknown wish or a value that makes no sense."""
        self._wishes = {name: value for name, value in (wishes or {}).items() if value is not None}
        for name, value in self._wishes.items():
            if name not in self.ALLOWED:
                near = difflib.get_close_matches(name, self.ALLOWED, n=1)
                hint = f"; did you mean {near[0]}?" if near else "."
                raise UsageError(f"with_options({name}=…): no such option{hint} Allowed: {', '.join(self.ALLOWED)}")
            problem = _problem(name, value)
            if problem:
                raise UsageError(f"with_options({name}={value!r}): {problem}")
        try:
            self._resources = resources.resources(self._wishes)
        except ValueError as error:
            raise UsageError(f"with_options({error}") from None
        self.label: str = self._wishes.get("label", "")
        self._plain = not any(name != "label" for name in self._wishes)

    def over(self, more: Mapping[str, Any]) -> Wishes:
        """These wishes with `more` winning."""
        return Wishes({**self._wishes, **{name: value for name, value in more.items() if value is not None}})

    def timeout(self, spec: wire.PoolSpec) -> float:
        """The deadline of one call in seconds, 0 without one."""
        return float(self._wishes.get("timeout", spec.timeout))

    def call_options(self, spec: wire.PoolSpec, mode: wire.Mode | None = None) -> wire.CallOptions | None:
        """These wishes as the wire says them, the pool's defaults mixed in; None when there is nothing to say."""
        if self._plain and mode is None:
            return None
        wishes = self._wishes
        special = any(name in wishes for name in RESOURCES)
        return wire.CallOptions(
            timeout=self.timeout(spec),
            queue_timeout=float(wishes.get("queue_timeout", spec.queue_timeout)),
            retries=wishes.get("retries", spec.retries),
            grace=float(wishes.get("grace", spec.grace)),
            affinity=wishes.get("affinity", ""),
            resources=resources.resources(wishes, spec.resources) if special else None,
            mode=mode or wire.Mode(),
        )

    def keeping_options(self, spec: wire.PoolSpec) -> wire.CallOptions:
        """These wishes for a call whose value stays. Raises UsageError where it could not."""
        if spec.isolation != "worker":
            what = "process" if spec.isolation == "process" else "executor"
            raise UsageError(
                f"keep(): every call of this pool has a fresh {what}, and what it keeps would go with that"
            )
        wished = self.call_options(spec, wire.Mode(keep=True))
        assert wished is not None  # noqa: S101 - there is a mode to say
        return wished

    def placing_options(self, spec: wire.PoolSpec, mode: wire.Mode) -> wire.CallOptions:
        """These wishes for a call that lasts as long as an object lives: no deadline, and no second life."""
        wished = self.call_options(spec, mode)
        assert wished is not None  # noqa: S101 - there is a mode to say
        return msgspec.structs.replace(wished, timeout=0.0, retries=0)


def _problem(name: str, value: object) -> str:
    """What is wrong with a value, "" when nothing is."""
    if name in _COUNTS:
        least = _COUNTS[name]
        fits = type(value) is int and value >= least
        return "" if fits else f"must be a whole number, at least {least}"
    if name in _SECONDS_ABOVE or name in _SECONDS_FROM:
        above = name in _SECONDS_ABOVE
        fits = _is_number(value) and (value > 0 if above else value >= 0)  # type: ignore[operator]
        return "" if fits else f"must be a number of seconds{' above 0' if above else ', at least 0'}"
    if name in _CHOICES:
        return _choice(name, value)
    check = _OTHERS.get(name)
    return check(value) if check else ""


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _choice(name: str, value: object) -> str:
    allowed = _CHOICES[name]
    if value in allowed:
        return ""
    if name == "backend" and value in BACKENDS_TO_COME:
        return f"this version does not have it yet; now: {', '.join(allowed)}"
    near = difflib.get_close_matches(value, allowed, n=1) if isinstance(value, str) else []
    return (f"did you mean {near[0]!r}? " if near else "") + f"allowed: {', '.join(allowed)}"


def _modules(value: object) -> str:
    if not isinstance(value, list | tuple) or not all(isinstance(word, str) for word in value):
        return "must be a list of module names"
    wrong = [word for word in value if not all(part.isidentifier() for part in word.split("."))]
    return f"{wrong[0]!r} is no module name" if wrong else ""


def _variables(value: object) -> str:
    fits = isinstance(value, dict) and all(isinstance(part, str) for pair in value.items() for part in pair)
    return "" if fits else "must be a dict of text to text"


def _word(value: object) -> str:
    return "" if isinstance(value, str) and 0 < len(value) <= 200 else "must be a text of 1 to 200 characters"


_OTHERS: Final[dict[str, Callable[[object], str]]] = {
    "preload": _modules,
    "outputs": patterns.problem,
    "env": _variables,
    "image": particulars.image_problem,
    "options": particulars.options_problem,
    "affinity": _word,
    "label": _word,
}
