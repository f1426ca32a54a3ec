"""The `yonder` command, run as a person runs it: its own process, its own runtime folder."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from yonder import commands, elsewhere, machine, overlays, receipts, wire
from yonder.agent.store import Store
from yonder.doctor import limits
from yonder.places import HubNote, OwnerFolder, runtime_root, started_at
from yonder.snapshot import content
from yonder.version import __version__


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A private runtime folder on a short path (sockets), a private state folder, an empty workspace."""
    run = Path(f"/tmp/yt-{secrets.token_hex(4)}")
    run.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(run))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    yield tmp_path
    for folder in sorted(run.rglob("*"), reverse=True):
        folder.rmdir() if folder.is_dir() else folder.unlink()
    run.rmdir()


def yonder(home: Path, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-c", "from yonder.cli import main; main()", *arguments]
    return subprocess.run(
        command, cwd=home, env=dict(os.environ), input=given, capture_output=True, text=True, timeout=90, check=False
    )


@contextlib.contextmanager
def process(**marks: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that carries marks in its environment and waits."""
    child = subprocess.Popen(
        [sys.executable, "-S", "-c", "import sys; print('up', flush=True); sys.stdin.read()"],
        env={**os.environ, **marks},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    assert child.stdin is not None
    child.stdout.readline()
    try:
        yield child
    finally:
        child.kill()
        child.stdin.close()
        child.stdout.close()
        child.wait()


@contextlib.contextmanager
def listening(path: Path) -> Iterator[None]:
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(path))
        door.listen(8)
        yield


def new_owner() -> str:
    return f"cli-test-{secrets.token_hex(6)}"


def test_version(home: Path) -> None:
    assert yonder(home, "--version").stdout == f"yonder {__version__}\n"


def test_without_its_libraries_it_says_what_to_install(home: Path) -> None:
    code = "import sys; sys.modules['typer'] = None; sys.argv[1:] = ['ps']; from yonder.cli import main; main()"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "pip install '.[lsp]'" in done.stderr
    assert "another project's" in done.stderr
    assert "Traceback" not in done.stderr


# ── doctor ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_doctor_tries_everything_and_finds_it_well(home: Path) -> None:
    done = yonder(home, "doctor")
    words = done.stdout
    for name in ("python", "runtime folder", "state folder", "settings", "fork", "local executors", "a first call"):
        assert f"ok      {name}: " in words, words
    assert "600 s" in words
    broken = [line for line in words.splitlines() if line.startswith("broken")]
    # Other tests of this user may leave something at this moment; that is the only thing that may be said.
    assert all("left over" in line for line in broken), words
    assert done.returncode == bool(broken)


def test_doctor_names_what_is_broken_and_the_remedy(home: Path) -> None:
    (home / "pyproject.toml").write_text("[tool.yonder]\nlingr = 1\n")
    (home / "state").mkdir()
    (home / "state" / "yonder").write_text("in the way")
    done = yonder(home, "doctor")
    assert done.returncode == 1
    assert 'unknown key "lingr"; did you mean "linger"?' in done.stdout
    assert "broken  state folder" in done.stdout
    assert "→ make it a folder that only you can enter" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_the_limits_are_the_code_s_own() -> None:
    shown = {name: value for name, value, _ in limits()}
    assert shown["linger"] == "20 s"
    assert shown["silence"] == "600 s"
    assert shown["stream bound"] == "1,000 MB"
    assert shown["frame"] == "64 kB"


# ── ps and reap ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_ps_shows_processes_by_owner_and_whether_their_hub_lives(home: Path) -> None:
    owner, other = new_owner(), new_owner()
    with (
        listening(OwnerFolder(owner).hub_socket),
        process(YONDER_OWNER=owner, YONDER_EXECUTOR="e1"),
        process(YONDER_OWNER=other, YONDER_EXECUTOR="e2") as lost,
    ):
        lines = yonder(home, "ps").stdout.splitlines()
        mine = next(line for line in lines if owner in line)
        assert "e1" in mine
        assert "alive" in mine
        theirs = next(line for line in lines if other in line)
        assert str(lost.pid) in theirs
        assert "dead" in theirs


def test_reap_ends_what_a_dead_owner_left_and_nothing_else(home: Path) -> None:
    dead, alive = new_owner(), new_owner()
    with (
        listening(OwnerFolder(alive).hub_socket),
        process(YONDER_OWNER=dead, YONDER_EXECUTOR="e1") as lost,
        process(YONDER_OWNER=alive, YONDER_EXECUTOR="e2") as living,
    ):
        done = yonder(home, "reap", "--owner", dead)
        assert done.stdout == "1 processes of 1 dead owners ended.\n"
        assert lost.wait(timeout=10) == -signal.SIGKILL
        assert yonder(home, "reap", "--owner", alive).stdout == "0 processes of 0 dead owners ended.\n"
        assert living.poll() is None


def test_folders_of_ended_hubs_are_removed_and_no_others(home: Path) -> None:
    dead, starting, alive, mixed = (OwnerFolder(new_owner()) for _ in range(4))
    for folder in (dead, starting, mixed):
        folder.make_token("secret")
    (mixed.path / "notes.txt").write_text("a person's own")
    code = dead.path / "code-1"
    killed = Store(code)
    killed.keep(wire.Blobs({content(b"x"): b"x"}))
    os.close(killed._lock)  # as the kernel does
    later = starting.token_file.stat().st_mtime + machine.FRESH_SECONDS + 1
    os.utime(starting.token_file, (later, later))
    with listening(alive.hub_socket):
        assert machine.sweep_folders(later) == 1
        assert not dead.path.exists()
        assert starting.token_file.exists()
        assert alive.hub_socket.exists()
    assert [file.name for file in mixed.path.iterdir()] == ["notes.txt"]


def test_an_empty_folder_of_an_ended_hub_is_removed_and_a_strangers_is_not(home: Path) -> None:
    empty, stranger = OwnerFolder(new_owner()).path, runtime_root() / "somebody"
    stranger.mkdir()
    later = empty.stat().st_mtime + machine.FRESH_SECONDS + 1
    assert machine.sweep_folders(later - machine.FRESH_SECONDS) == 0
    assert machine.sweep_folders(later) == 1
    assert not empty.exists()
    assert stranger.exists()


def test_an_owner_of_another_runtime_folder_is_not_called_dead(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its processes say where their hub listens; ours is not the only place where it could."""
    owner = new_owner()
    elsewhere = home / "hub.sock"
    if len(str(elsewhere)) > 100:
        elsewhere = Path(os.environ["XDG_RUNTIME_DIR"]) / "other.sock"
    with listening(elsewhere), process(YONDER_OWNER=owner, YONDER_EXECUTOR="e", YONDER_HUB=str(elsewhere)) as living:
        assert machine.left_over(owner) == []
        assert machine.reap(owner).ended == 0
        assert living.poll() is None
    elsewhere.unlink()
    with process(YONDER_OWNER=owner, YONDER_EXECUTOR="e", YONDER_HUB=str(elsewhere)):
        assert len(machine.left_over(owner)) == 1


def test_all_also_asks_living_hubs_to_end(home: Path) -> None:
    owner = new_owner()
    with process(YONDER_OWNER=owner) as hub:
        note = HubNote(owner=owner, pid=hub.pid, started=started_at(hub.pid), version=1, package=__version__, hub="h")
        OwnerFolder(owner).write_note(note)
        assert [found.owner for found in machine.hubs()] == [owner]
        assert machine.serves(owner)
        done = yonder(home, "reap", "--all", "--owner", owner)
        assert done.stdout.startswith("1 hub stopped, ")
        assert hub.wait(timeout=10) in (-signal.SIGTERM, -signal.SIGKILL)
    assert machine.hubs() == []


def test_a_note_of_a_recycled_pid_is_no_hub(home: Path) -> None:
    owner = new_owner()
    note = HubNote(owner=owner, pid=os.getpid(), started="1", version=1, package=__version__, hub="h")
    OwnerFolder(owner).write_note(note)
    assert machine.hubs() == []
    assert not machine.serves(owner)


def test_asking_about_an_unknown_owner_leaves_no_folder(home: Path) -> None:
    assert not machine.serves(new_owner())
    assert list((Path(os.environ["XDG_RUNTIME_DIR"]) / "yonder").iterdir()) == []


# ── run ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_run_is_like_python_with_a_file(home: Path) -> None:
    (home / "beside.py").write_text("WORD = 'neighbour'\n")
    (home / "job.py").write_text(
        "import os, sys\nimport beside\n"
        "print(__name__, sys.argv[1:], beside.WORD, os.getcwd())\n"
        "print('trouble', file=sys.stderr)\n"
        "print('you are', input('name? '))\n"
    )
    began = time.monotonic()
    done = yonder(home, "run", "job.py", "--epochs", "3", given="Ada\n")
    assert done.returncode == 0, done.stderr
    assert f"__main__ ['--epochs', '3'] neighbour {home}" in done.stdout
    assert "you are Ada" in done.stdout
    assert "trouble" in done.stderr
    assert time.monotonic() - began < 60


def test_run_passes_on_how_it_ended(home: Path) -> None:
    (home / "fail.py").write_text("def f():\n    raise ValueError('no such thing')\nf()\n")
    done = yonder(home, "run", "fail.py")
    assert done.returncode == 1
    assert "ValueError: no such thing" in done.stderr
    assert "fail.py" in done.stderr
    assert yonder(home, "run", "nothing.py").returncode == 2


def test_run_says_first_what_is_missing_and_check_runs_nothing(home: Path) -> None:
    (home / "helper.py").write_text("")
    (home / "job.py").write_text(
        "import helper, msgspec\nprint('it ran', flush=True)\ntry:\n    import no_such_one\nexcept ImportError:\n    pass\n"
        "import no_such_two\n"
    )
    done = yonder(home, "run", "--check", "job.py")
    assert (done.returncode, done.stdout) == (1, "")
    assert "yonder: error: job.py, line 7: no_such_two is not installed where it runs\n  → install" in done.stderr
    assert "yonder: information: job.py, line 4: no_such_one is not installed where it runs" in done.stderr
    assert "helper" not in done.stderr
    assert "msgspec" not in done.stderr
    done = yonder(home, "run", "job.py")
    assert done.stdout == "it ran\n"
    assert done.stderr.index("yonder: error") < done.stderr.index("Traceback")
    (home / "job.py").write_text("import helper\n")
    done = yonder(home, "run", "--check", "job.py")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "yonder: job.py: nothing was found that would keep it from running; its imports are here.\n"
    (home / "job.py").write_text("x = (\n")
    done = yonder(home, "run", "--check", "job.py")
    assert done.returncode == 1
    assert "job.py, line 1: '(' was never closed" in done.stderr


def test_doctor_compares_the_lock_with_what_is_installed(home: Path) -> None:
    (home / "requirements.txt").write_text(f"rich=={importlib.metadata.version('rich')}\n")
    assert "ok      dependencies: requirements.txt: what it pins is installed here" in yonder(home, "doctor").stdout
    (home / "requirements.txt").write_text("rich==0.1\nno-such-package==1.0\nloose>=1\n")
    done = yonder(home, "doctor")
    assert "broken  dependencies: requirements.txt: no-such-package 1.0 is locked, nothing is installed" in done.stdout
    assert "rich 0.1 is locked" in done.stdout
    assert "loose" not in done.stdout


def test_run_exits_with_the_files_code(home: Path) -> None:
    (home / "leave.py").write_text("import sys\nsys.exit(7)\n")
    assert yonder(home, "run", "leave.py").returncode == 7


def test_a_wrong_setting_stops_a_run_in_words(home: Path) -> None:
    (home / "pyproject.toml").write_text("[tool.yonder.pools.default]\nmax = 0\n")
    (home / "job.py").write_text("print(1)\n")
    done = yonder(home, "run", "job.py")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("yonder: ")
    assert "line 2, [tool.yonder.pools.default]" in done.stderr


# ── receipt ──


def test_receipt_shows_the_last_one_as_a_table_with_totals(home: Path) -> None:
    lives = [
        wire.Life("x-1", "default", "docker", "c0ffee", 100.0, 160.0, "idle for 60 s"),
        wire.Life("x-2", "default", "docker", "decade", 100.0, 130.0, "the window [was] closed"),
    ]
    for owner, began in (("window-1", 90.0), ("window-2", 50.0)):
        receipts.write(
            receipts.Sheet(
                owner=owner,
                package="1.0",
                pid=1,
                started="0",
                began=began,
                ended=200.0,
                reason="the window was closed",
                lives=lives,
            )
        )
    done = yonder(home, "receipt")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("window-1, hub 1 of yonder 1.0, began ")
    assert "docker c0ffee" in done.stdout
    assert "the window [was] closed" in done.stdout
    assert done.stdout.endswith("2 executors, at most 2 at a time, 1:30 min in all.\n")
    assert yonder(home, "receipt", "--owner", "window-2").stdout.startswith("window-2, ")


def test_receipt_without_one_says_so(home: Path) -> None:
    assert "no receipt of window-3" in yonder(home, "receipt", "--owner", "window-3").stdout


def test_packages_of_executors_are_named_and_removed(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "ok      packages: none were installed" in yonder(home, "doctor").stdout
    folders = [overlays.root() / (letter * 32) for letter in "ab"]
    for folder in folders:
        folder.mkdir()
        (folder / "module.py").write_bytes(b"x" * 1_000_000)
        overlays.finish(folder)
    hold = overlays.hold(folders[0])
    assert hold is not None
    assert f"packages: 2 folders of packages, 2 MB in {overlays.root()}, 1 in use" in yonder(home, "doctor").stdout
    # The real ones look at every process of this machine.
    monkeypatch.setattr(commands.machine, "reap", lambda owner, *, stop_hubs: machine.Reaped(0, 0, 0, ()))
    monkeypatch.setattr(commands.elsewhere, "reap", lambda owner: elsewhere.Elsewhere((), ()))
    commands.reap(owner="", everything=False)
    assert "packages" not in capsys.readouterr().out.splitlines()[0]
    commands.reap(owner="", everything=True)
    assert "1 folder of packages, 1 MB, removed." in capsys.readouterr().out  # not the one in use
    hold.release()
    commands.reap(owner="", everything=True)
    assert "1 folder of packages, 1 MB, removed." in capsys.readouterr().out
    assert list(overlays.root().iterdir()) == []
