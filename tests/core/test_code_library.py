"""The hub's code: what publishers say is checked, kept while it is used, and sent to each machine once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yonder import wire
from yonder.hub import code, shelves
from yonder.hub.code import KEPT, Library
from yonder.hub.owed import Owed
from yonder.hub.shelves import Shelf
from yonder.snapshot import Snapshot, applied, content


def written(folder="project", roots=("",), **files):
    contents = {content(text.encode()): text.encode() for text in files.values()}
    names = {f"{name}.py": content(text.encode()) for name, text in files.items()}
    return Snapshot(folder, tuple(roots), names), contents


def told(library, who, *snapshots):
    """All of them, each in full."""
    for snapshot, contents in snapshots:
        library.blobs(who, wire.Blobs(contents))
        assert library.publish(who, snapshot.publish(None)).sentence == ""


class Machine:
    """An agent that does what it is told, when the test has it answer."""

    def __init__(self, library):
        self.said = []
        self.snapshots, self.contents = {}, {}
        self.owed = Owed(lambda: None, lambda *_: None)
        self.shelf = Shelf(self.hear, library, self.owed)
        library.forgotten = self.shelf.forget

    def hear(self, message):
        self.said.append(message)
        match message:
            case wire.Blobs(contents=contents):
                assert not contents.keys() & self.contents.keys(), "a content that it had"
                self.contents.update(contents)
            case wire.Publish():
                made = applied(self.snapshots.get(message.base), message)
                assert set(made.files.values()) <= self.contents.keys(), "a content that was never sent"
                self.snapshots[made.digest] = made
            case wire.Unpublish(snapshots=digests):
                for digest in digests:
                    del self.snapshots[digest]
                used = {name for one in self.snapshots.values() for name in one.files.values()}
                self.contents = {name: data for name, data in self.contents.items() if name in used}

    def answer(self, snapshot, sentence=""):
        if sentence:
            self.snapshots.pop(snapshot.digest)
            used = {name for one in self.snapshots.values() for name in one.files.values()}
            self.contents = {name: data for name, data in self.contents.items() if name in used}
        self.shelf.published(wire.Published(snapshot.digest, sentence))


# ── what publishers say ──


def test_what_was_published_can_be_built_upon():
    library = Library()
    first, contents = written(a="a = 1", b="b = 1")
    second, more = written(a="a = 2", b="b = 1")
    told(library, "me", (first, contents))
    library.blobs("me", wire.Blobs({name: data for name, data in more.items() if name not in contents}))
    assert library.publish("me", second.publish(first)) == wire.Published(second.digest)
    assert library.get(second.digest) == second
    assert library.content(second.files["a.py"]) == b"a = 2"
    assert library.latest("me") == second.digest
    assert library.latest("somebody else") == b""


def refused(message, **contents):
    library = Library()
    library.blobs("me", wire.Blobs({content(text): text for text in contents.values()}))
    answer = library.publish("me", message)
    assert len(library) == 0
    assert library.size == 0
    return answer.sentence


def test_a_base_that_is_not_here_is_said():
    first, second = written(a="1")[0], written(a="1", b="1")[0]
    assert "not here" in refused(second.publish(first), a=b"1")


def test_a_content_that_never_came_is_said():
    assert "are not here" in refused(written(a="1", b="2")[0].publish(None), a=b"1")


def test_a_content_with_another_name_is_said_once():
    library = Library()
    snapshot, contents = written(a="1")
    library.blobs("me", wire.Blobs(dict.fromkeys(contents, b"2")))
    assert "did not arrive" in library.publish("me", snapshot.publish(None)).sentence
    told(library, "me", (snapshot, contents))


@pytest.mark.parametrize("path", ["../a.py", "/a.py", "a/../../b.py", "", "a\\b.py", "a\0.py", "x" * 5000])
def test_a_path_out_of_the_folder_is_refused(path):
    name = content(b"1")
    told_it = Snapshot("project", ("",), {path: name}).publish(None)
    assert "no path inside" in refused(told_it, a=b"1")
    if path:
        assert "no path inside" in refused(Snapshot("project", (path,), {"a.py": name}).publish(None), a=b"1")


def test_a_folder_that_is_no_path_is_refused():
    assert "folder is no path" in refused(Snapshot("a\0b", ("",), {"a.py": content(b"1")}).publish(None), a=b"1")


def test_another_digest_than_its_own_is_refused():
    message = written(a="1")[0].publish(None)
    assert "did not arrive" in refused(wire.Publish(b"x" * 16, b"", "project", [""], message.changed), a=b"1")


def test_what_is_no_hash_is_refused():
    assert "no hash" in refused(wire.Publish(b"", b"", "project", [""], {"a.py": b"short"}))


def test_too_much_is_refused_in_words(monkeypatch):
    monkeypatch.setattr(code, "MOST_BYTES", 10)
    monkeypatch.setattr(code, "MOST_FILES", 2)
    assert "exclude" in refused(written(a="12345", b="123456")[0].publish(None), a=b"12345", b=b"123456")
    assert "more than 2 files" in refused(written(a="1", b="2", c="3")[0].publish(None), a=b"1", b=b"2", c=b"3")


def test_too_many_files_in_small_steps_are_refused(monkeypatch):
    monkeypatch.setattr(code, "MOST_FILES", 2)
    library = Library()
    first, contents = written(a="1", b="1")
    told(library, "me", (first, contents))
    assert "more than 2" in library.publish("me", written(a="1", b="1", c="1")[0].publish(first)).sentence


# ── who uses what ──


def test_the_last_ones_of_each_publisher_stay():
    library = Library()
    gone = []
    library.forgotten = gone.extend
    versions = [written(a=f"a = {n}") for n in range(KEPT + 2)]
    told(library, "me", *versions)
    told(library, "you", versions[1])
    assert gone == [versions[0][0].digest, versions[1][0].digest]
    assert library.get(versions[1][0].digest) is not None  # yours
    assert library.get(versions[2][0].digest) is not None
    library.left("me")
    library.left("you")
    assert len(library) == library.size == 0
    assert len(gone) == KEPT + 3


def test_what_runs_stays():
    library = Library()
    snapshot, contents = written(a="1")
    told(library, "me", (snapshot, contents))
    library.pin(snapshot.digest)
    library.pin(snapshot.digest)
    library.left("me")
    library.unpin(snapshot.digest)
    assert library.get(snapshot.digest) is not None
    library.unpin(snapshot.digest)
    assert library.get(snapshot.digest) is None
    library.unpin(snapshot.digest)  # of what is not here: nothing


def test_contents_that_were_never_used_go_with_their_publisher():
    library = Library()
    library.blobs("me", wire.Blobs({content(b"1"): b"1"}))
    assert library.size == 1
    library.left("me")
    assert library.size == 0


# ── one machine ──


def test_contents_go_once_and_differences_build_on_what_is_there():
    library = Library()
    machine, heard = Machine(library), []
    first, second = written(a="1", b="1"), written(a="2", b="1")
    told(library, "me", first, second)
    machine.shelf.want(first[0].digest, heard.append)
    machine.shelf.want(first[0].digest, heard.append)
    assert [type(one) for one in machine.said] == [wire.Blobs, wire.Publish]
    assert heard == []
    assert not machine.shelf.has(first[0].digest)
    machine.answer(first[0])
    assert heard == ["", ""]
    assert machine.shelf.has(first[0].digest)
    machine.shelf.want(first[0].digest, heard.append)
    assert heard == ["", "", ""]
    machine.shelf.want(second[0].digest, heard.append)
    blobs, publish = machine.said[2:]
    assert list(blobs.contents.values()) == [b"2"]
    assert (publish.base, list(publish.changed)) == (first[0].digest, ["a.py"])


def test_what_an_agent_could_not_keep_is_said_and_sent_again():
    library = Library()
    machine, heard = Machine(library), []
    snapshot, contents = written(a="1")
    told(library, "me", (snapshot, contents))
    machine.shelf.want(snapshot.digest, heard.append)
    machine.answer(snapshot, "the disk is full" + "!" * 1000)
    assert heard[0].startswith("the disk is full")
    assert len(heard[0]) == shelves.LONGEST_SENTENCE
    machine.shelf.want(snapshot.digest, heard.append)
    machine.answer(snapshot)
    assert heard[1:] == [""]


def test_what_is_not_at_the_hub_is_said():
    heard = []
    Machine(Library()).shelf.want(b"nothing", heard.append)
    assert "not at the hub" in heard[0]


def test_an_answer_to_nothing_changes_nothing():
    library = Library()
    machine = Machine(library)
    snapshot, contents = written(a="1")
    told(library, "me", (snapshot, contents))
    machine.shelf.published(wire.Published(snapshot.digest))
    assert not machine.shelf.has(snapshot.digest)


def test_what_nobody_uses_is_deleted_there():
    library = Library()
    machine = Machine(library)
    snapshot, contents = written(a="1")
    told(library, "me", (snapshot, contents))
    machine.shelf.want(snapshot.digest, lambda _: None)
    machine.answer(snapshot)
    library.left("me")
    assert machine.said[-1] == wire.Unpublish([snapshot.digest])
    assert machine.contents == {}


def test_what_nobody_uses_any_more_when_it_arrives_is_deleted_there():
    library = Library()
    machine = Machine(library)
    snapshot, contents = written(a="1")
    told(library, "me", (snapshot, contents))
    machine.shelf.want(snapshot.digest, lambda _: None)
    library.left("me")
    machine.answer(snapshot)
    assert machine.said[-1] == wire.Unpublish([snapshot.digest])
    assert machine.contents == {}


def test_many_contents_go_in_batches(monkeypatch):
    monkeypatch.setattr(shelves, "BATCH", 10)
    library = Library()
    machine = Machine(library)
    snapshot, contents = written(a="123456", b="12345", c="1", d="x" * 30)
    told(library, "me", (snapshot, contents))
    machine.shelf.want(snapshot.digest, lambda _: None)
    sizes = [sum(map(len, one.contents.values())) for one in machine.said[:-1]]
    assert sum(sizes) == 42
    assert all(size <= 10 or size == 30 for size in sizes)


STEP = st.tuples(st.sampled_from(["publish", "want", "answer", "fail", "pin", "unpin", "leave"]), st.integers(0, 6))


def test_a_machine_that_never_confirms_is_given_up_and_sent_all_of_it_again():
    library = Library()
    machine = Machine(library)
    snapshot, contents = written(a="1")
    told(library, "me", (snapshot, contents))
    ends = []
    machine.shelf.want(snapshot.digest, ends.append)
    for _ in range(12):
        assert ends == []
        machine.owed.tick()
    assert ends == ["the code did not get there: its machine can be reached, but has not answered for 60 s"]
    machine.contents.clear()
    machine.shelf.want(snapshot.digest, ends.append)
    machine.answer(snapshot)
    assert ends[1:] == [""]
    assert machine.shelf.has(snapshot.digest)


@given(st.lists(STEP, max_size=40))
def test_in_any_order_machine_and_hub_agree(steps):
    """A machine never gets what it has, always gets what it needs, and in the end nothing is left anywhere."""
    library = Library()
    machine, pins, coming = Machine(library), [], {}
    versions = [written(a=f"{n // 2}", b=f"{n % 3}", c="same") for n in range(7)]
    for what, n in steps:
        snapshot, contents = versions[n]
        match what:
            case "publish":
                told(library, "me", (snapshot, contents))
            case "want" if library.get(snapshot.digest) and not machine.shelf.has(snapshot.digest):
                machine.shelf.want(snapshot.digest, lambda _: None)
                coming[snapshot.digest] = snapshot
            case "answer" | "fail" if coming:
                machine.answer(coming.pop(next(iter(coming))), "no" if what == "fail" and len(coming) == 1 else "")
            case "pin" if library.get(snapshot.digest):
                library.pin(snapshot.digest)
                pins.append(snapshot.digest)
            case "unpin" if pins:
                library.unpin(pins.pop())
            case "leave":
                library.left("me")
    for snapshot in coming.values():
        machine.answer(snapshot)
    library.left("me")
    for digest in pins:
        library.unpin(digest)
    assert (len(library), library.size) == (0, 0)
    assert (machine.snapshots, machine.contents) == ({}, {})
    assert not machine.shelf._contents
