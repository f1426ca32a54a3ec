"""The proof that looking runs nothing: objects that write down everything that is done to them stay unwritten."""

from __future__ import annotations

import builtins
import dataclasses
import functools
import gc
import sys
import threading
import types
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from yonder.agent.peek import look
from yonder.agent.peek_names import Names
from yonder.wire import Answer, Query, Step


class Record(list[str]):
    """What was done to the spies while somebody watched; in between they behave, so that a report can show them."""

    watching = False

    def append(self, entry: str) -> None:
        if self.watching:
            super().append(entry)


RECORD = Record()

# What must stay as the language made it, or the classes could not be built at all.
_NEEDED = {
    "__new__",
    "__init__",
    "__init_subclass__",
    "__class_getitem__",
    "__del__",
    "__prepare__",
    "__subclasshook__",
    "__abstractmethods__",
    "__orig_bases__",
    "__slots__",
    "__weakref__",
    "__basicsize__",
    "__itemsize__",
    "__flags__",
    "__dictoffset__",
    "__weakrefoffset__",
    "__base__",
    "__text_signature__",
    "__type_params__",
    "__qualname__",
}
_EXTRA_METHODS = [
    "__getattr__",
    "__get__",
    "__set__",
    "__delete__",
    "__call__",
    "__array__",
    "__fspath__",
    "__await__",
    "__aiter__",
    "__missing__",
    "__enter__",
    "__exit__",
    "__index__",
    "__complex__",
    "__bytes__",
    "__length_hint__",
    "__instancecheck__",
    "__subclasscheck__",
    "__torch_function__",
    "keys",
    "items",
    "values",
    "mro",
    "_repr_html_",
    "_ipython_display_",
    "__rich_repr__",
    "__array_function__",
    "__array_ufunc__",
    "__array_finalize__",
    "get",
]
_PROPERTIES = [
    "__class__",
    "__dict__",
    "__doc__",
    "__module__",
    "__mro__",
    "__bases__",
    "__name__",
    "__annotations__",
    "__signature__",
    "__wrapped__",
    "__func__",
    "__self__",
    "__code__",
    "__dataclass_fields__",
    "_fields",
    "__path__",
    "__file__",
    "__all__",
    "shape",
    "dtype",
    "device",
    "columns",
    "_mgr",
    "index",
    "_parameters",
    "_modules",
    "training",
    "_name_",
    "__origin__",
    "__args__",
    "_key",
    "__closure__",
    "__defaults__",
]


def _method(owner: str, name: str, base: type) -> Any:
    plain = getattr(base, name, None)

    def recorded(*args: Any, **kwargs: Any) -> Any:
        RECORD.append(f"{owner}.{name}")
        if plain is None:
            raise (AttributeError if "getattr" in name else TypeError)(f"{owner}.{name} was called")
        return plain(*args, **kwargs)

    return recorded


def _property(owner: str, name: str) -> property:
    def recorded(self: Any) -> Any:
        RECORD.append(f"{owner}.{name} read")
        raise AttributeError(f"{owner}.{name} was read")

    return property(recorded)


def _body(owner: str, base: type, *skip: str) -> dict[str, Any]:
    names = {n for kind in (base, dict, list, int) for n in dir(kind) if n.startswith("__")}
    names |= {*_EXTRA_METHODS, "__bool__", "__hash__", "__eq__"}
    body: dict[str, Any] = {n: _method(owner, n, base) for n in names - _NEEDED - set(_PROPERTIES) - set(skip)}
    body |= {n: _property(owner, n) for n in _PROPERTIES if n not in skip}
    body["field"] = 1
    body["prop"] = _property(owner, "prop")
    return body


# Without these no class could be made from it; a `__get__` on the metaclass would make every class a descriptor.
META: Any = type(
    "MetaSpy", (type,), _body("MetaSpy", type, "__dict__", "__bases__", "mro", "__get__", "__set__", "__delete__")
)


def spy_class(name: str, base: type = object, *, meta: Any = META) -> Any:
    return meta.__new__(meta, name, (base,), _body(name, base, "__set__", "__delete__"))


def made(kind: Any, base: type, *args: Any) -> Any:
    """An instance without the class's own constructor hooks."""
    value = base.__new__(kind, *args)
    if base in (list, dict, set):
        base.__init__(value, *args)
    return value


