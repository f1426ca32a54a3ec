"""What a look answers about plain Python: paths, members, previews, signatures, keys, imports. Paths are written as in an
editor: "model.layers[0].weight", "cfg['lr']"."""

from __future__ import annotations

import ast
import collections
import dataclasses
import enum
import functools
import sys
import types
from pathlib import Path
from typing import Any, Literal, NamedTuple, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yonder import wire
from yonder.agent import peek_text
from yonder.agent.peek import look
from yonder.holding import Holdings
from yonder.remotes import Remote
from yonder.wire import Answer, Query, Step


def steps(text: str) -> list[Step]:
    """The path that a dotted and subscripted name means."""
    found: list[Step] = []
    node = ast.parse(text, mode="eval").body
    while not isinstance(node, ast.Name):
        if isinstance(node, ast.Attribute):
            found.append(Step("attr", node.attr))
        else:
            assert isinstance(node, ast.Subscript)
            key = ast.literal_eval(node.slice)
            found.append(Step("key" if isinstance(key, str) else "index", key))
        node = node.value
    return [Step("name", node.id), *reversed(found)]


def ask(space: dict[str, Any], what: str, path: str = "", **more: Any) -> Answer:
    return look(space, Query(what, steps(path) if path else [], **more), 7)  # type: ignore[arg-type]


def short(value: object, name: str = "value") -> str:
    return ask({name: value}, "describe", name).short


def names(answer: Answer, rank: int | None = None) -> list[str]:
    return [member.name for member in answer.members if rank in (None, member.rank)]


class Colour(enum.Enum):
    RED = 1


@dataclasses.dataclass
class Point:
    """A point.

    In two dimensions.
    """

    x: int
    y: float = 0.5
    password: str = "hunter2"

    def shift(self, by: int, *, scale: float = 1.0) -> Point:
        """Move it."""
        return self

    @property
    def length(self) -> float:
        raise AssertionError("a property was run")

    @functools.cached_property
    def big(self) -> Point:
        raise AssertionError("a property was run")

    @staticmethod
    def origin(a: int) -> Point:
        raise AssertionError

    @classmethod
    def unit(cls, a: int) -> Point:
        raise AssertionError


class Pair(NamedTuple):
    first: int
    second: Point


class Slotted:
    __slots__ = ("here", "unset")

    def __init__(self) -> None:
        self.here = Point(1)


# ── paths ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

SPACE: dict[str, Any] = {
    "point": Point(3),
    "cfg": {"lr": 0.1, 4: "four", "deep": {"items": [Point(9)]}},
    "pair": Pair(1, Point(2)),
    "slotted": Slotted(),
    "Point": Point,
    "types": types,
    "counted": collections.Counter("aab"),
}


@pytest.mark.parametrize(
    ("path", "type_", "preview"),
    [
        ("point.x", "int", "3"),
        ("cfg['lr']", "float", "0.1"),
        ("cfg[4]", "str", "'four'"),
        ("cfg['deep']['items'][0].y", "float", "0.5"),
        ("cfg['deep']['items'][-1].x", "int", "9"),
        ("pair.second.x", "int", "2"),
        ("pair[0]", "int", "1"),
        ("slotted.here.x", "int", "1"),
        ("Point.y", "float", "0.5"),
        ("point.origin", "function", "<function Point.origin>"),
        ("types.ModuleType", "type", "<class module>"),
        ("counted['a']", "int", "2"),
        ("len", "builtin_function_or_method", "<function len>"),
    ],
)
def test_a_path_is_followed(path: str, type_: str, preview: str) -> None:
    answer = ask(SPACE, "describe", path)
    assert (answer.found, answer.type, answer.short) == (True, type_, preview)
    assert answer.generation == 7
    assert answer.micros > 0


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("nothing", "nothing is not defined in the session"),
        ("point.z", "Point has no z"),
        ("slotted.unset", "unset is not set"),
        ("cfg['no']", "the dict has no key 'no'"),
        ("cfg['deep']['items'][5]", "the list has no item 5"),
        ("point['x']", "subscripts are followed only in"),
        ("Point.nothing", "the class Point has no nothing"),
        ("point.length.real", "this value was not read: that would run code"),
    ],
)
def test_where_a_path_ends_is_said(path: str, why: str) -> None:
    answer = ask(SPACE, "describe", path)
    assert not answer.found
    assert why in answer.why


