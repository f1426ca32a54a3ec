"""A session keeps its names while modules change under it: what is loaded again, what is not and why, what stays alive."""

from __future__ import annotations

import pytest
from tests.integration.agent_hub import living_hub

from yonder import payload, wire
from yonder.snapshot import content


@pytest.fixture
async def hub():
    async with living_hub() as found:
        yield found


class Session:
    """Runs blocks on snapshots; what was reloaded and kept for each."""

    def __init__(self, hub, worker):
        self._hub = hub
        self._worker = worker

    async def on(self, files, code):
        """The block's preview (or its failure's type and message), the modules reloaded, those kept."""
        snapshot = await self._hub.publish(files)
        task = self._hub.start(self._worker, code, path="/nowhere/ws/notes.py", snapshot=snapshot)
        done = await self._hub.first(wire.BlockDone, task=task)
        told = self._hub.find(wire.Reloaded, task=task)
        shown = f"{done.failure.type}: {done.failure.message}" if done.failure else done.preview and done.preview.text
        return (shown, told[0].modules, told[0].kept) if told else (shown, [], {})


@pytest.fixture
async def session(hub):
    return Session(hub, await hub.worker("session"))


async def test_a_helper_is_loaded_again_and_names_from_it_are_the_new_ones(session):
    assert await session.on(
        {"helper.py": "def f(): return 1\nLIMIT = 5\nold = 1"},
        "import helper\nfrom helper import f as g, LIMIT\nfrom helper import *\nmine = 5\nstate = [1]\ng()",
    ) == ("1", [], {})
    now = {"helper.py": "def f(): return 2\nLIMIT = 6\n"}
    assert await session.on(now, "g(), f(), helper.f(), LIMIT, mine, state, hasattr(helper, 'old')") == (
        "(2, 2, 2, 6, 5, [1], False)",
        ["helper"],
        {"helper": "it has no old any more; the session's old is the old one"},
    )


async def test_dependents_are_loaded_again_in_the_order_of_imports(session):
    files = {
        "app.py": "from middle import X as Y\n",
        "middle.py": "from base import X\nimport aside\n",
        "base.py": "X = 1\n",
        "aside.py": "import random\nmark = random.random()\n",
    }
    await session.on(files, "import app, aside\nbefore = aside.mark")
    assert await session.on(files | {"base.py": "X = 2\n"}, "app.Y, aside.mark == before") == (
        "(2, True)",
        ["base", "middle", "app"],
        {},
    )


async def test_a_namespace_package_that_becomes_a_package_is_kept_and_its_parts_are_not(session):
    await session.on({"ns/part.py": "v = 1\n"}, "import ns.part")
    assert await session.on({"ns/part.py": "v = 2\n", "ns/__init__.py": ""}, "ns.part.v") == (
        "2",
        ["ns.part"],
        {"ns": "it was a folder without a file of its own, and is something else now"},
    )


async def test_a_module_that_is_something_else_is_kept(session):
    text = "import sys\nclass Odd:\n    __slots__ = ()\nsys.modules[__name__] = Odd()\n"
    await session.on({"odd.py": text}, "import odd")
    assert (await session.on({"odd.py": text + "#"}, ""))[1:] == (
        [],
        {"odd": "it has put something else into its place, which cannot be loaded again"},
    )


async def test_what_is_bound_anew_by_the_person_stays(session):
    await session.on({"helper.py": "def f(): return 1"}, "from helper import f\nkeep = f\ndef f(): return 'mine'")
    assert (await session.on({"helper.py": "def f(): return 2"}, "f(), keep()"))[0] == "('mine', 1)"


async def test_a_package_and_its_parts(session):
    files = {"pkg/__init__.py": "from .part import v\n", "pkg/part.py": "v = 1\n", "pkg/other.py": "w = 1\n"}
    await session.on(files, "import pkg.other")
    assert await session.on(files | {"pkg/part.py": "v = 2\n"}, "pkg.v, pkg.part.v, pkg.other.w") == (
        "(2, 2, 1)",
        ["pkg.part", "pkg"],
        {},
    )


