"""What does not travel is named with the way to it."""

from __future__ import annotations

import functools
import threading

import pytest

from yonder import culprit, payload
from yonder.errors import SerializationError


class Holder:
    def __init__(self, **parts):
        self.__dict__.update(parts)


class Slotted:
    __slots__ = ("lock", "never")

    def __init__(self):
        self.lock = threading.Lock()


def path_of(*args, **kwargs):
    with pytest.raises(SerializationError) as caught:
        payload.pack_call(args, kwargs)
    assert "_thread.lock" in str(caught.value)
    return caught.value.path


def test_the_value_itself():
    assert path_of(1, threading.Lock()) == "argument 2"
    assert path_of(by=threading.Lock()) == "argument 'by'"


def test_containers_and_attributes():
    held = Holder(lock=threading.Lock(), fine=1)
    assert path_of(1, {"model": held}) == "argument 2 -> ['model'] -> .lock"
    assert path_of([0, (1, {2: [held]})]) == "argument 1 -> [1] -> [1] -> [2] -> [0] -> .lock"
    assert path_of({Holder(lock=threading.Lock())}).startswith("argument 1 -> element of type Holder -> .lock")
    assert path_of(Slotted()) == "argument 1 -> .lock"


def test_functions_closures_defaults_methods_and_partials():
    lock = threading.Lock()

    def closed():
        return lock

    def default(a, b=lock):
        return a, b

    assert path_of(closed) == "argument 1 -> its variable 'lock'"
    assert path_of(default) == "argument 1 -> its default 1"
    assert path_of(functools.partial(max, lock)) == "argument 1 -> its arguments -> [0]"
    assert "its variable 'lock'" in path_of([closed])


def test_a_function_that_is_called_names_what_it_holds():
    held = Holder(inner={"lock": threading.Lock()})

    def work():
        return held

    with pytest.raises(SerializationError, match=r"the function .*work cannot travel") as caught:
        payload.pack_function(work)
    assert caught.value.path == "its variable 'held' -> .inner -> ['lock']"


def test_it_gives_up_in_time_and_never_goes_round():
    ring = {}
    ring["self"] = ring
    ring["lock"] = threading.Lock()
    assert path_of(ring) == "argument 1 -> ['lock']"
    asked = []
    search = culprit.Search(lambda part: asked.append(part) or "", lambda: len(asked) >= 3)
    assert search.descend(list(range(100)), "why") == ([], list(range(100)), "why")
    assert len(asked) == 3


def test_nothing_of_the_value_is_run_by_looking():
    class Touchy:
        def __getattr__(self, name):
            raise AssertionError(name)

        @property
        def never(self):
            raise AssertionError

        def __reduce__(self):
            raise ValueError("not me")

    with pytest.raises(SerializationError, match="not me"):
        payload.pack_call([Touchy()], {})


def test_an_exception_while_pickling_is_the_cause():
    with pytest.raises(SerializationError) as caught:
        payload.pack(threading.Lock())
    assert isinstance(caught.value.__cause__, TypeError)
    assert caught.value.path == ""
