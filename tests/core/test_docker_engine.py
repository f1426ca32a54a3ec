"""Which engine is meant, which were used, and what is not dialled."""

from __future__ import annotations

import hashlib
import json
import socket

import pytest

from yonder.backends import engine as engines
from yonder.backends import known
from yonder.backends.engine import Address, Engine, EngineAwayError, remember, remembered, resolve
from yonder.backends.gpus import Gpus
from yonder.errors import BootFailed
from yonder.places import OwnerFolder, answers, installation


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(engines, "_SOCKETS", (str(tmp_path / "docker.sock"),))
    return tmp_path


def context(home, name, host, certificates=False):
    key = hashlib.sha256(name.encode()).hexdigest()
    meta = home / ".docker/contexts/meta" / key
    meta.mkdir(parents=True)
    (meta / "meta.json").write_text(json.dumps({"Name": name, "Endpoints": {"docker": {"Host": host} if host else {}}}))
    folder = home / ".docker/contexts/tls" / key / "docker"
    if certificates:
        folder.mkdir(parents=True)
    return str(folder)


def listen(path):
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()
    return server


def test_the_one_that_is_named_wins(home):
    environ = {"DOCKER_HOST": "unix:///other", "DOCKER_CERT_PATH": "/certs"}
    assert resolve("unix:///named", "", environ, home) == Address("unix:///named")
    assert resolve("", "", environ, home) == Address("unix:///other", "/certs")
    assert resolve("", "/mine", environ, home) == Address("unix:///other", "/mine")


def test_dockers_current_context(home):
    folder = context(home, "lab", "tcp://engine:2376", certificates=True)
    context(home, "plain", "unix:///plain.sock")
    assert resolve("", "", {"DOCKER_CONTEXT": "lab"}, home) == Address("tcp://engine:2376", folder)
    (home / ".docker/config.json").write_text('{"currentContext": "plain"}')
    assert resolve("", "", {}, home) == Address("unix:///plain.sock")
    assert resolve("", "", {"DOCKER_HOST": "unix:///first"}, home) == Address("unix:///first")


@pytest.mark.parametrize("text", ['{"currentContext": "gone"}', '{"currentContext": "empty"}'])
def test_a_context_without_an_engine_says_so(home, text):
    context(home, "empty", "")
    (home / ".docker/config.json").write_text(text)
    with pytest.raises(BootFailed, match="docker context ls"):
        resolve("", "", {}, home)


def test_the_usual_socket(home):
    (home / ".docker").mkdir()
    (home / ".docker/config.json").write_text("no json")
    with pytest.raises(BootFailed, match="there is no Docker Engine here"):
        resolve("", "", {}, home)
    with listen(home / "docker.sock"):
        assert resolve("", "", {}, home) == Address(f"unix://{home / 'docker.sock'}")


async def test_what_is_not_dialled(home):
    for host, said in (
        ("ssh://engine", "ssh -L"),
        ("tcp://engine:2375", "in plain text"),
        ("tcp://engine:2375", "cert_path"),
    ):
        with pytest.raises(BootFailed, match=said):
            await Engine.open(Address(host))
    with pytest.raises(BootFailed, match="cannot be used"):
        await Engine.open(Address("tcp://engine:2376", str(home)))


async def test_an_engine_that_is_not_there_is_away(home):
    with pytest.raises(EngineAwayError, match="does not answer"):
        await Engine.open(Address(f"unix://{home / 'nobody.sock'}"))
    with pytest.raises(EngineAwayError, match=r"127\.0\.0\.1:1 does not answer"):
        await Engine.open(Address("tcp://127.0.0.1:1"))


def test_engines_are_remembered_the_latest_first_while_their_socket_is_there(home):
    assert remembered() == []
    with listen(home / "a.sock"), listen(home / "b.sock"):
        here, there = Address(f"unix://{home / 'a.sock'}"), Address("tcp://engine:2376", "/certs")
        for address in (here, there, Address(f"unix://{home / 'b.sock'}"), there):
            remember(address)
        assert remembered() == [there, Address(f"unix://{home / 'b.sock'}"), here]
    (home / "a.sock").unlink()
    assert here not in remembered()
    for number in range(engines.REMEMBERED + 5):
        remember(Address(f"tcp://engine-{number}:2376"))
    assert len(remembered()) == engines.REMEMBERED
    (home / "state/yonder/engines.json").write_text("[[3]]")
    assert remembered() == []


def test_an_installation_is_drawn_once(home):
    first = installation()
    assert installation() == first
    assert len(first.split("-")[0]) == 16
    (home / "state/yonder/installation").unlink()
    assert installation() != first


def test_who_listens_answers(home):
    assert not answers(str(home / "nobody.sock"))
    with listen(home / "a.sock"):
        assert answers(str(home / "a.sock"))
    assert not answers(str(home / "a.sock"))


def test_a_backend_by_name(home, monkeypatch):
    folder = OwnerFolder("known-test")
    made = known.make("docker", folder, object(), Gpus(list), print)
    assert type(made).__name__ == "DockerBackend"
    with pytest.raises(BootFailed, match="known: local, docker"):
        known.make("dokcer", folder, object(), Gpus(list), print)
    monkeypatch.setattr(engines.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BootFailed, match=r"pip install aiodocker cryptography"):
        known.make("docker", folder, object(), Gpus(list), print)
    folder.path.rmdir()


@pytest.mark.parametrize(
    ("why", "said"),
    [
        (
            "Cannot connect via x [Cannot connect to /a.sock ssl:default [No such file or directory]]",
            "No such file or directory",
        ),
        (
            "Cannot connect via x [Cannot connect to h:1 [Connect call failed ('::1', 1)]]",
            "Connect call failed ('::1', 1)",
        ),
        ("no answer in 30 s", "no answer in 30 s"),
    ],
)
def test_of_an_absence_only_the_reason_is_told(why, said):
    assert engines.core(why) == said