def test_a_property_is_known_by_its_annotation_only() -> None:
    for path in ("point.length", "point.big"):
        answer = ask(SPACE, "describe", path)
        assert answer.found
        assert [fact.value for fact in answer.facts] == ["a property; it was not run"]
    assert ask(SPACE, "describe", "point.length").type == "float"


def test_a_path_must_begin_with_a_name() -> None:
    assert not look(SPACE, Query("describe", [Step("attr", "x")]), 1).found
    assert not look(SPACE, Query("describe", []), 1).found


# ── members ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_members_have_kinds_and_ranks() -> None:
    found = {member.name: (member.kind, member.rank) for member in ask(SPACE, "members", "point").members}
    assert found["x"] == ("f", 0)
    assert found["shift"] == ("m", 1)
    assert found["origin"] == ("m", 1)
    assert found["length"] == ("p", 1)
    assert found["big"] == ("p", 1)
    assert found["__reduce__"] == ("m", 2)
    assert set(found) == set(dir(SPACE["point"])) | {"x", "__dict__", "__weakref__"}


def test_members_of_slots_tuples_classes_and_modules() -> None:
    assert "here" in names(ask(SPACE, "members", "slotted"), 1)
    assert {"first", "second", "count"} <= set(names(ask(SPACE, "members", "pair")))
    of_class = {member.name: member.rank for member in ask(SPACE, "members", "Point").members}
    assert (of_class["origin"], of_class["mro"]) == (1, 2)
    of_module = {member.name: (member.kind, member.rank) for member in ask(SPACE, "members", "types").members}
    assert of_module["ModuleType"] == ("c", 0)
    assert of_module["new_class"] == ("m", 0)


def test_members_of_a_value_that_was_not_read_come_from_its_type() -> None:
    typed = types.SimpleNamespace()
    getter = property(lambda self: None)
    getter.fget.__annotations__["return"] = Point  # type: ignore[union-attr]
    space = {"holder": type("Holder", (), {"point": getter})(), "typed": typed}
    answer = ask(space, "members", "holder.point")
    assert "shift" in names(answer)
    assert "x" not in names(answer, 0)


def test_the_namespace_and_the_builtins() -> None:
    answer = ask({"model": 1, "len": 2, "f": test_where_a_path_ends_is_said}, "members", prefix="m")
    assert names(answer)[0] == "model"
    assert names(answer).count("len") == 1
    assert {"print", "ValueError"} <= set(names(answer, 2))
    assert {m.name: m.kind for m in answer.members}["f"] == "m"


def test_prefix_first_limit_and_order_are_the_same_every_time() -> None:
    space = dict.fromkeys(("zeta", "alpha", "al", "beta"), 1)
    asked = [names(ask(space, "members", prefix="al", limit=5)) for _ in range(3)]
    assert asked == [["al", "alpha", "all", "beta", "zeta"]] * 3
    assert names(ask(space, "members", limit=0)) == []


