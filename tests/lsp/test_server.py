"""The real server over stdio, an editor without a window on one side and a hub without executors on the other."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec
import pytest
from scripts.editor import Document, Editor, ServerError
from tests.lsp import fakes

from yonder import wire
from yonder.snapshot import content
from yonder_lsp import live, protocol

OWNER = "server-tests"
TEXT = """\
# %% Load
import torch
x = load()

# %% Train
for step in range(3):
    train(x)
"""
PLAIN = protocol.Settings(python=sys.executable, static="none")


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "r").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "r"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "project"
    made.mkdir()
    (made / "a.py").write_text(TEXT)
    return made


def editor(folder: Path, settings: protocol.Settings = PLAIN) -> Editor:
    return Editor(folder, owner=OWNER, storage=folder.parent / "storage", settings=settings, env=dict(os.environ))


@asynccontextmanager
async def scene(
    folder: Path, *, session: bool = True, settings: protocol.Settings = PLAIN
) -> AsyncIterator[tuple[Editor, fakes.FakeHub]]:
    """An editor on a living hub whose session is idle in generation 1."""
    async with fakes.hub(OWNER) as hub:
        states = [fakes.session()] if session else []
        hub.answers[wire.GetStatus] = lambda message: [fakes.status(*states, number=message.id)]
        made = editor(folder, settings)
        statuses = made.queue("yonder/statusChanged")
        for method in ("yonder/notice", "yonder/log", "yonder/runsChanged", "textDocument/publishDiagnostics"):
            made.queue(method)
        async with made:
            await until(statuses, lambda status: status.cluster == "on" and (status.sessions or not session))
            yield made, hub


async def until(queue: asyncio.Queue[Any], condition: Any, within: float = 20.0) -> Any:
    async with asyncio.timeout(within):
        while True:
            item = await queue.get()
            if condition(item):
                return item


def peeks(hub: fakes.FakeHub, answer: wire.Answer) -> list[wire.Query]:
    """Every peek is answered so; returns the questions."""
    asked: list[wire.Query] = []

    def reply(message: wire.Peek) -> list[wire.Peeked]:
        asked.append(message.query)
        return [wire.Peeked(message.id, message.session, answer)]

    hub.answers[wire.Peek] = reply
    return asked


def end(document: Document) -> protocol.Position:
    return document.position(len(document.text))


async def test_it_says_what_it_can(folder: Path) -> None:
    async with editor(folder) as window:
        can = window.server["capabilities"]
        assert can["completionProvider"]["triggerCharacters"] == [".", "[", '"']
        assert can["completionProvider"]["resolveProvider"]
        assert can["positionEncoding"] == "utf-16"
        assert {"hoverProvider", "signatureHelpProvider", "codeLensProvider", "definitionProvider"} <= set(can)
        theirs = {"semanticTokensProvider", "documentSymbolProvider", "foldingRangeProvider", "workspaceSymbolProvider"}
        assert not theirs & set(can), "what other Python servers do well is theirs"
        assert (await window.status()).cluster == "off"


# ── running ───────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_cell_is_run_and_its_end_is_told(folder: Path) -> None:
    async with scene(folder) as (window, hub):
        document = window.open(folder / "a.py")
        started = await window.run(document, document.find("train"))
        assert started.title == "Train"
        assert started.session == "main"
        execute = await hub.heard(wire.Execute)
        assert execute.run == started.run
        assert execute.code.endswith("    train(x)")
        assert execute.code.splitlines()[execute.code.splitlines().index("for step in range(3):")]
        assert TEXT.splitlines()[execute.line] == execute.code.splitlines()[0]
        assert execute.path == str(folder / "a.py")
        assert execute.preload == ["torch"]
        assert execute.place is None
        await hub.tell(
            wire.Phase(started.run, "running", 1.0),
            wire.Output(started.run, "", 1, "hello\n", 1.0),
            wire.RunEnded(started.run, "ok", 2.0, 1.0, wire.Preview("int", "42", "42"), generation=2),
        )
        summary = await window.finished(started.run, within=20)
        assert (summary.state, summary.short) == ("ok", "42")
        output = await window.output(started.run)
        assert "".join(piece.text for piece in output.pieces) == "hello\n"


def texts(hub: fakes.FakeHub) -> dict[str, str]:
    """The files of the snapshot that the hub was told last, with all that came before it."""
    files: dict[str, bytes] = {}
    contents: dict[bytes, bytes] = {}
    while not hub.said.empty():
        match hub.said.get_nowait():
            case wire.Blobs() as blobs:
                contents |= blobs.contents
            case wire.Publish() as told:
                files = {path: digest for path, digest in files.items() if path not in told.removed} | told.changed
    return {path: contents[digest].decode() for path, digest in files.items()}


async def test_a_run_is_on_the_code_as_the_editor_has_it(folder: Path) -> None:
    (folder / "helper.py").write_text("x = 1\n")
    (folder / "other.py").write_text("y = 1\n")
    async with scene(folder) as (window, hub):
        document, helper = window.open(folder / "a.py"), window.open(folder / "helper.py")
        window.replace(helper, "1", "22")
        told: list[wire.Publish] = []
        kept = hub.answers[wire.Publish]
        hub.answers[wire.Publish] = lambda message: told.append(message) or kept(message)
        executed = asyncio.Event()
        names: list[bytes] = []
        hub.answers[wire.Execute] = lambda message: names.append(message.snapshot) or executed.set()
        await window.run(document, document.find("train"))
        await asyncio.wait_for(executed.wait(), 20)
        assert names == [told[-1].snapshot]
        assert texts(hub) == {"a.py": TEXT, "helper.py": "x = 22\n", "other.py": "y = 1\n"}


async def test_what_is_saved_is_sent_ahead(folder: Path) -> None:
    async with scene(folder) as (window, hub):
        document = window.open(folder / "a.py")
        await hub.heard(wire.Publish)
        window.replace(document, "range(3)", "range(4)")
        window.save(document)
        blobs = await hub.heard(wire.Blobs)
        assert list(blobs.contents.values()) == [TEXT.replace("range(3)", "range(4)").encode()]


async def test_a_hub_that_cannot_keep_the_code_is_told_to_the_person(folder: Path) -> None:
    async with scene(folder) as (window, hub):
        document = window.open(folder / "a.py")
        await hub.heard(wire.Publish)
        hub.answers[wire.Publish] = lambda message: [wire.Published(message.snapshot, "the disk is full")]
        (folder / "new.py").write_text("")
        with pytest.raises(ServerError, match="did not reach the cluster: the disk is full"):
            await window.run(document, document.find("train"))


async def test_the_hub_is_told_the_workspace(folder: Path) -> None:
    (folder / "pyproject.toml").write_text("[tool.yonder]\nlinger = 7\n[tool.yonder.pools.default]\nmax = 3\n")
    settings = protocol.Settings(python=sys.executable, tool={"pools": {"default": {"max": 5}}})
    async with scene(folder, settings=settings) as (_, hub):
        configure = await hub.heard(wire.Configure)
        assert configure.linger == 7
        assert configure.place.folder == str(folder)
        assert configure.place.python == sys.executable
        assert next(pool for pool in configure.pools if pool.name == "default").max == 5


async def test_the_hub_is_told_the_projects_packages_where_executors_may_have_others(folder: Path) -> None:
    (folder / "pyproject.toml").write_text('[tool.yonder.pools.boxes]\nbackend = "docker"\n')
    (folder / "requirements.txt").write_text("jedi>=0.1\n")
    async with scene(folder, settings=protocol.Settings(python=sys.executable)) as (_, hub):
        needs = (await hub.heard(wire.Configure)).needs
    assert needs.environment.version == ".".join(map(str, sys.version_info[:3]))
    assert needs.environment.packages["jedi"] == metadata.version("jedi")
    assert (needs.used, needs.requirements, needs.source) == (["jedi"], ["jedi>=0.1"], "requirements.txt")


async def test_a_broken_setting_is_an_error_with_its_place(folder: Path) -> None:
    async with scene(folder) as (window, _):
        (folder / "pyproject.toml").write_text("[tool.yonder]\nlinge = 7\n")
        document = window.open(folder / "a.py")
        with pytest.raises(ServerError, match="linger") as caught:
            await window.run(document, document.find("train"))
        assert caught.value.remedy is not None
        assert caught.value.remedy.code == "settings"
        assert not (await window.runs()).runs


async def test_nothing_to_run_is_said_in_words(folder: Path) -> None:
    async with scene(folder) as (window, _):
        document = window.open(folder / "a.py", "\n\n")
        with pytest.raises(ServerError) as caught:
            await window.run(document, document.position(0))
        assert "Traceback" not in caught.value.sentence
        with pytest.raises(ServerError, match="not understood"):
            await window.request("yonder/run", {"nonsense": 1})


async def test_a_failed_run_is_a_diagnostic_until_its_line_is_edited(folder: Path) -> None:
    async with scene(folder) as (window, hub):
        published = window.queue("textDocument/publishDiagnostics")
        document = window.open(folder / "a.py")
        started = await window.run(document, document.find("train"))
        frame = wire.Frame(str(folder / "a.py"), 7, "<module>", "    train(x)", 7, 4, 12, user=True)
        failure = wire.Failure("NameError", "name 'train' is not defined", "Traceback", [frame])
        await hub.tell(wire.RunEnded(started.run, "error", 2.0, 1.0, failure=failure))
        (mark,) = (await until(published, lambda params: params["diagnostics"]))["diagnostics"]
        assert mark["range"] == {"start": {"line": 6, "character": 4}, "end": {"line": 6, "character": 12}}
        assert mark["source"] == "yonder"
        window.replace(document, "train(x)", "train(y)")
        assert (await until(published, lambda params: True))["diagnostics"] == []


async def test_an_edited_block_makes_its_run_stale_and_undo_takes_it_back(folder: Path) -> None:
    async with scene(folder) as (window, hub):
        document = window.open(folder / "a.py")
        started = await window.run(document, document.find("train"))
        await hub.tell(wire.RunEnded(started.run, "ok", 2.0, 1.0))
        await window.finished(started.run)
        news = window.queue("yonder/runsChanged")
        for old, new, stale in (("range(3)", "range(4)", True), ("range(4)", "range(3)", False)):
            window.replace(document, old, new)
            async with asyncio.timeout(10):
                while (await window.runs()).runs[0].stale is not stale:
                    await news.get()


async def test_code_lenses(folder: Path) -> None:
    async with editor(folder) as window:
        document = window.open(folder / "a.py")
        lenses = await window.request("textDocument/codeLens", {"textDocument": {"uri": document.uri}})
        assert [lens["range"]["start"]["line"] for lens in lenses] == [0, 4]
        assert lenses[1]["command"]["command"] == "yonder.runCell"
        uri, range_ = lenses[1]["command"]["arguments"]
        assert uri == document.uri
        assert range_["start"]["line"] == 4


async def test_interrupting(folder: Path) -> None:
    async with scene(folder) as (window, hub):
        document = window.open(folder / "a.py")
        idle = await window.ask(
            "yonder/interrupt", protocol.InterruptParams(uri=document.uri), protocol.InterruptResult
        )
        assert idle.outcome == "idle"
        started = await window.run(document, document.find("train"))
        hub.answers[wire.Interrupt] = lambda message: [
            wire.Interrupted(message.id, "interrupted", f"run {message.run} was interrupted")
        ]
        done = await window.ask(
            "yonder/interrupt", protocol.InterruptParams(uri=document.uri), protocol.InterruptResult
        )
        assert done.outcome == "interrupted"
        assert started.run in done.sentence


async def test_a_question_of_the_program_and_its_answer(folder: Path) -> None:
    async with scene(folder) as (window, hub):
        asked, closed = window.queue("yonder/inputRequested"), window.queue("yonder/inputClosed")
        await hub.tell(wire.InputWanted("r1", "q1", "Name? ", secret=False))
        question = await asyncio.wait_for(asked.get(), 20)
        assert (question.id, question.prompt) == ("q1", "Name? ")
        await window.ask("yonder/answer", protocol.AnswerParams(id="q1", text="Ada"), protocol.Nothing)
        answered = await hub.heard(wire.AnswerInput)
        assert answered.text == "Ada"
        await hub.tell(wire.InputOver("q1"))
        assert (await asyncio.wait_for(closed.get(), 20)).id == "q1"


async def test_stopping_and_restarting_without_a_cluster_are_sentences(folder: Path) -> None:
    async with editor(folder) as window:
        document = window.open(folder / "a.py")
        assert (await window.stop_cluster()).left == 0
        said = await window.ask("yonder/restartSession", protocol.UriParams(uri=document.uri), protocol.Sentence)
        assert "session" in said.sentence


# ── looking ───────────────────────────────────────────────────────────────────────────────────────────────────────────

TENSOR = wire.Answer(
    found=True,
    type="torch.Tensor",
    short="tensor 3 x 4",
    facts=[wire.Fact("shape", "3 x 4")],
    members=[wire.Member("backward", "m", 1), wire.Member("_base", "p", 1), wire.Member("shape", "p", 1)],
    generation=1,
)


async def test_completion_of_a_live_object(folder: Path) -> None:
    async with scene(folder) as (window, hub):
        asked = peeks(hub, TENSOR)
        document = window.open(folder / "a.py", TEXT + "x.sh")
        found = await window.complete(document, end(document))
        assert [item["label"] for item in found["items"]] == ["backward", "shape", "_base"]
        assert found["isIncomplete"] is False
        assert asked[-1] == wire.Query("members", [wire.Step("name", "x")])
        resolved = await window.request(
            "completionItem/resolve", found["items"][0] | {"data": found["itemDefaults"]["data"]}
        )
        assert resolved["detail"] == "torch.Tensor"
        assert "shape" in resolved["documentation"]["value"]
        assert asked[-1] == wire.Query("describe", [wire.Step("name", "x"), wire.Step("attr", "backward")])


async def test_hover_of_a_live_object(folder: Path) -> None:
    async with scene(folder) as (window, hub):
        peeks(hub, TENSOR)
        document = window.open(folder / "a.py")
        found = await window.hover(document, document.find("x = load"))
        assert "x: torch.Tensor" in found["contents"]["value"]
        assert "live · run 1" in found["contents"]["value"]


async def test_edited_code_that_did_not_run_is_called_stale(folder: Path) -> None:
    async with scene(folder) as (window, hub):
        peeks(hub, TENSOR)
        document = window.open(folder / "a.py", TEXT + "x")
        await window.hover(document, end(document))
        window.replace(document, "x = load()", "x = load(2)")
        found = await window.hover(document, end(document))
        assert "stale" in found["contents"]["value"]
        window.replace(document, "x = load(2)", "x = load()")
        assert "live" in (await window.hover(document, end(document)))["contents"]["value"]


async def test_keys_and_parameters_and_imports(folder: Path) -> None:
    async with scene(folder) as (window, hub):
        asked = peeks(hub, wire.Answer(found=True, members=[wire.Member("lr", "k", 0)]))
        document = window.open(folder / "a.py", TEXT + 'cfg["')
        (item,) = (await window.complete(document, end(document), trigger='"'))["items"]
        assert item["textEditText"] == 'lr"]'
        window.rewrite(document, TEXT + "from torch.nn import Li")
        await window.complete(document, end(document))
        assert asked[-1] == wire.Query("imports", [wire.Step("name", "torch"), wire.Step("attr", "nn")])
        window.rewrite(document, TEXT + '"text')
        assert await window.complete(document, end(document), trigger='"') is None
        parameters = [wire.Parameter("x", "x", keyword=False), wire.Parameter("lr", "lr=0.1")]
        peeks(hub, wire.Answer(found=True, type="function", signature="fit(x, lr=0.1)", parameters=parameters))
        window.rewrite(document, TEXT + "fit(1, l")
        labels = [item["label"] for item in (await window.complete(document, end(document)))["items"]]
        assert labels[0] == "lr="
        help_ = await window.request(
            "textDocument/signatureHelp",
            {
                "textDocument": {"uri": document.uri},
                "position": {"line": end(document).line, "character": end(document).character},
            },
        )
        assert help_["signatures"][0]["label"] == "fit(x, lr=0.1)"
        assert help_["activeParameter"] == 1


async def test_a_session_that_does_not_answer_costs_no_more_than_the_deadline(folder: Path) -> None:
    async with scene(folder) as (window, _):
        statuses = window.queue("yonder/statusChanged")
        document = window.open(folder / "a.py", TEXT + "x.")
        loop = asyncio.get_running_loop()
        for _ in range(live.MISSES):
            begin = loop.time()
            found = await window.complete(document, end(document))
            assert found["isIncomplete"] is True
            assert loop.time() - begin < live.COMPLETION + 1.0  # the rest is for a machine that others use as well
        await until(statuses, lambda status: status.live == "slow")


async def test_an_unfinished_document_is_no_error(folder: Path) -> None:
    async with scene(folder) as (window, hub):
        peeks(hub, wire.Answer(found=False, why="no such name"))
        document = window.open(folder / "a.py", "def f(:\n  x[[[.y\n'''")
        for line, column in ((0, 0), (1, 5), (2, 3), (9, 9)):
            at = protocol.Position(line=line, character=column)
            await window.complete(document, at)
            await window.hover(document, at)


# ── coming and going ──────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_reload_takes_up_where_it_was(folder: Path) -> None:
    async with fakes.hub(OWNER) as hub:
        hub.answers[wire.GetStatus] = lambda message: [fakes.status(fakes.session("busy", run="r"), number=message.id)]
        async with editor(folder) as window:
            statuses = window.queue("yonder/statusChanged")
            document = window.open(folder / "a.py")
            started = await window.run(document, document.find("train"))
            await hub.until_acked(
                await hub.tell(wire.Phase(started.run, "running", 1.0), wire.Output(started.run, "", 1, "a", 1.0))
            )
            took = await window.goodbye()
            assert took < 1.0  # the server answers in 200 ms; the rest is for a machine that others use as well
        assert (await hub.heard(wire.Goodbye)).reason
        seen = hub.acked
        await hub.tell(wire.Output(started.run, "", 1, "b", 2.0))
        async with editor(folder) as window:
            statuses = window.queue("yonder/statusChanged")
            status = await until(statuses, lambda status: status.cluster == "on" and status.sessions)
            assert status.sessions[0].state == "busy"
            assert hub.hellos[-1].resume == seen
            await hub.until_acked(seen + 1)
            output = await window.output(started.run)
            assert "".join(piece.text for piece in output.pieces) == "ab"


async def test_another_python_server_that_comes_takes_the_static_half_over(folder: Path) -> None:
    async with scene(folder, session=False, settings=protocol.Settings(python=sys.executable)) as (window, _):
        document = window.open(folder / "a.py", "import string\nstring.asc")

        async def names(*, wanted: bool) -> None:
            async with asyncio.timeout(60):  # jedi's first answer takes its time
                while wanted != bool((await window.complete(document, end(document)))["items"]):
                    pass

        await names(wanted=True)
        beside = protocol.Settings(python=sys.executable, other_language_server=True)
        window.notify("yonder/settings", msgspec.to_builtins(protocol.SettingsParams(python="", settings=beside)))
        await names(wanted=False)
        alone = protocol.Settings(python=sys.executable)
        window.notify("yonder/settings", msgspec.to_builtins(protocol.SettingsParams(python="", settings=alone)))
        await names(wanted=True)


async def test_a_killed_server_says_nothing_and_a_new_one_finds_the_hub(folder: Path) -> None:
    async with scene(folder) as (window, hub):
        await window.kill()
        async with editor(folder) as again:
            statuses = again.queue("yonder/statusChanged")
            await until(statuses, lambda status: status.cluster == "on")
            said = [hub.said.get_nowait() for _ in range(hub.said.qsize())]
        assert not any(isinstance(message, wire.Goodbye) for message in said)
        assert len(hub.hellos) == 2


async def test_a_dead_hub_is_shown_as_lost(folder: Path) -> None:
    async with scene(folder) as (window, hub):
        statuses = window.queue("yonder/statusChanged")
        document = window.open(folder / "a.py")
        started = await window.run(document, document.find("train"))
        await hub.heard(wire.Execute)
        await hub.die()
        status = await until(statuses, lambda status: status.cluster == "lost")
        assert status.executors == []
        assert (await window.finished(started.run)).state == "lost"


async def test_heartbeats_reach_the_hub(folder: Path) -> None:
    async with scene(folder) as (window, hub):
        window.notify("yonder/heartbeat", {})
        await hub.heard(wire.WindowAlive)


async def test_a_flood_of_metrics_does_not_hold_up_typing(folder: Path) -> None:
    async with scene(folder) as (window, hub):
        peeks(hub, TENSOR)
        document = window.open(folder / "a.py", TEXT + "x.")
        started = await window.run(document, document.find("train"))
        points = b"\0" * 8 * 1000
        flood = [wire.Metrics(started.run, "", [wire.Column("loss", points, points, points)]) for _ in range(200)]
        sending = asyncio.create_task(hub.tell(*flood))
        loop = asyncio.get_running_loop()
        slowest = 0.0
        for number in range(20):
            window.replace(document, "\nx.", f"\ny{number} = 1\nx.")
            begin = loop.time()
            await window.complete(document, end(document))
            slowest = max(slowest, loop.time() - begin)
        await hub.until_acked(await sending)
        assert slowest < 1.0


async def test_a_python_without_the_core_is_a_question_with_two_answers(folder: Path) -> None:
    """A Python that has nothing installed: -S keeps even this environment's packages out."""
    bare = folder.parent / "bare-python"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    bare.chmod(0o755)
    async with scene(folder, settings=protocol.Settings(python=str(bare), static="none")) as (window, _):
        document = window.open(folder / "a.py")
        with pytest.raises(ServerError) as caught:
            await window.run(document, document.find("train"))
        assert caught.value.remedy is not None
        assert caught.value.remedy.code == "core_missing"
        assert "install" in caught.value.remedy.command
        assert not (await window.runs()).runs


