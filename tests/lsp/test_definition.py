"""Where a jump goes: cursor in, locations out, with a session that says where things are written."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fuzz.making import messages, texts

from yonder import wire
from yonder_lsp import definition, live, uris
from yonder_lsp.definition import Definition
from yonder_lsp.documents import Document
from yonder_lsp.hindsight import Hindsight
from yonder_lsp.looking import Looking, Scene
from yonder_lsp.names import Names
from yonder_lsp.protocol import Position, Range, SourceAtParams
from yonder_lsp.remote_source import RemoteSources
from yonder_lsp.sessions import Sessions
from yonder_lsp.static import Facts, Place, Query

MODULE = "import os\n\n\nclass Net:\n    def forward(self, x):\n        return x\n"


def said(text: str = MODULE, *, line: int = 4, name: str = "Net", home: str = "file", **more: Any) -> wire.Answer:
    facts = [wire.Fact("home", home)]
    return wire.Answer(found=True, **{"type": "type", "short": name, "line": line, "text": text, "facts": facts} | more)


class Engine:
    """A static engine with one opinion."""

    def __init__(self, *places: Place) -> None:
        self.places = list(places)
        self.asked: list[Query] = []

    async def ask(self, query: Query) -> Facts:
        self.asked.append(query)
        return Facts(places=self.places)


class World:
    """One document in a folder whose session gives one answer to everything."""

    def __init__(self, folder: Path, answer: wire.Answer | None, engine: Engine | None = None, *, alive: bool = True):
        self.folder = folder
        self.asked: list[wire.Query] = []
        self.engine = engine
        self.scene = Scene(folder=str(folder))
        sessions = Sessions()
        if alive:
            sessions.snapshot([wire.SessionState("main", "idle", 1, "", 7, "")], 1.0)
            sessions.get("main").ran = set()

        async def peek(session: str, query: wire.Query) -> wire.Answer:
            self.asked.append(query)
            return answer or wire.Answer(found=False, why="it is written in C")

        eyes = live.Live(peek, clock=lambda: 0.0, slow_changed=lambda: None)
        looking = Looking(self.scene, sessions, eyes, lambda: engine, lambda: 1.0, Hindsight(Names()))  # type: ignore[arg-type,return-value]
        self.session = sessions.get("main")
        self.kept = RemoteSources(folder / "kept")
        self.definition = Definition(self.scene, looking, self.kept)

    def document(self, marked: str, uri: str = "") -> tuple[Document, int]:
        offset = marked.index("|")
        text = marked[:offset] + marked[offset + 1 :]
        self.session.ran = (self.session.ran or set()) | {line.strip() for line in text.splitlines()}
        return Document(uri or uris.to_uri(str(self.folder / "cells.py")), text), offset

    async def jump(self, marked: str, uri: str = "") -> Any:
        """The locations as (uri, line, start, end)."""
        found = await self.definition.find(*self.document(marked, uri))
        return found and [
            (one["uri"], one["range"].start.line, one["range"].start.character, one["range"].end.character)
            for one in found
        ]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shared")


@pytest.fixture
def module(tmp_path: Path) -> Path:
    file = tmp_path / "net.py"
    file.write_text(MODULE)
    return file


async def test_the_same_text_here_is_opened_here(tmp_path: Path, module: Path) -> None:
    for text in (MODULE, MODULE.rstrip("\n")):
        world = World(tmp_path, said(text, file=str(module)))
        assert await world.jump("Ne|t(3)") == [(uris.to_uri(str(module)), 3, 6, 9)]
    assert world.asked == [wire.Query("source", [wire.Step("name", "Net")])]
    assert not (tmp_path / "kept").exists()


async def test_line_ends_and_codings_make_no_difference(tmp_path: Path, module: Path) -> None:
    module.write_bytes(b"# coding: cp1252\r\n# \x80\r\nclass Net: ...\r\n")
    facts = [wire.Fact("home", "file"), wire.Fact("coding", "cp1252")]
    text = "# coding: cp1252\n# \x80\nclass Net: ...\n"
    world = World(tmp_path, said(text, line=3, file=str(module), facts=facts))
    assert await world.jump("Ne|t(3)") == [(uris.to_uri(str(module)), 2, 6, 9)]


@pytest.mark.parametrize("home", ["file", "snapshot", "generated"])
async def test_what_differs_here_is_shown_as_the_session_has_it(tmp_path: Path, module: Path, home: str) -> None:
    module.write_text("# edited\n" + MODULE)
    world = World(tmp_path, said(file=str(module), home=home))
    ((uri, *where),) = await world.jump("Ne|t(3)")
    assert where == [3, 6, 9]
    place = uris.remote_place(uri)
    assert place is not None
    assert (place.file, place.session) == (str(module), "main")
    assert world.kept.get(place.digest) == MODULE
    assert (await world.definition.text(uri)).text == MODULE


async def test_what_is_only_there_is_shown_as_the_session_has_it(tmp_path: Path) -> None:
    world = World(tmp_path, said(file="/far/away/net.py", line=5, name="forward", type="function"))
    ((uri, *where),) = await world.jump("model.for|ward(x)")
    assert uris.is_remote(uri)
    assert where == [4, 8, 15]


async def test_a_block_is_in_its_document_where_it_stands_now(tmp_path: Path) -> None:
    uri = "untitled:Untitled-1"
    world = World(tmp_path, said("\nclass Net: ...", line=2, file=uri, home="block"))
    assert await world.jump("# new\n# lines\nclass Net: ...\n\nNe|t(3)", uri) == [(uri, 2, 6, 9)]
    other = tmp_path / "other.py"
    world = World(tmp_path, said("class Net: ...", line=1, file=str(other), home="block"))
    assert await world.jump("Ne|t(3)") == [(uris.to_uri(str(other)), 0, 0, 0)], "the file was never saved"
    other.write_text("import a\n\nclass  Net:\n")
    assert await world.jump("Ne|t(3)") == [(uris.to_uri(str(other)), 2, 7, 10)]


async def test_columns_are_the_editors(tmp_path: Path) -> None:
    world = World(tmp_path, said("x = '😀'; f = 1\n", line=1, name="f", file="/far/a.py", type="function"))
    ((_, *where),) = await world.jump("|g()")
    assert where == [0, 10, 11]


async def test_imports_lead_to_modules(tmp_path: Path, module: Path) -> None:
    for text, names in (
        ("import net|", ["net"]),
        ("import a.b|.c", ["a", "b"]),
        ("from a.b import Ne|t", ["a", "b", "Net"]),
        ("from a|.b import Net", ["a"]),
    ):
        world = World(tmp_path, said(file=str(module), line=1, name="", type="module"))
        assert await world.jump(text) == [(uris.to_uri(str(module)), 0, 0, 0)]
        (query,) = world.asked
        assert [step.value for step in query.path] == names


async def test_a_value_is_where_it_was_given(tmp_path: Path, module: Path) -> None:
    world = World(tmp_path, said(file=str(module), type="net.Net"))
    here = uris.to_uri(str(tmp_path / "cells.py"))
    assert await world.jump("model = Net()\n# model = 3\nmod|el") == [(here, 0, 0, 5)]
    assert await world.jump("from x import *\nmod|el") == [(uris.to_uri(str(module)), 3, 6, 9)], "its class, then"
    world = World(tmp_path, None)
    assert await world.jump("é, n = 2, 3\nn|") == [(here, 0, 3, 4)]
    assert await world.jump("def f():\n    pass\n\nclass n: ...\n\nf(n|)") == [(here, 3, 6, 7)]
    assert await world.jump("def f():\n    pass\n\nclass n: ...\n\nf|(n)") == [(here, 0, 4, 5)]
    assert await world.jump("x = 1\n\n\nfor n in x:\n    y = n\nprint(n|)") == [(here, 3, 4, 5)]
    assert await world.jump("print(3)\nle|n") is None


async def test_the_static_engine_is_asked_where_the_text_moved_on(tmp_path: Path, module: Path) -> None:
    engine = Engine(Place("", 0, 4, 7), Place("/x/y.py", 3, 0, 0))
    world = World(tmp_path, said(file=str(module)), engine)
    here = uris.to_uri(str(tmp_path / "cells.py"))
    assert await world.jump("Ne|t") == [(uris.to_uri(str(module)), 3, 6, 9)]
    assert engine.asked == []
    document, _ = world.document("x = 1\nNe|t")
    world.session.ran = {"x = 1"}
    changed = Document(document.uri, "class Net: ...\nNet")
    assert await world.definition.find(changed, 16) == [
        {"uri": here, "range": definition._known(engine.places[0], here)["range"]},
        {"uri": "file:///x/y.py", "range": definition._known(engine.places[1], here)["range"]},
    ]
    (query,) = engine.asked
    assert (query.what, query.line, query.column) == ("definition", 1, 0)
    assert await world.jump("def f(Net):\n    return Ne|t")
    assert len(engine.asked) == 2, "a parameter is nobody's live name"


async def test_beside_another_server_only_what_it_cannot_know(tmp_path: Path, module: Path) -> None:
    world = World(tmp_path, said(file=str(module)))
    world.scene.others = True
    assert await world.jump("Ne|t(3)") is None
    module.write_text("# not the same\n")
    ((uri, *_),) = await world.jump("Ne|t(3)")
    assert uris.is_remote(uri)
    module.write_text(MODULE)
    assert await world.jump("Ne|t(3)", uri), "but inside such a document there is nobody else"


async def test_inside_a_remote_document_the_modules_own_names_count(tmp_path: Path) -> None:
    world = World(tmp_path, said(file="/far/other.py"))
    uri = uris.remote(uris.RemotePlace("0" * 40, "/far/net.py", "main"))
    document = Document(uri, "Net = 3\nNet")
    assert await world.definition.find(document, 9)
    assert world.asked == [wire.Query("source", [wire.Step("name", "Net")], within="/far/net.py")]


async def test_without_a_session_nothing_is_asked(tmp_path: Path) -> None:
    world = World(tmp_path, said(file="/far/net.py"), alive=False)
    assert await world.jump("Ne|t(3)") is None
    world = World(tmp_path, said(file="/far/net.py"))
    world.scene.looking = False
    assert await world.jump("Ne|t(3)") is None
    assert world.asked == []
    assert await world.jump("x = 'a s|tring'") is None


async def show(world: World, marked: str) -> Any:
    document, offset = world.document(marked)
    at = document.position(offset)
    return await world.definition.show(SourceAtParams(uri=document.uri, selection=Range(start=at, end=at)), document)


async def test_showing_the_source_always_shows_the_sessions(tmp_path: Path, module: Path) -> None:
    world = World(tmp_path, said(file=str(module)))
    shown = await show(world, "Ne|t(3)")
    assert uris.is_remote(shown.uri)
    assert shown.range.start == Position(line=3, character=6)
    assert shown.sentence == ""


async def test_showing_what_has_no_source_says_why(tmp_path: Path) -> None:
    shown = await show(World(tmp_path, None), "x['a'].le|n")
    assert (shown.uri, shown.sentence) == ("", "x['a'].len has no source to show: it is written in C.")
    assert "Put the cursor on a name" in (await show(World(tmp_path, None), "3 +| 4")).sentence
    assert "run something first" in (await show(World(tmp_path, None, alive=False), "le|n")).sentence


async def test_a_source_that_cannot_be_kept_says_where(tmp_path: Path) -> None:
    world = World(tmp_path, said(file="/far/net.py"))
    (tmp_path / "kept").write_text("in the way")
    shown = await show(world, "Ne|t(3)")
    assert shown.uri == ""
    assert f"cannot be kept in {tmp_path / 'kept'}: File exists" in shown.sentence


async def test_a_text_larger_than_sessions_send_is_not_taken(tmp_path: Path) -> None:
    world = World(tmp_path, said("#" * (definition._LARGEST + 1), file="/far/net.py"))
    assert await world.jump("Ne|t(3)") is None
    assert "no source to show" in (await show(world, "Ne|t(3)")).sentence


@settings(max_examples=80, derandomize=True, deadline=None)
@given(
    answer=messages(wire.Answer),
    home=st.sampled_from(["block", "snapshot", "file", "generated", ""]),
    file=st.sampled_from(["/etc/hostname", "/", "", "a\0b", "<x>", "C:\\x.py", "../x.py", "untitled:x", "file:///etc"])
    | texts,
    line=st.integers(-(2**63), 2**64 - 1),
)
def test_whatever_a_session_says_there_is_a_place_or_none(
    shared: Path, answer: wire.Answer, home: str, file: str, line: int
) -> None:
    facts = [wire.Fact("home", home), *answer.facts]
    world = World(shared, msgspec.structs.replace(answer, found=True, facts=facts, file=file, line=line))
    for found in asyncio.run(world.jump("Ne|t(3)")) or ():
        assert all(0 <= number < 2**31 for number in found[1:])
    shown = asyncio.run(show(world, "Ne|t(3)"))
    assert shown.uri.startswith("yonder-remote:/") or shown.sentence


async def test_a_text_that_is_gone_says_so(tmp_path: Path) -> None:
    world = World(tmp_path, None)
    for uri in (uris.remote(uris.RemotePlace("0" * 40, "/far/net.py", "main")), "yonder-remote:/nonsense", "file:///a"):
        result = await world.definition.text(uri)
        assert not result.kept
        assert result.text.startswith("# The text of ")


def test_a_coding_is_looked_up_only_if_it_is_one_of_a_text() -> None:
    for coding, text in (
        ("cp1252", "€"),
        ("rot13", "\x80"),
        ("punycode", "\x80"),
        ("os.path", "\x80"),
        ("cp999", "\x80"),
    ):
        answer = said("\x80", facts=[wire.Fact("coding", coding)])
        assert definition._decoded(answer) == text
    assert definition._decoded(said("\u20ac", facts=[wire.Fact("coding", "cp1252")])) == "€", "not latin-1 at all"


def test_only_plain_files_are_compared(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe")
    for path in (str(tmp_path / "pipe"), str(tmp_path), "relative.py", "/nowhere", "a\0b"):
        assert not definition._same(path, "")
