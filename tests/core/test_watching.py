"""A watched folder: what the kernel says has changed is looked at again, and nothing else."""

import contextlib
import os
import random
import shutil
import sys

import pytest

from yonder.tree import Rules, Tree
from yonder.watching import Change, Watching, tells

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")


class Counting(Watching):
    """It knows how often everything had to be looked at, and may lose what it heard."""

    lost = False
    room = 1000

    def watch(self, folder, path):
        self.room -= folder not in self._watches
        return self.room >= 0 and super().watch(folder, path)

    def changes(self):
        found = super().changes()
        return None if self.lost else found


@pytest.fixture
def watcher():
    watcher = Counting()
    yield watcher
    watcher.close()


@pytest.fixture
def tree(tmp_path, watcher):
    for name in ("a.py", "pkg/b.py", "pkg/deep/c.py"):
        put(tmp_path, name, name)
    tree = Tree(str(tmp_path), Rules(), warn=pytest.fail, watcher=watcher)
    tree.look()
    return tree


def put(path, name, text):
    (path / name).parent.mkdir(parents=True, exist_ok=True)
    (path / name).write_text(text)


def texts(tree):
    """What travels, read through the tree."""
    tree.look()
    files = tree.snapshot().files
    found = tree.contents(files)
    return {path: found[digest].decode() for path, digest in files.items()}


def fresh(tree):
    """The same by a tree that has never looked."""
    other = Tree(tree.folder, Rules(), warn=pytest.fail)
    return texts(other)


BEGIN = {"a.py": "a.py", "pkg/b.py": "pkg/b.py", "pkg/deep/c.py": "pkg/deep/c.py"}


def test_a_save_is_seen_at_once_and_nothing_else_is_read(tree, tmp_path, monkeypatch):
    read = []
    real = tree._reading.read
    monkeypatch.setattr(tree._reading, "read", lambda path, known: read.append((path, known)) or real(path, known))
    put(tmp_path, "pkg/deep/c.py", "new")
    assert texts(tree) == BEGIN | {"pkg/deep/c.py": "new"}
    assert read == [("pkg/deep/c.py", None)]
    read.clear()
    assert texts(tree) == BEGIN | {"pkg/deep/c.py": "new"}
    assert read == []


