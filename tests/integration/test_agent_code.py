"""Workspace modules in a worker under the real agent: where they come from, what is stale, how they look from outside."""

from __future__ import annotations

import os
import sysconfig
from pathlib import Path

import pytest
from tests.integration.agent_hub import living_hub

from yonder import payload, wire


@pytest.fixture
async def hub():
    async with living_hub() as found:
        yield found


def value(name, attribute):
    import importlib

    return getattr(importlib.import_module(name), attribute)


async def test_helpers_packages_relative_imports_and_src_layouts(hub):
    first = await hub.publish(
        {
            "helper.py": "from deeper import WORD\n",
            "deeper.py": "WORD = 'deep'\n",
            "pkg/__init__.py": "from .inner import one\nfrom . import inner\n",
            "pkg/inner.py": "from helper import WORD as one\n",
            "pkg/sub/__init__.py": "from ..inner import one as two\n",
            "src/lib/__init__.py": "here = __name__\n",
            "space/part.py": "it = 1\n",
            "src/space/other.py": "it = 2\n",
        },
        roots=("", "src"),
    )
    worker = await hub.worker("pool")
    found = [
        await hub.on(first, worker, value, *asked)
        for asked in (
            ("helper", "WORD"),
            ("pkg", "one"),
            ("pkg.sub", "two"),
            ("lib", "here"),
            ("space.part", "it"),
            ("space.other", "it"),
        )
    ]
    assert found == ["deep", "deep", "deep", "lib", 1, 2]
    missing = await hub.on(first, worker, value, "pkg.nothing", "x")
    assert isinstance(missing, ModuleNotFoundError)


@pytest.mark.parametrize(
    ("name", "before", "after", "modules"),
    [
        ("a helper", {"helper.py": "x = 1"}, {"helper.py": "x = 2"}, ["helper"]),
        (
            "a helper's helper",
            {"helper.py": "from b import x", "b.py": "x = 1"},
            {"helper.py": "from b import x", "b.py": "x = 2"},
            ["b"],
        ),
        ("a package's __init__", {"helper/__init__.py": "x = 1"}, {"helper/__init__.py": "x = 2"}, ["helper"]),
        ("renamed", {"helper.py": "x = 1"}, {"helped.py": "x = 1"}, ["helper"]),
        ("deleted", {"helper.py": "x = 1", "b.py": ""}, {"b.py": ""}, ["helper"]),
        ("a module became a package", {"helper.py": "x = 1"}, {"helper/__init__.py": "x = 1"}, ["helper"]),
        (
            "what was looked for in vain is there",
            {"helper.py": "try:\n import fast\nexcept ImportError:\n x = 1"},
            {"helper.py": "try:\n import fast\nexcept ImportError:\n x = 1", "fast.py": ""},
            ["fast"],
        ),
        (
            "a plugin was added to a folder that was listed",
            {"helper/__init__.py": "import pkgutil\nx = [m.name for m in pkgutil.iter_modules(__path__)]"},
            {
                "helper/__init__.py": "import pkgutil\nx = [m.name for m in pkgutil.iter_modules(__path__)]",
                "helper/a.py": "",
            },
            ["helper"],
        ),
        (
            "data that was read through the loader",
            {"helper/__init__.py": "import pkgutil\nx = pkgutil.get_data('helper', 'a.txt')", "helper/a.txt": "1"},
            {"helper/__init__.py": "import pkgutil\nx = pkgutil.get_data('helper', 'a.txt')", "helper/a.txt": "2"},
            ["helper"],
        ),
    ],
)
async def test_a_worker_says_what_is_stale_and_runs_nothing(hub, name, before, after, modules):
    first, second = await hub.publish(before), await hub.publish(after)
    worker = await hub.worker("pool")
    await hub.on(first, worker, value, "helper", "x")
    assert (await hub.on(second, worker, value, "helper", "x")).modules == modules
    fresh = await hub.worker("pool")
    now = await hub.on(second, fresh, value, "helper", "x")
    assert isinstance(now, ModuleNotFoundError) == (name in ("renamed", "deleted"))


async def test_a_worker_that_has_another_folders_module_of_that_name_is_stale(hub):
    one = await hub.publish({"utils.py": "x = 1", "own.py": "x = 1"}, folder="/nowhere/one")
    two = await hub.publish({"utils.py": "x = 2", "other.py": "x = 2"}, folder="/nowhere/two")
    worker = await hub.worker("pool")
    assert await hub.on(one, worker, value, "own", "x") == 1
    assert await hub.on(two, worker, value, "utils", "x") == 2
    assert (await hub.on(one, worker, value, "utils", "x")).modules == ["utils"]
    assert await hub.on(two, worker, value, "other", "x") == 2


