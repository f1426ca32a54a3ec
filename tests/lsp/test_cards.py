"""The Variables view's rows, cards and statistics: the real server, an editor without a window, a hub that a test plays."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from tests.fuzz.making import messages
from tests.lsp import fakes
from tests.lsp.test_server import PLAIN, peeks, scene

from yonder import wire
from yonder_lsp import cards, live, protocol
from yonder_lsp.looking import Scene
from yonder_lsp.sessions import Sessions


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "r").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "r"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "project"
    made.mkdir()
    (made / "a.py").write_text("x = load()\n")
    return made


X = [protocol.PathStep(kind="name", value="x")]


async def rows(window: Any, document: Any, **more: Any) -> protocol.VariablesResult:
    params = protocol.VariablesParams(uri=document.uri, **more)
    found: protocol.VariablesResult = await window.ask("yonder/variables", params, protocol.VariablesResult)
    return found


async def test_rows_of_the_session(folder: Path) -> None:
    async with scene(folder) as (window, hub):
        row = wire.Row("x", "v", "torch.Tensor", "Tensor(3, float32, cpu)", wire.Step("name", "x"), 1, 12)
        asked = peeks(hub, wire.Answer(found=True, rows=[row], total=41, generation=3))
        document = window.open(folder / "a.py")
        found = await rows(window, document, filter="X", offset=20, limit=10_000)
        assert asked == [wire.Query("children", [], "X", cards.PAGE, offset=20)]
        assert found == protocol.VariablesResult(
            variables=[
                protocol.Variable(
                    name="x",
                    kind="v",
                    type="torch.Tensor",
                    short="Tensor(3, float32, cpu)",
                    step=X[0],
                    children=1,
                    size=12,
                    statistics=True,
                )
            ],
            total=41,
            generation=3,
            state="live",
            sentence="",
        )
        await rows(window, document, path=X)
        assert asked[-1].path == [wire.Step("name", "x")]


async def test_without_a_session_or_without_looking(folder: Path) -> None:
    async with scene(folder, session=False) as (window, _):
        found = await rows(window, window.open(folder / "a.py"))
        assert (found.state, found.sentence) == ("none", "Run a block and its variables appear here.")
    off = protocol.Settings(python=PLAIN.python, static="none", looking="static-only")
    async with scene(folder, settings=off) as (window, hub):
        asked = peeks(hub, wire.Answer(found=True))
        found = await rows(window, window.open(folder / "a.py"))
        assert found.state == "off"
        assert "static-only" in found.sentence
        assert not asked


async def test_a_busy_session_says_so(folder: Path) -> None:
    async with scene(folder) as (window, hub):
        statuses = window.queue("yonder/statusChanged")
        await hub.tell(wire.SessionChanged("main", "busy", 2, 0.0, pid=4242))
        async with asyncio.timeout(20):
            while (await statuses.get()).sessions[0].state != "busy":
                pass
        peeks(hub, wire.Answer(found=True, generation=2))
        assert (await rows(window, window.open(folder / "a.py"))).state == "busy"


async def test_statistics_of_a_path(folder: Path) -> None:
    async with scene(folder) as (window, hub):
        told = [wire.Row("min", "k", "", "-2"), wire.Row("mean", "k", "", "0.5"), wire.Row("NaN", "k", "", "0")]
        asked = peeks(hub, wire.Answer(found=True, rows=told, total=12_000, generation=3))
        document = window.open(folder / "a.py")
        params = protocol.StatisticsParams(uri=document.uri, path=X)
        found = await window.ask("yonder/statistics", params, protocol.StatisticsResult)
        assert asked == [wire.Query("statistics", [wire.Step("name", "x")], seconds=5.0)]
        assert [(one.name, one.value) for one in found.figures] == [("min", "-2"), ("mean", "0.5"), ("NaN", "0")]
        assert found.short == "min -2 · mean 0.5"
        assert found.sentence.startswith("run 3 · 12,000 numbers")
        hover = await window.hover(document, document.find("x"))
        assert "*statistics · " in hover["contents"]["value"]
        assert "mean: `0.5`" in hover["contents"]["value"]


async def test_why_there_are_no_statistics(folder: Path) -> None:
    async with scene(folder) as (window, hub):
        peeks(hub, wire.Answer(found=False, why="it is empty"))
        document = window.open(folder / "a.py")
        params = protocol.StatisticsParams(uri=document.uri, path=[*X, protocol.PathStep(kind="key", value="w")])
        found = await window.ask("yonder/statistics", params, protocol.StatisticsResult)
        assert (found.figures, found.sentence) == ([], "No statistics of x['w']: it is empty.")


async def test_a_card_is_what_a_hover_shows(folder: Path) -> None:
    async with scene(folder) as (window, hub):
        peeks(hub, wire.Answer(found=True, type="Net", facts=[wire.Fact("mode", "train")], generation=1))
        document = window.open(folder / "a.py")
        found = await window.ask("yonder/card", protocol.CardParams(uri=document.uri, path=X), protocol.CardResult)
        assert "x: Net" in found.markdown
        assert "mode: `train`" in found.markdown


# ── without a server ──────────────────────────────────────────────────────────────────────────────────────────────────


class Silent:
    """A session that answers when it is let."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[wire.Answer] = asyncio.get_running_loop().create_future()

    async def __call__(self, session: str, query: wire.Query) -> wire.Answer:
        return await asyncio.shield(self.answer)


