"""What functions that a file gives to a pool take along."""

import pytest

from yonder import wire
from yonder_lsp.captures import MOST, captures, marks, weight

TEXT = """import numpy as np
from helper import tool
import yonder

data = np.zeros(10)
lock = object()

def inner():
    return lock

def train(x):
    def deeper():
        return data
    return len([deeper(), inner(), np.sum(x), tool(x), Kind(x)])

class Kind: ...

with yonder.Pool("gpu") as pool:
    pool.map(train, range(3))
    other.submit(train)
    pool.close()
"""


def seen(**answers):
    return {name: wire.Answer(True, **values) for name, values in answers.items()}


def test_globals_are_found_through_functions_and_what_is_imported_or_defined_is_not_taken_along():
    found = captures(TEXT)
    assert [(one.name, one.function) for one in found] == [("data", "train"), ("lock", "train")]
    line = TEXT.splitlines()[found[0].line - 1]
    assert line[found[0].column : found[0].end_column] == "train"
    assert line.strip() == "pool.map(train, range(3))"


def test_a_pool_is_what_the_text_opens():
    body = "def f(): return data\npool = Pool()\npool.submit(f)\n"
    assert [one.name for one in captures(body)] == ["data"]
    assert captures(body.replace("Pool()", "ThreadPoolExecutor()")) == []


@pytest.mark.parametrize("text", ["def f(", "\0", "pool.submit()", "pool.submit(lambda: x)"])
def test_nothing_is_said_of_what_is_not_understood(text):
    assert captures(text) == []


def test_so_many_names_are_looked_at():
    names = ", ".join(f"v{n}" for n in range(100))
    assert len(captures(f"def f(): return {names}\npool = Pool()\npool.submit(f)\n")) == MOST


def test_what_is_large_and_what_never_travels_is_said():
    live = seen(
        data={"type": "numpy.ndarray", "facts": [wire.Fact("memory", "801 MB")]},
        lock={"type": "_thread.lock"},
    )
    large, stubborn = marks(captures(TEXT), live, TEXT, 100_000_000)
    assert large["message"].startswith("train takes data (801 MB) along with its code; give it as an argument")
    assert stubborn["message"].startswith("train uses lock, a _thread.lock, which cannot travel")
    assert large["range"]["start"] == {"line": 18, "character": 13}


def test_what_is_small_or_not_there_is_no_matter():
    live = seen(data={"type": "numpy.ndarray", "facts": [wire.Fact("memory", "80 B")]})
    assert marks(captures(TEXT), live, TEXT, 100_000_000) == []
    live = seen(data={"type": "numpy.ndarray", "facts": [wire.Fact("memory", "801 MB")]})
    assert marks(captures(TEXT), live, TEXT, 0) == []
    assert marks(captures(TEXT), {"data": wire.Answer(False)}, TEXT, 1) == []


@pytest.mark.parametrize(
    ("words", "size"), [("80 B", 80), ("1.5 kB", 1500), ("2 GB", 2e9), ("", 0), ("x MB", 0), ("3", 0)]
)
def test_sizes_in_words(words, size):
    assert weight(words) == size
