"""Objects as bytes, exceptions as data."""

from __future__ import annotations

import importlib.util
import linecache
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yonder import payload
from yonder.errors import RemoteTraceback, SerializationError, YonderError

_plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=30,
)


@given(_plain)
def test_builtin_values_survive(value):
    assert payload.unpack(payload.pack(value)) == value


def test_closures_and_classes_travel_by_value():
    class Local:
        def __init__(self, n):
            self.n = n

    factor = 3
    assert payload.unpack(payload.pack(Local(2))).n == 2
    digest, body = payload.pack_function(lambda n: n * factor)
    assert len(digest) == 16
    assert payload.unpack(body)(5) == 15
    assert payload.pack_function(len)[0] == payload.pack_function(len)[0]


def test_what_does_not_travel_is_named():
    with pytest.raises(SerializationError, match=r"a value of type _thread\.lock cannot travel"):
        payload.pack(threading.Lock())
    with pytest.raises(
        SerializationError, match=r"^the result cannot travel .* \(a value of type _thread\.lock\): TypeErr"
    ):
        payload.pack(threading.Lock(), name="the result")
    with pytest.raises(SerializationError, match=r": the result -> \[1\] is a value of type _thread\.lock \(TypeErr"):
        payload.pack([1, threading.Lock()], name="the result")
    with pytest.raises(SerializationError, match="argument 2 cannot travel"):
        payload.pack_call((1, threading.Lock()), {})
    with pytest.raises(SerializationError, match="argument 'guard' cannot travel"):
        payload.pack_call((1,), {"guard": threading.Lock()})
    lock = threading.Lock()
    with pytest.raises(SerializationError, match=r"the function .*named cannot travel"):
        payload.pack_function(_around(lock))
    assert payload.unpack(payload.pack_call((1,), {"b": 2})) == ((1,), {"b": 2})


def _around(lock):
    def named():
        return lock

    return named


def test_a_reduce_that_raises_is_no_surprise():
    class Odd:
        def __reduce__(self):
            raise LookupError("odd")

    with pytest.raises(SerializationError, match="LookupError: odd"):
        payload.pack(Odd())


def _load(path: Path, name: str):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def test_modules_of_the_workspace_travel_by_value_and_packages_do_not(tmp_path):
    (tmp_path / "mine_b.py").write_text("def f(): return 'mine'\n")
    inside = tmp_path / ".venv" / "lib" / "site-packages"
    inside.mkdir(parents=True)
    (inside / "theirs_b.py").write_text("def f(): return 'theirs'\n")
    try:
        mine, theirs = _load(tmp_path / "mine_b.py", "mine_b"), _load(inside / "theirs_b.py", "theirs_b")
        payload.Workspace(str(tmp_path)).register()
        code = "import sys; sys.path.append(sys.argv[1]); from yonder import payload; print(payload.unpack(bytes.fromhex(sys.argv[2]))())"
        core = str(Path(payload.__file__).parent.parent)

        def elsewhere(function):
            body = payload.pack_function(function)[1].hex()
            return subprocess.run([sys.executable, "-c", code, core, body], capture_output=True, text=True, check=False)

        assert elsewhere(mine.f).stdout == "mine\n"
        assert "No module named 'theirs_b'" in elsewhere(theirs.f).stderr
    finally:
        payload.cloudpickle.unregister_pickle_by_value(mine)
        del sys.modules["mine_b"], sys.modules["theirs_b"]


def test_is_under_knows_environments():
    assert payload.is_under("/ws/a.py", "/ws")
    assert not payload.is_under("/wsx/a.py", "/ws")
    assert not payload.is_under("/ws/.venv/lib/a.py", "/ws")
    assert not payload.is_under("/ws/a.py", "")
    assert payload.is_under("/home/venv/ws/a.py", "/home/venv/ws")


def _failing(text: str, path: str) -> BaseException:
    linecache.cache[path] = (len(text), None, text.splitlines(keepends=True), path)
    try:
        exec(compile(text, path, "exec"), {})
    except Exception as error:
        return error.with_traceback(error.__traceback__.tb_next)
    raise AssertionError("it did not fail")


def test_a_failure_has_lines_columns_in_characters_and_whose_file_it_is():
    told = payload.failure(_failing("é = 'ü'; x = é + 1\n", "/ws/a.py"), "/ws")
    (frame,) = told.frames
    assert (told.type, frame.line, frame.source, frame.user) == ("TypeError", 1, "é = 'ü'; x = é + 1", True)
    assert frame.source[frame.column : frame.end_column] == "é + 1"
    assert told.message.startswith("can only concatenate")
    assert told.text.startswith("Traceback")


