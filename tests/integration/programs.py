"""Plain Python programs as users write them, each run in a process of its own."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[2]


def program(tmp_path, code, **more):
    """Run a program to its end; returns its standard output (both=True: and its error output). Fails with its error
    output unless it ends with `code` (0)."""
    file = tmp_path / "program.py"
    file.write_text(textwrap.dedent(code))
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "executor")}
    done = subprocess.run(
        [sys.executable, str(file)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=90,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == more.get("code", 0), done.stdout + done.stderr
    return done.stdout if not more.get("both") else done.stdout + done.stderr
