"""The traps of code that travels, each sprung on a real hub with a session and a local pool: nothing is ever stale.

The owner is a window: it keeps its folder's tree and publishes what changed before each run, as the language server does.
"""

import contextlib
import sys
import textwrap

import pytest
from tests.integration.cluster import a_cluster
from tests.integration.programs import program

from yonder import wire
from yonder.publishing import Publishing
from yonder.tree import Rules, Tree

POOL = [wire.PoolSpec(max=2, idle_timeout=60)]

CALL = """
import yonder
with yonder.Pool(max=2) as pool:
    value = list(pool.map({function}, range(4), chunksize=1))
value
"""


class Window:
    """Somebody who edits files of a folder and presses Run."""

    def __init__(self, owner, folder):
        self.owner, self.folder = owner, folder
        self._tree = Tree(str(folder), Rules(), warn=pytest.fail)
        self._publishing = Publishing()

    def write(self, path, text):
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text))

    async def publish(self):
        self._tree.look()
        snapshot = self._tree.snapshot()
        for message in self._publishing.tell(snapshot, self._tree.contents):
            await self.owner.say(message)
        return snapshot

    async def start(self, code, **more):
        snapshot = await self.publish()
        return await self.owner.execute(textwrap.dedent(code), snapshot=snapshot.digest, **more)

    async def run(self, code, **more):
        ended = await self.owner.ended(await self.start(code, **more))
        assert ended.outcome == "ok", ended.failure.text if ended.failure else ended.sentence
        return ended

    async def value(self, code, **more):
        return (await self.run(code, **more)).preview.text

    async def mapped(self, function, first=""):
        """What four calls of it on the pool give."""
        return await self.value(first + CALL.format(function=function))


@contextlib.asynccontextmanager
async def a_window(folder):
    async with a_cluster(folder, pools=POOL) as (_, owner):
        yield Window(owner, folder)


async def test_an_edited_helper(tmp_path):
    async with a_window(tmp_path) as window:
        window.write("helper.py", "def f(n): return 'old'\n")
        block = "import helper\n"
        assert await window.mapped("helper.f", block) == str(["old"] * 4)
        window.write("helper.py", "def f(n): return 'new'\n")
        assert await window.mapped("helper.f", block) == str(["new"] * 4)
        assert await window.value("helper.f(0)") == "'new'"


async def test_the_helper_of_a_helper(tmp_path):
    async with a_window(tmp_path) as window:
        window.write("deep.py", "VALUE = 1\n")
        window.write("helper.py", "from deep import VALUE\ndef f(n): return VALUE\n")
        assert await window.mapped("helper.f", "import helper\n") == str([1] * 4)
        window.write("deep.py", "VALUE = 2\n")
        assert await window.mapped("helper.f", "import helper\n") == str([2] * 4)


async def test_the_init_of_a_package(tmp_path):
    async with a_window(tmp_path) as window:
        window.write("shop/__init__.py", "PRICE = 1\n")
        window.write("shop/till.py", "from . import PRICE\ndef f(n): return PRICE\n")
        block = "from shop import till\n"
        assert await window.mapped("till.f", block) == str([1] * 4)
        window.write("shop/__init__.py", "PRICE = 2\n")
        assert await window.mapped("till.f", block) == str([2] * 4)


async def test_a_renamed_module(tmp_path):
    async with a_window(tmp_path) as window:
        window.write("before.py", "def f(n): return 'before'\n")
        assert await window.mapped("before.f", "import before\n") == str(["before"] * 4)
        (tmp_path / "before.py").rename(tmp_path / "after.py")
        window.write("after.py", "def f(n): return 'after'\n")
        assert await window.mapped("after.f", "import after\n") == str(["after"] * 4)
        look = "def gone(n):\n    try:\n        import before\n    except ModuleNotFoundError:\n        return 'gone'\n"
        assert await window.mapped("gone", look) == str(["gone"] * 4)


async def test_a_deleted_module_and_one_that_appears(tmp_path):
    look = "def seen(n):\n    try:\n        import extra\n    except ModuleNotFoundError:\n        return 'none'\n    return extra.NAME\n"
    async with a_window(tmp_path) as window:
        assert await window.mapped("seen", look) == str(["none"] * 4)
        window.write("extra.py", "NAME = 'here'\n")
        assert await window.mapped("seen", look) == str(["here"] * 4)
        (tmp_path / "extra.py").unlink()
        assert await window.mapped("seen", look) == str(["none"] * 4)


