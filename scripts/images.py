"""Executor images for the tests, made without any registry: a base from Debian, wheels from what is installed here.

An image's name carries a digest of all that went into it, so that several trees can share an engine and nothing stale
is used. What belongs here: recipes. What this file must not know: how engines are started.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from packaging.requirements import Requirement

from scripts.private_engine import NoEngineError, cache_folder
from yonder.image.build import HUB_NEEDS, build, usual_base
from yonder.image.wheel import requirements, write_wheel

EXAMPLES = ("torch", "scikit-learn", "matplotlib")
"""What examples/ imports."""

INSTALLED_RUNS_THERE = sys.platform == "linux"
"""Whether what is installed here runs in a container; elsewhere (macOS) packages come from their registry."""

KEPT = 8
"""So many images of one name stay on an engine, for as many trees."""

SUITES = {(3, 11): "bookworm", (3, 13): "trixie"}
"""The Debian release whose python3 has this minor version."""

NOT_WANTED = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info")


PACKAGES = """\
ARG BASE
FROM ${BASE}
COPY packages /opt/packages
RUN python3 -c "import pathlib, sysconfig; there = pathlib.Path(sysconfig.get_path('purelib')); \\
    there.mkdir(parents=True, exist_ok=True); (there / 'packages.pth').write_text('/opt/packages\\n')"
"""
"""Large packages are put below the image: an edit of the tree does not send them to the engine again."""


def executor_image(host: str) -> str:
    """The name of an image of this tree's executor on this engine. Raises NoEngineError."""
    return _image(host, "yonder-executor-test", *base_image(host))


def hub_image(host: str) -> str:
    """The same with what `yonder hub` needs. Raises NoEngineError."""
    return _image(host, "yonder-hub-test", *base_image(host), HUB_NEEDS.split())


def examples_image(host: str) -> str:
    """The same with what the examples import. Raises NoEngineError."""
    if not INSTALLED_RUNS_THERE:
        return _image(host, "yonder-examples-test", usual_base(), usual_base(), EXAMPLES)
    base, recipe = base_image(host)
    wanted = closure(EXAMPLES)
    below = _digest([recipe, PACKAGES, *_listing(wanted)])
    tag = f"yonder-examples-base:{below}"
    if not _has(host, tag):
        print("yonder: making the base of the examples' image (torch and others; minutes, once)", file=sys.stderr)
        with tempfile.TemporaryDirectory(prefix="yonder-packages-", dir=_kept()) as context:
            lay_out(wanted, Path(context) / "packages")
            (Path(context) / "Dockerfile").write_text(PACKAGES)
            command = [
                "docker",
                "--host",
                host,
                "build",
                "--quiet",
                "--build-arg",
                f"BASE={base}",
                "--tag",
                tag,
                context,
            ]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return _image(host, "yonder-examples-test", tag, below)


def _image(host: str, name: str, base: str, recipe: str, extras: Sequence[str] = ()) -> str:
    wanted = closure([*requirements(), *(extras if INSTALLED_RUNS_THERE else ())])
    tag = f"{name}:{_digest([recipe, *_listing(wanted), *_tree()])}"
    if not _has(host, tag):
        with _wheelhouse(wanted) as wheels:
            offline = wheels if INSTALLED_RUNS_THERE else None
            build(base=base, tag=tag, extras=" ".join(extras), wheels=offline, host=host, options=("--quiet",))
        _forget(host, name)
    return tag


def _listing(distributions: Iterable[importlib.metadata.Distribution]) -> list[str]:
    return [f"{one.metadata['Name']}=={one.version}" for one in distributions]


def _forget(host: str, name: str) -> None:
    """Remove the oldest images of this name: every edit of the tree made one. One that a container uses stays."""
    listed = ["docker", "--host", host, "images", "--format", "{{.Repository}}:{{.Tag}}", name]
    newest_first = subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split()
    for old in newest_first[KEPT:]:
        subprocess.run(["docker", "--host", host, "image", "rm", old], capture_output=True, check=False)


def _has(host: str, tag: str) -> bool:
    asked = ["docker", "--host", host, "image", "inspect", tag]
    return subprocess.run(asked, capture_output=True, check=False).returncode == 0


