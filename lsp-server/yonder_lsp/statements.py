"""Where the statements of a text begin and end, also when the text (still) has syntax errors.

What belongs here: text → spans of whole lines, by the parser where it accepts the text, else by brackets, strings and
indentation. What this file must not know: cells, cursors, the editor's columns, running.
"""

from __future__ import annotations

import ast
import re
import warnings
from dataclasses import dataclass

from yonder_lsp.columns import split_lines


@dataclass(frozen=True, slots=True)
class Span:
    """Statements on the lines first to last (0-based, inclusive). `nodes` is empty where the parser was no help."""

    first: int
    last: int
    nodes: tuple[ast.stmt, ...] = ()

    def touches(self, first: int, last: int) -> bool:
        return self.first <= last and first <= self.last


def parse(text: str) -> ast.Module | None:
    """The tree, or None when Python does not accept the text. Says nothing on stderr."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


def compiles(text: str) -> bool:
    """Would this text run on its own (with top-level await)? It is compiled, never run."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            compile(text, "<selection>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return False
    return True


def statements(text: str) -> list[Span]:
    """The top-level statements in order; those that share a line are one span."""
    tree = parse(text)
    if tree is not None:
        return spans(tree.body)
    found: list[Span] = []
    lines = split_lines(text)
    for chunk in _chunks(lines):
        part = parse("\n".join(lines[chunk.first : chunk.last + 1]))
        if part is None:
            found.append(chunk)
            continue
        found += [
            Span(span.first + chunk.first, span.last + chunk.first, _moved(span.nodes, chunk.first))
            for span in spans(part.body)
        ]
    return found


def spans(body: list[ast.stmt]) -> list[Span]:
    """Statements of one suite as spans of whole lines; decorators belong to what they decorate."""
    found: list[Span] = []
    for node in body:
        first, last = node_lines(node)
        if found and first <= found[-1].last:
            before = found[-1]
            found[-1] = Span(before.first, max(before.last, last), (*before.nodes, node))
        else:
            found.append(Span(first, last, (node,)))
    return found


def node_lines(node: ast.stmt) -> tuple[int, int]:
    """First and last line of a statement, 0-based, with its decorators."""
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(decorator.lineno for decorator in decorators)])
    return first - 1, (node.end_lineno or node.lineno) - 1


def suites(node: ast.AST) -> list[list[ast.stmt]]:
    """The suites directly inside a compound statement: bodies, else branches, handlers, cases."""
    found: list[list[ast.stmt]] = []
    for name in ("body", "orelse", "finalbody"):
        suite = getattr(node, name, None)
        if isinstance(suite, list) and suite:
            found.append(suite)
    for name in ("handlers", "cases"):
        found += [part.body for part in getattr(node, name, ())]
    return found


def string_lines(tree: ast.AST) -> set[int]:
    """Lines (0-based) that begin inside a string: what stands there is text, not code."""
    inside: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)):
            inside.update(range(node.lineno, node.end_lineno or node.lineno))
    return inside


def _moved(nodes: tuple[ast.stmt, ...], lines: int) -> tuple[ast.stmt, ...]:
    return tuple(ast.increment_lineno(node, lines) for node in nodes)


# ── without the parser ────────────────────────────────────────────────────────────────────────────────────────────────

_TOKEN = re.compile(
    r"""
      (?P<comment>\#.*)
    | (?P<triple>'{3}|"{3})
    | (?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
    | (?P<open>[(\[{])
    | (?P<close>[)\]}])
    | (?P<escape>\\.)
    """,
    re.VERBOSE,
)
_CLAUSE = re.compile(r"(?:else|elif|except|finally)\b|[)\]}]")
# With one of these at the left edge a new statement begins even if a bracket is still open above: it was forgotten.
_CERTAIN = re.compile(r"(?:@|(?:def|class|import|from|while|with|try|return|raise|del|assert|global)\b|async\s|#\s*%%)")


def _chunks(lines: list[str]) -> list[Span]:
    """Top-level statements by their left edge: a line at column 0 that continues nothing begins one."""
    starts: list[int] = []
    depth = 0
    quote = ""
    continued = decorated = False
    for number, line in enumerate(lines):
        edge = bool(line.strip()) and not line[0].isspace()
        if edge and not quote and _CERTAIN.match(line):
            depth, continued = 0, False
        fresh = edge and not quote and depth == 0 and not continued
        if not starts and line.strip() and not line.lstrip().startswith("#"):
            starts.append(number)  # whatever stands first, even where it may not: it gives its own SyntaxError
            decorated = line.startswith("@")
        elif fresh and not line.startswith("#"):
            if not decorated and not _CLAUSE.match(line):
                starts.append(number)
            decorated = line.startswith("@")
        opened, quote = _scan(line, quote, _closes(lines, number))
        depth = max(0, depth + opened)
        continued = not quote and line.endswith("\\")
    return [_trimmed(lines, first, end - 1) for first, end in zip(starts, [*starts[1:], len(lines)], strict=True)]


def _closes(lines: list[str], number: int) -> str:
    """The rest of the text after a line, in which an opened triple quote must find its end to count as one."""
    return "\n".join(lines[number + 1 :]) if '"""' in lines[number] or "'''" in lines[number] else ""


def _scan(line: str, quote: str, rest: str) -> tuple[int, str]:
    """Brackets opened minus closed on a line, and the triple quote that is open at its end ("" if none)."""
    at = opened = 0
    if quote:
        end = line.find(quote)
        if end < 0:
            return 0, quote
        at = end + 3
    while match := _TOKEN.search(line, at):
        at = match.end()
        if match["open"]:
            opened += 1
        elif match["close"]:
            opened -= 1
        elif quote := match["triple"] or "":
            end = line.find(quote, at)
            if end >= 0:
                at = end + 3
            elif quote in rest:
                return opened, quote
    return opened, ""


def _trimmed(lines: list[str], first: int, last: int) -> Span:
    """Without blank lines and left-edge comments at the end: they belong to what follows."""
    while last > first and (not lines[last].strip() or lines[last].startswith("#")):
        last -= 1
    return Span(first, last)
