"""Packages installed for executors by real installers, from a folder of wheels that the test has made; no network."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.integration.test_environments import NAME, wheel

from yonder import overlays, requirements, wire
from yonder.agent import providing
from yonder.agent.providing import FRESH, Provider

KEY = "0123456789abcdef" * 2
OTHER = "f" * 32


def uv() -> str:
    """The folder that uv is in; it is found as an executor's user would have it, or as the tests' own requirement."""
    found = shutil.which("uv", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
    return str(Path(found).parent) if found else ""


INSTALLERS = [
    pytest.param("pip", marks=pytest.mark.skipif(not importlib.util.find_spec("pip"), reason="no pip here")),
    pytest.param("uv", marks=pytest.mark.skipif(not uv(), reason="no uv here")),
]


class Agent:
    """Its provider, and what that says; children are waited for as an agent does."""

    def __init__(self, folder: Path) -> None:
        self.said: list[wire.Message] = []
        self.now = 0.0
        self.folder = folder
        self.provider = Provider(self.hear, clock=lambda: self.now)
        self.answered = asyncio.Event()

    def hear(self, message: wire.Message) -> None:
        self.said.append(message)
        if isinstance(message, wire.Provided):
            self.answered.set()

    async def install(self, installer: str, *lines: str, key: str = KEY, constraints: tuple[str, ...] = ()) -> str:
        """Why it could not be, "" when it is there."""
        (self.folder / "bin").mkdir(exist_ok=True)
        wheels = str(self.folder / "wheels")
        env = {
            "PATH": uv() if installer == "uv" else str(self.folder / "bin"),
            **{
                f"PIP_{name}": value
                for name, value in (("NO_INDEX", "1"), ("FIND_LINKS", wheels), ("NO_CACHE_DIR", "1"))
            },
            **{f"UV_{name}": value for name, value in (("NO_INDEX", "1"), ("FIND_LINKS", wheels), ("NO_CACHE", "1"))},
            "UV_OFFLINE": "1",
        }
        self.answered.clear()
        self.provider.provide(wire.Provide(key, list(lines), list(constraints), env))
        async with asyncio.timeout(120):
            await self.answered.wait()
        (answer,) = [one for one in self.said if isinstance(one, wire.Provided)]
        self.said.remove(answer)
        return answer.sentence


@pytest.fixture
async def agent(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in list(os.environ):
        if name.startswith(("PIP_", "UV_")):
            monkeypatch.delenv(name)
    found = Agent(tmp_path)
    started = subprocess.Popen
    waiting = []

    def popen(*args, **more):
        process = started(*args, **more)
        waiting.append(asyncio.get_running_loop().create_task(reaped(process.pid)))
        return process

    async def reaped(pid):
        _, status = await asyncio.to_thread(os.waitpid, pid, 0)
        assert found.provider.reaped(pid, status)

    monkeypatch.setattr(providing.subprocess, "Popen", popen)
    yield found
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.gather(*waiting)


@pytest.mark.parametrize("installer", INSTALLERS)
async def test_each_installer_takes_the_lines_and_the_constraints(agent, installer):
    for version in ("1.0", "2.0"):
        wheel(agent.folder / "wheels", version)
    assert await agent.install(installer, NAME, constraints=(f"{NAME}<2",)) == ""
    folder = Path(agent.provider.folder(KEY, "x"))
    assert (folder / f"{NAME}.py").read_text() == "VERSION = '1.0'\n"
    steps = [one.detail for one in agent.said if isinstance(one, wire.Providing)]
    assert any(NAME in step for step in steps), steps


@pytest.mark.parametrize("installer", INSTALLERS)
async def test_markers_and_hashes_are_the_installers_to_judge(agent, installer):
    import hashlib

    wheel(agent.folder / "wheels", "1.0")
    (file,) = (agent.folder / "wheels").iterdir()
    right = f"{NAME}==1.0 ; python_version >= '3' --hash=sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}"
    absent = "absent==1 ; python_version < '3' --hash=sha256:" + "0" * 64
    assert await agent.install(installer, right, absent) == ""
    wrong = f"{NAME}==1.0 --hash=sha256:" + "0" * 64
    assert "hash" in (await agent.install(installer, wrong, key=OTHER)).lower()


@pytest.mark.parametrize("installer", INSTALLERS)
async def test_without_a_network_it_is_said_in_the_installers_words_and_nothing_stays(agent, installer):
    (agent.folder / "wheels").mkdir()
    said = await agent.install(installer, f"{NAME}==1.0")
    assert said.startswith("the packages could not be installed (the installer's exit code is ")
    assert NAME in said
    assert agent.provider.folder(KEY, "x") is None
    assert list(overlays.root().iterdir()) == []


async def test_what_executors_use_stays_until_the_last_of_them_has_gone(agent):
    wheel(agent.folder / "wheels", "1.0")
    assert await agent.install("pip", NAME) == ""
    assert agent.provider.folder(KEY, "x")
    assert agent.provider.folder(KEY, "y")
    agent.now = 2 * FRESH
    for executor in "xy":
        (one,) = overlays.look(overlays.root())
        assert one.busy
        assert overlays.trim(overlays.root(), 0.0, most=0) == []
        agent.provider.left(executor)
    assert [gone.folder for gone in overlays.trim(overlays.root(), 0.0, most=0)] == [one.folder]
    assert agent.provider.folder(KEY, "z") is None
    assert await agent.install("pip", NAME) == ""  # again, since it is gone
    assert agent.provider.folder(KEY, "z")


async def test_what_was_just_installed_waits_for_its_first_worker(agent):
    wheel(agent.folder / "wheels", "1.0")
    assert await agent.install("pip", NAME) == ""
    agent.provider.left("another")
    assert overlays.trim(overlays.root(), 0.0, most=0) == []
    agent.now = FRESH
    agent.provider.left("another")
    assert len(overlays.trim(overlays.root(), 0.0, most=0)) == 1


@pytest.fixture
def project(tmp_path):
    """A folder with a lock file that uv has written."""
    for version in ("1.0", "2.0"):
        wheel(tmp_path / "wheels", version)
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "mine"\nversion = "0.1"\nrequires-python = ">=3.11"\n'
        f"dependencies = [\"{NAME}<2; os_name == 'posix'\"]\n"
    )
    options = ["--quiet", "--offline", "--no-index", "--find-links", "wheels", "--python", sys.executable]
    command = [str(Path(uv()) / "uv"), "export", *options, "--format", "pylock.toml", "-o", "pylock.toml"]
    subprocess.run(command, cwd=tmp_path, check=True)
    (tmp_path / "uv.lock").unlink()
    return tmp_path


@pytest.mark.skipif(not uv(), reason="no uv here")
@pytest.mark.parametrize("installer", INSTALLERS)
async def test_a_pylock_that_uv_has_written_is_what_is_installed(project, agent, installer):
    found = requirements.read(project, wire.Environment("cpython", "3.11.7", "linux_x86_64", {}), [])
    assert found.source == "pylock.toml"
    assert "--hash=sha256:" in found.lines[0]
    assert await agent.install(installer, *found.lines) == ""
    assert (Path(agent.provider.folder(KEY, "x")) / f"{NAME}.py").read_text() == "VERSION = '1.0'\n"