async def test_no_python_at_all_is_said(folder: Path) -> None:
    async with scene(folder, settings=protocol.Settings(python="/nowhere/python", static="none")) as (window, _):
        document = window.open(folder / "a.py")
        with pytest.raises(ServerError, match="/nowhere/python"):
            await window.run(document, document.find("train"))
        assert (await window.status()).problem


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (b"", 0),
        (b'Content-Length: 33\r\n\r\n{"jsonrpc":"2.0","method":"exit"}', 1),
        (b'Content-Length: 5000\r\n\r\n{"jso', 1),
    ],
    ids=["hung up", "exit without shutdown", "hung up in a message"],
)
async def test_it_ends_when_the_editor_does(said: bytes, code: int) -> None:
    pipe = asyncio.subprocess.PIPE
    server = await asyncio.create_subprocess_exec(sys.executable, "-m", "yonder_lsp", stdin=pipe, stdout=pipe)
    out, _ = await asyncio.wait_for(server.communicate(said), 30)
    assert server.returncode == code
    assert out == b""


async def test_standard_input_may_be_a_file() -> None:
    server = await asyncio.create_subprocess_exec(sys.executable, "-m", "yonder_lsp", stdin=asyncio.subprocess.DEVNULL)
    assert await asyncio.wait_for(server.wait(), 30) == 0