class Evil(str):  # noqa: SLOT000 - it should be as ordinary as a person's
    """A key that collides with a real one and tells when it is compared or hashed."""

    def __eq__(self, other: object) -> bool:
        RECORD.append("Evil.__eq__")
        return str.__eq__(self, other)

    def __hash__(self) -> int:
        RECORD.append("Evil.__hash__")
        return str.__hash__(self)

    def __str__(self) -> str:
        RECORD.append("Evil.__str__")
        return "evil"

    __repr__ = __str__

    def __format__(self, spec: str) -> str:
        RECORD.append("Evil.__format__")
        return "evil"

    def startswith(self, *args: Any) -> bool:
        RECORD.append("Evil.startswith")
        return False


class Descriptor:
    def __get__(self, instance: object, owner: object = None) -> object:
        RECORD.append("Descriptor.__get__")
        return 1

    def __set__(self, instance: object, value: object) -> None:
        RECORD.append("Descriptor.__set__")


class SpyTensor(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        RECORD.append(f"SpyTensor.{func}")
        return super().__torch_function__(func, types, args, kwargs or {})


class SpyArray(np.ndarray):
    @property
    def shape(self) -> Any:
        RECORD.append("SpyArray.shape")
        return ()

    def __array_finalize__(self, other: Any) -> None:
        RECORD.append("SpyArray.__array_finalize__")


class SpyFrame(pd.DataFrame):
    @property
    def columns(self) -> Any:
        RECORD.append("SpyFrame.columns")
        return []

    def __getitem__(self, key: Any) -> Any:
        RECORD.append("SpyFrame.__getitem__")

    def __getattr__(self, name: str) -> Any:
        RECORD.append("SpyFrame.__getattr__")
        raise AttributeError(name)


class SpyNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 3)

    def __getattr__(self, name: str) -> Any:
        RECORD.append(f"SpyNet.__getattr__ {name}")
        return super().__getattr__(name)

    def __repr__(self) -> str:
        RECORD.append("SpyNet.__repr__")
        return ""

    def __dir__(self) -> list[str]:
        RECORD.append("SpyNet.__dir__")
        return []

    @property
    def weight(self) -> Any:
        RECORD.append("SpyNet.weight")
        return None

    @functools.cached_property
    def lazy(self) -> int:
        RECORD.append("SpyNet.lazy")
        return 1

    attached = Descriptor()

    def forward(self, x: Any) -> Any:
        RECORD.append("SpyNet.forward")
        return x


class SpyModule(types.ModuleType):
    def __getattr__(self, name: str) -> Any:
        RECORD.append(f"SpyModule.__getattr__ {name}")
        raise AttributeError(name)

    def __dir__(self) -> list[str]:
        RECORD.append("SpyModule.__dir__")
        return []


def _function(spy: Any, kind: Any) -> Any:
    def wrapped(a: Any = spy, *args: kind, b: kind = spy, token: str = "hunter2", **rest: list[kind]) -> kind:  # type: ignore[valid-type]
        RECORD.append("wrapped called")

    wrapped.__annotations__ = {"a": spy, "b": kind, "args": list[kind], "return": dict[str, kind] | None}
    wrapped.__doc__ = "What it does."
    return wrapped


def namespace() -> dict[Any, Any]:
    """Names for every trick we could think of."""
    plain = spy_class("Plain")
    spy = made(plain, object)
    fields = dataclasses.make_dataclass("Fields", [("inner", object), ("password", object)])
    liar = type(
        "Liar", (), {"__class__": property(lambda s: RECORD.append("Liar.__class__")), "__slots__": ("slot", "empty")}
    )()
    liar.slot = spy
    hidden_dict = type("HiddenDict", (), {"__dict__": _property("HiddenDict", "__dict__"), "x": spy})()
    no_meta = made(spy_class("NoMeta", meta=type), object)
    odd_dict = made(spy_class("OddDict", dict, meta=type), dict)
    dict.__setitem__(odd_dict, "name", spy)
    with_odd_dict = types.SimpleNamespace()
    holder = type("Holder", (), {})()
    holder.__dict__ = odd_dict
    odd_list = made(spy_class("OddList", list), list)
    list.append(odd_list, spy)
    function = _function(spy, plain)
    evil_named = type("X", (), {Evil("attribute"): 1, "real": 2, Evil("__module__"): "m", Evil("__doc__"): "d"})
    space: dict[Any, Any] = {
        "spy": spy,
        "plain": plain,
        "no_meta": no_meta,
        "odd_dict": odd_dict,
        "odd_list": odd_list,
        "odd_tuple": made(spy_class("OddTuple", tuple), tuple, (spy, 1)),
        "odd_int": made(spy_class("OddInt", int), int, 3),
        "odd_str": made(spy_class("OddStr", str), str, "text"),
        "odd_error": made(spy_class("OddError", Exception), Exception, spy),
        "holder": holder,
        "liar": liar,
        "hidden_dict": hidden_dict,
        "evil_named": evil_named,
        "evil_object": evil_named(),
        "fields": fields(spy, spy),
        "simple": with_odd_dict,
        "listed": [spy, [spy, [spy]], (spy,)],
        "mapped": {"spy": spy, 1: spy, "password": spy, "deep": {"spy": spy}},
        "evil_keys": {Evil("spy"): 1, "real": spy, Evil("real2"): spy},
        "set_of": {1, "two"},
        "function": function,
        "wrapper": functools.wraps(function)(lambda *args: None),
        "partial": functools.partial(function, spy, b=spy),
        "bound": types.MethodType(function, spy),
        "append": list.append.__get__(odd_list),
        "tensor": torch.ones(2, 3).as_subclass(SpyTensor),
        "array": np.zeros((2, 3)).view(SpyArray),
        "frame": SpyFrame({"a": [1]}),
        "objects": pd.DataFrame({"a": [1], "b": [spy]}, dtype=object),
        "object_array": np.array([None, None], dtype=object),
        "net": SpyNet(),
        "module": SpyModule("spied"),
        "descriptor": Descriptor(),
    }
    with_odd_dict.spy = spy
    space["object_array"][0] = spy
    space["module"].inside = spy
    space["net"].__dict__["extra"] = spy
    return space


