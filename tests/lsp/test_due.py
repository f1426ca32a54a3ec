"""One deadline for one request."""

import asyncio

import pytest

from yonder_lsp import due


class Answering:
    """Answers one request, and notes how long it might still have waited."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, patience: float = 1.0) -> None:
        self.patience = patience
        self.now = 100.0
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: self.now)

    @due.by(0.080)
    async def waits(self, spent: float) -> list[float]:
        lefts = [due.left(0.080), due.left(0.040)]
        self.now += spent
        return [*lefts, due.left(0.040)]

    @due.by(0.080)
    async def waits_far(self, spent: float) -> list[float]:
        self.now += spent
        due.away(0.100)
        due.away(0.100)  # another question of the same request
        due.away(0.050)
        lefts = [due.left(0.040)]
        self.now += 1.0
        return [*lefts, due.left(0.040)]


async def test_what_has_been_waited_is_not_waited_again(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await Answering(monkeypatch).waits(0.060) == pytest.approx([0.080, 0.040, 0.020])


async def test_the_way_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await Answering(monkeypatch).waits_far(0.060) == pytest.approx([0.120, 0.0])


async def test_a_patient_person_waits_longer_for_each_and_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await Answering(monkeypatch, patience=2.0).waits(0.100) == pytest.approx([0.160, 0.080, 0.060])


async def test_outside_of_a_request_there_is_no_deadline() -> None:
    due.away(0.100)
    assert due.left(0.040) == 0.040
