"""The static engine: names from jedi, one question at a time, the newest wins, a stuck process is replaced."""

import asyncio
import os
import signal
import struct
import sys
from pathlib import Path

import msgspec
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
    if query["text"] == "grown":
        count = 100
    count += 1
    body = json.dumps({"names": [[query["text"], str(count)]], "leaving": count > 100}).encode()
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


async def test_one_that_hangs_again_and_again_rests(lines: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    engine = Static(lines.append, command=(sys.executable, "-c", PARROT), clock=lambda: now)
    try:
        await engine.ask(query("warm"))
        monkeypatch.setattr(static, "PATIENCE", 0.1)
        monkeypatch.setattr(static, "STARTING", 0.1)
        for _ in range(2):
            assert await engine.ask(query("hang")) == Facts()
        monkeypatch.setattr(static, "STARTING", 20.0)
        assert await engine.ask(query("too early")) == Facts()
        assert len(lines) == 2, "a process was started in the rest"
        now += static.LONGEST_REST
        assert (await engine.ask(query("rested"))).names == [("rested", "1")]
    finally:
        await engine.close()


async def test_a_text_that_is_too_large_starts_nothing(lines: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Static(lines.append, command=("there-is-no-such-program",))
    monkeypatch.setattr(static, "LARGEST", 10)
    assert await engine.ask(query("x" * 11)) == Facts()
    assert lines == [], "nothing failed to start"
    await engine.close()


async def test_one_that_has_grown_is_replaced_after_its_answer(parrot: Static, lines: list[str]) -> None:
    assert (await parrot.ask(query("grown"))).names == [("grown", "101")]
    assert (await parrot.ask(query("fresh"))).names == [("fresh", "1")]
    assert lines == []


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
        defined = await engine.ask(Query("definition", text, str(tmp_path / "a.py"), 7, 1, str(tmp_path), ""))
        assert defined.places == [static.Place("", 0, 4, 7)]
        imported = await engine.ask(Query("definition", "import json.decoder", "", 0, 14, str(tmp_path), ""))
        (module,) = imported.places
        assert module.path.endswith("decoder.py")
        assert (module.line, module.start, module.end) == (0, 0, 0)
        far = Query("complete", 'word = "東😀"; word.enc', "", 0, len('word = "東😀"; word.enc'), "", "")
        assert (await engine.ask(far)).names == [("encode", "function")], "columns are code points"
        assert await engine.ask(Query("complete", "x = (", "", 99, 99, "", "")) == Facts()
    finally:
        await engine.close()


# A server that has asked its engine, says which processes that made, and stays.
SERVER = r"""
import asyncio, sys
from yonder_lsp import static
from yonder_lsp.static import Query, Static

static.LARGEST = 10_000_000

async def main():
    engine = Static(print)
    await engine.ask(Query("complete", "import os\nos.", "", 1, 3, "", ""))
    print(engine._process.pid, flush=True)
    asyncio.create_task(engine.ask(Query("complete", "x = [" + "1, " * 600_000 + "]\nx.", "", 1, 2, "", "")))
    await asyncio.sleep(1000)

asyncio.run(main())
"""


async def test_it_ends_with_the_server_whatever_jedi_is_doing() -> None:
    server = await asyncio.create_subprocess_exec(sys.executable, "-c", SERVER, stdout=asyncio.subprocess.PIPE)
    assert server.stdout is not None
    try:
        engine = int(await asyncio.wait_for(server.stdout.readline(), 60))
    finally:
        os.kill(server.pid, signal.SIGKILL)
    await server.wait()
    async with asyncio.timeout(20):
        while _alive(engine):  # noqa: ASYNC110 - only its parent is told when a process ends
            await asyncio.sleep(0.02)


def _alive(pid: int) -> bool:
    """What the system says; one that nobody has buried yet is dead."""
    try:
        os.kill(pid, 0)
        status = Path(f"/proc/{pid}/stat")
        return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


async def test_it_ends_with_its_questions_in_the_middle_of_an_answer() -> None:
    pipe = asyncio.subprocess.PIPE
    engine = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "yonder_lsp.static", stdin=pipe, stdout=pipe
    )
    assert engine.stdin is not None
    assert engine.stdout is not None
    for text in ("import os\nos.", "x = [" + "1, " * 600_000 + "]\nx."):  # the second takes jedi longer than a test may
        body = msgspec.json.encode(query(text, 1, len(text) - text.index("\n") - 1))
        engine.stdin.write(struct.pack("<I", len(body)) + body)
        await engine.stdin.drain()
    await asyncio.wait_for(engine.stdout.readexactly(4), 60)
    engine.stdin.close()
    assert await asyncio.wait_for(engine.wait(), 8) == 0