async def test_edited_during_a_call(tmp_path):
    """A call that imports late finds what was there when it was submitted; the next one what is there now."""
    window_folder = tmp_path / "project"
    flags = tmp_path / "flags"
    flags.mkdir()
    async with a_window(window_folder) as window:
        window.write("late.py", "VALUE = 'then'\n")
        window.write(
            "helper.py",
            f"""
            import pathlib, time
            FLAGS = pathlib.Path({str(flags)!r})
            def f(n):
                print("begun", flush=True)
                while not (FLAGS / "go").exists():
                    time.sleep(0.005)
                import late
                return late.VALUE
            """,
        )
        code = "import yonder, helper\nwith yonder.Pool(max=2) as pool:\n    value = pool.call(helper.f, 0)\nvalue"
        run = await window.start(code)
        await window.owner.until(lambda: "begun" in window.owner.text(run), "the call's first word")
        window.write("late.py", "VALUE = 'now'\n")
        await window.publish()
        (flags / "go").touch()
        first = await window.owner.ended(run)
        assert (first.outcome, first.preview.text) == ("ok", "'then'")
        assert await window.value(code) == "'now'"


async def test_an_executor_that_joins_late_agrees(tmp_path):
    """One that was not there at the edit, and one that was: the same class."""
    async with a_window(tmp_path) as window:
        window.write(
            "kinds.py", "import enum, os\nclass Kind(enum.Enum):\n    A = 1\ndef f(n): return (Kind.A, os.getpid())\n"
        )
        code = """
        import yonder, kinds
        def ask(most, newer):  # no member of the enum stays behind: a living one would keep the old class
            with yonder.Pool(max=most) as pool:
                found = [pool.submit(kinds.f, n).result() for n in range(2)]
                found += list(pool.map(kinds.f, range(8), chunksize=1))
            return {{kind is kinds.Kind.A for kind, _ in found}}, all(hasattr(type(kind), "B") == newer for kind, _ in found)
        ask({}, {})
        """
        assert await window.value(code.format(1, False)) == "({True}, True)"
        window.write(
            "kinds.py",
            "import enum, os\nclass Kind(enum.Enum):\n    A = 1\n    B = 2\ndef f(n): return (Kind.A, os.getpid())\n",
        )
        assert await window.value(code.format(2, True)) == "({True}, True)"


async def test_the_identity_of_an_enum(tmp_path):
    """Its members are singletons on both sides, over runs and redefinitions."""
    async with a_window(tmp_path) as window:
        window.write(
            "colours.py", "import enum\nclass Colour(enum.Enum):\n    RED = 1\ndef same(c): return c is Colour.RED\n"
        )
        code = "import yonder, colours\nwith yonder.Pool(max=2) as pool:\n    value = [pool.call(colours.same, colours.Colour.RED), pool.call(lambda: colours.Colour.RED) is colours.Colour.RED]\nvalue"
        assert await window.value(code) == "[True, True]"
        assert await window.value(code) == "[True, True]"
        here = "import enum\nclass Size(enum.Enum):\n    S = 1\ndef same(s): return s is Size.S\nimport yonder\nwith yonder.Pool(max=2) as pool:\n    value = pool.call(same, Size.S)\nvalue"
        assert await window.value(here) == "True"


async def test_a_circular_graph(tmp_path):
    async with a_window(tmp_path) as window:
        code = """
        import yonder
        ring = [1]
        ring.append({"ring": ring})
        with yonder.Pool(max=1) as pool:
            back = pool.call(lambda one: one, ring)
        (back[1]["ring"] is back, len(back))
        """
        assert await window.value(code) == "(True, 2)"


async def test_a_result_that_does_not_pickle(tmp_path):
    async with a_window(tmp_path) as window:
        window.write("locks.py", "import threading\ndef f(n): return {'model': [threading.Lock()]}\n")
        run = await window.start("import yonder, locks\nwith yonder.Pool(max=1) as pool:\n    pool.call(locks.f, 1)\n")
        ended = await window.owner.ended(run)
        assert ended.outcome == "error"
        assert ended.failure.type.endswith("SerializationError")
        assert "['model'] -> [0]" in ended.failure.message or "model" in ended.failure.message
        assert await window.value("1 + 1") == "2"


# ── large and lost values: programs with a pool of their own ──────────────────────────────────────────────────────────


def lines(tmp_path, code):
    return program(tmp_path, code).splitlines()


