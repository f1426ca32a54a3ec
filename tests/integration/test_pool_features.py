"""What a pool promises beyond a call: isolation, retries, streams, actors, broadcasts, budgets, deadlocks, lifetimes. Each
as a user writes it, against real processes."""

from tests.integration.programs import program


def test_isolation_process_is_a_fresh_process_per_call_on_the_same_executor(tmp_path):
    out = program(
        tmp_path,
        """
        import os, yonder
        def who(n):
            return os.getpid()
        with yonder.Pool(max=1, isolation="process") as pool:
            pids = [pool.call(who, n) for n in range(4)]
            print(len(set(pids)), pool.status().executors, pool.status().done)
        """,
    )
    assert out == "4 1 4\n"


def test_isolation_executor_is_a_fresh_executor_per_call_and_min_is_kept(tmp_path):
    out = program(
        tmp_path,
        """
        import yonder
        with yonder.Pool(max=3, min=1, isolation="executor") as pool:
            futures = [pool.submit(abs, -n) for n in range(5)]
            print([future.result() for future in futures], len({future.executor for future in futures}))
            for event in pool.events():
                if event.kind == "ready":
                    break
            print(pool.status().executors >= 1)
        """,
    )
    assert out.splitlines() == ["[0, 1, 2, 3, 4] 5", "True"]


def test_a_lost_call_is_tried_again_and_says_how_often(tmp_path):
    out = program(
        tmp_path,
        """
        import os, pathlib, yonder
        def fragile(flag):
            path = pathlib.Path(flag)
            tries = len(path.read_text()) if path.exists() else 0
            path.write_text("x" * (tries + 1))
            if tries < 2:
                os.abort()
            return tries
        with yonder.Pool(max=1, retries=2) as pool:
            future = pool.submit(fragile, "flag")
            print(future.result(), future.attempts, pool.status().retried)
            os.remove("flag")
            once = pool.with_options(retries=0).submit(fragile, "flag")
            print(type(once.exception()).__name__, once.attempts)
        """,
    )
    assert out.splitlines() == ["2 3 2", "ExecutorLost 1"]


def test_a_dead_call_in_a_process_of_its_own_leaves_the_executor(tmp_path):
    out = program(
        tmp_path,
        """
        import os, yonder
        def end(how):
            if how:
                os.abort()
            return "fine"
        with yonder.Pool(max=1, isolation="process") as pool:
            one = pool.submit(end, False)
            one.result()
            print(type(pool.submit(end, True).exception()).__name__)
            two = pool.submit(end, False)
            print(two.result(), one.executor == two.executor)
        """,
    )
    assert out.splitlines() == ["ExecutorLost", "fine True"]


def test_a_stream_comes_as_it_is_made_and_an_actor_keeps_its_object(tmp_path):
    out = program(
        tmp_path,
        """
        import yonder
        def count(n):
            for i in range(n):
                yield i
            return "over"
        class Tally:
            def __init__(self, start):
                self.value = start
            def add(self, n):
                self.value += n
                return self.value
        with yonder.Pool(max=2) as pool:
            stream = pool.stream(count, 100)
            print(sum(stream), stream.value)
            with pool.place(Tally, 10) as tally:
                print(tally.add(1), tally.add(2))
            print(pool.call(abs, -1))
        """,
    )
    assert out.splitlines() == ["4950 over", "11 13", "1"]


def test_a_stream_that_is_left_early_runs_its_finally_there(tmp_path):
    out = program(
        tmp_path,
        """
        import itertools, pathlib, yonder
        def endless(flag):
            try:
                yield from itertools.count()
            finally:
                pathlib.Path(flag).write_text("cleaned")
        with yonder.Pool(max=1) as pool:
            with pool.stream(endless, "flag") as stream:
                print([next(stream) for _ in range(3)])
            pool.call(abs, 1)
            print(pathlib.Path("flag").read_text())
        """,
    )
    assert out.splitlines() == ["[0, 1, 2]", "cleaned"]


