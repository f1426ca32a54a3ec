"""Exceptions of any class come back as what they were: their class, their words, their attributes."""

import subprocess
import threading

import pytest

from yonder import payload
from yonder.errors import ExecutorLost, VersionMismatch


class Refused(Exception):
    def __init__(self, code, words):
        super().__init__(f"{code}: {words}")
        self.code = code


class Answer(Exception):
    def __init__(self, *, response):
        super().__init__("a bad answer")
        self.response = response


class Prefixed(Exception):
    def __init__(self, words):
        super().__init__(f"prefix: {words}")


class Gone(OSError):
    def __init__(self, host):
        super().__init__(5, "gone", "file")
        self.host = host


class Slotted(Exception):
    __slots__ = ("place",)

    def __init__(self, place):
        super().__init__()
        self.place = place


class Frozen(Exception):
    def __init__(self, a):
        super().__init__(a)

    def __setattr__(self, name, value):
        raise AttributeError(name)


class Own(Exception):
    def __init__(self, a, b):
        super().__init__(a + b)

    def __reduce__(self):
        return Own, (self.args[0], "!")


def sent(error):
    return payload.exception(payload.pack_exception(error), payload.failure(error, ""))


@pytest.mark.parametrize(
    "error",
    [
        Refused(4, "no"),
        Answer(response={"status": 500}),
        Prefixed("x"),
        Frozen(1),
        Gone("h"),
        subprocess.CalledProcessError(3, ["ls"], b"out"),
        VersionMismatch(ours="1", theirs="2", where="hub"),
        ExecutorLost("it died", executor="e", exit_code=3, stderr="words"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_any_class_comes_back_as_it_was(error):
    back = sent(error)
    assert type(back) is type(error)
    assert str(back) == str(error)
    assert back.args == error.args
    assert vars(back) == vars(error)


def test_slots_come_back_too():
    assert sent(Slotted("here")).place == "here"
    back = sent(Gone("h"))
    assert (back.errno, back.strerror, back.filename) == (5, "gone", "file")


def test_exceptions_inside_a_group_and_inside_values_come_back_too():
    assert sent(ExceptionGroup("two", [Refused(1, "a"), Prefixed("b")])).exceptions[0].code == 1
    assert payload.unpack(payload.pack([Answer(response=3)]))[0].response == 3


def test_one_that_refers_to_itself():
    error = Refused(1, "a")
    error.me = error
    back = sent(error)
    assert back.me is back


def test_a_class_that_says_how_it_travels_is_believed():
    assert sent(Own("a", "b")).args == ("ab!",)


def test_what_does_not_travel_is_left_out_and_named():
    error = Refused(4, "no")
    error.lock = threading.Lock()
    back = sent(error)
    assert (type(back), str(back), back.code) == (Refused, "4: no", 4)
    assert not hasattr(back, "lock")
    assert back.__notes__ == ["(did not travel: .lock)"]
    assert sent(ValueError("x", threading.Lock())).args == ("x", "<lock>")
    assert not hasattr(error, "__notes__")
