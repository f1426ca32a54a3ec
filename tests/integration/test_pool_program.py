"""`yonder.Pool` in a plain Python program, as a user writes it, each in a process of its own; once with the hub as a
thread of the program, once with the hub as a process of its own."""

import functools
import os
import subprocess
import sys
import zipapp

import pytest
from tests.integration import programs

from yonder.backends.local import processes


@pytest.fixture(params=["thread", "process"])
def hub(request):
    return request.param


@pytest.fixture
def program(hub):
    return functools.partial(programs.program, hub=hub)


def test_map_keeps_order_and_runs_elsewhere(tmp_path, program):
    out = program(
        tmp_path,
        """
        import os, yonder
        def square(n):
            return n * n, os.getpid()
        with yonder.Pool(max=2) as pool:
            values = list(pool.map(square, range(20)))
        print([value for value, _ in values] == [n * n for n in range(20)])
        print(os.getpid() in {pid for _, pid in values}, 1 <= len({pid for _, pid in values}) <= 2)
        """,
    )
    assert out.split("\n")[:2] == ["True", "False True"]


def test_nothing_is_left_after_the_with_block(tmp_path, program):
    out = program(
        tmp_path,
        """
        import os, yonder
        from yonder.backends.local import processes
        with yonder.Pool(max=2) as pool:
            list(pool.map(abs, range(4)))
            mine = [one for one in processes() if one.owner.startswith(f"program-{os.getpid()}-")]
            print(len([one for one in mine if one.role == "executor"]))
        print(len([one for one in processes() if one.owner.startswith(f"program-{os.getpid()}-") and one.role != "hub"]))
        """,
    )
    inside, after = out.split()
    assert int(inside) >= 1
    assert int(after) == 0


def test_the_users_exception_comes_back_as_itself_with_the_remote_traceback(tmp_path, program):
    out = program(
        tmp_path,
        """
        import yonder
        class Odd(Exception):
            pass
        def fail(n):
            raise Odd(n)
        with yonder.Pool(max=1) as pool:
            try:
                pool.call(fail, 3)
            except Odd as error:
                print(error.args, "in fail" in str(error.__cause__))
            print(pool.call(abs, -1))
        """,
    )
    assert out == "(3,) True\n1\n"


def test_printing_in_a_call_is_printed_here(tmp_path, program):
    out = program(
        tmp_path,
        """
        import yonder
        def speak(n):
            print("said", n)
        with yonder.Pool(max=1) as pool:
            pool.call(speak, 1)
        """,
    )
    assert out == "said 1\n"


def test_futures_are_the_standard_librarys(tmp_path, program):
    out = program(
        tmp_path,
        """
        import asyncio, concurrent.futures as cf, yonder
        def work(n):
            return n + 1
        with yonder.Pool(max=2) as pool:
            print(isinstance(pool, cf.Executor))
            futures = [pool.submit(work, n) for n in range(4)]
            print(sorted(future.result() for future in cf.as_completed(futures)))
            print(isinstance(futures[0], cf.Future), futures[0].exception())
            async def main():
                loop = asyncio.get_running_loop()
                return await pool.acall(work, 9), await loop.run_in_executor(pool, work, 10), await asyncio.wrap_future(pool.submit(work, 11))
            print(asyncio.run(main()))
        """,
    )
    assert out.splitlines() == ["True", "[1, 2, 3, 4]", "True None", "(10, 11, 12)"]


def test_a_callback_may_itself_call_and_wait(tmp_path, program):
    out = program(
        tmp_path,
        """
        import threading, yonder
        with yonder.Pool(max=2) as pool:
            said = threading.Semaphore(0)
            def again(future):
                print(f"{pool.call(abs, -future.result() - 1)}\\n", end="", flush=True)  # one write: others print, too
                said.release()
            for number in (1, 2):
                pool.submit(abs, -number).add_done_callback(again)
            print(f"{pool.call(abs, -7)}\\n", end="")
            said.acquire(), said.acquire()
        """,
    )
    assert sorted(out.split()) == ["2", "3", "7"]


def test_timeout_is_a_call_timeout_and_the_pool_goes_on(tmp_path, program):
    out = program(
        tmp_path,
        """
        import time, yonder
        with yonder.Pool(max=1) as pool:
            pool.call(abs, 1)
            try:
                pool.with_options(timeout=0.3).call(time.sleep, 600)
            except yonder.CallTimeout as late:
                print(isinstance(late, TimeoutError), late.phase)
            print(pool.call(abs, -2))
        """,
    )
    assert out.splitlines() == ["True running", "2"]


