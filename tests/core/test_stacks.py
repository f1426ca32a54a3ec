"""Where threads stand: the text of faulthandler, what is said of a process that cannot answer, and how it is spelled."""

import asyncio
import faulthandler
import os
import tempfile
import threading

import pytest

from yonder import stacks as spelled
from yonder import wire
from yonder.agent import processes, stacks

TEXT = """\
Thread 0x00007f0000000003 (most recent call first):
  File "/lib/python3.11/selectors.py", line 468 in select
  File "/yonder/agent/control.py", line 90 in _serve
  File "/lib/python3.11/threading.py", line 982 in run
  File "/lib/python3.11/threading.py", line 1002 in _bootstrap

Thread 0x00007f0000000002 [pool-1] (most recent call first):
  File "/home/\\xe9t\\u00e9 "x"/work.py", line ??? in wait
  ...

Current thread 0x00007f0000000001 (most recent call first):
  File "/yonder/pool.py", line 7 in call
  File "/home/work.py", line 3 in f
  File "/home/work.py", line 9 in <module>
  File "/yonder/agent/stage.py", line 5 in run
  File "/yonder/agent/worker.py", line 6 in serve
  File "<string>", line 1 in <module>
"""


def test_the_text_of_faulthandler_is_read():
    main, theirs, ours = stacks.parse(TEXT, 0x7F0000000001, "/yonder/")
    assert (main.main, main.own, theirs.main, theirs.own, ours.main, ours.own) == (
        True,
        False,
        False,
        False,
        False,
        True,
    )
    assert [(frame.function, frame.own) for frame in main.frames] == [
        ("call", False),
        ("f", False),
        ("<module>", False),
        ("run", True),
        ("serve", True),
        ("<module>", True),
    ]
    assert theirs.frames == [wire.StackFrame('/home/été "x"/work.py', 0, "wait")]
    assert theirs.name == "pool-1"
    assert theirs.cut
    assert not main.cut


def test_what_python_itself_writes_is_read():
    """Of the Python that runs this test: the newer ones add names."""
    with tempfile.TemporaryFile() as file:
        faulthandler.dump_traceback(file)
        file.seek(0)
        threads = stacks.parse(file.read().decode("ascii"), threading.main_thread().ident)
    assert threads[0].main
    assert "test_what_python_itself_writes_is_read" in [frame.function for frame in threads[0].frames]
    assert threads[0].frames[0].line > 0


def test_a_hostile_text_is_bounded_and_what_is_no_frame_is_passed_over():
    frame = f'  File "{"x" * 9000}", line 1 in {"y" * 9000}\n'
    head = "Thread 0x00000000000000ff (most recent call first):\n"
    text = '  File "a", line 1 in b\nnonsense\n' + head + frame * 200 + head * 300
    threads = stacks.parse(text + f"Thread 0x{'f' * 99} (most\n", 1)
    answer = wire.StackTaken(1, 1, threads)
    assert len(threads) == wire.MOST_THREADS
    assert wire.Parser(wire.AgentToHub).message(wire.encode(answer)) == answer
    assert stacks.parse('Thread 0x01 (most recent call first):\n  File "\\ud800", line 1 in \\Uffffffff\n', 1)[
        0
    ].frames == [wire.StackFrame("\ufffd", 1, "\ufffd")]


def stands(state, *, catches=True, busy=False, at=""):
    return stacks.Standing(state, catches, busy, at)


def test_why_a_process_cannot_answer():
    assert "SIGCONT" in stacks.unable(stands("T"))
    assert "debugger" in stacks.unable(stands("t"))
    assert "ended" in stacks.unable(stands("Z"))
    assert "taken it away" in stacks.unable(stands("S", catches=False))
    assert stacks.unable(stands("S")) == stacks.unable(stands("D")) == ""
    assert "(nfs_wait)" in stacks.silent(stands("D", at="nfs_wait"))
    assert "2 s" in stacks.silent(stands("R"))


@pytest.mark.skipif(not processes.LINUX, reason="/proc")
def test_what_the_system_says_of_a_process():
    now = stacks.standing(os.getpid())
    assert now.state in "RSD"
    assert not now.catches  # this process registered no handler: the signal would end it
    assert stacks.standing(2**22 + 1) is None


class Pipe:
    """A worker that is no process: the test writes what it would. `sent` are the signals."""

    def __init__(self, monkeypatch, now):
        self.now = now
        self.sent = asyncio.Queue()
        monkeypatch.setattr(processes, "signal_one", lambda pid, number: self.sent.put_nowait((pid, number)))
        read, self.write = os.pipe()
        os.set_blocking(read, False)
        self.read = read
        self.stacks = stacks.Stacks(7, read, lambda _: self.now)

    async def begun(self):
        os.write(self.write, b"main 0x%016x\n" % 0x7F0000000001)
        self.stacks._readable()

    def end(self):
        if self.stacks._fd >= 0:
            self.stacks.close()
        for fd in (self.read, self.write):
            os.close(fd)