def test_an_edit_that_keeps_size_and_time_is_seen(tree, tmp_path):
    before = (tmp_path / "a.py").stat()
    put(tmp_path, "a.py", "A.py")
    os.utime(tmp_path / "a.py", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert texts(tree)["a.py"] == "A.py"


def test_an_atomic_save_is_seen(tree, tmp_path):
    put(tmp_path, "pkg/.b.py.tmp", "saved")
    (tmp_path / "pkg/.b.py.tmp").replace(tmp_path / "pkg/b.py")
    assert texts(tree) == BEGIN | {"pkg/b.py": "saved"}


def test_new_folders_are_watched_with_what_lies_in_them_already(tree, tmp_path):
    put(tmp_path, "new/inner/d.py", "1")
    assert texts(tree)["new/inner/d.py"] == "1"
    put(tmp_path, "new/inner/d.py", "2")
    put(tmp_path, "new/inner/more/e.py", "3")
    assert texts(tree) == BEGIN | {"new/inner/d.py": "2", "new/inner/more/e.py": "3"}


def test_folders_that_move_take_their_watches_along(tree, tmp_path):
    (tmp_path / "pkg").rename(tmp_path / "moved")
    assert texts(tree) == {"a.py": "a.py", "moved/b.py": "pkg/b.py", "moved/deep/c.py": "pkg/deep/c.py"}
    put(tmp_path, "moved/deep/c.py", "new")
    assert texts(tree)["moved/deep/c.py"] == "new"


def test_folders_that_go_and_come_again_are_watched_again(tree, tmp_path):
    shutil.rmtree(tmp_path / "pkg")
    put(tmp_path, "pkg/deep/c.py", "again")
    assert texts(tree) == {"a.py": "a.py", "pkg/deep/c.py": "again"}
    put(tmp_path, "pkg/deep/c.py", "once more")
    assert texts(tree)["pkg/deep/c.py"] == "once more"
    shutil.rmtree(tmp_path / "pkg")
    assert texts(tree) == {"a.py": "a.py"}


def test_two_folders_that_change_places(tree, tmp_path):
    put(tmp_path, "other/x.py", "x")
    tree.look()
    (tmp_path / "pkg").rename(tmp_path / "aside")
    (tmp_path / "other").rename(tmp_path / "pkg")
    (tmp_path / "aside").rename(tmp_path / "other")
    assert texts(tree) == fresh(tree)
    put(tmp_path, "other/deep/c.py", "new")
    assert texts(tree)["other/deep/c.py"] == "new"


def test_a_checkout_of_another_branch_is_seen_whole(tree, tmp_path):
    for n in range(30):
        put(tmp_path, f"mod{n}/m.py", str(n))
    tree.look()
    for n in range(0, 30, 2):
        shutil.rmtree(tmp_path / f"mod{n}")
    for n in range(1, 30, 4):
        put(tmp_path, f"mod{n}/m.py", "other")
        put(tmp_path, f"mod{n}/sub/k.py", "new")
    (tmp_path / "a.py").unlink()
    put(tmp_path, ".gitignore", "mod3/\n")
    assert texts(tree) == fresh(tree)
    assert "mod3/m.py" not in texts(tree)


def test_what_is_lost_is_looked_for_everywhere(tree, tmp_path, watcher):
    put(tmp_path, "a.py", "new")
    shutil.rmtree(tmp_path / "pkg")
    put(tmp_path, "pkg/b.py", "again")
    watcher.lost = True
    assert texts(tree) == {"a.py": "new", "pkg/b.py": "again"}
    watcher.lost = False
    put(tmp_path, "pkg/b.py", "and watched")
    assert texts(tree)["pkg/b.py"] == "and watched"


def test_a_full_queue_is_an_overflow(tree, tmp_path, watcher, monkeypatch):
    event = type("Event", (), {"wd": -1, "mask": watcher._flags.Q_OVERFLOW, "name": ""})
    monkeypatch.setattr(watcher._inotify, "read", lambda timeout: [event])
    assert watcher.changes() is None


def test_without_room_for_more_watches_everything_is_compared(tmp_path, watcher):
    watcher.room = 2
    for name in BEGIN:
        put(tmp_path, name, name)
    tree = Tree(str(tmp_path), Rules(), warn=pytest.fail, watcher=watcher)
    assert texts(tree) == BEGIN
    put(tmp_path, "pkg/deep/c.py", "new")
    assert texts(tree) == BEGIN | {"pkg/deep/c.py": "new"}


def test_a_linked_folder_has_two_names(tree, tmp_path):
    (tmp_path / "same").symlink_to("pkg")
    assert texts(tree)["same/deep/c.py"] == "pkg/deep/c.py"
    put(tmp_path, "pkg/deep/c.py", "new")
    assert texts(tree)["same/deep/c.py"] == texts(tree)["pkg/deep/c.py"] == "new"
    (tmp_path / "same").unlink()
    assert texts(tree) == BEGIN | {"pkg/deep/c.py": "new"}
    put(tmp_path, "pkg/deep/c.py", "newer")
    assert texts(tree)["pkg/deep/c.py"] == "newer"


def test_a_linked_file_follows_what_it_leads_to(tree, tmp_path):
    put(tmp_path, ".hidden/shared.py", "1")
    (tmp_path / "alias.py").symlink_to("pkg/b.py")
    (tmp_path / "shared.py").symlink_to(".hidden/shared.py")
    (tmp_path / "later.py").symlink_to("pkg/later.py")
    assert texts(tree) == BEGIN | {"alias.py": "pkg/b.py", "shared.py": "1"}
    put(tmp_path, "pkg/b.py", "new")
    put(tmp_path, "pkg/later.py", "come")
    put(tmp_path, ".hidden/shared.py", "22")
    assert texts(tree) == fresh(tree)
    assert (texts(tree)["alias.py"], texts(tree)["shared.py"], texts(tree)["later.py"]) == ("new", "22", "come")


def test_a_link_that_leads_elsewhere_costs_nothing(tree, tmp_path, tmp_path_factory, monkeypatch):
    (tmp_path / "data").symlink_to(tmp_path_factory.mktemp("elsewhere"))
    texts(tree)
    monkeypatch.setattr(tree, "_look_everywhere", pytest.fail)
    put(tmp_path, "a.py", "new")
    assert texts(tree) == BEGIN | {"a.py": "new"}


def test_the_folder_itself_goes_and_comes_again(tree, tmp_path):
    shutil.rmtree(tmp_path)
    assert texts(tree) == {}
    put(tmp_path, "a.py", "back")
    assert texts(tree) == {"a.py": "back"}
    put(tmp_path, "a.py", "and watched")
    assert texts(tree) == {"a.py": "and watched"}


def test_an_environment_made_later_is_left_out(tree, tmp_path):
    put(tmp_path, "venv/lib/x.py", "")
    assert "venv/lib/x.py" in texts(tree)
    put(tmp_path, "venv/pyvenv.cfg", "")
    assert texts(tree) == BEGIN


def test_a_watcher_names_what_has_changed(tmp_path, watcher):
    assert watcher.watch("name", str(tmp_path))
    assert watcher.watch("gone", str(tmp_path / "gone"))  # nothing there, and nothing that ran out
    put(tmp_path, "x.py", "")
    (tmp_path / "d").mkdir()
    assert watcher.changes() == [Change("name", "x.py"), Change("name", "d")]
    assert watcher.changes() == []
    watcher.forget("name")
    put(tmp_path, "x.py", "1")
    assert watcher.changes() == []


@pytest.mark.parametrize(
    ("path", "told"), [("/home/me", True), ("/mnt/c/code", False), ("/net/share/x", False), ("/mnt/cold", True)]
)
def test_file_systems_that_others_change_too_do_not_tell(tmp_path, path, told):
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "1 0 8:1 / / rw - ext4 /dev/root rw\n2 1 0:1 / /mnt/c rw - 9p drvfs rw\n3 1 0:2 / /net/share rw - nfs4 host:/x rw\n"
    )
    assert tells(path, str(mounts)) is told
    assert not tells(path, str(tmp_path / "none"))


