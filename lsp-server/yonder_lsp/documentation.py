"""A docstring as Markdown: numpy's, Google's and Sphinx' sections, parameters as a list, examples as code. Pure.

What is not shown as code is escaped (see markup.py), so that no link, picture, heading or HTML can come of it. What is laid
out in a way that is not known stays as it is, in a block of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from yonder_lsp.markup import escaped, fenced, inline, span

LINES = 30
CHARACTERS = 8_000
_LINE_CHARACTERS = 400
_ENTRIES = 12
_WIDTH = 120  # about what a line of a hover holds

_UNDERLINE = re.compile(r"([-=~^])\1{2,}\s*$")
_FIELD = re.compile(r":(?P<kind>[a-z]{3,12})(?:\s+(?P<what>[^:\n]{1,100}))?:(?:\s+(?P<text>.*)|\s*)$")
_DIRECTIVE = re.compile(r"\.\. (?P<name>[\w-]{1,40})::\s*(?P<rest>.*)$")
_GOOGLE = re.compile(
    r"(?P<title>Args?|Arguments|Parameters|Params|Keyword Arg(?:ument)?s|Other Parameters|Returns?|Yields?|Raises|Warns|Attributes"
    r"|Examples?|Notes?|Warnings?|Shape|Inputs?|Outputs?|Variables|References|See Also|Todo):{1,2}\s*$",
    re.IGNORECASE,
)
_LISTED = frozenset(
    {
        "arg",
        "args",
        "arguments",
        "parameters",
        "params",
        "keyword args",
        "keyword arguments",
        "other parameters",
        "attributes",
    }
    | {"raises", "warns", "variables", "methods"}
)
_NUMPY_LISTED = _LISTED | {"returns", "yields", "receives"}
_GOOGLE_ENTRY = re.compile(
    r"(?P<name>\*{0,2}[\w.`\\*, ]{1,80}?)(?:\s*\((?P<type>.{1,160}?)\))?\s?:(?:\s+(?P<text>.*)|)$"
)
_NUMPY_ENTRY = re.compile(r"(?P<name>[^:\n]{1,100}?)(?:\s?:\s?(?P<type>.{0,200}))?$")
_BULLET = re.compile(r"(?:[-*+•]|\d{1,3}[.)])\s+(?=\S)")
_SIGNATURE = re.compile(r"[A-Za-z_][\w.]{0,80}\(")
_TARGET = re.compile(r"(?:__|\.\. _[^:\n]{0,80}:)\s")
_TABLE = re.compile(r"\+[-=+]{3,}|={2,}(?: +={2,})+$|-{2,}(?: +-{2,})+$")
_STATEMENT = re.compile(r"\s*(?:import|from|for|def|class|with|return|@)\b|\s*\w[\w.]*(?:\(| = )")
_FIELDS = {
    "param",
    "parameter",
    "arg",
    "argument",
    "key",
    "keyword",
    "raises",
    "raise",
    "except",
    "var",
    "ivar",
    "cvar",
}
_LEFT_OUT = frozenset({"see also", "references"})
_FORMULA_LINES = 6
_NOTED = frozenset(
    {"note", "warning", "tip", "important", "caution", "seealso", "deprecated", "versionadded", "versionchanged"}
)


def markdown(text: str, *, signed: bool = False) -> str:
    """The Markdown of a docstring, about `LINES` lines of it. `signed`: its signature is shown elsewhere already."""
    lines = [line.rstrip()[:_LINE_CHARACTERS] for line in text[:CHARACTERS].expandtabs().strip().splitlines()]
    if signed:
        lines = _without_signature(lines)
    page = _Page(cut=len(text) > CHARACTERS)
    for block in _blocks(lines):
        if not page.take(block):
            break
    return page.text()


# ── blocks ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class _Page:
    """What has been written, up to its last line."""

    cut: bool = False
    _parts: list[str] = field(default_factory=list)
    _lines: int = 0

    def take(self, block: str) -> bool:
        """Whether there is room for more. A block that does not fit is left out, but the first one is shortened."""
        size = sum(1 + len(line) // _WIDTH for line in block.split("\n"))
        if self._lines + size > LINES and self._parts:
            self.cut = True
            return False
        if block.count("\n") >= LINES:
            head = block.split("\n")[:LINES]
            opening = re.match(r"`{3,}", head[0])
            block = "\n".join([*head, opening[0]] if opening else head)
            self.cut = True
        self._parts.append(block)
        self._lines += size
        return not self.cut or self._lines < LINES

    def text(self) -> str:
        return "\n\n".join([*self._parts, "…"] if self.cut else self._parts)


def _without_signature(lines: list[str]) -> list[str]:
    """Without the signatures that C extensions write before the text, as a paragraph of their own."""
    end = _paragraph_end(lines, 0)
    first = " ".join(lines[:end])
    signed = _SIGNATURE.match(first) and (first.endswith(")") or "->" in lines[end - 1])
    only = end > 1 and not any(lines[end:])  # several ways to call it, and what they do: that is the text
    return lines[end:] if signed and not only else lines


def _blocks(lines: Sequence[str]) -> Iterator[str]:
    """The Markdown blocks of lines whose common indent is gone."""
    at = 0
    while at < len(lines):
        line = lines[at]
        below = lines[at + 1] if at + 1 < len(lines) else ""
        if not line.strip() or _TARGET.match(line):
            at += 1
        elif line[0] != " " and _UNDERLINE.match(below) and not _UNDERLINE.match(line):
            end = _section_end(lines, at + 2)
            yield from _section(line.strip(), lines[at + 2 : end], _NUMPY_ENTRY, _NUMPY_LISTED)
            at = end
        elif (google := _GOOGLE.match(line)) and (not below.strip() or below[0] == " "):
            end = _indented_end(lines, at + 1)
            yield from _section(google["title"], _dedented(lines[at + 1 : end]), _GOOGLE_ENTRY, _LISTED)
            at = end
        elif line.lstrip().startswith(">>>"):
            end = _examples_end(lines, at)
            yield fenced("\n".join(_dedented(lines[at:end])), "python")
            at = end
        elif directive := _DIRECTIVE.match(line):
            end = _indented_end(lines, at + 1)
            yield from _directive(directive["name"], directive["rest"], _dedented(lines[at + 1 : end]))
            at = end
        elif _FIELD.match(line):
            end = _fields_end(lines, at)
            yield from _fields(lines[at:end])
            at = end
        elif line[0] == " ":
            end = _indented_end(lines, at)
            yield from _indented(_dedented(lines[at:end]))
            at = end
        else:
            end = _paragraph_end(lines, at)
            table = any(map(_TABLE.match, lines[at:end]))
            yield from [fenced("\n".join(lines[at:end]), "text")] if table else _paragraph(lines[at:end])
            if lines[end - 1].endswith("::"):
                start, end = end, _indented_end(lines, end)
                if literal := _dedented(lines[start:end]):
                    yield fenced("\n".join(literal), "python" if literal[0].startswith(">>>") else "text")
            at = end


def _section(title: str, body: Sequence[str], entry: re.Pattern[str], listed: frozenset[str]) -> Iterator[str]:
    """A heading with what stands under it: entries as a list where that is what it is."""
    name = title.lower()
    if name in _LEFT_OUT:
        return
    if name in ("example", "examples") and not any(">>>" in line for line in body) and any(map(_STATEMENT.match, body)):
        yield f"**{escaped(title)}**\n\n{fenced(chr(10).join(_dedented(body)), 'python')}"
        return
    entries = list(_entries(body, entry)) if name in listed else []
    first, *rest = ["\n".join(_listed(entries))] if entries else [*_blocks(_dedented(body))] or [""]
    yield f"**{escaped(title)}**\n\n{first}".rstrip()
    yield from rest


def _listed(entries: Sequence[tuple[str, str, str]]) -> Iterator[str]:
    for name, kind, text in entries[:_ENTRIES]:
        said = f"- {span(name)}" + (f" ({span(kind)})" if kind else "")
        yield f"{said}: {inline(text)}" if text else said
    if len(entries) > _ENTRIES:
        yield f"- … {len(entries) - _ENTRIES} more"


def _entries(body: Sequence[str], pattern: re.Pattern[str]) -> Iterator[tuple[str, str, str]]:
    """Name, type and first paragraph of each entry; none when the lines are no entries."""
    found: list[tuple[str, str, list[str]]] = []
    open_ = False  # is the entry's first paragraph still going on?
    for line in body:
        if not line.strip():
            open_ = open_ and not (found and found[-1][2])
        elif line[0] != " ":
            entry = pattern.match(line)
            if entry is None:
                return
            first = entry.groupdict().get("text") or ""
            found.append(
                (entry["name"].replace("\\", "").strip("`"), (entry["type"] or "").strip("`"), [first] if first else [])
            )
            open_ = True
        elif not found:
            return
        elif open_:
            found[-1][2].append(line.strip())
    for name, kind, texts in found:
        yield name, kind, _shortened(" ".join(texts))


def _shortened(text: str, limit: int = 300) -> str:
    return text if len(text) <= limit else text[: limit - 1].rpartition(" ")[0] + " …"


def _directive(name: str, rest: str, body: Sequence[str]) -> Iterator[str]:
    if name in ("code-block", "code", "sourcecode", "ipython", "testcode", "doctest"):
        yield fenced("\n".join(body), "python")
    elif name in _NOTED:
        title = {"seealso": "See also", "versionadded": "Added in", "versionchanged": "Changed in"}.get(
            name, name.capitalize()
        )
        text = " ".join([rest, *_first_paragraph(body)]).strip()
        yield f"**{title}** {inline(text)}".rstrip()
    elif name in ("math", "parsed-literal") and 0 < len(body) + bool(rest) <= _FORMULA_LINES:
        yield fenced("\n".join([rest, *body] if rest else body), "text")


def _first_paragraph(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        if not line.strip():
            return
        yield line.strip()


def _fields(lines: Sequence[str]) -> Iterator[str]:
    """Sphinx' field list: parameters and errors as entries, results as sentences."""
    entries: list[tuple[str, str, str]] = []
    types: dict[str, str] = {}
    others: list[str] = []
    for kind, what, text in _fields_of(lines):
        if kind in _FIELDS:
            *type_, name = what.split() or [kind]
            entries.append((name, " ".join(type_), _shortened(text)))
        elif kind == "type":
            types[what] = text
        elif text:
            label = {"return": "Returns", "returns": "Returns", "rtype": "Return type"}.get(kind, kind.capitalize())
            others.append(f"**{label}** {span(text) if kind == 'rtype' else inline(_shortened(text))}")
    if entries:
        yield "**Parameters**\n\n" + "\n".join(
            _listed([(name, kind or types.get(name, ""), text) for name, kind, text in entries])
        )
    yield from others


