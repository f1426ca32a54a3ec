"""What can be done with a live object: code actions, the edit of *Keep as Remote*, links below a card."""

import asyncio
import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from markdown_it import MarkdownIt
from scripts.editor import ServerError
from tests.lsp import fakes
from tests.lsp.test_cards import folder, runtime  # noqa: F401 - fixtures
from tests.lsp.test_insight import names_known
from tests.lsp.test_server import peeks, scene

from yonder import Pool, wire
from yonder.agent import peek_raw
from yonder_lsp import actions, protocol
from yonder_lsp.documents import Document

TENSOR = wire.Answer(found=True, type="torch.Tensor", short="Tensor(3, float32, cpu)", generation=1)
POOL = wire.Answer(found=True, whole=True, mark=3, total=1, rows=[wire.Row("pool", "v", "yonder.pool.Pool", "")])


async def pool_known(window: Any, hub: fakes.FakeHub, document: Any) -> None:
    """The session has a pool, and the server knows of it."""
    await names_known(hub, POOL)
    path = [protocol.PathStep(kind="name", value="x")]
    params = protocol.KeepParams(uri=document.uri, path=path, line=0)
    async with asyncio.timeout(20):
        while True:
            try:
                await window.ask("yonder/keeping", params, protocol.KeepEdit)
            except ServerError:
                continue
            return


def marked(text: str) -> tuple[Document, int, int]:
    """A document whose selection is between two bars (one bar: a cursor)."""
    parts = text.split("|")
    start = len(parts[0])
    return Document("file:///f/a.py", "".join(parts)), start, start + len(parts[1] if len(parts) > 2 else "")


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("print(model.lay|er.weight)", "model.layer"),
        ("print(model.layer.wei|ght)", "model.layer.weight"),
        ("y = cfg['op|t'].lr", "cfg['opt']"),
        ("print(|model.layer| + 1)", "model.layer"),
        ("print(| model.layer |+ 1)", "model.layer"),
        ("|cfg['opt']|", "cfg['opt']"),
        ("print(model.|layer| + 1)", None),
        ("|a + b|", None),
        ("f(x)|", None),
        ("# x|", None),
    ],
)
def test_the_expression_that_is_meant(text: str, expression: str | None) -> None:
    document, start, end = marked(text)
    found = actions._expression(document, start, end)
    assert (document.text[slice(*found.whole)] if found else None) == expression


def applied(text: str, expression: str, name: str = "kept_x") -> str:
    """The text after *Keep as Remote* on the line with the bar."""
    document, at, _ = marked(text)
    edit = actions.keeping(document, document.position(at).line, expression, name, "pool")
    place = document.offset(protocol.Position(**edit["range"]["start"]))
    return document.text[:place] + edit["newText"] + document.text[place:]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("import yonder\nx| = 1\nz = 2\n", "import yonder\nx = 1\nkept_x = pool.put(x)\nz = 2\n"),
        ("x| = 1", "x = 1\nkept_x = pool.put(x)"),
        ("x| = f(\n  1,\n)\n", "x = f(\n  1,\n)\nkept_x = pool.put(x)\n"),
        ("import yonder\nif a:\n    x| = 1\n    b\n", "import yonder\nif a:\n    x = 1\n    kept_x = pool.put(x)\n    b\n"),
        ("import yonder\nfor a in x|:\n    b\n", "import yonder\nfor a in x:\n    b\nkept_x = pool.put(x)\n"),
        ("import yonder\ntry:\n    a\nexcept E:\n    x|\n", "import yonder\ntry:\n    a\nexcept E:\n    x\n    kept_x = pool.put(x)\n"),
        ("x| = = 1\n", "x = = 1\nkept_x = pool.put(x)\n"),
    ],
)  # fmt: skip
def test_keeping_goes_after_the_statement(before: str, after: str) -> None:
    assert applied(before, "x") == after


