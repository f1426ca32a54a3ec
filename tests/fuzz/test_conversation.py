"""One connection at the hub's socket, in front of somebody who may come in and then says what it likes."""

from __future__ import annotations

import asyncio
import gc
import os
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fuzz.making import messages

from yonder import wire
from yonder.hub import connection
from yonder.hub import room as rooms
from yonder.hub.connection import SPOKEN, Conversation
from yonder.hub.room import Room as Space
from yonder.version import __version__


class Line:
    """A transport of paper."""

    def __init__(self):
        self.said = []
        self.closed = False
        self.paused = False

    def set_write_buffer_limits(self, high):
        pass

    def get_extra_info(self, name):
        return None

    def is_closing(self):
        return self.closed

    def is_reading(self):
        return not self.closed and not self.paused

    def pause_reading(self):
        self.paused = True

    def resume_reading(self):
        self.paused = False

    def write(self, data):
        self.said.append(data)

    def close(self):
        self.closed = True


class Room:
    """Who listens; `fault` is raised at every message."""

    def __init__(self, fault=None):
        self.heard = []
        self.ended = 0
        self.complaints = []
        self._fault = fault

    def accept(self, conversation, hello):
        return self

    def received(self, message):
        self.heard.append(message)
        if self._fault is not None:
            raise self._fault

    def lost(self):
        self.ended += 1


def joined(room, role="call"):
    """A conversation whose hello was taken."""
    line = Line()
    made = Conversation(room.accept, room.complaints.append, bytearray(65536))
    made._transport = line
    fed(made, hello(role))
    return made, line


def hello(role):
    return wire.frames(wire.Hello(version=wire.VERSION, package=__version__, role=role, token="t", id="w"))


def fed(made, data):
    for at in range(0, len(data), 65536):
        piece = data[at : at + 65536]
        made.get_buffer(0)[: len(piece)] = piece
        made.buffer_updated(len(piece))


@settings(max_examples=60, derandomize=True, deadline=None)
@given(data=st.data())
def test_what_a_role_must_not_say_ends_its_conversation_and_nothing_else(data):
    role = data.draw(st.sampled_from(sorted(SPOKEN)))
    said = data.draw(st.lists(messages(wire.Message).map(wire.frames) | st.binary(max_size=40), max_size=5))
    room = Room()
    made, line = joined(room, role)
    fed(made, b"".join(said))
    assert len(room.complaints) == line.closed
    kinds = SPOKEN[role]
    assert all(isinstance(one, kinds) for one in room.heard)
    made.connection_lost(None)
    assert room.ended == 1


def test_a_message_that_nobody_can_take_ends_the_conversation_and_is_told():
    room = Room(fault=KeyError("a hole in the hub"))
    made, line = joined(room)
    fed(made, wire.frames(wire.Done(1, True, b"", 0, 0)))
    assert line.closed
    assert "call 'w' said what this hub could not take" in room.complaints[0]


def test_words_of_a_stranger_make_no_lines_of_their_own_in_the_log():
    room = Room()
    made = Conversation(
        lambda *_: wire.Refused("token", "no", wire.VERSION, __version__), room.complaints.append, bytearray(65536)
    )
    made._transport = Line()
    forged = wire.Hello(version=1, package="", role="call", token="", id="x\n2026-01-01 the hub has ended")
    fed(made, wire.frames(forged))
    assert len(room.complaints) == 1
    assert "\n" not in room.complaints[0]


@pytest.mark.parametrize("role", sorted(connection.LONGEST))
def test_who_carries_no_values_may_not_say_much_at_once(role, monkeypatch):
    monkeypatch.setitem(connection.LONGEST, role, 2 * wire.MAX_FRAME)
    room = Room()
    made, line = joined(room, role)
    part = (0x8000_0000 | wire.MAX_FRAME).to_bytes(4, "little") + bytes(wire.MAX_FRAME)
    fed(made, part * 2)
    assert not line.closed
    fed(made, part)
    assert line.closed
    assert "is not accepted here" in room.complaints[0]


BODY = bytes(2 * wire.LARGE)
RESULT = wire.frames(wire.Done(1, True, BODY, 0, 0))


async def test_a_worker_that_dies_in_the_middle_of_a_result_takes_no_room_from_others():
    gc.disable()  # what is freed only by a collection is held for as long as nothing calls for one
    try:
        space, room = Space(len(BODY)), Room()
        dying, _ = joined(room)
        other, line = joined(room)
        dying._room = other._room = space
        fed(dying, RESULT[: len(RESULT) // 2])
        fed(other, RESULT[: len(RESULT) // 2])
        assert line.paused
        dying.connection_lost(None)
        assert not line.paused
        assert space.taken == len(BODY)
    finally:
        gc.enable()


async def test_a_worker_that_dies_while_it_waits_for_room_takes_none_later():
    gc.disable()
    try:
        space, room = Space(len(BODY)), Room()
        other, _ = joined(room)
        dying, line = joined(room)
        dying._room = other._room = space
        fed(other, RESULT[: len(RESULT) // 2])
        fed(dying, RESULT[: len(RESULT) // 2])
        assert line.paused
        dying.connection_lost(None)
        other.connection_lost(None)
        assert space.taken == 0
    finally:
        gc.enable()


async def test_each_result_waits_for_its_own_room():
    space, room = Space(2 * len(BODY)), Room()
    taken = space.enter(len(BODY), lambda: lambda: None)
    made, line = joined(room)
    made._room = space
    made._space = bytearray(3 * len(RESULT))
    made._space[: 3 * len(RESULT)] = 3 * RESULT
    made.buffer_updated(3 * len(RESULT))
    assert len(room.heard) == 3
    assert line.paused
    taken.passed_on()
    assert line.paused
    room.heard[0].body.passed_on()
    assert not line.paused


async def test_a_result_that_does_not_go_on_keeps_nobody_waiting(monkeypatch):
    monkeypatch.setattr(connection, "STALLED", 0.0)
    monkeypatch.setattr(rooms, "STALLED", 0.0)
    space, room = Space(len(BODY)), Room()
    still, _ = joined(room)
    other, line = joined(room)
    still._room = other._room = space
    fed(still, RESULT[:20])
    fed(other, RESULT[:70_000])
    assert line.paused
    async with asyncio.timeout(20):
        while line.paused:  # noqa: ASYNC110 - a transport of paper rings no bell
            await asyncio.sleep(0)
    fed(other, RESULT[70_000:])
    assert len(room.heard) == 1


@pytest.mark.skipif(not hasattr(socket, "SO_PEERCRED"), reason="the platform does not tell who is at the other end")
def test_only_a_process_with_the_number_it_says_is_near():
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    for pid, endpoint, near in (
        (os.getpid(), ours, True),
        (os.getpid() + 1, ours, False),
        (0, ours, False),
        (1, None, False),
    ):
        room, line = Room(), Line()
        line.get_extra_info = lambda name, endpoint=endpoint: endpoint
        made = Conversation(room.accept, room.complaints.append, bytearray(65536))
        made._transport = line
        said = wire.Hello(version=wire.VERSION, package=__version__, role="call", token="t", id="w", pid=pid)
        fed(made, wire.frames(said))
        assert (made.hello, made.near) == (said, near)
    ours.close()
    theirs.close()
