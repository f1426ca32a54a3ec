"""The project's Python: which one it is, what it can do, and how it gets Yonder's executor core.

It is never changed without being asked: `find` and `probe` only look, `provide` installs what the person chose.
What this file must not know: LSP, the hub, settings files.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

import yonder
from yonder import installed, wire
from yonder.errors import CannotRun
from yonder.version import __version__

PROBE_SECONDS: Final = 10.0
INSTALL_SECONDS: Final = 600.0
OLDEST: Final = (3, 11)
_LAST_LINES = 12

# Runs under any Python from 3.4 on. "" is the working directory, from which nothing may be imported here.
_PROBE: Final = """
import sys
sys.path[:] = [entry for entry in sys.path if entry]
import json, importlib.util as find
said = {"version": list(sys.version_info[:3]), "prefix": sys.prefix, "name": sys.implementation.name,
        "free": "t" in getattr(sys, "abiflags", ""), "pip": find.find_spec("pip") is not None, "core": "", "missing": [],
        "platform": __import__("sysconfig").get_platform(),
        "site": [entry for entry in sys.path if entry.rstrip("/").endswith(("site-packages", "dist-packages"))]}
if sys.version_info >= (3, 11):
    for name in ("cloudpickle", "msgspec", "websockets"):
        if find.find_spec(name) is None:
            said["missing"].append(name)
    try:
        from yonder.version import __version__ as core
        said["core"] = core if find.find_spec("yonder.agent.agent") is not None else ""
    except ImportError:
        pass
print("yonder-probe:" + json.dumps(said))
"""
_MARK = b"yonder-probe:"


class Interpreter(msgspec.Struct, frozen=True, kw_only=True):
    """One Python as it answered. `problem` is a sentence with the remedy when it cannot run Yonder at all; `tag` names its
    ABI (cp311); `has_core` is whether this version of the core can be imported in it; `site` are the folders of its packages."""

    path: Path
    version: str = ""
    tag: str = ""
    prefix: str = ""
    has_core: bool = False
    core_version: str = ""
    problem: str = ""
    has_pip: bool = False
    platform: str = ""
    site: tuple[str, ...] = ()


class _Said(msgspec.Struct):
    """What the probe prints."""

    version: list[int]
    prefix: str
    name: str
    free: bool
    pip: bool
    core: str
    missing: list[str]
    platform: str = ""
    site: list[str] = []


# ── which one ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def find(folder: Path | None, chosen: str, environ: Mapping[str, str]) -> Path | None:
    """The Python to use: the chosen one, else the folder's `.venv`, the active environment, `python3`.

    What was chosen is never replaced by something else; if it is not there, `probe` says so. Links are not resolved: the
    link is what makes a virtual environment's Python.
    """
    if chosen:
        return _chosen(folder, chosen, environ)
    homes = [folder / ".venv", folder / "venv"] if folder is not None else []
    homes += [Path(environ[name]) for name in ("VIRTUAL_ENV", "CONDA_PREFIX") if environ.get(name)]
    for home in homes:
        python = _in_environment(home)
        if python is not None:
            return python
    for name in ("python3", "python"):
        found = shutil.which(name, path=environ.get("PATH", os.defpath))
        if found:
            return Path(found)
    return None


def _chosen(folder: Path | None, chosen: str, environ: Mapping[str, str]) -> Path:
    if os.sep not in chosen and "/" not in chosen:
        found = shutil.which(chosen, path=environ.get("PATH", os.defpath))
        if found:
            return Path(found)
    given = Path(chosen)
    if chosen.startswith("~"):
        given = Path(environ.get("HOME", "~")) / chosen.lstrip("~").lstrip("/")
    if not given.is_absolute() and folder is not None:
        given = folder / given
    return _in_environment(given) or given if given.is_dir() else given


def _in_environment(home: Path) -> Path | None:
    """The Python of a virtual or conda environment's folder."""
    for place in ("bin/python", "bin/python3", "Scripts/python.exe", "python.exe"):
        python = home / place
        if python.is_file() and os.access(python, os.X_OK):
            return python
    return None


# ── what it can do ────────────────────────────────────────────────────────────────────────────────────────────────────


