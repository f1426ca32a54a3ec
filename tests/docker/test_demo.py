"""`npm run demo -- --backend docker`: the example of the README, unchanged, with its sweep in containers."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from scripts import demo
from scripts.private_engine import NoEngineError

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.timeout(900)  # the first time, torch is put into an image
def test_the_whole_job_quick_with_two_containers(engine, tmp_path):
    image = engine.examples_image()
    folder = tmp_path / "work"
    (folder / "examples").mkdir(parents=True)
    shutil.copy(ROOT / "examples" / "digits_sweep.py", folder / "examples")
    arguments = ["--backend", "docker", "--quick", "--executors", "2", "--folder", str(folder)]
    with _started(engine, image) as started:
        done = subprocess.run(
            [sys.executable, str(ROOT / "scripts" / "demo.py"), *arguments],
            env={**os.environ, "DOCKER_HOST": engine.host},
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    last = done.stdout.splitlines()[-1]
    found = re.fullmatch(
        r"runs=2 failed=0 best_accuracy=(0\.\d+) first_executor_s=\S+ executors_peak=2 executors_left=0", last
    )
    assert found, done.stdout
    assert float(found[1]) > 0.3
    assert (folder / "curves.png").stat().st_size > 10_000
    assert started.names.count("yonder-") == 2, "the sweep ran in containers, one per executor"
    assert engine.docker("ps", "--all", "--quiet", "--filter", f"ancestor={image}") == ""


class _started:
    """Within it, the engine's own events tell which containers of an image were started: their `names`, a line each."""

    def __init__(self, engine, image):
        asked = (
            "events",
            "--filter",
            "event=start",
            "--filter",
            f"image={image}",
            "--format",
            "{{.Actor.Attributes.name}}",
        )
        self._asked = engine, asked
        self.names = ""

    def __enter__(self):
        engine, _ = self._asked
        self._since = engine.docker("info", "--format", "{{.SystemTime}}").strip()
        return self

    def __exit__(self, *_):
        engine, asked = self._asked
        until = engine.docker("info", "--format", "{{.SystemTime}}").strip()
        self.names = engine.docker(*asked, "--since", self._since, "--until", until)


def test_without_an_engine_the_demo_says_so(monkeypatch, capsys):
    def none():
        raise NoEngineError("nothing answers")

    monkeypatch.setattr(demo, "get_engine", none)
    assert demo.main(["--backend", "docker"]) == 1
    assert "no Docker engine can be had: nothing answers" in capsys.readouterr().out