NAMES = ("a", "b", "pkg", "sub", "venv")


def any_place(dice, path, kinds):
    """A file or folder that is there."""
    found = [one for one in sorted(path.rglob("*")) if one.is_symlink() or kinds(one)]
    return dice.choice(found) if found else None


def meddle(dice, path, step):
    """Do one thing that people and their tools do to folders."""
    folders = [path, *(one for one in sorted(path.rglob("*")) if one.is_dir() and not one.is_symlink())]
    here = dice.choice(folders)
    fresh_name = here / dice.choice(NAMES)
    match dice.randrange(10):
        case 0 | 1 | 2:
            put(here, f"{dice.choice(NAMES)}.py", str(step))
        case 3:
            put(here, f"{dice.choice(NAMES)}/{dice.choice(NAMES)}/{dice.choice(NAMES)}.py", str(step))
        case 4:
            (gone := any_place(dice, path, lambda one: one.is_file())) and gone.unlink()
        case 5:
            if here != path:
                shutil.rmtree(here)
        case 6:
            there = dice.choice([fresh_name.parent.parent, path]) / fresh_name.name
            if here != path and there.parent.is_relative_to(path) and not os.path.lexists(there):
                here.rename(there)
        case 7:
            put(here, ".gitignore", dice.choice(["", "a.py\n", "sub/\n", "*.py\n!b.py\n"]))
        case 8:
            if not fresh_name.exists() and not fresh_name.is_symlink():
                fresh_name.symlink_to(dice.choice(folders), target_is_directory=True)
        case 9:
            put(here, "pyvenv.cfg", "") if here != path and dice.random() < 0.3 else None


@pytest.mark.parametrize("seed", range(12))
def test_after_anything_it_has_what_a_fresh_look_finds(tmp_path, watcher, seed):
    dice = random.Random(seed)
    path = tmp_path / "project"
    put(path, "a.py", "a")
    tree = Tree(str(path), Rules(), warn=lambda _: None, watcher=watcher)
    for step in range(60):
        for _ in range(dice.randrange(1, 4)):
            with contextlib.suppress(OSError):  # a link may lead nowhere
                meddle(dice, path, step)
        assert texts(tree) == fresh(tree), f"seed {seed}, step {step}"