async def probe(python: Path, seconds: float = PROBE_SECONDS) -> Interpreter:
    """Ask a Python what it is, by running it once. Never raises for what the Python does: `problem` says it."""
    if not python.exists():
        return Interpreter(path=python, problem=f"{python} does not exist. Select another interpreter.")
    try:
        code, output = await _run([str(python), "-c", _PROBE], seconds, merged=False)
    except TimeoutError:
        sentence = f"{python} did not answer within {seconds:g} seconds. Select another interpreter, or try it by hand."
        return Interpreter(path=python, problem=sentence)
    except OSError as error:
        sentence = f"{python} cannot be started: {error.strerror}. Select another interpreter."
        return Interpreter(path=python, problem=sentence)
    start = output.rfind(_MARK)
    if code != 0 or start < 0:
        return Interpreter(
            path=python, problem=f"{python} is no working Python (exit code {code}). Select another one."
        )
    said = msgspec.json.decode(output[start + len(_MARK) :].partition(b"\n")[0], type=_Said)
    return _judged(python, said)


def _judged(python: Path, said: _Said) -> Interpreter:
    version = ".".join(map(str, said.version))
    major, minor = said.version[0], said.version[1]
    problem = ""
    if (major, minor) < OLDEST:
        problem = (
            f"{python} is Python {version}; Yonder needs {OLDEST[0]}.{OLDEST[1]} or newer. "
            f"Select a newer interpreter, or make an environment with one (python3.12 -m venv .venv)."
        )
    elif said.name != "cpython":
        problem = f"{python} is {said.name}; Yonder runs code on CPython only. Select a CPython interpreter."
    elif said.free:
        problem = f"{python} is a free-threaded build, which Yonder does not run on yet. Select a standard build."
    kind = "cp" if said.name == "cpython" else said.name[:2]
    return Interpreter(
        path=python,
        version=version,
        tag=f"{kind}{major}{minor}{'t' if said.free else ''}",
        prefix=said.prefix,
        has_core=not said.missing and said.core == __version__ and not problem,
        core_version=said.core,
        problem=problem,
        has_pip=said.pip,
        platform=said.platform,
        site=tuple(said.site),
    )


def environment(python: Interpreter) -> wire.Environment:
    """What it is and has installed, for comparison with others."""
    kind = "cpython" if python.tag.startswith("cp") else python.tag
    platform = python.platform.replace("-", "_").replace(".", "_")
    return wire.Environment(kind, python.version, platform, installed.packages(python.site))


# ── how it gets the core ──────────────────────────────────────────────────────────────────────────────────────────────


async def provide(
    choice: str, python: Interpreter, wheels: str, storage: Path, environ: Mapping[str, str] | None = None
) -> str:
    """Get the executor core to a Python: `install` puts it in ("" is returned), `without` makes a folder of our own.

    `wheels` is the folder with Yonder's wheel, "" when Yonder runs from its sources. Raises CannotRun with the installer's
    last lines.
    """
    if python.problem:
        raise CannotRun(python.problem)
    environment = os.environ if environ is None else environ
    if choice == "install":
        await _install([*_installer(python, environment), *_wanted(wheels)], environment)
        after = await probe(python.path)
        if not after.has_core:
            raise CannotRun(f"yonder {__version__} was installed, but {python.path} still cannot import it.")
        return ""
    if choice != "without":
        raise CannotRun(f'"{choice}" is no way to get the core: it is "install" or "without".')
    if python.core_version and python.core_version != __version__:
        raise CannotRun(
            f"{python.path} has yonder {python.core_version} installed, which would come before the folder with "
            f"{__version__}. Install the same version there (choose Install), or remove it."
        )
    return str(await _folder(python, wheels, storage, environment))


def install_command(python: Interpreter, wheels: str, environ: Mapping[str, str]) -> list[str]:
    """What `provide("install", …)` would run, to be shown before it does."""
    return [*_installer(python, environ), *_wanted(wheels)]


async def _folder(python: Interpreter, wheels: str, storage: Path, environ: Mapping[str, str]) -> Path:
    """The folder with the core for this kind of Python; made aside and moved into place whole."""
    target = storage / f"core-{__version__ if wheels else _source_digest()}-{python.tag}"
    if (target / "yonder" / "agent" / "agent.py").is_file():
        return target
    storage.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=".core-", dir=storage))
    try:
        wanted = _wanted(wheels) if wheels else _dependencies()
        await _install([*_installer(python, environ), "--target", str(partial), *wanted], environ)
        if not wheels:
            shutil.copytree(_package(), partial / "yonder", ignore=shutil.ignore_patterns("__pycache__"))
        with contextlib.suppress(OSError):  # another window was faster; its folder is as good
            partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    if not (target / "yonder" / "agent" / "agent.py").is_file():
        raise CannotRun(f"{target} holds no executor core. Remove that folder and run again.")
    return target


