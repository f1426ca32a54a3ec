"""Where a text binds names, statement by statement."""

import pytest

from yonder_lsp import targets
from yonder_lsp.targets import Targets


def found(text: str, first: int = 0, last: int = 10**6) -> list[tuple[str, int, int]]:
    return [(one.name, one.line, one.end) for one in Targets().within(text.split("\n"), first, last)]


CASES = {
    "x = 1": ["x"],
    "x: int = 1": ["x"],
    "x: int": [],
    "x, y = 1, 2": ["x", "y"],
    "(a, [b, *c]), d = f()": ["a", "b", "c", "d"],
    "a = b = c": ["a", "b"],
    "x += 1": [],
    "x.y = 1": [],
    "x[0] = 1": [],
    "x == 1": [],
    "f(x=1)": [],
    "for i in range(3):\n    loss = f(i)": ["i", "loss"],
    "for i, (a, b) in z:\n    pass": ["i", "a", "b"],
    "with open(p) as f, g() as (a, b):\n    d = f.read()": ["f", "a", "b", "d"],
    "if a:\n    x = 1\nelif b:\n    y = 2\nelse:\n    z = 3": ["x", "y", "z"],
    "try:\n    x = 1\nexcept E as e:\n    y = 1\nelse:\n    z = 1\nfinally:\n    w = 1": ["x", "y", "z", "w"],
    "while True:\n    x = 1": ["x"],
    "match v:\n    case 1:\n        x = 1": ["x"],
    "async with a as b:\n    pass": ["b"],
    "def f():\n    x = 1": [],
    "class C:\n    x = 1": [],
    "@dec\ndef f():\n    x = 1\ny = 1": ["y"],
    "@dec(\n    1,\n)\nclass C:\n    x = 1\ny = 1": ["y"],
    "if a:\n    def f():\n        x = 1\n    y = 1": ["y"],
    "import a as b\nfrom c import d": [],
    "x = [\n1,\n2,\n]\ny = 1": ["x", "y"],
    's = """\nx = 1\n"""\ny = 2': ["s", "y"],
    's = """\na\nb\nc\nd\ne\nf\n"""\ny = 2': ["s", "y"],
    "x = (\n    1\n)": ["x"],
    "x = = 1\ny = 2": ["y"],
    "x = (1\n\ny = 2": ["y"],
    "# x = 1": [],
    "'x = 1'": [],
    "x = 1; y = 2": ["x", "y"],
    "(n := 3)": [],
    "": [],
    "lambda: (x := 1)": [],
    "[i for i in y]": [],
    "del x": [],
    "\ty = 1": [],
}


@pytest.mark.parametrize("text", CASES)
def test_the_names_that_a_text_binds(text: str) -> None:
    assert [name for name, _, _ in found(text)] == CASES[text]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("x = 1", (0, 1)),
        ("größe = 1", (0, 5)),
        ("a, größe, b = 1, 2, 3", (0, 1)),
        ("for i in x:\n    😀 = 1\n    y = 1", (0, 5)),
        ("x = 1\n\n\n", (0, 1)),
        ("(\n  abc\n) = 1", (1, 5)),
    ],
)
def test_a_target_ends_behind_its_name_in_code_points(text: str, where: tuple[int, int]) -> None:
    first = next(iter(found(text)), None)
    if "😀" in text:  # no name: the statement is none
        assert first is None
        return
    assert first is not None
    assert first[1:] == where


def test_the_text_of_a_target_is_its_statement_and_of_a_loop_its_head() -> None:
    text = "if a:\n    x = f(\n        1,\n    )\nfor i in r:\n    y = 1\nwith (\n    a as b\n):\n    pass"
    told = {one.name: one.text for one in Targets().within(text.split("\n"), 0, 99)}
    assert told == {"x": "x = f(\n1,\n)", "i": "for i in r", "y": "y = 1", "b": "with (\na as b"}


def test_the_line_above_is_told() -> None:
    told = {one.name: one.before for one in Targets().within(["a = 1", "b = 2", "for i in r:", "  c = 1"], 0, 9)}
    assert told == {"a": "", "b": "a = 1", "i": "b = 2", "c": "for i in r:"}


def test_only_the_statements_of_a_range_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [f"x{n} = {n}" for n in range(50_000)]
    read: list[str] = []
    parse = targets.parse
    monkeypatch.setattr(targets, "parse", lambda text: read.append(text) or parse(text))
    names = [one.name for one in Targets().within(lines, 40_000, 40_010)]
    assert names == [f"x{n}" for n in range(40_000, 40_011)]
    assert len(read) == 11


def test_a_range_may_begin_inside_a_statement() -> None:
    text = "for i in r:\n" + "    y = 1\n" * 50 + "z = 1"
    assert {name for name, _, _ in found(text, 30, 31)} == {"i", "y"}


def test_what_was_read_is_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    parse = targets.parse
    monkeypatch.setattr(targets, "parse", lambda text: read.append(text) or parse(text))
    seen = Targets()
    lines = ["a = 1", "b = 2", "c = 3"]
    list(seen.within(lines, 0, 9))
    lines[1] = "b = 20"
    assert [(one.name, one.text) for one in seen.within(lines, 0, 9)] == [
        ("a", "a = 1"),
        ("b", "b = 20"),
        ("c", "c = 3"),
    ]
    assert read == ["a = 1", "b = 2", "c = 3", "b = 20"]


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "KEPT", 100)
    seen = Targets()
    list(seen.within([f"name{n} = {n}" for n in range(1000)], 0, 1000))
    assert sum(map(len, seen._known)) == seen._size <= 100


@pytest.mark.parametrize("quote", ['"""', "'''"])
def test_inside_a_long_string_nothing_is_bound(quote: str) -> None:
    lines = ["s = " + quote, *["x = 1"] * 100, quote, "y = 2"]
    assert [one.name for one in Targets().within(lines, 50, 60)] == []
    assert [one.name for one in Targets().within(lines, 50, 200)] == ["y"]


def test_a_lone_quote_above_does_not_hide_code() -> None:
    lines = ['# """', "import a", "x = 1", "def f():", '    """Doc."""', "y = 1"]
    assert [one.name for one in Targets().within(lines, 2, 9)] == ["x", "y"]


@pytest.mark.parametrize("line", ["x = '" + "a" * 1_000_000 + "'", "x = [" + "1," * 500_000 + "]"])
def test_a_line_of_a_megabyte_is_passed_over(line: str) -> None:
    assert [one.name for one in Targets().within(["a = 1", line, "b = 1"], 0, 9)] == ["a", "b"]


def test_a_very_long_statement_is_passed_over() -> None:
    lines = ["for i in r:", *["    y = 1"] * 5000, "z = 1"]
    assert [one.name for one in Targets().within(lines, 0, 9999)] == ["z"]


@pytest.mark.parametrize(
    "text", ["\x00", "x = '\ud800'", "(" * 500, "x = " + "-" * 3000 + "1", "=" * 100, "\\", "x = 1 \\"]
)
def test_any_text_is_survived(text: str) -> None:
    found(text)
