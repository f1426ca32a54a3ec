"""What a cursor asks, in text with `|` where it stands."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yonder.wire import Step
from yonder_lsp import cursor
from yonder_lsp.cursor import Attribute, Elsewhere, Import, Key, Name


def ask(marked: str) -> cursor.Question | None:
    offset = marked.index("|")
    return cursor.question(marked[:offset] + marked[offset + 1 :], offset)


def words(path: cursor.Path) -> str:
    """A path as a person writes it."""
    out = ""
    for step in path:
        out += {"name": f"{step.value}", "attr": f".{step.value}"}.get(step.kind, f"[{step.value!r}]")
    return out


@pytest.mark.parametrize(
    ("text", "path", "prefix"),
    [
        ("np.li|", "np", "li"),
        ("model.encoder.la|", "model.encoder", "la"),
        ("x = y.|", "y", ""),
        ("cfg['lr'].|", "cfg['lr']", ""),
        ('cfg["a"]["b"].x.y|', "cfg['a']['b'].x", "y"),
        ("xs[0].s|", "xs[0]", "s"),
        ("xs[-1].s|", "xs[-1]", "s"),
        ("f(a, b.|", "b", ""),
        ("f(\n    a,\n    b.c|", "b", "c"),
        ("(\n  model\n  .enc|", "model", "enc"),
        ("model.\\\n  enc|", "model", "enc"),
        ("if x.y|:\n    pass", "x", "y"),
        ('"""doc\nstring"""\nx.|', "x", ""),
        ("s = '#'; x.|", "x", ""),
        ('f"{model.la|', "model", "la"),
        ('f"{a} and {model.la|"', "model", "la"),
        ("über.straße|", "über", "straße"),
        ("x = 'broken\ny.z|", "y", "z"),
        ("def f(:\n  pass\nmodel.|", "model", ""),
        ("a = [1,\nmodel.x|", "model", "x"),
    ],
)
def test_attributes(text: str, path: str, prefix: str) -> None:
    found = ask(text)
    assert isinstance(found, Attribute)
    assert (words(found.path), found.prefix) == (path, prefix)
    assert found.start == text.index("|") - len(prefix)


@pytest.mark.parametrize(
    "text", ["f(x).|", "[1].|", "(a + b).c|", '"text".up|', "x[i].|", "x[1:2].|", "f(x)['a'].|", "x[f'{a}'].|"]
)
def test_what_is_more_than_a_path_is_left_to_the_static_engine(text: str) -> None:
    assert isinstance(ask(text), Elsewhere)


@pytest.mark.parametrize(
    "text",
    [
        "# np.li|",
        "x = 1  # np.|",
        '"np.|"',
        "'''\nnp.|\n'''",
        "1.|",
        "def fo|",
        "class Fo|",
        "import numpy as n|",
        'f"{{np.|',
        'f"{a} np.|',
    ],
)
def test_places_without_a_question(text: str) -> None:
    assert ask(text) is None


@pytest.mark.parametrize(
    ("text", "path", "prefix", "quote"),
    [
        ('df["co|', "df", "co", '"'),
        ("df['co|']", "df", "co", "'"),
        ("df[|", "df", "", ""),
        ("df[|]", "df", "", ""),
        ('cfg["model"]["|', "cfg['model']", "", '"'),
        ('run.data["sepal len|', "run.data", "sepal len", '"'),
    ],
)
def test_keys(text: str, path: str, prefix: str, quote: str) -> None:
    found = ask(text)
    assert isinstance(found, Key)
    assert (words(found.path), found.prefix, found.quote) == (path, prefix, quote)
    assert found.start == text.index("|") - len(prefix)


@pytest.mark.parametrize(
    ("text", "module", "prefix"),
    [
        ("import nu|", "", "nu"),
        ("import os, tor|", "", "tor"),
        ("import torch.n|", "torch", "n"),
        ("import a.b.|", "a.b", ""),
        ("from to|", "", "to"),
        ("from torch.n|", "torch", "n"),
        ("from torch.nn import Li|", "torch.nn", "Li"),
        ("from torch.nn import (Linear,\n    Con|", "torch.nn", "Con"),
        ("x = 1; import nu|", "", "nu"),
    ],
)
def test_imports(text: str, module: str, prefix: str) -> None:
    assert ask(text) == Import(module, prefix, text.index("|") - len(prefix))


def test_names_and_the_call_around_them() -> None:
    found = ask("fit(model, lr=0.1, ep|")
    assert isinstance(found, Name)
    assert found.prefix == "ep"
    assert found.call is not None
    assert words(found.call.function) == "fit"
    assert (found.call.index, found.call.keyword, found.call.used) == (2, "", {"lr"})
    plain = ask("mod|")
    assert plain == Name("mod", 0, None)


@pytest.mark.parametrize(
    ("text", "function", "index", "keyword"),
    [
        ("torch.nn.Linear(3, |", "torch.nn.Linear", 1, ""),
        ("f(g(1, 2), |", "f", 1, ""),
        ("f(g(1, |", "g", 1, ""),
        ("f([1, 2, |", "f", 0, ""),
        ("f(lr=|", "f", 0, "lr"),
        ("f((1, 2), {3: 4}, |", "f", 2, ""),
        ("if (f(|", "f", 0, ""),
    ],
)
def test_calls(text: str, function: str, index: int, keyword: str) -> None:
    offset = text.index("|")
    call = cursor.call_at(text[:offset] + text[offset + 1 :], offset)
    assert call is not None
    assert (words(call.function), call.index, call.keyword) == (function, index, keyword)


@pytest.mark.parametrize("text", ["(1, |", "def f(a, |", "class A(B|", "f(1) |", "print # (|", "return (|"])
def test_no_call(text: str) -> None:
    offset = text.index("|")
    assert cursor.call_at(text[:offset] + text[offset + 1 :], offset) is None


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("mod|el.encoder.layer", "model"),
        ("model.enc|oder.layer", "model.encoder"),
        ("model.encoder.layer|", "model.encoder.layer"),
        ("print(x|, y)", "x"),
        ("cfg['l|r'] + 1", "cfg['lr']"),
        ("a = 1\nb = a|\n", "a"),
    ],
)
def test_hover_targets(text: str, path: str) -> None:
    offset = text.index("|")
    found = cursor.target(text[:offset] + text[offset + 1 :], offset)
    assert found is not None
    assert words(found.path) == path


@pytest.mark.parametrize("text", ["f(x).att|r", "'a | string'", "# com|ment", "i|f x:", "  |  "])
def test_nothing_to_hover(text: str) -> None:
    offset = text.index("|")
    assert cursor.target(text[:offset] + text[offset + 1 :], offset) is None


def test_index_steps_are_numbers() -> None:
    found = ask("xs[-2].|")
    assert isinstance(found, Attribute)
    assert found.path[1] == Step("index", -2)


@given(st.text(alphabet="ab.([{}])'\"#\n \\=,:fr1é😀", max_size=60), st.integers(0, 60))
def test_any_text_is_answered_without_an_exception(text: str, at: int) -> None:
    offset = min(at, len(text))
    cursor.question(text, offset)
    cursor.call_at(text, offset)
    cursor.target(text, offset)


def test_a_long_file_is_read_in_little_time() -> None:
    text = "def f(a):\n    return a + 1  # 'x'\n\n" * 2000 + "model.enc"
    begin = time.perf_counter()
    found = cursor.question(text, len(text))
    assert isinstance(found, Attribute)
    assert time.perf_counter() - begin < 1.0  # a few ms; a slow machine may take its time, quadratic time may not