async def test_the_same_file_seen_from_a_folder_within_is_not_stale(hub):
    outer = await hub.publish({"in/utils.py": "x = 1"}, folder="/nowhere/ws", roots=("in", ""))
    inner = await hub.publish({"utils.py": "x = 1"}, folder="/nowhere/ws/in")
    edited = await hub.publish({"utils.py": "x = 2"}, folder="/nowhere/ws/in")
    worker = await hub.worker("pool")
    assert await hub.on(outer, worker, value, "utils", "x") == 1
    assert await hub.on(inner, worker, value, "utils", "x") == 1
    assert (await hub.on(edited, worker, value, "utils", "x")).modules == ["utils"]


async def test_what_was_never_looked_at_may_change(hub):
    first = await hub.publish({"helper.py": "x = 1", "other.py": "x = 1"})
    second = await hub.publish({"helper.py": "x = 1", "other.py": "x = 2"})
    worker = await hub.worker("pool")
    assert await hub.on(first, worker, value, "helper", "x") == 1
    assert await hub.on(second, worker, value, "other", "x") == 2
    assert isinstance(await hub.on(first, worker, value, "helper", "x"), wire.Stale)


async def test_ahead_of_calls_an_idle_worker_says_that_it_is_stale(hub):
    first, second = await hub.publish({"helper.py": "x = 1"}), await hub.publish({"helper.py": "x = 2"})
    workers = [await hub.worker("pool"), await hub.worker("pool")]
    await hub.on(first, workers[0], value, "helper", "x")
    hub.heard.clear()
    for worker in workers:
        hub.peers["call", worker].say(wire.Adopt(second))
    assert (await hub.first(wire.Stale, task=0)).modules == ["helper"]
    assert await hub.on(second, workers[1], value, "helper", "x") == 2
    assert len(hub.find(wire.Stale, task=0)) == 1


async def test_a_running_call_imports_from_its_own_snapshot(hub):
    first, second = await hub.publish({"lazy.py": "x = 1"}), await hub.publish({"lazy.py": "x = 2"})
    worker = await hub.worker("pool")

    def late(sign):
        import time
        from pathlib import Path

        while not Path(sign).exists():
            time.sleep(0.005)
        import lazy

        return lazy.x

    sign = hub.folder / "go"
    task = hub._call(worker, late, payload.pack_call((str(sign),), {}), None, first)
    hub.peers["call", worker].say(wire.Adopt(second))
    sign.touch()
    assert payload.unpack((await hub.first(wire.Done, task=task)).body) == 1


async def test_text_tracebacks_and_files_are_those_of_the_snapshot(hub):
    folder = hub.folder / "ws"
    folder.mkdir()
    (folder / "helper.py").write_text("raise SystemError('the file on disk is not asked')\n")
    first = await hub.publish({"helper.py": "def fails():\n    raise KeyError(7)  # then\n"}, folder=str(folder))
    worker = await hub.worker("pool", folder=str(folder))

    def seen():
        import inspect

        import helper

        return (
            inspect.getsource(helper.fails),
            helper.__file__,
            helper.fails.__code__.co_filename,
            inspect.getsource(helper),
        )

    source, file, code, whole = await hub.on(first, worker, seen)
    assert source == whole == "def fails():\n    raise KeyError(7)  # then\n"
    assert file == code == str(folder / "helper.py")

    def fails():
        import helper

        helper.fails()

    error = await hub.on(first, worker, fails)
    assert isinstance(error, KeyError)
    assert f'File "{folder / "helper.py"}", line 2, in fails\n    raise KeyError(7)  # then' in str(error.__cause__)


async def test_a_module_that_does_not_compile_is_the_calls_own_error(hub):
    first = await hub.publish({"helper.py": "x = 1\ny = = 2\n"})
    worker = await hub.worker("pool")
    error = await hub.on(first, worker, value, "helper", "x")
    assert isinstance(error, SyntaxError)
    assert (error.filename, error.lineno, error.text) == ("/nowhere/ws/helper.py", 2, "y = = 2\n")


async def test_an_import_error_shows_no_frames_of_the_machinery(hub):
    first = await hub.publish({"helper.py": "import broken\n", "broken.py": "1 / 0\n"})
    worker = await hub.worker("pool")

    def run():
        import helper  # noqa: F401 - its own import fails

    error = await hub.on(first, worker, run)
    assert isinstance(error, ZeroDivisionError)
    assert "agent/" not in str(error.__cause__)
    assert "importlib" not in str(error.__cause__)


