"""What a window tells its hub of its code, over cuts and hubs that have forgotten it."""

import asyncio

import pytest

from yonder import snapshot, wire
from yonder.errors import CannotRun
from yonder.reading import Changed
from yonder.snapshot import Snapshot
from yonder_lsp.announced import Announced, Unheard


def shot(text):
    return Snapshot("/home/me/project", ("",), {"helper.py": snapshot.content(text)})


class Hub:
    """It answers as it is told to: with sentences in turn, then with yes."""

    def __init__(self, *sentences):
        self.announced = Announced()
        self.said = []
        self.sentences = list(sentences)
        self.silent = self.deaf = False
        self.published = asyncio.Event()

    async def send(self, message):
        if self.deaf:
            raise CannotRun("cut")
        self.said.append(type(message).__name__)
        if isinstance(message, wire.Publish):
            self.published.set()
        if isinstance(message, wire.Publish) and not self.silent:
            sentence = self.sentences.pop(0) if self.sentences else ""
            self.announced.answered(wire.Published(message.snapshot, sentence))

    async def tell(self, text, name="hub-1"):
        def contents(wanted):
            return dict.fromkeys(wanted.values(), text)

        await self.announced.tell(name, shot(text), contents, self.send)
        said, self.said = self.said, []
        return said


async def test_it_is_told_once_and_then_what_is_new():
    hub = Hub()
    assert await hub.tell(b"1") == ["Blobs", "Publish"]
    assert await hub.tell(b"1") == []
    assert await hub.tell(b"2") == ["Blobs", "Publish"]


async def test_another_hub_is_told_everything():
    hub = Hub()
    await hub.tell(b"1")
    assert await hub.tell(b"1", name="hub-2") == ["Blobs", "Publish"]


async def test_a_hub_that_has_forgotten_is_told_everything():
    hub = Hub("", "the snapshot builds on one that is not here")
    await hub.tell(b"1")
    assert await hub.tell(b"2") == ["Blobs", "Publish", "Blobs", "Publish"]


async def test_a_hub_that_cannot_keep_it_says_why():
    hub = Hub("too large", "too large")
    with pytest.raises(CannotRun, match="did not reach the cluster: too large"):
        await hub.tell(b"1")
    assert await hub.tell(b"1") is not None


async def test_a_cut_leaves_it_untold():
    hub = Hub()
    hub.silent = True
    telling = asyncio.create_task(hub.tell(b"1"))
    await hub.published.wait()
    hub.announced.cut()
    with pytest.raises(Unheard):
        await telling
    hub.silent, hub.said, hub.deaf = False, [], True
    with pytest.raises(Unheard):
        await hub.tell(b"1")
    hub.deaf = False
    assert await hub.tell(b"1") == ["Blobs", "Publish"]


async def test_contents_that_have_changed_leave_it_untold():
    hub = Hub()

    def contents(wanted):
        raise Changed("helper.py")

    with pytest.raises(Changed):
        await hub.announced.tell("hub-1", shot(b"1"), contents, hub.send)
    assert await hub.tell(b"1") == ["Blobs", "Publish"]


async def test_what_nobody_waits_for_is_nothing():
    Announced().answered(wire.Published(b"x" * 16))
    Announced().cut()
