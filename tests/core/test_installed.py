"""What this Python has installed, read from the names of folders."""

import sys
import types

import pytest

from yonder import installed


@pytest.fixture
def folder(tmp_path):
    """A folder of packages as installers leave it."""
    site = tmp_path / "site-packages"
    for name in (
        "Faux_Lib-1.2.dist-info",
        "other.thing-2.0+cu1.dist-info",
        "Old-3.1-py3.11.egg-info",
        "linked.egg-info",
    ):
        (site / name).mkdir(parents=True)
    (site / "no-metadata").mkdir()
    (site / "other.thing-2.0+cu1.dist-info" / "RECORD").write_text("inside/__init__.py,,\nsingle.py,,\n")
    (site / "Old-3.1-py3.11.egg-info" / "top_level.txt").write_text("ancient\n")
    return site


def test_names_and_versions_come_from_the_metadata_folders(folder):
    assert installed.packages([str(folder)]) == {
        "faux-lib": "1.2",
        "other-thing": "2.0+cu1",
        "old": "3.1",
        "linked": "",
    }


def test_an_earlier_folder_wins_and_one_that_is_not_there_has_nothing(folder, tmp_path):
    first = tmp_path / "first"
    (first / "faux_lib-9.9.dist-info").mkdir(parents=True)
    assert installed.packages([str(tmp_path / "none"), str(first), str(folder)])["faux-lib"] == "9.9"


def test_this_python_says_what_it_is():
    found = installed.survey()
    assert found.implementation == "cpython"
    assert found.version == "{}.{}.{}".format(*sys.version_info[:3])
    assert found.packages["msgspec"]
    assert "-" not in found.platform


def test_a_module_belongs_to_the_distribution_of_its_name_or_to_the_one_that_holds_it(folder):
    found = installed.distributions(["faux_lib", "inside", "single", "ancient", "nobodys"], [str(folder)])
    assert found == {"faux_lib": "faux-lib", "inside": "other-thing", "single": "other-thing", "ancient": "old"}


def test_what_the_programs_own_modules_refer_to_is_used(tmp_path, monkeypatch):
    def module(name, file, **values):
        made = types.ModuleType(name)
        made.__file__ = str(file)
        made.__dict__.update(values)
        monkeypatch.setitem(sys.modules, name, made)
        return made

    site = tmp_path / "site-packages"
    deep = module("faux", site / "faux.py")
    indirect = module("indirect", site / "indirect.py")
    kind = type("Kind", (), {"__module__": "fauxkinds.deep"})
    module("fauxkinds", site / "fauxkinds" / "__init__.py", indirect=indirect)
    module("mine_of_the_test", tmp_path / "mine.py", lib=deep, one=kind(), other=kind, plain=1)
    used = installed.tops_used()
    assert {"faux", "fauxkinds"} <= set(used)
    assert "indirect" not in used  # only something installed refers to it
    assert "builtins" not in used


def test_looking_runs_no_code_of_the_values(monkeypatch):
    class Hostile:
        def __getattribute__(self, name):
            raise AssertionError(name)

    monkeypatch.setattr(sys.modules["__main__"], "hostile_of_the_test", Hostile(), raising=False)
    installed.tops_used()
