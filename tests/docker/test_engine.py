"""The harness itself: a real engine, an image that is as small and as poor as it says, and nothing left afterwards."""

import json
import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest
from scripts.engine import Engine, main
from scripts.images import base_image, closure, pack
from scripts.private_engine import PrivateEngine, answers

from yonder.image.wheel import requirements
from yonder.version import __version__


def test_the_engine_answers_and_has_the_image(engine):
    assert answers(engine.host)
    (image,) = json.loads(engine.docker("image", "inspect", engine.image))
    assert image["Config"]["Labels"]["dev.yonder.version"] == __version__
    assert image["Config"]["User"] == "yonder"
    assert image["Config"]["Entrypoint"] == ["python3", "-P", "-m", "yonder.agent.remote"]
    assert image["Config"]["StopSignal"] == "SIGTERM"


def test_the_executor_runs_without_rights_on_a_read_only_root(engine):
    probe = (
        "import os, sys, cloudpickle, msgspec, websockets, yonder.agent; "
        "open('/run/yonder/x', 'w'); open('/tmp/x', 'w'); open('x', 'w'); "
        "print(os.getuid(), sys.version_info.minor, os.path.exists('/wheels/torch'))"
    )
    told = engine.docker(
        *("run", "--rm", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
        *("--tmpfs", "/tmp", "--tmpfs", "/run/yonder:uid=10001", "--tmpfs", "/work:uid=10001"),
        *("--entrypoint", "python3", engine.image, "-P", "-c", probe),
    )
    assert told.split() == ["10001", str(sys.version_info.minor), "False"]
    with pytest.raises(subprocess.CalledProcessError) as refused:
        engine.docker("run", "--rm", "--read-only", "--entrypoint", "touch", engine.image, "/opt/yonder/x")
    assert "Read-only" in refused.value.stderr or "Permission denied" in refused.value.stderr


def test_no_executor_compiles_what_an_agent_imports(engine):
    """A read-only root could never keep byte code, so each executor would compile it anew."""
    probe = (
        "from yonder import *; import sys; "
        "import yonder.agent.remote, yonder.agent.distant, yonder.agent.worker, yonder.agent.zygote; "
        "from importlib.util import cache_from_source; from os.path import exists; "
        "files = [getattr(module, '__file__', None) or '' for module in sys.modules.values()]; "
        "print([file for file in files if file.endswith('.py') and not exists(cache_from_source(file))])"
    )
    assert engine.docker("run", "--rm", "--entrypoint", "python3", engine.image, "-P", "-c", probe).strip() == "[]"


def test_an_agent_without_an_invitation_says_so_and_ends(engine):
    with pytest.raises(subprocess.CalledProcessError) as refused:
        engine.docker("run", "--rm", "--read-only", "--tmpfs", "/run/yonder:uid=10001", "-i", engine.image)
    assert refused.value.returncode == 2
    assert refused.value.stderr.startswith("yonder agent: ")


def test_health_is_the_age_of_the_beat(engine):
    (image,) = json.loads(engine.docker("image", "inspect", engine.image))
    kind, check = image["Config"]["Healthcheck"]["Test"]
    assert kind == "CMD-SHELL"
    for touch, healthy in (("touch /run/yonder/beat", 0), ("touch -d '1 minute ago' /run/yonder/beat", 1), ("true", 1)):
        told = engine.docker(
            "run", "--rm", "--entrypoint", "sh", engine.image, "-c", f"{touch}; ({check}) 2>/dev/null; echo $?"
        )
        assert (told.strip() == "0") == (healthy == 0)


def test_a_private_engine_ends_with_its_containers(engine, own_engine):
    del engine  # made first: a machine without one skips here
    assert own_engine.pid
    image = Engine(own_engine.host).image
    run = ["docker", "--host", own_engine.host, "run", "-d", "--entrypoint", "sleep", image, "1000"]
    subprocess.run(run, check=True, capture_output=True)
    assert any(one.command == "sleep 1000" for one in own_engine.processes())
    assert own_engine.stop() == []
    assert own_engine.processes() == []
    assert not own_engine.folder.exists()
    assert not os.path.exists(f"/sys/class/net/{own_engine.bridge}")


def test_a_killed_daemon_leaves_what_a_restart_or_a_stop_finds(engine, own_engine):
    del engine
    image = Engine(own_engine.host).image
    run = ["docker", "--host", own_engine.host, "run", "-d", "--entrypoint", "sleep", image, "1000"]
    subprocess.run(run, check=True, capture_output=True)
    own_engine.kill()
    assert not answers(own_engine.host)
    assert any(one.command == "sleep 1000" for one in own_engine.processes())
    own_engine.restart()
    assert answers(own_engine.host)
    own_engine.kill()
    PrivateEngine(own_engine.slot).stop()
    assert own_engine.processes() == []
    assert str(own_engine.data) not in Path("/proc/self/mounts").read_text()


def test_a_missing_engine_is_a_skip_or_a_failure(monkeypatch, capfd):
    monkeypatch.setenv("DOCKER_HOST", "unix:///no/such/docker.sock")
    monkeypatch.delenv("YONDER_DOCKER", raising=False)
    assert main(["with", "--", "false"]) == 0
    assert "skipped, no engine answers at DOCKER_HOST=unix:///no/such/docker.sock" in capfd.readouterr().err
    monkeypatch.setenv("YONDER_DOCKER", "require")
    assert main(["with", "--", "true"]) == 1


def test_the_command_builds_an_image_from_the_installed_package(engine, tmp_path):
    """`yonder image` as a person calls it, on a base and with wheels that are at hand, since there is no registry."""
    for distribution in closure(requirements()):
        pack(distribution, tmp_path)
    base, _ = base_image(engine.host)
    tag = f"yonder-command-test:{secrets.token_hex(4)}"
    command = [sys.executable, "-P", "-c", "from yonder.cli import main; main()", "image", "--base", base]
    done = subprocess.run(
        [*command, "--tag", tag, "--offline-wheels", str(tmp_path)],
        env={**os.environ, "DOCKER_HOST": engine.host},
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        assert (done.returncode, done.stdout) == (0, f"{tag} is ready.\n"), done.stderr
        assert engine.docker("run", "--rm", "--entrypoint", "python3", tag, "-c", "import yonder.agent") == ""
    finally:
        engine.docker("image", "rm", "--force", tag)
