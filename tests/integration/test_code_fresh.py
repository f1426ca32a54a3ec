"""New code everywhere, on real processes: what is replaced, what is reloaded, what is told of it, who finishes on old code."""

import os
import signal

import pytest
from tests.integration.programs import program
from tests.integration.test_traps import a_window

from yonder import wire
from yonder.snapshot import version

EDIT = """
import importlib, os, pathlib, sys, time
import helper, yonder
def edit(value):
    pathlib.Path("helper.py").write_text(f"VALUE = {value!r}\\n")
    importlib.invalidate_caches()
    importlib.reload(helper)
def seen():
    import helper
    return helper.VALUE
def seen_by():
    import helper
    return os.getpid(), helper.VALUE
"""


def edited(tmp_path, code, **more):
    """Run a program that edits its own helper; returns what it prints."""
    (tmp_path / "helper.py").write_text("VALUE = 1\n")
    return program(tmp_path, EDIT + code, **more).splitlines()


# ── a session ──


async def test_a_run_tells_what_was_reloaded_before_it_and_which_code_made_it(tmp_path):
    async with a_window(tmp_path) as window:
        window.write("deep.py", "VALUE = 1\n")
        window.write("helper.py", "import deep\ndef f(): return deep.VALUE\n")
        first = await window.run("import helper; helper.f()")
        window.write("deep.py", "VALUE = 2\n")
        second = await window.run("helper.f()")
        assert (first.preview.text, second.preview.text) == ("1", "2")
        assert second.code == version((await window.publish()).digest)
        assert second.code != first.code
        assert not window.owner.of(wire.CodeChanged, run=first.run)
        (changed,) = window.owner.of(wire.CodeChanged, run=second.run)
        assert changed.reloaded[0] == "deep"
        assert changed.kept == {}


async def test_what_a_session_cannot_load_again_is_told_with_the_reason_and_a_restart_brings_it(tmp_path):
    async with a_window(tmp_path) as window:
        window.write("model.py", "__yonder_reload__ = False\nVALUE = 1\n")
        assert await window.value("import model; model.VALUE") == "1"
        window.write("model.py", "__yonder_reload__ = False\nVALUE = 2\n")
        run = await window.run("model.VALUE")
        assert run.preview.text == "1"
        (changed,) = window.owner.of(wire.CodeChanged, run=run.run)
        assert list(changed.kept) == ["model"]
        assert "__yonder_reload__" in changed.kept["model"]
        await window.owner.say(wire.RestartSession("main"))
        assert await window.value("import model; model.VALUE") == "2"


async def test_code_that_does_not_differ_where_it_was_looked_at_changes_nothing(tmp_path):
    async with a_window(tmp_path) as window:
        window.write("helper.py", "VALUE = 1\n")
        first = await window.value("import helper, os; os.getpid()")
        window.write("unused.py", "VALUE = 2\n")
        again = await window.run("os.getpid()")
        assert again.preview.text == first
        assert not window.owner.of(wire.CodeChanged)


async def test_a_killed_session_comes_back_on_the_code_of_the_run(tmp_path):
    async with a_window(tmp_path) as window:
        window.write("helper.py", "VALUE = 1\n")
        pid = int(await window.value("import helper, os; os.getpid()"))
        os.kill(pid, signal.SIGKILL)
        await window.owner.until(lambda: window.owner.of(wire.SessionChanged, state="dead"), "the session's death")
        window.write("helper.py", "VALUE = 2\n")
        assert await window.value("import helper; helper.VALUE") == "2"


# ── a pool of a plain program ──


@pytest.mark.parametrize("hub", ["thread", "process"])
@pytest.mark.parametrize("isolation", ["worker", "process", "executor"])
def test_the_next_call_runs_on_the_new_code(tmp_path, isolation, hub):
    lines = edited(
        tmp_path,
        f"""
with yonder.Pool(max=2, isolation={isolation!r}) as pool:
    codes = set()
    for value in (1, 2, 3):
        if value > 1:
            edit(value)
        futures = [pool.submit(seen) for _ in range(4)]
        print([future.result() for future in futures], {{future.attempts for future in futures}})
        codes |= {{future.code for future in futures}}
    print(len(codes), all(codes), pool.status().lost)
""",
        hub=hub,
    )
    assert lines == [f"{[value] * 4} {{1}}" for value in (1, 2, 3)] + ["3 True 0"]


