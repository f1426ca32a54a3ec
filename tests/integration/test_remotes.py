"""Objects that stay on real workers, each test a program of its own. The counting is tests/core/test_keeps.py."""

from __future__ import annotations

import pytest
from tests.integration.programs import program

MAKING = """
import os, signal, time, yonder
from yonder import seat
def make(n): return list(range(n))
def total(numbers, times=1): return sum(numbers) * times
def where(_=None): return os.getpid()
def kept_here(): return len(seat.current().keeper)
def two(pool):
    '''Handles on two different workers.'''
    first = pool.keep(make, 3).result()
    busy = first.submit(wait_for, "go")
    second = pool.keep(make, 4).result()
    open("go", "w").close()
    busy.result()
    assert first.call(where) != second.call(where)
    return first, second
def wait_for(_, flag):
    while not os.path.exists(flag):
        time.sleep(0.005)
def die_after(_, flag):
    wait_for(_, flag)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def run(tmp_path, code: str, **more) -> list[str]:
    return program(tmp_path, MAKING + code.replace("\n        ", "\n"), **more).splitlines()


def test_a_handle_says_what_it_names_and_works_where_that_is(tmp_path):
    assert run(
        tmp_path,
        """
        with yonder.Pool(max=2) as pool:
            handle = pool.keep(make, 1000).result()
            print(handle.type, handle.shape, handle.size > 8000, repr(handle)[:35])
            print(handle.get() == make(1000), handle.call(total), handle.call(total, times=2), handle.submit(len).result())
            print(handle.call(where) == pool.call(where, handle) == handle.call(where))
            print(pool.call(total, handle), pool.call(total, numbers=handle))
        print("the pool is closed" in handle.lost, "lost: it was on" in repr(handle))
        try:
            handle.get()
        except yonder.RemoteLost as error:
            print("the remote list is lost: it was on executor" in str(error))
        """,
    ) == [
        "list None True <yonder.Remote [0, 1, 2, 3, 4, …], ",
        "True 499500 999000 1000",
        "True",
        "499500 499500",
        "True True",
        "True",
    ]


def test_handles_inside_others_stay_handles_and_keep_their_objects(tmp_path):
    assert run(
        tmp_path,
        """
        def nested(n): return [[yonder.keep(i), {"at": yonder.keep(make(i))}] for i in range(n)]
        def kinds(items): return [type(one).__name__ for one in items], sum(one.get() for one in items)
        def ring():
            loop = [yonder.keep("inside")]
            loop.append(loop)
            return loop
        def values(n):
            for i in range(n):
                yield yonder.keep(i)
        class Maker:
            def make(self, n): return yonder.keep(make(n))
            def total(self, numbers): return sum(numbers)
        with yonder.Pool(max=1) as pool:
            found = pool.call(nested, 3)
            print([(one.get(), rest["at"].get()) for one, rest in found])
            print(pool.call(kinds, [one for one, _ in found]))
            loop = pool.call(ring)
            print(loop[1] is loop, loop[0].get())
            print([handle.get() for handle in list(pool.stream(values, 20))])
            print([handle.get() for handle in pool.map(yonder.keep, range(5))])
            print(list(pool.map(abs, [one for one, _ in found])))
            with pool.place(Maker) as maker:
                handle = maker.make(4)
                print(maker.total(handle))
            print(handle.get())
            print([handle.get() for handle in pool.broadcast(yonder.keep, "everywhere")])
            print(pool.broadcast(total, handle), pool.broadcast(kinds, [handle][:0]))
        """,
    ) == [
        "[(0, []), (1, [0]), (2, [0, 1])]",
        "(['Remote', 'Remote', 'Remote'], 3)",
        "True inside",
        str(list(range(20))),
        "[0, 1, 2, 3, 4]",
        "[0, 1, 2]",
        "6",
        "[0, 1, 2, 3]",
        "['everywhere']",
        "[6] [([], 0)]",
    ]


def test_objects_of_two_workers_meet_where_most_of_them_is(tmp_path):
    assert run(
        tmp_path,
        """
        def both(a, b): return a + b, os.getpid()
        with yonder.Pool(max=2) as pool:
            small, large = two(pool)
            value, pid = pool.call(both, small, large)
            print(value, pid == large.call(where))
            value, pid = small.call(both, large)
            print(value, pid == small.call(where))
            value, pid = large.call(lambda mine, handles: (handles[0].get(), os.getpid()), [small])
            print(value, pid == large.call(where))
            hop = small
            for _ in range(6):
                hop = pool.call(lambda handles: yonder.keep(handles[0].get()), [hop])
            print(hop.get())
        """,
    ) == ["[0, 1, 2, 0, 1, 2, 3] True", "[0, 1, 2, 0, 1, 2, 3] True", "[0, 1, 2] True", "[0, 1, 2]"]


def test_a_nested_call_with_an_object_of_its_own_worker_gets_a_copy(tmp_path):
    assert run(
        tmp_path,
        """
        def outer():
            handle = yonder.keep([1, 2, 3])
            with yonder.Pool() as pool:
                inner = pool.keep(make, 3).result()
                return pool.call(total, handle), handle.call(total), handle.get() is handle.get(), inner.call(total), inner
        with yonder.Pool(max=2) as pool:
            *values, inner = pool.call(outer)
            print(values, inner.get())
        """,
    ) == ["[6, 6, True, 3] [0, 1, 2]"]


def test_a_lost_object_says_why(tmp_path):
    assert run(
        tmp_path,
        """
        with yonder.Pool(max=1) as pool:
            handle = pool.keep(make, 3).result()
            try:
                handle.call(lambda _: os.kill(os.getpid(), signal.SIGKILL))
            except yonder.ExecutorLost:
                print("lost its executor")
            try:
                handle.get()
            except yonder.RemoteLost as error:
                print("was killed by" in str(error), "SIGKILL" in str(error) or "signal 9" in str(error))
            try:
                pool.call(total, handle)
            except yonder.RemoteLost as error:
                print("it was on" in str(error))
            print("lost: " in repr(handle), pool.call(total, [1, 2]))
        """,
    ) == ["lost its executor", "True True", "True", "True 3"]


def test_whoever_waits_for_a_lost_object_hears_of_it(tmp_path):
    assert run(
        tmp_path,
        """
        with yonder.Pool(max=1) as pool:
            handle = pool.keep(make, 3).result()
            running = handle.submit(die_after, "now")
            waiting = [handle.submit(total), handle.fetch(), pool.submit(total, handle)]
            open("now", "w").close()
            print(type(running.exception()).__name__)
            print({type(future.exception()).__name__ for future in waiting})
        """,
    ) == ["ExecutorLost", "{'RemoteLost'}"]


def test_what_keeps_an_executor_is_named_and_can_be_spilled(tmp_path):
    assert run(
        tmp_path,
        """
        with yonder.Pool(max=1, idle_timeout=0.2) as pool:
            happened = pool.events()
            handle = pool.keep(make, 100_000).result()
            pid = handle.call(where)
            time.sleep(0.6)  # three idle times
            print(handle.call(where) == pid, "is kept by 1 remote object, " in pool.explain())
            handle.spill()
            print(next(event.kind for event in happened if event.kind == "gone"))
            print(handle.get() == make(100_000), "kept by" in pool.explain())
            print(handle.call(total), pool.call(total, handle), handle.call(where) != pid)
        """,
    ) == ["True True", "gone", "True False", "4999950000 4999950000 True"]


def test_a_lifetime_wins_over_what_is_kept(tmp_path):
    assert run(
        tmp_path,
        """
        with yonder.Pool(max=1, max_lifetime=0.5, grace=0.2) as pool:
            happened = pool.events()
            handle = pool.keep(make, 3).result()
            print(next(event.kind for event in happened if event.kind == "gone"))
            try:
                handle.get()
            except yonder.RemoteLost as error:
                print("max_lifetime of 0.5 s" in str(error) or error)
        """,
    ) == ["gone", "True"]


def test_ten_thousand_handles_leave_nothing_behind(tmp_path):
    out = run(
        tmp_path,
        """
        import gc
        def memory():
            return int(open("/proc/self/statm").read().split()[1]) * 4096
        def thousand(_): return [yonder.keep(bytearray(10_000)) for _ in range(1000)]
        with yonder.Pool(max=1) as pool:
            def settled():
                while pool.call(kept_here) or "kept by" in pool.explain():
                    time.sleep(0.005)
                return pool.call(memory)
            pool.call(thousand, 0)
            before = settled()
            for turn in range(10):
                handles = pool.call(thousand, turn)
                handles[0].call(len)
                del handles
            after = settled()
            from yonder import holding
            gc.collect()
            print(after - before < 20_000_000, len(holding._known), len(pool._line.board.holdings))
        """,
        timeout=120,
    )
    assert out == ["True 0 0"]


def test_where_nothing_can_be_kept(tmp_path):
    assert run(
        tmp_path,
        """
        with yonder.Pool(max=1, isolation="process") as pool:
            for refused in (lambda: yonder.keep(1), lambda: pool.keep(make, 1)):
                try:
                    refused()
                except yonder.UsageError as error:
                    print(error)
            handle = pool.call(lambda: yonder.keep([1]))
            try:
                handle.get()
            except yonder.RemoteLost as error:
                print("whose place a fresh process took" in str(error) or error)
        with yonder.Pool(max=1) as pool:
            try:
                pool.keep(lambda: open("pid", "w")).result().get()
            except yonder.SerializationError as error:
                print("cannot travel" in str(error))
        """,
    ) == [
        "keep() is for code that a pool runs; here the value stays in its variable, and pool.put(value) makes a handle",
        "keep(): every call of this pool has a fresh process, and what it keeps would go with that",
        "True",
        "True",
    ]


def test_a_value_is_put_before_there_is_any_executor(tmp_path):
    assert run(
        tmp_path,
        """
        class Table:
            def __init__(self): self.rows = list(range(50_000))
        def change(table):
            table.rows.append("mine")
            return len(table.rows), os.getpid()
        with yonder.Pool(max=2) as pool:
            handle = pool.put(Table())
            inside = pool.put({"handle": handle, "more": [handle]})
            print(pool.status().executors, handle.type, handle.get().rows[-1], "kept by" in pool.explain())
            print([pool.call(change, handle)[0] for _ in range(3)], handle.call(change)[0])
            print(pool.call(lambda held: held["handle"].get().rows[1] + held["more"][0].call(change)[0], inside))
            pool.broadcast(len, "x")
            del handle
            print(inside.get()["handle"].get().rows[:2])
            try:
                pool.put(__import__('threading').Lock())
            except yonder.SerializationError as error:
                print("cannot travel" in str(error))
    """,
    ) == ["0 Table 49999 False", "[50001, 50001, 50001] 50001", "50002", "[0, 1]", "True"]


@pytest.mark.parametrize("near", [True, False])
def test_what_was_put_goes_to_a_worker_once(tmp_path, near):
    assert run(
        tmp_path,
        f"""
        from yonder import wire
        from yonder.hub.worker import Worker
        said, say = [], Worker.say
        def counting(self, message):
            said.append(len(wire.encode(message)) + sum(map(len, wire.framing.loads(message) and message.body or [])))
            say(self, message)
        Worker.say = counting
        def first(content):
            content[0] += 1  # in a copy of the call's own
            return content[0]
        with yonder.Pool(max=1) as pool:
            pool._line._near = {near}
            handle = pool.put(bytearray(3_000_000))
            print(pool.call(first, handle), handle.call(first), sum(said) > 3_000_000)
            said.clear()
            print(sum(pool.map(len, [handle] * 50)), sum(said) < 50_000)
            print(len(handle.get()), handle.get()[0])
        """,
    ) == [f"1 1 {not near}", "150000000 True", "3000000 0"]


def test_what_was_put_is_one_memory_for_all_workers_and_goes_with_its_handle(tmp_path):
    assert run(
        tmp_path,
        """
        import gc
        import numpy as np
        from yonder.hub.spill import SPILL
        def private(array, write):
            # Bytes of the array that this process has for itself.
            if write:
                array[:] = 2
            total = int(array.sum())
            at, end, found = array.ctypes.data, array.ctypes.data + array.nbytes, 0
            for line in open("/proc/self/smaps"):
                words = line.split()
                if "-" in words[0] and not words[0].endswith(":"):
                    low, high = (int(word, 16) for word in words[0].split("-"))
                elif low < end and at < high and words[0] == "Anonymous:":
                    found += int(words[1]) * 1024
            return os.getpid(), found, total
        with yonder.Pool(min=2, max=2) as pool:
            while pool.status().idle < 2:
                time.sleep(0.01)
            handle = pool.put(np.ones(1_000_000))
            print(SPILL.givens.bytes > 8_000_000)
            writes = (False, True) * 4
            found = [future.result() for future in [pool.submit(private, handle, write) for write in writes]]
            print({total for (_, _, total), write in zip(found, writes) if not write})
            print(max(size for (_, size, _), write in zip(found, writes) if not write) < 1_000_000)
            print(min(size for (_, size, _), write in zip(found, writes) if write) >= 8_000_000)
            try:
                pool.call(lambda array: os._exit(7), handle)
            except yonder.ExecutorLost:
                print("one is gone")
            print(pool.call(private, handle, False)[2], handle.get().sum())
            del handle
            gc.collect()
            pool.call(len, "a word after it")
            print(SPILL.givens.bytes)
        """,
    ) == ["True", "{1000000}", "True", "True", "one is gone", "1000000 1000000.0", "0"]


@pytest.mark.parametrize("near", [True, False])
def test_large_arguments_go_to_a_worker_once_however_many_calls_name_them(tmp_path, near):
    assert run(
        tmp_path,
        f"""
        import numpy as np
        from yonder import wire
        from yonder.hub.worker import Worker
        said, say = [], Worker.say
        def counting(self, message):
            bodies = wire.framing._BODIES.get(type(message), ())
            said.append(sum(wire.weight(getattr(message, name)) for name in bodies))
            say(self, message)
        Worker.say = counting
        def change(array, n):
            array[0] += n
            return float(array[0] + array.sum())
        class Holder:
            def change(self, array, n): return change(array, n)
        with yonder.Pool(max=1) as pool:
            pool._line._near = pool._line._blobs._near = {near}
            array = np.ones(500_000)
            print([pool.call(change, array, n) for n in range(3)])
            print(sum(said) > 4_000_000, sum(said) < 5_000_000)
            said.clear()
            print(list(pool.map(change, [array] * 5, range(5)))[-1], [pool.call(change, n=1, array=array)])
            with pool.place(Holder) as holder:
                print(holder.change(array, 2), holder.change(array, 3))
            print(sum(said) < 50_000)
            array[7] = 5
            print(pool.call(change, array, 0))
        """,
    ) == [
        "[500001.0, 500003.0, 500005.0]",
        f"{not near} True",
        "500009.0 [500003.0]",
        "500005.0 500007.0",
        "True",
        "500005.0",
    ]


def test_who_waits_for_the_worker_that_waits_for_it_is_told(tmp_path):
    assert run(
        tmp_path,
        """
        def takes(handles): return handles[0].get()
        def outer():
            with yonder.Pool() as pool:
                mine = yonder.keep([1, 2])
                ring = pool.submit(takes, [mine])
                try:
                    return ring.result()
                except yonder.PoolDeadlock as error:
                    return str(error)[:49], pool.call(sum, mine)
        with yonder.Pool(max=2) as pool:
            print(pool.call(outer))
        """,
    ) == ["('the object that this call needs is on a worker wh', 3)"]


def test_what_a_broadcast_gave_to_nobody_is_let_go_of(tmp_path):
    assert run(
        tmp_path,
        """
        import threading
        from yonder import wire
        with yonder.Pool(max=1) as pool:
            board, said, heard = pool._line.board, [], threading.Event()
            board.tell = lambda message: (said.append(message), heard.set())
            end = wire.CallDone(1, "ok", b"", refs=[b"r" * wire.REF])
            board._received(wire.BroadcastDone(999, [end, wire.CallDone(2, "ok", b"")]))  # who asked was interrupted
            heard.wait(30)
            print(said == [wire.Release({b"r" * wire.REF: 1})])
        """,
    ) == ["True"]


def test_a_hub_without_room_says_so_and_loses_nothing(tmp_path):
    assert run(
        tmp_path,
        """
        import shutil
        from types import SimpleNamespace
        from yonder.hub import spill
        spill.SPILL._memory = spill.SPILL.givens._most = 0
        shutil.disk_usage = lambda folder: SimpleNamespace(free=spill.RESERVE + 300_000)
        def told(act):
            try:
                act()
            except yonder.NoRoom as error:
                return str(error).startswith("the hub has no room for ")
        with yonder.Pool(max=1) as pool:
            handle = pool.keep(make, 100_000).result()
            pid = handle.call(where)
            print(told(lambda: pool.put(make(500_000))), told(handle.spill))
            print(handle.call(total), handle.call(where) == pid)
            shutil.disk_usage = lambda folder: SimpleNamespace(free=10**12)
            handle.spill()
            print(handle.get() == make(100_000))
        """,
    ) == ["True True", "4999950000 True", "True"]