# ── previews ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def handle(preview: str, lost: str = "") -> Remote[Any]:
    grip = Holdings().delivered([b"r"])[0]
    grip.lost = lost
    return Remote(wire.Facts(b"r", "ndarray", 8000, preview=preview), grip)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, "1"),
        (True, "True"),
        (None, "None"),
        (1.5, "1.5"),
        (2j, "2j"),
        ("it's", '"it\'s"'),
        (b"ab", "b'ab'"),
        ([], "[]"),
        ((1,), "(1,)"),
        (set(), "set()"),
        (frozenset({1}), "frozenset(1)"),
        ({}, "{}"),
        (range(3), "range(0, 3, 1)"),
        ([1, [2, [3, [4]]]], "[1, [2, […]]]"),
        (list(range(9)), "[0, 1, 2, 3, 4, … 9 in all]"),
        ({"a": 1, "b": [1]}, "{'a': 1, 'b': [1]}"),
        (collections.OrderedDict(a=1), "OrderedDict({'a': 1})"),
        (collections.deque([1, 2]), "deque(1, 2)"),
        (Colour.RED, "Colour.RED"),
        (Pair(1, Point(2)), "Pair(first=1, second=Point(x=2, y=0.5, password=<redacted>))"),
        (ValueError("no", 3), "ValueError('no', 3)"),
        (Path("/a/b"), "PosixPath('/a/b')"),
        (10**200, "<int of 665 bits>"),
        (int, "<class int>"),
        (sys, "<module sys>"),
        (object(), "<object object>"),
        (handle("array(3, int64)"), "<yonder.Remote array(3, int64), 8 kB>"),
        (handle("", "it was on worker w"), "<yonder.Remote ndarray, lost: it was on worker w>"),
    ],
)
def test_values_in_short(value: object, text: str) -> None:
    assert short(value) == text


def test_long_things_are_cut() -> None:
    assert len(short("x" * 10_000)) == peek_text.SHORT
    writer = peek_text.Writer(peek_text.Budget(characters=50), peek_text.Guard(), lambda _: "")
    assert len(writer.value([["y" * 40] * 5] * 5)) < 300


@pytest.mark.parametrize("what", ["members", "keys", "children"])
def test_long_names_and_keys_make_no_long_answer(what: Any) -> None:
    long = {letter * 100_000: 1 for letter in "abcde"}
    held = types.SimpleNamespace(short=1, **long)
    for value in ({"short": 1, **long}, held):
        answer = look({"value": value}, Query(what, steps("value")), 1)
        assert len(repr(answer)) < 30_000
        assert answer.found or value is held
        assert not answer.found or "'short'" in repr(answer) or what == "members"


def test_time_runs_out() -> None:
    ticks = iter(range(1000))
    budget = peek_text.Budget(seconds=5, clock=lambda: float(next(ticks)))
    writer = peek_text.Writer(budget, peek_text.Guard(), lambda _: "")
    assert "…" in writer.value([[1, 2, 3, 4], [5, 6, 7, 8]])


def test_self_containing_values_end() -> None:
    ring: list[Any] = []
    ring.append(ring)
    assert short(ring) == "[[[…]]]"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_plain_value_gets_one_short_line(value: object) -> None:
    text = short(value)
    assert len(text) <= peek_text.SHORT
    assert "\n" not in text
    assert "could not" not in ask({"v": value}, "describe", "v").why


# ── secrets ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_telling_names_hide_their_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVICE_TOKEN", "s3cr3t-value")
    monkeypatch.setenv("REGION", "north-7")
    import os

    space = {
        "api_key": "hunter2",
        "PASSWORD": ["hunter2"],
        "cfg": {"secret": {"inner": "hunter2"}, "lr": 1},
        "copied": "s3cr3t-value",
        "REGION": "north-7",
        "environ": os.environ,
        "everything": dict(os.environ),
        "tokens_seen": None,
    }
    said = repr([ask(space, "children"), *(ask(space, "describe", name) for name in space)])
    said += repr([ask(space, "describe", path) for path in ("cfg['secret']['inner']", "PASSWORD[0]", "cfg['secret']")])
    said += repr([ask(space, what, "environ") for what in ("keys", "members", "describe")])
    said += repr(
        [
            ask(space, "describe", path)
            for path in ("environ._data", "everything['REGION']", "everything['SERVICE_TOKEN']")
        ]
    )
    for hidden in ("hunter2", "s3cr3t", "north-7"):
        assert hidden not in said
    assert ask(space, "describe", "tokens_seen").short == "None"
    assert "SERVICE_TOKEN" in names(ask(space, "keys", "environ"))


