"""The demo: what it counts, what it shows, and (at the end) the whole of it against the real language server."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console
from scripts import demo
from scripts.process_table import marked
from scripts.view import Lines, LiveTable, Picture, picture_of

from yonder_lsp import protocol

ROOT = Path(__file__).resolve().parents[2]
NOWHERE = protocol.Range(start=protocol.Position(line=0, character=0), end=protocol.Position(line=0, character=0))


def run_of(state, *, title="The sweep", run="r1", calls=0, done=0, short=""):
    return protocol.RunSummary(
        run=run, revision=1, session="main", uri="file:///a.py", title=title, hash="", range=NOWHERE, kind="block",
        state=state, detail="", created=100.0, started=101.0, ended=103.5 if state == "ok" else 0.0, short=short,
        text="", rich={}, error_type="", trace=[], metrics=[], displays=0, calls=calls, calls_done=done, output=0,
        stale=False,
    )  # fmt: skip


def call_of(number, state, **metrics):
    return protocol.CallRow(
        call=f"c{number}", label=f"lr=0.01 width={number}", pool="default", executor=f"local-{number}", state=state,
        started=101.0 + number, seconds=1.25, summary="", metrics=metrics, progress_label="", done=0, total=0,
    )  # fmt: skip


def text_of(rendered, width=120):
    console = Console(file=io.StringIO(), width=width)
    console.print(rendered)
    return console.file.getvalue()


# ── the last line ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_last_line_is_made_for_programs():
    line = demo.Tally(8, 0, 0.98, 1.234, 9, 0).line()
    assert line == "runs=8 failed=0 best_accuracy=0.9800 first_executor_s=1.23 executors_peak=9 executors_left=0"


@pytest.mark.parametrize(
    ("runs", "failed", "left", "good"), [(8, 0, 0, True), (8, 1, 0, False), (8, 0, 1, False), (0, 0, 0, False)]
)
def test_only_a_clean_job_is_a_good_one(runs, failed, left, good):
    assert demo.Tally(runs=runs, failed=failed, executors_left=left).good is good


def test_calls_that_did_not_end_well_are_failures(tmp_path):
    job = demo.Demo(editor=None, owner="x", view=Lines(Console(file=io.StringIO())))
    job._count([call_of(1, "ok", accuracy=0.9), call_of(2, "lost", accuracy=0.2), call_of(3, "ok", accuracy=0.95)])
    assert (job.tally.runs, job.tally.failed, job.tally.best_accuracy) == (3, 1, 0.95)


@pytest.mark.parametrize("number", ["0", "65"])
def test_the_number_of_executors_has_bounds(number, capsys):
    with pytest.raises(SystemExit):
        demo.parse(["--executors", number])
    assert "must be 1 to 64" in capsys.readouterr().err


def test_quick_edits_a_line_that_the_example_has():
    example = (ROOT / "examples" / "digits_sweep.py").read_text()
    assert example.count(demo.SLOW_LINE + "\n") == 1


# ── what it shows ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_without_a_terminal_every_change_is_one_line():
    console = Console(file=io.StringIO(), width=60)
    lines = Lines(console)
    picture = Picture(runs={"r1": run_of("running", calls=2)}, calls=[call_of(1, "running"), call_of(2, "queued")])
    lines.show(picture)
    lines.show(picture)
    picture.calls = [call_of(1, "ok", loss=0.5, accuracy=0.9), call_of(2, "running")]
    picture.runs["r1"] = run_of("ok", short="0.98")
    lines.show(picture)
    assert [" ".join(line.split()) for line in console.file.getvalue().splitlines()] == [
        "running The sweep",
        "running lr=0.01 width=1 on local-1",
        "ok lr=0.01 width=1 on local-1 accuracy=0.9000 loss=0.5000 1.2 s",
        "running lr=0.01 width=2 on local-2",
        "ok The sweep (2.5 s) 0.98",
    ]


def test_the_table_shows_runs_calls_metrics_and_the_pool():
    pool = protocol.PoolStatus(
        name="default", backend="local", executors=2, booting=0, busy=1, max=8, queued=3, why="three calls wait"
    )
    status = protocol.StatusResult(
        cluster="on", python="/usr/bin/python3", python_version="3.11.2", problem="", live="ok", pools=[pool],
        executors=[], sessions=[], hub_pid=1, peak=3,
    )  # fmt: skip
    calls = [call_of(1, "ok", loss=0.125), call_of(2, "running", loss=0.5)]
    shown = text_of(picture_of(Picture({"r1": run_of("running", calls=2, done=1)}, calls, status), room=10))
    for words in ("2/8 executors on local", "3 waiting", "The sweep", "1 of 2 done", "0.1250", "local-2"):
        assert words in shown


def test_in_a_small_terminal_the_finished_calls_give_way():
    calls = [call_of(number, "running" if number in (3, 60) else "ok") for number in range(64)]
    shown = text_of(picture_of(Picture(calls=calls), room=4))
    assert "width=3 " in shown
    assert "width=60 " in shown
    assert "… and 60 more" in shown


def test_the_live_table_survives_titles_that_look_like_markup():
    console = Console(file=io.StringIO(), width=100, force_terminal=True)
    with LiveTable(console) as view:
        view.show(Picture({"r1": run_of("running", title="x[0] = [bold]")}))
        view.say("[/nothing] to see")
    assert "[/nothing] to see" in console.file.getvalue()


# ── what is left ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_process_table_finds_the_owners_processes_and_no_others():
    def living(owner):
        code = "print('up', flush=True); input()"
        environment = dict(os.environ, YONDER_OWNER=owner)
        pipe = subprocess.PIPE
        return subprocess.Popen([sys.executable, "-c", code], env=environment, stdin=pipe, stdout=pipe)

    with living(f"one-{os.getpid()}") as one, living(f"one-{os.getpid()}0") as other:
        one.stdout.readline()
        other.stdout.readline()
        found = marked(f"one-{os.getpid()}")
        assert [(process.pid, process.hub) for process in found] == [(one.pid, False)]
        one.communicate(b"\n")
        other.communicate(b"\n")
    assert marked(f"one-{os.getpid()}") == []


@pytest.mark.timeout(300)
def test_the_whole_job_quick_with_three_executors(tmp_path):
    folder = tmp_path / "work"
    (folder / "examples").mkdir(parents=True)
    shutil.copy(ROOT / "examples" / "digits_sweep.py", folder / "examples")
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "demo.py"), "--quick", "--executors", "3", "--folder", str(folder)],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.fullmatch(
        r"runs=3 failed=0 best_accuracy=(0\.\d+) first_executor_s=(\d+\.\d+) executors_peak=(\d+) executors_left=0",
        done.stdout.splitlines()[-1],
    )
    assert found, done.stdout
    assert float(found[1]) > 0.3
    assert 1 <= int(found[3]) <= 3
    assert (folder / "curves.png").stat().st_size > 10_000
    assert "a figure came back: image/png" in done.stdout
    assert re.search(r"lr\s+width\s+optimizer\s+dropout\s+loss\s+accuracy", done.stdout)
