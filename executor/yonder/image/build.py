"""Makes the executor image with the docker client, for the engine that it reaches.

What belongs here: the build's context and the client's command line. What this file must not know: pools, containers.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from yonder.errors import CannotRun, UsageError
from yonder.image.wheel import requirements, write_own_wheel
from yonder.version import IMAGE, __version__

HUB_IMAGE = f"yonder-hub:{__version__}"
"""The usual name of the image that can be a hub, too."""

HUB_NEEDS = "cryptography>=42 typer>=0.15 rich>=13"
"""What `yonder hub` imports besides."""

DOCKERFILE = Path(__file__).parent / "Dockerfile"


def usual_base() -> str:
    """The base image with this Python's minor version: functions travel as byte code and need the same one."""
    return f"python:{sys.version_info.major}.{sys.version_info.minor}-slim"


def build(
    *,
    base: str,
    tag: str = IMAGE,
    extras: str = "",
    wheels: Path | None = None,
    host: str = "",
    options: Sequence[str] = (),
) -> str:
    """Build the image on another, the `base`, and return its name. `extras` are requirements for pip, apart by spaces; with `wheels`, a folder,
    pip asks no registry; `host` is the engine (as DOCKER_HOST, "": the client's own), `options` go to `docker build`.
    Raises UsageError and CannotRun."""
    client = shutil.which("docker")
    if client is None:
        raise CannotRun(
            "there is no docker client on PATH, and the image is built with it; install Docker's command line "
            "(on Debian and Ubuntu: apt-get install docker.io) and run yonder image again"
        )
    if wheels is not None and not wheels.is_dir():
        raise UsageError(f"{wheels} is not a folder; --offline-wheels names one with the wheels of what is installed")
    with tempfile.TemporaryDirectory(prefix="yonder-image-") as name:
        context = Path(name)
        write_context(context, wheels)
        command = [
            *(client, *(("--host", host) if host else ()), "build", "--tag", tag),
            *("--build-arg", f"BASE={base}", "--build-arg", f"VERSION={__version__}"),
            *("--build-arg", f"EXTRAS={extras}", "--build-arg", f"PIP={'--no-index' if wheels else ''}"),
            *(*options, str(context)),
        ]
        # What the client tells goes where a person looks; our own output is for programs.
        done = subprocess.run(command, stdout=sys.stderr, check=False)
    if done.returncode != 0:
        raise CannotRun(
            f"docker build ended with status {done.returncode}; its lines above say where and why. If {base} could not be "
            "pulled: name an image that the engine has (--base), or pull that one where a registry can be reached"
        )
    return tag


def write_context(folder: Path, wheels: Path | None) -> None:
    """What the Dockerfile copies: the wheels of others with the list of what Yonder needs, and Yonder's own."""
    shutil.copyfile(DOCKERFILE, folder / "Dockerfile")
    others, own = folder / "wheels", folder / "yonder"
    if wheels is not None:
        shutil.copytree(wheels, others)
    others.mkdir(exist_ok=True)
    (others / "requirements.txt").write_text("".join(f"{line}\n" for line in requirements()))
    own.mkdir()
    write_own_wheel(own)
