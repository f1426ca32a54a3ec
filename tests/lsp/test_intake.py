"""What comes from the hub in one piece is taken in in several turns of the loop: a key that is typed gets one of them."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Literal, cast

import pytest

from yonder import wire
from yonder_lsp import dialling, intake
from yonder_lsp.intake import Intake
from yonder_lsp.storing import StoreThread


class Pile:
    """A connection on which everything lies there already."""

    def __init__(self, messages: Sequence[wire.HubToOwner]) -> None:
        self.waiting = [wire.encode(message) for message in messages]
        self.sent: list[Any] = []
        self.all_acknowledged = asyncio.Event()
        self.last = max((one.n for one in messages if isinstance(one, wire.Numbered)), default=0)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for data in self.waiting:
            yield data
        if self.last:
            await self.all_acknowledged.wait()

    async def send(self, data: bytes) -> None:
        said = wire.Parser[Any](wire.OwnerToHub).message(data)
        self.sent.append(said)
        if isinstance(said, wire.Ack) and said.n == self.last:
            self.all_acknowledged.set()


class Hub:
    """As `dialling.Hub`, as far as the intake asks."""

    name = "hub-1"

    def __init__(self, connection: Pile) -> None:
        self.connection = connection

    async def attend(self) -> None:
        await asyncio.Event().wait()


class Ear:
    """Writes down how much it was told at once."""

    def __init__(self) -> None:
        self.told: list[list[int]] = []

    def stored(self, batch: Sequence[wire.Numbered]) -> None:
        self.told.append([one.n for one in batch])

    def notice(self, level: Literal["info", "warning", "error"], sentence: str) -> None:
        raise AssertionError(sentence)

    def log(self, level: Literal["debug", "info", "warning", "error"], text: str) -> None:
        raise AssertionError(text)


@pytest.fixture
def ear() -> Ear:
    return Ear()


async def take_in(pile: Pile, ear: Ear, file: Path, taken: list[wire.HubToOwner]) -> None:
    storing = StoreThread(file)
    try:
        async with asyncio.timeout(30):
            await Intake(cast(dialling.Hub, Hub(pile)), storing, ear, taken.append).run()
    finally:
        storing.close()


def points(count: int) -> list[wire.Numbered]:
    column = [wire.Column("loss", bytes(8), bytes(8), bytes(8))]
    return [wire.Numbered(n, wire.Metrics("run-1", "", column)) for n in range(1, count + 1)]


async def test_all_of_it_is_told_in_order_and_never_much_at_once(
    ear: Ear, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "AT_ONCE", 10)
    await take_in(Pile(points(205)), ear, tmp_path / "runs.sqlite", [])
    assert [n for batch in ear.told for n in batch] == list(range(1, 206))
    assert max(map(len, ear.told)) <= 10


async def test_reading_lets_others_have_a_turn(ear: Ear, tmp_path: Path) -> None:
    taken: list[wire.HubToOwner] = []
    seen: list[int] = []

    async def key() -> None:
        while len(taken) < 1000:
            seen.append(len(taken))
            await asyncio.sleep(0)

    typing = asyncio.create_task(key())
    await take_in(
        Pile([wire.Peeked(n, "main", wire.Answer(found=False)) for n in range(1000)]), ear, tmp_path / "r", taken
    )
    await typing
    gaps = [after - before for before, after in itertools.pairwise(seen)]
    assert max(gaps) <= intake.IN_A_ROW, "the loop was held for longer"
