"""Names that a text binds at its top level."""

import pytest

from yonder_lsp import bound


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("x = 1", "x"),
        ("x: list[int] = []", "x"),
        ("x = y = f(z=1)", "x y"),
        ("a, (b, *c) = f()", "a b c"),
        ("[a, b] = f()", "a b"),
        ("(a, b) = f()", "a b"),
        ("x += 1", ""),
        ("x == 1", ""),
        ("x.y = 1", ""),
        ("x[i] = 1", ""),
        ("f(x=1)", ""),
        ("print('a = b')", ""),
        ("# x = 1", ""),
        ("import os", "os"),
        ("import os.path, numpy as np", "os np"),
        ("from os import path", "path"),
        ("from a.b import c as d, e  # f", "d e"),
        ("from . import w", "w"),
        ("from a import (\n    b,\n    c as d,  # e\n)\n", "b d"),
        ("def f(a):\n    b = 1\nc = 2", "f c"),
        ("async def f(a):\n    pass", "f"),
        ("class A:\n    x = 1\n    def g(self):\n        y = 1\n\nz = 1", "A z"),
        ("if a:\n    x = 1\nelse:\n    def f(): pass\n    y = 2", "x f y"),
        ("for i, (j, k) in z:\n    x = i", "i j k x"),
        ("with f() as g, h() as i:\n    pass", "g i"),
        ("try:\n    pass\nexcept E as e:\n    pass", "e"),
        ("if (n := f()) > 1: pass", "n"),
        ("größe = 1\nx = (", "größe x"),
        ("def f(:\n  x = 1\n y =", "f"),
        ("", ""),
    ],
)
def test_names(text: str, names: str) -> None:
    assert bound.names(text) == set(names.split())


def test_of_a_text_that_is_too_large_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bound, "LARGEST", 5)
    assert bound.names("x = 1") == {"x"}
    assert bound.names("xy = 1") == frozenset()