def test_cancel_of_waiting_and_running_calls(tmp_path, program):
    out = program(
        tmp_path,
        """
        import concurrent.futures, time, yonder
        with yonder.Pool(max=1) as pool:
            running = pool.submit(time.sleep, 600)
            while not running.running():
                time.sleep(0.01)
            waiting = pool.submit(time.sleep, 600)
            print(waiting.cancel(), waiting.cancelled(), running.cancel())
            try:
                running.result(timeout=20)
            except concurrent.futures.CancelledError:
                print("cancelled")
            print(pool.call(abs, -2))
        """,
    )
    assert out.splitlines() == ["True True True", "cancelled", "2"]


def test_a_pool_inside_a_call(tmp_path, program):
    out = program(
        tmp_path,
        """
        import yonder
        def outer(n):
            with yonder.Pool("inner", max=1) as pool:
                return pool.call(abs, -n)
        with yonder.Pool(max=1) as pool:
            print(pool.call(outer, 5))
        """,
    )
    assert out == "5\n"


def test_what_does_not_travel_is_named_before_anything_runs(tmp_path, program):
    out = program(
        tmp_path,
        """
        import threading, yonder
        with yonder.Pool(max=1) as pool:
            try:
                pool.submit(abs, threading.Lock())
            except yonder.SerializationError as error:
                print("lock" in str(error))
            print(pool.call(abs, -1))
        """,
    )
    assert out.splitlines() == ["True", "1"]


def test_sizes_that_make_no_sense_and_a_closed_pool(tmp_path, program):
    out = program(
        tmp_path,
        """
        import yonder
        for wrong in ({"max": 0}, {"min": 3, "max": 2}, {"concurrency": "x"}):
            try:
                yonder.Pool(**wrong)
            except yonder.UsageError as error:
                print(error)
        pool = yonder.Pool(max=1)
        pool.close()
        try:
            pool.submit(abs, 1)
        except yonder.PoolClosed as error:
            print(error)
        """,
    )
    assert [line.split(":")[0] for line in out.splitlines()] == [
        "Pool(max=0)",
        "Pool(min=3, max=2)",
        "Pool(concurrency='x')",
        "the pool 'default' is closed; open a new one",
    ]


def test_a_program_that_is_killed_leaves_nothing(tmp_path):
    file = tmp_path / "killed.py"
    file.write_text(
        "import os, time, yonder\n"
        "pool = yonder.Pool(max=2)\n"
        "futures = [pool.submit(time.sleep, 600) for _ in range(2)]\n"
        "while not all(future.running() for future in futures): time.sleep(0.01)\n"
        "print('up', flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen(
        [sys.executable, str(file)], stdout=subprocess.PIPE, text=True, env=programs.environment(hub)
    ) as process:
        assert process.stdout.readline() == "up\n"
        owner = next(one.owner for one in processes() if one.owner.startswith(f"program-{process.pid}-"))
        assert len([one for one in processes(owner) if one.role == "executor"]) == 2
        process.kill()
        process.wait()
        deadline = os.times().elapsed + 20
        while processes(owner):
            assert os.times().elapsed < deadline, processes(owner)


def test_a_pool_that_nobody_closes_does_not_keep_the_program(tmp_path, program):
    out = program(tmp_path, "import yonder\npool = yonder.Pool(max=1)\nprint(pool.call(abs, -4))\n")
    assert out == "4\n"


def test_status_says_why(tmp_path, program):
    out = program(
        tmp_path,
        """
        import yonder
        with yonder.Pool(max=3, idle_timeout=30) as pool:
            pool.call(abs, 1)
            status = pool.status()
            print(status.max, status.executors, status.busy, status.queued, bool(status.why))
        """,
    )
    assert out == "3 1 0 0 True\n"


def test_two_programs_at_once_have_nothing_to_do_with_each_other(tmp_path, program):
    """Their executors' ids begin alike; the one that ends must not sweep away the other's."""
    other = tmp_path / "other"
    other.mkdir()
    out = program(
        tmp_path,
        f"""
        import subprocess, sys, time, yonder
        def outlive(flag):
            import pathlib
            while not pathlib.Path(flag).exists():
                time.sleep(0.01)
            return "alive"
        second = "import yonder\\nif True:\\n with yonder.Pool(max=1) as pool: print(pool.call(abs, -1))"
        with yonder.Pool(max=1) as pool:
            pool.call(abs, 1)
            waiting = pool.submit(outlive, {str(other / "flag")!r})
            subprocess.run([sys.executable, "-c", second], check=True)
            open({str(other / "flag")!r}, "w").close()
            print(waiting.result())
        """,
    )
    assert out.split() == ["1", "alive"]