async def offered(window: Any, document: Any, needle: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await window.actions(document, document.find(needle), document.find(needle))
    return found


async def test_a_live_tensor_can_be_evaluated_counted_and_kept(folder: Path) -> None:  # noqa: F811
    async with scene(folder) as (window, hub):
        peeks(hub, TENSOR)
        document = window.open(folder / "a.py", "x = load()\nprint(net.x)\n")
        await pool_known(window, hub, document)
        made = await offered(window, document, "x)")
        assert [one["title"] for one in made] == [
            "Evaluate net.x",
            "Compute statistics of net.x",
            "Keep as Remote: kept_x = pool.put(net.x)",
        ]
        where = {"start": {"line": 1, "character": 6}, "end": {"line": 1, "character": 11}}
        assert made[0]["command"]["arguments"] == [document.uri, where]
        path = [{"kind": "name", "value": "net"}, {"kind": "attr", "value": "x"}]
        assert made[1]["command"]["arguments"] == [document.uri, path, where]
        kept = await window.request("codeAction/resolve", made[2])
        (edit,) = kept["edit"]["changes"][document.uri]
        assert edit["newText"] == "\nkept_x = pool.put(net.x)"
        assert edit["range"]["start"] == {"line": 1, "character": 12}


async def test_a_row_of_the_view_is_kept_and_shown_by_its_path(folder: Path) -> None:  # noqa: F811
    async with scene(folder) as (window, hub):
        document = window.open(folder / "a.py", "import yonder\nx = load()\n")
        path = [protocol.PathStep(kind="name", value="cfg"), protocol.PathStep(kind="key", value="the net")]
        params = protocol.KeepParams(uri=document.uri, path=path, line=1)
        with pytest.raises(ServerError, match=r"pool = yonder\.Pool"):
            await window.ask("yonder/keeping", params, protocol.KeepEdit)
        await pool_known(window, hub, document)
        edit = await window.ask("yonder/keeping", params, protocol.KeepEdit)
        assert edit.text == "\nkept_the_net = pool.put(cfg['the net'])"
        assert edit.range.start == document.position(len(document.text) - 1)
        asked = peeks(hub, wire.Answer(found=False, why="written in C"))
        nowhere = protocol.Range(start=document.position(0), end=document.position(0))
        shown = protocol.SourceAtParams(uri=document.uri, selection=nowhere, path=path)
        told = await window.ask("yonder/sourceAt", shown, protocol.SourceAt)
        assert asked[0].path == [wire.Step("name", "cfg"), wire.Step("key", "the net")]
        assert "written in C" in told.sentence


async def test_what_spans_lines_cannot_be_evaluated_from_here(folder: Path) -> None:  # noqa: F811
    async with scene(folder) as (window, hub):
        peeks(hub, TENSOR)
        document = window.open(folder / "a.py", "y = (\n    net\n    .layer\n)\n")
        titles = [one["title"] for one in await offered(window, document, "layer")]
        assert not any(title.startswith("Keep") for title in titles), "no pool, no Remote"
        await pool_known(window, hub, document)
        titles = [one["title"] for one in await offered(window, document, "layer")]
        assert not any(title.startswith("Evaluate") for title in titles)
        assert "Keep as Remote: kept_layer = pool.put(net.layer)" in titles


async def test_nothing_is_offered_for_what_is_not_live(folder: Path) -> None:  # noqa: F811
    async with scene(folder) as (window, hub):
        peeks(hub, wire.Answer(found=False, why="gone"))
        document = window.open(folder / "a.py", "x\ndef f(y):\n    return y\n")
        assert await offered(window, document, "x") == []
        asked = peeks(hub, TENSOR)
        assert await offered(window, document, "y\n") == []
        assert not asked


async def test_the_bulb_stays_dark_and_kinds_are_respected(folder: Path) -> None:  # noqa: F811
    async with scene(folder) as (window, hub):
        peeks(hub, TENSOR)
        document = window.open(folder / "a.py", "x\n")
        await pool_known(window, hub, document)
        at = {"line": 0, "character": 0}
        asked = {"textDocument": {"uri": document.uri}, "range": {"start": at, "end": at}}
        automatic = asked | {"context": {"diagnostics": [], "triggerKind": 2}}
        assert await window.request("textDocument/codeAction", automatic) == []
        only = asked | {"context": {"diagnostics": [], "triggerKind": 1, "only": ["refactor"]}}
        assert [one["kind"] for one in await window.request("textDocument/codeAction", only)] == ["refactor.rewrite"]
        fixes = asked | {"context": {"diagnostics": [], "triggerKind": 1, "only": ["quickfix"]}}
        assert await window.request("textDocument/codeAction", fixes) == []


async def test_modules_and_functions_are_not_kept_and_not_counted(folder: Path) -> None:  # noqa: F811
    async with scene(folder) as (window, hub):
        peeks(hub, wire.Answer(found=True, type="module", short="<module os>"))
        document = window.open(folder / "a.py", "x\n")
        assert [one["title"] for one in await offered(window, document, "x")] == ["Evaluate x"]


def links(text: str) -> list[tuple[str, str]]:
    """Text and target of every link that Markdown makes of a hover."""
    found, target = [], ""
    for token in MarkdownIt().parse(text):
        for inside in token.children or ():
            assert inside.type not in ("image", "html_inline")
            if inside.type == "link_open":
                target = str(inside.attrs["href"])
            elif inside.type == "text" and target:
                found.append((inside.content, target))
                target = ""
    return found


async def test_links_stand_below_a_card_and_nothing_a_session_says_becomes_one(folder: Path) -> None:  # noqa: F811
    hostile = (
        "[click](command:workbench.action.terminal.new) <a href='command:x'>y</a> $(zap)\n```\n[b](command:b?)\n```"
    )
    answer = wire.Answer(
        found=True,
        type="torch.Tensor",
        short=hostile,
        facts=[wire.Fact(hostile, hostile)],
        doc=hostile,
        file=hostile,
        signature=hostile,
    )
    async with scene(folder) as (window, hub):
        peeks(hub, answer)
        document = window.open(folder / "a.py", "x = load()\n")
        shown = (await window.hover(document, document.find("x")))["contents"]["value"]
        found = links(shown)
        assert [(title, target.partition("?")[0]) for title, target in found] == [
            ("Evaluate", "command:yonder.evaluate"),
            ("Compute statistics", "command:yonder.statistics"),
            ("Show source", "command:yonder.showSource"),
        ]
        assert json.loads(unquote(found[0][1].partition("?")[2]))[0] == document.uri


async def test_an_expression_is_run_as_it_stands(folder: Path) -> None:  # noqa: F811
    async with scene(folder) as (window, hub):
        document = window.open(folder / "a.py", "def f():\n    return net.x + 1\n")
        where = protocol.Range(start=document.find("net"), end=document.find(" + 1"))
        params = protocol.RunParams(uri=document.uri, where="expression", selection=where)
        started = await window.ask("yonder/run", params, protocol.RunStarted)
        assert started.range == where
        execute = await hub.heard(wire.Execute)
        assert (execute.code, execute.line) == ("net.x", 1)


def test_the_type_of_a_pool_is_the_one_that_is_looked_for() -> None:
    assert peek_raw.type_name(Pool) == POOL.rows[0].type