async def test_code_that_a_session_could_not_load_again_is_told_once_with_a_way_out(folder: Path) -> None:
    async with scene(folder) as (editor, hub):
        notices = editor.queue("yonder/notice")
        kept = {"model": "it has live instances"}
        again = wire.SessionChanged("main", "booting", 1, 2.0)
        await hub.tell(wire.CodeChanged("r1", "", ["helper"], {}, 1.0))
        call = wire.CodeChanged("r2", "pool.1", ["helper"], {}, 1.0)
        await hub.tell(wire.CodeChanged("r2", "", [], kept, 1.0), call, wire.CodeChanged("r3", "", [], kept, 1.0))
        notice = await until(notices, lambda notice: "model" in notice.sentence)
        assert notice.level == "warning"
        assert notice.remedy.code == "code_kept"
        await hub.tell(again, wire.CodeChanged("r4", "", [], {"model": "another reason"}, 3.0))
        notice = await until(notices, lambda _: True)
        assert "another reason" in notice.sentence  # nothing of r3 came between


async def test_a_run_lists_its_files_and_a_person_fetches_one(folder: Path) -> None:
    async with scene(folder) as (editor, hub):
        part = wire.FilePart(0, b"weights", 7, "s", content(b"weights"))
        hub.answers[wire.ReadFile] = lambda message: [msgspec.structs.replace(part, id=message.id)]
        changed = editor.queue("yonder/runsChanged")
        await hub.tell(
            wire.Phase("r1", "running", 1.0),
            wire.FilesWritten("r1", "", "e-1", [wire.Written("deep/model.pt", 7, 2.0)], 3, 2.0),
        )
        asked = protocol.FilesParams(run="r1")
        async with asyncio.timeout(20):
            while not (found := await editor.ask("yonder/files", asked, protocol.FilesResult)).files:
                await changed.get()
        assert found.more == 3
        assert [(row.path, row.size, row.local, row.there) for row in found.files] == [("deep/model.pt", 7, "", False)]
        target = folder / "here.pt"
        params = protocol.FetchParams(run="r1", executor="e-1", path="deep/model.pt", to=str(target))
        assert (await editor.ask("yonder/fetch", params, protocol.Fetched)).path == str(target)
        assert target.read_bytes() == b"weights"
        assert (await editor.ask("yonder/files", protocol.FilesParams(run="r1"), protocol.FilesResult)).files[
            0
        ].local == str(target)


