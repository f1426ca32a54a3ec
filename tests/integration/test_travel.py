"""A plain program's own modules on its executors: as the program has them, under their names."""

import pytest
from tests.integration import programs

HUBS = pytest.mark.parametrize("hub", ["thread", "process"])
HELPER = """\
import enum

class Colour(enum.Enum):
    RED = 1
    BLUE = 2

class Point:
    def __init__(self, x):
        self.x = x

def other(colour):
    assert colour is Colour.RED, colour
    return Colour.BLUE

def moved(point):
    assert type(point) is Point
    return Point(point.x + 1)
"""


@pytest.fixture
def program(tmp_path):
    def run(code, hub="thread", **more):
        return programs.program(tmp_path, code, hub=hub, **more)

    return run


def put(folder, name, text=""):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@HUBS
def test_classes_of_a_module_are_the_same_there_and_back(tmp_path, program, hub):
    put(tmp_path, "helper.py", HELPER)
    out = program(
        """
        import yonder, helper
        with yonder.Pool(max=1) as pool:
            print(pool.call(helper.other, helper.Colour.RED) is helper.Colour.BLUE)
            back = pool.call(helper.moved, helper.Point(1))
            print(type(back) is helper.Point, back.x)
            print(pool.call(lambda: helper.Colour.RED) is helper.Colour.RED)
        """,
        hub,
    )
    assert out.split() == ["True", "True", "2", "True"]


@HUBS
def test_an_edited_module_is_new_in_the_next_program(tmp_path, program, hub):
    code = """
        import yonder, helper
        with yonder.Pool(max=2) as pool:
            print(pool.call(helper.value), pool.call(lambda: helper.value()))
        """
    put(tmp_path, "helper.py", "def value():\n    return 'old'\n")
    assert program(code, hub).split() == ["old", "old"]
    put(tmp_path, "helper.py", "def value():\n    return 'new'\n")
    assert program(code, hub).split() == ["new", "new"]


@HUBS
def test_what_the_program_runs_counts_and_not_what_the_disk_says_by_now(tmp_path, program, hub):
    put(tmp_path, "helper.py", "def value():\n    return 'loaded'\n")
    out = program(
        """
        import importlib, pathlib, sys, yonder, helper
        sys.dont_write_bytecode = True
        with yonder.Pool(max=1) as pool:
            print(pool.call(helper.value))
            pathlib.Path("helper.py").write_text("def value():\\n    return 'saved later'\\n")
            print(pool.call(helper.value), helper.value())
            importlib.reload(helper)
            print(pool.call(helper.value).replace(" ", "-"), helper.value().replace(" ", "-"))
        with yonder.Pool("another", max=1) as pool:
            print(pool.call(helper.value).replace(" ", "-"))
        """,
        hub,
    )
    assert out.split() == ["loaded", "loaded", "loaded", "saved-later", "saved-later", "saved-later"]


@HUBS
def test_modules_that_only_the_call_imports_are_there(tmp_path, program, hub):
    put(tmp_path, "pkg/__init__.py")
    put(tmp_path, "pkg/deep/part.py", "from ..near import one\ntwo = one + 1\n")
    put(tmp_path, "pkg/near.py", "one = 1\n")
    put(tmp_path, "src/beside.py", "three = 3\n")
    out = program(
        """
        import yonder
        def look():
            import beside
            from pkg.deep.part import two
            return two, beside.three
        with yonder.Pool(max=1) as pool:
            print(pool.call(look))
        """,
        hub,
    )
    assert out == "(2, 3)\n"


def test_a_program_in_a_folder_of_its_own_looks_where_it_looks_itself(tmp_path, program):
    put(tmp_path, "tools/tool.py", "def name():\n    return __name__\n")
    out = program(
        """
        import sys, yonder
        sys.path.insert(1, sys.path[0] + "/tools")
        import tool
        with yonder.Pool(max=1) as pool:
            print(pool.call(tool.name))
        """
    )
    assert out == "tool\n"


def test_a_script_of_a_project_brings_the_projects_packages(tmp_path):
    put(tmp_path, "pyproject.toml")
    put(tmp_path, "src/pack/__init__.py", "import near\ndef names():\n    return __name__, near.__name__\n")
    put(tmp_path, "scripts/near.py")
    out = programs.program(
        tmp_path / "scripts",
        """
        import sys, yonder
        sys.path.append(sys.path[0].replace("scripts", "src"))
        import pack
        with yonder.Pool(max=1) as pool:
            print(pool.call(pack.names), pool.call(lambda: pack.__loader__.__class__.__module__))
        """,
    )
    assert out == "('pack', 'near') yonder.agent.modules\n"


