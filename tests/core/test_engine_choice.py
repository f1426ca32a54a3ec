"""Which engine the tests with containers get, and what is said when there is none. No engine is started here."""

import fcntl
import os
import subprocess

import pytest
from scripts import engine as choosing
from scripts import private_engine
from scripts.private_engine import Left, NoEngineError, PrivateEngine, start_private, why_not


class Machine:
    """A machine whose engines answer where the test says; one of our own cannot be started."""

    def __init__(self, folder):
        self.socket = folder / "docker.sock"
        self.answering = set()


@pytest.fixture
def machine(monkeypatch, tmp_path):
    made = Machine(tmp_path)

    def none():
        raise NoEngineError("no room")

    monkeypatch.setattr(choosing, "DEFAULT_SOCKET", str(made.socket))
    monkeypatch.setattr(choosing, "answers", made.answering.__contains__)
    monkeypatch.setattr(choosing, "start_private", none)
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    return made


def test_the_engine_that_is_named_wins_and_is_not_replaced(machine, monkeypatch):
    machine.socket.touch()
    machine.answering |= {"tcp://elsewhere:1", f"unix://{machine.socket}"}
    monkeypatch.setenv("DOCKER_HOST", "tcp://elsewhere:1")
    assert choosing.get_engine().host == "tcp://elsewhere:1"
    machine.answering.remove("tcp://elsewhere:1")
    with pytest.raises(NoEngineError, match="no engine answers at DOCKER_HOST=tcp://elsewhere:1; start it, or unset"):
        choosing.get_engine()


def test_the_machines_own_comes_next_and_then_one_of_ours(machine):
    machine.socket.touch()
    machine.answering.add(f"unix://{machine.socket}")
    found = choosing.get_engine()
    assert (found.host, found.private) == (f"unix://{machine.socket}", None)
    assert found.close() == []
    machine.answering.clear()
    with pytest.raises(NoEngineError, match="no room"):
        choosing.get_engine()


def test_without_an_engine_a_run_is_skipped_unless_one_is_required(machine, monkeypatch, capsys):
    monkeypatch.delenv("YONDER_DOCKER", raising=False)
    assert choosing.main(["with", "--", "false"]) == 0
    assert capsys.readouterr().err == "yonder: docker: skipped, no room\n"
    monkeypatch.setenv("YONDER_DOCKER", "require")
    assert choosing.main(["with", "--", "true"]) == 1
    assert capsys.readouterr().err == "engine: no room\n"


def test_what_keeps_this_machine_from_an_engine_of_its_own_is_said(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(private_engine.shutil, "which", lambda name: None if name == "dockerd" else f"/bin/{name}")
    assert why_not() == "dockerd not found; on Debian and Ubuntu: apt-get install docker.io iproute2"
    monkeypatch.setattr(private_engine.shutil, "which", lambda name: f"/bin/{name}")
    assert why_not() == ""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "needs root" in why_not()
    with pytest.raises(NoEngineError, match="needs root"):
        start_private()


@pytest.fixture
def slots(monkeypatch, tmp_path):
    """Slots in a folder of the test's, on a machine that could start engines and has no processes of any."""
    monkeypatch.setattr(private_engine, "RUN", tmp_path / "run")
    monkeypatch.setattr(private_engine, "why_not", lambda: "")
    monkeypatch.setattr(private_engine, "_of_slot", lambda slot: [])
    monkeypatch.setenv("YONDER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "run"


def test_slots_that_others_hold_are_passed_over(slots, monkeypatch):
    monkeypatch.setattr(private_engine, "SLOTS", 2)
    held = []
    for slot in range(2):
        (slots / str(slot)).mkdir(parents=True)
        held.append((slots / str(slot) / "lock").open("w"))
        fcntl.flock(held[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
    with pytest.raises(NoEngineError, match="all 2 slots for engines are taken"):
        start_private()
    for lock in held:
        lock.close()


def test_a_slot_whose_addresses_are_in_use_is_passed_over(monkeypatch):
    def routes(command, **_):
        return subprocess.CompletedProcess(
            command, 0, "default via 10.0.0.1 dev e0\n172.29.102.0/25 dev b1 scope link\n"
        )

    monkeypatch.setattr(private_engine.subprocess, "run", routes)
    assert [private_engine._overlaps(PrivateEngine(slot)) for slot in range(3)] == [False, True, False]


def test_the_pid_file_of_a_daemon_that_is_gone_names_nobody(slots):
    engine = PrivateEngine(0)
    assert engine.pid == 0
    engine.folder.mkdir(parents=True)
    (engine.folder / "pid").write_text(str(os.getpid()))
    assert engine.pid == 0, "this process is no dockerd of this slot"


def test_what_an_engine_leaves_is_told_and_fails_the_run(machine, monkeypatch, capsys):
    class Untidy(choosing.Engine):
        image = "an-image"

        def close(self):
            return [Left(7, "sleep 1000")]

    monkeypatch.setattr(choosing, "get_engine", lambda: Untidy("unix:///x"))
    assert choosing.main(["with", "--", "true"]) == 1
    assert "left behind and killed: 7 sleep 1000" in capsys.readouterr().err
    assert choosing.main(["with", "--", "sh", "-c", "exit 3"]) == 3