async def test_imports_that_executors_elsewhere_lack_are_said_before_a_run_and_cleared_when_they_have_them(
    folder: Path,
) -> None:
    version = ".".join(map(str, sys.version_info[:3]))
    known = {"gpu": wire.Environment("cpython", version, "linux_x86_64", {})}
    async with scene(folder) as (window, hub):
        hub.answers[wire.AskEnvironments] = lambda message: [wire.Environments(message.id, dict(known))]
        published = window.queue("textDocument/publishDiagnostics")
        (folder / "b.py").write_text("import os\nimport jedi\n")
        window.open(folder / "b.py")
        up = wire.ExecutorState("x-1", "gpu", "docker", "ready", 0, 0.0)
        await hub.send(wire.Status(0, [], [up], [fakes.session()], 4000, 1, 0))
        (mark,) = (await until(published, lambda params: params["diagnostics"]))["diagnostics"]
        assert mark["message"].startswith("jedi is missing on executors of the pool 'gpu'")
        assert mark["range"]["start"] == {"line": 1, "character": 0}
        known["gpu"] = wire.Environment("cpython", version, "linux_x86_64", {"jedi": metadata.version("jedi")})
        await hub.tell(wire.Phase("", "dependencies", 0.0, "something was installed"))
        await until(published, lambda params: params["uri"].endswith("b.py") and not params["diagnostics"])