def test_two_pools_of_one_name_end_apart_and_a_new_one_may_begin_while_the_old_one_ends(tmp_path, program):
    out = program(
        tmp_path,
        """
        import time, yonder
        with yonder.Pool(max=2) as first:
            with yonder.Pool() as second:
                print(second.call(abs, -2), second.max)
            print(first.call(abs, -1))
            slow = first.submit(time.sleep, 1)
            first.shutdown(wait=False)
            with yonder.Pool(max=1) as third:
                print(third.call(abs, -3))
            try:
                third.status()
            except yonder.PoolClosed as error:
                print(error)
            print(slow.exception())
        """,
    )
    assert out.splitlines() == ["2 2", "1", "3", "the pool 'default' is closed; open a new one", "None"]


def test_a_pool_of_the_same_name_inside_a_call_leaves_the_outer_one_open(tmp_path, program):
    out = program(
        tmp_path,
        """
        import yonder
        def outer(n):
            with yonder.Pool() as inner:
                return inner.call(abs, n)
        with yonder.Pool(max=2) as pool:
            print(pool.call(outer, -4))
            print(pool.call(abs, -5), pool.max)
        """,
    )
    assert out.splitlines() == ["4", "5 2"]


def test_a_call_that_is_cancelled_as_it_begins_is_interrupted_and_costs_no_executor(tmp_path, program):
    out = program(
        tmp_path,
        """
        import os, time, yonder
        with yonder.Pool(max=1) as pool:
            pid = pool.call(os.getpid)
            for _ in range(10):
                future = pool.submit(time.sleep, 60)
                while not future.running():
                    pass
                future.cancel()
            print(pool.call(os.getpid) == pid)
        """,
    )
    assert out == "True\n"


def test_a_function_that_could_not_be_unpacked_says_so_each_time(tmp_path, program):
    out = program(
        tmp_path,
        """
        import yonder
        def explode():
            raise ImportError("no such library here")
        class Needy:
            def __reduce__(self):
                return explode, ()
            def __call__(self):
                return 1
        with yonder.Pool(max=1) as pool:
            needy = Needy()
            for _ in range(2):
                try:
                    pool.call(needy)
                except ImportError as error:
                    print(error)
        """,
    )
    assert out == "no such library here\n" * 2


def test_one_lost_worker_of_several_costs_only_its_own_call(tmp_path, program):
    out = program(
        tmp_path,
        """
        import os, signal, time, yonder
        def fall(n):
            if n:
                os.write(2, b"my last words\\n")
                os.kill(os.getpid(), signal.SIGTERM)
            else:
                time.sleep(1)
            return "lived on"
        with yonder.Pool(max=1, concurrency=3) as pool:
            for future in [pool.submit(fall, n) for n in (0, 0, 1)]:
                try:
                    print(future.result())
                except yonder.ExecutorLost as lost:
                    print(lost.signal, lost.stderr.splitlines()[0])
            print(pool.call(fall, 0), pool.status().executors)
        """,
    )
    assert out.splitlines() == ["lived on", "lived on", "15 my last words", "lived on 1"]


def test_what_a_map_cannot_send_takes_back_what_it_has_sent(tmp_path, program):
    out = program(
        tmp_path,
        """
        import threading, time, yonder
        with yonder.Pool(max=1) as pool:
            pool.call(abs, 1)
            try:
                pool.map(time.sleep, [60, 60, threading.Lock()])
            except yonder.SerializationError as error:
                print("argument 1" in str(error))
            print(pool.call(abs, -2))
        """,
    )
    assert out == "True\n2\n"


def test_a_call_that_is_too_large_is_refused_here_and_closing_does_not_wait_for_it(tmp_path, program):
    out = program(
        tmp_path,
        """
        import yonder, yonder.line
        yonder.line.MAX_CALL = 1000
        with yonder.Pool(max=1) as pool:
            try:
                pool.submit(len, bytes(1000))
            except yonder.SerializationError as error:
                print(error)
            print(pool.call(abs, -2))
        """,
    )
    assert out.splitlines()[0].endswith("bytes is too large; at most 1,000 travel at once")
    assert out.splitlines()[1] == "2"


