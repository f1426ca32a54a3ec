"""Where live objects are written: the right file, line and text for everything Python has, and no more than that."""

from __future__ import annotations

import collections
import dataclasses
import enum
import functools
import json
import linecache
import os
import posixpath
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Generic, TypeVar, overload

import numpy as np
import pandas as pd
import pytest
import torch
from tests.core.test_peek import steps

from yonder.agent import modules, peek_source
from yonder.agent.peek import look
from yonder.agent.shelf import Shelf
from yonder.snapshot import content
from yonder.wire import Answer, Query

T = TypeVar("T")


def ask(space: dict[str, Any], path: str, within: str = "", what: Any = "source") -> Answer:
    return look(space, Query(what, steps(path) if path else [], within=within), 3)


def statement(answer: Answer) -> str:
    """What stands on the line that was answered."""
    assert answer.found, answer.why
    return answer.text.split("\n")[answer.line - 1].strip()


class Plain:
    attribute = 1


class Model(Generic[T]):
    class Inner:
        def method(self) -> None: ...

    @functools.lru_cache  # noqa: B019
    def cached(self) -> int:
        return 1

    @property
    def shape(self) -> tuple[int, int]:
        return (1, 2)

    @functools.cached_property
    def later(self) -> int:
        return 1

    @staticmethod
    def free() -> None: ...

    @classmethod
    def made(cls) -> None: ...


class Colour(enum.Enum):
    RED = 1


@dataclasses.dataclass
class Point:
    x: int


def decorated(function: Any) -> Any:
    @functools.wraps(function)
    def inner() -> Any:
        return function()

    return inner


@decorated
@decorated
def twice() -> None: ...


async def waits() -> None: ...


SPACE: dict[str, Any] = {
    "np": np,
    "pd": pd,
    "torch": torch,
    "json": json,
    "os": os,
    "sys": sys,
    "Model": Model,
    "model": Model(),
    "Plain": Plain,
    "plain": Plain(),
    "Colour": Colour,
    "Point": Point,
    "point": Point(1),
    "twice": twice,
    "waits": waits,
    "partial": functools.partial(json.dumps, indent=2),
    "cached": functools.lru_cache(json.loads),
    "layer": torch.nn.Linear(2, 3),
    "frame": pd.DataFrame({"a": [1]}),
    "ordered": collections.OrderedDict(),
    "path": Path("x"),
    "listed": [Model()],
    "number": 3,
}


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("json.dumps", "def dumps("),
        ("Model", "class Model(Generic[T]):"),
        ("model", "class Model(Generic[T]):"),
        ("listed[0]", "class Model(Generic[T]):"),
        ("Model.Inner", "class Inner:"),
        ("Model.Inner.method", "def method(self)"),
        ("model.cached", "def cached(self)"),
        ("model.shape", "def shape(self)"),
        ("Model.shape", "def shape(self)"),
        ("model.later", "def later(self)"),
        ("model.free", "def free()"),
        ("model.made", "def made(cls)"),
        ("Plain", "class Plain:"),
        ("plain", "class Plain:"),
        ("Colour.RED", "class Colour(enum.Enum):"),
        ("point", "class Point:"),
        ("twice", "def twice()"),
        ("waits", "async def waits()"),
        ("partial", "def dumps("),
        ("cached", "def loads("),
        ("layer", "class Linear(Module):"),
        ("layer.forward", "def forward(self, input: Tensor)"),
        ("frame", "class DataFrame("),
        ("frame.shape", "def shape(self)"),
        ("np.sum", "def sum(a, axis=None"),
        ("ordered", "class OrderedDict(dict):"),
        ("os.path.join", "def join(a, *p):"),
        ("path", "class PosixPath("),
    ],
)
def test_the_line_that_makes_it(path: str, line: str) -> None:
    answer = ask(SPACE, path)
    assert statement(answer).startswith(line)
    assert answer.short in line


@pytest.mark.parametrize("path", ["np.array", "np.ndarray", "number", "sys", "torch.relu", "Point.__init__"])
def test_what_has_no_source_says_why(path: str) -> None:
    answer = ask(SPACE, path)
    assert not answer.found
    assert not answer.text
    assert any(word in answer.why for word in ("written in C", "built in", "no Python file")), answer.why


