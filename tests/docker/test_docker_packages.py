"""Packages that a program has locked, installed in real containers by their own installer, from wheels that are mounted."""

import os
import subprocess
import sys
from pathlib import Path

from tests.integration.test_environments import NAME, wheel

ROOT = Path(__file__).parents[2]

PROGRAM = f"""
import sys, yonder

def version():
    import {NAME}
    return {NAME}.VERSION, {NAME}.__file__

if __name__ == "__main__":
    image, host, wheels = sys.argv[1:]
    options = {{"host": host, "pull": "never", "volumes": [wheels + ":/wheels:ro"]}}
    env = {{"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/wheels", "UV_NO_INDEX": "1", "UV_FIND_LINKS": "/wheels"}}
    with yonder.Pool(
        backend="docker", image=image, options=options, env=env, max=1, preload=[], dependencies="lock"
    ) as pool:
        try:
            print(*pool.call(version))
        except yonder.BootFailed as error:
            print("BootFailed", error)
"""


def ran(engine, tmp_path) -> str:
    """What the program prints."""
    (tmp_path / "program.py").write_text(PROGRAM)
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "executor"), "XDG_STATE_HOME": str(tmp_path / "state")}
    command = [sys.executable, str(tmp_path / "program.py"), engine.image, engine.host, str(tmp_path / "wheels")]
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_container_gets_what_is_locked_and_says_what_it_cannot_get(engine, tmp_path):
    wheel(tmp_path / "wheels", "1.0")
    wheel(tmp_path / "wheels", "2.0")
    (tmp_path / "requirements.txt").write_text(f"{NAME}==1.0\n")
    version, place = ran(engine, tmp_path).split()
    assert version == "1.0"
    assert "/overlays/" in place
    (tmp_path / "requirements.txt").write_text(f"{NAME}==3.0\n")
    said = ran(engine, tmp_path)
    assert said.startswith(f"BootFailed on the image {engine.image} (pool 'default'), from requirements.txt: ")
    assert f"{NAME}==3.0" in said
