"""The editor's code: unsaved text before the disk, the roots of a run, folders kept an eye on."""

from pathlib import Path

import pytest

from yonder import settings, snapshot
from yonder_lsp import trees as module
from yonder_lsp import uris
from yonder_lsp.trees import Trees


class Editor:
    """A folder on the disk, and documents open on it."""

    def __init__(self, folder: Path, workspace: str | None = None) -> None:
        self.folder = folder
        self.texts: dict[str, str] = {}
        self.said: list[str] = []
        self.trees = Trees(str(folder) if workspace is None else workspace, self._text, self.said.append)

    def _text(self, uri: str) -> str:
        return self.texts[uri]

    def put(self, name: str, text: str | bytes = "") -> str:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return uris.to_uri(str(path))

    def type(self, name: str, text: str) -> None:
        uri = uris.to_uri(str(self.folder / name))
        self.texts[uri] = text
        self.trees.edited(uri)

    async def shot(self, name: str, *, alone: bool = False) -> snapshot.Snapshot:
        return await self.trees.of(uris.to_uri(str(self.folder / name)), alone=alone).snapshot()


@pytest.fixture
def another():
    """Makes editors that are closed afterwards."""
    made = []

    def make(*args, **more):
        made.append(Editor(*args, **more))
        return made[-1]

    yield make
    for editor in made:
        editor.trees.close()


@pytest.fixture
def editor(tmp_path, another):
    editor = another(tmp_path / "project")
    editor.put("main.py", "import helper\n")
    editor.put("helper.py", "x = 1\n")
    return editor


def hashed(text):
    return snapshot.content(text if isinstance(text, bytes) else text.encode())


async def test_unsaved_text_wins_over_the_disk_until_it_is_closed(editor):
    editor.type("helper.py", "x = 2\n")
    assert (await editor.shot("main.py")).files["helper.py"] == hashed("x = 2\n")
    editor.trees.closed(uris.to_uri(str(editor.folder / "helper.py")))
    assert (await editor.shot("main.py")).files["helper.py"] == hashed("x = 1\n")


async def test_a_saved_document_follows_the_disk(editor):
    editor.type("helper.py", "x = 2\n")
    editor.put("helper.py", "x = 2\n")
    editor.trees.saved(uris.to_uri(str(editor.folder / "helper.py")))
    editor.put("helper.py", "from another branch\n")
    assert (await editor.shot("main.py")).files["helper.py"] == hashed("from another branch\n")


async def test_an_open_document_that_is_as_on_the_disk_follows_the_disk(editor):
    editor.type("helper.py", "x = 1\n")
    await editor.shot("main.py")
    editor.put("helper.py", "from another branch\n")
    assert (await editor.shot("main.py")).files["helper.py"] == hashed("from another branch\n")


async def test_a_text_that_is_shown_otherwise_than_it_is_written_is_the_disks(editor):
    disk = b"\xef\xbb\xbfx = 1\r\n"
    editor.put("helper.py", disk)
    editor.type("helper.py", "x = 1\n")
    assert (await editor.shot("main.py")).files["helper.py"] == hashed(disk)


async def test_an_unsaved_text_is_written_in_the_encoding_that_it_names(editor):
    text = "# coding: latin-1\nname = 'José'\n"
    editor.type("helper.py", text)
    assert (await editor.shot("main.py")).files["helper.py"] == hashed(text.encode("latin-1"))
    editor.type("helper.py", "# coding: nonsense\n'é'")
    assert (await editor.shot("main.py")).files["helper.py"] == hashed("# coding: nonsense\n'é'".encode())


async def test_contents_of_a_moment_are_those_that_were_open_then(editor):
    editor.type("helper.py", "x = 2\n")
    moment = editor.trees.of(uris.to_uri(str(editor.folder / "main.py")), alone=False)
    editor.type("helper.py", "x = 3\n")
    shot = await moment.snapshot()
    assert moment.contents({"helper.py": shot.files["helper.py"]}) == {hashed("x = 2\n"): b"x = 2\n"}
    await moment.published()