async def test_a_path_that_is_here_only_is_named_before_the_run_and_no_more_when_it_travels(folder: Path) -> None:
    (folder / "data.csv").write_text("12")
    (folder / "reads.py").write_text('open("data.csv")\n')
    project = folder / "pyproject.toml"
    project.write_text('[tool.yonder.pools.far]\nbackend = "docker"\n')
    async with editor(folder) as window:
        told = window.queue("textDocument/publishDiagnostics")
        document = window.open(folder / "reads.py")
        said = await until(told, lambda message: message["diagnostics"])
        assert "'data.csv' (2 B) is on this machine only" in said["diagnostics"][0]["message"]
        project.write_text('[tool.yonder]\ninclude = ["*.csv"]\n[tool.yonder.pools.far]\nbackend = "docker"\n')
        window.notify("yonder/settings", msgspec.to_builtins(protocol.SettingsParams(python="", settings=PLAIN)))
        window.rewrite(document, 'open("data.csv")\n\n')
        await until(told, lambda message: not message["diagnostics"])


async def test_what_a_function_for_a_pool_takes_along_is_said_before_the_call(folder: Path) -> None:
    async with scene(folder) as (window, hub):
        asked = peeks(hub, wire.Answer(True, type="numpy.ndarray", facts=[wire.Fact("memory", "801 MB")]))
        published = window.queue("textDocument/publishDiagnostics")
        (folder / "b.py").write_text("def f(x):\n    return data\npool = yonder.Pool()\npool.map(f, [1])\n")
        document = window.open(folder / "b.py")
        (mark,) = (await until(published, lambda params: params["diagnostics"]))["diagnostics"]
        assert mark["message"].startswith("f takes data (801 MB) along with its code")
        assert asked == [wire.Query("describe", [wire.Step("name", "data")])]
        window.replace(document, "return data", "return x")
        assert (await until(published, lambda params: True))["diagnostics"] == []


