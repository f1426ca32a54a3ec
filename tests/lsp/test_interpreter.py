"""The project's Python: found in the right order, asked once, given the core as chosen. Pythons and installers are small
scripts here, except where this process's own interpreter answers."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import stat
import sys
from pathlib import Path

import pytest

from yonder.errors import CannotRun
from yonder.version import __version__
from yonder_lsp.interpreter import Interpreter, find, install_command, probe, provide


def script(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("#!/bin/sh\n" + text)
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return file


def answering(file: Path, **said: object) -> Path:
    facts = {
        "version": [3, 11, 7],
        "prefix": "/env",
        "name": "cpython",
        "free": False,
        "pip": True,
        "core": "",
        "missing": [],
    }
    return script(file, f"echo noise\necho {shlex.quote('yonder-probe:' + json.dumps(facts | said))}\n")


# ── find ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_order(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    environ = {"PATH": str(tmp_path / "path")}
    assert find(folder, "", environ) is None
    plain = script(tmp_path / "path" / "python3", "")
    assert find(folder, "", environ) == plain
    conda = script(tmp_path / "conda" / "bin" / "python", "")
    environ["CONDA_PREFIX"] = str(tmp_path / "conda")
    assert find(folder, "", environ) == conda
    active = script(tmp_path / "active" / "bin" / "python", "")
    environ["VIRTUAL_ENV"] = str(tmp_path / "active")
    assert find(folder, "", environ) == active
    own = script(folder / ".venv" / "bin" / "python", "")
    assert find(folder, "", environ) == own
    assert find(None, "", environ) == active
    chosen = script(tmp_path / "other" / "python", "")
    assert find(folder, str(chosen), environ) == chosen


def test_ways_to_choose(tmp_path: Path) -> None:
    own = script(tmp_path / "envs" / "a" / "bin" / "python", "")
    named = script(tmp_path / "path" / "python3.99", "")
    environ = {"PATH": str(tmp_path / "path"), "HOME": str(tmp_path)}
    assert find(tmp_path, "envs/a/bin/python", environ) == own
    assert find(tmp_path, "envs/a", environ) == own
    assert find(None, "~/envs/a", environ) == own
    assert find(None, "python3.99", environ) == named


def test_what_was_chosen_is_not_replaced(tmp_path: Path) -> None:
    script(tmp_path / ".venv" / "bin" / "python", "")
    assert find(tmp_path, "/nowhere/python", {"PATH": ""}) == Path("/nowhere/python")


def test_links_stay_links(tmp_path: Path) -> None:
    real = script(tmp_path / "real", "")
    link = tmp_path / ".venv" / "bin" / "python"
    link.parent.mkdir(parents=True)
    link.symlink_to(real)
    assert find(tmp_path, "", {"PATH": ""}) == link


# ── probe ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_this_python_answers() -> None:
    found = await probe(Path(sys.executable))
    assert found.version == ".".join(map(str, sys.version_info[:3]))
    assert found.tag == f"cp{sys.version_info[0]}{sys.version_info[1]}"
    assert found.prefix == sys.prefix
    assert found.problem == ""
    assert found.has_core
    assert found.core_version == __version__


async def test_nothing_is_imported_from_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('mine')")
    monkeypatch.chdir(tmp_path)
    assert (await probe(Path(sys.executable))).problem == ""


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"version": [3, 10, 4]}, "is Python 3.10.4; Yonder needs 3.11 or newer. Select a newer interpreter"),
        ({"name": "pypy"}, "CPython only"),
        ({"free": True, "version": [3, 14, 0]}, "free-threaded"),
        ({}, ""),
    ],
)
async def test_what_cannot_be_used_is_said(tmp_path: Path, said: dict[str, object], problem: str) -> None:
    found = await probe(answering(tmp_path / "python", core=__version__, **said))
    assert problem in found.problem
    assert bool(found.problem) == bool(problem)
    assert found.has_core == (not problem)


async def test_a_core_of_another_version_or_without_its_dependencies_is_none(tmp_path: Path) -> None:
    other = await probe(answering(tmp_path / "a", core="0.0.1"))
    assert (other.has_core, other.core_version, other.problem) == (False, "0.0.1", "")
    assert not (await probe(answering(tmp_path / "b", core=__version__, missing=["msgspec"]))).has_core


async def test_what_is_no_python_is_said(tmp_path: Path) -> None:
    assert "does not exist" in (await probe(tmp_path / "none")).problem
    assert "no working Python" in (await probe(script(tmp_path / "a", "echo hello"))).problem
    assert "exit code 3" in (await probe(script(tmp_path / "b", "exit 3"))).problem
    plain = tmp_path / "c"
    plain.write_text("text")
    assert "cannot be started" in (await probe(plain)).problem


async def test_a_python_that_hangs_is_given_up_and_killed(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    found = await probe(script(tmp_path / "python", f"echo $$ > {note}\nexec sleep 600\n"), seconds=0.5)
    assert "did not answer within 0.5 seconds" in found.problem
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)


# ── provide ───────────────────────────────────────────────────────────────────────────────────────────────────────────

FAKE_UV = """
echo "$@" >> {log}
while [ $# -gt 0 ]; do
  if [ "$1" = --target ]; then mkdir -p "$(dirname "$2/{made}")"; touch "$2/{made}"; fi
  shift
done
exit {code}
"""


class Bench:
    """A folder with a Python that answers, a fake uv, and a log of what it was asked."""

    def __init__(self, root: Path, *, code: int = 0, made: str = "yonder/agent/agent.py", core: str = "") -> None:
        self.log = root / "log"
        self.storage = root / "storage"
        self.wheels = root / "wheels"
        self.wheels.mkdir()
        (self.wheels / f"yonder-{__version__}-py3-none-any.whl").touch()
        script(root / "path" / "uv", FAKE_UV.format(log=self.log, code=code, made=made))
        self.environ = {"PATH": f"{root / 'path'}:/usr/bin:/bin"}
        self.python = Interpreter(
            path=answering(root / "python", core=core), tag="cp311", version="3.11.7", has_pip=True
        )

    async def provide(self, choice: str) -> str:
        return await provide(choice, self.python, str(self.wheels), self.storage, self.environ)

    def asked(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


async def test_without_makes_one_folder_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    core = await bench.provide("without")
    assert core == str(bench.storage / f"core-{__version__}-cp311")
    assert await bench.provide("without") == core
    assert len(bench.asked()) == 1
    assert "--find-links" in bench.asked()[0]
    assert [entry.name for entry in bench.storage.iterdir()] == [Path(core).name]


async def test_two_windows_at_once_get_the_same_folder(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    first, second = await asyncio.gather(bench.provide("without"), bench.provide("without"))
    assert first == second
    assert len(list(bench.storage.iterdir())) == 1


async def test_a_failed_install_leaves_nothing_and_shows_the_last_lines(tmp_path: Path) -> None:
    bench = Bench(tmp_path, code=2)
    script(tmp_path / "path" / "uv", "seq 1 40\necho no such package\nexit 2\n")
    with pytest.raises(CannotRun) as caught:
        await bench.provide("without")
    assert "exit code 2" in str(caught.value)
    assert str(caught.value).endswith("40\nno such package")
    assert "\n5\n" not in str(caught.value)
    assert list(bench.storage.iterdir()) == []


async def test_a_folder_without_the_core_is_not_believed(tmp_path: Path) -> None:
    bench = Bench(tmp_path, made="yonder/other.py")
    with pytest.raises(CannotRun, match="holds no executor core"):
        await bench.provide("without")


async def test_install_asks_again_whether_it_worked(tmp_path: Path) -> None:
    assert await Bench(tmp_path, core=__version__).provide("install") == ""


async def test_install_that_did_not_help_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CannotRun, match="still cannot import it"):
        await Bench(tmp_path).provide("install")


async def test_wrong_requests_are_refused(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    with pytest.raises(CannotRun, match='"maybe" is no way'):
        await bench.provide("maybe")
    for wheel in bench.wheels.iterdir():
        wheel.unlink()
    with pytest.raises(CannotRun, match="Reinstall the extension"):
        await bench.provide("without")
    bench.python = Interpreter(path=Path("/p"), problem="too old")
    with pytest.raises(CannotRun, match="too old"):
        await bench.provide("install")


async def test_an_installed_other_version_would_win(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.python = Interpreter(path=Path("/p"), tag="cp311", core_version="0.0.1")
    with pytest.raises(CannotRun, match=r"has yonder 0\.0\.1 installed"):
        await bench.provide("without")
    assert bench.asked() == []


def test_the_command_that_is_shown(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    wheel = f"yonder-{__version__}-py3-none-any.whl"
    with_uv = install_command(bench.python, str(bench.wheels), bench.environ)
    assert with_uv[:5] == [str(tmp_path / "path" / "uv"), "pip", "install", "--python", str(bench.python.path)]
    assert with_uv[-1].endswith(wheel)
    with_pip = install_command(bench.python, str(bench.wheels), {"PATH": ""})
    assert with_pip[:3] == [str(bench.python.path), "-m", "pip"]
    bare = Interpreter(path=bench.python.path)
    assert install_command(bare, str(bench.wheels), {"PATH": ""})[:5] == [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(bench.python.path),
    ]


async def test_from_sources_the_running_package_is_copied(tmp_path: Path) -> None:
    """In development there is no wheel: the dependencies are installed, the core is the source that runs here."""
    bench = Bench(tmp_path, made="dependency.py")
    core = Path(await provide("without", bench.python, "", bench.storage, bench.environ))
    assert (core / "yonder" / "wire" / "__init__.py").is_file()
    assert (core / "dependency.py").is_file()
    assert "cloudpickle" in bench.asked()[0]
    assert "yonder==" not in bench.asked()[0]