def test_a_broadcast_reaches_every_worker_those_to_come_included(tmp_path):
    out = program(
        tmp_path,
        """
        import os, sys, time, yonder
        def mark(word):
            sys.marked = word
            return os.getpid()
        def marked(n):
            time.sleep(0.2)
            return sys.marked, os.getpid()
        with yonder.Pool(min=1, max=3, concurrency=2) as pool:
            pool.call(abs, 1)
            first = pool.broadcast(mark, "here")
            found = list(pool.map(marked, range(12), chunksize=1))
            print(len(first), {word for word, _ in found}, len({pid for _, pid in found}) > len(first))
        """,
    )
    assert out == "2 {'here'} True\n"


def test_a_pool_inside_itself_at_its_max_is_told_of_the_deadlock(tmp_path):
    out = program(
        tmp_path,
        """
        import yonder
        def inner(n):
            return n
        def outer(n):
            with yonder.Pool("default") as pool:
                return pool.call(inner, n)
        with yonder.Pool("default", max=1) as pool:
            try:
                pool.call(outer, 5)
            except yonder.PoolDeadlock as error:
                print("max 1" in str(error))
        with yonder.Pool("default", max=2) as pool:
            print(pool.call(outer, 5))
        """,
    )
    assert out.splitlines() == ["True", "5"]


def test_max_lifetime_replaces_an_executor_and_loses_no_call(tmp_path):
    out = program(
        tmp_path,
        """
        import time, yonder
        def nap(n):
            time.sleep(0.05)
            return n
        with yonder.Pool(max=1, max_lifetime=0.3) as pool:
            futures = [pool.submit(nap, n) for n in range(20)]
            print([future.result() for future in futures] == list(range(20)))
            print(len({future.executor for future in futures}) > 1)
        """,
    )
    assert out.splitlines() == ["True", "True"]


def test_buffer_keeps_spare_executors_while_there_is_work(tmp_path):
    out = program(
        tmp_path,
        """
        import threading, yonder
        def wait(flag):
            import pathlib, time
            while not pathlib.Path(flag).exists():
                time.sleep(0.01)
        with yonder.Pool(max=3, buffer=1) as pool:
            events = pool.events()
            busy = pool.submit(wait, "flag")
            ready = 0
            for event in events:
                ready += event.kind == "ready"
                if ready == 2:
                    break
            print(pool.status().idle, pool.status().busy)
            open("flag", "w").close()
            busy.result()
        """,
    )
    assert out == "1 1\n"


def test_a_gpu_that_this_machine_does_not_have_is_said_in_words(tmp_path):
    out = program(
        tmp_path,
        """
        import yonder
        with yonder.Pool(max=1, gpu="no-such-kind", boot_timeout=5) as pool:
            try:
                pool.call(abs, 1)
            except yonder.BootFailed as error:
                print("GPU" in str(error))
        """,
    )
    assert out == "True\n"


def test_calls_with_other_resources_run_on_executors_of_their_own(tmp_path):
    out = program(
        tmp_path,
        """
        import os, yonder
        def threads(n):
            return os.environ["OMP_NUM_THREADS"], os.getpid()
        with yonder.Pool(max=2, cpus=2) as pool:
            usual, special = pool.call(threads, 1), pool.with_options(cpus=1).call(threads, 1)
            print(usual[0], special[0], usual[1] != special[1], pool.call(threads, 1) == usual)
        """,
    )
    assert out == "2 1 True True\n"


def test_two_pools_of_a_program_share_its_limit(tmp_path):
    out = program(
        tmp_path,
        """
        import yonder
        yonder.limit(executors=1)
        with yonder.Pool("a", max=4) as a, yonder.Pool("b", max=4) as b:
            futures = [pool.submit(abs, n) for n in range(6) for pool in (a, b)]
            print(sum(future.result() for future in futures), a.status().executors + b.status().executors)
        """,
    )
    assert out == "30 1\n"
