"""[tool.yonder]: a closed set that names its mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yonder.choices import BACKENDS_TO_COME
from yonder.errors import SettingsError
from yonder.layers import line_of
from yonder.settable import KEYS
from yonder.settings import load
from yonder.settings_page import describe, markdown
from yonder.wire import PoolSpec, Resources

FULL = """
[project]
name = "digits"

[tool.yonder]
python = "env/bin/python"
linger = 5
silence = 30.5
stream_bound = 1_000_000
env = ["HF_HOME", "MISSING"]
session = { preload = ["torch"], env = ["WANDB_MODE"] }

[tool.yonder.pools.gpu]
backend = "local"
min = 1
max = 4
concurrency = 2
idle_timeout = 10
boot_timeout = 20
preload = ["torch", "sklearn.datasets"]
env = ["CUDA_HOME"]
env_file = "gpu.env"
"""


def written(folder: Path, text: str) -> Path:
    (folder / "pyproject.toml").write_text(text)
    return folder


def refused(folder: Path, text: str, overrides: dict[str, object] | None = None) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        load(written(folder, text), overrides)
    return caught.value


def test_nothing_is_needed(tmp_path: Path) -> None:
    for folder in (None, tmp_path):
        found = load(folder)
        assert found.pool_specs() == [PoolSpec()]
        assert (found.python, found.linger, found.silence, found.stream_bound) == ("", 20.0, 600.0, 1_000_000_000)
        assert found.session.preload == ()
        assert found.warnings == ()


def test_another_tools_file_is_fine(tmp_path: Path) -> None:
    assert load(written(tmp_path, '[tool.other]\nkey = "x"\n')).pool_specs() == [PoolSpec()]


def test_what_travels_with_the_code(tmp_path: Path) -> None:
    found = load(
        written(tmp_path, "[tool.yonder]\ninclude = ['/data/*.json']\nexclude = ['tests/']\nroots = ['./lib/']\n")
    )
    assert (found.include, found.exclude, found.roots) == (("/data/*.json",), ("tests/",), ("lib",))
    assert (load(None).include, load(None).exclude, load(None).roots) == ((), (), ())


def test_everything(tmp_path: Path) -> None:
    (tmp_path / "gpu.env").write_text("# secrets\nexport A=1\nB = 'two words'\n\nbroken\n")
    environ = {"HF_HOME": "/models", "CUDA_HOME": "/cuda", "WANDB_MODE": "offline"}
    found = load(written(tmp_path, FULL), environ=environ)
    assert found.python == str(tmp_path / "env/bin/python")
    assert (found.linger, found.silence, found.stream_bound) == (5.0, 30.5, 1_000_000)
    assert found.session.preload == ("torch",)
    assert dict(found.session.env) == {"HF_HOME": "/models", "WANDB_MODE": "offline"}
    assert found.pools["default"] == PoolSpec(env={"HF_HOME": "/models"})
    assert found.pools["gpu"] == PoolSpec(
        name="gpu",
        min=1,
        max=4,
        concurrency=2,
        idle_timeout=10.0,
        boot_timeout=20.0,
        preload=["torch", "sklearn.datasets"],
        env={"HF_HOME": "/models", "CUDA_HOME": "/cuda", "A": "1", "B": "two words"},
    )
    assert [warning for warning in found.warnings if "MISSING" in warning]
    assert [warning for warning in found.warnings if "line 5" in warning]
    assert not [warning for warning in found.warnings if "two words" in warning]
    assert "/models" not in repr(found.session)


def test_the_editor_wins_key_by_key(tmp_path: Path) -> None:
    found = load(written(tmp_path, FULL), {"linger": 1, "pools": {"gpu": {"max": 64}, "other": {}}}, environ={})
    assert found.linger == 1.0
    assert found.pools["gpu"].max == 64
    assert found.pools["gpu"].min == 1
    assert found.pools["other"] == PoolSpec(name="other")


def test_an_unknown_key_says_where_and_what_is_allowed(tmp_path: Path) -> None:
    error = refused(tmp_path, "[tool.yonder]\nlinger = 3\n\n[tool.yonder.pools.gpu]\nmin = 1\nmaximum = 4\n")
    assert error.key == "maximum"
    assert error.place == f"{tmp_path / 'pyproject.toml'}, line 6, [tool.yonder.pools.gpu]"
    assert 'did you mean "max"?' in str(error)
    assert "backend, image, options, min, max, concurrency, buffer, idle_timeout" in str(error)


def test_an_unknown_key_of_the_editor_says_so(tmp_path: Path) -> None:
    error = refused(tmp_path, "", {"pools": {"default": {"idle": 3}}})
    assert str(error).startswith("the editor's settings, pools.default.idle: ")
    assert 'did you mean "idle_timeout"?' in str(error)


@pytest.mark.parametrize(
    ("text", "key", "said"),
    [
        ("linger = '20'", "linger", "must be seconds, at least 0, not '20'"),
        ("linger = -1", "linger", "at least 0"),
        ("linger = true", "linger", "not true"),
        ("linger = nan", "linger", "not nan"),
        ("silence = 0", "silence", "at least 1"),
        ("stream_bound = 10", "stream_bound", "at least 65536"),
        ("python = 3", "python", "must be a path"),
        ("lingr = 1", "lingr", 'did you mean "linger"?'),
        ("zzzz = 1", "zzzz", "Allowed here: python, hub, linger"),
        ("env = 'HOME'", "env", "list of variable names"),
        ("env = {A = 'hunter2'}", "env", "values stay out of this file"),
        ("env = ['A=hunter2']", "env", "'A', which is no variable's name alone"),
        ("include = '*.json'", "include", "a list of patterns as in .gitignore"),
        ("exclude = ['a', '../b']", "exclude", "'../b', which names nothing in this folder"),
        ("exclude = ['/']", "exclude", "names nothing in this folder"),
        ("roots = ['/lib']", "roots", "'/lib', which names nothing in this folder"),
        ("roots = [1]", "roots", "a list of folders in this one"),
        ("session = 3", "session", "must be a table"),
        ("session = { min = 1 }", "min", "Allowed here: preload, env, backend"),
        ("session = { backend = 'docker', options = { pull = 'often' } }", "options", '"pull" must be one of: missing'),
        ("session = { image = 'x' }", "image", "the local backend has no images"),
        ("pools.gpu = { image = 'a b', backend = 'docker' }", "image", "must be the name of an image"),
        ("pools.gpu = { options = 3 }", "options", "must be a table of options"),
        ("pools.gpu = { options = { hsot = 'x' } }", "options", 'did you mean "host"?'),
        ("pools.gpu = { options = { network = 'lab' } }", "options", "which the local backend does not know"),
        ("session = { preload = ['not-a-module'] }", "preload", "'not-a-module', which is no module name"),
        ("pools = 3", "pools", "must be a table"),
        ("pools.gpu = 3", "gpu", "must be a table"),
        ("pools.'g p u' = {}", "g p u", "no pool name"),
        ("pools.gpu = { max = 0 }", "max", "at least 1"),
        ("pools.gpu = { max = 1.5 }", "max", "a whole number"),
        ("pools.gpu = { min = 9 }", "min", '"min" is 9, more than "max", which is 8'),
        ("pools.gpu = { backend = 'locl' }", "backend", 'did you mean "local"?'),
        ("pools.gpu = { backend = 3 }", "backend", "Allowed: local"),
    ],
)
def test_a_wrong_value_names_itself(tmp_path: Path, text: str, key: str, said: str) -> None:
    error = refused(tmp_path, f"[tool.yonder]\n{text}\n")
    assert error.key == key
    assert "line 2" in error.place
    assert said in str(error)
    assert "hunter2" not in str(error)


@pytest.mark.parametrize("backend", BACKENDS_TO_COME)
def test_a_backend_that_is_not_there_yet_is_said_to_come(tmp_path: Path, backend: str) -> None:
    error = refused(tmp_path, f"[tool.yonder.pools.default]\nbackend = '{backend}'\n")
    assert f'is "{backend}", which this version does not have yet' in str(error)


def test_options_go_with_a_backend_of_another_layer(tmp_path: Path) -> None:
    text = '[tool.yonder.pools.gpu]\nbackend = "docker"\nimage = "team/executor:1"\n'
    found = load(written(tmp_path, text), {"pools": {"gpu": {"options": {"network": "lab", "gpus": ["0", "1"]}}}})
    assert found.pools["gpu"].image == "team/executor:1"
    assert found.pools["gpu"].options == {"network": "lab", "gpus": ["0", "1"]}
    error = refused(tmp_path, text, {"pools": {"gpu": {"backend": "local"}}})
    assert str(error).startswith("the editor's settings, pools.gpu.image: ")


def test_a_session_is_an_executor_of_its_own_kind(tmp_path: Path) -> None:
    text = """
    [tool.yonder]
    env = ["HF_HOME"]
    [tool.yonder.session]
    backend = "docker"
    gpu = "l40s"
    memory = "8GB"
    preload = ["torch"]
    options = { shm_size = "2GB" }
    """
    found = load(written(tmp_path, text), environ={"HF_HOME": "/models"}).session
    wanted = PoolSpec(
        name="session",
        backend="docker",
        resources=Resources(gpu=["l40s"], memory=8 * 10**9),
        options={"shm_size": "2GB"},
        env={"HF_HOME": "/models"},
    )
    assert found.spec == wanted
    assert (found.preload, found.env) == (("torch",), {"HF_HOME": "/models"})
    assert load(None).session.spec == PoolSpec(name="session")


def test_minimum_over_maximum_across_layers(tmp_path: Path) -> None:
    error = refused(tmp_path, "[tool.yonder.pools.gpu]\nmin = 3\n", {"pools": {"gpu": {"max": 2}}})
    assert str(error).startswith("the editor's settings, ")


def test_a_broken_file_is_told_with_its_line(tmp_path: Path) -> None:
    assert "is not valid TOML" in str(refused(tmp_path, "[tool.yonder]\nlinger = \n"))
    assert "line 2" in str(refused(tmp_path, "[tool.yonder]\nlinger = \n"))
    assert "must be a table" in str(refused(tmp_path, "[tool]\nyonder = 3\n"))


def test_a_missing_env_file_is_a_warning(tmp_path: Path) -> None:
    found = load(written(tmp_path, '[tool.yonder]\nenv_file = "none.env"\n'))
    assert len(found.warnings) == 1
    assert "none.env cannot be read" in found.warnings[0]


def test_lines_are_found_in_every_way_of_writing() -> None:
    text = '[tool]\nyonder.linger = 1\n[tool.yonder."pools"]\na.max = 1\nb = {\n max = 2 }\n[ tool.yonder.pools.c ]\nmax=3\n'
    for path, line in (
        (("linger",), 2),
        (("pools", "a", "max"), 4),
        (("pools", "b", "max"), 5),
        (("pools", "c", "max"), 8),
    ):
        assert line_of(text, ("tool", "yonder", *path)) == line
    assert line_of(text, ("tool", "yonder", "nothing")) == 1


@given(st.dictionaries(st.text(min_size=1, max_size=12), st.one_of(st.integers(), st.text(), st.booleans(), st.none())))
def test_whatever_is_given_is_taken_or_refused_in_words(tree: dict[str, object]) -> None:
    try:
        load(None, tree)
    except SettingsError as error:
        key, place = error.key, error.place
    else:
        return
    assert key in tree
    assert place


def test_every_key_is_described_once() -> None:
    rows = describe()
    assert len(rows) == len(KEYS) == len({(row.table, row.key) for row in rows})
    fields = set(PoolSpec.__struct_fields__) - {"name", "resources"} | {"env_file", "gpu", "cpus", "memory"}
    assert {key.name for key in KEYS if key.scope == "pool"} == fields


def test_the_page_is_up_to_date() -> None:
    page = Path(__file__).parents[2] / "docs" / "settings.md"
    assert page.read_text() == markdown(), "run: python -m yonder.settings > docs/settings.md"
