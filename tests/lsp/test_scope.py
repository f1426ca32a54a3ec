"""Names around a cursor, in tables: rebound, local, imported. The name in question stands before the `|`."""

import re
from pathlib import Path

import pytest

from yonder_lsp import scope
from yonder_lsp.documents import Document


def at(marked: str) -> tuple[Document, str, int]:
    """The document without its mark, the name before the mark, and where it begins."""
    offset = marked.index("|")
    name = re.search(r"\w+$", marked[:offset])
    assert name is not None
    return Document("u", marked[:offset] + marked[offset + 1 :]), name[0], name.start()


LOCAL = [
    "def f(a):\n    a|",
    "def f(a, b: int = 3, *c, d=1, **e):\n    b|",
    "def f(*c):\n    c|",
    "def f(*, d=1):\n    d|",
    "def f(**e):\n    e|",
    "def f(\n    a,\n    b,\n):\n    b|",
    "def f(\n    a,\n) -> int:\n    a|",
    "def f(a, b: dict[str, int]) -> dict[str, int]:\n    a|",
    "async def f(a):\n    await a|",
    "def f(a):\n    if x:\n        while y:\n            a|",
    "def f(a):\n\n\n    # why\n    a|",
    "def f(a):\n    '''What\n\n    it is.'''\n    a|",
    "def f(a):\n    x = '''\nat the edge\n'''\n    a|",
    "def f(a):\n    x = g(\n1,\n2)\n    a|",
    "def f(a): return a|",
    "def f(a): return g(a|",
    "def f():\n    a = 1\n    a|",
    "def f():\n    a|\n    a = 1",
    "def f():\n    a, b = g()\n    b|",
    "def f():\n    (a, [b, *c]) = g()\n    c|",
    "def f():\n    a: int = 1\n    a|",
    "def f():\n    a: int\n    a|",
    "def f():\n    a += 1\n    a|",
    "def f():\n    del a\n    a|",
    "def f():\n    for a in g():\n        a|",
    "def f():\n    for i, a in g():\n        pass\n    a|",
    "async def f():\n    async for a in g():\n        a|",
    "def f():\n    with g() as a:\n        a|",
    "def f():\n    with (g() as b, h() as a):\n        a|",
    "def f():\n    with (\n        g() as b,\n        h() as a,\n    ):\n        a|",
    "async def f():\n    async with g() as a:\n        a|",
    "def f():\n    try:\n        g()\n    except E as a:\n        a|",
    "def f():\n    try:\n        g()\n    except* E as a:\n        a|",
    "def f():\n    import a\n    a|",
    "def f():\n    import a.b\n    a|",
    "def f():\n    from m import a\n    a|",
    "def f():\n    from m import (\n        b,\n        c as a,\n    )\n    a|",
    "def f():\n    if (a := g()):\n        a|",
    "def f():\n    [a := 1 for b in c]\n    a|",
    "def f():\n    def a(): ...\n    a|",
    "def f():\n    class a: ...\n    a|",
    "def f(x):\n    match x:\n        case a:\n            a|",
    "def f(x):\n    match x:\n        case [b, *a]:\n            a|",
    "def f(x):\n    match x:\n        case {'k': v, **a}:\n            a|",
    "def f(x):\n    match x:\n        case P(b=a):\n            a|",
    "def f(x):\n    match x:\n        case P() as a:\n            a|",
    "def f[a](x: a):\n    a|",
    "class A[a]:\n    def f(self):\n        a|",
    "class A:\n    def f(self):\n        self|",
    "class A:\n    x = 1\n\n    @property\n    def f(self):\n        self|",
    "class A:\n    def f(self):\n        pass\n\n    def g(self, a):\n        a|",
    "class A:\n    a = 1\n    a|",
    "class A:\n    a: int\n    a|",
    "class A:\n    def a(self): ...\n    a|",
    "def f(a):\n    def g():\n        a|",
    "def f():\n    a = 1\n    def g():\n        return a|",
    "def f():\n    a = 1\n    def g():\n        nonlocal a\n        a|",
    "def f():\n    def g():\n        def h():\n            a|\n    a = 1",
    "def f(a):\n    lambda x: a|",
    "if x:\n    def f(a):\n        a|",
    "try:\n    pass\nexcept E:\n    def f(a):\n        a|",
    "def f(a):\n    x = [\n        1,\n        a|",
    "def f(a):\n    x = [\n        1,\n        a|\n    ]",
    "def f(a)\n    a|",
    "\tdef f(a):\n\t\ta|",
    "def f(a):\n\ta|",
    "def f(a):\r\n    a|",
    "def f(a):\r\n\r\n    x = 1\r\n    a|",
    "def f(日本):\n    日本|",
    "def f(a):\n    '😀'; a|",
    "x = 1\n\n\ndef f(a):\n    a|\n\n\ny = 2",
    "@d(1)\n@e\ndef f(a):\n    a|",
    "def f(a=lambda: 1, b=2):\n    b|",
    "def f(a):  # def g(b):\n    a|",
    "def f(a):\n    return f'{a|",
    "def f(a):\n    return f'{a|}'",
    "def f(a):\n    x = 1 \\\n  + a|",
    "    def f(a):\n        a|",
    "[a|.x for a in b]",
    "[a| for a in b",
    "[x for a in b if a|]",
    "[x for a in b for c in a|]",
    "{a|: 1 for a in b}",
    "{1: a| for k, a in b}",
    "{a| for a in b}",
    "(a| for a in b)",
    "f(a| for a in b)",
    "f(x, [a| for a in b])",
    "[g(a|) for a in b]",
    "[[a| for c in d] for a in b]",
    "[\n    a|\n    for a in b\n]",
    "[a| for (a, c) in b]",
    "[a| async for a in b]",
    "lambda a: a|",
    "lambda a, b=1: b|",
    "lambda *a: a|",
    "x = lambda a: a|",
    "f(lambda a: a|, 1)",
    "f(key=lambda a: a|.x)",
    "lambda a: lambda b: a|",
    "lambda a: (a|, 1)",
    "lambda a: [x for x in a|]",
]

