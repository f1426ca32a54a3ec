"""The traps of code that travels, each sprung on a real hub with a session and a local pool: nothing is ever stale.

The owner is a window: it keeps its folder's tree and publishes what changed before each run, as the language server does.
"""

import contextlib
import textwrap

import pytest
from tests.integration.cluster import a_cluster

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
