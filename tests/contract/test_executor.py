"""What a `concurrent.futures.Executor` promises, asked of the standard library's process pool and of ours in the same
words, on this machine and over the link of another one. Whoever replaces one by the other in a program that keeps to the
documentation should notice nothing.

Where a test has to hold a call still, the call waits for a file: `gate`. Nothing here asks how long something took.
"""

from __future__ import annotations

import asyncio
import concurrent.futures as cf
import contextlib
import functools
import itertools
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest
from tests.links.elsewhere import elsewhere

import yonder

ROOT = Path(__file__).parents[2]
WORKERS = 2


# ── what runs elsewhere ───────────────────────────────────────────────────────────────────────────────────────────────


class Odd(Exception):
    """Has more than a message."""


class Whole(Exception):
    """Cannot be made again from its arguments."""

    def __init__(self, first, second):
        super().__init__(f"{first} and {second}")


def double(number):
    return number * 2


def echo(*args, **kwargs):
    return args, kwargs


def fail(kind, *args):
    raise kind(*args)


def fail_at(number, bad):
    if number == bad:
        raise Odd(number)
    return number


def fail_because():
    try:
        {}["missing"]
    except KeyError as error:
        raise Odd("because") from error


def until(gate, value=None):
    while not Path(gate).exists():
        time.sleep(0.005)
    return value


def announce(mark, gate):
    Path(mark).touch()
    return until(gate, "held")


def lock(_=None):
    return threading.Lock()


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def large(size):
    return b"y" * size


def call(function):
    return function()


# ── who is asked ──────────────────────────────────────────────────────────────────────────────────────────────────────


def standard(workers=WORKERS):
    return cf.ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("forkserver"))


def ours(workers=WORKERS):
    return yonder.Pool(max=workers, preload=[])


def distant(workers=WORKERS):
    return yonder.Pool(backend="docker", max=workers, preload=[])


MAKERS = {"params": [standard, ours, distant], "ids": ["stdlib", "yonder", "distant"]}


@contextlib.contextmanager
def surroundings(make, paths):
    """What a maker needs to be there."""
    with elsewhere(paths.mktemp("meeting")) if make is distant else contextlib.nullcontext():
        yield


@pytest.fixture(**MAKERS, scope="module")
def pool(request, tmp_path_factory):
    """One executor for the tests that leave it as it was."""
    with surroundings(request.param, tmp_path_factory), request.param() as made:
        yield made


@pytest.fixture(**MAKERS)
def make(request, tmp_path_factory):
    """A maker, for the tests that end their executor."""
    with surroundings(request.param, tmp_path_factory):
        yield request.param


