"""What would install the same elsewhere, from lock files."""

import pytest

from yonder import requirements, wire
from yonder.errors import UsageError

HERE = wire.Environment("cpython", "3.11.7", "linux_x86_64", {"numpy": "2.1.0", "torch": "2.13.0+cpu"})
UV = """
version = 1

[[package]]
name = "mine"
version = "0.1.0"
source = { virtual = "." }
dependencies = [
    { name = "numpy" },
    { name = "jax", extra = ["cuda"], marker = "sys_platform == 'linux'" },
    { name = "forked", version = "2.0", marker = "python_full_version >= '3.12'" },
    { name = "forked", version = "1.0", marker = "python_full_version < '3.12'" },
    { name = "beside" },
    { name = "msgspec" },
]

[[package]]
name = "numpy"
version = "2.1.0"
source = { registry = "somewhere" }

[[package]]
name = "jax"
version = "0.4"
source = { registry = "somewhere" }
dependencies = [{ name = "deep" }]

[[package]]
name = "deep"
version = "7"
source = { registry = "somewhere" }

[[package]]
name = "forked"
version = "1.0"
source = { registry = "somewhere" }

[[package]]
name = "forked"
version = "2.0"
source = { registry = "somewhere" }

[[package]]
name = "beside"
version = "1.0"
source = { directory = "../beside" }

[[package]]
name = "msgspec"
version = "0.1"
source = { registry = "somewhere" }
"""


def test_a_uv_lock_gives_direct_dependencies_and_pins_for_the_rest(tmp_path):
    (tmp_path / "uv.lock").write_text(UV)
    found = requirements.read(tmp_path, HERE, [])
    assert found.lines == [
        "numpy==2.1.0",
        "jax[cuda]==0.4 ; sys_platform == 'linux'",
        "forked==2.0 ; python_full_version >= '3.12'",
        "forked==1.0 ; python_full_version < '3.12'",
    ]
    assert found.constraints == ["deep==7", "jax==0.4", "numpy==2.1.0"]
    assert found.source == "uv.lock"


def test_requirements_are_taken_as_they_are_without_what_no_registry_has(tmp_path):
    (tmp_path / "more.txt").write_text("deep>=1\n")
    (tmp_path / "limits.txt").write_text("numpy<3\n")
    (tmp_path / "requirements.txt").write_text(
        "# a comment\nnumpy==2.1.0  # why\n-r more.txt\n-c limits.txt\n-e .\n./local\n--index-url where-secrets-are\n"
        "mine @ file:///somewhere\nmsgspec==0.1\nhashed==1 \\\n    --hash=sha256:aa\nmsgspec==1 --hash=sha256:bb\n"
    )
    found = requirements.read(tmp_path, HERE, [])
    assert found.lines == ["numpy==2.1.0", "deep>=1", "hashed==1      --hash=sha256:aa", "msgspec==1 --hash=sha256:bb"]
    assert found.constraints == ["numpy<3"]


@pytest.mark.parametrize(
    "line",
    [
        "mine@https://name:word@there/mine.git",
        "mine[x] @ file:///there",
        "wheels/mine-1.0-py3-none-any.whl",
        "mine-1.0.tar.gz",
        "https://there/mine.whl",
        "git+https://there/mine",
        "../mine",
        "--index-url=there",
    ],
)
def test_addresses_and_paths_are_left_out(tmp_path, line):
    (tmp_path / "requirements.txt").write_text(f"{line}\nnumpy (>=2)\nplain\n")
    assert requirements.read(tmp_path, HERE, []).lines == ["numpy (>=2)", "plain"]


@pytest.mark.parametrize("option", ["-r", "-r ", "--requirement=", "--requirement "])
def test_files_that_it_names_are_read(tmp_path, option):
    (tmp_path / "more.txt").write_text("deep>=1\n")
    (tmp_path / "requirements.txt").write_text(f"{option}more.txt  # why\n")
    assert requirements.read(tmp_path, HERE, []).lines == ["deep>=1"]


def test_without_a_lock_it_is_what_is_installed_here(tmp_path):
    found = requirements.read(tmp_path, HERE, ["torch", "numpy", "unknown", "cloudpickle"])
    assert (found.lines, found.constraints) == (["numpy==2.1.0", "torch==2.13.0", "unknown"], [])
    assert found.source == "what is installed here"


def test_the_lock_of_the_project_above_counts_and_that_of_another_does_not(tmp_path):
    (tmp_path / "requirements.txt").write_text("outer==1\n")
    project = tmp_path / "project"
    inner = project / "src" / "deep"
    inner.mkdir(parents=True)
    assert requirements.read(inner, HERE, []).lines == ["outer==1"]
    (project / "pyproject.toml").write_text("")
    assert requirements.read(inner, HERE, []).lines == []


@pytest.mark.parametrize("text", ["[[package", "package = 3", "[[package]]\nname = 'x'\nsource = { registry = '' }"])
def test_a_lock_that_is_none_is_named(tmp_path, text):
    (tmp_path / "uv.lock").write_text(text)
    with pytest.raises(UsageError, match=r"uv\.lock cannot be read"):
        requirements.read(tmp_path, HERE, [])


def test_files_that_name_each_other_come_to_an_end(tmp_path):
    (tmp_path / "requirements.txt").write_text("one\n-r requirements.txt\n")
    assert set(requirements.read(tmp_path, HERE, []).lines) == {"one"}


def test_a_file_that_is_named_and_not_there_is_told(tmp_path):
    (tmp_path / "requirements.txt").write_text("-r gone.txt\n")
    with pytest.raises(UsageError, match=r"gone\.txt cannot be read"):
        requirements.read(tmp_path, HERE, [])
