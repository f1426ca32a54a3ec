"""What a cursor asks, in tables: `text with |` and the answer in words. Half-written code everywhere."""

import pytest

from yonder_lsp import cursor
from yonder_lsp.cursor import Attribute, Elsewhere, Import, Key, Name
from yonder_lsp.tokens import BACK, MOST, NEAR


def at(marked: str) -> tuple[str, int]:
    offset = marked.index("|")
    return marked[:offset] + marked[offset + 1 :], offset


def words(path: cursor.Path) -> str:
    shown = {"name": "{}", "attr": ".{}", "key": "[{!r}]", "index": "[{!r}]"}
    return "".join(shown[step.kind].format(step.value) for step in path)


def said(text: str, offset: int) -> str:
    """The question: `path.prefix`, `path["prefix`, `import module prefix`, `name prefix`, `name prefix in f/2 lr`."""
    found = cursor.question(text, offset)
    if found is None:
        return "-"
    assert found.start == offset - len(found.prefix)
    match found:
        case Attribute(path=path, prefix=prefix):
            return f"{words(path)} . {prefix}".strip()
        case Key(path=path, prefix=prefix, quote=quote):
            return f"{words(path)} [ {quote}{prefix}".strip()
        case Import(module=module, prefix=prefix):
            return f"import {module} : {prefix}".strip()
        case Elsewhere(prefix=prefix):
            return f"? {prefix}".strip()
        case Name(prefix=prefix, call=None):
            return f"name {prefix}".strip()
        case Name(prefix=prefix, call=call):
            return " ".join(f"name {prefix} in {words(call.function)}/{call.index} {call.keyword}".split())


Table = dict[str, str]

STRINGS: Table = {
    "'x.|": "-",
    '"x.|"': "-",
    "b'x.|'": "-",
    "r'x\\|'": "-",
    "rb'x.|'": "-",
    "u'x.|'": "-",
    "'it\\'s x.|'": "-",
    "'it\\'s'; x.|": "x .",
    "'a' 'b'; x.|": "x .",
    '"""a\nb.|"""': "-",
    '"""a\nb"""\nx.|': "x .",
    "'''a\n\"\"\"\nb.|'''": "-",
    "'''a\n\"\"\"\n'''\nx.|": "x .",
    '"""a \\""" b.|"""': "-",
    'x = """\ndef f():\n    y.|\n"""': "-",
    "s = 'open\nx.|": "x .",
    's = "a#b"; x.|': "x .",
    's = "#"\nx.|': "x .",
    "x = 'a' + y.|": "y .",
    '"%s" % x.|': "x .",
    'x = "a\\\nb.|"': "-",
    'x = "a\\\nb"; y.|': "y .",
    '"".|': "?",
    '"".jo|': "? jo",
    "f(''.|": "?",
    "x['a'].|": "x['a'] .",
    "x['a\\n'].|": "?",
    "x[b'a'].|": "?",
    "x[f'a'].|": "?",
    "x['''a'''].|": "x['a'] .",
    "x[r'a'].|": "x['a'] .",
    "x['a' 'b'].|": "?",
    "print('a', x.|": "x .",
}

FSTRINGS: Table = {
    "f'x.|'": "-",
    "f'{x.|'": "x .",
    "f'{x.|}'": "x .",
    "f'{x} y.|'": "-",
    "f'{x} {y.a|}'": "y . a",
    "F'{x.|'": "x .",
    "rf'{x.|'": "x .",
    "fr'{x.|'": "x .",
    "t'{x.|'": "x .",
    "f'{{x.|'": "-",
    "f'{{{x.|'": "x .",
    "f'{x}}} y.|'": "-",
    "f'{x!r} y.|": "-",
    "f'{x:>|'": "-",
    "f'{x:>{w.|'": "w .",
    "f'{x:>{w}} {y.|'": "y .",
    "f'{x:%H:%M} {y.|'": "y .",
    "f'{d[\"k|": 'd [ "k',
    "f'{d[|": "d [",
    "f\"{d['k']} {x.|": "x .",
    "f\"{d['k'].|": "d['k'] .",
    'f"{d["k|': 'd [ "k',  # the same quotes inside, since Python 3.12
    'f"{d["k"].|': "d['k'] .",
    'f"{d["k"]} {x.|': "x .",
    'f"{f"{x.|': "x .",
    'f"{f"{x}"} {y.|': "y .",
    'f"{", ".join(x.|': "x .",
    "f'{[a.|": "a .",
    "f'{ {1: a.|": "a .",
    "f'{(lambda: x.|": "x .",
    "f'{fit(a, |": "name in fit/1",
    "f'{fit(lr=|": "name in fit/0 lr",
    "f'''{\nx.|": "x .",
    "f'''{x}\n{y.|": "y .",
    "f'''{x}\ny.|'''": "-",
    "f'''a'''\ny.|": "y .",
    "f'{x\ny.|": "y .",
    "f'{x}'; y.|": "y .",
    "f'{x'; y.|": "y .",
    "print(f'{x', y.|": "y .",
    "f'{x}'.|": "?",
    "f(f'{a}', b.|": "b .",
    "f'{x:{w}.{p}}' + y.|": "y .",
    "f'\\{x.|": "x .",
    "f'{a if b else c.|": "c .",
    "f'{x=} {y.|": "y .",
    "f'{x.y!r:>10} {z.|": "z .",
}

