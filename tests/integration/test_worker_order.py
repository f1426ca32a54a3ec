"""The hub tells a task's end only after everything that came before it, over three sockets that know nothing of each
other; and a dead worker's last words are still heard."""

import asyncio

from yonder import wire
from yonder.hub import worker as module
from yonder.hub.code import Library
from yonder.hub.worker import Worker


class Ear:
    """The hub as a worker sees it, and one task."""

    run = "r1"
    call = "c1"

    def __init__(self):
        self.heard = []
        self.buried = asyncio.Event()
        self.library = Library()

    def tell(self, event):
        self.heard.append(event)

    def ready(self, worker):
        self.heard.append("ready")

    def dead(self, worker, report):
        self.heard.append(report)
        self.buried.set()

    def ended(self, end):
        self.heard.append(end)

    def gave(self, part):
        self.heard.append(part)

    def asked(self, question):
        self.heard.append(question)


class Wire:
    """A lane that remembers what was said."""

    def __init__(self, *, relayed=False):
        self.said = []
        self.relayed = relayed
        self.near = not relayed
        self.held = False

    def send(self, message):
        self.said.append(message)

    def close(self):
        self.said.append("closed")

    def hold(self, paused):
        self.held = paused


def a_worker(*, relayed=False):
    ear = Ear()
    worker = Worker("x.0", "x", ear)
    call, control = Wire(relayed=relayed), Wire(relayed=relayed)
    return ear, worker, call, control, worker.attach("call", call), worker.attach("control", control)


def done(task, control, output):
    return wire.Done(task, ok=True, body=b"v", control=control, output=output)


def printed(task, n, text="hi"):
    return wire.WorkerOutput("x.0", task, n, 1, text, 0.0)


async def test_ready_means_both_lanes():
    ear = Ear()
    worker = Worker("x.0", "x", ear)
    worker.attach("control", Wire())
    assert ear.heard == []
    worker.attach("call", Wire())
    assert ear.heard == ["ready"]


async def test_a_result_waits_for_the_output_that_came_before_it():
    ear, worker, _, _, call_lane, _ = a_worker()
    task = worker.start(ear)
    call_lane.received(done(task, 0, 2))
    worker.printed(printed(task, 1))
    assert not any(isinstance(one, wire.Done) for one in ear.heard)
    worker.printed(printed(task, 2))
    kinds = [type(one).__name__ for one in ear.heard[1:]]
    assert kinds == ["Output", "Output", "Done"]
    assert worker.task is None


async def test_a_result_waits_for_metrics_on_the_other_lane():
    ear, worker, _, _, call_lane, control_lane = a_worker()
    task = worker.start(ear)
    call_lane.received(done(task, 1, 0))
    assert worker.task is ear
    control_lane.received(wire.TaskMetrics(task, 1, []))
    assert [type(one).__name__ for one in ear.heard[1:]] == ["Metrics", "Done"]


async def test_unknown_output_count_is_not_waited_for():
    ear, worker, _, _, call_lane, _ = a_worker()
    call_lane.received(done(worker.start(ear), 0, -1))
    assert isinstance(ear.heard[-1], wire.Done)


async def test_late_output_goes_to_the_task_that_made_it():
    ear, worker, _, _, call_lane, _ = a_worker()
    first = worker.start(ear)
    call_lane.received(done(first, 0, 0))
    other = Ear()
    other.run = "r2"
    worker.start(other)
    worker.printed(wire.WorkerOutput("x.0", first, 1, 1, "late", 0.0, after=True))
    assert ear.heard[-1] == wire.Output("r1", "c1", 1, "late", 0.0, after=True)


async def test_death_delivers_an_end_that_was_waiting_and_then_the_report():
    ear, worker, _, _, call_lane, control_lane = a_worker()
    call_lane.received(done(worker.start(ear), 0, 5))
    report = wire.ExitReport(signal=9)
    worker.exited(report)
    call_lane.lost()
    assert not ear.buried.is_set()
    control_lane.lost()
    assert isinstance(ear.heard[-2], wire.Done)
    assert ear.heard[-1] == report