def test_chained_causes_are_told():
    told = payload.failure(
        _failing("try:\n  1/0\nexcept Exception as e:\n  raise ValueError('v') from e\n", "/ws/b.py"), "/ws"
    )
    assert "ZeroDivisionError" in told.text
    assert "direct cause" in told.text
    assert [frame.line for frame in told.frames] == [4]


def test_deep_recursion_stays_bounded():
    told = payload.failure(_failing("def f(n): return f(n + 1)\nf(0)\n", "/ws/c.py"), "/ws")
    assert told.type == "RecursionError"
    assert len(told.frames) <= payload.MAX_FRAMES
    assert len(told.text) <= payload.MAX_TEXT + 100


def test_a_syntax_error_says_where_it_is_unless_it_is_in_the_text_that_was_run():
    inner = "compile('x = 1\\ndef f(:\\n', '/ws/other.py', 'exec')\n"
    told = payload.failure(_failing(inner, "/ws/a.py"), "/ws", user_file="/ws/a.py")
    assert told.message == "invalid syntax (other.py, line 2)"
    assert [(frame.file, frame.line) for frame in told.frames] == [("/ws/a.py", 1), ("/ws/other.py", 2)]
    own = payload.failure(_failing("def f(:\n", "/ws/a.py"), "/ws", user_file="/ws/a.py")
    assert own.message == "invalid syntax"
    assert [(frame.file, frame.line) for frame in own.frames] == [("/ws/a.py", 1)]


def test_an_error_of_ours_is_called_by_its_name():
    told = payload.failure(_failing("from yonder import RemoteLost\nraise RemoteLost('gone')\n", "/ws/a.py"), "/ws")
    assert (told.type, told.message) == ("RemoteLost", "gone")


def test_a_message_that_cannot_be_shown():
    told = payload.failure(
        _failing("class E(Exception):\n  def __str__(self): raise OSError\nraise E\n", "/ws/d.py"), "/ws"
    )
    assert told.type == "E"
    assert "str() failed" in told.message


def test_the_original_comes_back_with_its_remote_traceback():
    error = _failing("raise KeyError('k')\n", "/ws/e.py")
    told = payload.failure(error, "/ws")
    back = payload.exception(payload.pack_exception(error), told)
    assert isinstance(back, KeyError)
    assert isinstance(back.__cause__, RemoteTraceback)
    assert "/ws/e.py" in str(back.__cause__)


def test_an_exception_that_does_not_travel_has_a_stand_in():
    class Two(Exception):
        def __reduce__(self):
            return Two, (), {"a": 1 / 0}

    error = Two(1)
    assert payload.pack_exception(error) == b""
    back = payload.exception(b"", payload.failure(error, ""))
    assert type(back) is YonderError
    assert "Two: 1" in str(back)
    assert type(payload.exception(b"garbage", None)) is YonderError
    assert type(payload.exception(payload.pack(5), None)) is YonderError


# ── chunks ──


def test_the_members_of_a_chunk_keep_to_themselves():
    shared = [1]
    chunk = payload.pack_chunk([payload.pack_call((shared,), {}), payload.pack_call((shared,), {"by": 2})])
    (first, none), (second, by) = (payload.unpack(member) for member in payload.unpack_chunk(chunk))
    first[0].append(2)
    assert (second[0], none, by) == ([1], {}, {"by": 2})


def test_outcomes_come_back_in_order_and_one_that_does_not_unpack_spoils_only_itself():
    error = KeyError("k")
    ends = [
        payload.Outcome("ok", payload.pack(7)),
        payload.Outcome("error", payload.pack_exception(error), payload.failure(error, "")),
        payload.Outcome("ok", b"no pickle"),
        payload.Outcome("cancelled"),
    ]
    found = payload.unpack_outcomes(payload.pack_outcomes(ends))
    assert found == ends
    assert payload.unpack(found[0].body) == 7
    assert payload.exception(found[1].body, found[1].failure).args == ("k",)


@pytest.mark.parametrize("body", [b"", b"\xc1", payload.pack([1, 2])])
def test_what_is_no_chunk_is_refused_in_words(body):
    with pytest.raises(SerializationError, match="of a chunk"):
        payload.unpack_chunk(body)
    with pytest.raises(SerializationError, match="of a chunk"):
        payload.unpack_outcomes(body)
