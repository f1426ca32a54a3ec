"""The whole way from an editor's text to running code: real server, real hub, a session on this machine."""

import asyncio
import contextlib
import os
import secrets
import sys
from pathlib import Path

import pytest
from scripts.editor import Editor

from yonder_lsp import protocol

SETTINGS = protocol.Settings(python=sys.executable, static="none", linger=1.0)


@pytest.fixture(autouse=True)
def runtime(tmp_path, monkeypatch):
    (tmp_path / "r").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "r"))


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "project"
    made.mkdir()
    return made


def put(folder: Path, name: str, text: str = "") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@contextlib.asynccontextmanager
async def window(folder):
    """An editor whose cluster is stopped afterwards."""
    owner = f"code-{secrets.token_hex(4)}"
    made = Editor(folder, owner=owner, storage=folder.parent / "storage", settings=SETTINGS, env=dict(os.environ))
    async with made as editor:
        yield editor
        await editor.stop_cluster()


async def ran(editor, document, where="cell", needle=""):
    """The value and the output of a run, or the name of its error."""
    started = await editor.run(document, document.find(needle), where=where)
    summary = await editor.finished(started.run)
    text = "".join(piece.text for piece in (await editor.output(started.run)).pieces)
    return summary.state, summary.short, text


async def test_unsaved_text_of_another_file_runs_and_a_session_follows_it(folder):
    helper = put(folder, "helper.py", "def value():\n    return 'on the disk'\n")
    main = put(folder, "main.py", "import helper\nhelper.value()\n")
    async with window(folder) as editor:
        document, other = editor.open(main), editor.open(helper)
        assert (await ran(editor, document))[1] == "'on the disk'"
        editor.replace(other, "on the disk", "typed")
        assert (await ran(editor, document))[1] == "'typed'"
        editor.rewrite(other, "def value():\n    return 'saved'\n")
        editor.save(other)
        assert (await ran(editor, document))[1] == "'saved'"
        helper.write_text("def value():\n    return 'from another branch'\n")
        assert (await ran(editor, document))[1] == "'from another branch'"


async def test_a_file_runs_with_what_lies_beside_it_and_above_it(folder):
    put(folder, "above.py", "name = 'above'\n")
    put(folder, "trials-1/near.py", "name = 'near'\n")
    put(folder, "src/pack/__init__.py", "name = 'pack'\n")
    main = put(folder, "trials-1/main.py", "import above, near, pack\nprint(above.name, near.name, pack.name)\n")
    async with window(folder) as editor:
        state, _, text = await ran(editor, editor.open(main), "file")
        assert (state, text) == ("ok", "above near pack\n")


async def test_what_is_ignored_is_not_there_and_that_is_said_before_the_run_and_after_it(folder):
    (folder / ".git").mkdir()
    put(folder, ".gitignore", "secret.py\n")
    put(folder, "secret.py")
    main = put(folder, "main.py", "import secret\n")
    words = 'secret.py is there, but .gitignore leaves it out: include = ["secret.py"] in [tool.yonder].'
    async with window(folder) as editor:
        published, noticed = editor.queue("textDocument/publishDiagnostics"), editor.queue("yonder/notice")
        document = editor.open(main)
        async with asyncio.timeout(60):
            while not (found := (await published.get())["diagnostics"]):
                continue
            assert [one["message"] for one in found] == [words]
            state, _, _ = await ran(editor, document)
            assert state == "error"
            while (await noticed.get()).sentence != words:
                continue


async def test_a_pool_in_a_session_runs_on_the_sessions_code(folder):
    put(
        folder,
        "helper.py",
        "import enum\nclass Kind(enum.Enum):\n    ONE = 1\ndef same(kind):\n    return kind is Kind.ONE\n",
    )
    main = put(
        folder,
        "main.py",
        "import helper, yonder\nwith yonder.Pool(max=1) as pool:\n    found = pool.call(helper.same, helper.Kind.ONE)\nfound\n",
    )
    async with window(folder) as editor:
        assert (await ran(editor, editor.open(main)))[1] == "True"