def _tree() -> Iterable[str]:
    """Every file of the executor's package, by name and content."""
    import yonder

    package = Path(yonder.__file__).parent
    for path in sorted(package.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield f"{path.relative_to(package)} {hashlib.sha256(path.read_bytes()).hexdigest()}"


def _kept() -> Path:
    folder = cache_folder() / "docker"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


# ── the base ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def base_image(host: str) -> tuple[str, str]:
    """A base image with this Python's minor version, and what it is made from. Raises NoEngineError."""
    suite = SUITES.get(sys.version_info[:2])
    if suite is None or os.geteuid() != 0 or shutil.which("mmdebstrap") is None:
        return usual_base(), usual_base()  # from a registry
    words = [
        *("mmdebstrap", "--quiet", "--variant=minbase", "--include=python3,python3-venv"),
        *(f"--dpkgopt=path-exclude=/{path}/*" for path in NOT_WANTED),
        '--aptopt=Acquire::Languages "none"',
        suite,
    ]
    recipe = _digest(words)
    tag = f"yonder-base:{recipe}"
    if not _has(host, tag):
        with _base_archive(words, recipe) as archive:
            subprocess.run(["docker", "--host", host, "import", str(archive), tag], check=True, capture_output=True)
    return tag, recipe


@contextlib.contextmanager
def _base_archive(words: list[str], recipe: str) -> Iterator[Path]:
    """The root file system as an archive, from the cache if it is there."""
    folder = _kept()
    kept = folder / f"base-{recipe}.tar"
    if not kept.exists():
        print(f"yonder: making the base of the test images from Debian {words[-1]} (a minute, once)", file=sys.stderr)
        fresh = Path(tempfile.mkdtemp(prefix="base-", dir=folder)) / "root.tar"
        try:
            done = subprocess.run(
                [*words, str(fresh), *_mirrors(words[-1])], stderr=subprocess.PIPE, text=True, check=False
            )
            if done.returncode != 0:
                raise NoEngineError(f"mmdebstrap could not make a base image: {done.stderr.strip()[-600:]}")
            fresh.rename(kept)
        finally:
            shutil.rmtree(fresh.parent, ignore_errors=True)
    yield kept


def _mirrors(suite: str) -> list[str]:
    """Where this machine itself gets Debian from, if it is the same release."""
    listed = Path("/etc/apt/sources.list.d/debian.sources")
    if not listed.exists():
        return []
    return re.findall(rf"^URIs:\s*(\S+)\s*\nSuites:\s*{suite}\b", listed.read_text(), re.MULTILINE)[:1]


# ── wheels ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def closure(wanted: Iterable[str]) -> list[importlib.metadata.Distribution]:
    """The installed distributions that these requirements need, with theirs, in the order of their names."""
    found: dict[str, importlib.metadata.Distribution] = {}
    waiting = [Requirement(line) for line in wanted]
    while waiting:
        one = waiting.pop()
        key = re.sub(r"[-_.]+", "-", one.name).lower()
        if key in found or not (one.marker is None or one.marker.evaluate({"extra": ""})):
            continue
        try:
            found[key] = importlib.metadata.distribution(one.name)
        except importlib.metadata.PackageNotFoundError as error:
            raise NoEngineError(f"{one.name} is not installed here, so a test image cannot have it") from error
        waiting += [Requirement(line) for line in found[key].requires or []]
    return [found[key] for key in sorted(found)]


@contextlib.contextmanager
def _wheelhouse(wanted: list[importlib.metadata.Distribution]) -> Iterator[Path]:
    """A folder with a wheel of each, made from the files that are installed."""
    with tempfile.TemporaryDirectory(prefix="yonder-wheels-") as name:
        for distribution in wanted:
            pack(distribution, Path(name))
        yield Path(name)


def lay_out(wanted: list[importlib.metadata.Distribution], folder: Path) -> None:
    """Their installed files, byte code included, as one folder to import from: linked, so that it costs no room."""
    for distribution in wanted:
        for path in distribution.files or []:
            source, target = Path(str(path.locate())), folder / path
            if ".." in path.parts or not source.exists():  # scripts; byte code that was removed since
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                target.hardlink_to(source)
            except OSError:  # another file system
                shutil.copy2(source, target)


def pack(distribution: importlib.metadata.Distribution, folder: Path) -> Path:
    """An installed distribution as a wheel again. Scripts and byte code stay behind."""
    files = [path for path in distribution.files or [] if ".." not in path.parts and "__pycache__" not in path.parts]
    info = next(path.parts[0] for path in files if path.parts[0].endswith(".dist-info"))
    kept = [path for path in files if path.name not in {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"}]
    told = (distribution.read_text("WHEEL") or "").splitlines()
    tags = [line.removeprefix("Tag: ").split("-") for line in told if line.startswith("Tag: ")]
    columns = [".".join(dict.fromkeys(column)) for column in zip(*tags, strict=True)]
    target = folder / f"{info.removesuffix('.dist-info')}-{'-'.join(columns)}.whl"
    return write_wheel(target, info, ((str(path), Path(str(path.locate())).read_bytes()) for path in kept))
