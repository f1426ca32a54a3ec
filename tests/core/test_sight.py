"""What a process has seen of a snapshot, and whether another one looks the same to it; what a text imports."""

from __future__ import annotations

from importlib.machinery import EXTENSION_SUFFIXES

import pytest

from yonder.agent import importing
from yonder.agent.reloading import plan
from yonder.agent.sight import Found, Sight, Tree
from yonder.snapshot import Snapshot, content

X, Y = content(b"x"), content(b"y")
SO = EXTENSION_SUFFIXES[0]


def tree(*paths, roots=("",), **digests):
    return Tree(Snapshot("/ws", roots, dict.fromkeys(paths, X) | {f"{name}.py": one for name, one in digests.items()}))


def test_folders_and_names():
    found = tree("a.py", "p/q/b.py", "p/c.txt")
    assert found.folders == {"": {"a.py", "p"}, "p": {"q", "c.txt"}, "p/q": {"b.py"}}


@pytest.mark.parametrize(
    ("paths", "name", "found"),
    [
        (("a.py",), "a", Found("a.py", X)),
        (("a.py", "a/__init__.py"), "a", Found("a/__init__.py", X, package=True)),
        (("a.py", f"a{SO}"), "a", Found(f"a{SO}", X)),
        (("a.py", "a/b.py"), "a", Found("a.py", X)),
        (("a/b.py",), "a", "portion"),
        (("a.txt",), "a", None),
        (("b/a.py",), "a", None),
    ],
)
def test_what_a_name_means_in_a_folder(paths, name, found):
    assert tree(*paths).look("", name) == found
    assert tree(*(f"in/{path}" for path in paths)).look("in", name) == (
        found if not isinstance(found, Found) else Found(f"in/{found.path}", X, found.package)
    )


def test_roots_are_asked_in_order():
    found = tree("src/a.py", "a/b.py", "a.txt", roots=("", "src"))
    assert found.top("a") == ("portion", Found("src/a.py", X))
    assert found.top("nothing") == ()


def test_modules_of_a_folder():
    found = tree("p/__init__.py", "p/a.py", "p/q/__init__.py", "p/space/x.py", "p/not-one.py", f"p/n{SO}", "p/t.txt")
    assert list(found.modules("p")) == [("a", False), ("n", False), ("q", True)]
    assert list(tree("a.py", "p/__init__.py").modules("")) == [("a", False), ("p", True)]


def seen(before):
    sight = Sight()
    sight.top("a", before)
    sight.look("", "a", before)
    sight.look("", "missing", before)
    sight.listing("data", "reads", before)
    sight.content("data/one.txt", "reads", before)
    sight.content("data/none.txt", "asks", before)
    return sight


@pytest.mark.parametrize(
    ("more", "roots", "differs"),
    [
        ({}, ("",), set()),
        ({"unseen.py": X}, ("",), set()),
        ({"a.py": Y}, ("",), {"a"}),
        ({"a.py": None}, ("",), {"a"}),
        ({"a/__init__.py": X}, ("",), {"a"}),
        ({"missing.py": X}, ("",), {"missing"}),
        ({"missing/x.py": X}, ("",), {"missing"}),
        ({"src/a.py": X}, ("", "src"), set()),
        ({"src/a.py": X}, ("src", ""), {"a"}),
        ({"data/two.txt": X}, ("",), {"reads"}),
        ({"data/one.txt": Y}, ("",), {"reads"}),
        ({"data/none.txt": X}, ("",), {"asks", "reads"}),
    ],
)
def test_what_differs_in_another_snapshot(more, roots, differs):
    files = {"a.py": X, "data/one.txt": X}
    after = {path: digest for path, digest in (files | more).items() if digest is not None}
    sight, now = seen(Tree(Snapshot("/ws", ("",), files))), Tree(Snapshot("/ws", roots, after))
    assert sight.differing(now) == differs
    sight.renew(now)
    assert sight.differing(now) == set()


def test_what_was_kept_goes_on_to_differ():
    before, after = tree("a.py", b=X), tree(a=Y, b=Y)
    sight = Sight()
    for name in "ab":
        sight.top(name, before)
        sight.look("", name, before)
        sight.content("data", name, before)
        sight.listing("", name, before)
    sight.renew(after, but=["a"])
    assert sight.differing(after) == {"a"}


def test_what_a_text_imports_as_it_runs():
    text = """
import os.path, sys as system
from . import near
from ..up import one, two
if True:
    from cond import x
class K:
    import inside
def later():
    import never
hidden = lambda: __import__("no")
"""
    asked = importing.asked(compile(text, "a.py", "exec"))
    assert importing.modules(asked, "pkg.sub") == {
        "os.path",
        "sys",
        "pkg.sub",
        "pkg.sub.near",
        "pkg.up",
        "pkg.up.one",
        "pkg.up.two",
        "cond",
        "cond.x",
        "inside",
    }


# ── the order of loading again ──

GRAPH = {
    "base": set(),
    "aside": set(),
    "middle": {"base", "aside"},
    "app": {"middle"},
    "loop": {"pool"},
    "pool": {"loop"},
}


def test_dependents_come_after_what_they_import():
    assert plan({"base"}, GRAPH, lambda _: {}).order == ["base", "middle", "app"]
    assert plan({"app", "aside"}, GRAPH, lambda _: {}).order == ["aside", "middle", "app"]
    assert sorted(plan({"pool"}, GRAPH, lambda _: {}).order) == ["loop", "pool"]
    assert plan(set(), GRAPH, lambda _: {}).order == []


def test_whoever_depends_on_a_kept_module_is_not_loaded_again_for_its_sake():
    made = plan({"base"}, GRAPH, lambda names: {"base": "no"} if "base" in names else {})
    assert (made.order, made.kept) == ([], {"base": "no"})


def test_a_changed_module_that_imports_a_kept_one_is_kept_too():
    made = plan({"base", "middle", "aside"}, GRAPH, lambda _: {"base": "no"})
    assert made.order == ["aside"]
    assert made.kept == {"base": "no", "middle": "it imports base, which was not loaded again"}


def test_a_dependent_that_objects_is_kept_and_the_others_are_loaded_again():
    made = plan({"base"}, GRAPH, lambda _: {"middle": "no"})
    assert made.order == ["base"]
    assert made.kept == {"middle": "no"}
