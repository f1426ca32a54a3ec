"""Who may bring large results into the hub, and who waits."""

from yonder.hub.room import Room, passed_on


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
