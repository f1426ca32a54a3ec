"""What lock files become: lines that an installer elsewhere can take, and what is left out in words."""

import tomllib

import pytest

from yonder import requirements, wire
from yonder.errors import UsageError

packaging_requirements = pytest.importorskip("packaging.requirements")

HERE = wire.Environment("cpython", "3.11.7", "linux_x86_64", {})

PYLOCK = """
lock-version = "1.0"
created-by = "somebody"
default-groups = ["main"]

[[packages]]
name = "mine"
directory = { path = ".", editable = true }

[[packages]]
name = "numpy"
version = "2.1.0"
marker = "sys_platform == 'linux'"
wheels = [
    { name = "numpy-2.1.0-py3-none-any.whl", url = "https://there/1", hashes = { sha256 = "aa" } },
    { name = "numpy-2.1.0-cp312-none-any.whl", url = "https://there/2", hashes = { sha256 = "bb" } },
]
sdist = { name = "numpy-2.1.0.tar.gz", url = "https://there/3", hashes = { sha256 = "cc" } }

[[packages]]
name = "asked"
version = "1"
marker = "'main' in dependency_groups and 'fast' not in extras"
sdist = { name = "asked-1.tar.gz", url = "https://there/4", hashes = { sha256 = "dd" } }

[[packages]]
name = "unasked"
version = "1"
marker = "'fast' in extras or 'dev' in dependency_groups"
sdist = { name = "unasked-1.tar.gz", url = "https://there/5", hashes = { sha256 = "ee" } }

[[packages]]
name = "msgspec"
version = "0.19"
sdist = { name = "msgspec-0.19.tar.gz", url = "https://there/6", hashes = { sha256 = "ff" } }
"""

FROM_GIT = """
[[packages]]
name = "forked"
version = "3"
vcs = { type = "git", url = "https://me:secret@there/forked", commit-id = "abc" }

[[packages]]
name = "downloaded"
archive = { url = "https://there/downloaded.zip", hashes = { sha256 = "00" } }
"""

POETRY = """
[[package]]
name = "numpy"
version = "2.1.0"
optional = false
groups = ["main", "dev"]
markers = {main = "sys_platform == 'linux'", dev = "python_version > '3'"}
files = [{file = "numpy-1.whl", hash = "sha256:aa"}, {file = "numpy-2.whl", hash = "sha256:bb"}]

[[package]]
name = "deep"
version = "7"
optional = false
groups = ["main"]
markers = "python_version >= '3.9'"
files = [{file = "deep.whl", hash = "sha256:cc"}]

[[package]]
name = "pytest"
version = "8"
optional = false
groups = ["dev"]
files = [{file = "pytest.whl", hash = "sha256:dd"}]

[[package]]
name = "extra"
version = "8"
optional = true
groups = ["main"]
files = []

[[package]]
name = "beside"
version = "1"
optional = false
groups = ["main"]
files = []
[package.source]
type = "directory"
url = "../beside"

[metadata]
lock-version = "2.1"
"""

OLDER_POETRY = """
[[package]]
name = "numpy"
version = "2.1.0"
optional = false
files = [{file = "numpy-1.whl", hash = "sha256:aa"}]

[[package]]
name = "Deep.Name"
version = "7"
optional = false
[package.source]
type = "legacy"
url = "https://me:secret@inside/simple"

[[package]]
name = "forked"
version = "1"
optional = false
[package.source]
type = "git"
url = "https://me:secret@there/forked"

[metadata]
lock-version = "2.0"
"""


