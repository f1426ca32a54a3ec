"""Beside another Python language server: what is only live is offered, and what both know is told shortly."""

from collections.abc import Awaitable, Callable

import pytest

from yonder import wire
from yonder_lsp import live
from yonder_lsp.documents import Document
from yonder_lsp.hindsight import Hindsight
from yonder_lsp.looking import Looking, Scene
from yonder_lsp.names import Names
from yonder_lsp.sessions import Sessions

NAMESPACE = wire.Answer(
    found=True,
    members=[
        wire.Member("np", "M", 0),
        wire.Member("frame", "v", 0),
        wire.Member("made_elsewhere", "v", 0),
        wire.Member("print", "m", 2),
        wire.Member("__loader__", "v", 0),
    ],
)
DOC = "Train it.\n\nParameters\n----------\nlr : float"
FIT = wire.Answer(
    found=True, type="function", signature="fit(x, lr=0.1)", doc=DOC, parameters=[wire.Parameter("x", "x")]
)
TEXT = "import numpy as np\nframe = np.zeros(3)\n"
Make = Callable[[wire.Answer, bool], Looking]


@pytest.fixture
def looking() -> Make:
    def make(answer: wire.Answer, others: bool) -> Looking:
        async def peek(_session: str, _query: wire.Query) -> wire.Answer:
            return answer

        sessions = Sessions()
        sessions.snapshot([wire.SessionState("main", "idle", 1, "/usr/bin/python3", 4242, "")], 0.0)
        sessions.running("main", TEXT)
        eyes = live.Live(peek, clock=lambda: 0.0, slow_changed=lambda: None)
        return Looking(Scene(folder="/w", others=others), sessions, eyes, lambda: None, lambda: 1.0, Hindsight(Names()))

    return make


async def labels(asked: Awaitable[dict[str, object] | None]) -> list[str]:
    found = await asked
    assert found is not None
    items = found["items"]
    assert isinstance(items, list)
    return [item["label"] for item in items]


def at_end(text: str) -> tuple[Document, int]:
    return Document("file:///w/a.py", text), len(text)


async def test_names_that_the_text_binds_are_the_others(looking: Make) -> None:
    alone = await labels(looking(NAMESPACE, False).complete(*at_end(TEXT + "m"), ""))
    assert {"np", "frame", "made_elsewhere", "print", "for"} <= set(alone)
    assert await labels(looking(NAMESPACE, True).complete(*at_end(TEXT + "m"), "")) == ["made_elsewhere"]


async def test_members_are_ours_also_beside_another(looking: Make) -> None:
    tensor = wire.Answer(found=True, members=[wire.Member("backward", "m", 1), wire.Member("shape", "p", 1)])
    assert await labels(looking(tensor, True).complete(*at_end(TEXT + "frame."), ".")) == ["backward", "shape"]


async def test_a_card_beside_anothers_is_short(looking: Make) -> None:
    document, offset = at_end(TEXT + "fit")
    alone = await looking(FIT, False).hover(document, offset)
    beside = await looking(FIT, True).hover(document, offset)
    assert alone is not None
    assert beside is not None
    assert "Parameters" in alone["contents"]["value"]
    assert "Train it." in beside["contents"]["value"]
    assert "Parameters" not in beside["contents"]["value"]


async def test_whose_signature_is_shown_is_the_editors_to_say(looking: Make) -> None:
    """The editor's side knows what the others answered (vscode-extension/src/beside.ts); here a live one is told."""
    found = await looking(FIT, True).signature(*at_end(TEXT + "fit("))
    assert found is not None
    assert found["signatures"][0]["label"] == "fit(x, lr=0.1)"
