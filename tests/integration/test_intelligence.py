"""Live intelligence in whole: the real server, a real session, the libraries people use, and objects that lie."""

from __future__ import annotations

import pytest
import pytest_asyncio
from tests.integration.desk import Desk, desks

pytestmark = pytest.mark.asyncio(loop_scope="module")
client = desks(static="none")

CODE = """
import dataclasses, enum, functools, math, sys, types
import numpy as np
import pandas as pd
import torch
from torch import nn
from pydantic import BaseModel

layer = nn.Linear(3, 4)
x = torch.zeros(2, 3)
y = layer(x)

class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(3, 5), nn.ReLU()])
    def forward(self, batch: torch.Tensor, *, scale: float = 1.0) -> torch.Tensor:
        '''What the encoder does.'''
        return batch

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = Encoder()

model = Model()
weights = model.state_dict()
cfg = {"opt": torch.optim.SGD(model.parameters(), lr=0.25), "two words": 2, 'quo"te': 3}
array = np.zeros((7, 5), dtype=np.float32)
df = pd.DataFrame({"price": [1.0, 2.0], "two words": [1, 2]})

@dataclasses.dataclass
class Point:
    '''A place.'''
    across: float
    up: float = 0.0
    @property
    def length(self) -> float:
        raise AssertionError("a property was run")
    def moved(self, by: float, *, twice: bool = False) -> "Point":
        '''Moved by so much.'''
        return self

point = Point(1.0)

class Color(enum.Enum):
    RED = 1
    GREEN = 2

color = Color.RED

class User(BaseModel):
    name: str
    age: int = 3

user = User(name="Ada")

def train(rate: float, *, epochs: int = 3, warm: bool = False):
    '''Train it.

    For so many epochs.'''

def numbers():
    yield 1

counting = numbers()
half = functools.partial(train, 0.5, epochs=2)
nothing = None
"""

