"""Large values between a program and its local executors: in shared memory, each side with a copy of its own."""

from __future__ import annotations

import pytest
from tests.integration.programs import program

from yonder import segments

pytest.importorskip("numpy")
pytestmark = pytest.mark.skipif(not segments.possible(), reason="no anonymous files here")


def test_100_mb_there_and_back_and_nobody_writes_into_anothers(tmp_path):
    out = program(
        tmp_path,
        """
        import numpy as np, yonder
        def change(array, n):
            before = int(array.sum())
            array[:n] = 9
            return array, before
        array = np.zeros(100_000_000, np.uint8)
        with yonder.Pool(max=2) as pool:
            for n in (1, 2):
                found, before = pool.call(change, array, n)
                found[-1] = 1
                print(before, int(found[:-1].sum()), found.flags.writeable, int(array.sum()))
            print([int(one.sum()) for one, _ in pool.map(change, [array] * 4, range(4))])
            print([pool.submit(change, bytes(300_000), 0).exception().__class__.__name__])
        """,
    )
    lines = ["0 9 True 0", "0 18 True 0", "[0, 9, 18, 27]", "['AttributeError']"]
    assert out.splitlines() == lines


def test_streams_actors_broadcasts_and_nested_pools(tmp_path):
    out = program(
        tmp_path,
        """
        import numpy as np, yonder
        def each(array, n):
            for i in range(n):
                array += 1
                yield array
        class Sum:
            def __init__(self, start):
                self.total = start
            def add(self, array):
                self.total = self.total + array
                return self.total
        def ones(n):
            return np.ones(n)
        def nested(array):
            import yonder
            with yonder.Pool("inner", max=1) as pool:
                return pool.call(np.add, array, 1)
        array = np.zeros(1_000_000)
        with yonder.Pool(max=2) as pool:
            values = list(pool.stream(each, array, 5))
            print([float(value[0]) for value in values], float(array[0]))
            with pool.place(Sum, array) as total:
                print([float(total.add(array + 1)[-1]) for _ in range(3)])
            pool.call(ones, 3)
            print([float(value.sum()) for value in pool.broadcast(ones, 500_000)][0])
            print(float(pool.call(nested, array).sum()))
        """,
    )
    assert out.splitlines() == ["[1.0, 2.0, 3.0, 4.0, 5.0] 0.0", "[1.0, 2.0, 3.0]", "500000.0", "1000000.0"]


def test_segments_and_descriptors_are_the_same_after_1000_calls(tmp_path):
    out = program(
        tmp_path,
        """
        import gc, os, yonder
        from yonder import segments
        def echo(value):
            return value
        def inside():
            import os
            from yonder import segments
            return len(os.listdir("/proc/self/fd")), len(segments.OWN), segments.OWN.bytes
        def now():
            gc.collect()
            return len(os.listdir("/proc/self/fd")), len(segments.OWN), segments.OWN.bytes
        large, small = bytearray(2_000_000), bytearray(400_000)
        with yonder.Pool(max=1) as pool:
            def some(count):
                for n in range(count):
                    assert pool.call(echo, large if n % 10 == 0 else small) is not None
                return now(), pool.call(inside)
            some(20)
            print(some(100) == some(1000), segments.OWN.bytes < 4_000_000)
        print(now()[1:])
        """,
    )
    assert out.splitlines() == ["True True", "(0, 0)"]


def test_a_call_that_is_tried_again_gets_its_arguments_again(tmp_path):
    out = program(
        tmp_path,
        """
        import os, signal, numpy as np, yonder
        def fragile(array, flag):
            array += 1
            if not os.path.exists(flag):
                open(flag, "w").close()
                os.kill(os.getpid(), signal.SIGKILL)
            return float(array.sum())
        array = np.zeros(1_000_000)
        with yonder.Pool(max=1, retries=1) as pool:
            future = pool.submit(fragile, array, os.path.abspath("flag"))
            print(future.result(), future.attempts)
        """,
    )
    assert out.splitlines() == ["1000000.0 2"]


def test_a_result_outlives_the_worker_that_made_it(tmp_path):
    out = program(
        tmp_path,
        """
        import numpy as np, yonder
        def ones():
            return np.ones(1_000_000)
        with yonder.Pool(max=2, isolation="process") as pool:
            futures = [pool.submit(ones) for _ in range(6)]
            concurrent = [future.result() for future in futures[:3]]
        print([float(future.result().sum()) for future in futures], len(concurrent))
        """,
    )
    assert out.splitlines() == [f"{[1000000.0] * 6} 3"]


def test_models_share_what_they_shared(tmp_path):
    pytest.importorskip("torch")
    out = program(
        tmp_path,
        """
        import torch, yonder
        def step(model):
            with torch.no_grad():
                model[0].weight += 1
            return model.state_dict(), model[1].weight is model[0].weight
        model = torch.nn.Sequential(torch.nn.Linear(512, 512), torch.nn.Linear(512, 512))
        model[1].weight = model[0].weight
        with yonder.Pool(max=1) as pool:
            state, tied = pool.call(step, model)
        print(tied, torch.equal(state["1.weight"], model[0].weight + 1), torch.equal(state["1.bias"], model[1].bias))
        """,
    )
    assert out.splitlines() == ["True True True"]


def test_what_a_failed_call_was_given_goes_with_it(tmp_path):
    said = program(
        tmp_path,
        """
        import gc, sys, weakref, yonder
        class Large: pass
        def begin():
            gc.disable()
            sys.given = []  # the functions' globals are copies, each of its own
        def note(one):
            sys.given.append(weakref.ref(one))
        def fails(one):
            note(one)
            raise ValueError("no")
        def steps(one):
            note(one)
            yield 1
            raise ValueError("no")
        class Actor:
            def __init__(self, one=None):
                if one is not None: fails(one)
            def fails(self, one): fails(one)
        def left():
            return [int(one() is not None) for one in sys.given]
        def attempt(function, *args):
            try:
                function(*args)
            except (ValueError, yonder.YonderError):
                pass
        with yonder.Pool(max=1) as pool:
            pool.call(begin)
            attempt(pool.call, fails, Large())
            attempt(lambda: list(pool.stream(steps, Large())))
            attempt(lambda: list(pool.map(fails, [Large() for _ in range(4)], chunksize=4)))
            attempt(pool.place, Actor, Large())
            with pool.place(Actor) as actor:
                attempt(actor.fails, Large())
            print(pool.call(left))
        """,
    )
    assert said == f"{[0] * 8}\n"


def test_what_nobody_takes_is_free_at_once_and_memory_stays_flat_over_many_streams(tmp_path):
    out = program(
        tmp_path,
        """
        import time, numpy as np, yonder
        def values():
            while True:
                yield np.ones(40_000)
        def late(flag):
            while not __import__("os").path.exists(flag):
                try:
                    time.sleep(0.01)
                except KeyboardInterrupt:
                    return np.ones(40_000)  # although nobody waits for it
        def look():
            from yonder import segments
            free = [one.taken for one in segments.OWN._segments if not one.held]
            return len(free), all(free)
        with yonder.Pool(max=1) as pool:
            for n in range(1000):
                stream = pool.stream(values)
                next(stream)
                stream.close()
                if n == 100:
                    before = pool.call(look)
            cancelled = pool.submit(late, "flag")
            while not cancelled.running():
                time.sleep(0.01)
            cancelled.cancel()
            after = pool.call(look)
            print(before[1], after[1], after[0] <= 20)
        """,
    )
    assert out.splitlines() == ["True True True"]