FREE = [
    "a|",
    "a = 1\na|",
    "def f(a):\n    pass\na|",
    "def f(a):\n    pass\n\n\nx = a|",
    "def f():\n    a|",
    "def f(b):\n    a|",
    "def f(b=a|):\n    pass",
    "def f(b: a|):\n    a = 1",
    "def f(a) -> a|",
    "def f(b, c=a|):\n    a = 1",
    "@a|\ndef f(a): ...",
    "def f(b: a):\n    a|",
    "def f(b=a):\n    a|",
    "def f(b: dict[str, a]):\n    a|",
    "def f():\n    global a\n    a = 1\n    a|",
    "def f():\n    global a, b\n    b = 1\n    b|",
    "def f():\n    x.a = 1\n    a|",
    "def f():\n    a.x = 1\n    a|",
    "def f():\n    a[0] = 1\n    a|",
    "def f():\n    a[0] += 1\n    a|",
    "def f():\n    g(a=1)\n    a|",
    "def f():\n    a == 1\n    a|",
    "def f():\n    [a for a in b]\n    a|",
    "def f():\n    lambda a: 1\n    a|",
    "def f():\n    def g(a):\n        pass\n    a|",
    "def f():\n    def g():\n        a = 1\n    a|",
    "def f():\n    class A:\n        a = 1\n    a|",
    "def f():\n    # a = 1\n    a|",
    "def f():\n    'a = 1'\n    a|",
    "def f():\n    '''\n    a = 1\n    '''\n    a|",
    "def f():\n    x = '''def a():\n    a = 1'''\n    a|",
    "def f():\n    from a import b\n    a|",
    "def f():\n    import b as c, d\n    b|",
    "def f(x):\n    match x:\n        case a.b:\n            a|",
    "def f(x):\n    match x:\n        case a():\n            a|",
    "class A:\n    a = 1\n    def f(self):\n        a|",
    "class A:\n    a = 1\n    def f(self):\n        return [a|]",
    "class A(a|):\n    a = 1",
    "class A:\n    def f(self, a): ...\n    a|",
    "if x:\n    a = 1\n    a|",
    "for a in b:\n    a|",
    "with b as a:\n    a|",
    "while x:\n    a|",
    "try:\n    a = 1\nexcept E as a:\n    a|",
    "[x for x in a|]",
    "[a for a in a|]",
    "[a for a in b] + a|",
    "[a for a in b]\na|",
    "[a|]",
    "[a|, b]",
    "[x for b in a| for a in b]",
    "lambda a: 1, a|",
    "f(lambda a: 1, a|)",
    "(lambda a: 1)(a|)",
    "lambda b=a|: 1",
    "lambda b, a=a|: 1",
    "x = {a|: 1}",
    "def f(a): pass\na|",
    "def f(a): pass; a\na|",
    "def f(a):\n    pass\n\n@a|",
    "def f(a):\n    pass\n# a\nif a|",
    "'''\ndef f(a):\n'''\na|",
    "x = '''\ndef f(a):\n    '''; a|",
    "def f():\n    print(a|",
    "def f():\n    return a|",
    "def int():\n    None|",
]


