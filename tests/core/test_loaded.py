"""A plain program's code as the program has it: what it loaded counts, not what the disk says now."""

import importlib
import sys

import pytest

from yonder import snapshot, wire
from yonder.errors import CannotRun
from yonder.loaded import Loaded, Programs
from yonder.telling import Telling


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A program's folder; what is imported from it is forgotten afterwards."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def put(folder, name, text=""):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def imported(name):
    importlib.invalidate_caches()
    return importlib.import_module(name)


def hashes(**texts):
    return {f"{name}.py": snapshot.content(text.encode()) for name, text in texts.items()}


def test_the_folder_travels_as_it_was_at_the_first_look(folder):
    put(folder, "yt_one.py", "x = 1")
    loaded = Loaded(str(folder))
    first = loaded.snapshot()
    put(folder, "yt_one.py", "x = 2")
    put(folder, "yt_two.py")
    assert loaded.snapshot() is first
    assert dict(first.files) == hashes(yt_one="x = 1")
    assert loaded.contents(first.files) == {snapshot.content(b"x = 1"): b"x = 1"}


def test_a_module_that_is_imported_later_is_looked_at_then(folder):
    put(folder, "yt_one.py", "x = 1")
    loaded = Loaded(str(folder))
    loaded.snapshot()
    put(folder, "yt_one.py", "x = 2")
    put(folder, "yt_two.py", "y = 3")
    one, two = imported("yt_one"), imported("yt_two")
    assert dict(loaded.snapshot().files) == hashes(yt_one="x = 2", yt_two="y = 3")
    assert loaded.has(one)
    assert loaded.has(two)


def test_a_module_that_is_imported_after_the_look_and_before_the_first_call_is_looked_at_again(folder):
    put(folder, "yt_one.py", "x = 1")
    put(folder, "yt_two.py", "y = 1")
    imported("yt_two")
    loaded = Loaded(str(folder))
    loaded.contents({})  # a pool was opened
    put(folder, "yt_one.py", "x = 22")
    put(folder, "yt_two.py", "y = 22")
    imported("yt_one")
    assert dict(loaded.snapshot().files) == hashes(yt_one="x = 22", yt_two="y = 1")


def test_a_module_that_is_reloaded_is_looked_at_again_and_others_are_not(folder):
    put(folder, "yt_one.py", "x = 1")
    put(folder, "yt_two.py", "y = 1")
    one, two = imported("yt_one"), imported("yt_two")
    loaded = Loaded(str(folder))
    loaded.snapshot()
    put(folder, "yt_one.py", "x = 22")
    put(folder, "yt_two.py", "y = 22")
    importlib.reload(one)
    assert (one.x, two.y) == (22, 1)
    assert dict(loaded.snapshot().files) == hashes(yt_one="x = 22", yt_two="y = 1")


def test_what_is_loaded_travels_though_it_is_ignored(folder):
    put(folder, ".gitignore", "yt_made.py\n")
    put(folder, "yt_made.py")
    made = imported("yt_made")
    assert Loaded(str(folder)).has(made)


def test_modules_are_there_only_under_the_name_that_they_are_found_by(folder, monkeypatch):
    put(folder, "yt_pkg/__init__.py")
    put(folder, "yt_pkg/part.py")
    put(folder, "tools/yt_tool.py")
    put(folder, "yt_space/deep.py")
    loaded = Loaded(str(folder))
    assert loaded.has(imported("yt_pkg"))
    assert loaded.has(imported("yt_pkg.part"))
    assert loaded.has(imported("yt_space.deep"))
    monkeypatch.syspath_prepend(str(folder / "tools"))
    assert not loaded.has(imported("yt_tool"))  # nobody said at the beginning that one looks there
    assert Loaded(str(folder)).has(imported("yt_tool"))
    assert not loaded.has(sys.modules[__name__])
    assert not loaded.has(pytest)


def test_a_script_beside_its_project_takes_the_whole_project_along(folder, monkeypatch):
    put(folder, "pyproject.toml", '[tool.yonder]\nexclude = ["old/"]\n')
    put(folder, "src/yt_pack/__init__.py")
    put(folder, "old/yt_old.py")
    put(folder, "scripts/yt_near.py")
    put(folder, "yt_top.py")
    monkeypatch.setattr(sys, "path", [str(folder / "scripts"), *(path for path in sys.path if path != str(folder))])
    alone = Loaded(str(folder / "scripts"))
    assert (alone.folder, list(alone.snapshot().files)) == (str(folder / "scripts"), ["yt_near.py"])
    monkeypatch.syspath_prepend(str(folder / "src"))
    wide = Loaded(str(folder / "scripts"))
    assert wide.folder == str(folder)
    assert wide.snapshot().roots == ("scripts", "src", "")
    assert sorted(wide.snapshot().files) == ["scripts/yt_near.py", "src/yt_pack/__init__.py", "yt_top.py"]
    assert wide.has(imported("yt_pack"))
    assert wide.has(imported("yt_near"))


