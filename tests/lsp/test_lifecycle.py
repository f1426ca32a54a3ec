"""The connection to the hub: found, started, cut, dead, said goodbye to; events stored before they are acknowledged."""

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.lsp import fakes

from yonder import launch, wire
from yonder.errors import BootFailed, CannotRun, VersionMismatch
from yonder.places import HubNote, OwnerFolder, started_at
from yonder_lsp import protocol
from yonder_lsp.lifecycle import Lifecycle
from yonder_lsp.store import Store
from yonder_lsp.storing import StoreThread

OWNER = "window-of-tests"
CONFIGURE = wire.Configure(wire.Place(), [wire.PoolSpec()], 20.0, 600.0, 1 << 20)
WHERE = protocol.Range(start=protocol.Position(line=0, character=0), end=protocol.Position(line=0, character=1))


class Ear:
    """Keeps what the lifecycle tells."""

    def __init__(self) -> None:
        self.events: list[wire.Event] = []
        self.statuses: list[wire.Status] = []
        self.notices: list[str] = []
        self.lines: list[str] = []
        self.clusters: list[str] = []
        self.lifecycle: Lifecycle | None = None
        self.news = asyncio.Condition()

    def _ring(self) -> None:
        async def ring() -> None:
            async with self.news:
                self.news.notify_all()

        self._ringing = asyncio.ensure_future(ring())

    def stored(self, batch: Any) -> None:
        self.events += [numbered.event for numbered in batch]
        self._ring()

    def status_said(self, status: wire.Status) -> None:
        self.statuses.append(status)
        self._ring()

    def cluster_changed(self) -> None:
        assert self.lifecycle is not None
        self.clusters.append(self.lifecycle.cluster)
        self._ring()

    def notice(self, level: str, sentence: str) -> None:
        self.notices.append(sentence)
        self._ring()

    def log(self, level: str, text: str) -> None:
        self.lines.append(text)
        self._ring()

    async def until(self, condition: Any, within: float = 10.0) -> None:
        async with asyncio.timeout(within), self.news:
            await self.news.wait_for(condition)


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sockets and notes of this test alone, in a short path."""
    folder = tmp_path / "r"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    return folder


@pytest.fixture
def ear() -> Ear:
    return Ear()


@pytest.fixture
async def storing(tmp_path: Path):
    made = StoreThread(tmp_path / "s" / "runs.sqlite")
    yield made
    made.close()


async def never_starts(folder: OwnerFolder) -> HubNote:
    raise BootFailed("no hub is started in this test")


@pytest.fixture
async def life(storing: StoreThread, ear: Ear):
    made = Lifecycle(OWNER, storing, ear, start=never_starts)
    ear.lifecycle = made
    yield made
    await made.close()


async def configured() -> wire.Configure:
    return CONFIGURE


def output(text: str) -> wire.Output:
    return wire.Output("r1", "", 1, text, 1.0)


async def test_a_living_hub_is_taken_up(life: Lifecycle, ear: Ear) -> None:
    async with fakes.hub(OWNER) as hub:
        hub.answers[wire.GetStatus] = lambda message: [fakes.status(fakes.session(), number=message.id)]
        assert await life.find(configured)
        assert await hub.heard(wire.Configure) == CONFIGURE
        await ear.until(lambda: ear.statuses)
        assert life.cluster == "on"
        assert hub.hellos[0].role == "owner"
        assert hub.hellos[0].id == OWNER


async def test_who_is_cancelled_while_it_dials_leaves_no_connection_that_nobody_reads(
    life: Lifecycle, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with fakes.hub(OWNER) as hub:
        hub.answers[wire.GetStatus] = lambda message: [fakes.status(fakes.session(), number=message.id)]
        held = asyncio.Event()
        send = life.send

        async def slow(message: wire.OwnerToHub) -> None:
            held.set()
            await asyncio.Event().wait()

        monkeypatch.setattr(life, "send", slow)
        dialling = asyncio.create_task(life.ensure(CONFIGURE))
        await held.wait()
        dialling.cancel()
        await asyncio.gather(dialling, return_exceptions=True)
        assert not life.connected
        monkeypatch.setattr(life, "send", send)
        await life.ensure(CONFIGURE)
        assert await asyncio.wait_for(life.ask(wire.GetStatus), 10)


async def test_what_the_window_cannot_take_ends_the_connection_and_not_the_window(
    life: Lifecycle, ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with fakes.hub(OWNER) as hub:
        hub.answers[wire.GetStatus] = lambda message: [fakes.status(fakes.session(), number=message.id)]
        assert await life.find(configured)
        stored = ear.stored
        monkeypatch.setattr(ear, "stored", lambda batch: {}["a hole in the window"])
        await hub.tell(output("one"))
        await ear.until(lambda: any("could not be told" in line for line in ear.lines))
        monkeypatch.setattr(ear, "stored", stored)
        await ear.until(lambda: len(hub.hellos) == 2)
        await hub.tell(output("two"))
        await ear.until(lambda: ear.events)
        assert [event.text for event in ear.events] == ["two"]


async def test_no_hub_is_not_started_by_looking(life: Lifecycle) -> None:
    assert not await life.find(configured)
    assert life.cluster == "off"


async def test_a_run_starts_a_hub(storing: StoreThread, ear: Ear) -> None:
    made = fakes.FakeHub(OWNER)

    async def start(folder: OwnerFolder) -> HubNote:
        return await made.listen()

    life = Lifecycle(OWNER, storing, ear, start=start)
    ear.lifecycle = life
    await life.ensure(CONFIGURE)
    assert ear.clusters == ["starting", "on"]
    assert await made.heard(wire.Configure) == CONFIGURE
    other = wire.Configure(wire.Place(python="/other"), [], 1.0, 2.0, 3)
    await life.ensure(other)
    assert await made.heard(wire.Configure) == other
    await life.close()
    await made.die()


async def test_a_hub_that_does_not_start_leaves_the_state_as_it_was(life: Lifecycle, ear: Ear) -> None:
    with pytest.raises(BootFailed):
        await life.ensure(CONFIGURE)
    assert ear.clusters == ["starting", "off"]


async def test_events_are_stored_then_acknowledged_then_told(life: Lifecycle, ear: Ear, storing: StoreThread) -> None:
    async with fakes.hub(OWNER) as hub:
        await storing.do(
            Store.created,
            "r1",
            session="main",
            uri="file:///a",
            title="t",
            text_hash="h",
            range=WHERE,
            kind="block",
            generation=0,
        )
        await life.find(configured)
        last = await hub.tell(*(output(f"line {number}\n") for number in range(500)))
        await hub.until_acked(last)
        assert await storing.do(Store.last, hub.name) == last
        await ear.until(lambda: len(ear.events) == 500)
        pieces = (await storing.do(Store.output, protocol.OutputParams(run="r1"))).pieces
        text = "".join(piece.text for piece in pieces)
        assert text == "".join(f"line {number}\n" for number in range(500))


async def test_after_a_cut_the_same_hub_goes_on_where_it_was(life: Lifecycle, ear: Ear) -> None:
    async with fakes.hub(OWNER) as hub:
        await life.find(configured)
        first = await hub.tell(output("a"))
        await hub.until_acked(first)
        await hub.cut()
        await hub.tell(output("b"))
        last = await hub.tell(output("c"))
        await hub.until_acked(last)
        assert [hello.resume for hello in hub.hellos] == [0, first]
        await ear.until(
            lambda: [event.text for event in ear.events if isinstance(event, wire.Output)] == ["a", "b", "c"]
        )
        assert life.cluster == "on"
        assert "lost" not in ear.clusters


async def test_a_run_pressed_during_a_cut_waits_for_the_same_hub(life: Lifecycle) -> None:
    async with fakes.hub(OWNER) as hub:
        await life.find(configured)
        await hub.close()
        pressed = asyncio.create_task(life.ensure(CONFIGURE))
        await hub.open()
        await asyncio.wait_for(pressed, 10)
        assert life.connected


async def test_a_dead_hub_is_lost_and_its_runs_with_it(life: Lifecycle, ear: Ear, storing: StoreThread) -> None:
    hub = fakes.FakeHub(OWNER)
    await hub.listen()
    await life.find(configured)
    await storing.do(
        Store.created,
        "r1",
        session="main",
        uri="file:///a",
        title="t",
        text_hash="h",
        range=WHERE,
        kind="block",
        generation=0,
    )
    await hub.until_acked(await hub.tell(wire.Phase("r1", "running", 1.0)))
    await hub.die()
    await ear.until(lambda: life.cluster == "lost")
    (run,) = (await storing.do(Store.runs, 0)).runs
    assert run.state == "lost"
    assert not life.connected
    with pytest.raises(CannotRun):
        await life.send(wire.WindowAlive())


async def test_a_fresh_hub_after_a_dead_one_says_that_the_variables_are_gone(storing: StoreThread, ear: Ear) -> None:
    second = fakes.FakeHub(OWNER, name="hub-2")

    async def start(folder: OwnerFolder) -> HubNote:
        return await second.listen()

    life = Lifecycle(OWNER, storing, ear, start=start)
    ear.lifecycle = life
    first = fakes.FakeHub(OWNER)
    await first.listen()
    await life.find(configured)
    await first.die()
    await ear.until(lambda: life.cluster == "lost")
    await life.ensure(CONFIGURE)
    assert life.cluster == "on"
    assert any("variables" in sentence for sentence in ear.notices)
    await life.close()
    await second.die()


async def test_open_questions_fail_in_words_when_the_connection_is_cut(life: Lifecycle) -> None:
    async with fakes.hub(OWNER) as hub:
        await life.find(configured)
        asked = asyncio.create_task(life.peek("main", wire.Query("children")))
        await hub.heard(wire.Peek)
        await hub.cut()
        with pytest.raises(CannotRun, match="cut"):
            await asyncio.wait_for(asked, 10)


async def test_a_peek_is_answered_by_its_number(life: Lifecycle) -> None:
    async with fakes.hub(OWNER) as hub:
        hub.answers[wire.Peek] = lambda message: [
            wire.Peeked(message.id + 1000, "main", wire.Answer(found=False)),
            wire.Peeked(message.id, "main", wire.Answer(found=True, type="int")),
        ]
        await life.find(configured)
        assert (await life.peek("main", wire.Query("describe"))).type == "int"
        huge = wire.Answer(found=True, short="x" * 9_000_000)
        hub.answers[wire.Peek] = lambda message: [wire.Peeked(message.id, "main", huge)]
        assert not (await life.peek("main", wire.Query("describe"))).found


async def test_a_refusal_is_told_in_words(life: Lifecycle) -> None:
    async with fakes.hub(OWNER) as hub:
        hub.refusal = wire.Refused(code="busy", sentence="another window is here", version=wire.VERSION, package="x")
        with pytest.raises(CannotRun, match="another window is here"):
            await life.ensure(CONFIGURE)
        hub.refusal = wire.Refused(code="version", sentence="no", version=99, package="9.9")
        with pytest.raises(VersionMismatch, match=r"9\.9"):
            await life.ensure(CONFIGURE)


async def test_a_newer_window_that_takes_over_is_left_alone(life: Lifecycle, ear: Ear) -> None:
    async with fakes.hub(OWNER) as hub:
        await life.find(configured)
        assert hub.connection is not None
        await hub.connection.close(1000, "a newer window took over")
        await ear.until(lambda: life.cluster == "off")
        assert len(hub.hellos) == 1


async def test_stopping_gives_the_receipt(life: Lifecycle, ear: Ear) -> None:
    async with fakes.hub(OWNER) as hub:
        hub.answers[wire.Stop] = lambda message: [
            wire.Receipt(message.id, 3, 5, 0, 0.5, "3 executors ended; none is left.")
        ]
        await life.find(configured)
        receipt = await life.stop()
        assert receipt is not None
        assert (receipt.executors, receipt.peak, receipt.left) == (3, 5, 0)
        assert ear.clusters == ["on", "stopping", "off"]
    assert await life.stop() is None


async def test_a_goodbye_takes_no_time_even_if_nobody_listens(life: Lifecycle) -> None:
    async with fakes.hub(OWNER) as hub:
        await life.find(configured)
        loop = asyncio.get_running_loop()
        begin = loop.time()
        await life.goodbye("closing")
        assert loop.time() - begin < 0.2
        assert (await hub.heard(wire.Goodbye)).reason == "closing"


async def test_a_hub_of_another_version_is_ended_with_a_sentence(
    storing: StoreThread, ear: Ear, tmp_path: Path
) -> None:
    old = await asyncio.create_subprocess_exec(sys.executable, "-c", "import signal; signal.pause()")
    folder = OwnerFolder(OWNER)
    # The note may only be believed when it names the process's real start.
    folder.write_note(
        HubNote(owner=OWNER, pid=old.pid, started=started_at(old.pid), version=wire.VERSION + 1, package="9.9")
    )
    new = fakes.FakeHub(OWNER)

    async def start(folder: OwnerFolder) -> HubNote:
        return await new.listen()

    life = Lifecycle(OWNER, storing, ear, start=start)
    ear.lifecycle = life
    await life.ensure(CONFIGURE)
    assert await old.wait() == -signal.SIGTERM
    assert any("9.9" in sentence for sentence in ear.notices)
    await life.close()
    await new.die()


# ── starting a real process ───────────────────────────────────────────────────────────────────────────────────────────

HUB = """
import os, sys, time
from yonder import launch, wire
from yonder.places import HubNote, OwnerFolder, started_at
if os.fork(): os._exit(0)
folder = OwnerFolder(sys.argv[1])
assert len(folder.token()) > 20
me = os.getpid()
folder.write_note(HubNote(owner=sys.argv[1], pid=me, started=started_at(me), version=wire.VERSION, package="x", hub="h"))
time.sleep(60)
"""


async def test_one_hub_is_started_however_many_ask(runtime: Path) -> None:
    folder = OwnerFolder(OWNER)

    def command(owner: str) -> list[str]:
        return [sys.executable, "-c", HUB, owner]

    notes = await asyncio.gather(
        *(asyncio.to_thread(launch.launch, folder, command=command, patience=20) for _ in range(3))
    )
    try:
        assert len({note.pid for note in notes}) == 1
        assert folder.token_file.stat().st_mode & 0o777 == 0o600
    finally:
        for pid in {note.pid for note in notes}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


async def test_a_hub_that_fails_says_so_with_the_end_of_its_log() -> None:
    folder = OwnerFolder(OWNER)
    folder.log_file.write_text("first\nthe socket is taken\n")

    def command(owner: str) -> list[str]:
        return [sys.executable, "-c", "raise SystemExit(3)"]

    with pytest.raises(BootFailed, match="exit code 3") as caught:
        launch.launch(folder, command=command, patience=20)
    assert "the socket is taken" in str(caught.value)


async def test_a_hub_that_never_comes_up_is_given_up() -> None:
    folder = OwnerFolder(OWNER)

    def command(owner: str) -> list[str]:
        return [sys.executable, "-c", ""]

    with pytest.raises(BootFailed, match="not ready"):
        launch.launch(folder, command=command, patience=0.5)


async def test_a_hub_that_ignores_sigterm_is_named() -> None:
    folder = OwnerFolder(OWNER)
    code = "import signal; signal.signal(15, signal.SIG_IGN); print('on', flush=True); signal.pause()"
    old = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    assert old.stdout is not None
    await old.stdout.readline()
    note = HubNote(owner=OWNER, pid=old.pid, started=started_at(old.pid), version=1, package="x")
    try:
        with pytest.raises(CannotRun, match=str(old.pid)):
            launch.end(folder, note, patience=0.3)
    finally:
        old.kill()
        await old.wait()