async def test_a_file_under_two_names_is_loaded_again_under_both(hub):
    worker = await hub.worker("session")
    for text in ("x = 1\n", "x = 2\n"):
        snapshot = await hub.publish({"src/pkg/part.py": text}, roots=("", "src"))
        code = "import pkg.part, src.pkg.part\npkg.part.x, src.pkg.part.x"
        done = await hub.block(worker, code, snapshot=snapshot)
    assert done.preview.text == "(2, 2)"


async def test_circular_imports_are_loaded_again(session):
    files = {"a.py": "import b\nx = 1\n", "b.py": "import a\ndef y(): return a.x\n"}
    await session.on(files, "import a")
    shown, modules, _ = await session.on(files | {"a.py": "import b\nx = 2\n"}, "a.b.y()")
    assert (shown, sorted(modules)) == ("2", ["a", "b"])


async def test_a_module_that_was_looked_for_in_vain(session):
    files = {"app.py": "try:\n    import fast\n    kind = fast.kind\nexcept ImportError:\n    kind = 'slow'\n"}
    assert (await session.on(files, "import app\napp.kind"))[0] == "'slow'"
    assert await session.on(files | {"fast.py": "kind = 'fast'"}, "app.kind") == ("'fast'", ["app"], {})


@pytest.mark.parametrize(
    ("before", "after", "block", "why"),
    [
        ("class A: pass\n", "class A: x = 1\n", "mine = [{'in': A()}]", "'mine' leads to one of its class A"),
        ("class A: pass\n", "class A: x = 1\n", "class B(A): pass", "the class __main__.B derives from its A"),
        (
            "class M(type): pass\nclass A(metaclass=M): pass\n",
            "class M(type): pass\nclass A(metaclass=M): x = 1\n",
            "",
            "the metaclass M of its class A may have written it down somewhere",
        ),
        (
            "import plug\nclass A(plug.Base): pass\n",
            "import plug\nclass A(plug.Base): x = 1\n",
            "",
            "Base may have written its subclass A down somewhere",
        ),
        ("__yonder_reload__ = False\nclass A: pass", "class A: pass", "", "it says __yonder_reload__ = False"),
        ("class A: pass\n", None, "", "helper.py is not there any more"),
    ],
)
async def test_what_is_kept_and_why(session, before, after, block, why):
    plug = {"plug.py": "class Base:\n    def __init_subclass__(cls): pass\n"}
    await session.on(plug | {"helper.py": before}, f"from helper import A\nimport helper\n{block}\nfirst = A")
    files = plug if after is None else plug | {"helper.py": after}
    assert await session.on(files, "helper.A is first") == ("True", [], {"helper": why})
    assert (await session.on(files, "1"))[2] == {"helper": why}  # for as long as it is so


async def test_what_was_kept_is_loaded_again_when_nothing_is_in_the_way_any_more(session):
    await session.on({"helper.py": "class A: x = 1"}, "from helper import A\na = A()")
    now = {"helper.py": "class A: x = 2"}
    assert (await session.on(now, "a.x, A.x"))[::2] == ("(1, 1)", {"helper": "'a' is an object of its class A"})
    assert (await session.on(now, "del a"))[2] != {}
    assert await session.on(now, "A.x") == ("2", ["helper"], {})


async def test_an_enum_is_loaded_again_unless_the_session_has_a_member(session):
    text = "import enum\nclass Color(enum.Enum):\n    RED = 1\n"
    await session.on({"colors.py": text}, "from colors import Color")
    assert await session.on({"colors.py": text + "    BLUE = 2\n"}, "Color.BLUE") == ("<Color.BLUE: 2>", ["colors"], {})
    await session.on({"colors.py": text + "    BLUE = 2\n"}, "red = Color.RED")
    shown, modules, kept = await session.on({"colors.py": text}, "red is Color.RED")
    assert (shown, modules, kept) == ("True", [], {"colors": "'red' is an object of its class Color"})


