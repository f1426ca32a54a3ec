"""The Docker engine for the tests: the one that answers, else one of our own, else a reason in words.

    scripts/engine.py start            an engine that stays; prints `export DOCKER_HOST=…` for the shell
    scripts/engine.py status           which engines of ours run, and what each holds
    scripts/engine.py stop [SLOT]      end ours (all of them without a slot)
    scripts/engine.py with -- COMMAND  run a command with an engine and its image ready, end what was started

YONDER_DOCKER=require turns "no engine can be had" from a skip (exit 0) into a failure.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))  # run by its path: this is where the package `scripts` lies

from scripts.private_engine import SLOTS, Left, NoEngineError, PrivateEngine, answers, start_private  # noqa: E402

DEFAULT_SOCKET = "/var/run/docker.sock"


class Engine:
    """An engine for tests. `host` is its DOCKER_HOST; `private` ours, None when the machine's own is used."""

    def __init__(self, host: str, private: PrivateEngine | None = None) -> None:
        self.host = host
        self.private = private
        self._image = ""
        self._examples_image = ""

    @property
    def image(self) -> str:
        """The name of an executor image made from this tree; made now if it is not there."""
        from scripts import images

        self._image = self._image or images.executor_image(self.host)
        return self._image

    def examples_image(self) -> str:
        """The name of an executor image that has what the examples import (torch, scikit-learn, matplotlib)."""
        from scripts import images

        self._examples_image = self._examples_image or images.examples_image(self.host)
        return self._examples_image

    def docker(self, *words: str, timeout: float = 60) -> str:
        """What the docker client prints. Raises CalledProcessError; its `stderr` has the engine's words."""
        asked = ["docker", "--host", self.host, *words]
        try:
            return subprocess.run(asked, capture_output=True, text=True, timeout=timeout, check=True).stdout
        except subprocess.CalledProcessError as error:
            error.add_note(error.stderr)
            raise

    def close(self) -> list[Left]:
        """End it if it is ours; what its ending left behind."""
        return self.private.stop() if self.private is not None else []


def get_engine() -> Engine:
    """The engine that DOCKER_HOST names, else the machine's own, else a private one. Raises NoEngineError."""
    named = os.environ.get("DOCKER_HOST", "")
    if named:
        if answers(named):
            return Engine(named)
        raise NoEngineError(f"no engine answers at DOCKER_HOST={named}; start it, or unset DOCKER_HOST")
    usual = f"unix://{DEFAULT_SOCKET}"
    if Path(DEFAULT_SOCKET).exists() and answers(usual):
        return Engine(usual)
    private = start_private()
    return Engine(private.host, private)


def required() -> bool:
    """Whether a missing engine is a failure (.ci/run says so)."""
    return os.environ.get("YONDER_DOCKER") == "require"


def _start() -> int:
    engine = start_private(tied=False)
    image = Engine(engine.host).image
    print(f"slot {engine.slot}, {image} is ready; end it with: scripts/engine.py stop {engine.slot}", file=sys.stderr)
    print(f"export DOCKER_HOST={engine.host}", flush=True)
    return 0


def _status() -> int:
    running = 0
    for slot in range(SLOTS):
        engine = PrivateEngine(slot)
        living = engine.processes()
        running += bool(living)
        if living:
            print(f"slot {slot}: {engine.host if engine.pid else 'its daemon is dead'}, {len(living)} processes")
            for one in living:
                print(f"  {one.pid} {one.command[:120]}")
    if not running:
        print("no engine of ours runs")
    return 0


def _stop(slots: Sequence[int]) -> int:
    left: list[Left] = []
    for slot in slots:
        engine = PrivateEngine(slot)
        if engine.processes() or engine.folder.exists():
            left += engine.stop()
    return _tell(left)


def _tell(left: list[Left]) -> int:
    for one in left:
        print(f"engine: left behind and killed: {one.pid} {one.command[:160]}", file=sys.stderr)
    return 1 if left else 0


def _with(command: list[str]) -> int:
    """Run the command to its end with DOCKER_HOST naming an engine whose image is ready."""
    try:
        engine = get_engine()
    except NoEngineError as error:
        if required():
            print(f"engine: {error}", file=sys.stderr)
            return 1
        print(f"yonder: docker: skipped, {error}", file=sys.stderr)
        return 0
    try:
        print(f"yonder: engine {engine.host}, image {engine.image}", file=sys.stderr, flush=True)
        environment = {**os.environ, "DOCKER_HOST": engine.host}
        if engine.private is not None:
            environment["YONDER_ENGINE_SLOT"] = str(engine.private.slot)
        status = subprocess.run(command, env=environment, check=False).returncode
    finally:
        left = engine.close()
    return status or _tell(left)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="scripts/engine.py", description=(__doc__ or "").partition("\n\n")[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("start")
    verbs.add_parser("status")
    verbs.add_parser("stop").add_argument("slot", type=int, nargs="?", choices=range(SLOTS))
    verbs.add_parser("with").add_argument("command", nargs=argparse.REMAINDER)
    told = parser.parse_args(arguments)
    try:
        match told.verb:
            case "start":
                return _start()
            case "status":
                return _status()
            case "stop":
                return _stop(range(SLOTS) if told.slot is None else [told.slot])
            case _:
                return _with(told.command[1:] if told.command[:1] == ["--"] else told.command)
    except NoEngineError as error:
        print(f"engine: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