def test_what_is_not_found_under_its_name_travels_by_value(tmp_path, program):
    put(tmp_path, "some where/hidden.py", "def name():\n    return __name__\n")
    out = program(
        """
        import importlib.util, sys, yonder
        spec = importlib.util.spec_from_file_location("made_up", "some where/hidden.py")
        module = importlib.util.module_from_spec(spec)
        module.__file__ = sys.path[0] + "/some where/hidden.py"
        sys.modules["made_up"] = module
        spec.loader.exec_module(module)
        with yonder.Pool(max=1) as pool:
            print(pool.call(module.name))
        """
    )
    assert out == "made_up\n"


def test_a_pool_within_a_call_runs_on_the_same_code(tmp_path, program):
    put(tmp_path, "helper.py", "class Thing:\n    pass\n\ndef kind():\n    return Thing\n")
    out = program(
        """
        import yonder, helper
        def outer():
            import helper
            with yonder.Pool("inner", max=1) as pool:
                return pool.call(helper.kind) is helper.Thing
        with yonder.Pool(max=1) as pool:
            print(pool.call(outer), pool.call(helper.kind) is helper.Thing)
        """
    )
    assert out == "True True\n"


def test_every_process_is_prepared_with_the_programs_code(tmp_path, program):
    put(tmp_path, "helper.py", "def value():\n    return 'mine'\n")
    out = program(
        """
        import yonder, helper
        with yonder.Pool(min=2, max=2) as pool:
            pool.call(abs, 1)
            pool.broadcast(helper.value)
            print(pool.call(helper.value))
        """
    )
    assert out == "mine\n"


def test_a_traceback_names_the_programs_own_file(tmp_path, program):
    put(tmp_path, "helper.py", "def fail():\n    raise ValueError('here')\n")
    out = program(
        """
        import traceback, yonder, helper
        with yonder.Pool(max=1) as pool:
            try:
                pool.call(helper.fail)
            except ValueError as error:
                print(error.__cause__)
        """
    )
    assert f'{tmp_path}/helper.py", line 2, in fail' in out
    assert "raise ValueError('here')" in out


def test_a_forked_child_has_code_of_its_own(tmp_path, program):
    put(tmp_path, "helper.py", "def value():\n    return 'mine'\n")
    out = program(
        """
        import os, yonder, helper
        with yonder.Pool(max=1) as pool:
            print(pool.call(helper.value), flush=True)
        child = os.fork()
        if child == 0:
            with yonder.Pool(max=1) as pool:
                print("child", pool.call(helper.value), flush=True)
            os._exit(0)
        os.waitpid(child, 0)
        """
    )
    assert out.split() == ["mine", "child", "mine"]


def test_a_folder_that_is_too_large_still_runs(tmp_path, program):
    put(tmp_path, "helper.py", "def value():\n    return 'mine'\n")
    for n in range(30):
        put(tmp_path, f"p{n}/m.py")
    out = program(
        """
        import yonder, helper
        from yonder import tree
        tree.Rules.__init__.__defaults__ = (*tree.Rules.__init__.__defaults__[:3], 10, *tree.Rules.__init__.__defaults__[4:])
        with yonder.Pool(max=1) as pool:
            print(pool.call(helper.value))
        """,
        both=True,
    )
    assert "mine" in out
    assert "too large to be taken whole" in out


def test_a_module_that_is_left_out_is_named_with_the_reason_and_the_remedy(tmp_path, program):
    """In a call and in a map, and no more once the remedy was followed."""
    code = """
        import yonder
        def uses(n):
            import pkg.made
            return pkg.made.VALUE * n
        if __name__ == "__main__":
            with yonder.Pool(max=1) as pool:
                for ask in (lambda: pool.call(uses, 2), lambda: list(pool.map(uses, [2], chunksize=1)), lambda: list(pool.map(uses, [2, 3], chunksize=2))):
                    try:
                        print(ask())
                    except ModuleNotFoundError as error:
                        print(error.name, error.__notes__)
                try:
                    pool.call(lambda: __import__("no_such"))
                except ModuleNotFoundError as error:
                    print(getattr(error, "__notes__", []))
        """
    (tmp_path / ".git").mkdir()
    (tmp_path / ".gitignore").write_text("made.py\n")
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "__init__.py").write_text("")
    (tmp_path / "pkg" / "made.py").write_text("VALUE = 21\n")
    note = 'pkg/made.py is there, but .gitignore leaves it out: include = ["pkg/made.py"] in [tool.yonder]'
    assert program(code).splitlines() == [f"pkg.made {[note]}"] * 3 + ["[]"]
    (tmp_path / "pyproject.toml").write_text('[tool.yonder]\ninclude = ["pkg/made.py"]\n')
    assert program(code).splitlines() == ["42", "[42]", "[42, 63]", "[]"]
