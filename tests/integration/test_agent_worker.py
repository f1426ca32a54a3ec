"""A worker under the real agent: its two lanes, calls, blocks, values, tracebacks, questions, metrics."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest
from tests.integration.agent_hub import living_hub

from yonder import payload, wire


@pytest.fixture
async def hub():
    async with living_hub() as found:
        yield found


async def test_a_worker_says_hello_on_two_lanes_with_its_pid(hub):
    worker = await hub.worker()
    forked = await hub.first(wire.Forked, worker=worker)
    assert hub.peers["call", worker].hello.pid == forked.pid == hub.peers["control", worker].hello.pid


async def test_calls_return_values_and_raise_originals(hub):
    worker = await hub.worker("pool")
    done = await hub.call(worker, lambda a, b: {"sum": a + b}, 2, 3)
    assert (done.ok, payload.unpack(done.body), done.summary) == (True, {"sum": 5}, "{'sum': 5}")

    def fails(n):
        raise KeyError(n)

    done = await hub.call(worker, fails, 7)
    error = payload.exception(done.body, done.failure)
    assert not done.ok
    assert isinstance(error, KeyError)
    assert error.args == (7,)
    assert "fails" in str(error.__cause__)
    assert [frame.function for frame in done.failure.frames] == ["fails"]


async def test_the_function_travels_once(hub):
    worker = await hub.worker("pool")
    digest, body = payload.pack_function(lambda n: n * 2)
    for task, code in ((900, body), (901, b"")):
        hub.peers["call", worker].say(wire.Call(task, digest, code, payload.pack_call((task,), {})))
        assert payload.unpack((await hub.first(wire.Done, task=task)).body) == task * 2


async def test_a_result_that_does_not_travel_is_named(hub):
    import threading

    worker = await hub.worker("pool")
    done = await hub.call(worker, threading.Lock)
    assert not done.ok
    assert done.failure.type == "SerializationError"
    assert "lock" in done.failure.message


async def test_names_last_and_the_last_value_is_shown(hub):
    worker = await hub.worker()
    assert (await hub.block(worker, "x = 41")).preview is None
    done = await hub.block(worker, "x += 1\nx")
    assert (done.preview.type, done.preview.short) == ("int", "42")
    assert (await hub.block(worker, "_ + 1")).preview.short == "43"
    assert (await hub.block(worker, "x;")).preview is None
    assert (await hub.block(worker, "__name__, __file__")).preview.short == "('__main__', '/ws/a.py')"


async def test_tracebacks_have_the_files_lines_and_nothing_of_ours(hub):
    worker = await hub.worker()
    await hub.block(worker, "def inner(n):\n    return 1 / n\n", line=10, path=f"{hub.folder}/a.py")
    done = await hub.block(worker, "\ninner(0)", line=20, path=f"{hub.folder}/a.py")
    failure = done.failure
    assert (failure.type, failure.message) == ("ZeroDivisionError", "division by zero")
    places = [(frame.line, frame.function, frame.source.strip(), frame.user) for frame in failure.frames]
    assert places == [(22, "<module>", "inner(0)", True), (12, "inner", "return 1 / n", True)]
    assert "yonder" not in failure.text
    assert (await hub.block(worker, "import inspect; inspect.getsource(inner)")).preview.text == repr(
        "def inner(n):\n    return 1 / n\n"
    )


async def test_a_syntax_error_stands_at_its_line(hub):
    worker = await hub.worker()
    done = await hub.block(worker, "y = 1\nx = = 2", line=5)
    assert done.failure.type == "SyntaxError"
    assert [(frame.file, frame.line, frame.user) for frame in done.failure.frames] == [("/ws/a.py", 7, True)]


async def test_a_syntax_error_shows_the_blocks_line_not_the_files(hub):
    file = Path(hub.folder) / "on_disk.py"
    file.write_text("# the first line on disk\n" * 9)
    done = await hub.block(await hub.worker(), "y = 1\nx = = 2", line=5, path=str(file))
    assert [frame.source for frame in done.failure.frames] == ["x = = 2"]


async def test_background_workers_leave_the_editor_the_first_word(hub):
    session, plain = await hub.worker(), await hub.worker(kind="pool")
    ones = [await hub.worker(kind="pool", background=True) for _ in range(2)]
    at = {one: hub.pid(one) for one in (session, plain, *ones)}
    base = os.getpriority(os.PRIO_PROCESS, 0)
    assert [os.getpriority(os.PRIO_PROCESS, at[one]) for one in at] == [base, base, 19, 19]
    assert os.getsid(at[ones[0]]) == os.getsid(at[ones[1]]) != os.getsid(at[plain])
    groups = Path(f"/proc/{at[ones[0]]}/autogroup")
    if groups.exists() and Path("/proc/sys/kernel/sched_autogroup_enabled").read_text().strip() == "1":
        assert groups.read_text().endswith("nice 19\n")
        assert Path(f"/proc/{at[session]}/autogroup").read_text().endswith("nice 0\n")
    assert [os.getpgid(pid) for pid in at.values()] == list(at.values())


async def test_await_works_and_tasks_live_between_blocks(hub):
    worker = await hub.worker()
    code = "import asyncio\nticks = []\nasync def tick():\n  while True:\n    ticks.append(1)\n    await asyncio.sleep(0.01)\n"
    await hub.block(worker, code)
    done = await hub.block(worker, "t = asyncio.create_task(tick())\nawait asyncio.sleep(0, 'here')")
    assert done.failure is None
    assert done.preview.short == "'here'"
    counted = "n = len(ticks)\nwhile len(ticks) == n: await asyncio.sleep(0.01)\nlen(ticks) > n"
    assert (await hub.block(worker, counted)).preview.short == "True"
    # The task also advances while no block runs: its count moves between two blocks that do not await.
    before = int((await hub.block(worker, "len(ticks)")).preview.short)

    async def now():
        return int((await hub.block(worker, "len(ticks)")).preview.short)

    for _ in range(400):
        if await now() > before:
            break
    else:
        pytest.fail("the task stood still between blocks")
    assert (await hub.block(worker, "asyncio.run(asyncio.sleep(0, 5))")).preview.short == "5"
    done = await hub.block(worker, "async def bad():\n    raise ValueError('late')\nawait bad()")
    assert [frame.function for frame in done.failure.frames] == ["<module>", "bad"]


async def test_exit_ends_the_run_not_the_session(hub):
    worker = await hub.worker()
    await hub.block(worker, "kept = 'yes'")
    done = await hub.block(worker, "import sys; sys.exit(3)")
    assert done.failure.type == "SystemExit"
    assert "session goes on" in done.failure.message
    assert (await hub.block(worker, "kept")).preview.short == "'yes'"


async def test_a_broken_repr_does_not_fail_the_run(hub):
    worker = await hub.worker()
    done = await hub.block(worker, "class R:\n    def __repr__(self): raise ValueError('no')\nR()")
    assert done.failure is None
    assert "its repr raised ValueError: no" in done.preview.text


async def test_rich_forms_come_along(hub):
    worker = await hub.worker()
    done = await hub.block(worker, "class H:\n    def _repr_html_(self): return '<b>x</b>'\nH()")
    assert done.preview.rich == {"text/html": "<b>x</b>"}


async def test_a_file_runs_as_main_and_the_worker_exits_with_its_code(hub):
    worker = await hub.worker("file")
    (hub.folder / "sub").mkdir()
    (hub.folder / "sub" / "near.py").write_text("WORD = 'near'")
    code = (
        "import sys, atexit, threading, near\n"
        "atexit.register(lambda: print('atexit'))\n"
        "def late():\n    threading.Event().wait(0.05); print('thread')\n"
        "threading.Thread(target=late).start()\n"
        "if __name__ == '__main__':\n    print(sys.argv[1:], near.WORD)\n    sys.exit(3)"
    )
    done = await hub.block(worker, code, kind="file", path=f"{hub.folder}/sub/prog.py", argv=["a", "b"])
    assert "exit(3)" in done.failure.message
    assert await hub.all_output(done) == "['a', 'b'] near\nthread\natexit\n"
    assert (await hub.first(wire.Exited, worker=worker)).report.code == 3


async def test_leave_runs_atexit_and_ends_with_zero(hub):
    worker = await hub.worker()
    mark = hub.folder / "left"
    await hub.block(worker, f"import atexit; atexit.register(lambda: open({str(mark)!r}, 'w').close())")
    hub.peers["call", worker].say(wire.Leave())
    assert (await hub.first(wire.Exited, worker=worker)).report == wire.ExitReport(0, 0, False, "")
    assert mark.exists()


async def test_input_is_asked_and_answered(hub):
    worker = await hub.worker()
    task = hub.start(worker, "a = input('name? ')\nimport getpass\nb = getpass.getpass()\na, b")
    asked = await hub.first(wire.InputAsked, task=task)
    assert (asked.n, asked.prompt, asked.secret) == (1, "name? ", False)
    hub.peers["control", worker].say(wire.Typed(asked.id, "Ada"))
    secret = await hub.first(wire.InputAsked, task=task, secret=True)
    hub.peers["control", worker].say(wire.Typed(secret.id, "hush"))
    done = await hub.first(wire.BlockDone, task=task)
    assert done.preview.short == "('Ada', 'hush')"
    assert (done.control, await hub.all_output(done)) == (2, "name? Ada\nPassword: \n")
    task = hub.start(worker, "input()")
    asked = await hub.first(wire.InputAsked, task=task)
    hub.peers["control", worker].say(wire.Typed(asked.id, None))
    assert (await hub.first(wire.BlockDone, task=task)).failure.type == "EOFError"


async def test_metrics_are_numbered_and_none_is_lost(hub):
    worker = await hub.worker()
    code = (
        "from yonder.record import log, progress, display\n"
        "import torch\n"
        "for i in range(3000): log(step=i, loss=torch.tensor(float(i)))\n"
        "for i in progress(range(3), 'bar'): log(auto=i)\n"
        "display('text')"
    )
    done = await hub.block(worker, code)
    assert done.failure is None
    numbers = [m.n for m in hub.heard if isinstance(m, wire.TaskMetrics | wire.TaskProgress | wire.TaskDisplay)]
    assert numbers == list(range(1, done.control + 1))
    points: dict[str, list[tuple[float, float]]] = {}
    for message in hub.find(wire.TaskMetrics, task=done.task):
        for column in message.columns:
            steps = [step for (step,) in struct.iter_unpack("<d", column.steps)]
            values = [value for (value,) in struct.iter_unpack("<d", column.values)]
            points.setdefault(column.name, []).extend(zip(steps, values, strict=True))
    assert points["loss"] == [(i, float(i)) for i in range(3000)]
    assert points["auto"] == [(0, 0.0), (1, 1.0), (2, 2.0)]
    bars = hub.find(wire.TaskProgress, task=done.task)
    assert [(bar.label, bar.total) for bar in bars[:1]] == [("bar", 3.0)]
    assert bars[-1].done == 3.0
    assert hub.find(wire.TaskDisplay)[0].data == b"'text'"


async def test_what_is_not_a_number_is_named(hub):
    worker = await hub.worker()
    done = await hub.block(worker, "from yonder.record import log\nimport torch\nlog(loss=torch.ones(3))")
    assert done.failure.type == "TypeError"
    assert "loss is not a number: torch.Tensor of shape (3,)" in done.failure.message


async def test_figures_come_as_pictures(hub):
    worker = await hub.worker()
    done = await hub.block(
        worker, "import matplotlib.pyplot as plt\nplt.plot([1, 2]); plt.title('up')\nplt.show()\nplt.plot([3])"
    )
    assert done.failure is None
    pictures = hub.find(wire.TaskDisplay, task=done.task)
    assert [(p.mime, p.alt, p.data[:4]) for p in pictures] == [
        ("image/png", "up", b"\x89PNG"),
        ("image/png", "figure", b"\x89PNG"),
    ]
    assert (await hub.block(worker, "plt.get_fignums()")).preview.short == "[]"


async def test_looking_works_while_a_block_runs(hub):
    worker = await hub.worker()
    await hub.block(worker, "apple = 1")
    task = hub.start(worker, "while not input(): pass")
    asked = await hub.first(wire.InputAsked, task=task)
    hub.peers["control", worker].say(wire.Look(77, wire.Query("members", [], "app")))
    answer = (await hub.first(wire.Looked, id=77)).answer
    assert (answer.found, answer.generation) == (True, 1)
    assert "apple" in [member.name for member in answer.members]
    hub.peers["control", worker].say(wire.Typed(asked.id, "stop"))
    assert (await hub.first(wire.BlockDone, task=task)).failure is None


async def test_a_wrong_token_is_refused_and_the_agent_ends(tmp_path):
    from tests.integration import agent_hub

    async with living_hub() as hub:
        good, hub.token = hub.token, "another"
        worker = hub.fork()
        exited = await hub.first(wire.Exited, worker=worker)
        assert exited.report.code == 70
        assert "wrong token" in exited.report.stderr
        hub.token = good
    assert agent_hub.CORE