def test_a_large_closure_is_warned_of_and_travels_once(tmp_path):
    """On both ways, from the program to the hub and from the hub to the worker."""
    assert lines(
        tmp_path,
        """
        import warnings, yonder
        from yonder import wire
        from yonder.hub.worker import Worker
        from yonder.switchboard import Switchboard
        sent = []
        def counting(kind, name):
            whole = getattr(kind, name)
            def say(self, message):
                if isinstance(message, (wire.Submit, wire.Call)):
                    sent.append(len(wire.encode(message)))
                return whole(self, message)
            setattr(kind, name, say)
        counting(Worker, "say")
        counting(Switchboard, "send")
        def made(table):
            return lambda n: table[n]
        f = made(bytes(range(256)) * 8000)
        with yonder.Pool(max=1, capture_warning=1_000_000) as pool, warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            print(pool.call(f, 7), [size > 2_000_000 for size in sent])
            print([(one.category.__name__, "'table'" in str(one.message)) for one in said])
            print("2 MB" in str(said[0].message), "pool.put" in str(said[0].message))
            sent.clear()
            print(pool.call(f, 9), list(pool.map(f, range(3))), all(size < 2_000 for size in sent), len(said))
        """,
    ) == ["7 [True, True]", "[('CaptureWarning', True)]", "True True", "9 [0, 1, 2] True 1"]


def test_a_value_put_while_there_are_no_executors(tmp_path):
    assert lines(
        tmp_path,
        """
        import yonder
        with yonder.Pool(max=2) as pool:
            table = pool.put(list(range(100_000)))
            print(pool.status().executors, table.type, len(table.get()), pool.status().executors)
            print(pool.call(sum, table), pool.status().executors)
        """,
    ) == ["0 list 100000 0", "4999950000 1"]


def test_an_executor_is_killed_that_had_the_only_copy(tmp_path):
    assert lines(
        tmp_path,
        """
        import os, signal, yonder
        def load():
            return os.getpid(), [1, 2, 3]
        with yonder.Pool(max=1) as pool:
            kept = pool.keep(load).result()
            before = kept.call(lambda held: held[0])
            os.kill(before, signal.SIGKILL)
            for ask in (kept.get, lambda: kept.call(len), lambda: pool.call(len, kept)):
                try:
                    ask()
                except yonder.RemoteLost as error:
                    print(str(error).partition("executor")[0], "SIGKILL" in str(error))
            print("SIGKILL" in kept.lost, pool.call(sum, [1, 2]))
        """,
    ) == ["the remote tuple is lost: it was on  True"] * 3 + ["True 3"]


def test_generators_in_generators_of_handles(tmp_path):
    """A stream of handles whose objects were made by another stream, in another worker; two levels of them in lists."""
    assert lines(
        tmp_path,
        """
        import yonder
        from yonder import seat
        def inner(n):
            for k in range(n):
                yield yonder.keep([n, k])
        def outer(most):
            with yonder.Pool("deep", max=1) as pool:
                for n in range(1, most):
                    yield n, list(pool.stream(inner, n))
        def kept_here():
            return len(seat.current().keeper)
        with yonder.Pool("top", max=1) as pool:
            found = list(pool.stream(outer, 4))
            print([n for n, _ in found], [[one.get() for one in handles] for _, handles in found])
        """,
    ) == ["[1, 2, 3] [[[1, 0]], [[2, 0], [2, 1]], [[3, 0], [3, 1], [3, 2]]]"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
def test_a_result_for_which_there_is_no_memory(tmp_path):
    """The worker says so, as the call's own exception, and lives."""
    assert lines(
        tmp_path,
        """
        import os, resource, yonder
        def limit(more):
            pages = int(open("/proc/self/statm").read().split()[0])
            size = pages * os.sysconf("SC_PAGE_SIZE") + more
            resource.setrlimit(resource.RLIMIT_AS, (size, size))
            return os.getpid()
        def large(n):
            return {"a": ["x" * n]}
        with yonder.Pool(max=1) as pool:
            worker = pool.call(limit, 200_000_000)
            for n in (1_000_000_000, 150_000_000):  # too large to be made, and to be made and packed
                error = pool.submit(large, n).exception()
                print(type(error).__name__)
            print(pool.call(os.getpid) == worker, len(pool.call(large, 1000)["a"][0]))
        """,
    ) == ["MemoryError", "MemoryError", "True 1000"]


def test_a_result_over_the_limit_of_what_travels(tmp_path):
    assert lines(
        tmp_path,
        """
        import os, yonder
        def limit(most):
            from yonder.agent import stage
            stage.MAX_RESULT = most
            return os.getpid()
        def large(n):
            return b"x" * n
        def each(n):
            yield 1
            yield large(n)
        with yonder.Pool(max=1) as pool:
            worker = pool.call(limit, 100_000)
            error = pool.submit(large, 200_000).exception()
            print(type(error).__name__, "at most 100,000 travel at once" in str(error), "200," in str(error))
            values = pool.stream(each, 200_000)
            print(next(values))
            try:
                next(values)
            except yonder.SerializationError as error:
                print("at most 100,000" in str(error))
            print(pool.call(os.getpid) == worker, len(pool.call(large, 1000)))
        """,
    ) == ["SerializationError True True", "1", "True", "True 1000"]
