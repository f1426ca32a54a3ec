"""Plain Python programs as users write them, each run in a process of its own."""

import functools
import os
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[2]


@functools.cache
def _far():
    """A folder whose presence on the path makes every program put all its pools into a hub process of its own."""
    folder = tempfile.mkdtemp(prefix="yonder-far-")
    Path(folder, "sitecustomize.py").write_text("from yonder.hubs import PROGRAM\nPROGRAM.near = ()\n")
    return folder


def environment(hub="thread"):
    """Of a program whose hub is a thread or a process, whatever the backend."""
    path = str(ROOT / "executor")
    return {**os.environ, "PYTHONPATH": path if hub == "thread" else f"{_far()}{os.pathsep}{path}"}


def program(tmp_path, code, **more):
    """Run a program to its end; returns its standard output (both=True: and its error output). Fails with its error
    output unless it ends with `code` (0). hub="process": its pools live in a hub process, though they are local."""
    file = tmp_path / "program.py"
    file.write_text(textwrap.dedent(code))
    done = subprocess.run(
        [sys.executable, str(file)],
        capture_output=True,
        text=True,
        env=environment(more.get("hub", "thread")),
        timeout=90,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == more.get("code", 0), done.stdout + done.stderr
    return done.stdout if not more.get("both") else done.stdout + done.stderr
