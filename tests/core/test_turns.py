"""Who runs a program's hub: threads take turns, a waiting one drives, and what it is told comes when the turn is free."""

import asyncio
import signal
import socket
import threading
from concurrent.futures import Future

import pytest

from yonder.errors import CannotRun
from yonder.hub.turns import Turns


@pytest.fixture
def turns():
    made = Turns()
    over = asyncio.Event()
    up = threading.Event()

    async def main():
        up.set()
        await over.wait()

    thread = threading.Thread(target=made.serve, args=(main(),))
    thread.start()
    up.wait(10)
    yield made
    made.do(over.set)
    thread.join(10)
    made.shield.remove()
    assert not thread.is_alive()


def later(turns, work):
    """Have the loop do something in a round of its own."""
    turns.do(lambda: turns.loop.call_soon(work))


def test_only_one_thread_at_a_time_touches_the_hub(turns):
    inside, worst = 0, 0

    def work():
        nonlocal inside, worst
        inside += 1
        worst = max(worst, inside)
        for _ in range(50):
            pass
        inside -= 1

    def many():
        for number in range(200):
            turns.do(work)
            if number % 10 == 0:
                later(turns, work)

    threads = [threading.Thread(target=many) for _ in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(30)
    assert worst == 1


def test_a_waiting_thread_runs_the_loop_itself(turns):
    ran = []
    later(turns, lambda: turns.loop.call_later(0.01, lambda: ran.append(threading.get_ident())))
    turns.drive(lambda: bool(ran), 10)
    assert ran == [threading.get_ident()]


def test_driving_ends_at_its_time(turns):
    turns.drive(lambda: False, 0.02)


def drives(turns):
    """Would this thread run the loop now?"""
    ran = []
    later(turns, lambda: turns.loop.call_later(0.005, lambda: ran.append(threading.get_ident())))
    turns.drive(lambda: bool(ran), 10)
    return ran == [threading.get_ident()]


def test_what_a_sleeper_heard_is_not_held_against_who_waits_since(turns, monkeypatch):
    """The hub's thread hears that a socket is ready, and before its turn comes another thread has ended that wait and
    begun a new one: so the rest of a large message to a worker was never sent."""
    selector, asleep, heard = turns.loop.turnstile._inner, threading.Event(), threading.Event()
    written: Future[str] = Future()
    select = selector.select

    def overheard(timeout):
        asleep.set()
        found = select(timeout)
        if any(key.fd == ours.fileno() for key, _ in found):
            heard.set()
        return found

    def writable(name):
        turns.loop.remove_writer(ours)
        written.set_result(name)

    def work():
        turns.loop.add_writer(ours, writable, "before")
        assert heard.wait(10)
        turns.loop.remove_writer(ours)
        turns.loop.add_writer(ours, writable, "since")

    ours, theirs = socket.socketpair()
    with ours, theirs:
        monkeypatch.setattr(selector, "select", overheard)
        turns.loop.wake()
        assert asleep.wait(10)
        turns.do(work)
        assert written.result(10) == "since"
        turns.do(turns.loop.remove_writer, ours)


def test_the_hubs_own_thread_takes_the_loop_back(turns):
    turns.drive(lambda: False, 0.0)
    ran = Future()
    later(turns, lambda: ran.set_result(threading.get_ident()))
    assert ran.result(10) != threading.get_ident()


def test_a_second_thread_does_not_drive_and_is_not_forgotten(turns):
    first, second, driving = Future(), Future(), threading.Event()

    def drive():
        turns.drive(lambda: driving.set() or first.done(), 30)

    driver = threading.Thread(target=drive)
    driver.start()
    assert driving.wait(10)
    assert not drives(turns)
    later(turns, lambda: turns.post(second.set_result, 2))
    assert second.result(10) == 2
    later(turns, lambda: turns.post(first.set_result, 1))
    driver.join(10)
    assert first.done()


def test_what_another_thread_delivers_wakes_the_driver(turns):
    answer, driving = Future(), threading.Event()
    driver = threading.Thread(target=turns.drive, args=(lambda: driving.set() or answer.done(), 30))
    driver.start()
    assert driving.wait(10)
    turns.do(turns.post, answer.set_result, 1)  # delivered by this thread, while the driver sleeps
    driver.join(10)
    assert not driver.is_alive()


def test_what_is_told_may_touch_the_hub_and_keeps_its_order(turns):
    told = []

    def receive(number):
        turns.do(told.append, number)

    def work():
        for number in range(20):
            turns.post(receive, number)

    turns.do(work)
    assert told == list(range(20))


def test_what_is_told_may_wait_for_what_is_told_next(turns):
    first, second, order = Future(), Future(), []

    def receive(_):
        turns.drive(second.done, 30)
        order.append(second.result(30))
        first.set_result("outer")

    def work():
        turns.post(receive, None)
        turns.loop.call_later(0.01, turns.post, second.set_result, "inner")

    later(turns, work)
    turns.drive(first.done, 30)
    assert first.result(30) == "outer"
    assert order == ["inner"]


def test_the_hub_goes_on_while_a_callback_of_the_driver_takes_its_time(turns):
    ticked, over = threading.Event(), Future()

    def slow(_):
        turns.do(lambda: turns.loop.call_later(0.01, ticked.set))
        over.set_result(ticked.wait(10))

    later(turns, lambda: turns.post(slow, None))
    turns.drive(over.done, 30)
    assert over.result(30)


@pytest.mark.parametrize("moment", ["_take", "_give"])
def test_a_finalizer_may_come_between_taking_the_turn_and_noting_it(turns, moment):
    """Garbage collection runs anywhere, also where this thread has the turn and does not know it yet, or any more."""
    done = []
    real = getattr(turns, moment)

    def interrupted():
        setattr(turns, moment, real)
        if moment == "_give":
            turns._holder = 0
        with turns._turn:
            turns.do(done.append, "finalizer")
        real()

    setattr(turns, moment, interrupted)
    turns.do(done.append, "work")
    assert sorted(done) == ["finalizer", "work"]


def test_a_callback_of_the_hubs_own_is_served_when_the_hub_is_through(turns):
    order = []

    def work():
        turns.do(order.append, "inner")
        order.append("outer")

    turns.do(work)
    turns.drive(lambda: len(order) == 2, 10)
    assert order == ["outer", "inner"]


def test_an_interrupt_in_the_middle_of_the_hubs_work_comes_after_it(turns):
    done = []

    def work():
        signal.raise_signal(signal.SIGINT)
        done.append(True)

    with pytest.raises(KeyboardInterrupt):
        turns.do(work)
    assert done == [True]
    turns.do(done.append, False)
    assert done == [True, False]


def test_an_interrupt_in_the_middle_of_a_delivery_comes_after_it(turns):
    told = []

    def receive(word):
        if word == 1:
            signal.raise_signal(signal.SIGINT)
        told.append(word)

    for word in (1, 2):
        turns.post(receive, word)
    with pytest.raises(KeyboardInterrupt):
        turns.deliver()
    assert told[0] == 1
    turns.deliver()
    assert told == [1, 2]


def test_an_interrupt_ends_the_wait_of_a_driver_and_nothing_else(turns):
    ran = []

    def interrupt():
        signal.raise_signal(signal.SIGINT)
        ran.append("after")

    later(turns, lambda: turns.loop.call_later(0.01, interrupt))
    with pytest.raises(KeyboardInterrupt):
        turns.drive(lambda: False, 30)
    assert ran == ["after"]
    assert drives(turns)


def test_with_a_handler_of_the_programs_own_the_main_thread_keeps_out_of_the_hub(turns):
    ran, before = Future(), signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, lambda *_: None)
    try:
        assert not drives(turns)
        turns.do(lambda: ran.set_result(threading.get_ident()))
        assert ran.result(10) != threading.get_ident()
    finally:
        signal.signal(signal.SIGINT, before)


def test_where_nothing_can_interrupt_no_shield_is_needed(turns):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert drives(turns)
    finally:
        signal.signal(signal.SIGINT, before)


def test_the_program_gets_its_handler_back():
    before = signal.getsignal(signal.SIGINT)
    made = Turns()
    assert signal.getsignal(signal.SIGINT) is not before
    made.shield.remove()
    made.loop.close()
    assert signal.getsignal(signal.SIGINT) is before


def test_a_blocking_wait_inside_a_running_loop_does_not_drive(turns):
    async def inside():
        return drives(turns)

    assert asyncio.run(inside()) is False


def test_a_hub_that_has_ended_says_so():
    made = Turns()

    async def nothing():
        pass

    made.serve(nothing())
    made.shield.remove()
    with pytest.raises(CannotRun, match="has ended"):
        made.do(print)
    made.drive(lambda: False, 30)
