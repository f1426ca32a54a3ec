"""`npm run demo -- --backend docker`: the example of the README, unchanged, with its sweep in containers."""

import contextlib
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
    with containers_of(engine, image) as names:
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
    assert len(names) == 2, "the sweep ran in containers, one per executor"
    assert engine.docker("ps", "--all", "--quiet", "--filter", f"ancestor={image}") == ""


@contextlib.contextmanager
def containers_of(engine, image):
    """The names of the containers of an image that were started within, as the engine's own events tell."""
    names = []
    since = engine.docker("info", "--format", "{{.SystemTime}}").strip()
    yield names
    until = engine.docker("info", "--format", "{{.SystemTime}}").strip()
    number = engine.docker("image", "inspect", "--format", "{{.Id}}", image).strip()
    told = "{{.Actor.Attributes.image}} {{.Actor.Attributes.name}}"
    events = engine.docker("events", "--since", since, "--until", until, "--filter", "event=start", "--format", told)
    names += [line.split()[1] for line in events.splitlines() if line.split()[0] in {image, number}]


def test_without_an_engine_the_demo_says_so(monkeypatch, capsys):
    def none():
        raise NoEngineError("nothing answers")

    monkeypatch.setattr(demo, "get_engine", none)
    assert demo.main(["--backend", "docker"]) == 1
    assert "no Docker engine can be had: nothing answers" in capsys.readouterr().out
