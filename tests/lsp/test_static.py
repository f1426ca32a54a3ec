"""The static engine: names from jedi, one question at a time, the newest wins, a stuck process is replaced."""

import asyncio
import sys
from pathlib import Path

import pytest

from yonder_lsp import static
from yonder_lsp.static import Facts, Query, Static

# Answers each question with its own text as a name; "hang" is never answered, "die" ends the process.
PARROT = """
import json, struct, sys, time
count = 0
while True:
    head = sys.stdin.buffer.read(4)
    if len(head) < 4:
        break
    query = json.loads(sys.stdin.buffer.read(struct.unpack("<I", head)[0]))
    if query["text"] == "hang":
        time.sleep(1000)
    if query["text"] == "die":
        sys.exit(1)
    count += 1
    body = json.dumps({"names": [[query["text"], str(count)]]}).encode()
    sys.stdout.buffer.write(struct.pack("<I", len(body)) + body)
    sys.stdout.buffer.flush()
"""


def query(text: str, line: int = 0, column: int = 0, what: static.What = "complete") -> Query:
    return Query(what, text, "", line, column, "", "")


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
async def parrot(lines: list[str]):
    made = Static(lines.append, command=(sys.executable, "-c", PARROT))
    yield made
    await made.close()


async def test_questions_are_answered_by_one_process(parrot: Static) -> None:
    assert (await parrot.ask(query("a"))).names == [("a", "1")]
    assert (await parrot.ask(query("b"))).names == [("b", "2")]


async def test_the_newest_question_takes_the_slot(parrot: Static) -> None:
    await parrot.ask(query("warm"))
    asked = [asyncio.create_task(parrot.ask(query(text))) for text in "abc"]
    answers = await asyncio.gather(*asked)
    assert answers[-1].names[0][0] == "c"
    assert answers[0] == answers[1] == Facts()


async def test_a_process_that_hangs_is_replaced(
    parrot: Static, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    await parrot.ask(query("warm"))
    monkeypatch.setattr(static, "PATIENCE", 0.1)
    assert await parrot.ask(query("hang")) == Facts()
    monkeypatch.setattr(static, "PATIENCE", 20.0)
    assert (await parrot.ask(query("again"))).names == [("again", "1")]
    assert lines


async def test_a_process_that_dies_is_replaced(parrot: Static) -> None:
    assert await parrot.ask(query("die")) == Facts()
    assert (await parrot.ask(query("again"))).names == [("again", "1")]


async def test_a_cancelled_question_is_not_asked(parrot: Static) -> None:
    await parrot.ask(query("warm"))
    task = asyncio.create_task(parrot.ask(query("never")))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert (await parrot.ask(query("next"))).names[0][0] == "next"


async def test_closing_answers_what_is_open(parrot: Static) -> None:
    await parrot.ask(query("warm"))
    first = asyncio.create_task(parrot.ask(query("hang")))
    await asyncio.sleep(0)
    second = asyncio.create_task(parrot.ask(query("waits")))
    await asyncio.sleep(0)
    await parrot.close()
    assert await asyncio.wait_for(second, 10) == Facts()
    assert await asyncio.wait_for(first, 10) == Facts()


async def test_jedi_knows_names_docs_and_signatures(tmp_path: Path) -> None:
    engine = Static(lambda _: None)
    text = 'def fit(model, rate=1):\n    """Train it."""\n\nclass A:\n    weight = 1\n\nA.we\nfit(1, '
    try:
        names = (await engine.ask(Query("complete", text, str(tmp_path / "a.py"), 6, 4, str(tmp_path), ""))).names
        assert ("weight", "statement") in names
        hover = await engine.ask(Query("hover", text, "", 7, 1, str(tmp_path), ""))
        assert "Train it." in hover.text
        signature = await engine.ask(Query("signature", text, "", 7, 7, str(tmp_path), ""))
        assert signature.signature == "fit(model, rate=1)"
        assert signature.index == 1
        assert await engine.ask(Query("complete", "x = (", "", 99, 99, "", "")) == Facts()
    finally:
        await engine.close()