def made(peek: Any, now: float = 100.0) -> cards.Cards:
    sessions = Sessions()
    sessions.snapshot([fakes.session()], 0)
    eyes = live.Live(peek, clock=lambda: now, slow_changed=lambda: None)
    return cards.Cards(Scene(folder="/f"), sessions, eyes, peek, lambda: now)


async def test_a_session_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "VARIABLES", 0.01)
    monkeypatch.setattr(cards, "SPARE", 0.0)
    found = made(Silent())
    shown = await found.variables(protocol.VariablesParams(uri="file:///f/a.py"))
    assert (shown.state, shown.sentence) == ("slow", cards.SILENT)
    told = await found.statistics(protocol.StatisticsParams(uri="file:///f/a.py", path=X, seconds=0.1))
    assert told.sentence == "The session did not answer within 0.1 s; the run goes on."


async def test_figures_belong_to_one_process_of_the_session() -> None:
    async def peek(session: str, query: wire.Query) -> wire.Answer:
        return wire.Answer(found=True, rows=[wire.Row("min", "k", "", "1")])

    found = made(peek)
    session = found._session("file:///f/a.py")
    await found.statistics(protocol.StatisticsParams(uri="file:///f/a.py", path=X))
    path = [wire.Step("name", "x")]
    assert "min: `1`" in found.figures(session, path)
    session.pid = 9
    assert found.figures(session, path) == ""


@settings(max_examples=60, derandomize=True, deadline=None)
@given(answer=messages(wire.Answer))
def test_whatever_a_worker_answers_is_bounded(answer: wire.Answer) -> None:
    async def peek(session: str, query: wire.Query) -> wire.Answer:
        return answer

    async def ask() -> None:
        found = made(peek)
        shown = await found.variables(protocol.VariablesParams(uri="file:///f/a.py", limit=3))
        assert len(shown.variables) <= 3
        assert all(len(row.name) <= 200 and "\n" not in row.name for row in shown.variables)
        told = await found.statistics(protocol.StatisticsParams(uri="file:///f/a.py", path=X))
        assert len(told.figures) <= cards.PAGE
        assert len(told.short) <= 120

    asyncio.run(ask())


def test_a_path_as_python_writes_it() -> None:
    path = [wire.Step("name", "cfg"), wire.Step("key", "o'k"), wire.Step("index", -1), wire.Step("attr", "lr")]
    assert cards.path_text(path) == 'cfg["o\'k"][-1].lr'
