"""A function is pickled once while it stays what it is, and again when anything it reads has become something else."""

from __future__ import annotations

import math
import sys
import types

import pytest

from yonder import payload
from yonder.functions import Pickles, Sent


@pytest.fixture
def pickled(monkeypatch):
    """Names of the functions that were pickled, in order."""
    done = []
    real = payload.pack_function
    monkeypatch.setattr(payload, "pack_function", lambda fn: done.append(getattr(fn, "__name__", "?")) or real(fn))
    return done


def home(code, name="__main__", **names):
    """A function `f` made of `code`, as a program's own module has it."""
    space = {"__name__": name, "__builtins__": __builtins__, **names}
    exec(code, space)
    return space["f"], space


def test_a_plain_function_is_pickled_once(pickled):
    f, _ = home("import math\nLIMIT = 3\ndef g(x): return x + LIMIT\ndef f(x, k=1): return math.sqrt(g(x)) + k")
    pickles = Pickles(payload.Workspace(""))
    assert pickles.packed(f) == pickles.packed(f)
    assert pickled == ["f"]
    assert payload.unpack(pickles.packed(f)[1])(1) == math.sqrt(4) + 1


CHANGES = {
    "a global": ("LIMIT = 1\ndef f(): return LIMIT", lambda f, space: space.update(LIMIT=2)),
    "a global that came": ("def f(): return LIMIT", lambda f, space: space.update(LIMIT=2)),
    "a global of a global function": (
        "LIMIT = 1\ndef g(): return LIMIT\ndef f(): return g()",
        lambda f, space: space.update(LIMIT=2),
    ),
    "a global in an inner function": (
        "LIMIT = 1\ndef f(): return [LIMIT for _ in (0,)][0]",
        lambda f, space: space.update(LIMIT=2),
    ),
    "a default": ("def f(x=1): return x", lambda f, space: setattr(f, "__defaults__", (2,))),
    "a keyword's default": ("def f(*, x=1): return x", lambda f, space: f.__kwdefaults__.update(x=2)),
    "the code": ("def f(): return 1\ndef g(): return 2", lambda f, space: setattr(f, "__code__", space["g"].__code__)),
    "the closure": (
        "def make():\n x = 1\n def f(): return x\n return f\nf = make()",
        lambda f, space: setattr(f.__closure__[0], "cell_contents", 2),
    ),
    "what a list holds": ("L = [1]\ndef f(): return L[0]", lambda f, space: space["L"].__setitem__(0, 2)),
    "a class": ("class C: x = 1\ndef f(): return C.x", lambda f, space: setattr(space["C"], "x", 2)),
    "a list in a tuple": ("L = ([1],)\ndef f(): return L[0][0]", lambda f, space: space["L"][0].__setitem__(0, 2)),
    "an attribute": ("def f(): return f.x\nf.x = 1", lambda f, space: setattr(f, "x", 2)),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_is_never_missed(what):
    code, change = CHANGES[what]
    f, space = home(code)
    pickles = Pickles(payload.Workspace(""))
    pickles.packed(f)
    pickles.packed(f)
    change(f, space)
    assert payload.unpack(pickles.packed(f)[1])() == 2


def test_a_module_of_the_workspace_may_change(tmp_path, monkeypatch):
    (tmp_path / "own_helper.py").write_text("x = 1\ndef f(): return x\n")
    monkeypatch.syspath_prepend(tmp_path)
    pickles = Pickles(payload.Workspace(str(tmp_path)))
    import own_helper

    assert payload.unpack(pickles.packed(own_helper.f)[1])() == 1
    own_helper.x = 2
    assert payload.unpack(pickles.packed(own_helper.f)[1])() == 2
    del sys.modules["own_helper"]


def test_a_new_module_counts(pickled, monkeypatch):
    f, _ = home("import math\ndef f(): return math.pi")
    pickles = Pickles(payload.Workspace(""))
    pickles.packed(f)
    monkeypatch.setitem(sys.modules, "math.invented", types.ModuleType("math.invented"))
    pickles.packed(f)
    assert pickled == ["f", "f"]


def test_what_is_named_and_not_sent_is_pickled_once(pickled):
    pickles = Pickles(payload.Workspace(""))
    for _ in range(3):
        pickles.packed(math.sqrt)
        pickles.packed(math.prod)
        pickles.packed(payload.pack)
    assert pickled == ["sqrt", "prod", "pack"]


def out(sent, digest, size):
    """A call of a function goes out; what the hub should forget, None when it had the function."""
    return None if sent.leaving(digest) and not sent.left(digest, 0) else sent.left(digest, size)


def test_the_hub_keeps_so_many_functions_and_no_more():
    sent = Sent(most=2)
    assert out(sent, b"a", 1) == []
    assert out(sent, b"b", 1) == []
    assert out(sent, b"a", 1) is None
    assert out(sent, b"c", 1) == [b"b"]
    assert out(sent, b"a", 1) is None
    assert out(sent, b"b", 1) == [b"c"]


def test_the_hub_keeps_so_many_bytes_and_always_the_last():
    sent = Sent(most_bytes=10)
    assert out(sent, b"a", 6) == []
    assert out(sent, b"b", 6) == [b"a"]
    assert out(sent, b"c", 60) == [b"b"]
    assert out(sent, b"c", 60) is None


def test_what_is_on_its_way_out_is_not_forgotten():
    sent = Sent(most=1)
    out(sent, b"a", 1)
    assert sent.leaving(b"a")
    assert out(sent, b"b", 1) == []
    assert sent.left(b"a", 0) == [b"a"]


def test_a_call_that_could_not_be_sent_brings_nothing_to_the_hub():
    sent = Sent()
    assert not sent.leaving(b"a")
    sent.left(b"a", 0)
    assert not sent.leaving(b"a")
