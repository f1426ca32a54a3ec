"""The program that a hub serves, on paper: when it is gone, where its text goes, who waits while it does not read."""

import asyncio

from yonder import wire
from yonder.hub.clients import Client
from yonder.hub.patron import Patron


class Hub:
    """Remembers who was held; `askers` says whose call is whose."""

    def __init__(self):
        self.askers = {}
        self.held = []

    def asker(self, call):
        return self.askers.get(call)

    def hold_agents(self, paused):
        self.held.append(paused)


def conversation(patron):
    said = []
    client = Client(said.append, None, None)
    patron.joined(client)
    return client, said


def text(words, call="", fd=1):
    return wire.Output("", call, fd, words, 0.0)


async def test_the_last_conversation_is_the_programs_end():
    patron = Patron(Hub())
    first, _ = conversation(patron)
    second, _ = conversation(patron)
    ending = asyncio.create_task(patron.until_the_end())
    patron.left(first)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not ending.done()
    patron.left(first)  # said twice
    patron.left(second)
    assert await ending == "the program has ended, or closed its last pool"


async def test_a_signal_ends_the_hub_before_its_program_came():
    patron = Patron(Hub())
    patron.asked_to_end()
    assert await patron.until_the_end() == "stopped by a signal"


async def test_text_goes_to_who_hears_of_the_calls_end_and_what_is_nobodys_to_the_first():
    hub = Hub()
    patron = Patron(hub)
    _, first = conversation(patron)
    second, said = conversation(patron)
    hub.askers["c"] = second
    patron.tell(text("mine", "c"))
    patron.tell(text("nobody's", "x", fd=2))
    patron.left(second)
    patron.tell(text("late", "c"))
    patron.tell(wire.Problem("not for its terminal"))
    assert said == [wire.Printed(1, "mine")]
    assert first == [wire.Printed(2, "nobody's"), wire.Printed(1, "late")]


async def test_agents_wait_from_the_first_text_that_finds_no_room_until_there_is_some():
    hub = Hub()
    patron = Patron(hub)
    client, _ = conversation(patron)
    client.pressed(True)
    assert hub.held == []
    patron.tell(text("a"))
    patron.tell(text("b"))
    assert hub.held == [True]
    client.pressed(False)
    patron.relieved()
    patron.relieved()
    assert hub.held == [True, False]


async def test_a_conversation_that_ends_unread_holds_nobody_up():
    hub = Hub()
    patron = Patron(hub)
    conversation(patron)
    client, _ = conversation(patron)
    client.pressed(True)
    hub.askers["c"] = client
    patron.tell(text("a", "c"))
    patron.left(client)
    assert hub.held == [True, False]


async def test_at_the_end_agents_are_heard_again_and_nothing_more_is_printed():
    hub = Hub()
    patron = Patron(hub)
    client, said = conversation(patron)
    client.pressed(True)
    patron.tell(text("a"))
    patron.asked_to_end()
    await patron.until_the_end()
    assert hub.held == [True, False]
    patron.tell(text("b"))
    assert said == [wire.Printed(1, "a")]
