"""The recorder: numbering, batches, what is late, what is forked. No thread, no socket: `flush` is called by hand."""

from __future__ import annotations

import struct
import threading

from yonder import wire
from yonder.agent import recorder


def _steps(column):
    return [step for (step,) in struct.iter_unpack("<d", column.steps)]


def _recorder():
    sent = []
    return recorder.Recorder(sent.append), sent


def test_everything_of_a_task_shares_one_count():
    record, sent = _recorder()
    record.begin(7)
    record.metrics(0, {"loss": 1.0, "accuracy": 0.5})
    record.progress("b", "bar", 1, 2)
    record.metrics(1, {"loss": 0.5})
    record.display("text/plain", b"x", "alt")
    assert record.end() == 4
    assert [type(message) for message in sent] == [
        wire.TaskMetrics,
        wire.TaskProgress,
        wire.TaskMetrics,
        wire.TaskDisplay,
    ]
    assert [(message.task, message.n) for message in sent] == [(7, 1), (7, 2), (7, 3), (7, 4)]
    assert {column.name for column in sent[0].columns} == {"loss", "accuracy"}


def test_each_metric_counts_its_own_steps_and_each_task_anew():
    record, sent = _recorder()
    for task in (1, 2):
        record.begin(task)
        record.metrics(None, {"a": 1.0})
        record.metrics(None, {"a": 2.0, "b": 3.0})
        record.end()
    for message in sent:
        assert {column.name: _steps(column) for column in message.columns} == {"a": [0, 1], "b": [0]}


def test_batches_are_bounded():
    record, sent = _recorder()
    record.begin(1)
    for step in range(recorder.BATCH * 2 + 1):
        record.metrics(step, {"a": 0.0})
    assert record.end() == 3
    assert [len(message.columns[0].steps) // 8 for message in sent] == [recorder.BATCH, recorder.BATCH, 1]


def test_nothing_is_said_outside_a_task_or_after_it():
    record, sent = _recorder()
    record.metrics(0, {"early": 1.0})
    record.begin(1)
    late = record._waiting.append
    assert record.end() == 0
    late(recorder.Point(1, "late", 0.0, 0.0, 0.0))
    record.begin(2)
    assert record.end() == 0
    assert sent == []


def test_the_side_thread_is_woken_once_until_it_flushed():
    record, sent = _recorder()
    woken = []
    record.wake = lambda: woken.append(1)
    record.begin(1)
    record.metrics(0, {"a": 1.0})
    record.metrics(1, {"a": 1.0})
    assert (len(woken), record.urgent()) == (1, False)
    record.progress("b", "", 0, 0)
    assert (len(woken), record.urgent()) == (2, True)
    record.flush()
    assert len(sent) == 2
    record.metrics(2, {"a": 1.0})
    assert len(woken) == 3


def test_threads_lose_no_point():
    record, sent = _recorder()
    record.begin(1)
    stop = threading.Event()

    def flushing():
        while not stop.is_set():
            record.flush()

    def logging(name):
        for _ in range(3000):
            record.metrics(None, {name: 1.0})

    flusher = threading.Thread(target=flushing)
    writers = [threading.Thread(target=logging, args=(f"m{i}",)) for i in range(3)]
    for thread in (flusher, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    flusher.join()
    assert record.end() == len(sent)
    assert [message.n for message in sent] == list(range(1, len(sent) + 1))
    seen = {f"m{i}": [] for i in range(3)}
    for message in sent:
        for column in message.columns:
            seen[column.name] += _steps(column)
    assert all(steps == list(range(3000)) for steps in seen.values())


def test_a_forked_child_is_silent():
    record, sent = _recorder()
    record.begin(1)
    record.silence()
    record.metrics(0, {"a": 1.0})
    record.display("text/plain", b"", "")
    assert record.end() == 0
    assert sent == []