def test_an_enumeration_is_its_members() -> None:
    class Mode(enum.Enum):
        SLOW = "s"
        FAST = "f"
        QUICK = "f"  # noqa: PIE796 - an alias
        api_key = "hunter2"

        def turned(self) -> Mode:
            return self

    space = {"Mode": Mode, "now": Mode.FAST, "one": Mode.api_key}
    assert names(ask(space, "members", "Mode"), rank=0) == ["FAST", "QUICK", "SLOW", "api_key"]
    assert "turned" in names(ask(space, "members", "Mode"), rank=1)
    told = ask(space, "describe", "Mode")
    assert told.signature == ""
    assert [(fact.label, fact.value) for fact in told.facts[1:]] == [
        ("SLOW", "'s'"),
        ("FAST", "'f'"),
        ("QUICK", "'f'"),
        ("api_key", "<redacted>"),
    ]
    assert [(fact.label, fact.value) for fact in ask(space, "describe", "now").facts] == [("value", "'f'")]
    assert "hunter2" not in repr([ask(space, "describe", path) for path in ("Mode.api_key", "one")])


def test_a_table_of_members_that_lies_says_nothing() -> None:
    class Mode(enum.Enum):
        SLOW = 1

    type.__setattr__(Mode, "_member_map_", {"SLOW": object(), 7: 8})
    assert ("SLOW", "?") in [(fact.label, fact.value) for fact in ask({"Mode": Mode}, "describe", "Mode").facts]


def test_numbers_and_words_of_the_trade_are_no_secrets() -> None:
    space = {
        "max_tokens": 512,
        "tokens": [1, 2, 3],
        "tokenizer_name": "plain",
        "keypoints": ["left knee"],
        "monkey": "see",
        "d": {"key0": "shown", "api_key": "hunter2"},
        "token": "hunter2",
        "secret_number": 77,
        "keys": ["hunter2", 1],
        "tokenizer_key": "hunter2",
    }
    assert [ask(space, "describe", name).short for name in ("max_tokens", "tokens")] == ["512", "[1, 2, 3]"]
    assert ask(space, "describe", "tokens[1]").short == "2"
    rows = {row.name: row.short for row in ask(space, "children").rows}
    assert (rows["keypoints"], rows["tokenizer_name"], rows["monkey"]) == ("['left knee']", "'plain'", "'see'")
    assert "shown" in rows["d"]
    assert "77" not in rows["secret_number"]
    assert "hunter2" not in repr([ask(space, "children"), *(ask(space, "describe", name) for name in space)])


def test_a_default_that_is_made_at_each_call_has_no_value() -> None:
    made = dataclasses.make_dataclass("Made", [("tags", list, dataclasses.field(default_factory=list))])
    assert ask({"Made": made}, "signature", "Made").signature == "Made(tags: list = …) -> None"


def test_a_secret_default_is_not_in_a_signature() -> None:
    def connect(host: str = "h", token: str = "hunter2") -> None: ...

    answer = ask({"connect": connect}, "signature", "connect")
    assert answer.signature == "connect(host: str = 'h', token: str = <redacted>) -> None"


# ── callables ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def everything(a: int, /, b: Optional[str] = None, *rest: int, c: str = "x", **more: Any) -> list[int]:  # noqa: UP045
    """What it does.

    More.
    """
    raise AssertionError


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (everything, "(a: int, /, b: Optional[str] = None, *rest: int, c: str = 'x', **more: Any) -> list[int]"),
        (functools.partial(everything, 1, c="x"), "(b: Optional[str] = None, *rest: int, **more: Any) -> list[int]"),
        (Point, "(x: int, y: float = 0.5, password: str = <redacted>) -> None"),
        (len, "(obj, /)"),
        (sorted, "(iterable, /, *, key=None, reverse=False)"),
        (lambda *, only: only, "(*, only)"),
    ],
)
def test_signatures(value: object, text: str) -> None:
    answer = ask({"f": value}, "signature", "f")
    assert answer.signature.partition("(")[2] == text[1:]


