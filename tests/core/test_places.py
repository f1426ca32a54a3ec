"""Where things are kept, and that nobody else can look at them."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from yonder.errors import UsageError
from yonder.places import HubNote, OwnerFolder, private, runtime_root, started_at, state_root


@pytest.fixture(autouse=True)
def own_roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime, state = tmp_path / "runtime", tmp_path / "state"
    runtime.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    monkeypatch.setenv("XDG_STATE_HOME", str(state))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def note(**changes: object) -> HubNote:
    facts = {"owner": "o", "pid": os.getpid(), "started": started_at(os.getpid()), "version": 1, "package": "0.1.0"}
    return HubNote(**{**facts, **changes})  # type: ignore[arg-type]


# ── folders ──


def test_the_roots_are_private_and_where_the_desktop_says(tmp_path: Path) -> None:
    assert runtime_root() == tmp_path / "runtime" / "yonder"
    assert state_root() == tmp_path / "state" / "yonder"
    assert mode(runtime_root()) == mode(state_root()) == 0o700


def test_without_a_desktop_the_runtime_folder_is_short_and_named_by_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    root = runtime_root()
    assert root == Path(f"/tmp/yonder-{os.getuid()}")
    assert mode(root) == 0o700
    assert len(str(root / ("0" * 16) / "owner.sock")) < 104


def test_a_runtime_folder_that_does_not_exist_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "nowhere"))
    assert runtime_root() == Path(f"/tmp/yonder-{os.getuid()}")


def test_a_folder_that_others_may_enter_is_closed_to_them(tmp_path: Path) -> None:
    open_one = tmp_path / "open"
    open_one.mkdir()
    open_one.chmod(0o777)
    assert mode(private(open_one)) == 0o700


def test_a_link_in_the_folders_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "theirs")
    with pytest.raises(UsageError, match="link is not a folder of this user"):
        private(tmp_path / "link")


def test_a_folder_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 987_654)
    with pytest.raises(UsageError, match="not a folder of this user"):
        private(tmp_path / "new")


def test_two_owners_have_two_folders_and_one_owner_one() -> None:
    assert OwnerFolder("a").path == OwnerFolder("a").path
    assert OwnerFolder("a").path != OwnerFolder("b").path


def test_an_owner_id_cannot_name_a_path() -> None:
    folder = OwnerFolder("../../etc")
    assert folder.path.parent == runtime_root()
    assert mode(folder.path) == 0o700


# ── the token ──


def test_the_token_is_readable_by_this_user_only_whatever_the_umask() -> None:
    folder = OwnerFolder("a")
    before = os.umask(0)
    try:
        folder.make_token("first")
    finally:
        os.umask(before)
    assert mode(folder.token_file) == 0o600
    assert folder.token() == "first"


def test_a_new_token_replaces_the_old_file_and_does_not_follow_it(tmp_path: Path) -> None:
    folder = OwnerFolder("a")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("untouched")
    folder.token_file.symlink_to(elsewhere)
    folder.make_token("second")
    assert elsewhere.read_text() == "untouched"
    assert not folder.token_file.is_symlink()
    assert folder.token() == "second"


def test_without_a_token_there_is_an_error_and_no_empty_secret() -> None:
    with pytest.raises(OSError, match="token"):
        OwnerFolder("a").token()


# ── the note ──


@pytest.mark.parametrize("text", [b"", b"{}", b"\xff", b'{"owner": "\xff"}', b"[" * 10_000])
def test_what_is_no_note_is_none(text: bytes) -> None:
    folder = OwnerFolder("o")
    folder.note_file.write_bytes(text)
    assert folder.note() is None


def test_a_note_of_a_living_hub_is_believed() -> None:
    folder = OwnerFolder("a")
    assert folder.note() is None
    folder.write_note(note())
    assert folder.note() == note()


def test_a_note_of_a_dead_hub_is_not_believed() -> None:
    folder = OwnerFolder("a")
    gone = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True
    )
    folder.write_note(note(pid=int(gone.stdout), started="12345"))
    assert folder.note() is None


def test_a_recycled_pid_is_not_the_hub() -> None:
    folder = OwnerFolder("a")
    folder.write_note(note(started="1"))
    assert folder.note() is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"owner": "o"}', '{"owner": 1, "pid": "x"}'])
def test_a_damaged_note_is_no_note(text: str) -> None:
    folder = OwnerFolder("a")
    folder.note_file.write_text(text)
    assert folder.note() is None


def test_a_process_has_a_start_time_and_a_zombie_has_none() -> None:
    assert started_at(os.getpid()) == started_at(os.getpid()) != ""
    child = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.read()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # dead, not yet taken away
    assert started_at(child.pid) == ""
    child.wait()
    child.stdout.close()
    assert started_at(child.pid) == ""