def test_modules_are_their_files() -> None:
    answer = ask(SPACE, "json")
    assert (answer.file, answer.line, answer.short) == (json.__file__, 1, "")
    assert answer.text == Path(json.__file__).read_text()
    assert ask(SPACE, "os.path").file == posixpath.__file__


def test_an_import_that_has_not_run_is_looked_up_among_the_loaded_modules() -> None:
    assert ask({}, "json").file == json.__file__
    assert ask({}, "os.path").file == posixpath.__file__
    assert statement(ask({}, "json.decoder.JSONDecoder")).startswith("class JSONDecoder")
    assert not ask({"json": 3}, "json.decoder").found, "the session's own name wins"
    assert not ask({}, "surely_nothing").found


def test_a_look_from_inside_a_module_sees_its_names() -> None:
    linear = ask(SPACE, "layer")
    inside = ask({"init": 3}, "init", within=linear.file)
    assert inside.file.endswith(os.path.join("nn", "init.py"))
    described = ask({}, "Module", within=linear.file, what="describe")
    assert described.found
    assert described.signature.startswith("Module(")
    missing = ask(SPACE, "json", within="/nowhere/at/all.py")
    assert not missing.found
    assert "no module of /nowhere/at/all.py" in missing.why


def test_a_module_that_is_not_called_what_its_file_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made = types.ModuleType("made_up")
    made.__file__ = str(tmp_path / "other.py")
    made.inside = json
    assert not ask({}, "inside", within=made.__file__).found
    monkeypatch.setitem(sys.modules, "made_up", made)
    assert ask({}, "inside", within=made.__file__).file == json.__file__


@pytest.fixture
def cells() -> Iterator[None]:
    before = dict(linecache.cache)
    yield
    linecache.cache.clear()
    linecache.cache.update(before)


def block(text: str, path: str = "/home/someone/cells.py") -> dict[str, Any]:
    """A namespace after a block of that text ran, as a session runs it."""
    linecache.cache[path] = (len(text), None, [line + "\n" for line in text.split("\n")], path)
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(text, path, "exec", dont_inherit=True), names)
    return names


@pytest.mark.usefixtures("cells")
def test_what_a_block_defines_is_in_its_document() -> None:
    names = block(
        "\n\ndef f():\n    return 1\n\nclass Empty:\n    pass\n\nclass Full:\n    x = 1\n\n    def m(self): ...\n"
    )
    for path, line in (("f", 3), ("Full", 9), ("Full.m", 12), ("Empty", 6)):
        answer = ask(names, path)
        assert (answer.file, answer.line) == ("/home/someone/cells.py", line), path
        assert answer.facts[0].value == "block"


@pytest.mark.usefixtures("cells")
def test_generated_code_is_shown_as_what_it_is() -> None:
    names = block("def __init__(self):\n    pass", "<attrs generated init x>")
    answer = ask(names, "__init__")
    assert (answer.file, answer.facts[0].value) == ("<attrs generated init x>", "generated")