LIARS = """
def no(*args, **kwargs):
    raise AssertionError("looked at by running it")

class Says(type):
    __instancecheck__ = __subclasscheck__ = __eq__ = __dir__ = mro_entries = no
    __hash__ = type.__hash__
    @property
    def __dict__(cls): no()
    @property
    def __name__(cls): no()

class Liar(metaclass=Says):
    '''Says that it is an int.'''
    def __init__(self): object.__setattr__(self, "truth", 1)
    __class__ = property(lambda self: int)
    __getattr__ = __dir__ = __repr__ = __len__ = __bool__ = __eq__ = __call__ = __getitem__ = no
    __hash__ = object.__hash__
    raising = property(no)
    def honest(self): '''Really.'''

liar = Liar()

class Huge: pass
huge = Huge()
huge.__dict__.update({f"name_{n}": n for n in range(100_000)})

ring = []
ring.append(ring)
class Node: pass
node = Node()
node.next = node
node.again = {"node": node, "ring": ring}
class Deep: pass
deep = bottom = Deep()
for _ in range(3000):
    bottom.next = Deep(); bottom = bottom.next
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(client) -> Desk:
    await client.desk.run(CODE)
    await client.desk.run(LIARS)
    return client.desk


# What is asked, what must be in the list in this order, what must not be in it.
LISTS = [
    ("y.|", "backward detach shape view", "truth"),
    ("y.sha|", "shape", ""),
    ("layer.|", "bias in_features weight forward", ""),
    ("model.encoder.layers[0].|", "out_features weight", "inplace"),
    ("model.encoder.layers[1].|", "inplace", "out_features"),
    ('cfg["opt"].|', "param_groups state step zero_grad", ""),
    ('cfg["|', 'opt quo"te', "price keys"),
    ('df["|', "price", "columns"),
    ("df.|", "price groupby", ""),
    ('weights["|', "encoder.layers.0.weight encoder.layers.0.bias", ""),
    ("array.|", "dtype shape", ""),
    ("np.|", "linalg ndarray zeros", ""),
    ("np.linalg.|", "norm solve", ""),
    ("torch.nn.functional.|", "relu softmax", ""),
    ("point.|", "across up length moved", ""),
    ("Point.|", "moved", "across"),
    ("Color.|", "GREEN RED", ""),
    ("color.|", "name value", ""),
    ("user.|", "age name model_dump", ""),
    ("User.|", "model_fields model_validate", ""),
    ("counting.|", "close gi_frame send", ""),
    ("half.|", "args func keywords", ""),
    ("math.|", "pi sin", ""),
    ("train(|", "rate= epochs= warm=", ""),
    ("half(|", "warm=", ""),
    ("Point(|", "across= up=", ""),
    ("User(|", "name= age=", ""),
    ("model.encoder(|", "batch= scale=", ""),
    ("point.moved(|", "by= twice=", "self="),
    ("lay|", "layer", ""),
    ("nothing.|", "__bool__", "shape"),
    ("liar.|", "truth honest raising", "bit_length"),
    ("Liar.|", "honest", ""),
    ("node.|", "again next", ""),
    ("node.next.next.next.|", "again next", ""),
    ('node.again["ring"][0][0].|', "append", ""),
    ("ring.|", "append", ""),
    ("from torch.nn import Conv2|", "Conv2d", ""),
    ("import nump|", "numpy", ""),
]


@pytest.mark.parametrize(("question", "wanted", "unwanted"), LISTS, ids=[row[0] for row in LISTS])
async def test_members_and_their_order(desk: Desk, question: str, wanted: str, unwanted: str) -> None:
    labels = await desk.complete(question)
    assert [label for label in labels if label in wanted.split()] == wanted.split()
    assert not set(unwanted.split()) & set(labels)
    assert len(labels) == len(set(labels))


async def test_a_tensor_has_all_its_members(desk: Desk) -> None:
    assert len(await desk.complete("y.|")) > 600


async def test_the_text_may_stand_in_a_function_that_only_reads_globals(desk: Desk) -> None:
    assert "backward" in await desk.complete("def f():\n    return y.|")


# What stands under the cursor, and what the hover says of it.
HOVERS = [
    ("|y", ["y: torch.Tensor", "2 x 4", "float32", "cpu"]),
    ("layer.|weight", ["torch.nn", "Parameter", "4 x 3"]),
    ("|model", ["Model", "parameters", "encoder"]),
    ("|array", ["numpy.ndarray", "float32", "7", "5"]),
    ("|df", ["DataFrame", "2", "price"]),
    ("|train", ["train(rate: float, *, epochs: int = 3, warm: bool = False)", "Train it."]),
    ("|half", ["functools.partial"]),
    ("|point", ["Point", "across"]),
    ("point.|length", ["float", "not run"]),
    ("|color", ["Color", "RED"]),
    ("|user", ["User"]),
    ("|counting", ["generator", "numbers"]),
    ("math.|sin", ["sin(x, /)"]),
    ("|cfg", ["dict", "opt"]),
    ('cfg["|opt"]', []),
    ("|liar", ["Liar"]),
    ("liar.|raising", ["not run"]),
    ("|huge", ["Huge"]),
    ("|ring", ["list"]),
    ("|node", ["Node"]),
    ("|deep", ["Deep"]),
    ("|Point", ["Point", "A place."]),
    ("model.encoder.|forward", ["batch: torch.Tensor, *, scale: float = 1.0", "What the encoder does."]),
]


@pytest.mark.parametrize(("question", "said"), HOVERS, ids=[row[0] for row in HOVERS])
async def test_hover(desk: Desk, question: str, said: list[str]) -> None:
    text = await desk.hover(question)
    for words in said:
        assert words in text


async def test_a_hover_says_where_from_and_how_old(desk: Desk) -> None:
    assert "live · run" in await desk.hover("|y")


# What is being called, and the label and the parameter that the cursor is in.
SIGNATURES = [
    ("train(1, |", "train(rate: float, *, epochs: int = 3, warm: bool = False)", None),
    ("train(|", "train(rate: float, *, epochs: int = 3, warm: bool = False)", "rate: float"),
    ("half(|", "half(*, warm: bool = False)", None),
    ("point.moved(1, twice=|", "point.moved(by: float, *, twice: bool = False)", "twice: bool = False"),
    ("Point(1, |", "Point(across: float, up: float = 0.0)", "up: float = 0.0"),
    ("User(|", "User(*, name: str, age: int = 3)", None),
    ("model.encoder(|", "model.encoder(batch: torch.Tensor, *, scale: float = 1.0)", "batch: torch.Tensor"),
    ("math.sin(|", "math.sin(x, /)", "x"),
    ("layer.weight.view(|", "view(", None),
]


@pytest.mark.parametrize(("question", "label", "parameter"), SIGNATURES, ids=[row[0] for row in SIGNATURES])
async def test_signature(desk: Desk, question: str, label: str, parameter: str | None) -> None:
    found = await desk.signature(question)
    assert found is not None
    assert label.rpartition(".")[2] in found.signatures[0].label or label in found.signatures[0].label


async def test_what_has_no_signature_gives_none_and_no_error(desk: Desk) -> None:
    for question in ("nothing(|", "liar(|", "max(|", "dict.fromkeys(|", "y(|", "torch.zeros(|"):
        found = await desk.signature(question)
        assert found is None or found.signatures


async def test_an_item_is_described_when_it_is_looked_at(desk: Desk) -> None:
    item = await desk.resolve("point.|", "moved")
    assert item.documentation is not None
    assert "Moved by so much." in item.documentation.value
    assert "by: float" in item.detail
    assert "4 x 3" in (await desk.resolve("layer.|", "weight")).documentation.value


async def test_names_to_import_are_the_sessions(desk: Desk, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A package that is only where the session is: it is neither in the project nor on this server's path."""
    there = tmp_path_factory.mktemp("there") / "onlythere"
    there.mkdir()
    (there / "__init__.py").write_text("raise AssertionError('imported by looking')\ndef made(): ...\n")
    (there / "inner.py").write_text("")
    await desk.run(f"sys.path.insert(0, {str(there.parent)!r})")
    assert "onlythere" in await desk.complete("import onlyth|")
    assert "inner" in await desk.complete("from onlythere import |")


async def test_the_variables_of_the_session(desk: Desk) -> None:
    rows = {one["name"]: one for one in (await desk.ask("yonder/variables", uri=desk.uri))["variables"]}
    assert rows["y"]["type"] == "torch.Tensor"
    assert "Liar" in rows["liar"]["type"]
    assert rows["nothing"]["short"] == "None"


async def test_nothing_that_lies_was_run(desk: Desk) -> None:
    """Every liar raises when it is touched: the session would have a sentence for it."""
    for name in ("liar", "Liar", "huge", "deep"):
        await desk.hover(f"|{name}")
        await desk.complete(f"{name}.|")
    assert "could not be looked at" not in "".join([await desk.hover(f"|{name}") for name in ("liar", "huge", "ring")])
    assert await desk.run("1 + 1") == "2"