def test_a_module_from_elsewhere_in_the_project_takes_it_along_too(folder, monkeypatch):
    put(folder, "pyproject.toml")
    put(folder, "src/yt_pack/__init__.py")
    put(folder, "scripts/yt_near.py")
    monkeypatch.syspath_prepend(str(folder / "src"))
    pack = imported("yt_pack")
    monkeypatch.setattr(sys, "path", [path for path in sys.path if not path.startswith(str(folder))])
    wide = Loaded(str(folder / "scripts"))
    assert wide.snapshot().roots == ("scripts", "", "src")
    assert wide.has(pack)


def test_a_home_folder_is_no_project(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    put(folder, ".git/config")
    put(folder, "scripts/yt_near.py")
    assert Loaded(str(folder / "scripts")).folder == str(folder / "scripts")


def test_a_module_that_another_one_hides_is_not_there(folder, monkeypatch):
    put(folder, "src/yt_twin.py", "x = 1")
    put(folder, "yt_twin.py", "x = 2")
    monkeypatch.syspath_prepend(str(folder / "src"))
    assert not Loaded(str(folder)).has(imported("yt_twin"))


def test_settings_are_heeded_and_broken_ones_left_aside(folder, capsys):
    put(folder, "yt_one.py")
    put(folder, "data/words.txt")
    put(folder, "pyproject.toml", '[tool.yonder]\ninclude = ["data/*.txt"]\nexclude = ["yt_*"]\n')
    assert list(Loaded(str(folder)).snapshot().files) == ["data/words.txt"]
    put(folder, "pyproject.toml", "[tool.yonder]\ninclude = 3\n")
    assert list(Loaded(str(folder)).snapshot().files) == ["yt_one.py"]
    assert "must be a list of patterns" in capsys.readouterr().err


def test_the_home_folder_is_never_taken_whole(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    put(folder, "yt_one.py")
    put(folder, "far/away.py")
    imported("yt_one")
    assert list(Loaded(str(folder)).snapshot().files) == ["yt_one.py"]


def test_one_look_a_folder_and_program(folder):
    programs = Programs()
    assert programs.of(str(folder)) is programs.of(str(folder))
    programs._forked()
    put(folder, "yt_one.py")
    assert list(programs.of(str(folder)).snapshot().files) == ["yt_one.py"]


# ── what the hub is told ──


class Hub:
    def __init__(self, loaded):
        self.said = []
        self.telling = Telling(loaded, self.said.append)

    def kinds(self):
        found = [type(message).__name__ for message in self.said]
        self.said.clear()
        return found


def test_a_hub_is_told_before_the_first_call_and_after_changes(folder):
    put(folder, "yt_one.py", "x = 1")
    loaded = Loaded(str(folder))
    hub = Hub(loaded)
    assert hub.telling.now() == loaded.snapshot().digest
    assert hub.kinds() == ["Blobs", "Publish"]
    hub.telling.now()
    assert hub.kinds() == []
    put(folder, "yt_one.py", "x = 22")
    importlib.reload(imported("yt_one"))
    assert hub.telling.now() == loaded.snapshot().digest
    assert hub.kinds() == ["Blobs", "Publish"]


def test_a_hub_that_refuses_is_told_in_full_next_time_and_the_person_why(folder, capsys):
    put(folder, "yt_one.py", "x = 1")
    hub = Hub(Loaded(str(folder)))
    digest = hub.telling.now()
    hub.telling.answered(wire.Published(digest))
    hub.kinds()
    hub.telling.now()
    assert hub.kinds() == []
    hub.telling.answered(wire.Published(digest, "the disk is full"))
    assert "the disk is full" in capsys.readouterr().err
    assert hub.telling.now() == digest
    assert hub.kinds() == ["Blobs", "Publish"]


def test_a_callback_that_calls_while_the_hub_is_told(folder):
    put(folder, "yt_one.py", "x = 1")
    said, inner = [], []

    def send(message):
        said.append(type(message).__name__)
        if len(said) == 1:
            inner.append(told.now())
            said.append("call")

    told = Telling(Loaded(str(folder)), send)
    assert [told.now()] == inner
    assert said == ["Blobs", "Publish", "call"]


def test_a_file_that_was_not_kept_and_is_another_now_is_looked_at_again(folder, monkeypatch):
    monkeypatch.setattr("yonder.reading.HELD", 0)
    put(folder, "yt_one.py", "x = 1")
    loaded = Loaded(str(folder))
    loaded.snapshot()
    put(folder, "yt_one.py", "x = 22")
    hub = Hub(loaded)
    hub.telling.now()
    assert [message.contents for message in hub.said if isinstance(message, wire.Blobs)] == [
        {snapshot.content(b"x = 22"): b"x = 22"}
    ]


def test_files_that_never_hold_still_are_given_up_in_words(folder, monkeypatch):
    monkeypatch.setattr("yonder.reading.HELD", 0)
    loaded = Loaded(str(folder))
    put(folder, "yt_one.py", "x")
    monkeypatch.setattr(
        loaded, "contents", lambda _: put(folder, "yt_one.py", "y") or loaded._begin().contents({"yt_one.py": b""})
    )
    with pytest.raises(CannotRun, match="change faster"):
        Hub(loaded).telling.now()
