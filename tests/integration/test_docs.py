"""The programs of docs/pool.md, and of README's section on the pool, print what the page says they print."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_EXAMPLE = re.compile(r"```python\n(.*?)```\n(?:```text\n(.*?)```)?", re.DOTALL)


def examples():
    readme = (ROOT / "README.md").read_text("utf-8")
    section = readme.partition("\n## The pool\n")[2].partition("\n## ")[0]
    pages = {"pool.md": (ROOT / "docs" / "pool.md").read_text("utf-8"), "README.md": section}
    for page, text in pages.items():
        for found in _EXAMPLE.finditer(text):
            line = text[: found.start()].count("\n") + 1
            yield pytest.param(found[1], found[2], id=f"{page}-{line}")


@pytest.mark.parametrize(("program", "printed"), list(examples()))
def test_an_example_prints_what_stands_below_it(program, printed, tmp_path):
    file = tmp_path / "example.py"
    file.write_text(program)
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "executor")}
    done = subprocess.run(
        [sys.executable, str(file)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert printed is not None, "every example says what it prints"
    assert done.stdout == printed


def test_both_pages_have_examples():
    pages = [parameters.id.partition("-")[0] for parameters in examples()]
    assert pages.count("pool.md") >= 10
    assert pages.count("README.md") >= 2
