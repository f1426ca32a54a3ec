"""The verbs of a pool on real executors, each in a program of its own. What needs no executor is in tests/core."""

from __future__ import annotations

import pytest
from tests.integration.programs import program


def test_leaving_a_stream_runs_its_finally_there_and_frees_its_executor(tmp_path):
    out = program(
        tmp_path,
        """
        import os, yonder
        def numbers(flag):
            try:
                n = 0
                while True:
                    yield n
                    n += 1
            finally:
                with open(flag, "w") as file:
                    file.write("cleaned up")
        with yonder.Pool(max=1) as pool:
            for n in pool.stream(numbers, "flag"):
                if n == 100:
                    break
            print(pool.call(abs, -1), open("flag").read())
            with pool.stream(numbers, "flag2") as stream:
                print(next(stream))
            print(pool.call(abs, -2), open("flag2").read())
        """,
    )
    assert out.splitlines() == ["1 cleaned up", "0", "2 cleaned up"]


def test_a_generator_is_never_far_ahead_of_its_reader(tmp_path):
    out = program(
        tmp_path,
        """
        import yonder
        def numbers():
            for n in range(200):
                print("made", n)
                yield n
        with yonder.Pool(max=1) as pool:
            stream = pool.stream(numbers)
            for n in range(50):
                next(stream)
            stream.cancel()
            pool.call(abs, 1)
        """,
    )
    made = len(out.splitlines())
    assert 50 <= made <= 50 + 2 * 16 + 1


def test_an_async_stream_and_its_error(tmp_path):
    out = program(
        tmp_path,
        """
        import asyncio, yonder
        def numbers():
            yield 1
            yield 2
            raise KeyError("late")
        async def main():
            async with yonder.Pool(max=1) as pool:
                try:
                    async for n in pool.astream(numbers):
                        print(n)
                except KeyError as error:
                    print(error, "in numbers" in str(error.__cause__))
        asyncio.run(main())
        """,
    )
    assert out.splitlines() == ["1", "2", "'late' True"]


def test_an_actor_keeps_its_state_and_its_death_is_said(tmp_path):
    out = program(
        tmp_path,
        """
        import asyncio, os, yonder
        class Counter:
            def __init__(self, start):
                self.value = start
            def add(self, by):
                self.value += by
                return self.value
            def fail(self):
                raise KeyError(self.value)
            def die(self):
                os._exit(7)
        with yonder.Pool(max=2) as pool:
            actor = pool.place(Counter, 3)
            print(actor.add(1), [f.result() for f in [actor.add.submit(n) for n in (1, 2)]])
            print(asyncio.run(actor.add.acall(3)))
            try:
                actor.fail()
            except KeyError as error:
                print(error)
            for call in (actor.die, lambda: actor.add(1)):
                try:
                    call()
                except yonder.ExecutorLost as lost:
                    print(lost.exit_code)
            print(pool.call(abs, -1))
        """,
    )
    assert out.splitlines() == ["4 [5, 7]", "10", "10", "7", "7", "1"]


def test_batches_are_gathered(tmp_path):
    out = program(
        tmp_path,
        """
        import yonder
        class Model:
            def __init__(self):
                self.sizes = []
            def double(self, values):
                self.sizes.append(len(values))
                return [2 * value for value in values]
            def told(self, values):
                return [self.sizes for _ in values]
        with yonder.Pool(max=1) as pool, pool.place(Model, max_batch=10, max_wait=5) as model:
            print(sum(f.result() for f in [model.double.submit(n) for n in range(20)]))
        with yonder.Pool(max=1) as pool, pool.place(Model, max_batch=4) as model:
            [f.result() for f in [model.double.submit(n) for n in range(20)]]
            sizes = model.told(0)
            print(sum(sizes), max(sizes) <= 4)
        """,
    )
    assert out.splitlines() == ["380", "20 True"]


def test_broadcast_reaches_the_workers_that_come_later(tmp_path):
    out = program(
        tmp_path,
        """
        import os, threading, yonder
        def mark():
            os.environ["MARK"] = "yes"
        def marked(n):
            import time
            time.sleep(0.2)
            return os.getpid(), os.environ.get("MARK")
        with yonder.Pool(max=3) as pool:
            print(pool.broadcast(mark))
            found = list(pool.map(marked, range(6), chunksize=1))
            print({mark for _, mark in found}, len({pid for pid, _ in found}) > 1)
        """,
    )
    assert out.splitlines() == ["[]", "{'yes'} True"]


