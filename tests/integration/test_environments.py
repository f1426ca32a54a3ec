"""Executors with another Python, or with other packages, than the program: machines that joined, whose Python says what
the test wants, or lacks what the program has."""

import contextlib
import hashlib
import os
import subprocess
import sys
import zipfile
from base64 import urlsafe_b64encode

import pytest
from tests.integration.cluster import ROOT
from tests.integration.test_hub_tcp import start
from tests.integration.test_standing import a_hub

NAME = "fauxlib"


def package(folder, version):
    """The package, as it lies in a site-packages of the program's."""
    site = folder / "site-packages"
    (site / f"{NAME}-{version}.dist-info").mkdir(parents=True)
    (site / f"{NAME}.py").write_text(f"VERSION = {version!r}\n")
    return site


def wheel(folder, version):
    """The package for installers, without any tool for building it."""
    folder.mkdir(exist_ok=True)
    info = f"{NAME}-{version}.dist-info"
    files = {
        f"{NAME}.py": f"VERSION = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {NAME}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(
        f"{name},sha256={urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b'=').decode()},{len(text)}\n"
        for name, text in files.items()
    )
    with zipfile.ZipFile(folder / f"{NAME}-{version}-py3-none-any.whl", "w") as archive:
        for name, text in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(name, text)


@contextlib.asynccontextmanager
async def a_machine(hub, tmp_path, *, says=""):
    """One that came by itself. `says`: code that is run in it first."""
    first = tmp_path / "first"
    first.mkdir(exist_ok=True)
    (first / "sitecustomize.py").write_text(says)
    wheels = str(tmp_path / "wheels")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_"))},
        "PYTHONPATH": f"{first}:{ROOT / 'executor'}",
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": wheels,
        "PIP_NO_CACHE_DIR": "1",
        "UV_NO_INDEX": "1",
        "UV_FIND_LINKS": wheels,
        "UV_OFFLINE": "1",
    }
    command = [sys.executable, "-P", "-m", "yonder.cli", "executor", str(hub.invitations), "--wait", "10"]
    machine = subprocess.Popen(command, stderr=subprocess.DEVNULL, env=environment)  # noqa: ASYNC220 - ends with the hub
    try:
        yield machine
    finally:
        machine.terminate()
        machine.wait(30)


async def ran(tmp_path, hub, code):
    """What the program printed, and what it said on stderr."""
    head = f"import sys; sys.path.append({str(tmp_path / 'mine' / 'site-packages')!r})\nimport os, yonder\n"
    program = await start(tmp_path, head + code, hub.file)
    out, err = await program.process.communicate()
    return out.decode(), err.decode()


CALLS = f"""import {NAME}
def version():
    import {NAME}
    return {NAME}.VERSION, {NAME}.__file__
with yonder.Pool(backend="standing", max=1, %s) as pool:
    for _ in range(2):
        try:
            print(*pool.call(version))
        except Exception as error:
            print(type(error).__name__, error, *getattr(error, "__notes__", []))
"""


async def test_another_minor_version_of_python_is_refused_at_once_and_in_words(tmp_path):
    says = """
import msgspec, yonder.installed as installed
survey = installed.survey
installed.survey = lambda *path: msgspec.structs.replace(survey(*path), version="3.99.1")
"""
    async with a_hub(tmp_path, 1) as hub, a_machine(hub, tmp_path, says=says):
        code = "with yonder.Pool(backend='standing', max=1) as pool:\n    print(pool.submit(abs, -1).exception(60))\n"
        out, err = await ran(tmp_path, hub, code)
    mine = ".".join(map(str, sys.version_info[:2]))
    assert f"this program runs Python {mine}, the executor on standing (pool 'default') Python 3.99" in out, err
    assert "boots failed" not in out


@pytest.mark.parametrize(("wish", "told"), [("report", 1), ("off", 0)])
async def test_a_missing_package_is_told_once_and_the_error_says_what_to_do(tmp_path, wish, told):
    package(tmp_path / "mine", "1.0")
    async with a_hub(tmp_path, 1) as hub, a_machine(hub, tmp_path):
        out, err = await ran(tmp_path, hub, CALLS % f"dependencies={wish!r}")
    assert err.count(f"yonder: on standing (pool 'default'): {NAME} is missing there.") == told
    lines = out.splitlines()
    assert len(lines) == 2
    for line in lines:
        assert line.startswith(f"ModuleNotFoundError No module named '{NAME}'")
        assert f"'{NAME}' is missing on standing (pool 'default')" in line


async def test_the_lock_is_installed_once_and_executors_import_from_it(tmp_path):
    package(tmp_path / "mine", "1.0")
    wheel(tmp_path / "wheels", "1.0")
    wheel(tmp_path / "wheels", "2.0")
    (tmp_path / "requirements.txt").write_text(f"{NAME}==1.0\n")
    async with a_hub(tmp_path, 1) as hub, a_machine(hub, tmp_path):
        out, err = await ran(tmp_path, hub, CALLS % "dependencies='lock'")
        lines = out.splitlines()
        assert len(lines) == 2, err
        (overlay,) = (tmp_path / "state" / "yonder" / "overlays").iterdir()
        assert lines == [f"1.0 {overlay / NAME}.py"] * 2
        made = overlay.stat().st_mtime_ns
        again, _ = await ran(tmp_path, hub, CALLS % "dependencies='lock'")  # from the folder that is there
        assert again == out
        assert overlay.stat().st_mtime_ns == made
        (tmp_path / "requirements.txt").write_text(f"{NAME}==2.0\n")
        other, err = await ran(tmp_path, hub, CALLS % "dependencies='lock'")
        assert other.startswith("2.0 "), err
        none, _ = await ran(tmp_path, hub, CALLS % "dependencies='off'")
        assert none.startswith("ModuleNotFoundError")


async def test_what_cannot_be_installed_is_told_with_the_installers_words(tmp_path):
    package(tmp_path / "mine", "1.0")
    wheel(tmp_path / "wheels", "1.0")
    (tmp_path / "requirements.txt").write_text(f"{NAME}==3.0\n")
    async with a_hub(tmp_path, 1) as hub, a_machine(hub, tmp_path):
        out, err = await ran(tmp_path, hub, CALLS % "dependencies='lock'")
    assert out.startswith("BootFailed on standing (pool 'default'), from requirements.txt: the packages could not"), err
    assert f"{NAME}==3.0" in out
    assert "boots failed" not in out
    assert list((tmp_path / "state" / "yonder" / "overlays").iterdir()) == []


async def test_a_preflight_knows_what_the_executors_have(tmp_path):
    package(tmp_path / "mine", "1.0")
    code = f"""import {NAME}
def uses():
    import {NAME}
with yonder.Pool(backend="standing", max=1, dependencies="off") as pool:
    print(pool.preflight(uses))
    print(pool.call(abs, -3))
    print(pool.preflight(uses))
"""
    async with a_hub(tmp_path, 1) as hub, a_machine(hub, tmp_path):
        out, err = await ran(tmp_path, hub, code)
    before, after = out.split("3\n")
    assert "not known before the first of them is up" in before, err
    assert before.startswith("uses on 'default' (standing): takes along ")
    assert f"error: on the pool 'default': {NAME} is missing there" in after
