"""What a file imports and executors elsewhere lack."""

import pytest

from yonder import wire
from yonder.tree import Rules
from yonder_lsp.lacking import INFORMATION, SESSION, WARNING, Lacking, left_after_all, staying

RULES = Rules()
TEXT = "import os\nimport inside\ntry:\n    import faux\nexcept ImportError:\n    pass\nimport nowhere\n"


def python(version="3.11.2", **packages):
    return wire.Environment("cpython", version, "linux_x86_64", packages)


@pytest.fixture
def site(tmp_path):
    """faux 1.0, and `inside`, which belongs to other-thing 2.0."""
    folder = tmp_path / "site-packages"
    (folder / "faux-1.0.dist-info").mkdir(parents=True)
    (folder / "other_thing-2.0.dist-info").mkdir()
    (folder / "other_thing-2.0.dist-info" / "top_level.txt").write_text("inside\n")
    return (str(folder),)


def knowing(site, **known):
    lacking = Lacking()
    here = python(**{"faux": "1.0", "other-thing": "2.0"})
    assert lacking.told(known, here, site)
    assert not lacking.told(known, here, site)
    return lacking


def said(lacking, text):
    lacking.keep("u", lacking.found(text))
    return [(mark["range"]["start"]["line"], mark["severity"], mark["message"]) for mark in lacking.published("u")]


def test_what_is_missing_or_different_there_is_said_at_its_import(site):
    lacking = knowing(site, gpu=python(faux="0.9"))
    assert said(lacking, TEXT) == [
        (1, WARNING, "other-thing is missing on executors of the pool 'gpu' (docs/dependencies.md)"),
        (3, INFORMATION, "faux is 1.0 here and 0.9 on executors of the pool 'gpu' (docs/dependencies.md)"),
    ]


def test_what_the_file_can_do_without_is_no_warning(site):
    assert said(knowing(site, gpu=python(**{"other-thing": "2.0"})), TEXT) == [
        (3, INFORMATION, "faux is missing on executors of the pool 'gpu' (docs/dependencies.md)")
    ]


def test_what_is_not_installed_here_either_is_another_servers_word(site):
    assert said(knowing(site, gpu=python()), "import nowhere\n") == []


def test_a_session_elsewhere_is_named_as_such(site):
    lacking = knowing(site, **{SESSION: python()})
    assert said(lacking, "import faux\n") == [
        (0, WARNING, "faux is missing where this session runs (docs/dependencies.md)")
    ]


def test_another_python_is_said_where_a_pool_is_opened_and_never_of_a_session(site):
    packages = {"faux": "1.0"}
    text = "import faux\npool = yonder.Pool('gpu')\n"
    ((line, severity, words),) = said(knowing(site, gpu=python("3.12.1", **packages)), text)
    assert (line, severity) == (0, WARNING)
    assert "Python 3.11, the pool 'gpu' Python 3.12" in words
    assert said(knowing(site, gpu=python("3.12.1", **packages)), "import faux\n") == []
    assert said(knowing(site, **{SESSION: python("3.12.1", **packages)}), text) == []


def test_only_what_changes_is_published(site):
    lacking = knowing(site, gpu=python())
    assert lacking.keep("u", lacking.found("import faux\n")) == {"u"}
    assert lacking.keep("u", lacking.found("import faux\nx = 1\n")) == set()
    assert lacking.keep("u", lacking.found("import faux (\n")) == {"u"}  # in the middle of typing
    assert lacking.keep("u", lacking.found("import faux\n")) == {"u"}
    assert lacking.closed("u") == {"u"}
    assert lacking.published("u") == []


def test_places_are_the_editors(site):
    lacking = knowing(site, gpu=python())
    lacking.keep("u", lacking.found("'😀'; import faux\n"))
    (mark,) = lacking.published("u")
    assert mark["range"] == {"start": {"line": 0, "character": 6}, "end": {"line": 0, "character": 17}}
    assert mark["source"] == "yonder"


def test_an_import_that_does_not_travel_is_marked_with_the_remedy(tmp_path):
    (tmp_path / ".git").mkdir()
    (tmp_path / ".gitignore").write_text("made.py\n")
    for name in ("made.py", "pkg/__init__.py", "pkg/made.py", "pkg/whole.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    text = "import pkg.whole\nx = '🎈'; from pkg import whole, made\ntry:\n    import made\nexcept ImportError:\n    pass\nimport numpy\n"

    def said(text, name="main.py", rules=RULES, folder=tmp_path):
        marks = staying(text, (tmp_path / name).as_uri(), str(folder), rules)
        return [(mark["range"]["start"], mark["severity"], mark["message"]) for mark in marks]

    words = '{} is there, but .gitignore leaves it out: include = ["{}"] in [tool.yonder].'
    one = ({"line": 1, "character": 10}, WARNING, words.format("pkg/made.py", "pkg/made.py"))
    two = ({"line": 3, "character": 4}, INFORMATION, words.format("made.py", "made.py"))
    assert said(text) == [one, two]
    assert said(text, rules=Rules(include=("pkg/made.py",))) == [two]
    assert said(text, "pkg/main.py", Rules(include=("pkg/made.py",))) == []  # beside it lies one that travels
    assert said(text, folder="") == [one, two]
    assert said("import made", "..") != []
    assert said("import made import") == []


def test_a_run_that_missed_a_module_is_told_that_it_is_here(tmp_path):
    (tmp_path / "libs").mkdir()
    (tmp_path / "libs" / "tool.py").write_text("")

    def said(message, kind="ModuleNotFoundError"):
        return left_after_all(wire.Failure(kind, message, ""), str(tmp_path), Rules())

    words = 'libs/tool.py is there, but modules are not looked for in libs/: roots = ["libs"] in [tool.yonder]'
    assert said("No module named 'tool'") == words
    assert said("No module named 'tool'; 'tool' is not a package") == words
    assert said("No module named 'tool'", "ImportError") == ""
    assert said("No module named 'numpy'") == ""
    assert said("No module named tool") == said("") == ""
