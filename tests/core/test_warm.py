"""`@yonder.resource`: made once for its arguments, kept, closed, made anew when its function is another one."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading

import cloudpickle
import pytest

import yonder
from yonder import warm


def nothing():
    yield from ()


async def later():
    return 1


@pytest.fixture(autouse=True)
def _nothing_kept():
    yield
    warm.close_all()


def test_made_once_for_its_arguments():
    made = []

    @yonder.resource
    def model(name, size=1, **more):
        """What it is."""
        made.append((name, size, more))
        return [name]

    assert not warm.held()
    assert model("a") is model("a", 1) is model(name="a", size=1)
    assert model("b") is not model("a")
    assert model("a", b=1, c=2) is model("a", c=2, b=1)
    assert made == [("a", 1, {}), ("b", 1, {}), ("a", 1, {"b": 1, "c": 2})]
    assert warm.held()
    assert warm.values() == [["a"], ["b"], ["a"]]
    assert (model.__name__, model.__doc__) == ("model", "What it is.")


def test_the_hook_closes_the_last_one_first_and_the_next_call_makes_anew():
    closed = []

    @yonder.resource(close=closed.append)
    def thing(name):
        return name

    thing("a"), thing("b")
    thing.close()
    assert closed == ["b", "a"]
    assert not warm.held()
    thing("a")
    warm.close_all()
    assert closed == ["b", "a", "a"]


def test_a_generator_closes_after_its_yield():
    steps = []

    @yonder.resource
    def connection():
        steps.append("open")
        yield "it"
        steps.append("closed")

    assert connection() == connection() == "it"
    warm.close_all()
    assert steps == ["open", "closed"]


def test_a_hook_that_raises_does_not_keep_the_others_open(capsys):
    closed = []

    @yonder.resource(close=lambda value: closed.append(value) if value else 1 / 0)
    def thing(value):
        return value

    thing(1), thing(0)
    thing.close()
    assert closed == [1]
    assert "ZeroDivisionError" in capsys.readouterr().err


def defined(text):
    scope = {"yonder": yonder, "__name__": "some_module", "closed": []}
    exec(textwrap.dedent(text), scope)
    return scope


def test_the_same_text_in_another_line_keeps_its_objects_and_another_text_closes_them():
    text = "@yonder.resource(close=lambda value: closed.append(value))\ndef model():\n    return ['one']\n"
    first, moved, changed = defined(text), defined("\n\n" + text), defined(text.replace("one", "two"))
    mine = first["model"]()
    assert moved["model"]() is mine
    assert changed["model"]() == ["two"]
    assert first["closed"] == [["one"]]


def test_nested_code_and_defaults_count_as_text():
    text = "@yonder.resource\ndef model(n={n}):\n    return (lambda: {m})\n"
    one = defined(text.format(n=1, m=1))["model"]()
    assert defined(text.format(n=1, m=1))["model"]() is one
    assert defined(text.format(n=1, m=2))["model"]() is not one


def test_it_travels_and_is_the_same_resource_there():
    scope = defined("@yonder.resource\ndef model():\n    return ['one']\n")
    mine = scope["model"]()
    assert cloudpickle.loads(cloudpickle.dumps(scope["model"]))() is mine


def test_two_threads_at_the_first_call_get_one_object():
    begun, go, got = threading.Event(), threading.Event(), []

    @yonder.resource
    def slow():
        begun.set()
        go.wait(10)
        return object()

    threads = [threading.Thread(target=lambda: got.append(slow())) for _ in range(2)]
    threads[0].start()
    begun.wait(10)
    threads[1].start()
    go.set()
    for thread in threads:
        thread.join(10)
    assert got[0] is got[1]


def test_a_forked_child_makes_its_own_and_closes_nothing_of_its_parents():
    closed = []

    @yonder.resource(close=closed.append)
    def thing():
        return os.getpid()

    thing()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            first = warm.held()
            own = thing() == os.getpid()
            warm.close_all()
            os.write(write, b"yes" if own and not first and closed == [os.getpid()] else b"no")
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 10) == b"yes"
    os.close(read)
    os.close(write)


def test_a_program_closes_at_its_end():
    code = "import yonder\n@yonder.resource(close=print)\ndef thing(n):\n    return n\nthing(1), thing(2)\nprint('end')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "end\n2\n1\n"


@pytest.mark.parametrize(
    ("use", "words"),
    [
        (
            lambda: yonder.resource(lambda names: names)(["a"]),
            "'names' of the resource .* must be hashable; a list is not",
        ),
        (lambda: yonder.resource(7), "put on a function, not on a int"),
        (yonder.resource(nothing), "has to yield the object once"),
        (lambda: yonder.resource(later), "is an `async def`"),
    ],
)
def test_mistakes_are_said_in_words(use, words):
    with pytest.raises(yonder.UsageError, match=words):
        use()