async def test_last_words_in_the_lane_are_read_before_the_burial():
    ear, worker, _, _, call_lane, control_lane = a_worker()
    task = worker.start(ear)
    worker.exited(wire.ExitReport(code=0))
    call_lane.received(done(task, 0, 0))
    call_lane.lost()
    control_lane.lost()
    assert [type(one).__name__ for one in ear.heard[1:]] == ["Done", "ExitReport"]


async def test_a_child_that_keeps_a_lane_open_does_not_delay_the_burial_for_ever():
    ear, worker, *_ = a_worker()
    worker.exited(wire.ExitReport(signal=9))
    async with asyncio.timeout(5):
        await ear.buried.wait()
    assert worker.alive is False


async def test_last_words_from_another_machine_may_come_much_later(monkeypatch):
    monkeypatch.setattr(module, "LAST_WORDS", 0.0)
    ear, worker, _, _, call_lane, control_lane = a_worker(relayed=True)
    task = worker.start(ear)
    worker.exited(wire.ExitReport(code=0))
    control_lane.lost()
    for _ in range(3):
        await asyncio.sleep(0)  # the loop turns: on this machine it would be buried now
    assert worker.alive
    call_lane.received(done(task, 0, 0))
    call_lane.lost()
    assert [type(one).__name__ for one in ear.heard[1:]] == ["Done", "ExitReport"]


async def test_a_side_thread_that_is_held_at_the_bound_is_read_when_its_worker_is_dead():
    """What it had said lies in its socket, and nobody can say it again."""
    ear, worker, _, control, call_lane, control_lane = a_worker()
    task = worker.start(ear)
    worker.hold(True)
    assert control.held
    call_lane.received(done(task, 1, 0))
    worker.exited(wire.ExitReport(signal=9))
    assert not control.held
    worker.hold(True)  # the bound is still there, for all the others
    assert not control.held
    control_lane.received(wire.TaskMetrics(task, 1, []))
    call_lane.lost()
    control_lane.lost()
    assert [type(one).__name__ for one in ear.heard[1:]] == ["Metrics", "Done", "ExitReport"]


async def test_an_interrupt_names_its_task():
    ear, worker, _, control, _, control_lane = a_worker()
    task = worker.start(ear)
    other = Ear()
    assert await worker.interrupt(other) == "not_this_run"
    asking = asyncio.create_task(worker.interrupt(ear))
    await asyncio.sleep(0)
    assert control.said[-1] == wire.Raise(task)
    control_lane.received(wire.Raised(task, "interrupted"))
    assert await asking == "interrupted"


async def test_an_actors_replies_wait_for_the_output_that_came_before_each_of_them():
    ear, worker, _, _, call_lane, control_lane = a_worker()
    task = worker.start(ear)
    call_lane.received(wire.MethodDone(task, 1, True, b"", None, 0, 1))
    call_lane.received(wire.MethodDone(task, 2, True, b"", None, 1, 1))
    call_lane.received(wire.MethodDone(task, 3, True, b""))
    call_lane.received(done(task, 1, 1))
    assert ear.heard == ["ready"]
    worker.printed(printed(task, 1))
    assert [type(one).__name__ for one in ear.heard[1:]] == ["Output", "MethodDone"]
    control_lane.received(wire.TaskMetrics(task, 1, []))
    assert [type(one).__name__ for one in ear.heard[3:]] == ["Metrics", "MethodDone", "MethodDone", "Done"]


async def test_replies_that_arrived_are_told_when_the_worker_is_dead():
    ear, worker, _, _, call_lane, control_lane = a_worker()
    task = worker.start(ear)
    call_lane.received(wire.MethodDone(task, 1, True, b"", None, 0, 9))
    worker.exited(wire.ExitReport(signal=9))
    call_lane.lost()
    control_lane.lost()
    assert [type(one).__name__ for one in ear.heard[1:]] == ["MethodDone", "ExitReport"]