COMMENTS: Table = {
    "# x.|": "-",
    "x # y.|": "-",
    "x = 1 #|": "-",
    "x #\ny.|": "y .",
    "f(  # x.|": "-",
    "f(  # a (\n  x.|": "x .",
    "f(a,  # one\n  b,  # two\n  |": "name in f/2",
    "[  # '''\nx.|": "x .",
    "# '\nx.|": "x .",
    '# """\nx.|': "x .",
    "x = 1  # it's\ny.|": "y .",
    "#!/usr/bin/env python\nx.|": "x .",
    "if x:  # why\n    y.|": "y .",
    "# %% cell\nx.|": "x .",
    "'#' + x.|": "x .",
    "f'{x}#{y.|": "y .",
    "f'#{y.|": "y .",
}

PATHS: Table = {
    "x.|": "x .",
    "x.y.|": "x.y .",
    "x.y.z|": "x.y . z",
    "x .y|": "x . y",
    "x. y|": "x . y",
    "x.\\\n  y|": "x . y",
    "x \\\n  .y|": "x . y",
    "(x\n .y|": "x . y",
    "(x  # why\n .y|": "x . y",
    "x[0].|": "x[0] .",
    "x[-1].|": "x[-1] .",
    "x[ 0 ].|": "x[0] .",
    "x[0][1].|": "x[0][1] .",
    "x[0]['a'].b.|": "x[0]['a'].b .",
    "x[1_000].|": "?",
    "x[0x1].|": "?",
    "x[1.5].|": "?",
    "x[1:2].|": "?",
    "x[1,].|": "?",
    "x[i].|": "?",
    "x[a.b].|": "?",
    "x[()].|": "?",
    "x().|": "?",
    "x().y.|": "?",
    "x.y().|": "?",
    "x()[0].|": "?",
    "(x).|": "?",
    "(x + y).|": "?",
    "[x][0].|": "?",
    "{}.|": "?",
    "1 .|": "?",
    "1.|": "-",
    "1.5.|": "-",
    "x.1|": "-",
    "None.|": "?",
    "True.|": "?",
    "not x.|": "x .",
    "-x.|": "x .",
    "~x.|": "x .",
    "await x.|": "x .",
    "yield x.|": "x .",
    "return x.|": "x .",
    "raise x.|": "x .",
    "assert x.|": "x .",
    "del x.|": "x .",
    "*x.|": "x .",
    "print(*x.|": "x .",
    "print(**x.|": "x .",
    "a if b.|": "b .",
    "a if b else c.|": "c .",
    "a and b.|": "b .",
    "a in b.|": "b .",
    "a is not b.|": "b .",
    "a @ b.|": "b .",
    "a:=b.|": "b .",
    "(a := b.|": "b .",
    "a = b = c.|": "c .",
    "a += b.|": "b .",
    "a: b.|": "b .",
    "a: b = c.|": "c .",
    "a -> b.|": "b .",
    "a<b.|": "b .",
    "a, b.|": "b .",
    "a; b.|": "b .",
    "x..|": "?",
    "x...|": "name",
    ".|": "?",
    "..|": "?",
    "match.|": "match .",
    "case.|": "case .",
    "type.|": "type .",
    "_.|": "_ .",
    "__x.|": "__x .",
    "self.x|": "self . x",
    "x.if.|": "x.if .",
    "x.class_|": "x . class_",
    "if.|": "?",
}

