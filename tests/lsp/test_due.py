"""One deadline for one request."""

import asyncio

import pytest

from yonder_lsp import due


async def test_what_has_been_waited_is_not_waited_again(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now)

    @due.by(0.080)
    async def request() -> list[float]:
        nonlocal now
        lefts = [due.left(0.080), due.left(0.040)]
        now += 0.060
        lefts.append(due.left(0.040))
        due.away(0.100)
        due.away(0.100)  # another question of the same request
        due.away(0.050)
        lefts.append(due.left(0.040))
        now += 1.0
        return [*lefts, due.left(0.040)]

    assert await request() == pytest.approx([0.080, 0.040, 0.020, 0.120, 0.0])


async def test_outside_of_a_request_there_is_no_deadline() -> None:
    due.away(0.100)
    assert due.left(0.040) == 0.040
