"""What a worker writes reaches the hub whole, in order, attributed, and before the end it belongs to."""

from __future__ import annotations

import pytest
from tests.integration.agent_hub import living_hub

from yonder import wire


@pytest.fixture
async def hub():
    async with living_hub() as found:
        yield found


async def test_everything_that_writes_is_heard(hub):
    worker = await hub.worker()
    code = (
        "import ctypes, os, subprocess, sys\n"
        "print('python')\n"
        "ctypes.CDLL(None).printf(b'from C\\n')\n"
        "ctypes.CDLL(None).fflush(None)\n"
        "os.write(1, b'raw\\n')\n"
        "subprocess.run(['echo', 'a child'])\n"
        "print('no newline', end='')\n"
        "print('to stderr', file=sys.stderr)\n"
    )
    done = await hub.block(worker, code)
    await hub.all_output(done)
    assert hub.output(done.task, 1) == "python\nfrom C\nraw\na child\nno newline"
    assert hub.output(done.task, 2) == "to stderr\n"
    assert all(not piece.after for piece in hub.find(wire.WorkerOutput, task=done.task))


async def test_what_c_buffered_comes_out_at_the_end_of_the_run(hub):
    worker = await hub.worker()
    done = await hub.block(worker, "import ctypes; _n = ctypes.CDLL(None).printf(b'buffered')\nNone")
    assert await hub.all_output(done) == "buffered"


async def test_200_kb_printed_with_the_gil_held(hub):
    worker = await hub.worker()
    code = "import ctypes\nlibc = ctypes.PyDLL(None)\nfor i in range(200): libc.printf(b'%s', b'x' * 1024)\nlibc.fflush(None)\nNone"
    done = await hub.block(worker, code)
    assert await hub.all_output(done) == "x" * 200 * 1024


def _chatty(n):
    print("line", n)
    return n


async def test_output_is_always_counted_before_the_result(hub):
    worker = await hub.worker("pool")
    for n in range(300):
        done = await hub.call(worker, _chatty, n)
        assert done.output >= 1
        assert await hub.all_output(done) == f"line {n}\n"


async def test_silent_calls_need_no_word_of_the_agent(hub):
    worker = await hub.worker("pool")
    ends = [await hub.call(worker, lambda: None) for _ in range(50)]
    assert {done.output for done in ends} == {0}
    assert not hub.find(wire.WorkerOutput)


async def test_text_is_cut_between_characters_only(hub):
    worker = await hub.worker()
    done = await hub.block(
        worker, "import os\nfor b in 'grün €'.encode(): os.write(1, bytes([b]))\nos.write(1, b'\\xff')"
    )
    assert await hub.all_output(done) == "grün €\ufffd"


async def test_a_thread_that_writes_later_is_marked_as_after(hub):
    worker = await hub.worker()
    code = "import threading, os\ngo = threading.Event()\nthreading.Thread(target=lambda: (go.wait(), os.write(1, b'late'))).start()"
    done = await hub.block(worker, code)
    assert done.output == 0
    hub.peers["call", worker].say(wire.Block(500, "r", "go.set()", "/ws/a.py", 0, "block", []))
    await hub.first(wire.BlockDone, task=500)
    await hub.until(lambda: any(piece.text == "late" for piece in hub.find(wire.WorkerOutput)), "the late words")
    code = "import subprocess\nchild = subprocess.Popen(['sh', '-c', 'read x; echo afterwards'], stdin=subprocess.PIPE)"
    done = await hub.block(
        worker, code + "\n_ = threading.Thread(target=lambda: (go2.wait(), child.communicate(b'x')))\ngo2 = go\nNone"
    )
    again = await hub.block(worker, "_t = threading.Timer(0.2, lambda: child.communicate(b'x')); _t.start()")
    piece = await hub.first(wire.WorkerOutput, text="afterwards\n")
    assert (piece.task, piece.after, piece.n) == (again.task, True, 1)


async def test_a_flood_is_whole_and_in_pieces_while_the_hub_is_slow(hub):
    worker = await hub.worker()
    hub.deaf = True  # the hub reads nothing: the writer must wait, and nothing may be dropped
    task = hub.start(worker, "import sys\nfor i in range(1_200_000): sys.stdout.write('%09d\\n' % i)\nNone")
    await hub.poll(lambda: _blocked_writing(hub.pid(worker)), lambda: "the writer never had to wait")
    hub.listen()
    done = await hub.first(wire.BlockDone, task=task)
    text = await hub.all_output(done)
    assert len(text) == 12_000_000
    assert text.startswith("000000000\n")
    assert text.endswith("001199999\n")
    pieces = hub.find(wire.WorkerOutput, task=task)
    assert [piece.n for piece in pieces] == list(range(1, len(pieces) + 1))
    assert max(len(piece.text) for piece in pieces) <= 32 * 1024


def _blocked_writing(pid: int) -> bool:
    with open(f"/proc/{pid}/wchan") as file:
        return "pipe" in file.read()
