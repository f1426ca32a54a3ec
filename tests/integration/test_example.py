"""The example is ordinary Python: few words of ours, cells, and it runs under plain `python`."""

from __future__ import annotations

import ast
import contextlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from yonder_lsp.cells import cells

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "digits_sweep.py"
PINNED = {"yonder", "Pool", "map", "max", "log"}


def our_words(tree: ast.Module) -> set[str]:
    """The names in the file that a reader has to look up in Yonder's documentation."""
    attributes = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ("yonder", "pool")
    }
    return attributes | {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
        if alias.name == "yonder"
    }


def test_it_uses_at_most_five_words_of_ours():
    assert our_words(ast.parse(EXAMPLE.read_text())) == PINNED


def test_it_has_a_cell_for_each_step_of_the_work():
    titles = [cell.title for cell in cells(EXAMPLE.read_text())]
    assert [title.split()[1].rstrip(":,") for title in titles] == [
        "data",
        "network",
        "sweep",
        "curves",
        "table",
    ]


@pytest.mark.timeout(300)
def test_it_runs_under_plain_python_and_leaves_nothing_running(tmp_path):
    text = EXAMPLE.read_text()
    small = text.replace("EPOCHS = 15", "EPOCHS = 1").replace("[: pool.max]", "[: min(2, pool.max)]")
    assert small.count("EPOCHS = 1\n") == 1
    assert "min(2" in small
    (tmp_path / "sweep.py").write_text(small)
    environment = {**os.environ, "MPLBACKEND": "Agg", "XDG_RUNTIME_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "sweep.py"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1347 digits to learn from, 450 to judge by" in done.stdout
    best = re.search(r"2 variants trained; the best reads ([\d.]+)% of the digits", done.stdout)
    assert best, done.stdout
    assert 0 < float(best[1]) <= 100
    rows = done.stdout.partition("accuracy\n")[2].splitlines()
    assert len(rows) == 2
    assert [float(row.split()[-1].rstrip("%")) for row in rows] == sorted(
        (float(row.split()[-1].rstrip("%")) for row in rows), reverse=True
    )
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert still_running(tmp_path) == []
    assert list((tmp_path / "yonder").iterdir()) == []  # the program's runtime folder went with it


def still_running(runtime: Path) -> list[str]:
    """Every process that was started below the program: all of them carry its private runtime folder."""
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):  # it ended while we looked, or is another user's
            if os.fsencode(runtime) in environ.read_bytes():
                found.append(environ.with_name("cmdline").read_text())
    return found