async def test_what_failed_is_said_again_after_the_window_was_loaded_again(folder: Path) -> None:
    frame = wire.Frame(str(folder / "a.py"), 3, "<module>", "x = load()", 3, 4, 10, True)
    told = wire.Failure("ValueError", "no such thing", "Traceback …", [frame])
    async with scene(folder) as (window, hub):
        document = window.open(folder / "a.py")
        started = await window.run(document, document.find("load"))
        await hub.heard(wire.Execute)
        await hub.tell(wire.RunEnded(started.run, "error", 2.0, 1.0, failure=told))
        await window.finished(started.run, within=20)
    async with scene(folder) as (window, hub):
        marked = window.queue("textDocument/publishDiagnostics")
        document = window.open(folder / "a.py")
        found = await until(marked, lambda said: said["diagnostics"])
        (mark,) = found["diagnostics"]
        assert mark["message"] == "ValueError: no such thing"
        assert mark["range"] == {"start": {"line": 2, "character": 4}, "end": {"line": 2, "character": 10}}
    async with scene(folder) as (window, hub):
        marked = window.queue("textDocument/publishDiagnostics")
        document = window.open(folder / "a.py", TEXT.replace("load()", "load(2)"))
        started = await window.run(document, document.find("train"))  # whatever is to be said was said before it
        await hub.heard(wire.Execute)
        while not marked.empty():
            assert not marked.get_nowait()["diagnostics"]