async def test_a_new_text_that_fails_is_the_runs_error_and_everything_is_as_it_was(session):
    files = {"base.py": "x = 1\n", "app.py": "from base import x\nimport base\n"}
    await session.on(files, "import app\nran = []")
    broken = files | {"base.py": "x = 2\n", "app.py": "from base import x\n1 / 0\n"}
    shown, modules, kept = await session.on(broken, "ran.append(1)")
    assert (shown, modules) == ("ZeroDivisionError: division by zero", [])
    assert kept == {
        "base": "app could not be loaded again",
        "app": "loading it again raised ZeroDivisionError",
    }
    assert (await session.on(broken | {"app.py": "x = = 1"}, "ran.append(1)"))[0].startswith(
        "SyntaxError: invalid syntax"
    )
    assert (await session.on(files, "app.x, app.base.x, ran"))[0] == "(1, 1, [])"
    assert await session.on(files | {"base.py": "x = 3\n"}, "app.x") == ("3", ["base", "app"], {})


async def test_what_a_failing_text_has_imported_is_not_there_either(session):
    files = {"helper.py": "x = 1\n", "pkg/__init__.py": "", "pkg/extra.py": "e = 1\n"}
    await session.on(files, "import helper, pkg")
    bad = {"helper.py": "import pkg.extra\nraise ValueError('no')\n", "pkg/extra.py": "e = 2\n"}
    assert (await session.on(files | bad, "helper.x"))[0] == "ValueError: no"
    assert (await session.on(files, "import sys\n'pkg.extra' in sys.modules, hasattr(pkg, 'extra')"))[
        0
    ] == "(False, False)"
    assert (await session.on(files, "from pkg import extra\nextra.e"))[0] == "1"


@pytest.mark.parametrize(
    ("block", "which"),
    [
        ("from helper import make\nmake = make()", "'make' is an object of"),
        ("def used():\n    from helper import make\nmake = helper.make()", "'make' is an object of"),
        ("import other\nother.items.append(helper.make())", "'other.items' leads to one of"),
    ],
)
async def test_an_object_behind_the_name_of_an_import_or_in_a_module_that_stays(session, block, which):
    files = {"helper.py": "class A: pass\ndef make(): return A()\n", "other.py": "items = []\n"}
    await session.on(files, f"import helper\n{block}")
    _, modules, kept = await session.on(files | {"helper.py": "class A: x = 1\n"}, "")
    assert (modules, kept) == ([], {"helper": f"{which} its class A"})


async def test_names_from_several_modules_as_a_whole(session):
    await session.on({"a.py": "x = 10\n", "b.py": "z = 20\n"}, "from a import *\nfrom b import *")
    assert (await session.on({"a.py": "x = 11\n", "b.py": "z = 21\n"}, "x, z"))[0] == "(11, 21)"


async def test_a_name_that_functions_import_too_is_the_modules_that_it_came_from(session):
    code = "from helper import f\ndef other():\n    from math import sin as f"
    await session.on({"helper.py": "def f(): return 1\n"}, code)
    assert (await session.on({"helper.py": "def f(): return 2\n"}, "f()"))[0] == "2"


async def test_who_imported_a_module_that_has_gone_is_loaded_again(session):
    await session.on({"old.py": "x = 1\n", "app.py": "import old as way\nx = way.x\n"}, "import app")
    assert await session.on({"new.py": "x = 2\n", "app.py": "import new as way\nx = way.x\n"}, "app.x") == (
        "2",
        ["app"],
        {"old": "old.py is not there any more"},
    )


async def test_the_traceback_of_a_failing_module_points_at_its_file(hub):
    worker = await hub.worker("session")
    first = await hub.publish({"helper.py": "x = 1\n"})
    await hub.block(worker, "import helper", snapshot=first)
    second = await hub.publish({"helper.py": "\n1 / 0\n"})
    done = await hub.block(worker, "helper.x", snapshot=second)
    assert [(frame.file, frame.line) for frame in done.failure.frames] == [("/nowhere/ws/helper.py", 2)]


