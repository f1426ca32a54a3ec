"""`yonder/stacks`: the real server over stdio, and a hub that answers as the test says."""

from pathlib import Path

from tests.lsp.test_server import editor, folder, scene  # noqa: F401 - a fixture

from yonder import wire
from yonder_lsp import protocol


async def ask(window, uri=""):
    return await window.ask("yonder/stacks", protocol.StacksParams(uri=uri), protocol.StacksResult)


def process(worker: str, session: str) -> wire.ProcessStack:
    thread = wire.ThreadStack("", True, False, [wire.StackFrame("/w/a.py", 3, "train")])
    return wire.ProcessStack(worker, "e", "", session, 7, "", [thread])


async def test_stacks_of_a_document_and_of_everybody(folder: Path) -> None:  # noqa: F811 - the fixture
    async with scene(folder) as (window, hub):
        document = window.open(folder / "a.py")
        await window.run(document, document.find("train"))
        session = (await hub.heard(wire.Execute)).session
        hub.answers[wire.GetStacks] = lambda message: [
            wire.Stacks(message.id, [process("s.0", session)] if message.session == session else [], 0)
        ]
        mine = await ask(window, document.uri)
        assert [one.title for one in mine.processes] == [f"s.0 (session {session}, pid 7), idle"]
        assert 'File "/w/a.py", line 3, in train' in mine.processes[0].text
        nothing = await ask(window)
        assert (nothing.processes, nothing.sentence) == ([], "Nothing runs on the cluster now.")


async def test_a_document_without_a_session_is_told_of_all(folder: Path) -> None:  # noqa: F811 - the fixture
    """What it has going may be the run of a file."""
    async with scene(folder) as (window, hub):
        document = window.open(folder / "a.py")
        await window.run(document, document.find("train"))
        hub.answers[wire.GetStacks] = lambda message: [
            wire.Stacks(message.id, [] if message.session else [process("f.0", "run"), process("p.0", "")], 3)
        ]
        told = await ask(window, document.uri)
        assert [one.title.partition(" ")[0] for one in told.processes] == ["f.0", "p.0"]
        assert told.sentence == "3 more processes are not shown."


async def test_without_a_cluster_it_is_a_sentence(folder: Path) -> None:  # noqa: F811 - the fixture
    async with editor(folder) as window:
        assert await ask(window) == protocol.StacksResult(processes=[], sentence="No cluster is running.")
