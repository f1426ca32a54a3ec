"""Text from someone's process within Markdown: as text, as code, never as markup. Pure.

What this file must not know: what the text is about.
"""

from __future__ import annotations

import re

_MARKUP = re.compile(r"([$&*<>@\[\\\]_`|~]|:(?=//)|(?<=[wW])\.)")
_BEGINNING = re.compile(r"^(\s*(?=[#+=-])|\s*\d+(?=[.)]))(.)")
_CODE = re.compile(r"(?::[\w.:+-]{1,40}:)?`(?!`)([^`\n]{1,120})`(?!`)_{0,2}|``([^`\n]{1,200})``")
_ROLE_TARGET = re.compile(r"\s*<[^<>]*>$")
_STRONG = re.compile(r"\*\*([^*\n]{1,120})\*\*")


def escaped(text: str) -> str:
    """Text that is only text, whatever stands in it; addresses make no links."""
    return _BEGINNING.sub(r"\1\\\2", _MARKUP.sub(r"\\\1", text))


def span(text: str) -> str:
    """Inline code, whatever the text contains."""
    flat = " ".join(text.split())
    if not flat:
        return ""
    longest = max((len(run) for run in re.findall(r"`+", flat)), default=0)
    ticks = "`" * (longest + 1)
    pad = " " if flat.startswith("`") or flat.endswith("`") else ""
    return f"{ticks}{pad}{flat}{pad}{ticks}"


def fenced(text: str, language: str) -> str:
    """A fenced block, whatever the text contains."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    ticks = "`" * max(3, longest + 1)
    return f"{ticks}{language}\n{text}\n{ticks}"


def inline(text: str) -> str:
    """One paragraph's text: code and strong words keep their meaning, all else is escaped."""
    text = " ".join(text.split())
    found, at = [], 0
    for code in _CODE.finditer(text):
        found += [_strong(text[at : code.start()]), span(_target(code[1] or code[2] or ""))]
        at = code.end()
    return "".join([*found, _strong(text[at:])])


def _strong(text: str) -> str:
    found, at = [], 0
    for one in _STRONG.finditer(text):
        inner = one[1].strip()
        found += [
            escaped(text[at : one.start()]),
            f"**{escaped(inner)}**" if inner[:1].isalnum() and inner[-1:].isalnum() else escaped(one[0]),
        ]
        at = one.end()
    return "".join([*found, escaped(text[at:])])


def _target(code: str) -> str:
    """What a reference of Sphinx shows: `~a.b.c` is its last name, `text <target>` its text."""
    bare = _ROLE_TARGET.sub("", code)
    return bare[1:].rpartition(".")[2] if bare.startswith("~") else bare or code
