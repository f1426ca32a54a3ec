"""Would a name have its type again? In tables: what a statement gives, and what the session says of it."""

import pytest

from yonder import wire
from yonder_lsp import agreement, live
from yonder_lsp.tokens import statements

GIVEN = {
    "x = 1": "int",
    "x = 0x1f": "int",
    "x = 1.5": "float",
    "x = 1e5": "float",
    "x = 2j": "complex",
    "x = 'a'": "str",
    "x = f'{a}'": "str",
    "x = '''a'''": "str",
    "x = b'a'": "bytes",
    "x = Rb'a'": "bytes",
    "x = 'b'": "str",
    "x = None": "NoneType",
    "x = True": "bool",
    "x = []": "list",
    "x = [1, 2]": "list",
    "x = [a for a in b]": "list",
    "x = {}": "dict",
    "x = {'a': 1}": "dict",
    "x = {**a}": "dict",
    "x = {a: b for a, b in c}": "dict",
    "x = {1, 2}": "set",
    "x = {a for a in b}": "set",
    "x = ()": "tuple",
    "x = (1, 2)": "tuple",
    "x = (1)": "",
    "x = (a for a in b)": "",
    "x = [1][0]": "",
    "x = [1] + a": "",
    "x = a + [1]": "",
    "x = 'a' + b": "",
    "x = -1": "",
    "x = a": "",
    "x = a.b": "",
    "x = A()": "A",
    "x = A(1, b=2)": "A",
    "x = a.b.C(\n    1,\n)": "a.b.C",
    "x = A()()": "",
    "x = A().b()": "",
    "x = A() + B()": "",
    "x = a and B()": "",
    "x = not B()": "",
    "x = await a()": "",
    "x = A()[0]": "",
    "x = A(": "",
    "x = A() if b else C()": "",
    "x = lambda: A()": "",
    "x: int = 1": "",
    "x = y = 1": "",
    "x, y = A()": "",
    "x += 1": "",
    "for x in A():": "",
    "x =": "",
    "": "",
}


@pytest.mark.parametrize("text", GIVEN)
def test_what_a_statement_gives(text: str) -> None:
    found = agreement.given(next(statements(text, 0, len(text)), []))
    shown = found if isinstance(found, str) else ".".join(str(step.value) for step in found)
    assert shown == GIVEN[text]


NET = wire.Answer(found=True, type="type", short="<class nets.Net>")
SEEN = {
    "net": wire.Answer(found=True, type="nets.Net"),
    "Net": NET,
    "nets.Net": NET,
    "Meta": wire.Answer(found=True, type="nets.Made", short="<class nets.Made2>"),
    "count": wire.Answer(found=True, type="int", short="3"),
    "load": wire.Answer(found=True, type="function", short="<function load>"),
}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("net = Net()", False),
        ("net = Net(1, 2)", False),
        ("net = nets.Net()", False),
        ("net = Meta()", True),
        ("net = load()", False),  # nobody knows
        ("net = unknown()", False),
        ("net = 3", True),
        ("net = []", True),
        ("net = other", False),
        ("count = 4", False),
        ("count = 4.0", True),
        ("count = Net()", True),
        ("unknown = 3", False),
    ],
)
async def test_whether_it_would_be_another(text: str, wanted: bool) -> None:
    async def look(query: wire.Query) -> live.Look:
        return live.Look(SEEN.get(".".join(str(step.value) for step in query.path)))

    words = next(statements(text, 0, len(text)))
    assert await agreement.disagrees(words[0].text, words, look) == wanted


async def test_a_session_that_does_not_say_in_time_is_no_disagreement() -> None:
    async def look(query: wire.Query) -> live.Look:
        return live.Look(None, late=True)

    assert not await agreement.disagrees("net", next(statements("net = 3", 0, 7)), look)