def test_a_short_function_over_many_items(tmp_path):
    out = program(
        tmp_path,
        """
        import yonder
        def plus(n):
            if n == 15_000:
                raise KeyError(n)
            return n + 1
        with yonder.Pool(max=2) as pool:
            values = pool.map(plus, iter(range(20_000)))
            got = []
            try:
                for value in values:
                    got.append(value)
            except KeyError as error:
                print(error, got == list(range(1, 15_001)))
            print(sorted(pool.map(abs, range(-3000, 0), ordered=False)) == list(range(1, 3001)))
        """,
    )
    assert out.splitlines() == ["15000 True", "True"]


def test_a_deadline_names_its_phase_and_the_time_of_each(tmp_path):
    out = program(
        tmp_path,
        """
        import time, yonder
        with yonder.Pool(max=1) as pool:
            pool.call(abs, 1)
            first = pool.with_options(timeout=2).submit(time.sleep, 60)
            while not first.running():
                time.sleep(0.01)
            for future in (pool.with_options(timeout=0.1).submit(abs, 1), first):
                try:
                    future.result()
                except yonder.CallTimeout as late:
                    print(late.phase, sum(late.times.values()) > 0)
        """,
    )
    assert out.splitlines() == ["queued True", "running True"]


def test_a_call_is_tried_again_only_when_asked(tmp_path):
    out = program(
        tmp_path,
        """
        import os, pathlib, yonder
        def fall_once(flag):
            if not os.path.exists(flag):
                pathlib.Path(flag).touch()
                os._exit(3)
            return "there"
        with yonder.Pool(max=1) as pool:
            again = pool.with_options(retries=1).submit(fall_once, "a")
            print(again.result(), again.attempts)
            try:
                pool.call(fall_once, "b")
            except yonder.ExecutorLost as lost:
                print(lost.exit_code)
        """,
    )
    assert out.splitlines() == ["there 2", "3"]


def test_a_call_that_waits_for_its_own_pool_is_told_that_it_would_wait_for_ever(tmp_path):
    out = program(
        tmp_path,
        """
        import concurrent.futures, yonder
        def plain():
            with yonder.Pool() as inner:
                return inner.call(abs, -1)
        def completed():
            with yonder.Pool() as inner:
                futures = [inner.submit(abs, -1)]
                return [future.result() for future in concurrent.futures.as_completed(futures)]
        with yonder.Pool(max=1) as pool:
            for work in (plain, completed):
                try:
                    pool.call(work)
                except yonder.PoolDeadlock as error:
                    print("PoolDeadlock", "default" in str(error))
            print(pool.call(abs, -2))
        """,
    )
    assert out.splitlines() == ["PoolDeadlock True", "PoolDeadlock True", "2"]


def test_a_forked_child_is_told_and_its_parent_goes_on(tmp_path):
    out = program(
        tmp_path,
        """
        import os, sys, yonder
        def outer(n):
            return n
        with yonder.Pool(max=1) as pool:
            print(pool.call(outer, 1), flush=True)
            pid = os.fork()
            if pid == 0:
                try:
                    with pool:
                        pool.call(outer, 2)
                except yonder.UsageError as error:
                    print("forked child" in str(error), flush=True)
                with yonder.Pool(max=1) as own:
                    print(own.call(outer, 3), flush=True)
                os._exit(0)
            print(os.waitpid(pid, 0)[1], pool.call(outer, 4))
        """,
    )
    assert out.splitlines() == ["1", "True", "3", "0 4"]


@pytest.mark.parametrize(
    "running",
    ["pool.submit(time.sleep, 600)", "pool.stream(forever)", "pool.place(list)", "pool.shutdown(wait=False)"],
)
def test_a_program_ends_with_its_pool_open(tmp_path, running):
    out = program(
        tmp_path,
        f"""
        import time, yonder
        def forever():
            while True:
                yield 1
        pool = yonder.Pool(max=2)
        print(pool.call(abs, -1))
        kept = {running}
        """,
    )
    assert out == "1\n"


