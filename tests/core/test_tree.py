"""What of a folder travels: layouts, rules, links, sizes, folders that are too large, and looking again."""

import os
import time

import pytest

from yonder import reading, snapshot
from yonder.tree import Changed, Rules, Tree


class Folder:
    """A folder on the disk, its tree, and what that has said."""

    def __init__(self, path, rules=None, **more):
        self.path = path
        self.said = []
        self.tree = Tree(str(path), rules, warn=self.said.append, **more)

    def write(self, **files):
        for name, text in files.items():
            self.put(name + ".py", text)

    def put(self, name, text=""):
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def files(self, *first):
        self.tree.look()
        return sorted(self.tree.snapshot(first).files)


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def made(tmp_path, *names, rules=None, **more):
    found = Folder(tmp_path, rules, **more)
    for name in names:
        found.put(name, f"# {name}\n")
    return found


# ── layouts ──


def test_modules_packages_and_namespace_packages_travel(tmp_path):
    names = ["helper.py", "pkg/__init__.py", "pkg/deep/part.py", "space/one.py"]
    folder = made(tmp_path, *names, "README.md", "pkg/data.json", "my-script.py", "not.a.module.py")
    assert folder.files() == names
    assert folder.tree.snapshot().roots == ("",)


def test_a_snapshot_has_the_hashes_of_what_was_read(folder):
    folder.write(helper="x = 1\n")
    folder.files()
    assert dict(folder.tree.snapshot().files) == {"helper.py": snapshot.content(b"x = 1\n")}
    assert folder.tree.snapshot().folder == str(folder.path)


def test_src_is_a_root_when_it_is_no_package(tmp_path):
    folder = made(tmp_path, "src/pkg/__init__.py", "run.py")
    folder.tree.look()
    assert folder.tree.roots() == ("", "src")
    folder.put("src/__init__.py")
    folder.tree.look()
    assert folder.tree.roots() == ("",)


def test_an_empty_src_is_no_root(tmp_path):
    folder = made(tmp_path, "run.py")
    (tmp_path / "src").mkdir()
    folder.tree.look()
    assert folder.tree.roots() == ("",)


def test_roots_of_the_settings_come_after_the_folder_and_only_where_they_are(tmp_path):
    folder = made(tmp_path, "libs-here/one/__init__.py", "src/two.py", rules=Rules(roots=("libs-here/", "gone")))
    assert folder.files() == ["libs-here/one/__init__.py", "src/two.py"]
    assert folder.tree.roots() == ("", "libs-here", "src")


def test_folders_that_are_no_identifiers_hold_modules_only_below_a_root(tmp_path):
    folder = made(tmp_path, "trials-2024/helper.py", "trials-2024/run.py", "main.py")
    assert folder.files() == ["main.py"]
    assert folder.files("trials-2024") == ["main.py", "trials-2024/helper.py", "trials-2024/run.py"]
    assert folder.tree.snapshot(["trials-2024"]).roots == ("trials-2024", "")


def test_extension_modules_travel(tmp_path):
    folder = made(tmp_path, "fast.cpython-311-x86_64-linux-gnu.so", "plain.so", "lib-thing.so", "data.bin")
    assert folder.files() == ["fast.cpython-311-x86_64-linux-gnu.so", "plain.so"]


def test_yonder_itself_does_not_travel(tmp_path):
    folder = made(tmp_path, "yonder/__init__.py", "src/yonder_lsp/part.py", "mine/yonder/part.py")
    assert folder.files() == ["mine/yonder/part.py"]


# ── what is left out ──


def test_hidden_folders_environments_and_caches_are_left_out(tmp_path):
    left = [
        ".hidden/a.py",
        "env/lib/b.py",
        "conda/c.py",
        "pkg/__pycache__/d.py",
        "node_modules/e.py",
        "x/site-packages/f.py",
    ]
    folder = made(tmp_path, "kept.py", *left, "env/pyvenv.cfg", "conda/conda-meta/history")
    assert folder.files() == ["kept.py"]


def test_gitignore_files_are_heeded_the_nearest_first(tmp_path):
    folder = made(
        tmp_path, "kept.py", "build/out.py", "pkg/made_up.py", "pkg/deep/made_up.py", "made_up.py", "a/local.py"
    )
    folder.put(".gitignore", "build/\nmade_*.py\n")
    folder.put("pkg/.gitignore", "!made_up.py\n/deep\n")
    folder.put("a/.gitignore", "*.py\n")
    assert folder.files() == ["kept.py", "pkg/made_up.py"]


def test_rules_of_the_repository_above_hold_too(tmp_path):
    (tmp_path / ".git").mkdir()
    (tmp_path / ".gitignore").write_text("project/secret.py\n")
    folder = made(tmp_path / "project", "secret.py", "open.py")
    assert folder.files() == ["open.py"]


def test_rules_above_that_belong_to_no_repository_do_not(tmp_path):
    (tmp_path / ".gitignore").write_text("*.py\n")
    assert made(tmp_path / "project", "open.py").files() == ["open.py"]


