"""What a look says about torch, numpy and pandas, from metadata alone."""

from __future__ import annotations

import statistics
from typing import Any

import numpy as np
import pandas as pd
import pydantic
import pytest
import torch
from torch import nn

from yonder.agent import peek_raw
from yonder.agent.peek import look
from yonder.wire import Answer, Member, Query, Step


def ask(what: str, value: object, *path: Step, **more: Any) -> Answer:
    return look({"it": value}, Query(what, [Step("name", "it"), *path], **more), 1)  # type: ignore[arg-type]


def facts(value: object, *path: Step) -> dict[str, str]:
    return {fact.label: fact.value for fact in ask("describe", value, *path).facts}


class Net(nn.Module):
    """A small net."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
        self.scale = nn.Parameter(torch.ones(2), requires_grad=False)
        self.register_buffer("seen", torch.zeros(1))
        self.heads = nn.ModuleDict({"a": nn.Linear(2, 1)})

    def forward(self, x: torch.Tensor, scale: float = 1.0) -> torch.Tensor:
        raise AssertionError("forward was run")


# ── torch ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_tensor() -> None:
    answer = ask("describe", torch.zeros(32, 10))
    assert answer.type == "torch.Tensor"
    assert answer.short == "Tensor(32 x 10, float32, cpu)"
    assert facts(torch.zeros(32, 10)) == {"shape": "32 x 10", "dtype": "float32", "device": "cpu", "storage": "1.28 kB"}
    assert facts(torch.tensor(1))["shape"] == "scalar"
    assert facts(torch.empty(2, device="meta"))["device"] == "meta"


def test_views_gradients_and_layouts_of_tensors() -> None:
    assert facts(torch.zeros(100, 10)[0])["storage"] == "4 kB, of which this view uses 40 B"
    assert facts(nn.Linear(2, 2)(torch.ones(1, 2)))["requires_grad"] == "yes, from AddmmBackward0"
    assert facts(torch.eye(2).to_sparse())["layout"] == "sparse_coo"


def test_parts_of_a_tensor_that_are_safe_to_read() -> None:
    tensor = torch.ones(2, 3, requires_grad=True)
    tensor.sum().backward()
    assert ask("describe", tensor, Step("attr", "shape")).short == "Size(2 x 3)"
    assert ask("describe", tensor, Step("attr", "dtype")).short == "torch.float32"
    assert ask("describe", tensor, Step("attr", "grad")).short == "Tensor(2 x 3, float32, cpu)"
    for step in (Step("attr", "T"), Step("index", 0)):
        assert ask("describe", tensor, step).type == "torch.Tensor"
        assert len(ask("members", tensor, step).members) > 600


def test_a_subclass_of_tensor_is_not_asked() -> None:
    class Mine(torch.Tensor):
        pass

    answer = ask("describe", torch.ones(2).as_subclass(Mine))
    assert answer.found
    assert "shape" not in {fact.label for fact in answer.facts}


def test_a_network() -> None:
    answer = ask("describe", Net())
    found = {fact.label: fact.value for fact in answer.facts}
    assert found["parameters"] == "31, 29 trainable"
    assert found["dtypes"] == "float32"
    assert found["devices"] == "cpu"
    assert found["mode"] == "train"
    assert found["children"] == "layers: Sequential, heads: ModuleDict"
    assert found["forward"] == "(x: torch.Tensor, scale: float = 1.0) -> torch.Tensor"
    assert answer.doc == "A small net."
    assert facts(Net().eval())["mode"] == "eval"


def test_shared_parameters_count_once() -> None:
    first, second = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)
    second.weight = first.weight
    assert facts(nn.Sequential(first, second, first))["parameters"] == "4, 4 trainable"


def test_paths_and_members_reach_registered_parts() -> None:
    net = Net()
    names = {member.name for member in ask("members", net).members}
    assert {"layers", "scale", "seen", "heads", "training", "forward", "parameters"} <= names
    weight = ask("describe", net, Step("attr", "layers"), Step("index", 0), Step("attr", "weight"))
    assert weight.short == "Parameter(4 x 3, float32, cpu)"
    assert ask("describe", net, Step("attr", "layers"), Step("index", -1)).type.endswith("Linear")
    assert ask("describe", net, Step("attr", "heads"), Step("key", "a")).type.endswith("Linear")
    assert [member.name for member in ask("keys", net, Step("attr", "heads")).members] == ["a"]


def test_calling_a_network_is_calling_forward() -> None:
    answer = ask("signature", Net())
    assert answer.signature == "it(x: torch.Tensor, scale: float = 1.0) -> torch.Tensor"
    assert [parameter.name for parameter in answer.parameters] == ["x", "scale"]


@pytest.mark.parametrize("name", ["zeros", "sum", "relu", "stack"])
def test_torch_s_functions_tell_their_parameters_in_their_documentation(name: str) -> None:
    answer = look({"torch": torch}, Query("signature", [Step("name", "torch"), Step("attr", name)]), 1)
    assert answer.found or name == "relu"
    assert answer.signature.startswith(f"{name}(") or not answer.found


# ── numpy ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("dtype", "text"),
    [
        ("f4", "float32"),
        ("i8", "int64"),
        ("u1", "uint8"),
        ("?", "bool"),
        ("O", "object"),
        ("c16", "complex128"),
        ("U3", "<U3"),
    ],
)
def test_an_array(dtype: str, text: str) -> None:
    found = facts(np.zeros((3, 4), dtype=dtype))
    assert (found["shape"], found["dtype"]) == ("3 x 4", text)
    assert "memory" in found


def test_keys_and_columns_are_told_in_their_own_order() -> None:
    assert [member.name for member in ask("keys", {"rate": 1, "epochs": 2, "lr": 3}).members] == [
        "rate",
        "epochs",
        "lr",
    ]
    assert [member.name for member in ask("keys", {"rate": 1, "epochs": 2}, prefix="e").members] == ["epochs", "rate"]
    frame = pd.DataFrame({"people": [1], "city": ["Rome"]})
    assert [member.name for member in ask("keys", frame).members] == ["people", "city"]


def test_what_is_called_like_a_function_is_listed_as_one() -> None:
    kinds = {member.name: member.kind for member in ask("members", np).members}
    assert [kinds[name] for name in ("abs", "all", "zeros", "ndarray", "linalg", "pi")] == [
        "m",
        "m",
        "m",
        "c",
        "M",
        "v",
    ]


def test_a_networks_parameters_are_counted_also_where_time_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("yonder.agent.peek_text.Budget.late", lambda self: True)
    assert facts(nn.Linear(16, 4))["parameters"] == "68, 68 trainable"
    assert "or more" in facts(nn.ParameterList([nn.Parameter(torch.ones(1)) for _ in range(100)]))["parameters"]


def test_arrays_in_short_and_their_fields() -> None:
    assert ask("describe", np.zeros((2, 3))).short == "array(2 x 3, float64)"
    assert ask("describe", np.float32(3.5)).short == "float32(3.5)"
    records = np.zeros(2, dtype=[("x", "f4"), ("y", "i4")])
    assert [member.name for member in ask("keys", records).members] == ["x", "y"]
    assert ask("describe", np.zeros((2, 3)), Step("attr", "shape")).short == "(2, 3)"


# ── pandas ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def frame() -> pd.DataFrame:
    return pd.DataFrame({"a": [1, 2, 3], "b": [1.0, 2.0, 3.0], "name": ["x", "y", "z"]})


def test_a_frame(frame: pd.DataFrame) -> None:
    found = facts(frame)
    assert found["shape"] == "3 rows x 3 columns"
    assert found["columns"].replace(": int64", "").replace(": float64", "").replace(": str", "") == "a, b, name"
    assert "int64 (1)" in found["dtypes"]
    assert ask("describe", frame).short == "DataFrame(3 rows x 3 columns)"


def test_columns_are_keys_members_and_steps(frame: pd.DataFrame) -> None:
    assert [member.name for member in ask("keys", frame).members] == ["a", "b", "name"]
    assert {"a", "b", "name", "groupby"} <= {member.name for member in ask("members", frame).members}
    for step in (Step("key", "a"), Step("attr", "a")):
        assert "rolling" in {member.name for member in ask("members", frame, step).members}
    assert "no column 'z'" in ask("describe", frame, Step("key", "z")).why


def test_a_series_and_other_indexes(frame: pd.DataFrame) -> None:
    assert facts(frame["a"])["shape"] == "3 rows, int64"
    assert facts(frame["a"])["name"] == "a"
    assert facts(frame.set_index("name"))["shape"] == "3 rows x 2 columns"
    assert facts(pd.DataFrame())["shape"] == "0 rows x 0 columns"
    assert facts(pd.DataFrame(np.zeros((2, 2))))["shape"] == "2 rows x 2 columns"
    assert facts(pd.DataFrame({"when": pd.to_datetime(["2020-01-01"])}))["shape"] == "1 rows x 1 columns"


# ── cost ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_members_of_a_tensor_cost_little() -> None:
    """About 0.3 ms on two shared cores; the bound is for a machine that has other things to do."""
    tensor = torch.ones(3)
    asked = [ask("members", tensor) for _ in range(30)]
    assert len(asked[0].members) > 700
    assert statistics.median(answer.micros for answer in asked) < 5_000


def test_a_large_namespace_stays_within_its_budget() -> None:
    space: dict[str, Any] = {f"t{n}": torch.ones(2, 2) for n in range(3000)}
    answer = look(space, Query("children"), 1)
    assert (len(answer.rows), answer.total) == (200, 3000)
    assert answer.rows[0].short == "Tensor(2 x 2, float32, cpu)"


def test_a_deep_network_is_counted_until_the_time_is_over() -> None:
    assert "or more" in facts(nn.Sequential(*(nn.Linear(2, 2) for _ in range(5000))))["parameters"]


# ── pydantic ──────────────────────────────────────────────────────────────────────────────────────────────────────────


class User(pydantic.BaseModel):
    name: str
    age: int = 3
    password: str = "hunter2"
    tags: list[str] = pydantic.Field(default_factory=list)
    first: int = pydantic.Field(default=1, alias="begins")


class Own(pydantic.BaseModel):
    name: str

    def __init__(self, line: str, *, strip: bool = True) -> None:
        raise AssertionError("a model was made")


def test_a_model_is_called_with_its_fields() -> None:
    answer = ask("signature", User)
    assert answer.signature == (
        "User(*, name: str, age: int = 3, password: str = <redacted>, tags: list[str] = …, begins: int = 1)"
    )
    assert [one.name for one in answer.parameters] == ["name", "age", "password", "tags", "begins"]


def test_a_model_with_a_constructor_of_its_own_is_called_with_that() -> None:
    assert ask("signature", Own).signature == "Own(line: str, *, strip: bool = True) -> None"


def test_a_models_own_signature_is_not_made_by_looking() -> None:
    class Fresh(pydantic.BaseModel):
        name: str

    before = dict(vars(Fresh))
    ask("signature", Fresh)
    assert vars(Fresh) == before
    assert "Signature" not in type(vars(Fresh)["__signature__"]).__name__


# ── what runs, and what is far too much ───────────────────────────────────────────────────────────────────────────────


def test_what_a_generator_runs() -> None:
    def counting():
        yield 1

    assert ask("describe", counting()).short == "<generator test_what_a_generator_runs.<locals>.counting>"


def test_of_a_hundred_thousand_attributes_only_so_many_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    class Holder:
        def method(self) -> None: ...

    holder = Holder()
    holder.__dict__.update({f"name_{number}": number for number in range(100_000)})
    made: list[str] = []

    def counted(name: str, *more: Any) -> Member:
        made.append(name)
        return Member(name, *more)

    monkeypatch.setattr("yonder.agent.peek.Member", counted)
    assert len(ask("members", holder, limit=300).members) == 300
    assert len(made) < 400  # with those of its class


def test_the_kind_of_a_thousand_names_of_one_type_is_found_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    plain = peek_raw.listed_kind
    monkeypatch.setattr(peek_raw, "listed_kind", lambda value: (asked.append(value), plain(value))[1])
    names = {f"name_{number}": number for number in range(1000)}
    answer = look({**names, "print": print, "text": ""}, Query("members"), 1)
    found = {member.name: (member.kind, member.detail) for member in answer.members}
    assert (found["name_7"], found["text"], found["print"]) == (("v", "int"), ("v", "str"), ("m", ""))
    assert sum(type(value) is int for value in asked) <= 2  # one list of names, one of builtins
    assert len(asked) < 30


def test_one_child_is_no_children() -> None:
    space = {"one": nn.Sequential(nn.ReLU()), "two": nn.Sequential(nn.ReLU(), nn.ReLU()), "none": nn.ReLU()}
    rows = {row.name: row.short for row in look(space, Query("children"), 1).rows}
    assert rows == {"one": "Sequential(1 child)", "two": "Sequential(2 children)", "none": "ReLU()"}
