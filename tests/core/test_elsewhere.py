"""Containers on engines that were used: seen and reaped, and an engine that is silent holds up no other."""

from __future__ import annotations

import pytest

from yonder import elsewhere
from yonder.backends import told
from yonder.backends.engine import Address, EngineAwayError

HERE, THERE = Address("unix:///here"), Address("tcp://there:2376", "/certs")


class Paper:
    """An engine in memory."""

    def __init__(self, address):
        self.address = address
        self.listing = [self._one("a", "me", "/alive"), self._one("b", "me", "/dead"), self._one("c", "her", "/dead")]
        self.closed = False

    @staticmethod
    def _one(name, owner, hub):
        marks = {told.OWNER: owner, told.EXECUTOR: name, told.HUB: hub}
        return {"Id": name * 64, "Names": [f"/yonder-{name}"], "Labels": marks, "State": "running", "Image": "team/x"}

    async def listed(self, filters):
        owners = [label.partition("=")[2] for label in filters["label"] if label.startswith(told.OWNER)]
        return [one for one in self.listing if owners in ([], [one["Labels"][told.OWNER]])]

    async def gone(self, native):
        self.listing = [one for one in self.listing if one["Id"] != native]

    async def close(self):
        self.closed = True


@pytest.fixture
def engine(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    paper = Paper(HERE)

    async def open_one(address):
        if address == THERE:
            raise EngineAwayError("the Docker Engine at tcp://there:2376 does not answer: nobody there")
        return paper

    monkeypatch.setattr(elsewhere, "remembered", lambda: [THERE, HERE])
    monkeypatch.setattr(elsewhere.Engine, "open", open_one)
    monkeypatch.setattr(elsewhere, "answers", lambda path: path == "/alive")
    return paper


def names(found):
    return [one.seen.name for one in found.found]


def test_a_look_says_what_lives_and_which_engine_is_silent(engine):
    found = elsewhere.look()
    assert [(one.seen.name, one.host, one.alive) for one in found.found] == [
        ("yonder-a", "unix:///here", True),
        ("yonder-b", "unix:///here", False),
        ("yonder-c", "unix:///here", False),
    ]
    assert len(found.silent) == 1
    assert "What runs on tcp://there:2376 cannot be seen" in found.silent[0]
    assert engine.closed
    assert names(elsewhere.look("her")) == ["yonder-c"]


def test_reaping_removes_what_has_no_hub(engine):
    assert names(elsewhere.reap("me")) == ["yonder-b"]
    assert names(elsewhere.look()) == ["yonder-a", "yonder-c"]
    assert names(elsewhere.reap()) == ["yonder-c"]
    assert names(elsewhere.reap()) == []


def test_an_engine_that_takes_too_long_is_silent(engine, monkeypatch):
    monkeypatch.setattr(elsewhere, "ENGINE_SECONDS", 0.0)
    assert any("took longer" in sentence for sentence in elsewhere.look().silent)