async def test_a_save_is_seen_by_the_next_run(editor):
    await editor.shot("main.py")
    editor.put("helper.py", "x = 2\n")
    editor.put("fresh/deep.py", "y = 3\n")
    files = (await editor.shot("main.py")).files
    assert (files["helper.py"], files["fresh/deep.py"]) == (hashed("x = 2\n"), hashed("y = 3\n"))


async def test_a_file_that_runs_by_itself_looks_beside_itself_first(editor):
    editor.put("trials-1/run.py")
    editor.put("trials-1/near.py")
    shot = await editor.shot("trials-1/run.py", alone=True)
    assert shot.roots == ("trials-1", "")
    assert "trials-1/near.py" in shot.files


async def test_a_block_looks_beside_its_file_last_and_not_within_a_package(editor):
    editor.put("src/pkg/__init__.py")
    editor.put("trials/run.py")
    assert (await editor.shot("trials/run.py")).roots == ("", "src", "trials")
    assert (await editor.shot("main.py")).roots == ("", "src")
    assert (await editor.shot("src/pkg/part.py")).roots == ("", "src")


async def test_a_file_outside_of_the_workspace_has_its_own_folder_when_it_runs_by_itself(editor, another, tmp_path):
    other = another(tmp_path)
    uri = other.put("elsewhere/run.py")
    other.put("elsewhere/near.py")
    alone = await editor.trees.of(uri, alone=True).snapshot()
    assert (alone.folder, sorted(alone.files)) == (str(tmp_path / "elsewhere"), ["near.py", "run.py"])
    assert (await editor.trees.of(uri, alone=False).snapshot()).folder == str(editor.folder)


async def test_without_a_workspace_each_file_has_its_own_folder(another, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST_OUTSIDE", 2)
    editor = another(tmp_path, workspace="")
    for name in ("a", "b", "c"):
        uri = editor.put(f"{name}/run.py")
        shot = await editor.trees.of(uri, alone=True).snapshot()
        assert (shot.folder, list(shot.files)) == (str(tmp_path / name), ["run.py"])
    assert sorted(editor.trees._kept) == [str(tmp_path / "b"), str(tmp_path / "c")]
    assert editor.trees.whole() is None


async def test_the_home_folder_is_not_taken_whole(another, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    editor = another(tmp_path, workspace="")
    editor.put("far/away/deep.py")
    uri = editor.put("run.py")
    assert list((await editor.trees.of(uri, alone=True).snapshot()).files) == ["run.py"]
    untitled = await editor.trees.of("untitled:Untitled-1", alone=False).snapshot()
    assert (untitled.folder, list(untitled.files)) == (str(tmp_path), ["run.py"])


async def test_settings_that_change_are_heeded(editor):
    editor.put("data/a.json", "{}")
    await editor.shot("main.py")
    editor.put("pyproject.toml", '[tool.yonder]\ninclude = ["*.json"]\nexclude = ["helper.py"]\n')
    editor.trees.settings(settings.load(editor.folder))
    assert sorted((await editor.shot("main.py")).files) == ["data/a.json", "main.py"]
    before = editor.trees._kept
    editor.trees.settings(settings.load(editor.folder))
    assert editor.trees._kept is before


async def test_without_watches_everything_is_compared(editor, monkeypatch):
    def no_more():
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(module, "Watching", no_more)
    await editor.shot("main.py")
    editor.put("helper.py", "x = 22\n")
    assert (await editor.shot("main.py")).files["helper.py"] == hashed("x = 22\n")


async def test_a_file_that_cannot_be_read_is_said(editor, monkeypatch):
    monkeypatch.setattr("yonder.reading.MOST_SOURCE", 3)
    await editor.shot("main.py")
    assert len(editor.said) == 2
    assert all("do not travel" in sentence for sentence in editor.said)
