"""Modules that are there and do not travel: the file, the reason, and a remedy that works."""

import os
import re

import pytest

from yonder import leftout, reading
from yonder.leftout import LeftOut
from yonder.tree import Rules, Tree


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / ".git").mkdir()
    return folder


def put(folder, **files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def travelling(folder, rules):
    tree = Tree(str(folder), rules, warn=lambda _: None)
    tree.look()
    return tree.snapshot().files


def said(folder, module, rules=None, *near, **more):
    return LeftOut(str(folder), rules or Rules()).module(module, near, **more)


def remedied(sentence):
    """The rules that the sentence asks for."""
    (key, value) = re.search(r'(include|roots) = \["(.+?)"\] in \[tool\.yonder\]$', sentence).groups()
    return Rules(**{key: (value,)})


@pytest.mark.parametrize(
    ("ignored", "file", "module", "reason"),
    [
        ("helper.py", "helper.py", "helper", "helper.py is there, but .gitignore leaves it out: "),
        ("gen*.py", "pkg/generated.py", "pkg.generated", "pkg/generated.py is there, but .gitignore leaves it out: "),
        ("/build/", "build/__init__.py", "build", "build/__init__.py is there, but .gitignore leaves it out: "),
        ("/build/", "build/space/one.py", "build.space", "build/space/ is there, but .gitignore leaves it out: "),
        ("/src/own.py", "src/own.py", "own", "src/own.py is there, but .gitignore leaves it out: "),
        ("", "node_modules/tool.py", "node_modules.tool", "but folders called node_modules do not travel: "),
        ("", "my-libs/tool.py", "tool", "tool.py is there, but modules are not looked for in my-libs/: "),
        ("", "libs/tool/__init__.py", "tool", "libs/tool/__init__.py is there, but modules are not looked for in libs/: "),
    ],
)  # fmt: skip
def test_the_reason_is_named_and_the_remedy_works(project, ignored, file, module, reason):
    put(project, **{".gitignore": ignored + "\n", file: "x = 1\n", "other.py": "", "src/there.py": ""})
    sentence = said(project, module)
    assert reason in sentence
    assert file not in travelling(project, Rules()) or "roots" in sentence
    rules = remedied(sentence)
    assert file in travelling(project, rules)
    assert said(project, module, rules) == ""


def test_rules_of_folders_within_and_above_count(project):
    put(project, **{"pkg/.gitignore": "part.py\n!kept.py\n", ".gitignore": "kept.py\n", "pkg/kept.py": "", "pkg/part.py": ""})  # fmt: skip
    assert ".gitignore" in said(project, "pkg.part")
    assert said(project, "pkg.kept") == ""
    assert ".gitignore" in said(project / "pkg", "part")
    put(project, **{".gitignore": "/pkg/other.py\n", "pkg/other.py": ""})
    assert ".gitignore" in said(project / "pkg", "other")


def test_what_no_pattern_brings_has_another_remedy(project, monkeypatch):
    put(
        project,
        **{"helper.py": "", "old/part.py": "", "my-pkg/__init__.py": "", "env/pyvenv.cfg": "", "env/tool.py": ""},
    )
    rules = Rules(exclude=("helper.py", "old/"))
    assert said(project, "helper", rules) == (
        "helper.py is there, but exclude in [tool.yonder] leaves it out: take it from that list"
    )
    assert "exclude" in said(project, "old.part", rules)
    assert "'my-pkg' is no name of a module" in said(project, "my-pkg")
    assert "env/ is an environment" in said(project, "env.tool")
    assert said(project, "tool") == ""  # nor is it looked for there
    monkeypatch.setattr(leftout, "MOST_SOURCE", 10)
    put(project, **{"table.py": "x = 1\n" * 3})
    assert "table.py is there, but it has 18 bytes, and Python files over 10 do not travel" in said(project, "table")
    monkeypatch.setattr(reading, "MOST_SOURCE", 10)
    assert "table.py" not in travelling(project, Rules())


def test_links_that_lead_out(project, tmp_path):
    put(tmp_path, **{"elsewhere/one.py": "", "lone.py": ""})
    os.symlink(tmp_path / "elsewhere", project / "linked")
    os.symlink(tmp_path / "lone.py", project / "lone.py")
    assert not travelling(project, Rules())
    assert "it is reached by a link that leads out of " in said(project, "linked.one")
    assert "it is reached by a link that leads out of " in said(project, "lone")


def test_what_travels_or_is_not_there_is_not_spoken_of(project):
    put(project, **{".gitignore": "/gone.py\n", "helper.py": "", "libs/tool.py": "", "sub/near.py": "", "gone.py": "", "src/gone.py": ""})  # fmt: skip
    for module in ("helper", "numpy", "helper.nothing", "", "..", "a..b"):
        assert said(project, module) == ""
    assert said(project, "gone") == ""  # another of that name does
    assert said(project, "tool", anywhere=False) == ""
    put(project, **{".gitignore": "/build/\n", "build/setup.py": ""})
    assert "build/ is there" in said(project, "build")
    assert said(project, "build", anywhere=False) == ""  # an installed one may be meant
    assert said(project, "near", None, "sub") == ""
    assert said(project / "nowhere", "near") == ""
