"""Snapshots as they are told to a hub: contents it lacks, in portions, then what is new."""

import pytest

from yonder import publishing, snapshot, wire
from yonder.publishing import Publishing
from yonder.snapshot import Snapshot

FOLDER = "/home/me/project"


def shot(**texts):
    return Snapshot(FOLDER, ("",), {f"{name}.py": snapshot.content(text.encode()) for name, text in texts.items()})


class Hub:
    """It keeps what it is told, as a hub does."""

    def __init__(self):
        self.contents = {}
        self.snapshots = {}
        self.portions = []
        self.publishing = Publishing()

    def tell(self, **texts):
        asked = {snapshot.content(text.encode()): text.encode() for text in texts.values()}
        told = shot(**texts)
        for message in self.publishing.tell(told, lambda files: {digest: asked[digest] for digest in files.values()}):
            match message:
                case wire.Blobs():
                    self.portions.append(sorted(message.contents.values()))
                    self.contents |= message.contents
                case wire.Publish():
                    made = snapshot.applied(self.snapshots.get(message.base), message)
                    assert set(made.files.values()) <= self.contents.keys()
                    self.snapshots[made.digest] = made
        assert self.snapshots[told.digest] == told


def test_the_first_snapshot_is_told_in_full_and_each_content_once():
    hub = Hub()
    hub.tell(a="same", b="same", c="other")
    assert hub.portions == [[b"other", b"same"]]


def test_later_only_what_is_new_goes_out():
    hub = Hub()
    hub.tell(a="1", b="2")
    hub.tell(a="1", b="3", c="1")
    hub.tell(c="1")
    assert hub.portions == [[b"1", b"2"], [b"3"]]
    assert list(hub.publishing.tell(shot(c="1"), pytest.fail)) == []


def test_other_roots_are_another_snapshot_without_contents():
    told = Publishing()
    first = shot(a="1")
    list(told.tell(first, lambda files: {snapshot.content(b"1"): b"1"}))
    [message] = told.tell(first.rooted(["tools", ""]), pytest.fail)
    assert (message.base, message.changed, message.roots) == (first.digest, {}, ["tools", ""])


def test_contents_go_in_portions_and_a_large_one_alone(monkeypatch):
    monkeypatch.setattr(publishing, "PORTION", 10)
    hub = Hub()
    hub.tell(a="1234", b="12345", c="123456", d="x" * 30, e="1")
    assert hub.portions == [[b"1234", b"12345"], [b"123456"], [b"x" * 30], [b"1"]]


def test_a_hub_that_forgot_is_told_all_again():
    hub = Hub()
    hub.tell(a="1")
    hub.publishing.forget()
    hub.tell(a="1")
    assert hub.portions == [[b"1"], [b"1"]]


def test_contents_that_are_not_to_be_had_leave_it_untold():
    hub = Hub()
    hub.tell(a="1")
    with pytest.raises(KeyError):
        list(hub.publishing.tell(shot(a="2"), lambda _: {}))
    hub.tell(a="3")
    assert hub.portions == [[b"1"], [b"3"]]
