"""Names around a cursor: rebound, local, imported."""

from pathlib import Path

import pytest

from yonder_lsp import scope


@pytest.mark.parametrize(
    "line",
    ["x = 1", "x: int = 1", "a, x = f()", "x, a = f()", "(a, x) = f()", "x = y = 1", "import x", "from m import x", "import a as x", "def x():",
     "class x:", "for x in y:", "for i, x in y:", "with f() as x:", "print(x := 3)", "[x, *r] = f()"],
)  # fmt: skip
def test_lines_that_bind(line: str) -> None:
    assert scope.binds(line, "x")


@pytest.mark.parametrize(
    "line",
    ["x == 1", "f(x)", "y = x", "print(x)", "x.a = 1", "xx = 1", "if x <= 1:", "x[0] = 2", "f(x=1)", "y = f(x=1)"],
)
def test_lines_that_do_not_bind(line: str) -> None:
    assert not scope.binds(line, "x")


def test_a_binding_that_ran_is_not_rebound_and_an_edited_one_is() -> None:
    lines = ["x = load()", "", "x.", ""]
    assert not scope.rebound(lines, "x", 2, {"x = load()"})
    assert scope.rebound(["x = load(2)", "x."], "x", 1, {"x = load()"})
    assert not scope.rebound(["print(1)", "x."], "x", 1, set())
    assert scope.rebound(["x = 1", "x = 2", "x."], "x", 2, {"x = 1"})
    assert not scope.rebound(["x = 1", "# x = 2", "x."], "x", 2, {"x = 1"})


def test_locals_of_functions() -> None:
    lines = ["def f(a, b: int = 3,", "      *, c=None):", "    d = a", "", "    return d", "", "z = 1"]
    assert [name for name in "abcdz" if scope.is_local(lines, name, 4)] == ["a", "b", "c", "d"]
    assert not scope.is_local(lines, "a", 6)
    assert not scope.is_local(lines, "int", 4)
    assert not scope.is_local(lines, "None", 4)


def test_a_method_sees_self_and_not_the_names_of_its_class() -> None:
    lines = ["class A:", "    x = 1", "    def f(self):", "        for i in y:", "            self."]
    assert scope.is_local(lines, "self", 4)
    assert scope.is_local(lines, "i", 4)
    assert not scope.is_local(lines, "x", 4)


def test_third_party_imports(tmp_path: Path) -> None:
    (tmp_path / "mine.py").touch()
    (tmp_path / "pkg").mkdir()
    text = "import os, torch.nn\nimport numpy as np\nfrom sklearn.x import y\nimport mine\nfrom pkg import z\nfrom . import w\nimport yonder\n"
    assert scope.third_party(text, str(tmp_path)) == ["torch", "numpy", "sklearn"]
    assert scope.third_party("import torch\nx = (\n", str(tmp_path)) == ["torch"]