def paths(space: dict[Any, Any]) -> list[list[Step]]:
    names = [name for name in space if type(name) is str]
    attributes = [
        *[
            "field",
            "prop",
            "spy",
            "real",
            "attribute",
            "slot",
            "empty",
            "inner",
            "password",
            "name",
            "x",
            "inside",
            "layer",
            "weight",
            "lazy",
            "attached",
            "forward",
            "a",
            "b",
        ],
        *[
            "extra",
            "T",
            "shape",
            "dtype",
            "columns",
            "__class__",
            "__dict__",
            "__doc__",
            "__call__",
            "__init__",
            "__name__",
            "__mro__",
            "append",
            "args",
        ],
    ]
    found = [[Step("name", name)] for name in names]
    found += [[Step("name", name), Step("attr", attribute)] for name in names for attribute in attributes]
    found += [
        [Step("name", name), Step(k, v)] for name in names for k, v in (("key", "spy"), ("key", "real"), ("index", 0))
    ]
    deeper = [("attr", "layer"), ("key", "spy"), ("index", 0), ("attr", "inner"), ("attr", "slot")]
    found += [
        [*path, Step("attr", "field")] for path in ([Step("name", n), Step(k, v)] for n in names for k, v in deeper)
    ]  # type: ignore[arg-type]
    return found


@pytest.fixture
def space(monkeypatch: pytest.MonkeyPatch) -> dict[Any, Any]:
    monkeypatch.setattr("warnings.showwarning", lambda *args: RECORD.append("showwarning"))
    return namespace()


@contextmanager
def watched() -> Iterator[Record]:
    RECORD.clear()
    RECORD.watching = True
    try:
        yield RECORD
    finally:
        RECORD.watching = False


def seen(space: dict[Any, Any], query: Query) -> tuple[Answer, list[str]]:
    with watched() as record:
        answer = look(space, query, 1)
    return answer, list(record)


ORDINARY: dict[str, Callable[[Any], object]] = {
    "repr": repr,
    "dir": dir,
    "len": len,
    "hash": hash,
    "bool": bool,
    "equality": lambda spy: spy == 1,
    "property": lambda spy: spy.prop,
    "class": lambda spy: isinstance(spy, int),
    "getattr": lambda spy: getattr(spy, "missing", None),
    "type's name": lambda spy: type(spy).__name__,
    "type in a dict": lambda spy: {type(spy): 1},
    "type's order": lambda spy: type(spy).__mro__,
}


@pytest.mark.parametrize("way", ORDINARY)
def test_the_spies_do_record(space: dict[Any, Any], way: str) -> None:
    """The control: every ordinary way of looking is noticed, or the proof below would prove nothing."""
    with watched() as record, suppress(AttributeError, TypeError):
        ORDINARY[way](space["spy"])
    assert record


@pytest.mark.parametrize("what", ["members", "describe", "keys", "signature", "children", "source"])
def test_no_path_runs_anything(space: dict[Any, Any], what: Any) -> None:
    for path in paths(space):
        answer, record = seen(space, Query(what, path))
        assert record == [], f"{what} {path}; answered {answer.why}"
        assert "could not be looked at" not in answer.why, (what, path, answer.why)


