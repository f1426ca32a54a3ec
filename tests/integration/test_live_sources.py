"""Where things are written, from a real session: its own packages as documents, blocks in their cells, files of both here."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
import pytest_asyncio
from lsprotocol import types
from tests.integration.desk import Desk, desks

from yonder_lsp import uris

pytestmark = pytest.mark.asyncio(loop_scope="module")
client = desks(static="none")

FAR = '''\
"""A package that only the session can import."""

import json
from typing import overload


class Far:
    """Something far."""

    def reach(self, how: float = 1.0) -> "Far":
        """Reach it.

        Args:
            how: How far.
        """
        return helper(self, json)


def helper(far, used):
    return far


@overload
def area(side: int) -> int: ...
@overload
def area(width: int, height: int) -> int: ...
def area(*args):
    return 1


far = Far()
'''


LOOK = """
import sys, json, linecache
sys.path.append({folder!r})
import farpkg
from farpkg import Far, area
linecache.getlines(farpkg.__file__)
far = Far()
"""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def desk(client, tmp_path_factory):
    """A desk whose session has a package that is not on this machine (any more)."""
    package = tmp_path_factory.mktemp("elsewhere") / "farpkg"
    package.mkdir()
    file = package / "__init__.py"
    file.write_text(FAR)
    await client.desk.run(LOOK.format(folder=str(package.parent)))
    await client.desk.run("class Mine:\n    x = 1\n\ndef mine():\n    return Mine()")
    file.unlink()
    client.desk.file = str(file)
    return client.desk


async def jump(desk: Desk, question: str) -> tuple[str, int, int, int]:
    (found,) = await desk.client.text_document_definition_async(types.DefinitionParams(**desk.place(question))) or ()
    return found.uri, found.range.start.line, found.range.start.character, found.range.end.character


def opened(desk: Desk, uri: str, text: str) -> None:
    item = types.TextDocumentItem(uri, "python", 1, text)
    desk.client.text_document_did_open(types.DidOpenTextDocumentParams(item))


def at(uri: str, text: str, place: str) -> dict[str, object]:
    """The place of the cursor in `place`, a piece of the text with `|` in it."""
    before = text[: text.index(place.replace("|", "")) + place.index("|")]
    position = types.Position(before.count("\n"), len(before.rpartition("\n")[2]))
    return {"text_document": types.TextDocumentIdentifier(uri), "position": position}


async def hints(desk: Desk, uri: str) -> list[types.InlayHint]:
    everywhere = types.Range(types.Position(0, 0), types.Position(99, 0))
    asked = types.InlayHintParams(types.TextDocumentIdentifier(uri), everywhere)
    return list(await desk.client.text_document_inlay_hint_async(asked) or ())


async def test_what_only_the_session_has_is_a_document(desk: Desk) -> None:
    uri, *where = await jump(desk, "far.rea|ch()")
    assert where == [9, 8, 13]
    place = uris.remote_place(uri)
    assert place is not None
    assert (place.file, place.session) == (desk.file, "main")
    assert (await desk.ask("yonder/source", uri=uri)) == {"text": FAR, "kept": True}
    assert (await jump(desk, "import far|pkg"))[1:] == (0, 0, 0)
    assert (await jump(desk, "from farpkg import hel|per"))[1] == 18


async def test_inside_it_the_modules_own_names_are_known(desk: Desk) -> None:
    uri, *_ = await jump(desk, "Fa|r()")
    opened(desk, uri, FAR)
    hover = await desk.client.text_document_hover_async(types.HoverParams(**at(uri, FAR, "return hel|per(self")))
    assert "helper(far, used)" in hover.contents.value
    (found,) = await desk.client.text_document_definition_async(
        types.DefinitionParams(**at(uri, FAR, "return hel|per(self"))
    )
    assert (found.uri, found.range.start.line) == (uri, 18)
    (found,) = await desk.client.text_document_definition_async(types.DefinitionParams(**at(uri, FAR, "js|on)")))
    assert found.uri == uris.to_uri(json.__file__)
    help_ = await desk.client.text_document_signature_help_async(
        types.SignatureHelpParams(**at(uri, FAR, "helper(self, |json"))
    )
    assert help_.signatures[0].label == "helper(far, used)"
    lenses = await desk.client.text_document_code_lens_async(types.CodeLensParams(types.TextDocumentIdentifier(uri)))
    assert not lenses
    async with asyncio.timeout(20):
        while not await hints(desk, desk.uri):
            pass  # the names of the run are on their way
    assert not await hints(desk, uri), "the session's far is another one"
    assert not await desk.client.text_document_completion_async(types.CompletionParams(**at(uri, FAR, "hel|per(self")))


async def test_what_this_machine_has_alike_is_opened_here(desk: Desk) -> None:
    uri, line, start, end = await jump(desk, "json.du|mps(1)")
    assert uri == uris.to_uri(json.__file__)
    assert Path(json.__file__).read_text().split("\n")[line][start:end] == "dumps"


async def test_a_block_is_in_the_document_it_was_run_from(desk: Desk) -> None:
    for question, made in (("Mi|ne", "class Mine:"), ("mi|ne()", "def mine():")):
        uri, line, start, _ = await jump(desk, question)
        assert uri == desk.uri
        assert (desk.code.split("\n")[line], start) == (made, made.index(" ") + 1)
    assert (await jump(desk, "fa|r"))[:2] == (desk.uri, desk.code.split("\n").index("far = Far()"))


async def test_showing_the_source_shows_the_sessions_also_where_this_machine_has_it(desk: Desk) -> None:
    place = desk.place("json.du|mps")["position"]
    at_ = {"line": place.line, "character": place.character}
    shown = await desk.ask("yonder/sourceAt", uri=desk.uri, selection={"start": at_, "end": at_})
    assert uris.is_remote(shown["uri"])
    assert (await desk.ask("yonder/source", uri=shown["uri"]))["text"] == Path(json.__file__).read_text()
    place = desk.place("le|n")["position"]
    at_ = {"line": place.line, "character": place.character}
    shown = await desk.ask("yonder/sourceAt", uri=desk.uri, selection={"start": at_, "end": at_})
    assert shown["sentence"] == "len has no source to show: len is written in C."


async def test_the_overload_that_is_being_written(desk: Desk) -> None:
    for question, chosen, active in (("area(|", 0, 0), ("area(1, |", 1, 1), ("area(height=|", 1, 1)):
        help_ = await desk.signature(question)
        assert help_ is not None
        assert [one.label for one in help_.signatures] == [
            "area(side: int) -> int",
            "area(width: int, height: int) -> int",
        ]
        assert (help_.active_signature, help_.active_parameter) == (chosen, active), question


async def test_documentation_is_laid_out(desk: Desk) -> None:
    assert "**Args**\n\n- `how`: How far." in await desk.hover("far.rea|ch")
