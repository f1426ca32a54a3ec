"""A call looked at before it is made."""

import functools
import sys
import threading
import types
import warnings

import numpy as np
import pytest

from yonder import payload, preflight, wire
from yonder.errors import CaptureWarning
from yonder.preflight import Call, Finding, Watch, look, weigh

LIMIT = 100_000


def looked(function, *args, more=(), elsewhere=False, there=None, **spec):
    made = wire.PoolSpec(**{"capture_warning": LIMIT, **spec})
    return look(Call(function, args, {}, made, payload.pack_function, elsewhere, there), more)


def closure(value):
    def uses(x):
        return value, x

    return uses


class Holder:
    def __init__(self, **values):
        self.__dict__.update(values)


# ── captures ──


def test_a_large_capture_is_named_with_its_size_and_the_remedy():
    found = looked(closure(np.zeros(100_000)))
    (finding,) = found.findings
    assert (finding.level, finding.subject) == ("warning", "capture")
    assert "closure.<locals>.uses takes along 80" in finding.sentence
    assert "most of it is its variable 'value' (ndarray, 800 kB)" in finding.sentence
    assert "pool.put" in finding.remedy
    assert found.ok
    assert "its variable 'value' (ndarray, 800 kB)" in str(found)


def test_a_small_one_is_not_worth_a_word():
    found = looked(closure(3))
    assert (found.findings, found.captures) == ((), ())
    assert str(found).endswith("nothing is in its way")
    assert looked(closure(np.zeros(100_000)), capture_warning=0).findings == ()


def test_what_is_larger_than_all_that_travels_does_not_travel(monkeypatch):
    monkeypatch.setitem(globals(), "huge", np.zeros(1_000_000))
    assert preflight.captured(reads_a_global, 1000) == ()
    (capture,) = preflight.captured(reads_a_global, 9_000_000)
    assert (capture.path, capture.size) == ("the global 'huge'", 8_000_000)


def reads_a_global():
    return huge  # noqa: F821 - a test puts it there


@pytest.mark.parametrize(
    ("value", "least", "most"),
    [
        (b"x" * 1000, 1000, 1100),
        (np.zeros(1000), 8000, 8000),
        ([np.zeros(10), {"a": np.zeros(20)}, (np.zeros(30),)], 480, 600),
        (types.SimpleNamespace(inner=np.zeros(100)), 800, 1000),
        (memoryview(b"abc"), 3, 3),
        (np, 0, 0),
        (weigh, 0, 0),
    ],
)
def test_the_weight_of_values(value, least, most):
    assert least <= weigh(value) <= most


def test_tensors_and_tables_say_their_size():
    torch, pandas = pytest.importorskip("torch"), pytest.importorskip("pandas")
    assert weigh(torch.zeros(1000)) == 4000
    assert weigh(torch.nn.Linear(10, 10)) >= 440
    assert weigh(pandas.DataFrame({"a": np.zeros(1000)})) >= 8000


def test_a_value_is_weighed_once_and_a_circle_has_an_end():
    data = np.zeros(1000)
    circle = [data, data]
    circle.append(circle)
    assert weigh(circle) == 8000


def test_weighing_runs_no_code_of_the_values():
    class Hostile:
        def __init__(self):
            self.data = b"x" * 500

        def __len__(self):
            raise AssertionError

        def __sizeof__(self):
            raise AssertionError

        @property
        def nbytes(self):
            raise AssertionError

    assert weigh(Hostile()) >= 500


# ── warned when it is submitted ──


def test_a_function_is_warned_of_once():
    watch = Watch(100)
    first, second = closure(1), closure(2)  # the same function, made twice

    def leave():
        watch.leaving(first, 101)
        watch.leaving(second, 101)
        watch.leaving(weigh, 100)

    with pytest.warns(CaptureWarning, match="takes along 101 B") as said:
        leave()
    assert len(said) == 1
    assert said[0].filename == __file__  # the line of the program that submits
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Watch(0).leaving(first, 10**9)


# ── what does not pickle ──