async def test_after_an_edit_what_the_last_run_left_is_offered_unless_its_type_is_surely_another(folder: Path) -> None:
    async with scene(folder) as (window, hub):
        peeks(hub, wire.Answer(found=True, type="nets.Net", members=[wire.Member("forward", "m", 0)]))
        document = window.open(folder / "a.py", "x = load()\nx.")

        async def offered() -> list[tuple[str, Any]]:
            found = await window.complete(document, end(document), trigger=".")
            return [(item["label"], item.get("labelDetails")) for item in found["items"]]

        assert await offered() == [("forward", None)]
        window.replace(document, "load()", "load(2)")
        assert await offered() == [("forward", {"description": "last run"})]
        window.replace(document, "load(2)", "[]")
        assert await offered() == []
        window.replace(document, "[]", "load()")
        assert await offered() == [("forward", None)]


async def test_a_failure_in_what_is_no_text_of_the_editor_is_not_read(folder: Path) -> None:
    """Frames are what a worker says: one in a pipe, which nobody ever writes to, must not stop the server."""
    os.mkfifo(folder / "pipe.py")
    async with scene(folder) as (window, hub):
        published = window.queue("textDocument/publishDiagnostics")
        document = window.open(folder / "a.py")
        started = await window.run(document, document.find("train"))
        frame = wire.Frame(str(folder / "pipe.py"), 1, "f", "x = y", user=True)
        failure = wire.Failure("NameError", "name 'y' is not defined", "Traceback", [frame])
        await hub.tell(wire.RunEnded(started.run, "error", 2.0, 1.0, failure=failure))
        said = await until(published, lambda news: news["diagnostics"])
        assert said["uri"].endswith("pipe.py")