BLOCKS: Table = {
    "if x.|:": "x .",
    "if x.|:\n    pass": "x .",
    "while x.|": "x .",
    "for a in x.|": "x .",
    "for a in x.|:\n    b": "x .",
    "with x.|": "x .",
    "with x as y, z.|": "z .",
    "with (x.|": "x .",
    "with (a as b, c.|": "c .",
    "try:\n    x.|": "x .",
    "try:\n    x\nexcept y.|": "y .",
    "try:\n    x\nexcept* y.|": "y .",
    "except (a, b.|": "b .",
    "@x.|": "x .",
    "@x.|\ndef f(): ...": "x .",
    "@x(y.|": "y .",
    "@x(y)\n@z.|": "z .",
    "async def f():\n    await x.|": "x .",
    "async with x.|": "x .",
    "async for a in x.|": "x .",
    "class A(x.|": "x .",
    "class A(metaclass=x.|": "x .",
    "def f(a: x.|": "x .",
    "def f(a=x.|": "x .",
    "def f(a, b: x.|": "x .",
    "def f() -> x.|": "x .",
    "def f(a) -> x.|:": "x .",
    "def f[T: x.|": "x .",
    "lambda: x.|": "x .",
    "lambda a: x.|": "x .",
    "lambda a=x.|": "x .",
    "match x.|": "x .",
    "match x:\n    case y.|": "y .",
    "match x:\n    case A(b=c.|": "c .",
    "match x:\n    case a if b.|": "b .",
    "type A = x.|": "x .",
    "[a for a in x.|": "x .",
    "[a.| for a in x]": "a .",
    "{a: b.| for a in x}": "b .",
    "(a for a in x if a.|": "a .",
    "global x.|": "x .",
    "if a:\n    b\nelse:\n    x.|": "x .",
    "if (a and\n        x.|": "x .",
    "x = [\n    a,\n    b.|\n]": "b .",
    "x = {\n    'a': b.|\n}": "b .",
    "def f(:\n    pass\nx.|": "x .",
    "foo(\n\ndef g():\n    x.|": "x .",
    "foo(\n    bar(\n\nclass A:\n    x = y.|": "y .",
    "x = (\nimport a\ny.|": "y .",
    "if x\n    y.|": "y .",
    "x = [1, 2\nprint(y.|": "y .",
    "    return x.|": "x .",
    "\tx.|": "x .",
    "\x0cx.|": "x .",
    "\ufeffx.|": "x .",
    "\ufeffimport x.|": "import x :",
    "x = 1\r\ny.|": "y .",
    "x = (1,\r\n  y.|": "y .",
    "x = 1\\\r\n  + y.|": "y .",
    "\n\n\nx.|": "x .",
    "x.|\n\n": "x .",
    "x.| = 3": "x .",
    "x.|()": "x .",
    "x.|y.z": "x .",
    "x.a|b": "x . a",
}

KEYS: Table = {
    "x[|": "x [",
    "x[|]": "x [",
    "x['|": "x [ '",
    'x["|': 'x [ "',
    "x['a|": "x [ 'a",
    "x['a|']": "x [ 'a",
    "x['a b|": "x [ 'a b",
    "x['a.b|": "x [ 'a.b",
    "x['#|": "x [ '#",
    "x['日|": "x [ '日",
    "x['😀|": "x [ '😀",
    "x[u'a|": "x [ 'a",
    "x[r'a|": "x [ 'a",
    "x[b'a|": "-",
    "x['''a|": "-",
    "x.y['a|": "x.y [ 'a",
    "x['a']['b|": "x['a'] [ 'b",
    "x[0]['b|": "x[0] [ 'b",
    "x[ 'a|": "x [ 'a",
    "x[\n    'a|": "x [ 'a",
    "x[ |": "x [",
    "x[a|": "name a",
    "x['a', '|": "-",
    "x[['a|": "-",
    "[|": "name",
    "['a|": "-",
    "= [|": "name",
    "x = [|": "name",
    "f(x)['a|": "-",
    "f(x[|": "x [",
    "f(x['a|": "x [ 'a",
    "print(x['a|'], y)": "x [ 'a",
    "{x['a|": "x [ 'a",
    "return [|": "name",
    "in [|": "name",
    "x.loc['a|": "x.loc [ 'a",
    "x['it\\'s|": "x [ 'it\\'s",
}