def test_the_path_to_what_does_not_pickle_is_said():
    model = Holder(optimizer=Holder(_lock=threading.Lock()))
    found = looked(print, {"model": model})
    (finding,) = found.findings
    assert (finding.level, finding.subject) == ("error", "pickle")
    assert finding.remedy.startswith("argument 1 -> ['model'] -> .optimizer -> ._lock:")
    assert not found.ok
    captured = looked(closure(model)).findings
    assert "its variable 'value' -> .optimizer -> ._lock" in captured[0].remedy


def test_any_callable_has_a_name():
    assert looked(functools.partial(print, 1)).name == "partial"
    assert looked(print).name == "print"


# ── modules and packages ──


@pytest.fixture
def modules(tmp_path, monkeypatch):
    """helper uses deeper and an installed package that says that it is `fauxlib`."""

    def module(name, file, **values):
        made = types.ModuleType(name)
        made.__file__ = str(file)
        made.__dict__.update(values)
        monkeypatch.setitem(sys.modules, name, made)
        return made

    faux = module("fauxlib", tmp_path / "site-packages" / "fauxlib.py")
    deeper = module("deeper_mod", tmp_path / "deeper_mod.py", faux=faux)
    return module("helper_mod", tmp_path / "helper_mod.py", deeper=deeper)


def calls_helper(modules):
    def uses():
        import sqlite3  # noqa: F401 - the standard library is everywhere

        return modules

    return uses


def test_the_programs_modules_that_a_call_needs_are_listed(modules):
    found = preflight.own_modules(calls_helper(modules))
    names = [module.__name__ for module in found]
    assert {"helper_mod", "deeper_mod", __name__} <= set(names)
    assert "fauxlib" not in names


def test_the_modules_of_its_arguments_are_needed_too(modules):
    kind = type("Net", (), {"__module__": "helper_mod"})
    names = [module.__name__ for module in preflight.own_modules(print, [kind(), 7])]
    assert names == ["deeper_mod", "helper_mod"]
    assert "deeper_mod, helper_mod" in str(looked(print, Holder, modules))


def test_a_function_that_cannot_travel_weighs_nothing():
    found = looked(closure(threading.Lock()))
    assert found.size is None
    assert "'default' (local): cannot travel\n" in str(found)


def test_packages_elsewhere_are_compared_through_the_modules(modules):
    there = wire.Environment("cpython", "{}.{}.0".format(*sys.version_info[:2]), "x", {"numpy": "0.1", "pytest": ""})
    function = calls_helper(modules)
    found = preflight.tops_needed(function, preflight.own_modules(function))
    assert "fauxlib" in found
    assert "sqlite3" not in found
    said = [str(one) for one in looked(function, elsewhere=True, there=there) if one.subject == "package"]
    assert any(words.startswith("error: on the pool 'default': fauxlib is missing there") for words in said)
    assert any(words.startswith(f"warning: on the pool 'default': numpy {np.__version__} here, 0.1") for words in said)
    assert not [
        one for one in looked(function, elsewhere=True, there=there, dependencies="lock") if one.subject == "package"
    ]


def test_another_python_is_an_error(modules):
    there = wire.Environment("cpython", "3.99.0", "x", {})
    (finding,) = [one for one in looked(print, elsewhere=True, there=there) if one.subject == "python"]
    assert "Python 3.99" in finding.sentence


def test_before_an_executor_is_up_nobody_knows(modules):
    (finding,) = looked(calls_helper(modules), elsewhere=True).findings
    assert (finding.level, finding.subject) == ("information", "package")


def test_an_import_in_the_call_that_is_not_installed_here_is_found():
    def uses():
        import no_such_package.inner  # noqa: F401

    (finding,) = looked(uses).findings
    assert finding.sentence == "no_such_package is imported by the call and is not installed here"


def test_further_checks_are_asked_and_errors_come_first():
    heard = []

    def check(function, arguments, keywords):
        heard.append((function, arguments, keywords))
        yield Finding("information", "file", "data.csv is here only")
        yield Finding("error", "file", "worse")

    found = looked(print, "data.csv", more=[check])
    assert [one.level for one in found] == ["error", "information"]
    assert heard == [(print, ("data.csv",), {})]