def read(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    return requirements.read(tmp_path, HERE, [])


def wanted(lines, **environment):
    """Names of what an installer takes."""
    parsed = [packaging_requirements.Requirement(line.partition(" --hash")[0]) for line in lines]
    return [one.name for one in parsed if one.marker is None or one.marker.evaluate(environment)]


def test_a_pylock_gives_every_package_with_marker_and_hashes(tmp_path):
    found = read(tmp_path, "pylock.toml", PYLOCK)
    assert found.lines[0] == (
        "numpy==2.1.0 ; sys_platform == 'linux' --hash=sha256:aa --hash=sha256:bb --hash=sha256:cc"
    )
    assert found.lines[-1] == "msgspec==0.19 --hash=sha256:ff"  # with hashes, all of them have to be named
    assert wanted(found.lines, sys_platform="linux") == ["numpy", "asked", "msgspec"]
    assert wanted(found.lines, sys_platform="darwin") == ["asked", "msgspec"]
    assert (found.constraints, found.source) == ([], "pylock.toml")


def test_our_reading_of_a_pylock_is_that_of_packaging(tmp_path):
    pylock = pytest.importorskip("packaging.pylock")
    parsed = pylock.Pylock.from_dict(tomllib.loads(PYLOCK))
    theirs = [one.name for one, _ in parsed.select() if one.directory is None] if hasattr(parsed, "select") else None
    if theirs is None:
        pytest.skip("this version of packaging selects nothing")
    assert wanted(read(tmp_path, "pylock.toml", PYLOCK).lines) == theirs


def test_what_no_registry_has_is_said_and_takes_the_hashes_with_it(tmp_path):
    found = read(tmp_path, "pylock.toml", PYLOCK + FROM_GIT)
    assert found.source == "pylock.toml, without forked (from git), downloaded (from an address): no registry has that"
    assert found.lines[0] == "numpy==2.1.0 ; sys_platform == 'linux'"
    assert not [line for line in found.lines if "hash" in line or line.startswith("msgspec")]


def test_one_package_without_hashes_leaves_all_without(tmp_path):
    found = read(tmp_path, "pylock.toml", PYLOCK.replace('hashes = { sha256 = "dd" }', "hashes = {}"))
    assert not [line for line in found.lines if "hash" in line]


def test_another_version_of_the_format_is_said(tmp_path):
    with pytest.raises(
        UsageError, match=r"pylock\.toml cannot be read: its lock-version is 2\.0, and 1\.x is read here"
    ):
        read(tmp_path, "pylock.toml", PYLOCK.replace('"1.0"', '"2.0"'))


def test_a_poetry_lock_gives_its_main_group(tmp_path):
    found = read(tmp_path, "poetry.lock", POETRY)
    assert found.lines == [
        "numpy==2.1.0 ; sys_platform == 'linux' --hash=sha256:aa --hash=sha256:bb",
        "deep==7 ; python_version >= '3.9' --hash=sha256:cc",
    ]
    assert (found.constraints, found.source) == ([], "poetry.lock")


def test_an_older_poetry_lock_gives_what_the_project_names_and_pins_for_the_rest(tmp_path):
    (tmp_path / "pyproject.toml").write_text(
        "[tool.poetry.dependencies]\npython = '^3.11'\nnumpy = {version = '^2', extras = ['fast'], markers = \"os_name == 'posix'\"}\n"
        "deep_name = [{version = '^7'}, {version = '^8', optional = true}]\nforked = {git = 'https://there'}\n"
    )
    found = read(tmp_path, "poetry.lock", OLDER_POETRY)
    assert found.lines == ["numpy[fast]==2.1.0 ; os_name == 'posix'", "Deep.Name==7"]
    assert found.constraints == ["Deep.Name==7", "numpy==2.1.0"]
    assert found.source == "poetry.lock, without forked (from git): no registry has that"


def test_an_older_poetry_lock_alone_gives_all_of_it(tmp_path):
    assert read(tmp_path, "poetry.lock", OLDER_POETRY).lines == ["Deep.Name==7", "numpy==2.1.0"]


def test_addresses_are_never_told(tmp_path):
    for name, text in (("pylock.toml", PYLOCK + FROM_GIT), ("poetry.lock", OLDER_POETRY)):
        (tmp_path / name).write_text(text)
        found = requirements.read(tmp_path, HERE, [])
        assert "secret" not in f"{found.lines}{found.constraints}{found.source}"
        (tmp_path / name).unlink()


def test_of_several_files_one_counts(tmp_path):
    (tmp_path / "requirements.txt").write_text("last\n")
    (tmp_path / "poetry.lock").write_text(POETRY)
    assert requirements.read(tmp_path, HERE, []).source == "poetry.lock"
    assert read(tmp_path, "pylock.toml", PYLOCK).source == "pylock.toml"


@pytest.mark.parametrize("file", ["uv.lock", "pylock.toml", "poetry.lock"])
@pytest.mark.parametrize("name", ["a\\nb", "--index-url=there", "a b", ""])
def test_no_name_becomes_another_line_or_an_option(tmp_path, file, name):
    key = "packages" if file == "pylock.toml" else "package"
    text = f'lock-version = "1.0"\n[[{key}]]\nname = "{name}"\nversion = "1"\ngroups = ["main"]\nfiles = []\n'
    text += 'sdist = { hashes = { sha256 = "a" } }\n' if key == "packages" else 'source = { registry = "" }\n'
    with pytest.raises(UsageError, match="is no name of a package"):
        read(tmp_path, file, text)


@pytest.mark.parametrize("wanted", ["marker = ", "extra = ", "version = "])
def test_no_dependency_becomes_another_line(tmp_path, wanted):
    text = """"x\\n--index-url=there\""""
    text = f"[{text}]" if wanted.startswith("extra") else text
    direct = f"""[[package]]
name = "mine"
source = {{ virtual = "." }}
dependencies = [{{ name = "numpy", {wanted}{text} }}]

[[package]]
name = "numpy"
version = "2"
source = {{ registry = "" }}
"""
    with pytest.raises(UsageError, match="cannot stand in a line of requirements"):
        read(tmp_path, "uv.lock", direct)


def test_no_dependency_of_an_older_poetry_becomes_another_line(tmp_path):
    project = """[tool.poetry.dependencies]\nnumpy = { markers = "x\\n--index-url=there" }"""
    (tmp_path / "pyproject.toml").write_text(project)
    with pytest.raises(UsageError, match="cannot stand in a line of requirements"):
        read(tmp_path, "poetry.lock", """[[package]]\nname = "numpy"\nversion = "2"\n""")


@pytest.mark.parametrize("text", ["packages = 3\nlock-version = '1.0'", "[[packages", "lock-version = '1.0'"])
def test_a_pylock_that_is_none_is_named(tmp_path, text):
    with pytest.raises(UsageError, match=r"pylock\.toml cannot be read"):
        read(tmp_path, "pylock.toml", text)


def test_requirements_say_what_they_leave_out(tmp_path):
    found = read(
        tmp_path, "requirements.txt", "numpy\nmine @ git+https://me:secret@there/mine\nhttps://there/a.whl\n-e .\n"
    )
    assert found.lines == ["numpy"]
    assert found.source == (
        "requirements.txt, without mine (from git), something (from an address): no registry has that"
    )