@pytest.mark.parametrize("marked", LOCAL)
def test_local(marked: str) -> None:
    assert scope.is_local(*at(marked))


@pytest.mark.parametrize("marked", FREE)
def test_not_local(marked: str) -> None:
    assert not scope.is_local(*at(marked))


RAN = "x = load()\ny = 1\ndef f():\n    return 1\nimport m\nx, z = g()\nfor i in y:\n    pass\nx = dict(\n    a=1,\n    b=2,\n)"

# What ran is RAN; the text below stands in the document.
REBOUND = [
    "x = load(2)\nx|",
    "x = load()\nx = load(2)\nx|",
    "x = load(2)\n\n\nprint(1)\nx|",
    "x = load(2)  # why\nx|",
    "x: int = load()\nx|",
    "x = w = load()\nx|",
    "x, y = load()\nx|",
    "(w, (x, y)) = load()\nx|",
    "import x\nx|",
    "import x.y\nx|",
    "from m import x\nx|",
    "from m import (\n    w,\n    x,\n)\nx|",
    "import a as x\nx|",
    "for x in y:\n    x|",
    "with a as x:\n    x|",
    "with (a as w, b as x):\n    x|",
    "try:\n    a\nexcept E as x:\n    x|",
    "def x(): ...\nx|",
    "class x: ...\nx|",
    "class x:\n    a = 1\n\n    def f(self): ...\n\nx|",
    "if a:\n    x = 1\nx|",
    "if a:\n    pass\nelse:\n    x = 1\nx|",
    "try:\n    import x\nexcept ImportError:\n    pass\nx|",
    "if TYPE_CHECKING:\n    import x\nx|",
    "if (x := 1): pass\nx|",
    "print(x := 1)\nx|",
    "match a:\n    case x:\n        pass\nx|",
    "while a:\n    x = 1\nx|",
    "x = 1; y = 2\nx|",
    "y = 2; x = 1\nx|",
    "def g():\n    global x\n    x = 1\nx|",
    "x = dict(\n    a=1,\n    b=3,\n)\nx|",
    "x = f(\n  'unfinished\nx|",
    "x = [\n\ny|\nx = 1\nx|".replace("y|\n", ""),
    "async def x(): ...\nx|",
    "@d\ndef x(): ...\nx|",
    "type x = int\nx|",
    "x = '😀'\nx|",
    "x = 1\r\nx|",
    "x = 1\n\tx|",
    "x = 2\ndef f():\n    x|",
    "[x := 1 for a in b]\nx|",
]

