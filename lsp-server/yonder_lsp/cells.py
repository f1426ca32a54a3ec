"""What *Run* runs: from a text and a position or selection to a block of whole lines.

A cell begins at a line `# %% [title] key="value"` at the left edge (jupytext's form; `[markdown]` and `[raw]` cells are
borders that do not run). What stands before the first marker is a cell too. Code runs as it stands, so a block with a
syntax error gives its own SyntaxError on the right line, whatever is broken elsewhere.

What belongs here: choosing lines. What this file must not know: documents, the server, the hub, running.
"""

from __future__ import annotations

import ast
import hashlib
import re
from dataclasses import dataclass, replace
from typing import Any, Literal, assert_never

import msgspec

from yonder.errors import UsageError
from yonder_lsp import statements
from yonder_lsp.columns import end_of_line, split_lines, to_codepoint
from yonder_lsp.protocol import Position, Range
from yonder_lsp.statements import Span

Where = Literal["auto", "selection", "cell", "statement", "file", "toCursor", "above", "expression"]

TITLE = 60
LARGEST = 150_000
"""Characters of a text that is parsed to tell markers from lines of strings."""


class NothingToRun(UsageError):  # noqa: N818 - a plain sentence for the person, read at the raise
    """There is no code where the person pressed Run; says where and what would run."""


@dataclass(frozen=True, slots=True)
class Block:
    """Code to run. `first_line` is its 0-based line in the document, `range` where it stands, `kind` what the hub calls
    it. `code` is the text of `range` (a selection from inside an indented suite is dedented, the range is not)."""

    code: str
    first_line: int
    range: Range
    title: str
    kind: Literal["block", "file"] = "block"


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell that can run: from its marker (or the first line with code) to its last line that is not blank."""

    range: Range
    title: str


def block(text: str, where: Where, selection: Range) -> Block:
    """The block that `where` and the selection (empty: a cursor) name. Raises NothingToRun."""
    lines = split_lines(text)
    match where:
        case "auto":
            if selection.start != selection.end:
                return _selected(text, lines, selection)
            parts = _parts(text, lines)
            return _cell(lines, parts, selection.start) if len(parts) > 1 else _statement(text, lines, selection.start)
        case "selection":
            return _selected(text, lines, selection)
        case "cell":
            return _cell(lines, _parts(text, lines), selection.start)
        case "statement":
            return _statement(text, lines, selection.start)
        case "toCursor":
            return _to_cursor(text, lines, selection.end)
        case "above":
            return _above(text, lines, selection.start)
        case "expression":
            return _expression(lines, selection)
        case "file":
            return replace(_lines(lines, 0, len(lines) - 1, "nothing in this file"), title="whole file", kind="file")
        case _:
            assert_never(where)


def cells(text: str) -> list[Cell]:
    """The cells that deserve a lens: none in a file without markers."""
    lines = split_lines(text)
    parts = _parts(text, lines)
    if len(parts) == 1:
        return []
    found: list[Cell] = []
    for part in parts:
        last = _last(lines, part.first, part.last)
        if not part.code or last < part.first or not _has_code(lines[part.first : last + 1]):
            continue
        first = part.first if part.marker else next(n for n in range(part.first, last + 1) if lines[n].strip())
        title = part.title or _title(lines[part.first : last + 1])
        found.append(Cell(Range(start=Position(line=first, character=0), end=end_of_line(lines[last], last)), title))
    return found


def lens(uri: str, cell: Cell) -> dict[str, Any]:
    """LSP's form of the lens above a cell."""
    where = msgspec.to_builtins(cell.range)
    command = {"title": "▶ Run cell", "command": "yonder.runCell", "arguments": [uri, where]}
    return {"range": {"start": where["start"], "end": where["start"]}, "command": command}


def text_hash(code: str) -> str:
    """Names a block's text for re-anchoring it after a formatter or a reload: 16 hex digits of SHA-256 over UTF-8.

    Line ends are unified to line feeds, blanks at line ends and blank lines at both ends do not count, indentation does.
    """
    rows = [line.rstrip(" \t\f\v") for line in split_lines(code)]
    unified = "\n".join(rows).strip("\n")
    return hashlib.sha256(unified.encode("utf-8", "replace")).hexdigest()[:16]


# ── cells ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