@pytest.mark.parametrize("what", ["members", "imports", "children"])
def test_no_table_runs_anything(space: dict[Any, Any], what: Any) -> None:
    for prefix in ("", "s", "odd", "x"):
        answer, record = seen(space, Query(what, prefix=prefix))
        assert record == []
        assert answer.found
    answer = look(space, Query(what), 1)
    assert answer.members or answer.rows


def test_the_names_with_their_hints_run_nothing(space: dict[Any, Any]) -> None:
    names = Names(clock=lambda: 0.0)  # so that no pass ends before all of them were looked at
    with watched() as record:
        first = look(space, Query("names"), 1, names)
        again = look(space, Query("names", since=first.mark), 1, names)
    assert list(record) == []
    assert first.found
    assert len(first.rows) == len([name for name in space if type(name) is str and not name.startswith("__")])
    assert (again.rows, again.gone) == ([], [])


def test_evil_keys_of_the_namespace_itself(space: dict[Any, Any]) -> None:
    space[Evil("looked_for")] = 1
    space["other"] = 2
    for name, found in (("looked_for", False), ("other", True)):
        answer, record = seen(space, Query("describe", [Step("name", name)]))
        assert (answer.found, record) == (found, [])
    answer, record = seen(space, Query("children"))
    assert record == []
    assert "other" in {row.name for row in answer.rows}


def test_importing_names_never_imports(space: dict[Any, Any]) -> None:
    loaded = set(sys.modules)
    original = builtins.__import__
    seen: list[str] = []

    def noticed(name: str, *args: Any, **kwargs: Any) -> Any:
        seen.append(name)
        return original(name, *args, **kwargs)

    builtins.__import__ = noticed
    try:
        for path in ([], ["wsgiref"], ["torch"], ["xml", "dom"], ["sklearn", "linear_model"]):
            look(space, Query("imports", [Step("name", part) for part in path]), 1)
        for name in ("net", "frame", "objects", "tensor", "function"):
            look(space, Query("describe", [Step("name", name)]), 1)
    finally:
        builtins.__import__ = original
    assert seen == []
    assert set(sys.modules) == loaded


def test_an_intermediate_gradient_is_not_read(space: dict[Any, Any]) -> None:
    """torch warns when .grad of an inner node is read, and warning hooks are the person's code."""
    space["inner"] = torch.ones(2, requires_grad=True) * 2
    answer, record = seen(space, Query("describe", [Step("name", "inner"), Step("attr", "grad")]))
    assert (answer.type, record) == ("torch.Tensor", [])


def test_a_function_mode_of_this_thread_is_respected(space: dict[Any, Any]) -> None:
    class Mode(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            RECORD.append(f"Mode {func}")
            return func(*args, **(kwargs or {}))

    space["plain_tensor"] = torch.ones(2)
    with Mode():
        answer, record = seen(space, Query("describe", [Step("name", "plain_tensor")]))
    assert (answer.type, record) == ("torch.Tensor", [])


def test_nothing_is_kept() -> None:
    class Seen:
        pass

    space: dict[str, Any] = {"seen": Seen(), "held": [Seen()]}
    gone = weakref.ref(space["seen"]), weakref.ref(space["held"][0])
    for what in ("members", "describe", "keys", "signature"):
        look(space, Query(what, [Step("name", "seen")]), 1)  # type: ignore[arg-type]
    look(space, Query("children"), 1)
    told = Names()
    assert len(look(space, Query("names"), 1, told).rows) == 2
    space.clear()
    assert [reference() for reference in gone] == [None, None]


def test_looking_while_another_thread_changes_everything() -> None:
    space: dict[str, Any] = {"data": {}, "items": [], "net": nn.Sequential(nn.Linear(2, 2))}
    stop = threading.Event()

    def churn() -> None:
        count = 0
        while not stop.is_set():
            count += 1
            space[f"name{count % 500}"] = count
            space["data"][count % 300] = count
            space["items"].append(count)
            if count % 100 == 0:
                space["data"].clear()
                space["items"].clear()
                space.pop(f"name{count % 500}", None)

    told = Names()
    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for _ in range(100):
            seen = Query("describe", [Step("name", "data")])
            for query in (Query("members"), Query("children"), Query("names"), seen):
                answer = look(space, query, 1, told)
                assert answer.found, answer.why
    finally:
        stop.set()
        thread.join()
    gc.collect()