async def test_a_resource_stays_while_other_modules_are_loaded_again(session):
    files = {
        "model.py": "import yonder\nmade = []\n@yonder.resource\ndef model(name):\n    made.append(name)\n    return [name]\n",
        "helper.py": "x = 1\n",
    }
    await session.on(files, "import helper\nfrom model import model\nmine = model('a')")
    assert await session.on(files | {"helper.py": "x = 2\n"}, "model('a') is mine") == ("True", ["helper"], {})
    edited = files["model.py"].replace("import yonder", "import yonder  # edited")
    assert (await session.on(files | {"model.py": edited}, "model('a') is mine"))[:2] == ("True", ["model", "helper"])
    changed = files["model.py"].replace("[name]", "[name, 2]")
    assert (await session.on(files | {"model.py": changed}, "model('a')"))[0] == "['a', 2]"


async def test_a_pool_worker_that_holds_a_resource_loads_modules_again(hub):
    files = {
        "model.py": "import yonder\n@yonder.resource\ndef model():\n    return object()\n",
        "helper.py": "def f(): return 1\n",
    }
    worker = await hub.worker("pool")

    def use():
        from helper import f
        from model import model

        return id(model()), f()

    first = await hub.publish(files)
    kept, value = await hub.on(first, worker, use)
    assert value == 1
    second = await hub.publish(files | {"helper.py": "def f(): return 2\n"})
    hub.peers["call", worker].say(wire.Adopt(second))
    assert await hub.on(second, worker, use) == (kept, 2)
    assert [told.modules for told in hub.find(wire.Reloaded)] == [["helper"]]
    third = await hub.publish(files | {"helper.py": "__yonder_reload__ = False\ndef f(): return 3\n"})
    assert await hub.on(third, worker, use) == (kept, 3)
    fourth = await hub.publish(files | {"helper.py": "def f(): return 4\n"})
    assert (await hub.on(fourth, worker, use)).modules == ["helper"]


async def test_functions_that_refer_to_modules_are_unpacked_again(hub):
    worker = await hub.worker("pool")
    model = "import yonder\n@yonder.resource\ndef model():\n    return 1\n"

    def load():
        import helper
        import model

        model.model()
        return helper.f

    first = await hub.publish({"model.py": model, "helper.py": "def f(): return 1\n"})
    task = hub._call(worker, load, _nothing(), None, first)
    by_name = payload.whole((await hub.first(wire.Done, task=task)).body)
    digest = content(by_name)
    hub.peers["call", worker].say(wire.Call(7001, digest, by_name, _nothing(), None, [], first))
    assert payload.unpack((await hub.first(wire.Done, task=7001)).body) == 1
    second = await hub.publish({"model.py": model, "helper.py": "def f(): return 2\n"})
    hub.peers["call", worker].say(wire.Call(7002, digest, b"", _nothing(), None, [], second))
    assert payload.unpack((await hub.first(wire.Done, task=7002)).body) == 2


def _nothing():
    return payload.pack_call((), {})


async def test_an_object_that_others_refer_to_is_in_the_way_of_its_class_only(hub):
    worker = await hub.worker("pool")

    def keep():
        import other
        from helper import A

        import yonder

        yonder.keep(A())
        return other.y

    files = {"helper.py": "class A:\n    x = 1\n", "other.py": "y = 1\n"}
    first = await hub.publish(files)
    assert await hub.on(first, worker, keep) == 1
    second = await hub.publish(files | {"other.py": "y = 2\n"})
    assert await hub.on(second, worker, keep) == 2
    third = await hub.publish(files | {"helper.py": "class A:\n    x = 2\n"})
    assert (await hub.on(third, worker, keep)).modules == ["helper", "other"]


async def test_a_kept_module_keeps_its_text_when_its_snapshot_is_gone(hub):
    worker = await hub.worker("session")
    first = await hub.publish({"helper.py": "class A:\n    x = 'old'\n"})
    await hub.block(worker, "import helper, inspect\na = helper.A()", snapshot=first)
    second = await hub.publish({"helper.py": "class A:\n    x = 'new'\n"})
    await hub.block(worker, "1", snapshot=second)
    hub.agent.say(wire.Unpublish([first]))
    third = await hub.publish({"helper.py": "class A:\n    x = 'newer'\n"})
    done = await hub.block(worker, "inspect.getsource(helper.A)", snapshot=third)
    assert "old" in done.preview.text


