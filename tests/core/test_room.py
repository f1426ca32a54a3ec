"""Who may bring large results into the hub, and who waits."""

from yonder.hub.room import STALLED, Room, passed_on


class Lane:
    """A sender that reads on when it may."""

    def __init__(self):
        self.held = []

    def wait(self):
        self.held.append(True)
        return lambda: self.held.append(False)


def test_there_is_room_until_it_is_full_and_then_in_turn():
    room, first, second, third = Room(100), Lane(), Lane(), Lane()
    load = room.enter(60, first.wait)
    other = room.enter(60, second.wait)
    small = room.enter(10, third.wait)
    assert (first.held, second.held, third.held) == ([], [True], [True])
    passed_on([load])
    assert (second.held, third.held) == ([True, False], [True, False])
    assert room.taken == 70
    passed_on([other, small, b"no load"])
    assert room.taken == 0


def test_what_is_larger_than_the_room_comes_in_alone():
    room, large, small = Room(100), Lane(), Lane()
    load = room.enter(1000, large.wait)
    after = room.enter(1, small.wait)
    assert (large.held, small.held) == ([], [True])
    load.passed_on()
    load.passed_on()
    assert small.held == [True, False]
    assert room.taken == 1
    after.passed_on()


def test_what_is_let_go_of_makes_room():
    room, first, second = Room(100), Lane(), Lane()
    load = room.enter(100, first.wait)
    waiting = room.enter(100, second.wait)
    del load
    assert second.held == [True, False]
    del waiting
    assert room.taken == 0


def test_who_goes_while_waiting_is_not_counted():
    room, first, second, third = Room(100), Lane(), Lane(), Lane()
    load = room.enter(100, first.wait)
    gone = room.enter(100, second.wait)
    del gone
    last = room.enter(100, third.wait)
    load.passed_on()
    assert third.held == [True, False]
    assert room.taken == 100
    last.passed_on()
    assert room.taken == 0


def test_who_goes_while_waiting_holds_up_nobody_behind():
    room, large, small = Room(100), Lane(), Lane()
    here = room.enter(60, Lane().wait)
    waiting = room.enter(1000, large.wait)
    behind = room.enter(40, small.wait)
    assert small.held == [True]
    del waiting
    assert small.held == [True, False]
    assert room.taken == 100
    passed_on([here, behind])
    assert room.taken == 0


def test_what_stands_still_keeps_only_what_has_come():
    room, waiting = Room(100), Lane()
    still, moving = room.enter(50, Lane().wait), room.enter(40, Lane().wait)
    behind = room.enter(30, waiting.wait)
    still.append(bytes(20))
    room.look(0.0)
    moving.append(bytes(1))
    room.look(STALLED)
    assert waiting.held == [True, False]
    assert room.taken == 20 + 40 + 30
    still.append(bytes(30))
    behind.append(bytes(30))
    room.look(STALLED + 1)
    room.look(2 * STALLED + 1)
    assert room.taken == 50 + 1 + 30
    passed_on([still, moving, behind])
    assert room.taken == 0


def test_a_whole_load_keeps_its_place_until_it_is_passed_on():
    room, waiting = Room(100), Lane()
    whole = room.enter(80, Lane().wait)
    whole.append(bytes(80))
    behind = room.enter(80, waiting.wait)
    for at in range(10):
        room.look(at * STALLED)
    assert waiting.held == [True]
    passed_on([whole, behind])
    assert room.taken == 0
