"""Runs reach the hub once, wherever the connection is cut on their way; and what else must not be lost."""

import asyncio
import itertools
from pathlib import Path

import pytest
from tests.lsp import fakes
from tests.lsp.test_lifecycle import CONFIGURE, OWNER, WHERE, Ear, configured, ear, life, runtime, storing

from yonder import receipts, wire
from yonder.errors import CannotRun
from yonder_lsp.lifecycle import Lifecycle
from yonder_lsp.owed import Owed
from yonder_lsp.store import Store

__all__ = ["ear", "life", "runtime", "storing"]  # fixtures


def run(name: str) -> wire.Execute:
    return wire.Execute(name, "main", "1", "a.py", 0)


def phase(name: str) -> wire.Phase:
    return wire.Phase(name, "queued", 1.0)


# ── what is owed ──


def owed_after(*steps: str) -> list[str]:
    """Runs a and b are asked for; then what the steps say happens. Returns what goes out on the next connection."""
    owed = Owed()
    numbers = itertools.count(1)
    owed.add(run("a"))
    owed.add(run("b"))
    for step in steps:
        verb, _, name = step.partition(" ")
        if verb == "sent":
            owed.sent(run(name))
        elif verb == "heard":
            owed.heard([wire.Numbered(next(numbers), phase(name))])
        else:
            owed.again()
    out = []
    while (message := owed.next()) is not None:
        out.append(message.run)
        owed.sent(message)
    return out


@pytest.mark.parametrize(
    ("steps", "out"),
    [
        ((), ["a", "b"]),
        (("sent a",), ["b"]),
        (("sent a", "again"), ["a", "b"]),
        (("sent a", "heard a", "again"), ["b"]),
        (("sent a", "sent b", "heard b", "again"), ["a"]),
        (("heard a", "heard b"), []),
        (("heard c",), ["a", "b"]),
    ],
)
def test_a_run_is_owed_until_it_was_heard_of_and_goes_once_over_each_connection(
    steps: tuple[str, ...], out: list[str]
) -> None:
    assert owed_after(*steps) == out


def test_nothing_is_owed_to_a_hub_that_is_gone() -> None:
    owed = Owed()
    owed.add(run("a"))
    owed.clear()
    assert owed.next() is None
    assert len(owed) == 0


# ── over connections that break ──


async def test_a_run_that_a_cut_has_swallowed_is_sent_again(life: Lifecycle, ear: Ear) -> None:
    async with fakes.hub(OWNER) as hub:
        await life.find(configured)
        await life.execute(run("a"))
        assert (await hub.heard(wire.Execute)).run == "a"
        await hub.cut()  # it was heard, and nobody could know that
        assert (await hub.heard(wire.Execute)).run == "a"
        await hub.tell(phase("a"))
        await ear.until(lambda: ear.events)
        await hub.cut()
        await life.execute(run("b"))
        assert (await hub.heard(wire.Execute)).run == "b"


async def test_runs_that_were_asked_for_while_nobody_was_connected_go_out_in_their_order(
    life: Lifecycle, ear: Ear
) -> None:
    async with fakes.hub(OWNER) as hub:
        await life.find(configured)
        await hub.close()
        await hub.cut()
        await ear.until(lambda: not life.connected)
        for name in "abc":
            await life.execute(run(name))
        await hub.open()
        assert [(await hub.heard(wire.Execute)).run for _ in range(3)] == ["a", "b", "c"]


async def test_a_run_whose_hub_dies_is_lost_and_said_so(life: Lifecycle, storing, ear: Ear) -> None:
    async with fakes.hub(OWNER) as hub:
        await life.find(configured)
        await storing.do(
            Store.created,
            "a",
            session="main",
            uri="u",
            title="t",
            text_hash="h",
            range=WHERE,
            kind="block",
            generation=0,
        )
        await life.execute(run("a"))
        await hub.heard(wire.Execute)
        await hub.die()
        await hub.cut()
        await ear.until(lambda: life.cluster == "lost")
    [stored] = (await storing.do(Store.runs, 0)).runs
    assert stored.state == "lost"


async def test_a_run_without_a_cluster_is_refused(life: Lifecycle) -> None:
    with pytest.raises(CannotRun):
        await life.execute(run("a"))


async def test_a_cut_while_the_first_words_are_said_is_a_dial_like_any_other(
    life: Lifecycle, ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with fakes.hub(OWNER) as hub:
        send = Lifecycle.send
        cuts = iter([True, False])

        async def cut_once(self: Lifecycle, message: wire.OwnerToHub) -> None:
            if isinstance(message, wire.Configure) and next(cuts, False):
                await hub.cut()
                raise CannotRun("cut")
            await send(self, message)

        monkeypatch.setattr(Lifecycle, "send", cut_once)
        await life.ensure(CONFIGURE)
        assert life.cluster == "on"
        assert life.connected
        await hub.heard(wire.Configure)


async def test_stop_is_asked_again_until_it_is_answered(life: Lifecycle, ear: Ear) -> None:
    async with fakes.hub(OWNER) as hub:
        await life.find(configured)
        stopping = asyncio.create_task(life.stop())
        await hub.heard(wire.Stop)
        await hub.cut()
        second = await hub.heard(wire.Stop)
        await hub.send(wire.Receipt(second.id, 1, 1, 0, 0.1, "all gone"))
        receipt = await stopping
        assert receipt is not None
        assert receipt.executors == 1
        assert ear.clusters[-1] == "off"


async def test_a_stop_that_ends_the_hub_before_its_answer_gets_through_finds_the_receipt_in_its_file(
    life: Lifecycle, ear: Ear, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    reason = "stopped by the person"
    lives = [
        wire.Life("x-1", "default", "local", "1", 10.0, 20.0, "idle"),
        wire.Life("x-2", "default", "local", "1", 15.0, 30.0, reason),
    ]
    sheet = receipts.Sheet(
        owner=OWNER, package="1", pid=1, started="0", began=1.0, ended=30.0, reason=reason, lives=lives
    )
    async with fakes.hub(OWNER) as hub:
        await life.find(configured)
        stopping = asyncio.create_task(life.stop())
        await hub.heard(wire.Stop)
        receipts.write(sheet)
        await hub.die()
        await hub.cut()
        receipt = await stopping
        assert receipt is not None
        assert (receipt.executors, receipt.peak, receipt.left) == (1, 2, 0)
        assert ear.clusters[-1] == "off"


async def test_a_restart_that_may_not_have_arrived_is_an_error_and_not_a_promise(life: Lifecycle, ear: Ear) -> None:
    async with fakes.hub(OWNER) as hub:
        await life.find(configured)
        await hub.heard(wire.GetStatus)
        delivering = asyncio.create_task(life.deliver(wire.RestartSession("main")))
        await hub.heard(wire.GetStatus)
        await hub.cut()
        with pytest.raises(CannotRun, match="try again"):
            await delivering
        await life.ensure(CONFIGURE)
        hub.answers[wire.GetStatus] = lambda message: [fakes.status(number=message.id)]
        await life.deliver(wire.RestartSession("main"))