def test_typing_s_objects_are_written_out() -> None:
    def f(a: Any, b: Any, c: Any, d: Any) -> None: ...

    f.__annotations__ = {"a": Optional[int], "b": dict[str, list[Point]], "c": int | None, "d": Literal["x", 2]}  # noqa: UP045
    answer = ask({"f": f}, "signature", "f")
    point = f"{Point.__module__}.Point"
    assert answer.signature == f"f(a: int | None, b: dict[str, list[{point}]], c: int | None, d: Literal['x', 2])"


def test_a_method_lacks_its_first_parameter_only_when_bound() -> None:
    assert ask(SPACE, "signature", "point.shift").signature.startswith("shift(by: int, *, scale")
    assert ask(SPACE, "signature", "Point.shift").signature.startswith("shift(self, by: int")
    assert ask(SPACE, "signature", "point.unit").signature.startswith("unit(a: int)")
    assert ask(SPACE, "signature", "Point.unit").signature.startswith("unit(a: int)")
    assert ask(SPACE, "signature", "point.origin").signature.startswith("origin(a: int)")
    assert ask({"bound": SPACE["point"].shift}, "signature", "bound").signature.startswith("bound(by: int")


def test_parameters_say_which_may_be_named() -> None:
    found = {parameter.name: parameter.keyword for parameter in ask({"f": everything}, "signature", "f").parameters}
    assert found == {"a": False, "b": True, "rest": False, "c": True, "more": False}


def test_what_is_not_callable_has_no_signature() -> None:
    answer = ask(SPACE, "signature", "point")
    assert (answer.found, answer.why) == (False, "no signature is stored for it")


def test_a_function_is_described() -> None:
    answer = ask({"f": everything}, "describe", "f")
    assert answer.doc.startswith("What it does.")
    assert answer.file == __file__
    assert answer.line == everything.__code__.co_firstlineno
    assert ask(SPACE, "describe", "Point").doc == "A point.\n\nIn two dimensions."
    assert ask(SPACE, "describe", "point").file == __file__
    assert ask({"n": 3}, "describe", "n").doc == ""


def test_a_decorated_function_shows_the_function_inside() -> None:
    @functools.wraps(everything)
    def outer(*args: Any, **kwargs: Any) -> None: ...

    assert ask({"f": outer}, "signature", "f").parameters[0].name == "a"


# ── keys, imports ──────────────────────────────────────────────────────────────────────────────────────────


def test_keys_of_dicts() -> None:
    answer = ask(SPACE, "keys", "cfg", prefix="l")
    assert [(member.name, member.kind, member.detail) for member in answer.members] == [
        ("lr", "k", "float"),
        ("deep", "k", "dict"),
    ]
    assert names(ask(SPACE, "keys", "counted")) == ["a", "b"]
    assert not ask(SPACE, "keys", "point").found


def test_imports_are_listed_from_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "mypackage"
    (package / "inner").mkdir(parents=True)
    for file in ("__init__.py", "one.py", "inner/__init__.py", "inner/deep.py", "fast.cpython-311-x86_64-linux-gnu.so"):
        (package / file).touch()
    for noise in ("not-a-module.py", "data.txt", "folder/x.txt"):
        (tmp_path / noise).parent.mkdir(exist_ok=True)
        (tmp_path / noise).touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    top = names(ask({}, "imports"))
    assert {"mypackage", "sys", "json", "torch"} <= set(top)
    assert not {"folder", "data", "not-a-module", "__main__"} & set(top)
    inside = look({}, Query("imports", [Step("name", "mypackage")]), 1)
    assert {"one", "inner"} <= set(names(inside))
    assert names(look({}, Query("imports", [Step("name", "mypackage"), Step("name", "inner")]), 1)) == ["deep"]
    assert "mypackage" not in sys.modules
    (package / "later.py").touch()
    assert "later" in names(look({}, Query("imports", [Step("name", "mypackage")]), 1))


def test_imports_of_a_loaded_module_are_its_names_and_submodules() -> None:
    answer = look({}, Query("imports", [Step("name", "collections")]), 1)
    kinds = {member.name: member.kind for member in answer.members}
    assert kinds["abc"] == "M"
    assert kinds["Counter"] == "c"
    assert not look({}, Query("imports", [Step("name", "no_such_module")]), 1).found
