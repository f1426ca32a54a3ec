"""Blocks of a session: compiled with their place in the file, run in a namespace that lasts.

What belongs here: the `__main__` module, compiling, running, the last expression's value and how it looks. What this file
must not know: sockets, tasks' numbers, who asked. User code runs inside `Guard.run` only.
"""

from __future__ import annotations
import __future__

import ast
import builtins
import inspect
import linecache
import sys
import types
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

from yonder import payload
from yonder.agent import preview
from yonder.agent.guard import Guard, Ran
from yonder.agent.looping import Looping
from yonder.agent.missing import explain
from yonder.wire import Failure, Preview

_FUTURES = reduce(
    lambda all_of, name: all_of | getattr(__future__, name).compiler_flag, __future__.all_feature_names, 0
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a block ended. `code` is what the process should exit with, for a file that was run as a program."""

    preview: Preview | None = None
    failure: Failure | None = None
    interrupted: bool = False
    code: int = 0


class Namespace:
    """The names of one `__main__`, and the text they came from. Blocks that use `await` run in the loop of `looping`."""

    def __init__(self, guard: Guard, looping: Looping, folder: str) -> None:
        self._guard = guard
        self._looping = looping
        self._folder = folder
        self._flags = 0
        self._lines: dict[str, list[str]] = {}
        # By name: the module and the name there that it was imported from.
        self._imported: dict[str, tuple[str, str]] = {}
        self._starred: set[str] = set()  # modules all of whose names were imported
        self.generation = 0
        self.module = types.ModuleType("__main__")
        self.module.__builtins__ = builtins  # type: ignore[attr-defined]
        sys.modules["__main__"] = self.module

    @property
    def names(self) -> dict[str, object]:
        return self.module.__dict__

    # ── blocks ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def block(self, code: str, path: str, line: int, finish: Callable[[], None]) -> Outcome:
        """Run statements whose text begins at 0-based `line` of `path`. `finish` runs after them, still as user code."""
        self.module.__file__ = path
        self._remember(code, path, line)
        try:
            body, last = self._compile(code, path, line)
        except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError) as error:
            return self.failed(Ran(None, _moved(error, code, path, line)), path)
        ran = self._evaluate([part for part in (body, last) if part is not None])
        shown: Ran[Preview | None] = Ran(None)
        if ran.error is None:
            shown = self._guard.run(lambda: self._show(ran.value))
        closing = self._guard.run(finish)
        self.generation += 1
        for result in (ran, shown, closing):
            if result.error is not None:
                return self.failed(result, path)
        return Outcome(shown.value)

    def file(self, code: str, path: str, argv: list[str], finish: Callable[[], None], here: str = "") -> Outcome:
        """Run the text as a program; `finish` (threads, atexit) runs after it, still as user code. `here` is where the
        file lies on this machine when its snapshot counts: modules come from there, "" when there is none."""
        self.module.__file__ = here or path
        sys.argv = [here or path, *argv]
        if not here:  # the file's own folder comes first, as under plain `python`; a snapshot's roots begin with it
            sys.path.insert(0, str(Path(path).parent))
        self._remember(code, path, 0)
        try:
            program = compile(code, path, "exec", dont_inherit=True)
        except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError) as error:
            return self.failed(Ran(None, _moved(error, code, path, 0)), path, code=1)
        ran = self._guard.run(lambda: exec(program, self.names))  # noqa: S102 - running code is what a worker is for
        closing = self._guard.run(finish)
        if ran.error is None:
            ran = closing
        if isinstance(ran.error, SystemExit):
            code_ = _exit_code(ran.error)
            return self.failed(ran, path, code=code_) if code_ else Outcome()
        return self.failed(ran, path, code=130 if ran.interrupted else 1) if ran.error is not None else Outcome()

    def _compile(self, code: str, path: str, line: int) -> tuple[types.CodeType | None, types.CodeType | None]:
        """The statements, and the last one apart if it is an expression whose value is wanted."""
        flags = self._flags | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        tree = compile(code, path, "exec", flags | ast.PyCF_ONLY_AST, dont_inherit=True)
        ast.increment_lineno(tree, line)
        self._note(tree)
        last: types.CodeType | None = None
        if tree.body and isinstance(tail := tree.body[-1], ast.Expr):
            tree.body.pop()
            if _silenced(code):
                last = compile(ast.Module([tail], []), path, "exec", flags, dont_inherit=True)
            else:
                last = compile(ast.Expression(tail.value), path, "eval", flags, dont_inherit=True)
        body = compile(tree, path, "exec", flags, dont_inherit=True) if tree.body else None
        if body is not None:
            self._flags |= body.co_flags & _FUTURES  # `from __future__` holds for later blocks, as in a REPL
        return body, last

    def _note(self, tree: ast.Module) -> None:
        """Which names come from which modules: see `rebind`."""
        for node in _imports(tree):
            if not node.module or node.level:
                continue
            for name in node.names:
                if name.name == "*":
                    self._starred.add(node.module)
                else:
                    self._imported[name.asname or name.name] = node.module, name.name

    # ── modules that are loaded again ─────────────────────────────────────────────────────────────────────────────────

    def own(self, modules: Collection[str]) -> dict[str, object]:
        """The names but those that are still what was imported from these modules."""
        theirs = {name for module in modules for name in self._from(module, sys.modules[module].__dict__)}
        return {name: value for name, value in self.names.items() if name not in theirs}

    def rebind(self, old: Mapping[str, Mapping[str, object]]) -> dict[str, str]:
        """Names imported from modules that were loaded again, still as they were `old`, get what these have now. What
        has gone is said."""
        gone: dict[str, str] = {}
        missing = object()
        for module, before in old.items():
            for name, there in self._from(module, before).items():
                now = sys.modules[module].__dict__.get(there, missing)
                if now is missing:
                    gone[module] = f"it has no {there} any more; the session's {name} is the old one"
                else:
                    self.names[name] = now
        return gone

    def _from(self, module: str, contents: Mapping[str, object]) -> dict[str, str]:
        """The names that were imported from this module, which had these contents, and are that still; each with its name
        there."""
        found = {name: there for name, (source, there) in self._imported.items() if source == module}
        if module in self._starred:
            found |= {name: name for name in contents if not name.startswith("_") and name not in self._imported}
        missing = object()
        return {
            name: there
            for name, there in found.items()
            if there in contents and self.names.get(name, missing) is contents[there]
        }

    def _evaluate(self, parts: list[types.CodeType]) -> Ran[Any]:
        """Run the parts in order; the last one's value. One `await` in any of them puts all into the loop."""
        if any(part.co_flags & inspect.CO_COROUTINE for part in parts):
            return self._await(parts)

        def run() -> Any:
            value = None
            for part in parts:
                value = eval(part, self.names)  # noqa: S307 - running code is what a worker is for
            return value

        return self._guard.run(run)

    def _remember(self, code: str, path: str, line: int) -> None:
        """Put the text where tracebacks and `inspect.getsource` look, at its place in the file."""
        lines = self._lines.setdefault(path, [])
        fresh = [text + "\n" for text in code.split("\n")]
        lines += ["\n"] * (line + len(fresh) - len(lines))
        lines[line : line + len(fresh)] = fresh
        linecache.cache[path] = (sum(map(len, lines)), None, lines, path)

    # ── await ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _await(self, parts: list[types.CodeType]) -> Ran[Any]:
        """Run a block that awaits, in the session's own loop. Tasks it leaves behind live on between blocks."""
        ran = self._guard.run(lambda: self._looping.complete(self._awaiting(parts)))
        if self._looping.cancelled and isinstance(ran.error, KeyboardInterrupt):
            return Ran(None, ran.error, interrupted=True)
        return ran

    async def _awaiting(self, parts: list[types.CodeType]) -> Any:
        value = None
        for part in parts:
            value = eval(part, self.names)  # noqa: S307 - as above
            if part.co_flags & inspect.CO_COROUTINE:
                value = await value
        return value

    # ── values ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _show(self, value: object) -> Preview | None:
        if value is None:
            return None
        builtins._ = value  # type: ignore[attr-defined]
        return preview.of(value)

    def failed(self, ran: Ran[Any], path: str, *, code: int = 0) -> Outcome:
        """How a task ended whose code in `path` raised."""
        error = ran.error
        assert error is not None  # noqa: S101 - callers looked
        explain(error)
        told = payload.failure(error, self._folder, user_file=path)
        if isinstance(error, SystemExit):
            told = _told_exit(error, told, program=bool(code))
        return Outcome(failure=told, interrupted=ran.interrupted, code=code)


def _imports(node: ast.AST) -> Iterator[ast.ImportFrom]:
    """The imports that bind names of the module itself, not those within functions and classes."""
    for part in ast.iter_child_nodes(node):
        if isinstance(part, ast.ImportFrom):
            yield part
        elif not isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.expr):
            yield from _imports(part)


def _silenced(code: str) -> bool:
    """Does the text end in a semicolon, which says: do not show the value?"""
    last = code.rstrip().rpartition("\n")[2]
    return last.endswith(";") and "#" not in last


def _moved(error: BaseException, code: str, path: str, line: int) -> BaseException:
    """A syntax error in a block, at its line in the file. Its text is the block's: the compiler looks into the file."""
    if isinstance(error, SyntaxError) and error.filename == path:
        lines = code.split("\n")
        error.text = lines[min(error.lineno or 1, len(lines)) - 1] + "\n"
        error.lineno = (error.lineno or 1) + line
        if error.end_lineno is not None:
            error.end_lineno += line
    return error.with_traceback(None)


def _exit_code(error: SystemExit) -> int:
    """What `python` would exit with; a text goes to stderr, as there."""
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code & 0xFF
    print(error.code, file=sys.stderr)
    return 1


def _told_exit(error: SystemExit, told: Failure, *, program: bool) -> Failure:
    asked = "exit()" if error.code is None else f"exit({error.code!r})"
    sentence = (
        f"the program ended with {asked}" if program else f"the block called {asked}: the run ends, the session goes on"
    )
    return Failure("SystemExit", sentence, told.text, told.frames)