class Gate:
    """A door that calls wait at."""

    def __init__(self, path):
        self.path = path

    def __str__(self):
        return str(self.path)

    def open(self):
        self.path.touch()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Whatever the test found: the executor behind it waits for its calls."""
        self.open()


@pytest.fixture
def gate(tmp_path):
    made = Gate(tmp_path / "gate")
    yield made
    made.open()


def eventually(condition):
    """Wait for what another process does; it sends no event."""
    while not condition():
        time.sleep(0.005)


# ── calls and their ends ──────────────────────────────────────────────────────────────────────────────────────────────


def test_it_is_an_executor_and_its_futures_are_futures(pool):
    assert isinstance(pool, cf.Executor)
    assert isinstance(pool.submit(double, 1), cf.Future)


def test_arguments_arrive_whatever_their_names(pool):
    sent = {"self": 1, "fn": 2, "timeout": 3, "args": 4}
    assert pool.submit(echo, 1, "two", **sent).result() == ((1, "two"), sent)


def test_the_function_has_no_keyword(pool):
    with pytest.raises(TypeError):
        pool.submit(fn=double)


@pytest.mark.parametrize("value", [None, 0, "", [1, [2]], {"a": (1,)}, Odd("a value, not raised")], ids=repr)
def test_values_come_back_as_they_are(pool, value):
    (found,), _ = pool.submit(echo, value).result()
    assert repr(found) == repr(value)


def test_a_result_is_one_object_however_often_it_is_asked_for(pool):
    future = pool.submit(double, [1])
    assert future.result() is future.result()
    assert future.exception() is None
    assert (future.done(), future.running(), future.cancelled()) == (True, False, False)


def test_many_threads_may_ask_for_one_result(pool, gate):
    future = pool.submit(until, str(gate), 7)
    found = []
    askers = [threading.Thread(target=lambda: found.append(future.result())) for _ in range(8)]
    for one in askers:
        one.start()
    gate.open()
    for one in askers:
        one.join()
    assert found == [7] * 8


def test_an_exception_keeps_its_type_and_arguments_and_names_its_remote_line(pool):
    future = pool.submit(fail, Odd, 3, "x")
    with pytest.raises(Odd) as caught:
        future.result()
    assert caught.value.args == (3, "x")
    assert "in fail" in str(caught.value.__cause__)
    assert isinstance(future.exception(), Odd)
    assert pool.submit(double, 1).result() == 2


def test_the_cause_of_an_exception_is_told(pool):
    error = pool.submit(fail_because).exception()
    assert error.args == ("because",)
    assert "KeyError: 'missing'" in str(error.__cause__)


def test_exit_in_a_call_ends_the_call_only(pool):
    """There it is raised here as well; here it is an error in words, so that a worker cannot end the program."""
    with pytest.raises((SystemExit, RuntimeError), match="3"):
        pool.submit(fail, SystemExit, 3).result(30)
    assert pool.submit(double, 1).result() == 2


@pytest.mark.parametrize("kind", [KeyboardInterrupt, GeneratorExit])
def test_an_exception_that_would_end_a_program_ends_the_call_only(pool, kind):
    with pytest.raises(kind):
        pool.submit(fail, kind, 3).result(30)
    assert pool.submit(double, 1).result() == 2


def test_an_exception_that_cannot_be_made_again_still_ends_the_call(make):
    with make(1) as fresh, pytest.raises(Exception, match=r".") as caught:
        fresh.submit(fail, Whole, 1, 2).result(30)
    assert not isinstance(caught.value, TimeoutError)


# ── what does not travel ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("function", "args"),
    [(echo, (threading.Lock,)), (functools.partial(echo, threading.Lock), ()), (lock, ())],
    ids=["argument", "function", "result"],
)
def test_what_does_not_pickle_is_the_calls_own_error(pool, function, args):
    """Raised by submit or by result: the documentation leaves it open."""
    made = [one() if one is threading.Lock else one for one in args]
    if isinstance(function, functools.partial):
        function = functools.partial(echo, threading.Lock())
    with pytest.raises((TypeError, ValueError), match="lock"):
        pool.submit(function, *made).result(30)
    assert pool.submit(double, 1).result() == 2


def test_one_item_of_a_map_that_does_not_pickle_spoils_no_later_call(pool):
    with pytest.raises((TypeError, ValueError), match="lock"):
        list(pool.map(double, [1, threading.Lock(), 3], timeout=30))
    assert pool.submit(double, 1).result() == 2


def test_fifty_megabytes_each_way(pool):
    size = 50 * 1024 * 1024
    assert len(pool.submit(large, size).result()) == size
    assert pool.submit(len, large(size)).result() == size


# ── map ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_map_keeps_order_and_stops_with_the_shortest(pool):
    assert list(pool.map(pow, [2, 3, 4, 5], itertools.repeat(2, 3))) == [4, 9, 16]
    assert list(pool.map(double, [])) == []


@pytest.mark.parametrize("size", [1, 2, 7, 100])
def test_chunks_change_nothing_but_the_way(pool, size):
    assert list(pool.map(double, range(20), chunksize=size)) == [number * 2 for number in range(20)]


@pytest.mark.parametrize("size", [0, -1])
def test_a_chunk_of_nothing_is_refused(pool, size):
    with pytest.raises(ValueError, match="chunksize"):
        list(pool.map(double, range(2), chunksize=size))


def test_map_does_not_wait_for_anything_itself(pool, gate):
    values = pool.map(until, [str(gate)] * 3, range(3))
    gate.open()
    assert list(values) == [0, 1, 2]


def test_values_come_before_those_behind_them_are_ready(pool, gate, tmp_path):
    (tmp_path / "open").touch()
    values = pool.map(until, [str(tmp_path / "open"), str(gate)], "ab")
    assert next(values) == "a"
    gate.open()
    assert next(values) == "b"


def test_an_exception_comes_at_its_place_and_ends_the_map(pool):
    values = pool.map(fail_at, range(5), itertools.repeat(2))
    assert [next(values), next(values)] == [0, 1]
    with pytest.raises(Odd, match="2"):
        next(values)
    assert list(values) == []


def test_input_comes_from_generators_and_their_exceptions_are_raised(pool):
    def broken():
        yield 1
        raise Odd("the input")

    assert list(pool.map(double, (number for number in range(3)))) == [0, 2, 4]
    with pytest.raises(Odd, match="the input"):
        list(pool.map(double, broken()))


def test_a_map_that_takes_too_long_raises_at_its_value(pool, gate, tmp_path):
    (tmp_path / "open").touch()
    values = pool.map(until, [str(tmp_path / "open"), str(gate)], "ab", timeout=2)
    assert next(values) == "a"
    with pytest.raises(TimeoutError):
        next(values)


def test_a_map_that_nobody_reads_on_cancels_what_has_not_begun(make, gate, tmp_path):
    marks = [str(tmp_path / f"mark-{number}") for number in range(20)]
    (tmp_path / "open").touch()
    with make(1) as fresh, gate:
        values = fresh.map(announce, marks, [str(tmp_path / "open"), *[str(gate)] * 19])
        assert next(values) == "held"
        values.close()
    assert not Path(marks[-1]).exists()


# ── futures ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_waiting_too_long_is_a_timeout_and_the_call_goes_on(pool, gate):
    future = pool.submit(until, str(gate), 7)
    with pytest.raises(TimeoutError):
        future.result(0.01)
    with pytest.raises(TimeoutError):
        future.exception(0)
    gate.open()
    assert future.result() == 7


def test_a_call_that_runs_says_so(pool, gate, tmp_path):
    future = pool.submit(announce, str(tmp_path / "mark"), str(gate))
    eventually(future.running)
    assert not future.done()
    gate.open()
    future.result()
    assert not future.running()


def test_a_waiting_call_can_be_cancelled_and_a_finished_one_cannot(make, gate):
    with make(1) as fresh, gate:
        first = fresh.submit(until, str(gate), 1)
        last = [fresh.submit(until, str(gate), number) for number in range(5)][-1]
        assert last.cancel()
        assert (last.cancelled(), last.done(), last.running()) == (True, True, False)
        with pytest.raises(cf.CancelledError):
            last.result(0)
        with pytest.raises(cf.CancelledError):
            last.exception(0)
        gate.open()
        assert first.result() == 1
        assert not first.cancel()
        assert not first.cancelled()


@pytest.mark.parametrize("make", [standard, ours], ids=["stdlib", "yonder"])
def test_cancelling_twice_is_as_good_as_once(make, gate):
    with make(1) as fresh, gate:
        last = [fresh.submit(until, str(gate)) for _ in range(6)][-1]
        assert (last.cancel(), last.cancel()) == (True, True)


def test_callbacks_run_in_order_and_one_that_fails_is_logged(pool, gate, caplog):
    heard = []
    future = pool.submit(until, str(gate), 1)
    future.add_done_callback(lambda done: heard.append(("first", done)))
    future.add_done_callback(lambda done: fail(Odd, "in a callback"))
    future.add_done_callback(lambda done: heard.append(("last", done)))
    over = threading.Event()
    future.add_done_callback(lambda done: over.set())
    with caplog.at_level(logging.ERROR, "concurrent.futures"):
        gate.open()
        assert over.wait(30)
    assert heard == [("first", future), ("last", future)]
    assert "in a callback" in caplog.text


def test_a_callback_that_comes_late_runs_at_once_in_its_own_thread(pool):
    future = pool.submit(double, 1)
    future.result()
    heard = []
    future.add_done_callback(lambda done: heard.append((threading.current_thread(), done.result())))
    assert heard == [(threading.current_thread(), 2)]


def test_callbacks_hear_of_cancelling(make, gate):
    with make(1) as fresh, gate:
        futures = [fresh.submit(until, str(gate)) for _ in range(6)]
        heard = []
        futures[-1].add_done_callback(lambda done: heard.append(done.cancelled()))
        assert futures[-1].cancel()
        assert heard == [True]


def test_a_callback_may_submit(pool):
    inner = []
    over = threading.Event()

    def again(done):
        inner.append(pool.submit(double, done.result()))
        over.set()

    pool.submit(double, 1).add_done_callback(again)
    assert over.wait(30)
    assert inner[0].result() == 4


def test_a_call_goes_on_when_its_future_is_dropped(pool, tmp_path):
    (tmp_path / "open").touch()
    pool.submit(announce, str(tmp_path / "mark"), str(tmp_path / "open"))
    eventually((tmp_path / "mark").exists)


# ── wait, as_completed ────────────────────────────────────────────────────────────────────────────────────────────────


def test_as_completed_gives_them_as_they_come(pool, gate):
    held = pool.submit(until, str(gate), "held")
    quick = pool.submit(double, 1)
    order = cf.as_completed([held, quick], timeout=30)
    assert next(order) is quick
    gate.open()
    assert list(order) == [held]


def test_as_completed_has_patience_only_so_long(pool, gate):
    with pytest.raises(TimeoutError):
        list(cf.as_completed([pool.submit(until, str(gate))], timeout=0.01))


def test_waiting_for_the_first(pool, gate):
    held, quick = pool.submit(until, str(gate)), pool.submit(double, 1)
    done, rest = cf.wait([held, quick], return_when=cf.FIRST_COMPLETED)
    assert (done, rest) == ({quick}, {held})


@pytest.mark.parametrize("make", [standard, ours], ids=["stdlib", "yonder"])
def test_waiting_for_the_first_exception(make, gate):
    with make(2) as fresh, gate:
        held = fresh.submit(until, str(gate))
        bad = fresh.submit(fail, Odd)
        late = threading.Timer(3, gate.open)  # who is not woken by the exception finds both ended
        late.start()
        done, rest = cf.wait([held, bad], return_when=cf.FIRST_EXCEPTION)
        late.cancel()
        assert (done, rest) == ({bad}, {held})


def test_waiting_for_all_and_not_for_ever(pool, gate):
    held, quick = pool.submit(until, str(gate)), pool.submit(double, 1)
    quick.result()
    assert cf.wait([held, quick], timeout=0.01) == ({quick}, {held})
    gate.open()
    assert cf.wait([held, quick]).not_done == set()


# ── asyncio ───────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_futures_can_be_awaited(pool):
    values = await asyncio.gather(*(asyncio.wrap_future(pool.submit(double, number)) for number in range(20)))
    assert values == [number * 2 for number in range(20)]
    with pytest.raises(Odd):
        await asyncio.wrap_future(pool.submit(fail, Odd))


async def test_a_loop_can_run_things_in_it(pool):
    loop = asyncio.get_running_loop()
    assert await loop.run_in_executor(pool, double, 21) == 42


async def test_cancelling_what_awaits_cancels_a_waiting_call(make, gate):
    with make(1) as fresh, gate:
        futures = [fresh.submit(until, str(gate)) for _ in range(6)]
        awaiting = asyncio.ensure_future(asyncio.wrap_future(futures[-1]))
        awaiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await awaiting
        for _ in range(3):  # the awaiting one tells the call in a later turn of the loop
            await asyncio.sleep(0)
        assert futures[-1].cancelled()


# ── many at once ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_many_threads_submit_and_each_gets_its_own(pool):
    wrong = []

    def work(number):
        futures = [pool.submit(double, number * 1000 + n) for n in range(50)]
        wrong.extend(n for n, one in enumerate(futures) if one.result() != (number * 1000 + n) * 2)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    assert wrong == []


# ── the end ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_with_block_waits_for_its_calls_and_lets_exceptions_through(make, gate):
    with make(1) as fresh, gate:
        futures = [fresh.submit(until, str(gate), number) for number in range(3)]
        threading.Timer(0.05, gate.open).start()
    assert [future.result(0) for future in futures] == [0, 1, 2]
    with pytest.raises(Odd), make(1):
        raise Odd


def test_nothing_is_taken_after_the_end(make):
    fresh = make(1)
    fresh.shutdown()
    fresh.shutdown()
    with pytest.raises(RuntimeError):
        fresh.submit(double, 1)
    with pytest.raises(RuntimeError):
        list(fresh.map(double, [1]))


def test_shutdown_without_waiting_returns_before_the_calls_end(make, gate, tmp_path):
    fresh = make(1)
    future = fresh.submit(announce, str(tmp_path / "mark"), str(gate))
    fresh.shutdown(wait=False)
    assert not future.done()
    gate.open()
    assert future.result(30) == "held"


def test_cancel_futures_cancels_what_waits_and_lets_finish_what_runs(make, gate, tmp_path):
    fresh = make(1)
    running = fresh.submit(announce, str(tmp_path / "mark"), str(gate))
    waiting = [fresh.submit(until, str(gate)) for _ in range(10)]
    eventually(running.running)
    eventually((tmp_path / "mark").exists)
    threading.Timer(0.2, gate.open).start()
    fresh.shutdown(cancel_futures=True)
    assert running.result(0) == "held"
    assert all(future.done() for future in waiting)
    assert all(future.cancelled() for future in waiting[2:])  # the standard library has one or two under way


@pytest.mark.parametrize("maker", ["cf.ProcessPoolExecutor(1)", "yonder.Pool(max=1)"], ids=["stdlib", "yonder"])
def test_a_program_that_forgets_to_shut_down_ends(tmp_path, maker):
    code = f"""
        import concurrent.futures as cf, yonder
        def double(n):
            return n * 2
        if __name__ == "__main__":
            pool = {maker}
            print(pool.submit(double, 4).result(), flush=True)
            unread = pool.submit(double, 5)
        """
    file = tmp_path / "program.py"
    file.write_text(textwrap.dedent(code))
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "executor")}
    done = subprocess.run(
        [sys.executable, str(file)], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "8\n", "")


# ── a death ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_worker_that_dies_is_an_exception_at_the_call(make):
    """There the pool is broken from then on; here it goes on."""
    fresh = make(1)
    try:
        with pytest.raises((BrokenProcessPool, yonder.ExecutorLost)):
            fresh.submit(die).result(60)
        if make is not standard:
            assert fresh.submit(double, 4).result(60) == 8
    finally:
        fresh.shutdown()