IMPORTS: Table = {
    "import |": "import  :",
    "import a|": "import  : a",
    "import a.|": "import a :",
    "import a.b|": "import a : b",
    "import a.b.c|": "import a.b : c",
    "import a, b|": "import  : b",
    "import a, b.c|": "import b : c",
    "import a as b, c|": "import  : c",
    "import a as |": "-",
    "import a as b|": "-",
    "from |": "import  :",
    "from a|": "import  : a",
    "from a.|": "import a :",
    "from a.b|": "import a : b",
    "from a import |": "import a :",
    "from a import b|": "import a : b",
    "from a import b, c|": "import a : c",
    "from a import b as |": "-",
    "from a import b as c, d|": "import a : d",
    "from a import (|": "import a :",
    "from a import (b,\n    c|": "import a : c",
    "from a import (  # why\n    c|": "import a : c",
    "from a import \\\n    c|": "import a : c",
    "from a.b import c|": "import a.b : c",
    "from . import a|": "? a",
    "from .a import b|": "? b",
    "from .. import a|": "? a",
    "from .a|": "? a",
    "if x: import a|": "import  : a",
    "try:\n    import a.|": "import a :",
    "def f():\n    from a import b|": "import a : b",
    "x = 1; from a import b|": "import a : b",
    "import a; x.|": "x .",
    "import a\nx.|": "x .",
    "from a import b\nb.|": "b .",
    "from a import (b)\nb.|": "b .",
    "importx.|": "importx .",
    "x.import.|": "x.import .",
    "# import a|": "-",
    "'import a|": "-",
}

NAMES: Table = {
    "|": "name",
    "a|": "name a",
    "  a|": "name a",
    "a = b|": "name b",
    "a = |": "name",
    "a|b": "name a",
    "print(a|": "name a in print/0",
    "print(a, |": "name in print/1",
    "print(a)(|": "name",
    "print(a, b=|": "name in print/1 b",
    "print(a, b=c|": "name c in print/1 b",
    "print(a, b=c, |": "name in print/2",
    "print((a, |": "name in print/0",
    "print([a, |": "name in print/0",
    "print({a: |": "name in print/0",
    "print(f(a), |": "name in print/1",
    "print(f(a, |": "name in f/1",
    "a.b(|": "name in a.b/0",
    "a['b'](|": "name in a['b']/0",
    "a[0].b(c, |": "name in a[0].b/1",
    "a()(|": "name",
    "a(\n    b,\n    |": "name in a/1",
    "a(b)\n|": "name",
    "a(b); |": "name",
    "if a(|": "name in a/0",
    "if (|": "name",
    "return (|": "name",
    "await a(|": "name in a/0",
    "@a(|": "name in a/0",
    "print(x == |": "name in print/0",
    "print(x if |": "name in print/0",
    "print(lambda: |": "name in print/0",
    "print(a for a in |": "name in print/0",
    "class A(|": "name",
    "def f(a: |": "name",
    "def f(a=|": "name",
    "def f(a: b|": "name b",
    "def f(a, |": "-",
    "def f(|": "-",
    "def f(a|": "-",
    "def f(*|": "-",
    "def f(*, a|": "-",
    "def f[T](a|": "-",
    "def f(a=g(|": "name in g/0",
    "def f(a=g(b, |": "name in g/1",
    "async def f(a|": "-",
    "lambda |": "-",
    "lambda a|": "-",
    "lambda a, b|": "-",
    "lambda a: b|": "name b",
    "f(lambda a, b|": "-",
    "f(lambda a: b, c|": "name c in f/1",
    "def |": "-",
    "def f|": "-",
    "class |": "-",
    "class A|": "-",
    "async def f|": "-",
    "with a as |": "-",
    "with a as b|": "-",
    "except a as b|": "-",
    "1|": "-",
    "1a|": "-",
    "a = 1|": "-",
    "a = 'b'|": "-",
    "global a|": "name a",
    "del a|": "name a",
    "a if b else c|": "name c",
    "a[b|": "name b",
    "a[b:c|": "name c",
    "{a|": "name a",
    "{**a|": "name a",
    "match a|": "name a",
    "import_|": "name import_",
    "for a in b|": "name b",
    "-> a|": "name a",
    "x: a|": "name a",
}

LETTERS: Table = {
    "日本.|": "日本 .",
    "日本.語|": "日本 . 語",
    "x = '日本'; y.|": "y .",
    "x = '😀'; y.|": "y .",
    "x = '👩‍👩‍👧'; y.|": "y .",
    "'😀' + y.a|": "y . a",
    "f'😀{y.|": "y .",
    "# 😀\ny.|": "y .",
    "é.|": "é .",
    "e\u0301.|": "é .",  # two characters, one name: Python spells it in one
    "e\u0301.e\u0301|": "é . e\u0301",
    "x.e\u0301.|": "x.é .",
    "ﬁ.|": "fi .",
    "Ⅷ.|": "VIII .",
    "ж.д|": "ж . д",
    "x\u00a0.|": "?",
    "\t\tx.|": "x .",
    "if x:\n\ty.|": "y .",
    "x = 1\x0c\ny.|": "y .",
    "x = '\ufffd'; y.|": "y .",
    "नमस्ते.|": "नमस्ते .",
    "x_1.|": "x_1 .",
    "x1.y2.|": "x1.y2 .",
    "\u200bx.|": "x .",
}

