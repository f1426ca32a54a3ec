"""The server's small pure parts: URIs, documents, sessions, staleness, pace, status, errors as answers."""

import asyncio
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pygls.exceptions import JsonRpcException
from tests.lsp import fakes

from yonder import errors, wire
from yonder_lsp import protocol, rpc, status, uris
from yonder_lsp.documents import Document
from yonder_lsp.pace import Paced
from yonder_lsp.running import stopped
from yonder_lsp.sessions import Sessions
from yonder_lsp.stale import Watch, missing

# ── URIs ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("file:///w/a%20b/%C3%A9.py", "/w/a b/é.py"),
        ("file:///c%3A/w/a.py", "C:/w/a.py"),
        ("file://server/share/a.py", "//server/share/a.py"),
        ("untitled:Untitled-1", ""),
        ("vscode-notebook-cell:/w/a.ipynb#W0", ""),
    ],
)
def test_paths_of_uris(uri: str, path: str) -> None:
    assert uris.to_path(uri) == path


def test_uris_of_paths_come_back() -> None:
    assert uris.to_path(uris.to_uri("/w/a b/é#1.py")) == "/w/a b/é#1.py"


def test_sessions_of_documents() -> None:
    assert uris.session_of("file:///w/a.py", "/w") == uris.session_of("untitled:Untitled-1", "/w") == "main"
    assert uris.session_of("file:///x/a.py", "") == "/x"
    assert uris.folder_of("file:///x/a.py", "") == "/x"
    assert uris.folder_of("file:///x/a.py", "/w") == "/w"
    assert uris.within("/w/a.py", "/w")
    assert not uris.within("/west/a.py", "/w")
    assert not uris.within("/w/a.py", "")


# ── documents ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@given(st.text(alphabet="aé😀\r\n\x0c ", max_size=40), st.integers(0, 60))
def test_positions_and_offsets_agree(text: str, at: int) -> None:
    document = Document("x", text)
    offset = min(at, len(text))
    if 0 < offset < len(text) and text[offset - 1 : offset + 1] == "\r\n":
        offset -= 1  # between the two halves of a line's end there is no place
    assert document.offset(document.position(offset)) == offset


def test_positions_count_utf16() -> None:
    document = Document("x", "a\n😀b\r\nc")
    assert document.position(3) == protocol.Position(line=1, character=2)
    assert document.offset(protocol.Position(line=1, character=3)) == 4
    assert document.offset(protocol.Position(line=2, character=0)) == 6
    assert document.offset(protocol.Position(line=9, character=9)) == 7
    assert document.slice(document.range(2, 4)) == "😀b"


# ── sessions ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def changed(state: str, generation: int, pid: int) -> wire.SessionChanged:
    return wire.SessionChanged("main", state, generation, 5.0, "py", pid)


def test_a_session_is_alive_while_idle_or_busy() -> None:
    sessions = Sessions()
    alive = {}
    for state in ("booting", "idle", "busy", "dead", "none"):
        sessions.changed(changed(state, 1, 7))
        alive[state] = sessions.get("main").alive
    assert alive == {"booting": False, "idle": True, "busy": True, "dead": False, "none": False}


def test_a_new_process_has_run_nothing_yet() -> None:
    sessions = Sessions()
    sessions.changed(changed("idle", 1, 7))
    assert sessions.get("main").ran is None
    sessions.running("main", "x = 1\n  y = 2")
    assert sessions.get("main").ran == {"x = 1", "y = 2"}
    sessions.changed(changed("idle", 2, 7))
    assert sessions.get("main").ran == {"x = 1", "y = 2"}
    sessions.changed(changed("idle", 0, 8))
    assert sessions.get("main").ran == set()


def test_a_snapshot_without_a_session_ends_it() -> None:
    sessions = Sessions()
    sessions.snapshot([fakes.session("busy", 3, run="r1")], 1.0)
    assert sessions.get("main").run == "r1"
    assert sessions.get("main").epoch.busy
    sessions.snapshot([], 2.0)
    assert not sessions.get("main").alive
    assert sessions.states() == []