def test_every_worker_has_the_new_code_and_its_executor_stays(tmp_path):
    lines = edited(
        tmp_path,
        """
with yonder.Pool(max=1, concurrency=3) as pool:
    pool.call(seen)
    before = pool.broadcast(seen_by)
    edit(2)
    after = pool.broadcast(seen_by)
    print(len(before), sorted(value for _, value in before), len(after), sorted(value for _, value in after))
    print(bool({pid for pid, _ in before} & {pid for pid, _ in after}), len({pool.submit(seen).executor for _ in range(3)}))
    print(pool.status().executors)
""",
    )
    assert lines[0] == "3 [1, 1, 1] 3 [2, 2, 2]"
    assert lines[1].startswith("False")
    assert lines[2] == "1"


def test_idle_workers_are_replaced_before_the_next_call(tmp_path):
    """The first call after the edit meets one stale worker; all others were told ahead."""
    lines = edited(
        tmp_path,
        """
with yonder.Pool(max=3, min=3) as pool:
    events = pool.events()
    def until(kind):
        seen = set()
        while len(seen) < 3:
            event = next(events)
            if event.kind == kind:
                seen.add(event.executor)
    until("ready")
    pool.broadcast(seen)
    edit(2)
    pool.call(seen)
    until("outdated")
    print(sorted(pool.broadcast(seen)))
""",
    )
    assert lines == ["[2, 2, 2]"]


def test_code_is_read_once_for_all_that_replace_and_is_never_old(tmp_path):
    (tmp_path / "deep.py").write_text("VALUE = 'deep'\n")
    assert edited(
        tmp_path,
        """
def looked():
    import deep, helper
    from yonder.agent.shelf import _Read
    return sorted(code.co_filename.rpartition("/")[2] for code, _ in _Read.code.values()), deep.VALUE, helper.VALUE
def until(pool, what):
    for value in range(100, 200):
        edit(value)
        found = pool.call(looked)
        assert found[1:] == ("deep", value), found
        if found[0] == what:
            return True
if __name__ == "__main__":
    with yonder.Pool(max=1) as pool:
        print(pool.call(looked))
        print(until(pool, ["deep.py"]))  # helper's new text nobody has compiled before
        edit(1)
        print(pool.call(looked)[1:])  # a text that there was before
        agent = int(pathlib.Path(f"/proc/{pool.call(os.getppid)}/stat").read_text().split()[0])
        children = pathlib.Path(f"/proc/{agent}/task/{agent}/children").read_text().split()
        for zygote in {int(pid) for pid in children} - {pool.call(os.getpid)}:
            os.kill(zygote, 9)
        edit(5)
        print(pool.call(looked)[1:])
        print(until(pool, ["deep.py"]))
""",
    ) == ["([], 'deep', 1)", "True", "('deep', 1)", "('deep', 5)", "True"]


def test_a_call_that_is_tried_again_runs_on_its_own_code(tmp_path):
    """Its worker is killed after the edit: the retry is the call that was asked for, the next call is new."""
    lines = edited(
        tmp_path,
        """
def first_time():
    import helper
    if not os.path.exists("begun"):
        pathlib.Path("begun").write_text(str(os.getpid()))
        while True:
            time.sleep(0.01)
    return helper.VALUE
with yonder.Pool(max=1, retries=1) as pool:
    call = pool.submit(first_time)
    while not os.path.exists("begun") or not (pid := pathlib.Path("begun").read_text()):
        time.sleep(0.01)
    edit(2)
    other = pool.submit(seen)
    os.kill(int(pid), 9)
    print(call.result(), call.attempts, other.result(), call.code != other.code)
""",
    )
    assert lines == ["1 2 2 True"]


def test_an_actor_goes_on_with_the_code_that_it_began_with(tmp_path):
    lines = edited(
        tmp_path,
        """
class Reader:
    def value(self):
        import helper
        return helper.VALUE
with yonder.Pool(max=2) as pool:
    with pool.place(Reader) as actor:
        print(actor.value())
        edit(2)
        print(pool.call(seen), actor.value())
""",
    )
    assert lines == ["1", "2 1"]