def test_exclude_and_include_of_the_settings(tmp_path):
    rules = Rules(include=("data/*.json", "pkg/_version.py", "pkg/words.txt"), exclude=("tests/", "*_old.py"))
    kept = ["data/a.json", "pkg/_version.py", "pkg/main.py", "pkg/words.txt"]
    folder = made(tmp_path, *kept, "data/b.csv", "data/deep.py", "tests/t.py", "pkg/main_old.py", "b.json", rules=rules)
    folder.put(".gitignore", "_version.py\ndata/\n")
    assert folder.files() == kept


def test_exclude_wins_over_include(tmp_path):
    folder = made(tmp_path, "a.json", "b.json", rules=Rules(include=("*.json",), exclude=("b.json",)))
    assert folder.files() == ["a.json"]


def test_links_within_the_folder_are_followed_and_loops_and_ways_out_are_not(tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "theirs.py").write_text("")
    folder = made(tmp_path / "project", "pkg/one.py")
    (folder.path / "same").symlink_to("pkg")
    (folder.path / "pkg" / "loop").symlink_to(folder.path)
    (folder.path / "out").symlink_to(tmp_path / "other")
    (folder.path / "theirs.py").symlink_to(tmp_path / "other" / "theirs.py")
    (folder.path / "alias.py").symlink_to("pkg/one.py")
    (folder.path / "nowhere.py").symlink_to("gone.py")
    assert folder.files() == ["alias.py", "pkg/one.py", "same/one.py"]


def test_links_that_lead_to_each_other_end(tmp_path):
    folder = made(tmp_path, "one/x.py", "two/y.py")
    (tmp_path / "one" / "over").symlink_to("../two")
    (tmp_path / "two" / "back").symlink_to("../one")
    assert folder.files() == ["one/over/y.py", "one/x.py", "two/back/x.py", "two/y.py"]


def test_a_folder_that_is_a_link_itself_is_the_folder(tmp_path):
    made(tmp_path / "project", "pkg/one.py")
    (tmp_path / "link").symlink_to("project")
    folder = Folder(tmp_path / "link")
    assert folder.files() == ["pkg/one.py"]
    assert folder.tree.snapshot().folder == str(tmp_path / "link")


def test_a_large_source_is_left_out_with_a_sentence(folder, monkeypatch):
    monkeypatch.setattr(reading, "MOST_SOURCE", 10)
    folder.write(small="x = 1", large="x = 1 + 1 + 1")
    assert folder.files() == ["small.py"]
    assert folder.files() == ["small.py"]
    [sentence] = folder.said
    assert str(folder.path / "large.py") in sentence
    assert "13 bytes" in sentence


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_is_left_out_and_said_once(folder):
    folder.write(a="", b="")
    (folder.path / "a.py").chmod(0)
    assert folder.files() == folder.files() == ["b.py"]
    assert len(folder.said) == 1


def test_an_unreadable_file_is_said_once(folder, monkeypatch):
    folder.write(a="", b="")
    real = os.stat

    def stat(path, *more, **rest):
        if str(path).endswith("a.py"):
            raise PermissionError(13, "Permission denied")
        return real(path, *more, **rest)

    monkeypatch.setattr(reading.os, "stat", stat)
    assert folder.files() == folder.files() == ["b.py"]
    assert folder.said == [f"{folder.path / 'a.py'} cannot be read (Permission denied); it does not travel."]


# ── folders that are too large ──


def huge(tmp_path, **rules):
    names = [f"p{n}/m{n}.py" for n in range(20)]
    more = ["run.py", "beside.py", "pack/__init__.py", "pack/deep/x.py", "work/inner/__init__.py", "work/inner/m.py"]
    seeds = ["run.py", "work/inner/m.py"]
    return made(tmp_path, *names, *more, "work/near.py", rules=Rules(**rules), seeds=lambda: seeds)


BESIDE = ["beside.py", "pack/__init__.py", "pack/deep/x.py", "run.py"]
WORK = ["work/inner/__init__.py", "work/inner/m.py", "work/near.py"]


def test_of_a_folder_with_too_many_files_what_is_beside_the_seeds_travels(tmp_path):
    folder = huge(tmp_path, most=10)
    assert folder.files() == BESIDE + WORK
    assert folder.files() == BESIDE + WORK
    assert folder.tree.narrow
    assert len(folder.said) == 1
    assert "too large to be taken whole" in folder.said[0]


def test_a_listing_that_takes_for_ever_ends(tmp_path):
    now = iter(range(1000))
    folder = Folder(tmp_path, Rules(seconds=5.0), seeds=list, clock=lambda: next(now))
    folder.put("run.py")
    for n in range(20):
        folder.put(f"p{n}/m.py")
    folder.tree.look()
    assert folder.tree.narrow


def test_a_narrow_tree_sees_what_becomes_of_its_files(tmp_path):
    folder = huge(tmp_path, most=10)
    folder.files()
    folder.put("fresh.py")
    (tmp_path / "beside.py").unlink()
    assert folder.files() == ["fresh.py", "pack/__init__.py", "pack/deep/x.py", "run.py", *WORK]


# ── looking again ──


