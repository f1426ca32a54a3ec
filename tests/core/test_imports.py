"""Which modules are worth importing ahead."""

from types import ModuleType

from yonder.agent.imports import Imports


def module(name, folder="/env/lib/python3.11/site-packages"):
    made = ModuleType(name)
    if folder:
        made.__file__ = f"{folder}/{name.replace('.', '/')}.py"
    return made


def test_only_what_is_new_and_third_party_and_not_deep():
    table = {"numpy": module("numpy")}
    imports = Imports(table)
    assert imports.fresh() == []
    for name in (
        "sklearn",
        "sklearn.svm",
        "sklearn.svm._base",
        "sklearn._loss",
        "sklearn.a.b",
        "yonder.x",
        "xxhash",
        "_hidden",
    ):
        table[name] = module(name)
    table["json"] = module("json", "/usr/lib/python3.11")
    table["mine"] = module("mine", "/home/me/project")
    table["builtin"] = module("builtin", "")
    table["numpy"] = module("numpy")
    assert imports.fresh() == ["sklearn", "sklearn.svm"]
    assert imports.fresh() == []
    table["torch"] = module("torch", "/usr/lib/python3/dist-packages")
    assert imports.fresh() == ["torch"]


def test_a_module_that_is_none_or_goes_does_no_harm():
    table = {"a": module("a")}
    imports = Imports(table)
    table["blocked"] = None
    del table["a"]
    table["b"] = module("b")
    assert imports.fresh() == ["b"]
