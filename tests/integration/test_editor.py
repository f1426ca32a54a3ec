"""The editor without a window, against a server that only plays back: framing, documents, notifications, deaths."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest
from scripts.editor import Editor, ServerError, ServerGone

from yonder_lsp import protocol

SERVER = (sys.executable, str(Path(__file__).with_name("stand_in_server.py")))


@pytest.fixture
async def editor(tmp_path):
    window = Editor(tmp_path, owner="window-1", storage=tmp_path / "storage", command=SERVER)
    await window.start()
    yield window
    await window.kill()


async def heard(editor, method):
    return [one.get("params") for one in await editor.request("heard", None) if one["method"] == method]


async def test_the_handshake_carries_the_options_in_the_protocols_own_names(tmp_path):
    settings = protocol.Settings(linger=1.5, code_lens=False)
    window = Editor(tmp_path, owner="window-1", storage=tmp_path / "s", settings=settings, command=SERVER)
    async with window as editor:
        options = (await heard(editor, "initialize"))[0]["initializationOptions"]
        assert options["owner"] == "window-1"
        assert options["folder"] == str(tmp_path)
        assert (options["settings"]["linger"], options["settings"]["codeLens"]) == (1.5, False)
        assert await heard(editor, "initialized") == [{}]
        pid = editor.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_answers_find_their_questions_whatever_their_size(editor):
    sizes = [1, 100_000, 10, 300_000]
    answers = await asyncio.gather(*(editor.request("echo", {"text": "ä" * size}) for size in sizes))
    assert [len(answer["text"]) for answer in answers] == sizes


async def test_an_error_carries_its_sentence_and_what_can_be_pressed(editor):
    with pytest.raises(ServerError, match="fail: Yonder is not installed there") as caught:
        await editor.request("fail", {})
    assert caught.value.remedy == protocol.Remedy(code="core_missing", command="pip install yonder")


async def test_notifications_arrive_in_order_and_in_their_shapes(editor):
    queue = editor.queue("yonder/runsChanged")
    listened = []
    with editor.listening("yonder/runsChanged", listened.append):
        for revision in (1, 2):
            await editor.request("tell", {"method": "yonder/runsChanged", "params": {"revision": revision}})
    await editor.request("tell", {"method": "yonder/runsChanged", "params": {"revision": 3}})
    assert [(await queue.get()).revision for _ in range(3)] == [1, 2, 3]
    assert listened == [protocol.RunsChanged(revision=1), protocol.RunsChanged(revision=2)]


async def test_a_server_that_asks_is_answered(editor):
    asked = {"method": "workspace/configuration", "params": {"items": [{}, {}]}}
    assert (await editor.request("ask", asked))["result"] == [None, None]


async def test_a_question_given_up_is_cancelled_at_the_server(editor):
    with pytest.raises(TimeoutError, match="silent was not answered"):
        await editor.request("silent", {}, within=0.01)
    asked = [one["id"] for one in await editor.request("heard", None) if one["method"] == "silent"]
    assert await heard(editor, "$/cancelRequest") == [{"id": asked[0]}]


async def test_whoever_waits_learns_of_the_servers_death_and_its_last_words(editor):
    waiting = asyncio.create_task(editor.request("silent", {}))
    with pytest.raises(ServerGone):
        await editor.request("die", {})
    with pytest.raises(ServerGone):
        await waiting
    with pytest.raises(ServerGone):
        editor.notify("echo", {})
    async with asyncio.timeout(5):
        while "the floor is gone" not in editor.last_words:  # noqa: ASYNC110 - stderr is read beside us
            await asyncio.sleep(0)


async def test_an_edit_is_one_range_in_utf16_columns(editor, tmp_path):
    path = tmp_path / "a.py"
    path.write_text("first = 1\nname = '𝄞'; width = 4\n", "utf-8")
    document = editor.open(path)
    editor.replace(document, "width = 4", "width = 32")
    editor.rewrite(document, "pass\n")
    opened = (await heard(editor, "textDocument/didOpen"))[0]["textDocument"]
    assert (opened["languageId"], opened["version"]) == ("python", 1)
    ranged, whole = await heard(editor, "textDocument/didChange")
    place = {"start": {"line": 1, "character": 13}, "end": {"line": 1, "character": 22}}
    assert ranged["contentChanges"] == [{"range": place, "text": "width = 32"}]
    assert whole["contentChanges"] == [{"text": "pass\n"}]
    assert [ranged["textDocument"]["version"], whole["textDocument"]["version"]] == [2, 3]
    assert document.text == "pass\n"


async def test_finding_a_place_in_a_document(editor, tmp_path):
    document = editor.open(tmp_path / "b.py", "x = 1\ny = x\n")
    assert document.find("y =") == protocol.Position(line=1, character=0)
    assert document.find("y = x", after=True) == protocol.Position(line=1, character=5)