def _installer(python: Interpreter, environ: Mapping[str, str]) -> list[str]:
    """The beginning of an install command for this Python: uv, its own pip, or our pip run by it."""
    uv = shutil.which("uv", path=environ.get("PATH", os.defpath))
    if uv:
        return [uv, "pip", "install", "--python", str(python.path)]
    quiet = ["install", "--disable-pip-version-check", "--no-input"]
    if python.has_pip:
        return [str(python.path), "-m", "pip", *quiet]
    return [sys.executable, "-m", "pip", "--python", str(python.path), *quiet]


def _wanted(wheels: str) -> list[str]:
    """What to install: our wheel (its dependencies from beside it or from the registry), or the sources. Raises
    CannotRun where neither is there."""
    if wheels:
        found = sorted(Path(wheels).glob(f"yonder-{__version__}-*.whl"))
        if not found:
            raise CannotRun(f"{wheels} holds no wheel of yonder {__version__}. Reinstall the extension.")
        return ["--find-links", wheels, str(found[-1])]
    root = _source_root()
    if root is None:
        raise CannotRun(
            f"Yonder {__version__} cannot be given to this Python: it runs here neither from its sources nor with "
            "the extension's wheel, and the package called yonder on the public registry is another project's. "
            "Reinstall the extension, or install Yonder there from its clone."
        )
    return [str(root)]


def _package() -> Path:
    """The folder of the package `yonder` that this process runs."""
    return Path(str(yonder.__file__)).parent


def _source_root() -> Path | None:
    """The project that the running package is part of, when it runs from its sources."""
    root = _package().parent.parent
    return root if (root / "pyproject.toml").is_file() else None


def _source_digest() -> str:
    """Names a copy of the running sources, so that a changed source gets a new folder."""
    digest = hashlib.sha256(__version__.encode())
    for file in sorted(_package().rglob("*.py")):
        digest.update(f"{file.name}:{file.stat().st_mtime_ns}:{file.stat().st_size}\n".encode())
    return f"source-{digest.hexdigest()[:12]}"


def _dependencies() -> list[str]:
    """What the core needs besides itself, from the project's own file or from the installed distribution."""
    root = _source_root()
    if root is not None:
        project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8")).get("project", {})
        return [str(item) for item in project.get("dependencies", [])]
    from importlib.metadata import PackageNotFoundError, requires

    with contextlib.suppress(PackageNotFoundError):
        return [item.partition(";")[0].strip() for item in requires("yonder") or [] if "extra ==" not in item]
    raise CannotRun("Yonder's own dependencies are not known here. Reinstall the extension.")


async def _install(command: list[str], environ: Mapping[str, str]) -> None:
    """Run an installer. Raises CannotRun with the command and the last lines it wrote."""
    shown = " ".join(command)
    try:
        code, output = await _run(command, INSTALL_SECONDS, merged=True, environ=environ)
    except TimeoutError as error:
        raise CannotRun(f"The installer did not end within {INSTALL_SECONDS:g} seconds: {shown}") from error
    except OSError as error:
        raise CannotRun(f"{command[0]} cannot be started: {error.strerror}.") from error
    if code != 0:
        lines = output.decode(errors="replace").strip().splitlines()[-_LAST_LINES:]
        raise CannotRun(f"The installer failed (exit code {code}): {shown}\n" + "\n".join(lines))


async def _run(
    command: list[str], seconds: float, *, merged: bool, environ: Mapping[str, str] | None = None
) -> tuple[int, bytes]:
    """Exit code and output of a command; killed at the time limit (TimeoutError) and when the caller is cancelled."""
    environment = dict(os.environ if environ is None else environ)
    environment.pop("PYTHONHOME", None)  # it would be the tool's, not the project's
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT if merged else asyncio.subprocess.DEVNULL,
        cwd=Path(sys.executable).anchor,
        env=environment,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), seconds)
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    return process.returncode or 0, output