KEPT = [
    "x|",
    "x = load()\nx|",
    "    x = load()\nx|",
    "x = load(2)\nx = load()\nx|",
    "print(1)\nx|",
    "x = load()\n# x = 2\nx|",
    "x = load()\n'x = 2'\nx|",
    "x = load()\n'''\nx = 2\n'''\nx|",
    "x = load()\nx == 2\nx|",
    "x = load()\nx.a = 2\nx|",
    "x = load()\nx[0] = 2\nx|",
    "x = load()\nx[0], x.b = 2\nx|",
    "x = load()\nx += 2\nx|",
    "x = load()\ndel x\nx|",
    "x = load()\nx: int\nx|",
    "x = load()\ng(x=2)\nx|",
    "x = load()\nw = x\nx|",
    "x = load()\n[x for x in w]\nx|",
    "x = load()\nlambda x: 1\nx|",
    "x = load()\ndef g(x):\n    x = 2\nx|",
    "x = load()\ndef g():\n    x = 2\nx|",
    "x = load()\nasync def g():\n    x = 2\nx|",
    "x = load()\nclass A:\n    x = 2\nx|",
    "x = load()\nclass A:\n    def x(self): ...\nx|",
    "x = load()\nclass A:\n    def g(self):\n        x = 2\nx|",
    "x = load()\nif a:\n    def g():\n        x = 2\nx|",
    "x = load()\nfrom w import *\nx|",
    "x = load()\nimport w.x\nx|",
    "x = load()\nfrom x import w\nx|",
    "x = load()\nx|\nx = 2",
    "x = load()\nx| = 2",
    "x = load()\nxx = 2\nx|",
    "x = load()\nw.x = 2\nx|",
    "x = load()\nprint(f'{x=}')\nx|",
    "x, z = g()\nx|",
    "x, z = g()\nz|",
    "def f():\n    return 1\nf|",
    "def f():\n    return 2\nf|",  # the body is another, and f a function still
    "import m\nm|",
    "for i in y:\n    i|",
    "x = dict(\n    a=1,\n    b=2,\n)\nx|",
    "x = dict(\n    # why\n    a=1,\n\n    b=2,\n)\nx|",
    "x = load()\nfor w in x:\n    x|",
    "x = load()\nx = x|",
    "x = load()\r\nx|",
    "x = load()\ndef g():\n    x = 2\n    def h():\n        global x\nx|",
    "broken = (\nx = load()\nx|",
    "x = load()\nbroken = [1,\nprint(x|",
]


@pytest.mark.parametrize("marked", REBOUND)
def test_rebound(marked: str) -> None:
    document, name, offset = at(marked)
    assert scope.rebound(document, name, document.position(offset).line, {row.strip() for row in RAN.splitlines()})


@pytest.mark.parametrize("marked", KEPT)
def test_not_rebound(marked: str) -> None:
    document, name, offset = at(marked)
    assert not scope.rebound(document, name, document.position(offset).line, {row.strip() for row in RAN.splitlines()})


def test_the_cells_above_count() -> None:
    cell = Document("c", "print(1)\nx.", above="x = load(2)\n")
    assert scope.rebound(cell, "x", 1, {"x = load()"})
    assert not scope.rebound(cell, "x", 1, {"x = load(2)"})
    assert not scope.rebound(Document("c", "x = load()\nx.", above="x = load(2)\n"), "x", 1, {"x = load()"})


def test_the_table_is_large() -> None:
    assert len(LOCAL) + len(FREE) + len(REBOUND) + len(KEPT) > 200


@pytest.mark.parametrize("line", ["x = 1", "    x = 1", "for x in y:", "import x", "print(x := 3)"])
def test_lines_that_bind(line: str) -> None:
    assert scope.binds(line, "x")
    assert not scope.binds(line, "w")


@pytest.mark.parametrize("line", ["x == 1", "f(x)", "y = x", "x.a = 1", "x[0] = 2", "", "  "])
def test_lines_that_do_not_bind(line: str) -> None:
    assert not scope.binds(line, "x")


def test_half_written_code_is_read_without_an_exception() -> None:
    for marked in [*LOCAL, *FREE, *REBOUND, *KEPT]:
        document, name, _ = at(marked)
        for offset in range(len(document.text) % 3, len(document.text) + 1, 3):
            half = Document("u", document.text[:offset])
            scope.is_local(half, name, offset)
            scope.rebound(half, name, half.position(offset).line, set())


@pytest.mark.timeout(60)  # a few ms; quadratic time would take minutes
@pytest.mark.parametrize("end", ["x", "    x", "item"])
def test_a_long_file_is_read_in_little_time(end: str) -> None:
    text = "def f(a):\n    x.y = a\n    for item in a:\n        print(item)\n\n\nx.z(a)\n" * 7000 + end
    document = Document("u", text)
    assert document.start(3)
    scope.is_local(document, "x", len(text) - 1)
    scope.rebound(document, "x", len(document.lines) - 1, set())


def test_third_party_imports(tmp_path: Path) -> None:
    (tmp_path / "mine.py").touch()
    (tmp_path / "pkg").mkdir()
    text = "import os, torch.nn\nimport numpy as np\nfrom sklearn.x import y\nimport mine\nfrom pkg import z\nfrom . import w\nimport yonder\n"
    assert scope.third_party(text, str(tmp_path)) == ["torch", "numpy", "sklearn"]
    assert scope.third_party("import torch\nx = (\n", str(tmp_path)) == ["torch"]