def test_many_threads_at_once(tmp_path):
    out = program(
        tmp_path,
        """
        import threading, yonder
        def plus(n):
            return n + 1
        wrong = []
        def caller(start):
            for n in range(start, start + 200):
                if pool.call(plus, n) != n + 1:
                    wrong.append(n)
        with yonder.Pool(max=2) as pool:
            threads = [threading.Thread(target=caller, args=(1000 * t,)) for t in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            print(wrong)
        """,
    )
    assert out == "[]\n"


def test_a_spawned_failure_reaches_stderr_and_nobody_else(tmp_path):
    out = program(
        tmp_path,
        """
        import yonder
        def fail():
            raise KeyError("unheard")
        with yonder.Pool(max=1) as pool:
            pool.spawn(fail)
        print("done")
        """,
        both=True,
    )
    assert out.splitlines()[0] == "done"
    assert out.count("KeyError: 'unheard'") == 1


def test_resize_and_events(tmp_path):
    out = program(
        tmp_path,
        """
        import time, yonder
        with yonder.Pool(max=1) as pool:
            events = pool.events()
            pool.call(abs, 1)
            pool.resize(min=3, max=3)
            while pool.status().idle < 3:
                time.sleep(0.01)
            print(pool.status().executors, pool.max, bool(pool.explain()))
        kinds = [event.kind for event in events]
        print(kinds.count("ready"), kinds.count("gone"), kinds[-1])
        """,
    )
    assert out.splitlines() == ["3 3 True", "3 3 closed"]


def test_a_budget_over_all_pools_of_a_program(tmp_path):
    out = program(
        tmp_path,
        """
        import time, yonder
        try:
            yonder.limit(executors=0)
        except yonder.UsageError as error:
            print(error)
        try:
            yonder.limit(executor_hours=-1)
        except yonder.UsageError as error:
            print(error)
        yonder.limit(executors=2)
        with yonder.Pool("one", max=4) as one, yonder.Pool("two", max=4) as two:
            futures = [pool.submit(time.sleep, 0.2) for pool in (one, two) for _ in range(4)]
            most = 0
            while not all(future.done() for future in futures):
                most = max(most, one.status().executors + two.status().executors)
            print(most)
            yonder.limit()
            one.resize(min=4)
            while one.status().idle < 4:
                time.sleep(0.01)
            print(one.status().executors)
        """,
    )
    assert out.splitlines()[0].startswith("limit(executors=0)")
    assert out.splitlines()[1].startswith("limit(executor_hours=-1)")
    assert out.splitlines()[2:] == ["2", "4"]


def test_a_program_ends_its_spending_in_words(tmp_path):
    out = program(
        tmp_path,
        """
        import time, yonder
        with yonder.Pool(max=1) as pool:
            first = pool.submit(time.sleep, 1.5)
            while not first.running():
                time.sleep(0.005)
            yonder.limit(executor_hours=0.001 / 3600)
            second = pool.submit(abs, -1)
            print(second.exception())
            print(first.exception())
            print(type(pool.submit(abs, -1).exception()).__name__)
        """,
    )
    lines = out.splitlines()
    assert "executor-hours is spent" in lines[0]
    assert "yonder.limit(executor_hours=" in lines[0]
    assert lines[1:] == ["None", "BootFailed"]


def test_an_interrupt_while_a_call_is_waited_for_ends_the_call(tmp_path):
    out = program(
        tmp_path,
        """
        import os, signal, threading, time, yonder
        def interrupt():
            while not pool.status().running:
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGINT)
        with yonder.Pool(max=1) as pool:
            pool.call(abs, 1)
            threading.Thread(target=interrupt).start()
            try:
                pool.call(time.sleep, 60)
            except KeyboardInterrupt:
                print("interrupted")
            print(pool.call(abs, -2))
        """,
    )
    assert out.splitlines() == ["interrupted", "2"]


def test_an_actor_that_nobody_holds_frees_its_slot(tmp_path):
    out = program(
        tmp_path,
        """
        import yonder
        class Counter:
            def add(self, n):
                return n + 1
            def close(self):
                print("closed there", flush=True)
        with yonder.Pool(max=1) as pool:
            print(pool.place(Counter).add(1), flush=True)
            print(pool.call(abs, -3))
        """,
    )
    assert sorted(out.splitlines()) == ["2", "3", "closed there"]
