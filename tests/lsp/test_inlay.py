"""Where a hint stands, and when it is stale."""

import pytest

from yonder import wire
from yonder_lsp.documents import Document
from yonder_lsp.inlay import hints
from yonder_lsp.ran import Ran
from yonder_lsp.targets import Targets, of_block

URI = "file:///w/a.py"
TENSOR = wire.Row("x", "v", "torch.Tensor", "Tensor[32, 10] float32")
ROWS = {
    "x": TENSOR,
    "y": wire.Row("y", "v", "int", "int"),
    "f": wire.Row("f", "m", "function", ""),
    "a": wire.Row("a", "v", "numpy.ndarray", "ndarray[3] int64"),
    "lin": wire.Row("lin", "v", "torch.nn.modules.linear.Linear", "Linear(3 → 4)"),
}


def shown(text: str, *ran: str, shapes: bool = False) -> list[str]:
    """The text with its hints: `x<: int>`, stale ones `x<: int ?>`."""
    runs = Ran()
    for number, code in enumerate(ran):
        runs.started(str(number), "main", "/w/a.py", 0)
        runs.read(str(number), of_block(code))
        runs.ended(str(number), "ok", None)
    document = Document(URI, text)
    targets = Targets().within(document.lines, 0, len(document.lines))
    found = hints(document, targets, ROWS, runs.last("main"), "main", shapes=shapes)
    lines = list(document.lines)
    for hint in sorted(found, key=lambda one: (one["position"]["line"], -one["position"]["character"])):
        line, column = hint["position"]["line"], hint["position"]["character"]
        units = lines[line].encode("utf-16-le")
        lines[line] = (
            f"{units[: 2 * column].decode('utf-16-le')}<{hint['label']}>{units[2 * column :].decode('utf-16-le')}"
        )
        assert hint["data"]["stale"] == hint["label"].endswith(" ?")
    return lines


X = "x<: Tensor[32, 10] float32>"
OLD = "x<: Tensor[32, 10] float32 ?>"


@pytest.mark.parametrize(
    ("text", "ran", "expected"),
    [
        ("x = f()", ["x = f()"], [f"{X} = f()"]),
        ("x = f()", [], ["x = f()"]),
        ("x, y = f()", ["x, y = f()"], [f"{X}, y<: int> = f()"]),
        ("x = 1\nx = f()", ["x = 1\nx = f()"], ["x = 1", f"{X} = f()"]),
        ("x = 1\nx = f()", ["x = 1", "x = f()"], ["x = 1", f"{X} = f()"]),
        ("x = 1\nx = f()", ["x = f()", "x = 1"], [f"{X} = 1", "x = f()"]),
        ("x = f(x)\nx = f(x)", ["x = 0\nx = f(x)\nx = f(x)"], ["x = f(x)", f"{X} = f(x)"]),
        ("x = g()", ["x = f()"], [f"{OLD} = g()"]),
        ("x = f()\nx = g()", ["x = f()"], [f"{X} = f()", "x = g()"]),
        ("x = g()\nx = h()", ["x = f()"], [f"{OLD} = g()", "x = h()"]),
        ("  x = f()\n", ["x = f()"], ["  x = f()", ""]),
        ("if a:\n    x = f()", ["if a:\n  x = f()"], ["if a:", f"    {X} = f()"]),
        ("for x in y:\n    pass", ["for x in y:\n    pass"], [f"for {X} in y:", "    pass"]),
        ("for x in y:\n    other()", ["for x in y:\n    pass"], [f"for {X} in y:", "    other()"]),
        ("for x in z:\n    pass", ["for x in y:\n    pass"], [f"for {OLD} in z:", "    pass"]),
        ("with g() as x:\n    pass", ["with g() as x:\n    pass"], [f"with g() as {X}:", "    pass"]),
        ("x = f(\n  2\n)", ["x = f(\n  1\n)"], [f"{OLD} = f(", "  2", ")"]),
        ("x = f(\n  1\n)", ["x = f(\n 1\n)"], [f"{X} = f(", "  1", ")"]),
        ("x = f()  # remark", ["x = f()"], [f"{X} = f()  # remark"]),
        ("for x in y:  # remark", ["for x in y: pass"], ["for x in y:  # remark"]),
        ("for x in y:  # remark\n  pass", ["for x in y: pass"], [f"for {X} in y:  # remark", "  pass"]),
        ("z = 'ö'; x = f()", ["x = f()"], [f"z = 'ö'; {X} = f()"]),
        ("x = f()  # was\nx = g()", ["x = f()"], [f"{X} = f()  # was", "x = g()"]),
        ("def f(): pass", ["def f(): pass"], ["def f(): pass"]),
        ("f = g", ["f = g"], ["f = g"]),
        ("import x", ["import x"], ["import x"]),
        ("unknown = 1", ["unknown = 1"], ["unknown = 1"]),
        ("x = '😀'; y = 1", ["x = '😀'; y = 1"], [f"{X} = '😀'; y<: int> = 1"]),
        ("s = '😀'; y = 1", ["s = '😀'; y = 1"], ["s = '😀'; y<: int> = 1"]),
        ("x = f()\r\nz = 1", ["x = f()\r\nz = 1"], [f"{X} = f()", "z = 1"]),
    ],
)
def test_hints_stand_where_the_value_came_from(text: str, ran: list[str], expected: list[str]) -> None:
    assert shown(text, *ran) == expected


def test_a_new_statement_is_not_stale_because_the_old_one_is_out_of_sight() -> None:
    runs = Ran()
    runs.started("r", "main", "/w/a.py", 0)
    runs.read("r", of_block("x = f(\n  1)"))
    runs.ended("r", "ok", None)
    for text, stale in (("x = f(\n1)\nx = g()", False), ("x = f(\n2)\nx = g()", True)):
        document = Document(URI, text)
        seen = Targets().within(document.lines, 2, 2)
        found = hints(document, seen, ROWS, runs.last("main"), "main", shapes=False)
        assert [hint["data"]["stale"] for hint in found] == ([True] if stale else [])


def test_beside_another_server_only_shapes_are_shown() -> None:
    text = "x = 1\ny = 1\na = 1\nlin = 1"
    assert shown(text, text, shapes=True) == [f"{X} = 1", "y = 1", "a<: ndarray[3] int64> = 1", "lin = 1"]
    assert shown(text, text)[3] == "lin<: Linear(3 → 4)> = 1"