ALL = STRINGS | FSTRINGS | COMMENTS | PATHS | BLOCKS | KEYS | IMPORTS | NAMES | LETTERS


@pytest.mark.parametrize("table", [STRINGS, FSTRINGS, COMMENTS, PATHS, BLOCKS, KEYS, IMPORTS, NAMES, LETTERS])
def test_what_is_asked(table: Table) -> None:
    assert {marked: said(*at(marked)) for marked in table} == table


ABOVE = {
    "plain": "x = 1\n\n",
    "function": "def f(a):\n    return a\n\n\n",
    "docstring": '"""What it is.\n\nx.y\n"""\n\n',
    "open bracket": "broken = f(\n\n\ndef g():\n    pass\n\n",
    "carriage returns": "x = 1\r\ny = 2\r\n",
    "emoji": "s = '😀日本'  # 😀\n",
    "far": "# words\n" * (NEAR // 8) + "'''words'''\n" * 9,
}


@pytest.mark.parametrize("above", ABOVE.values(), ids=ABOVE.keys())
def test_what_stands_above_does_not_matter(above: str) -> None:
    wrong = {}
    for marked, wanted in ALL.items():
        if marked.startswith((" ", "\t", "\x0c", "\ufeff", ".", "\n", "->", "#", "except", "-", "'", '"', "|")):
            continue  # these would go on with it, or are a text's beginning
        text, offset = at(marked)
        if (found := said(above + text, len(above) + offset)) != wanted:
            wrong[marked] = found
    assert not wrong


FAR = "\n\n" + "x = 1\n" * (NEAR // 6 + 100)


@pytest.mark.parametrize(
    ("marked", "wanted"),
    [
        (FAR + "x.|", "x ."),
        (FAR + "f(a,\n  |", "name in f/1"),
        (FAR + "'''\n" + "words and words\n" * (BACK // 10) + "x.|", "-"),
        (FAR + "'''\n" + "words and words\n" * (BACK // 10) + "'''\nx.|", "x ."),
        ("QUOTE = \"'''\"\n" + FAR + "def f():\n    x.|", "x ."),  # a quote that opens nothing
        ("class A:\n" + "    def f(self):\n        return f(self.x)\n\n" * 2000 + "    def g(self):\n        self.|", "self ."),
        ("x = [\n" + "    1,\n" * 20_000 + "    y.|", "y ."),
        ("x = [" + "1, " * 400_000 + "y.|", "y ."),
        ("x = {" + "'a': 'b', " * 100_000 + "'c': y.|", "y ."),
        ("x = '" + "word " * 400 + ".|", "-"),
        ("f(" + "a, " * (MOST // 4) + "b.|", "b ."),
    ],
)  # fmt: skip
def test_far_down_and_far_out(marked: str, wanted: str) -> None:
    assert said(*at(marked)) == wanted


TARGETS: Table = {
    "x|": "x",
    "|x": "x",
    "x|.y": "x",
    "x.|y": "x.y",
    "x.y|": "x.y",
    "x.y|.z": "x.y",
    "f(x|)": "x",
    "f(a=x|)": "x",
    "x['a|']": "x['a']",
    "x['a'].b|": "x['a'].b",
    "x[0].b|": "x[0].b",
    "f'{x|}'": "x",
    "f'{x.y|}'": "x.y",
    "f'{x.y|} {z}'": "x.y",
    "f'{x} {z|}'": "z",
    "f'{d[\"k|\"]}'": "d['k']",
    "f'{x:{w|}}'": "w",
    "f'''\n{x|}\n'''": "x",
    "f'x|'": "-",
    "f'{x} y|'": "-",
    "'x|'": "-",
    "# x|": "-",
    "x # y|": "-",
    "f(x).y|": "-",
    "x[i].y|": "-",
    "if|": "-",
    "1|": "-",
    "x = 1|": "-",
    "(x|": "x",
    "(\n x|\n)": "x",
    "x.\\\n  y|": "x.y",
    "@x|": "x",
    "def f(a=x|)": "x",
    "日本|": "日本",
    "'😀' + y.z|": "y.z",
    "e\u0301|": "é",
    "import x|": "x",
    "x|\n.y": "x",
    "": "-",
}


def test_what_is_hovered() -> None:
    def hovered(marked: str) -> str:
        text, offset = at(marked or "|")
        found = cursor.target(text, offset)
        if found is None:
            return "-"
        assert found.start <= offset <= found.end
        return words(found.path)

    assert {marked: hovered(marked) for marked in TARGETS} == TARGETS


def test_there_are_hundreds_of_cases() -> None:
    assert len(ALL) + len(TARGETS) > 400