def test_a_dead_hub_ends_all() -> None:
    sessions = Sessions()
    sessions.snapshot([fakes.session()], 1.0)
    sessions.running("main", "x")
    sessions.gone(2.0)
    assert (sessions.get("main").state, sessions.get("main").ran) == ("none", None)


def test_of_a_session_taken_over_each_documents_text_is_believed_once() -> None:
    sessions = Sessions()
    sessions.snapshot([wire.SessionState("main", "idle", 1, "", 7, "")], 1.0)
    session = sessions.get("main")
    session.believe("a", "x = 1\n  y = 2")
    session.believe("b", "z = 3")
    session.believe("a", "x = 4")  # edited
    assert session.ran == {"x = 1", "y = 2", "z = 3"}
    sessions.running("main", "x = 4")
    session.believe("c", "w = 5")
    assert session.ran == {"x = 1", "y = 2", "z = 3", "x = 4", "w = 5"}
    sessions.snapshot([wire.SessionState("main", "idle", 1, "", 8, "")], 2.0)
    session.believe("d", "v = 6")
    assert session.ran == set()  # another process, whose runs are all known


def test_of_a_session_of_ours_nothing_is_believed() -> None:
    sessions = Sessions()
    sessions.running("main", "x = 1")
    sessions.get("main").believe("a", "y = 2")
    assert sessions.get("main").ran == {"x = 1"}


# ── staleness, pace ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_run_is_stale_while_its_text_is_gone() -> None:
    watch = Watch()

    def edited(uri: str, text: str) -> list[tuple[str, bool]]:
        return watch.looked(missing(watch.of(uri), text))

    watch.started("r1", "a", "x = 1\n")
    watch.started("r2", "b", "x = 1")
    assert edited("a", "x = 1\ny") == []
    assert edited("a", "x = 2") == [("r1", True)]
    assert edited("a", "x = 3") == []
    assert edited("a", "moved\nx = 1") == [("r1", False)]
    assert (watch.uri("r2"), watch.uri("r9")) == ("b", "")


@pytest.mark.parametrize(
    ("code", "text", "gone"),
    [
        ("x = 1", "x = 1", False),
        ("x = 1", "import a\nx = 1\ny = 2", False),
        ("x = 1\n", "x = 1", False),
        ("\nx = 1\r\n", "x = 1", False),
        ("x = 1", "x = 2", True),
        ("x = 1\ny = 2", "x = 1\n\ny = 2", True),
        ("x = 1\ny = 2", "y = 2\nx = 1", True),
        ("x = '😀'", "x = '😀'", False),
        ("x = '😀'", "x = '😁'", True),
        ("x = 1", "", True),
        ("", "", False),
        ("    x = 1", "def f():\n    x = 1", False),
        ("    x = 1", "if a:\n  x = 1", True),
        ("x = 1\r\ny = 2", "x = 1\r\ny = 2", False),
    ],
)
def test_what_is_stale(code: str, text: str, gone: bool) -> None:
    watch = Watch()
    watch.started("r", "a", code)
    assert missing(watch.of("a"), text) == {"r": gone}
    assert watch.looked({"r": gone}) == ([("r", True)] if gone else [])


def test_what_is_not_watched_any_more_is_not_told_of() -> None:
    assert Watch().looked({"r": True}) == []


async def test_the_first_goes_at_once_and_the_last_is_not_lost() -> None:
    fired: list[float] = []
    loop = asyncio.get_running_loop()
    done = asyncio.Event()

    def action() -> None:
        fired.append(loop.time())
        if len(fired) == 2:
            done.set()

    paced = Paced(0.05, action)
    for _ in range(100):
        paced.poke()
    assert len(fired) == 1
    await asyncio.wait_for(done.wait(), 10)
    assert fired[1] - fired[0] >= 0.045
    paced.poke()
    paced.stop()
    assert len(fired) == 2