async def test_a_name_that_means_another_file_for_the_next_run_is_kept(hub):
    worker = await hub.worker("session")
    files = {"a/utils.py": "x = 'a'\n", "b/utils.py": "x = 'b'\n"}
    first = await hub.publish(files, roots=("a", ""))
    await hub.block(worker, "import utils", snapshot=first)
    second = await hub.publish(files, roots=("b", ""))
    done = await hub.block(worker, "utils.x", snapshot=second)
    assert done.preview.text == "'a'"
    (told,) = hub.find(wire.Reloaded)
    assert told.kept == {"utils": "another file is meant by its name now: b/utils.py"}
    gone = await hub.publish({"b/utils.py": files["b/utils.py"]}, roots=("b", ""))
    assert (await hub.block(worker, "utils.x", snapshot=gone)).preview.text == "'b'"


async def test_two_folders_in_one_session(hub):
    worker = await hub.worker("session")
    one = await hub.publish({"left.py": "x = 1\n"}, folder="/nowhere/one")
    two = await hub.publish({"right.py": "import left\nx = left.x + 1\n"}, folder="/nowhere/two")
    await hub.block(worker, "import left", snapshot=one)
    assert (await hub.block(worker, "import right\nright.x", snapshot=two)).preview.text == "2"


async def test_a_module_of_another_folder_is_kept_and_told_or_loaded_from_the_right_one(hub, tmp_path):
    worker = await hub.worker("session")

    async def folder(name, text):
        (tmp_path / name).mkdir()
        (tmp_path / name / "utils.py").write_text(text)
        return await hub.publish({"utils.py": text}, folder=str(tmp_path / name))

    one, two = await folder("one", "x = 1\n"), await folder("two", "x = 2\n")
    await hub.block(worker, "import utils", snapshot=one)
    assert (await hub.block(worker, "utils.x", snapshot=two)).preview.text == "1"
    (told,) = hub.find(wire.Reloaded)
    assert told.kept == {"utils": "another file of that name was loaded, which is not the workspace's"}
    assert (await hub.block(worker, "utils.x", snapshot=one)).preview.text == "1"
    assert len(hub.find(wire.Reloaded)) == 1


async def test_a_folder_whose_text_fails_is_taken_by_no_later_run_unseen(hub):
    worker = await hub.worker("session")
    one = await hub.publish({"utils.py": "x = 1\n"}, folder="/nowhere/one")
    two = await hub.publish({"utils.py": "1 / 0\n"}, folder="/nowhere/two")
    await hub.block(worker, "import utils", snapshot=one)
    for _ in range(2):
        assert (await hub.block(worker, "utils.x", snapshot=two)).failure.type == "ZeroDivisionError"
    assert (await hub.block(worker, "utils.x", snapshot=one)).preview.text == "1"


async def test_looking_at_modules_and_objects_asks_no_proxy(session):
    proxy = "class Proxy:\n    @property\n    def __class__(self):\n        raise RuntimeError('asked')\n"
    files = {"helper.py": "from proxies import Proxy\nlazy = Proxy()\nx = 1\n", "proxies.py": proxy}
    table = "class Odd:\n    def __getattr__(self, name):\n        raise RuntimeError(name)\nimport sys\nsys.modules['odd'] = Odd()"
    await session.on(files, f"import helper, proxies\nmine = [proxies.Proxy()]\n{table}")
    now = files | {"helper.py": "from proxies import Proxy\nlazy = Proxy()\nx = 2\n"}
    assert await session.on(now, "helper.x") == ("2", ["helper"], {})


async def test_what_cannot_be_looked_at_costs_the_run_and_not_the_session(session):
    odd = "class M(type):\n    @property\n    def __module__(cls):\n        raise RuntimeError('no')\nclass A(metaclass=M): pass\n"
    await session.on({"helper.py": odd}, "import helper\nstate = 1")
    shown, modules, _ = await session.on({"helper.py": odd + "x = 1\n"}, "state")
    assert (shown, modules) == (
        "YonderError: modules have changed, and what is loaded cannot be looked at: RuntimeError('no')",
        [],
    )
    assert await session.on({"helper.py": odd}, "state") == ("1", [], {})