@pytest.mark.usefixtures("cells")
def test_a_module_of_a_snapshot_is_shown_under_its_owners_name(tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()
    data = b"# caf\xc3\xa9\r\ndef f(): ...\r\n"
    (tmp_path / "blobs" / content(data).hex()).write_bytes(data)
    text = modules.Text(Shelf(tmp_path, "/nowhere"), content(data), "/owner/p/a.py")
    linecache.cache["/here/view/a.py"] = linecache.cache["/owner/p/a.py"] = text
    names: dict[str, Any] = {}
    exec(compile(data, "/here/view/a.py", "exec"), names)
    answer = ask(names, "f")
    assert (answer.file, answer.line, answer.facts[0].value) == ("/owner/p/a.py", 2, "snapshot")
    assert answer.text == "# café\ndef f(): ...\n"


class TestFiles:
    """Only regular Python files of bounded size are read."""

    @pytest.fixture(autouse=True)
    def _cells(self, cells: None) -> None: ...

    def function(self, file: Path | str) -> dict[str, Any]:
        names: dict[str, Any] = {}
        exec(compile("def f(): ...", str(file), "exec"), names)
        return names

    def test_a_pipe_is_not_waited_for(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe.py")
        assert "no regular file" in ask(self.function(tmp_path / "pipe.py"), "f").why

    def test_devices_directories_and_other_files_are_refused(self, tmp_path: Path) -> None:
        (tmp_path / "folder.py").mkdir()
        (tmp_path / "secret.txt").write_text("password")
        (tmp_path / "device.py").symlink_to("/dev/zero")
        for file in (
            tmp_path / "folder.py",
            tmp_path / "secret.txt",
            tmp_path / "device.py",
            "/dev/zero",
            "<string>",
            "",
        ):
            answer = ask(self.function(file), "f")
            assert not answer.found, file
            assert answer.why

    def test_a_huge_file_is_not_read(self, tmp_path: Path) -> None:
        (tmp_path / "huge.py").write_bytes(b"#" * (peek_source.LARGEST + 1))
        assert "more than" in ask(self.function(tmp_path / "huge.py"), "f").why

    def test_a_file_that_is_gone_says_so(self, tmp_path: Path) -> None:
        answer = ask(self.function(tmp_path / "gone.py"), "f")
        assert answer.why == f"{tmp_path}/gone.py: the file cannot be read (FileNotFoundError)"

    @pytest.mark.parametrize(
        ("head", "data", "coding", "text"),
        [
            ("", "é".encode(), "", "é"),
            ("\ufeff", "é".encode(), "", "é"),
            ("# -*- coding: latin-1 -*-\n", b"\xe9", "", "é"),
            ("#!python\n# vim: set fileencoding=cp1252 :\n", b"\x80", "cp1252", "\x80"),
            ("# coding: utf-8\n", b"\xff", "", "\ufffd"),
        ],
    )
    def test_codings(self, tmp_path: Path, head: str, data: bytes, coding: str, text: str) -> None:
        (tmp_path / "coded.py").write_bytes(head.encode() + b"# " + data + b"\r\ndef f(): ...\n")
        names: dict[str, Any] = {}
        exec(compile("\n\n\ndef f(): ...", str(tmp_path / "coded.py"), "exec"), names)
        answer = ask(names, "f")
        assert {fact.label: fact.value for fact in answer.facts}.get("coding", "") == coding
        assert answer.text.split("\n")[head.count("\n")] == f"# {text}"

    def test_a_hostile_cache_of_lines_is_not_asked(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        class Lines(list[str]):
            def __iter__(self) -> Any:
                raise AssertionError("asked")

        file = tmp_path / "lies.py"
        file.write_text("def f(): ...\n")
        for entry in ((1, None, Lines(["x"]), "x"), (1, None, [b"x"], "x"), (lambda: "x",), [1, None, ["x"], "x"]):
            monkeypatch.setitem(linecache.cache, str(file), entry)  # type: ignore[misc]
            answer = ask(self.function(file), "f")
            assert (answer.text, answer.facts[0].value) == ("def f(): ...\n", "file")


@overload
def area(side: int) -> int: ...
@overload
def area(width: int, height: float = 1.0, *, unit: str = "cm") -> float: ...
def area(*args: Any, **rest: Any) -> Any:
    return args


class Made:
    @overload
    def __init__(self, a: int) -> None: ...
    @overload
    def __init__(self, b: str, /) -> None: ...
    def __init__(self, *args: Any) -> None: ...


def test_overloads_are_listed() -> None:
    answer = ask({"area": area}, "area", what="signature")
    assert [one.text for one in answer.signatures] == [
        "area(side: int) -> int",
        "area(width: int, height: float = 1.0, *, unit: str = 'cm') -> float",
    ]
    assert [one.name for one in answer.signatures[1].parameters] == ["width", "height", "unit"]
    assert answer.signature.startswith("area(*args")


def test_a_classs_overloads_are_its_constructors() -> None:
    answer = ask({"Made": Made}, "Made", what="signature")
    assert [one.text for one in answer.signatures] == ["Made(a: int) -> None", "Made(b: str, /) -> None"]
    assert ask({"json": json}, "json.dumps", what="signature").signatures == []


def test_a_registry_of_overloads_that_lies_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for lie in (3, {area.__module__: 3}, {area.__module__: {"area": [area]}}, {area.__module__: {"area": {1: print}}}):
        monkeypatch.setattr("typing._overload_registry", lie)
        assert ask({"area": area}, "area", what="signature").signatures == []
