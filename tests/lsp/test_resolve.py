"""Whose description an item gets, and whose keys and parameters are offered: what the list was about, and nothing else that has
the name by chance."""

from typing import Any

import pytest

from yonder import wire
from yonder_lsp import live
from yonder_lsp.documents import Document
from yonder_lsp.hindsight import Hindsight
from yonder_lsp.looking import Looking, Scene
from yonder_lsp.names import Names
from yonder_lsp.sessions import Sessions
from yonder_lsp.static import Facts, Query

GLOBALS = "sum = 'a text of the session'\nframe = load()\nfit = load()\n"


class Session:
    """A session that has every path; `stopped` is the function in which a debugger has stopped."""

    def __init__(self, stopped: str = "") -> None:
        self.stopped = stopped
        self.asked: list[wire.Query] = []

    async def peek(self, _session: str, query: wire.Query) -> wire.Answer:
        self.asked.append(query)
        there = query.frame if query.frame == self.stopped else ""
        return wire.Answer(
            found=True,
            type="local" if there else "session",
            members=[wire.Member("sum", "m", 0)],
            parameters=[wire.Parameter("lr", "lr=0.1")],
            signature="(lr=0.1)" if query.what == "signature" else "",
            frame=there,
        )


class Engine:
    """A static engine that knows one name."""

    async def ask(self, query: Query) -> Facts:
        return Facts(names=[("sum", "function")])


def looking(session: Session, *, state: str = "idle", looks: bool = True) -> Looking:
    sessions = Sessions()
    sessions.snapshot([wire.SessionState("main", state, 1, "/usr/bin/python3", 7, "")], 0.0)
    sessions.running("main", GLOBALS)
    eyes = live.Live(session.peek, clock=lambda: 0.0, slow_changed=lambda: None)
    scene = Scene(folder="/w", looking=looks)
    return Looking(scene, sessions, eyes, Engine, lambda: 1.0, Hindsight(Names()))  # type: ignore[arg-type]


async def listed(looking: Looking, text: str) -> dict[str, dict[str, Any]]:
    """The items at the end of `text`, each as an editor sends it back."""
    found = await looking.complete(Document("file:///w/a.py", text), len(text), "")
    assert found is not None
    return {item["label"]: item | {"data": found["itemDefaults"]["data"]} for item in found["items"]}


@pytest.mark.parametrize("text", ["made().", "from numpy import ", "import ", "def f(frame):\n    frame."])
async def test_what_is_not_the_sessions_gets_no_description_of_its_names(text: str) -> None:
    session = Session()
    looks = looking(session)
    item = (await listed(looks, GLOBALS + text))["sum"]
    session.asked.clear()
    assert await looks.resolve(item) == item
    assert session.asked == []


@pytest.mark.parametrize("text", ["su", "frame."])
async def test_nothing_is_looked_at_for_a_description_in_static_only(text: str) -> None:
    session = Session()
    looks = looking(session, looks=False)
    item = (await listed(looks, GLOBALS + text))["sum"]
    assert await looks.resolve(item) == item
    assert session.asked == []


@pytest.mark.parametrize("text", ["    su", "    frame."])
async def test_at_a_stop_the_description_is_of_the_function_s_own_name(text: str) -> None:
    looks = looking(Session(stopped="f"), state="busy")
    item = (await listed(looks, f"{GLOBALS}def f(frame, sum):\n{text}"))["sum"]
    assert (await looks.resolve(item))["detail"] == "local"


async def test_names_are_described_by_the_session_where_no_debugger_has_stopped() -> None:
    looks = looking(Session(), state="busy")
    item = (await listed(looks, f"{GLOBALS}def f():\n    su"))["sum"]
    assert (await looks.resolve(item))["detail"] == "session"


@pytest.mark.parametrize("text", ['frame["', "frame["])
async def test_a_parameter_s_keys_are_not_those_of_the_session_s_name(text: str) -> None:
    assert await listed(looking(Session()), f"{GLOBALS}def f(frame):\n    {text}") == {}
    assert await listed(looking(Session()), f"{GLOBALS}{text}")
    assert await listed(looking(Session(stopped="f"), state="busy"), f"{GLOBALS}def f(frame):\n    {text}")


async def test_a_parameter_that_is_called_has_not_the_parameters_of_the_session_s_name() -> None:
    assert "lr=" not in await listed(looking(Session()), f"{GLOBALS}def f(fit):\n    fit(l")
    assert "lr=" in await listed(looking(Session()), f"{GLOBALS}fit(l")


async def test_keys_of_what_the_text_has_bound_anew_are_marked() -> None:
    looks = looking(Session())
    marked = (await listed(looks, f'{GLOBALS}frame = other()\nframe["'))["sum"]
    assert marked["labelDetails"] == {"description": "last run"}
    assert "labelDetails" not in (await listed(looks, f'{GLOBALS}frame["'))["sum"]