@pytest.fixture
async def pipe(monkeypatch):
    made = Pipe(monkeypatch, stands("S"))
    yield made
    made.end()


async def test_a_dump_comes_in_pieces_and_all_who_ask_get_it(pipe):
    assert "beginning" in (await pipe.stacks.take())[1]
    assert pipe.sent.empty()
    await pipe.begun()
    both = [asyncio.create_task(pipe.stacks.take()) for _ in range(2)]
    assert await pipe.sent.get() == (7, processes.DUMP)
    for at in range(0, len(TEXT), 100):
        os.write(pipe.write, TEXT[at : at + 100].encode())
        await asyncio.sleep(0)
    (threads, note), again = await asyncio.gather(*both)
    assert again == (threads, note)
    assert note == ""
    assert len(threads) == 3
    assert pipe.sent.empty()


async def test_what_nobody_asked_for_is_read_and_forgotten(pipe):
    await pipe.begun()
    os.write(pipe.write, b"x" * 60000)  # somebody else's signal
    os.write(pipe.write, b"")
    asking = asyncio.create_task(pipe.stacks.take())
    await pipe.sent.get()
    os.write(pipe.write, TEXT.encode())
    threads, _ = await asking
    assert threads[0].main


async def test_a_stopped_process_is_not_sent_anything(pipe):
    await pipe.begun()
    pipe.now = stands("T")
    assert "SIGCONT" in (await pipe.stacks.take())[1]
    assert pipe.sent.empty()


async def test_one_that_does_not_answer_is_given_up(pipe, monkeypatch):
    monkeypatch.setattr(stacks, "WITHIN", 0.01)
    await pipe.begun()
    pipe.now = stands("D", at="io_schedule")
    threads, note = await pipe.stacks.take()
    assert threads == []
    assert "io_schedule" in note


async def test_one_that_is_still_in_the_handler_is_waited_for(pipe, monkeypatch):
    monkeypatch.setattr(stacks, "STILL", 0.001)
    await pipe.begun()
    pipe.now = stands("R", busy=True)
    asking = asyncio.create_task(pipe.stacks.take())
    await pipe.sent.get()
    half = TEXT.index("Current")
    os.write(pipe.write, TEXT[:half].encode())
    looked = 0

    def look(_):
        nonlocal looked
        looked += 1
        if looked == 3:
            os.write(pipe.write, TEXT[half:].encode())
            pipe.now = stands("S")
            return stands("R", busy=True)
        return pipe.now

    pipe.stacks._look = look
    threads, note = await asking
    assert (len(threads), note) == (3, "")


async def test_one_that_dies_meanwhile_is_said_to_have_ended(pipe):
    await pipe.begun()
    asking = asyncio.create_task(pipe.stacks.take())
    await pipe.sent.get()
    pipe.stacks.close()
    assert await asking == ([], "the process ended while it was asked")
    assert (await pipe.stacks.take())[1] == "the process has ended"


def test_a_stack_is_readable():
    threads = stacks.parse(TEXT, 0x7F0000000001, "/yonder/")
    idle = wire.ThreadStack("", True, False, [wire.StackFrame("/yonder/agent/worker.py", 1, "serve", own=True)])
    message = wire.Stacks(
        1,
        [
            wire.ProcessStack("e.0", "e", "train", "", 12, "fit", threads),
            wire.ProcessStack("e.1", "e", "", "main", 13, "", [idle]),
            wire.ProcessStack("e.2", "e", "", "", 0, "", [], "the process has not begun"),
        ],
    )
    busy, waiting, none = map(str, spelled.read(message))
    assert busy.splitlines() == [
        "e.0 (pool train, pid 12), at fit",
        "  main thread, most recent call first:",
        '    File "/yonder/pool.py", line 7, in call',
        '    File "/home/work.py", line 3, in f',
        '    File "/home/work.py", line 9, in <module>',
        "  thread 'pool-1', most recent call first:",
        '    File "/home/été "x"/work.py", line ?, in wait',
        "    … and more",
        "  and one of Yonder's own threads",
    ]
    assert waiting.splitlines()[0] == "e.1 (session main, pid 13), idle"
    assert waiting.splitlines()[-1] == "    waits for work"
    assert none.splitlines() == ["e.2 (file, pid ?), idle", "  the process has not begun"]
