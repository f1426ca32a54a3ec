"""A value as a person sees it. Runs the value's own `__repr__`: in the main thread, within the run that made it.

What belongs here: texts and their bounds. What this file must not know: where they go.
"""

from __future__ import annotations

import itertools

from yonder.wire import Preview

MAX_SHORT = 100
MAX_TEXT = 100_000
MAX_RICH = 1_000_000
_RICH = (("text/html", "_repr_html_"), ("image/svg+xml", "_repr_svg_"))
_ATOMS = frozenset({int, float, complex, bool, str, bytes, type(None)})


def of(value: object) -> Preview:
    """The value's looks. Interrupts pass; anything else its methods raise becomes part of the text."""
    text = _text(value)
    rich: dict[str, str] = {}
    for mime, method in _RICH:
        found = _call(value, method)
        if isinstance(found, str) and len(found) <= MAX_RICH:
            rich[mime] = found
    kind = type(value)
    name = (
        kind.__qualname__ if kind.__module__ in {"builtins", "__main__"} else f"{kind.__module__}.{kind.__qualname__}"
    )
    return Preview(name, shorten(text), cut(text), rich)


def _text(value: object) -> str:
    try:
        return repr(value)
    except Exception as error:  # noqa: BLE001 - a broken __repr__ must not fail the run that made the value
        return f"<{type(value).__qualname__}; its repr raised {type(error).__name__}: {_safely(error)}>"


def _safely(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - said as words
        return "(its message cannot be shown)"


def _call(value: object, method: str) -> object:
    found = getattr(type(value), method, None)
    if found is None:
        return None
    try:
        return found(value)
    except Exception:  # noqa: BLE001 - the text is there; a rich form that fails is left out
        return None


def cut(text: str) -> str:
    if len(text) <= MAX_TEXT:
        return text
    return f"{text[: MAX_TEXT // 2]}\n… {len(text) - MAX_TEXT} characters left out …\n{text[-MAX_TEXT // 2 :]}"


def shorten(text: str) -> str:
    """One line of at most 100 characters."""
    line = " ".join(text[: 4 * MAX_SHORT].split())
    return line if len(line) <= MAX_SHORT and len(text) <= 4 * MAX_SHORT else line[: MAX_SHORT - 1] + "…"


def summary(value: object) -> str:
    """A call's result in one line without running code of the value's class: builtin values are shown, others named."""
    try:
        return shorten(_outline(value, 2))
    except ValueError:  # an integer of more digits than Python agrees to write
        return f"<{type(value).__qualname__}>"


def _outline(value: object, depth: int) -> str:
    kind = type(value)
    if kind in _ATOMS:
        return repr(value[:MAX_SHORT]) if isinstance(value, (str, bytes)) else repr(value)
    if depth and isinstance(value, (tuple, list)) and kind in {tuple, list}:
        inside = ", ".join(_outline(item, depth - 1) for item in value[:5]) + (", …" if len(value) > 5 else "")
        return f"[{inside}]" if kind is list else f"({inside}{',' if len(value) == 1 else ''})"
    if depth and isinstance(value, dict) and kind is dict:
        some = list(itertools.islice(value.items(), 5))
        inside = ", ".join(f"{_outline(key, 0)}: {_outline(item, depth - 1)}" for key, item in some)
        return "{" + inside + (", …" if len(value) > 5 else "") + "}"
    return f"<{kind.__qualname__}>"