# ── status ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_without_a_hub_there_are_no_executors_whatever_it_said() -> None:
    seen = wire.Status(
        0,
        [wire.PoolState("default", "local", 2, 0, 1, 8, 0)],
        [wire.ExecutorState("e1", "default", "local", "busy", 9, 1.0)],
        [fakes.session()],
        44,
        2,
        0,
    )
    sessions = Sessions()
    sessions.snapshot(seen.sessions, 1.0)
    on = status.compose(seen, status.Local(cluster="on", hub_pid=44), sessions.states())
    assert ([pool.name for pool in on.pools], len(on.executors), on.live, on.peak) == (["default"], 1, "ok", 2)
    slow = status.compose(seen, status.Local(cluster="on", slow=True), sessions.states())
    assert slow.live == "slow"
    sessions.gone(2.0)
    lost = status.compose(seen, status.Local(cluster="lost"), sessions.states())
    assert (lost.pools, lost.executors, lost.sessions, lost.live, lost.peak) == ([], [], [], "off", 0)


# ── errors as answers ─────────────────────────────────────────────────────────────────────────────────────────────────


async def failing(error: Exception) -> tuple[JsonRpcException, list[str]]:
    lines: list[str] = []

    async def handler(params: protocol.UriParams) -> object:
        raise error

    with pytest.raises(JsonRpcException) as caught:
        await rpc.request(protocol.UriParams, handler, lines.append)({"uri": "x"})
    return caught.value, lines


async def test_an_error_of_the_tree_is_its_sentence_with_a_remedy() -> None:
    answer, lines = await failing(errors.SettingsError("unknown key", place="pyproject.toml", key="x"))
    assert answer.message == "unknown key"
    assert answer.data == {"code": "settings", "command": "", "detail": "pyproject.toml"}
    assert lines == []
    plain, _ = await failing(errors.CannotRun("not now"))
    assert plain.data is None
    given, _ = await failing(rpc.Refusal("no core", protocol.Remedy(code="core_missing", command="pip")))
    assert given.data["code"] == "core_missing"


async def test_a_fault_is_a_sentence_for_the_person_and_a_traceback_for_the_log() -> None:
    answer, lines = await failing(KeyError("secret detail"))
    assert "secret detail" not in answer.message
    assert "Traceback" not in answer.message
    assert "KeyError" in "".join(lines)


async def test_a_result_is_json_in_camel_case() -> None:
    async def handler(params: protocol.Nothing) -> object:
        return protocol.InputRequested(id="q", run="r", prompt="?", secret=True)

    answer = await rpc.request(protocol.Nothing, handler, print)({})
    assert isinstance(answer, rpc.Raw)
    decoded: Any = msgspec.json.decode(answer.body)
    assert decoded == {"id": "q", "run": "r", "prompt": "?", "secret": True}


async def test_looking_never_shows_an_error() -> None:
    lines: list[str] = []

    async def handler(params: Any) -> rpc.Raw:
        raise ValueError("x")

    assert (await rpc.quiet(handler, lines.append)({})).body == b"null"
    assert lines


def test_every_method_of_the_table_has_a_handler() -> None:
    from yonder_lsp.server import create

    features = create({}).protocol.fm.features
    for method in (*protocol.REQUESTS, *protocol.NOTIFICATIONS_TO_SERVER):
        assert method.name in features


@pytest.mark.parametrize(
    ("executors", "left", "told"),
    [
        (0, 0, "The cluster is stopped; it had no executors."),
        (1, 0, "The cluster is stopped: 1 executor ended, none left."),
        (3, 2, "The cluster is stopped: 3 executors ended, 2 of its processes did not end: `yonder reap` ends them."),
    ],
)
def test_a_stop_is_told_to_a_person(executors: int, left: int, told: str) -> None:
    assert stopped(wire.Receipt(1, executors, executors, left, 0.1, "for the log")) == told