_MARKER = re.compile(r"#\s*%%+(?:[ \t]+(?P<rest>.*?))?[ \t]*")
_METADATA = re.compile(r"""(?:^|\s+)[\w.:-]+\s*=\s*(?:"|'|\[|\{|true\b|false\b|null\b).*""", re.IGNORECASE)
_TYPE = re.compile(r"\[\s*(?P<type>[^\]]*?)\s*\]")
_PROSE = frozenset({"markdown", "md", "raw"})


@dataclass(frozen=True, slots=True)
class _Part:
    """One cell of the file: its lines with the marker (if it has one), and whether it is code."""

    first: int
    last: int
    marker: bool
    title: str
    code: bool


def _parts(text: str, lines: list[str]) -> list[_Part]:
    """The file cut at its markers; the first part is what stands before the first of them (perhaps nothing)."""
    marks = [(number, match) for number, line in enumerate(lines) if (match := _MARKER.fullmatch(line))]
    if marks and ('"""' in text or "'''" in text or "\\" in text):
        # A marker inside a string is text. Who cannot parse the file cannot tell: then every marker counts, so that one
        # forgotten quote does not swallow the cells below it.
        tree = statements.parse(text) if len(text) <= LARGEST else None
        inside = statements.string_lines(tree) if tree else frozenset[int]()
        marks = [(number, match) for number, match in marks if number not in inside]
    ends = [number - 1 for number, _ in marks] + [len(lines) - 1]
    parts = [_Part(0, ends[0], marker=False, title="", code=True)]
    for (number, match), end in zip(marks, ends[1:], strict=True):
        title, code = _heading(match["rest"] or "")
        parts.append(_Part(number, end, marker=True, title=title, code=code))
    return parts


def _heading(rest: str) -> tuple[str, bool]:
    """Title of a cell and whether it is code, from what follows `# %%`."""
    title = _METADATA.sub("", rest, count=1).strip()
    for match in _TYPE.finditer(title):
        if match["type"].lower() in _PROSE:
            return (title[: match.start()] + title[match.end() :]).strip(), False
    whole = _TYPE.fullmatch(title)
    return (whole["type"] if whole else title), True


def _cell(lines: list[str], parts: list[_Part], cursor: Position) -> Block:
    part = _part_at(parts, cursor.line)
    if not part.code:
        raise NothingToRun(f"The cell at line {part.first + 1} holds text, not code; there is nothing to run in it.")
    found = _lines(lines, part.first + part.marker, part.last, f"no code in the cell at line {part.first + 1}")
    return replace(found, title=part.title or found.title)


def _part_at(parts: list[_Part], line: int) -> _Part:
    """The part a line belongs to; lines outside the file belong to the part at that end."""
    return next((part for part in reversed(parts) if part.first <= line), parts[0])


# ── statements and selections ─────────────────────────────────────────────────────────────────────────────────────────


def _statement(text: str, lines: list[str], cursor: Position) -> Block:
    """The top-level statement at the cursor; on a blank line or comment the next one, after the last one that one."""
    spans = statements.statements(text)
    if not spans:
        return _lines(lines, 0, len(lines) - 1, "no statement in this file")
    span = next((span for span in spans if cursor.line <= span.last), spans[-1])
    return _lines(lines, span.first, span.last, "no statement here")


def _selected(text: str, lines: list[str], selection: Range) -> Block:
    """Whole statements: every one that the selection touches, in the smallest suite that holds all of it and that can
    run on its own (so a selected `return` brings its function along)."""
    first, last = _selected_lines(lines, selection)
    touched = [span for span in statements.statements(text) if span.touches(first, last)]
    if not touched:
        return _lines(lines, first, last, f"no code in the selection at line {first + 1}")
    inner = _innermost(lines, touched, first, last)
    first, last = inner[0].first, inner[-1].last
    found = _lines(lines, first, last, "no code in the selection")
    return replace(found, code=_dedented(lines, inner, first, last))


def _selected_lines(lines: list[str], selection: Range) -> tuple[int, int]:
    """First and last line with something selected; a selection that ends before a line's first character spares it."""
    start, end = sorted((selection.start, selection.end), key=lambda place: (place.line, place.character))
    first, last = start.line, end.line
    if end.character == 0 and last > first:
        last -= 1
    bottom = len(lines) - 1
    return min(first, bottom), min(last, bottom)