def test_a_value_whose_unpacking_was_interrupted_can_be_asked_for_again(tmp_path, program):
    out = program(
        tmp_path,
        """
        import os, yonder
        MAKER = os.getpid()
        def value(pid):
            if os.getpid() == pid and not os.environ.pop("SEEN", ""):
                os.environ["SEEN"] = "yes"
                raise KeyboardInterrupt
            return 7
        class Slow:
            def __reduce__(self):
                return value, (MAKER,)
        with yonder.Pool(max=1) as pool:
            future = pool.submit(lambda pid: Slow(), 0)
            try:
                future.result()
            except KeyboardInterrupt:
                print(future.result())
        """,
    )
    assert out == "7\n"


def test_exceptions_of_the_programs_own_classes_are_caught_by_their_class(tmp_path, program):
    (tmp_path / "helper.py").write_text(
        "class Refused(Exception):\n"
        "    def __init__(self, code, words):\n"
        "        super().__init__(f'{code}: {words}')\n"
        "        self.code = code\n"
    )
    out = program(
        tmp_path,
        """
        import yonder
        from helper import Refused

        class Bad(Exception):
            def __init__(self, *, answer):
                super().__init__("bad")
                self.answer = answer

        def refuse():
            raise Refused(4, "no")

        def fail():
            raise Bad(answer=[1])

        with yonder.Pool(max=1) as pool:
            try:
                pool.call(refuse)
            except Refused as error:
                print(error, error.code)
            try:
                pool.call(fail)
            except Bad as error:
                print(error, error.answer)
        """,
    )
    assert out.splitlines() == ["4: no 4", "bad [1]"]


def test_an_interrupt_leaves_the_blocks_at_once_and_its_traceback_is_short(tmp_path, program):
    out = program(
        tmp_path,
        """
        import os, signal, sys, threading, traceback, yonder

        class Slow:
            def go(self):
                print("begun", flush=True)
                threading.Event().wait()

        def interrupt_when_begun(read):
            read.readline()
            os.kill(os.getpid(), signal.SIGINT)

        read, write = os.pipe()
        sys.stdout.flush()
        kept = os.dup(1)
        os.dup2(write, 1)
        threading.Thread(target=interrupt_when_begun, args=[os.fdopen(read)], daemon=True).start()
        try:
            with yonder.Pool(max=1) as pool, pool.place(Slow) as slow:
                slow.go()
        except KeyboardInterrupt as error:
            os.dup2(kept, 1)
            files = [os.path.basename(frame.filename) for frame in traceback.extract_tb(error.__traceback__)]
            print(files[0], len(files) <= 8, "turns.py" in files)
        """,
    )
    assert out.splitlines() == ["program.py True False"]


def test_a_zipped_program_in_another_folder_brings_its_modules(tmp_path):
    code, elsewhere = tmp_path / "code", tmp_path / "elsewhere"
    code.mkdir()
    elsewhere.mkdir()
    (code / "helper.py").write_text("def double(n):\n    return 2 * n\n")
    (code / "later.py").write_text("def triple(n):\n    return 3 * n\n")
    (code / "__main__.py").write_text(
        "import helper, yonder\n"
        "def later(n):\n"
        "    import later\n"
        "    return later.triple(n)\n"
        "with yonder.Pool(max=1) as pool:\n"
        "    print(pool.call(helper.double, 2), pool.call(later, 2))\n"
    )
    zipapp.create_archive(code, tmp_path / "program.pyz")
    done = subprocess.run(
        [sys.executable, str(tmp_path / "program.pyz")],
        capture_output=True,
        text=True,
        env=programs.environment(hub),
        timeout=90,
        cwd=elsewhere,
        check=False,
    )
    assert done.stdout == "4 6\n", done.stderr


def test_a_question_in_a_call_says_that_nobody_can_be_asked(tmp_path, program):
    out = program(
        tmp_path,
        """
        import yonder
        with yonder.Pool(max=1) as pool:
            try:
                pool.call(input)
            except EOFError as error:
                print(error)
        """,
    )
    assert "ask before the call" in out


def test_a_lost_call_is_named_so_that_its_label_is_no_part_of_the_sentence(tmp_path, program):
    out = program(
        tmp_path,
        """
        import os, yonder
        with yonder.Pool(max=1) as pool:
            try:
                pool.call(os._exit, 3)
            except yonder.ExecutorLost as error:
                print(error)
        """,
    )
    assert "ended with exit code 3 while it ran the call '3'" in out