async def test_data_beside_modules_where_the_folder_is_not_on_this_machine(hub):
    first = await hub.publish({"pkg/__init__.py": "", "pkg/data/a.txt": "text", "pkg/data/b.bin": b"\0\1"})
    worker = await hub.worker("pool")

    def read():
        import pkgutil
        from importlib import resources
        from pathlib import Path

        import pkg

        data = resources.files(pkg) / "data"
        with resources.as_file(data / "b.bin") as file:
            copied = file.read_bytes()
        return (
            (Path(pkg.__file__).parent / "data" / "a.txt").read_text(),
            data.joinpath("a.txt").read_text(),
            sorted(one.name for one in data.iterdir()),
            pkgutil.get_data("pkg", "data/b.bin"),
            copied,
            data.is_dir(),
            (data / "c").is_file(),
        )

    both = b"\0\1"
    assert await hub.on(first, worker, read) == ("text", "text", ["a.txt", "b.bin"], both, both, True, False)


async def test_listing_and_running_modules(hub):
    first = await hub.publish(
        {
            "a.py": "",
            "pkg/__init__.py": "",
            "pkg/b.py": "",
            "pkg/sub/__init__.py": "",
            "pkg/sub/c.py": "got = __name__\n",
        }
    )
    worker = await hub.worker("pool")

    def listed():
        import pkgutil
        import runpy

        import pkg

        top = {found.name for found in pkgutil.iter_modules()} & {"a", "pkg"}
        walked = [found.name for found in pkgutil.walk_packages(pkg.__path__, "pkg.")]
        return top, walked, runpy.run_module("pkg.sub.c", run_name="__main__")["got"]

    assert await hub.on(first, worker, listed) == ({"a", "pkg"}, ["pkg.b", "pkg.sub", "pkg.sub.c"], "__main__")


async def test_the_folder_itself_is_no_entry_of_the_path_and_environments_in_it_are(hub):
    folder = hub.folder / "ws"
    packages = folder / ".venv" / "lib" / "site-packages"
    packages.mkdir(parents=True)
    (packages / "installed.py").write_text("x = 'installed'\n")
    (folder / "left_out.py").write_text("x = 1\n")
    (folder / "gen").mkdir()
    (folder / "helper.py").write_text("")
    first = await hub.publish({"helper.py": "x = 1"}, folder=str(folder))
    path = os.pathsep.join((str(folder), str(folder / "gen"), str(packages)))
    worker = await hub.worker("pool", folder=str(folder), env={"PYTHONPATH": path})

    def seen(packages, gen):
        import sys

        sys.path += [packages] if packages not in sys.path else []
        import installed

        try:
            import left_out
        except ModuleNotFoundError:
            return installed.x, gen in sys.path
        return left_out.__file__

    assert await hub.on(first, worker, seen, str(packages), str(folder / "gen")) == ("installed", False)


async def test_an_editable_installation_loses_to_the_snapshot(hub):
    folder = hub.folder / "ws"
    folder.mkdir()
    (folder / "helper.py").write_text("x = 'disk'\n")
    first = await hub.publish({"helper.py": "x = 'snapshot'"}, folder=str(folder))
    worker = await hub.worker("pool", folder=str(hub.folder))

    def editable(file):
        import importlib.util
        import sys

        class Mapping:
            def find_spec(self, name, path=None, target=None):
                return importlib.util.spec_from_file_location(name, file) if name == "helper" else None

        sys.meta_path.insert(0, Mapping())
        import helper

        return helper.x

    assert (await hub.on(b"", worker, editable, str(folder / "helper.py"))) == "disk"
    assert await hub.on(first, worker, value, "helper", "x") == "snapshot"


async def test_an_enum_of_a_module_is_the_same_there_and_back(hub):
    text = "import enum\nclass Color(enum.Enum):\n    RED = 1\n"
    first = await hub.publish({"colors.py": text})
    worker = await hub.worker("pool")

    def make():
        from colors import Color

        return Color.RED, Color

    task = hub._call(worker, make, payload.pack_call((), {}), None, first)
    done = await hub.first(wire.Done, task=task)
    assert b"colors" in payload.whole(done.body)
    assert b"_member_names_" not in payload.whole(done.body)
    function, body = payload.pack_function(lambda pair: pair[0] is __import__("colors").Color.RED)
    arguments = _arguments(done.body)
    hub.peers["call", worker].say(wire.Call(999_001, function, body, arguments, None, [], first))
    assert payload.unpack((await hub.first(wire.Done, task=999_001)).body) is True