def _innermost(lines: list[str], spans: list[Span], first: int, last: int) -> list[Span]:
    """Narrow touched statements down through the suites while one holds the whole selection and still runs alone."""
    best = spans
    while len(spans) == 1 and len(spans[0].nodes) == 1:
        suite = _suite_around(spans[0].nodes[0], lines, first, last)
        if suite is None:
            break
        spans = [span for span in suite if span.touches(first, last)]
        if statements.compiles(_dedented(lines, spans, spans[0].first, spans[-1].last)):
            best = spans
    return best


def _suite_around(node: ast.stmt, lines: list[str], first: int, last: int) -> list[Span] | None:
    """The suite of a compound statement in which the selected lines (but for blank ones) lie, on lines of its own."""
    while first < last and not lines[first].strip():
        first += 1
    while first < last and not lines[last].strip():
        last -= 1
    for body in statements.suites(node):
        suite = statements.spans(body)
        own_lines = suite[0].first > node.lineno - 1 and not lines[suite[0].first][: body[0].col_offset].strip()
        if own_lines and suite[0].first <= first and last <= suite[-1].last:
            return suite if any(span.touches(first, last) for span in suite) else None
    return None


def _to_cursor(text: str, lines: list[str], cursor: Position) -> Block:
    """Everything down to the statement at the cursor, that one included."""
    spans = [span for span in statements.statements(text) if span.first <= cursor.line]
    if not spans:
        raise NothingToRun("There is no code above the cursor.")
    return _lines(lines, 0, spans[-1].last, "no code above the cursor")


def _above(text: str, lines: list[str], cursor: Position) -> Block:
    """Everything above the cell at the cursor; in a file without cells, above the statement at the cursor."""
    parts = _parts(text, lines)
    if len(parts) > 1:
        border = _part_at(parts, cursor.line).first
    else:
        holding = (span.first for span in statements.statements(text) if span.touches(cursor.line, cursor.line))
        border = next(holding, min(cursor.line, len(lines)))
    return _lines(lines, 0, border - 1, "no code above this place")


def _expression(lines: list[str], selection: Range) -> Block:
    """Part of a line as it stands. Raises NothingToRun when it is not one expression."""
    start, end = selection.start, selection.end
    row = lines[start.line] if 0 <= start.line < len(lines) and start.line == end.line else ""
    code = row[to_codepoint(row, start.character) : to_codepoint(row, end.character)].strip()
    try:
        ast.parse(code, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise NothingToRun(
            "The text here is not an expression of one line any more; select it, or run its statement."
        ) from None
    return Block(code=code, first_line=start.line, range=selection, title=_title([code]))


# ── lines ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _lines(lines: list[str], first: int, last: int, missing: str) -> Block:
    """The block of these lines without blank ones at both ends. Raises NothingToRun when no code is among them."""
    last = _last(lines, first, last)
    while first <= last and not lines[first].strip():
        first += 1
    if first > last or not _has_code(lines[first : last + 1]):
        raise NothingToRun(f"There is {missing}; put the cursor into a statement or a cell, or select some code.")
    where = Range(start=Position(line=first, character=0), end=end_of_line(lines[last], last))
    rows = lines[first : last + 1]
    return Block(code="\n".join(rows), first_line=first, range=where, title=_title(rows))


def _last(lines: list[str], first: int, last: int) -> int:
    while last >= first and not lines[last].strip():
        last -= 1
    return last


def _has_code(rows: list[str]) -> bool:
    return any((stripped := row.strip()) and not stripped.startswith("#") for row in rows)


def _title(rows: list[str]) -> str:
    """The first line that is code, short enough for a list."""
    first = next((row.strip() for row in rows if row.strip() and not row.strip().startswith("#")), "")
    return first if len(first) <= TITLE else first[: TITLE - 1] + "…"


def _dedented(lines: list[str], spans: list[Span], first: int, last: int) -> str:
    """These lines moved to the left edge; lines that begin inside a string keep theirs, they are its content."""
    rows = lines[first : last + 1]
    indent = rows[0][: len(rows[0]) - len(rows[0].lstrip())]
    if not indent:
        return "\n".join(rows)
    kept = set[int]().union(*(statements.string_lines(node) for span in spans for node in span.nodes))
    return "\n".join(
        row if first + index in kept else row.removeprefix(indent) if row.startswith(indent) else row.lstrip()
        for index, row in enumerate(rows)
    )
