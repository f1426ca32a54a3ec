"""What goes into the executor's image, without any engine: Yonder's own wheel, the build's context, what is refused."""

import base64
import hashlib
import importlib.metadata
import subprocess
import sys
import zipfile
from pathlib import Path

import cloudpickle
import pytest
from scripts.images import closure, lay_out, pack
from scripts.private_engine import NoEngineError

import yonder
from yonder.errors import CannotRun, UsageError
from yonder.image import build as building
from yonder.image.build import DOCKERFILE, build, usual_base, write_context
from yonder.image.wheel import requirements, write_own_wheel
from yonder.version import IMAGE, __version__


def test_the_own_wheel_is_this_package_and_its_record_is_true(tmp_path):
    wheel = write_own_wheel(tmp_path)
    assert wheel.name == f"yonder-{__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        record = archive.read(f"yonder-{__version__}.dist-info/RECORD").decode().splitlines()
        for name in ("yonder/wire/__init__.py", "yonder/agent/worker.py", "yonder/image/Dockerfile", "yonder/py.typed"):
            assert (
                archive.read(name) == Path(yonder.__file__).parent.joinpath(name.removeprefix("yonder/")).read_bytes()
            )
        assert not any("__pycache__" in name for name in names)
        assert [line.partition(",")[0] for line in record] == names
        path, digest, size = next(line for line in record if line.startswith("yonder/wire/__init__.py")).split(",")
        content = archive.read(path)
        told = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
        assert (digest, size) == (f"sha256={told}", str(len(content)))


def test_the_same_tree_gives_the_same_wheel(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert write_own_wheel(tmp_path / "a").read_bytes() == write_own_wheel(tmp_path / "b").read_bytes()


def test_requirements_are_the_executors_alone():
    named = [line.partition(">")[0] for line in requirements()]
    assert named == sorted(named)
    assert {"cloudpickle", "msgspec", "websockets"} <= set(named)
    assert not {"pygls", "jedi", "torch", "pytest"} & set(named)


def test_a_package_that_is_not_installed_says_so(monkeypatch):
    def nothing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "requires", nothing)
    with pytest.raises(UsageError, match="not installed"):
        requirements()


def test_the_context_has_what_the_dockerfile_copies(tmp_path):
    given = tmp_path / "given"
    given.mkdir()
    (given / "x-1-py3-none-any.whl").write_bytes(b"x")
    context = tmp_path / "context"
    context.mkdir()
    write_context(context, given)
    assert (context / "Dockerfile").read_bytes() == DOCKERFILE.read_bytes()
    assert (context / "wheels" / "x-1-py3-none-any.whl").read_bytes() == b"x"
    assert (context / "wheels" / "requirements.txt").read_text().splitlines() == requirements()
    assert [path.name for path in (context / "yonder").iterdir()] == [f"yonder-{__version__}-py3-none-any.whl"]


@pytest.fixture
def client(monkeypatch):
    """A docker client that writes down how it was called."""
    calls = []

    def run(command, **_):
        calls.append(command)
        return subprocess.CompletedProcess(command, run.status)

    run.status = 0
    monkeypatch.setattr(building.shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.setattr(building.subprocess, "run", run)
    run.calls = calls
    return run


def test_the_usual_build_takes_this_pythons_minor_version_and_asks_the_registry(client):
    assert build(base=usual_base()) == IMAGE
    (command,) = client.calls
    assert command[:4] == ["/bin/docker", "build", "--tag", IMAGE]
    assert f"BASE=python:{sys.version_info.major}.{sys.version_info.minor}-slim" in command
    assert f"VERSION={__version__}" in command
    assert "PIP=" in command


def test_offline_wheels_ask_no_registry(client, tmp_path):
    build(base="b", tag="t", extras="torch numpy", wheels=tmp_path, host="unix:///x")
    (command,) = client.calls
    assert command[1:3] == ["--host", "unix:///x"]
    assert {"BASE=b", "EXTRAS=torch numpy", "PIP=--no-index"} <= set(command)


def test_what_cannot_be_built_is_said(client, monkeypatch, tmp_path):
    with pytest.raises(UsageError, match="is not a folder; --offline-wheels"):
        build(base="b", wheels=tmp_path / "none")
    client.status = 17
    with pytest.raises(CannotRun, match=r"status 17.*If b could not be pulled.*--base"):
        build(base="b")
    monkeypatch.setattr(building.shutil, "which", lambda name: None)
    with pytest.raises(CannotRun, match="no docker client on PATH"):
        build(base="b")


def test_an_installed_package_becomes_a_wheel_again(tmp_path):
    wheel = pack(importlib.metadata.distribution("cloudpickle"), tmp_path)
    version = importlib.metadata.version("cloudpickle")
    assert wheel.name == f"cloudpickle-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        assert archive.read("cloudpickle/__init__.py") == Path(cloudpickle.__file__).read_bytes()
    assert {f"cloudpickle-{version}.dist-info/{name}" for name in ("METADATA", "WHEEL", "RECORD")} <= set(names)
    assert not [name for name in names if "INSTALLER" in name or ".." in name or name.endswith(".pyc")]


def test_installed_packages_are_laid_out_to_be_imported_elsewhere(tmp_path, monkeypatch):
    one = [importlib.metadata.distribution("cloudpickle")]
    lay_out(one, tmp_path / "linked")

    def refuse(target, source):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    lay_out(one, tmp_path / "copied")
    for name in ("linked", "copied"):
        assert (tmp_path / name / "cloudpickle" / "__init__.py").read_bytes() == Path(cloudpickle.__file__).read_bytes()
        assert (tmp_path / name / f"cloudpickle-{one[0].version}.dist-info" / "METADATA").exists()


def test_a_closure_holds_what_is_needed_and_nothing_besides():
    names = {one.metadata["Name"].lower() for one in closure(["scikit-learn"])}
    assert {"scikit-learn", "numpy", "scipy", "joblib", "threadpoolctl"} <= names
    assert "pytest" not in names
    with pytest.raises(NoEngineError, match="no-such-package is not installed here"):
        closure(["no-such-package"])