def _arguments(body):
    """Arguments of one value that is a pickle already, which this process cannot open."""
    import pickle

    class Opened:
        def __reduce__(self):
            return pickle.loads, (payload.whole(body),)

    return pickle.dumps(((Opened(),), {}), 5)


async def test_circular_imports(hub):
    first = await hub.publish({"a.py": "import b\nx = 1\n", "b.py": "import a\ndef y(): return a.x + 1\n"})
    worker = await hub.worker("pool")
    assert await hub.on(first, worker, lambda: __import__("b").y()) == 2


async def test_an_extension_module(hub):
    built = next(Path(sysconfig.get_path("stdlib"), "lib-dynload").glob("_queue.*.so"), None)
    if built is None:
        pytest.skip("this Python has no extension module of its own to borrow")
    first = await hub.publish({"native/__init__.py": "", f"native/{built.name}": built.read_bytes()})
    worker = await hub.worker("pool")

    def used():
        import native._queue

        queue = native._queue.SimpleQueue()
        queue.put(3)
        return queue.get(), native._queue.__file__

    got, file = await hub.on(first, worker, used)
    assert got == 3
    assert file.endswith(f"/native/{built.name}")
    second = await hub.publish({"native/__init__.py": "", f"native/{built.name}": built.read_bytes() + b"\0"})
    assert (await hub.on(second, worker, used)).modules == ["native._queue"]


async def test_a_snapshot_that_is_not_there_is_the_calls_error_in_words(hub):
    worker = await hub.worker("pool")
    error = await hub.on(b"\1" * 16, worker, value, "helper", "x")
    assert "is not on this machine" in str(error)


async def test_spawned_children_find_helpers_too(hub):
    first = await hub.publish({"helper.py": "def double(n):\n    return n * 2\n"})
    worker = await hub.worker("pool")

    def spawned():
        import multiprocessing

        import helper

        with multiprocessing.get_context("spawn").Pool(1) as pool:
            return pool.map(helper.double, [1, 2])

    assert await hub.on(first, worker, spawned) == [2, 4]


async def test_a_file_runs_with_its_snapshot(hub):
    text = "import multiprocessing, sys, helper\ndef f(n): return helper.x + n\nif __name__ == '__main__':\n    with multiprocessing.get_context('spawn').Pool(1) as pool:\n        print(pool.map(f, [1]), sys.argv[0] == __file__)\n"
    first = await hub.publish({"sub/prog.py": text, "sub/helper.py": "x = 1"}, roots=("sub", ""))
    worker = await hub.worker("file")
    done = await hub.block(worker, text, path="/nowhere/ws/sub/prog.py", kind="file", snapshot=first)
    assert done.failure is None
    assert await hub.all_output(done) == "[2] True\n"


async def test_folders_that_the_code_puts_on_the_path_are_read_from_the_snapshot(hub):
    folder = hub.folder / "ws"
    (folder / "libs").mkdir(parents=True)
    (folder / "libs" / "extra.py").write_text("x = 'disk'\n")
    text = "import os, sys\nsys.path.insert(0, os.path.join(os.path.dirname(__file__), 'libs'))\nimport extra\nx = extra.x\n"
    (folder / "helper.py").write_text(text)
    first = await hub.publish({"helper.py": text, "libs/extra.py": "x = 'snapshot'"}, folder=str(folder))
    worker = await hub.worker("pool", folder=str(folder))
    assert await hub.on(first, worker, value, "helper", "x") == "snapshot"
    second = await hub.publish({"helper.py": text, "libs/extra.py": "x = 'newer'"}, folder=str(folder))
    assert (await hub.on(second, worker, value, "helper", "x")).modules == ["extra"]


async def test_a_namespace_package_that_an_installed_one_has_a_part_of(hub):
    packages = hub.folder / "site-packages" / "space"
    packages.mkdir(parents=True)
    (packages / "theirs.py").write_text("x = 'theirs'\n")
    first = await hub.publish({"space/ours.py": "x = 'ours'"})
    worker = await hub.worker("pool")

    def both(installed):
        import sys

        sys.path.append(installed)
        import space.ours
        import space.theirs

        return space.ours.x, space.theirs.x

    assert await hub.on(first, worker, both, str(packages.parent)) == ("ours", "theirs")
