"""A live object's description as Markdown, and a callable's as a signature. Pure: facts in, text out.

What this file must not know: sessions' connections, documents. Everything here comes from someone's process, so it is
shown as code or escaped, never as markup.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from yonder import wire
from yonder_lsp import columns, documentation
from yonder_lsp.cursor import Call
from yonder_lsp.markup import escaped, fenced, span

Json = dict[str, Any]
_INSTALLED = re.compile(r"^.*[/\\](?:(?:site|dist)-packages|lib[/\\]python3\.\d+)[/\\](?=.)")
_OVERLOADS = 3
_WAYS = 20
_FACTS = 60
_LONGEST = 4_000
"""Characters of one piece of a card; a session's own bounds are narrower."""


class Where(NamedTuple):
    """Where and when something was seen; `late`: earlier, because the session does not answer in time now."""

    run: int
    age: float
    stale: bool
    busy: bool
    late: bool = False


def ago(seconds: float) -> str:
    """An age in words that fit into a line."""
    if seconds < 1:
        return "now"
    if seconds < 90:
        return f"{seconds:.0f} s ago"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min ago"
    return f"{seconds / 3600:.0f} h ago"


def source_line(where: Where) -> str:
    """`live · run 12 · 4 s ago`, or that the text has moved on."""
    if where.stale:
        return f"stale: edited since · run {where.run}"
    if where.late:
        return f"seen in run {where.run} · the session does not answer just now"
    if where.busy:
        return "live · now · a run is on"  # its values are no finished run's
    return f"live · run {where.run} · {ago(where.age)}"


def block(text: str, language: str = "python") -> str:
    """A fenced block, whatever the text contains."""
    return fenced(text, language)


def markdown(name: str, answer: wire.Answer, where: Where | None) -> str:
    """The hover's text. `where` None (in a completion's details): the place is known from the context, and type or
    signature stand above it."""
    first = f"{name}: {answer.type}" if answer.type else name
    facts = answer.facts[:_FACTS]
    if answer.signatures:
        first = "\n".join(one.text for one in answer.signatures[:_OVERLOADS])
        if more := len(answer.signatures) - _OVERLOADS:
            first += f"\n# and {more} more" if more > 0 else ""
    elif answer.signature:
        first = answer.signature if answer.signature.startswith(("def ", "class ")) else _signed(name, answer.signature)
    parts = [block(first[:_LONGEST])] if where is not None or answer.signatures else []
    if where is not None:
        parts.append(f"*{escaped(source_line(where))}*")
    if facts:
        rows = (f"{escaped(one.label[:_LONGEST])}: {span(one.value[:_LONGEST])}" for one in facts)
        parts.append("  \n".join(rows))
    if answer.short and not _told(answer):
        parts.append(block(answer.short[:_LONGEST], "text"))
    if answer.doc:
        text = documentation.markdown(answer.doc, signed=bool(answer.signature))
        parts.append(f"---\n\n{text}" if parts else text)
    if answer.file:
        file = _INSTALLED.sub("", answer.file[:_LONGEST])
        parts.append(span(f"{file}:{answer.line}" if answer.line else file))
    return "\n\n".join(parts)


def told(text: str) -> str:
    """What the static engine says of something: its signature, where it has one, and its documentation."""
    first, _, rest = text.strip().partition("\n\n")
    if "(" not in first.partition("\n")[0] or (not first.rstrip().endswith((")", "]")) and "->" not in first):
        first, rest = "", text
    return "\n\n".join(part for part in (first and block(first), documentation.markdown(rest)) if part)


def beside(answer: wire.Answer) -> wire.Answer:
    """The same with the first paragraph of its documentation: another server's card stands above this one."""
    return msgspec.structs.replace(answer, doc=answer.doc.strip().partition("\n\n")[0])


def _signed(name: str, signature: str) -> str:
    return signature if not signature.startswith("(") else f"{name}{signature}"


def _told(answer: wire.Answer) -> bool:
    """Do the facts say the preview already? Of tensors, arrays and networks they say more."""
    return any(fact.value == answer.short or fact.label in ("shape", "parameters") for fact in answer.facts)


def signature(name: str, answer: wire.Answer, call: Call) -> Json | None:
    """LSP's SignatureHelp: the overload that fits what is written so far, with the parameter being written marked."""
    if not answer.found or not answer.signature:
        return None
    ways = answer.signatures[:_WAYS] or [wire.Signature(_signed(name, answer.signature), answer.parameters)]
    listed: list[Json] = [{"label": one.text, "parameters": _spans(one.text, one.parameters)} for one in ways]
    if answer.doc:
        text = documentation.markdown(answer.doc, signed=True)
        for one in listed:
            one["documentation"] = {"kind": "markdown", "value": text}
    chosen = next((n for n, one in enumerate(ways) if _takes(one.parameters, call)), 0)
    active = _active(ways[chosen].parameters, call.index, call.keyword)
    return {"signatures": listed, "activeSignature": chosen, "activeParameter": active}


def _takes(parameters: Sequence[wire.Parameter], call: Call) -> bool:
    """Could a call with so many arguments and these keywords be meant?"""
    names = {parameter.name.lstrip("*") for parameter in parameters if parameter.keyword}
    starred = {"**" if one.label.startswith("**") else "*" for one in parameters if one.label.startswith("*")}
    if "**" not in starred and not call.used <= names:
        return False
    plain = [one for one in parameters if not one.label.startswith("*")]
    return "*" in starred or call.index < max(len(plain), 1)


def _spans(label: str, parameters: Sequence[wire.Parameter]) -> list[Json]:
    """Where each parameter stands in the label (UTF-16 columns), searched from left to right."""
    at = label.find("(") + 1
    spans: list[Json] = []
    for parameter in parameters:
        found = label.find(parameter.label, at)
        if found < 0:
            spans.append({"label": parameter.label})
            continue
        at = found + len(parameter.label)
        spans.append({"label": [columns.to_utf16(label, found), columns.to_utf16(label, at)]})
    return spans


def _active(parameters: Sequence[wire.Parameter], index: int, keyword: str) -> int:
    names = [parameter.name.lstrip("*") for parameter in parameters]
    if keyword in names:
        return names.index(keyword)
    for at, parameter in enumerate(parameters):
        if parameter.label.startswith("**") and keyword:
            return at
        starred = parameter.label.startswith("*") and parameter.label[1:2] not in ("", "*")
        if starred and not keyword and index >= at:
            return at
    return index