def digest(folder, name):
    folder.tree.look()
    return folder.tree.snapshot().files.get(name)


def test_an_edit_a_new_file_a_renamed_and_a_deleted_one_are_seen(folder):
    folder.write(a="1", b="2", c="3")
    folder.files()
    folder.write(a="4", d="5")
    (folder.path / "b.py").rename(folder.path / "e.py")
    (folder.path / "c.py").unlink()
    assert folder.files() == ["a.py", "d.py", "e.py"]
    assert digest(folder, "a.py") == snapshot.content(b"4")


def test_an_edit_of_the_same_size_within_the_same_tick_is_seen(folder):
    file = folder.put("a.py", "1")
    now = time.time_ns()
    os.utime(file, ns=(now, now))
    folder.files()
    folder.put("a.py", "2")
    os.utime(file, ns=(now, now))
    assert digest(folder, "a.py") == snapshot.content(b"2")


def test_what_has_not_changed_for_long_is_not_read_again(folder, monkeypatch):
    file = folder.put("a.py", "1")
    os.utime(file, (1000, 1000))
    folder.files()
    monkeypatch.setattr(reading.snapshot, "content", None)  # reading would call it
    folder.tree.look()


def test_a_whole_folder_moves_and_goes(tmp_path):
    folder = made(tmp_path, "pkg/one.py", "pkg/deep/two.py", "other/three.py")
    folder.files()
    (tmp_path / "pkg").rename(tmp_path / "moved")
    assert folder.files() == ["moved/deep/two.py", "moved/one.py", "other/three.py"]


def test_rules_that_change_are_heeded(tmp_path):
    folder = made(tmp_path, "a.py", "b.py")
    assert folder.files() == ["a.py", "b.py"]
    folder.put(".gitignore", "b.py\n")
    assert folder.files() == ["a.py"]
    (tmp_path / ".gitignore").unlink()
    assert folder.files() == ["a.py", "b.py"]


def test_a_folder_that_is_not_there_has_nothing_and_may_come(tmp_path):
    folder = Folder(tmp_path / "later")
    assert folder.files() == []
    folder.put("a.py")
    assert folder.files() == ["a.py"]


def test_nothing_new_is_the_same_snapshot(folder):
    folder.write(a="1")
    folder.files()
    first = folder.tree.snapshot()
    folder.files()
    assert folder.tree.snapshot() is first


# ── unsaved texts, named files, contents ──


def test_an_unsaved_text_wins_over_the_disk(folder):
    folder.write(a="1", b="2")
    folder.files()
    unsaved = folder.tree.snapshot(unsaved={"a.py": b"new", "gone.py": b"x"})
    assert dict(unsaved.files) == {"a.py": snapshot.content(b"new"), "b.py": snapshot.content(b"2")}
    assert folder.tree.contents({"a.py": unsaved.files["a.py"]}) == {unsaved.files["a.py"]: b"new"}
    assert folder.tree.snapshot(unsaved={"a.py": b"1"}) is folder.tree.snapshot()


def test_a_file_that_is_taken_by_name_travels_whatever_the_rules_say(folder):
    folder.put(".gitignore", "made.py\n")
    folder.put("made.py", "1")
    assert folder.files() == []
    folder.tree.take("made.py")
    folder.tree.take("../outside.py")
    assert dict(folder.tree.snapshot().files) == {"made.py": snapshot.content(b"1")}
    folder.put("made.py", "22")
    folder.tree.take("made.py")
    assert dict(folder.tree.snapshot().files) == {"made.py": snapshot.content(b"22")}


def test_contents_are_held_until_they_are_released(folder):
    file = folder.put("a.py", "1")
    folder.files()
    wanted = dict(folder.tree.snapshot().files)
    file.write_text("2")
    assert folder.tree.contents(wanted) == {wanted["a.py"]: b"1"}
    folder.tree.release()
    with pytest.raises(Changed, match=r"a\.py"):
        folder.tree.contents(wanted)
    file.write_text("1")
    assert folder.tree.contents(wanted) == {wanted["a.py"]: b"1"}


def test_contents_that_do_not_fit_into_memory_are_read_again(folder, monkeypatch):
    monkeypatch.setattr(reading, "HELD", 1)
    folder.write(a="11", b="2")
    folder.files()
    wanted = dict(folder.tree.snapshot().files)
    (folder.path / "b.py").unlink()
    assert sorted(folder.tree.contents(wanted).values()) == [b"11", b"2"]


def test_unsaved_texts_are_kept_whatever_else_fills_the_memory(folder, monkeypatch):
    monkeypatch.setattr(reading, "HELD", 1)
    monkeypatch.setattr(reading, "MOST_TEXTS", 2)
    folder.write(a="11", b="2")
    folder.files()
    made = [folder.tree.snapshot(unsaved={"a.py": f"text {number}".encode()}).files for number in range(5)]
    assert folder.tree.contents(made[-1])[made[-1]["a.py"]] == b"text 4"
    folder.tree.contents(made[-2])
    with pytest.raises(Changed, match=r"a\.py"):  # what was typed long ago
        folder.tree.contents(made[0])
