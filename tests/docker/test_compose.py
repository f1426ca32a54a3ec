"""docker/compose.yaml as it stands: a hub and two executors in containers, and a program elsewhere that uses them."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from scripts.images import hub_image

from yonder.version import __version__

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "docker" / "compose.yaml"

PROGRAM = """
import json, os, socket
import yonder

def where(number):
    return socket.gethostname(), os.getuid(), number * number

with yonder.Pool(backend="standing", max=2) as pool:
    print(json.dumps(list(pool.map(where, range(40)))))
"""


def compose_command():
    for command in (["docker", "compose"], ["docker-compose"]):
        if subprocess.run([*command, "version"], capture_output=True, check=False).returncode == 0:
            return command
    return None


class Composed:
    """The services of the file under a project's name of their own."""

    def __init__(self, engine, environment):
        self._engine = engine
        self._words = [*compose_command(), "--file", str(FILE), "--project-name", f"yonder-{os.getpid()}"]
        self._environment = {**os.environ, "DOCKER_HOST": engine.host, **environment}

    def __call__(self, *words):
        done = subprocess.run(
            [*self._words, *words], env=self._environment, capture_output=True, text=True, timeout=100, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def containers(self):
        return self("ps", "--quiet").split()


@pytest.fixture
def composed(engine):
    if compose_command() is None:
        pytest.skip("there is no docker compose; on Debian: apt-get install docker-compose")
    with socket.socket() as probe:
        probe.bind(("", 0))
        port = probe.getsockname()[1]
    gateway = engine.docker("network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}").strip()
    made = Composed(
        engine,
        {
            "YONDER_HOST": gateway,
            "YONDER_PORT": str(port),
            "YONDER_HUB_IMAGE": hub_image(engine.host),
            "YONDER_EXECUTOR_IMAGE": engine.image,
        },
    )
    yield made
    made("down", "--volumes", "--timeout", "5")
    assert made.containers() == []


def until(condition, seconds=60):
    limit = time.monotonic() + seconds
    while not (found := condition()) and time.monotonic() < limit:
        time.sleep(0.1)
    return found


@pytest.mark.timeout(400)
def test_a_program_uses_the_hub_and_its_two_executors(engine, composed, tmp_path):
    composed("up", "--detach")
    hub = composed("ps", "--quiet", "hub").strip()
    healthy = "{{.State.Health.Status}}"
    assert until(lambda: engine.docker("inspect", "--format", healthy, hub).strip() == "healthy"), composed("logs")
    key = tmp_path / "hub.json"
    key.write_text(engine.docker("exec", hub, "cat", "/var/lib/yonder/key/hub.json"))
    key.chmod(0o600)
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, str(program)],
        env={**os.environ, "YONDER_HUB_FILE": str(key)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr + composed("logs")
    found = json.loads(done.stdout)
    assert [square for _, _, square in found] == [number * number for number in range(40)]
    executors = {composed("ps", "--quiet", name).strip()[:12] for name in ("executor-1", "executor-2")}
    assert {name for name, _, _ in found} == executors
    assert {user for _, user, _ in found} == {10001}
    seen = engine.docker("inspect", *composed.containers()) + composed("logs")
    for secret in ("token", "key", "certificate"):
        assert json.loads(key.read_text())[secret].strip().splitlines()[-1] not in seen


def test_the_file_names_the_images_of_this_version():
    text = FILE.read_text()
    assert f"${{YONDER_HUB_IMAGE:-yonder-hub:{__version__}}}" in text
    assert f"${{YONDER_EXECUTOR_IMAGE:-yonder-executor:{__version__}}}" in text


def test_compose_is_there_where_it_is_required():
    if os.environ.get("YONDER_DOCKER") == "require":
        assert compose_command() is not None
    assert shutil.which("docker")