def _fields_of(lines: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    found: list[list[str]] = []
    for line in lines:
        if one := _FIELD.match(line):
            found.append([one["kind"], one["what"] or "", one["text"] or ""])
        elif found and line.strip():
            found[-1][2] += f" {line.strip()}"
    for kind, what, text in found:
        yield kind, what.strip(), text.strip()


def _paragraph(lines: Sequence[str]) -> Iterator[str]:
    """Sentences, or a list when its lines say so."""
    items: list[str] = []
    prose: list[str] = []
    for line in lines:
        bullet = _BULLET.match(line.lstrip())
        if bullet:
            items.append(line.lstrip()[bullet.end() :])
        elif items:
            items[-1] += f" {line.strip()}"
        else:
            prose.append(line.strip())
    said = " ".join(prose).removesuffix("::").rstrip() + (
        ":" if prose and prose[-1].endswith("::") and prose[-1] != "::" else ""
    )
    if said:
        yield inline(_shortened(said, 1200))
    if items:
        yield "\n".join(f"- {inline(item)}" for item in items[:_ENTRIES]) + ("\n- …" if len(items) > _ENTRIES else "")


def _indented(lines: Sequence[str]) -> Iterator[str]:
    """An indented piece that nothing announced: what reads like text is text, what is laid out stays so."""
    laid_out = any("  " in line.strip() or line.startswith(" ") for line in lines)
    if laid_out and not _BULLET.match(lines[0]) and not any(">>>" in line for line in lines):
        yield fenced("\n".join(lines), "text")
    else:
        yield from _blocks(lines)


# ── where a piece ends ────────────────────────────────────────────────────────────────────────────────────────────────


def _dedented(lines: Sequence[str]) -> list[str]:
    """Without empty lines around, and without the indent that all have."""
    kept = list(lines)
    while kept and not kept[0].strip():
        kept.pop(0)
    while kept and not kept[-1].strip():
        kept.pop()
    indent = min((len(line) - len(line.lstrip()) for line in kept if line.strip()), default=0)
    return [line[indent:] for line in kept]


def _section_end(lines: Sequence[str], at: int) -> int:
    """A section of numpy's ends at the next underlined line."""
    while at < len(lines):
        below = lines[at + 1] if at + 1 < len(lines) else ""
        if lines[at].strip() and lines[at][0] != " " and _UNDERLINE.match(below):
            return at
        at += 1
    return at


def _indented_end(lines: Sequence[str], at: int) -> int:
    while at < len(lines) and (not lines[at].strip() or lines[at][0] == " "):
        at += 1
    return at


def _examples_end(lines: Sequence[str], at: int) -> int:
    """Examples go on over empty lines as long as another one follows."""
    while at < len(lines):
        if not lines[at].strip():
            following = next((line for line in lines[at:] if line.strip()), "")
            if not following.lstrip().startswith(">>>"):
                return at
        at += 1
    return at


def _fields_end(lines: Sequence[str], at: int) -> int:
    while at < len(lines) and (not lines[at].strip() or lines[at][0] == " " or _FIELD.match(lines[at])):
        at += 1
    return at


def _paragraph_end(lines: Sequence[str], at: int) -> int:
    """At an empty line, or where something of another kind begins."""
    start = at
    while at < len(lines) and lines[at].strip():
        if at > start and (lines[at].lstrip().startswith(">>>") or _GOOGLE.match(lines[at]) or _FIELD.match(lines[at])):
            return at
        if at > start and at + 1 < len(lines) and lines[at][0] != " " and _UNDERLINE.match(lines[at + 1]):
            return at
        at += 1
    return at
