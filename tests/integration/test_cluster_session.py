"""The main path on real processes: hub, agent, zygote, session, pool."""

import asyncio
import sys
import textwrap

from tests.integration.cluster import ROOT, a_cluster

from yonder import wire


async def test_a_block_has_a_value_and_the_namespace_lasts(tmp_path):
    async with a_cluster(tmp_path) as (_, owner):
        first = await owner.run("x = 20\nx + 1")
        assert (first.outcome, first.preview.short) == ("ok", "21")
        second = await owner.run("print('hello'); x * 2")
        assert second.preview.short == "40"
        assert owner.text(second.run) == "hello\n"
        assert (await owner.run("y = x")).preview is None


async def test_an_error_has_the_users_own_lines(tmp_path):
    async with a_cluster(tmp_path) as (_, owner):
        ended = await owner.run("def f(a):\n    return 1 / a\n\nf(0)", line=10)
        assert ended.outcome == "error"
        assert ended.failure.type == "ZeroDivisionError"
        mine = [(frame.line, frame.function, frame.source.strip()) for frame in ended.failure.frames if frame.user]
        assert mine == [(14, "<module>", "f(0)"), (12, "f", "return 1 / a")]


async def test_phases_are_told_in_order(tmp_path):
    async with a_cluster(tmp_path) as (_, owner):
        ended = await owner.run("1")
        assert [one.phase for one in owner.of(wire.Phase, run=ended.run)] == [
            "queued",
            "booting",
            "creating",
            "running",
        ]
        states = [one.state for one in owner.of(wire.ExecutorChanged)]
        assert states[-1] in ("ready", "busy")


async def test_pool_map_inside_a_block_uses_executors_and_its_metrics_are_labelled(tmp_path):
    code = textwrap.dedent("""
        import os, yonder

        def train(variant):
            for step in range(20):
                yonder.log(step=step, loss=variant["lr"] / (step + 1))
            print("trained", variant["lr"])
            return os.getpid()

        with yonder.Pool(max=2) as pool:
            pids = list(pool.map(train, [{"lr": n} for n in range(4)]))
        (len(pids), len(set(pids)) <= 2, os.getpid() in pids)
    """)
    async with a_cluster(tmp_path) as (cluster, owner):
        ended = await owner.run(code)
        assert ended.outcome == "ok", ended.failure.text
        assert ended.preview.short == "(4, True, False)"
        calls = owner.of(wire.CallStarted, run=ended.run)
        assert sorted(one.label for one in calls) == ["lr=0", "lr=1", "lr=2", "lr=3"]
        assert {one.outcome for one in owner.of(wire.CallEnded, run=ended.run)} == {"ok"}
        for call in calls:
            points = sum(
                len(column.steps) // 8 for one in owner.of(wire.Metrics, call=call.call) for column in one.columns
            )
            assert points == 20
            assert owner.text(ended.run, call.call).startswith("trained")
        assert 1 <= len([one for one in cluster.processes("executor") if "-default-" in one.executor]) <= 2


async def test_a_session_holds_objects_of_its_pools_from_block_to_block(tmp_path):
    async with a_cluster(tmp_path) as (_, owner):

        async def shown(code):
            ended = await owner.run(code)
            assert ended.outcome == "ok", ended
            return ended.preview.short if ended.preview else ""

        await shown("import yonder\npool = yonder.Pool(max=1)")
        await shown("mine = pool.keep(list, 'abc').result()\nput = pool.put([1])")
        assert await shown("repr(mine)[:31]") == "\"<yonder.Remote ['a', 'b', 'c'],\""
        assert await shown("mine.get(), mine.call(len), pool.call(len, put)") == "(['a', 'b', 'c'], 3, 1)"
        assert await shown("'remote object' in pool.explain()") == "True"
        await shown("del mine, put")
        async with asyncio.timeout(20):
            while await shown("'remote object' in pool.explain()") == "True":
                pass  # a thread of the session's says it


async def test_peek_answers_while_the_session_is_busy(tmp_path):
    async with a_cluster(tmp_path) as (_, owner):
        await owner.run("class Thing:\n    def walk(self): ...\nthing = Thing()\nthing.size = 3")
        run = await owner.execute("import time\nwhile not globals().get('enough'): time.sleep(0.01)")
        await owner.running(run)
        answer = await owner.peek("members", "thing")
        assert answer.found
        names = [member.name for member in answer.members]
        assert {"size", "walk"} <= set(names)
        assert not owner.of(wire.RunEnded, run=run)
        interrupted = await owner.answer(wire.Interrupt(900, run), wire.Interrupted)
        assert interrupted.outcome == "interrupted"
        assert (await owner.ended(run)).outcome == "cancelled"


async def test_rows_and_statistics_come_while_a_python_loop_runs(tmp_path):
    async with a_cluster(tmp_path) as (_, owner):
        await owner.run("import numpy\nclass Thing: pass\nthing = Thing()\nthing.data = numpy.arange(5.0)\ncount = 0")
        run = await owner.execute("while True:\n    count += 1")
        await owner.running(run)
        first = {row.name: row.short for row in (await owner.peek("children")).rows}
        assert {"thing", "count", "numpy", "Thing"} == set(first)
        inside = (await owner.peek("children", "thing")).rows
        assert [(row.name, row.short) for row in inside] == [("data", "array(5, float64)")]
        told = await owner.peek("statistics", "thing", "data", seconds=20.0)
        assert told.found, told.why
        assert {"min": "0", "max": "4", "mean": "2"}.items() <= {row.name: row.short for row in told.rows}.items()
        second = {row.name: row.short for row in (await owner.peek("children")).rows}
        assert int(second["count"]) > int(first["count"])
        assert not owner.of(wire.RunEnded, run=run)
        await owner.answer(wire.Interrupt(901, run), wire.Interrupted)
        assert (await owner.ended(run)).outcome == "cancelled"


async def test_input_is_asked_of_the_owner(tmp_path):
    async with a_cluster(tmp_path) as (_, owner):
        run = await owner.execute("name = input('who? ')\nname.upper()")
        question = (await owner.until(lambda: owner.of(wire.InputWanted), "the question"))[0]
        assert (question.prompt, question.secret) == ("who? ", False)
        await owner.say(wire.AnswerInput(question.id, "ada"))
        assert (await owner.ended(run)).preview.short == "'ADA'"


async def test_a_dismissed_question_is_an_eoferror_at_the_users_line(tmp_path):
    async with a_cluster(tmp_path) as (_, owner):
        run = await owner.execute("name = input('who? ')")
        question = (await owner.until(lambda: owner.of(wire.InputWanted), "the question"))[0]
        await owner.say(wire.AnswerInput(question.id, None))
        failure = (await owner.ended(run)).failure
        assert failure.type == "EOFError"
        assert [frame.source for frame in failure.frames] == ["name = input('who? ')"]
        assert "console.py" not in failure.text


async def test_runs_wait_in_order_and_a_waiting_one_can_be_cancelled(tmp_path):
    async with a_cluster(tmp_path) as (_, owner):
        first = await owner.execute("import time\nwhile not globals().get('enough'): time.sleep(0.01)")
        await owner.running(first)
        second = await owner.execute("'second'")
        third = await owner.execute("'third'")
        cancelled = await owner.answer(wire.Interrupt(901, second), wire.Interrupted)
        assert cancelled.outcome == "cancelled"
        await owner.answer(wire.Interrupt(902, first), wire.Interrupted)
        assert (await owner.ended(third)).preview.short == "'third'"
        assert (await owner.ended(second)).outcome == "cancelled"


async def test_run_file_is_a_fresh_main_with_arguments(tmp_path):
    code = "import sys\nprint(__name__, sys.argv[1:])\nif __name__ == '__main__':\n    secret = 1\n"
    async with a_cluster(tmp_path) as (cluster, owner):
        await owner.run("secret = 'of the session'")
        path = str(tmp_path / "script.py")
        run = await owner.execute(code, path=path, kind="file", argv=["a", "b"])
        assert (await owner.ended(run)).outcome == "ok"
        assert owner.text(run) == "__main__ ['a', 'b']\n"
        assert (await owner.run("secret")).preview.short == "'of the session'"
        await cluster.wait_for(
            lambda: not [one for one in cluster.processes("executor") if "-file-" in one.executor], "the file's end"
        )


async def test_a_restarted_session_begins_with_nothing(tmp_path):
    async with a_cluster(tmp_path) as (_, owner):
        await owner.run("x = 1")
        await owner.say(wire.RestartSession("main"))
        await owner.until(lambda: owner.of(wire.SessionChanged, state="none"), "the restart")
        ended = await owner.run("x")
        assert ended.failure.type == "NameError"


async def test_a_thousand_lines_come_before_the_end(tmp_path):
    async with a_cluster(tmp_path) as (_, owner):
        ended = await owner.run("for n in range(1000): print('line', n)")
        assert owner.text(ended.run) == "".join(f"line {n}\n" for n in range(1000))
        last = owner.events.index(ended)
        assert not [one for one in owner.events[last:] if isinstance(one, wire.Output)]


async def test_status_counts_executors_against_max(tmp_path):
    async with a_cluster(tmp_path) as (_, owner):
        code = "import yonder\nwith yonder.Pool() as pool:\n    print(list(pool.map(abs, [-1, -2, -3])))"
        ended = await owner.run(code)
        assert owner.text(ended.run) == "[1, 2, 3]\n"
        status = await owner.answer(wire.GetStatus(77), wire.Status)
        (pool,) = status.pools
        assert (pool.name, pool.max) == ("default", 2)
        assert 1 <= pool.executors <= 2
        assert [session.state for session in status.sessions] == ["idle"]


async def test_stop_ends_everything_and_gives_a_receipt(tmp_path):
    async with a_cluster(tmp_path, linger=600) as (cluster, owner):
        await owner.run("1")
        receipt = await owner.answer(wire.Stop(5), wire.Receipt)
        assert receipt.left == 0
        assert receipt.executors == 1
        await cluster.gone()


async def test_two_blocks_at_once_from_two_sessions(tmp_path):
    async with a_cluster(tmp_path) as (_, owner):
        runs = [await owner.execute(f"name = {name!r}\nname", session=name) for name in ("a", "b")]
        ends = await asyncio.gather(*(owner.ended(run) for run in runs))
        assert [end.preview.short for end in ends] == ["'a'", "'b'"]


async def test_a_pool_follows_the_place_that_the_owner_chooses(tmp_path):
    code = textwrap.dedent("""
        import os, yonder
        with yonder.Pool() as pool:
            place = pool.call(os.getenv, "PLACE")
        place
    """)
    async with a_cluster(tmp_path) as (cluster, owner):
        for name in ("old", "new"):
            place = wire.Place(
                python=sys.executable, core=str(ROOT / "executor"), folder=str(tmp_path), env={"PLACE": name}
            )
            await owner.say(wire.Configure(place, cluster.pools, 1.0, 60.0, 1 << 30))
            await owner.say(wire.RestartSession("main"))
            assert (await owner.run(code)).preview.short == repr(name)

        def gone():
            return [one.reason for one in owner.of(wire.ExecutorChanged, state="gone") if one.pool]

        assert await owner.until(gone) == ["the Python or the folder that it was started for is another one now"]


async def test_a_pool_that_only_one_cell_opened_keeps_nothing_afterwards(tmp_path):
    code = textwrap.dedent("""
        import yonder
        with yonder.Pool("mine", min=1, idle_timeout=0.2) as pool:
            value = pool.call(abs, -1)
        value
    """)
    async with a_cluster(tmp_path) as (cluster, owner):
        assert (await owner.run(code)).preview.short == "1"
        await owner.until(
            lambda: [one for one in owner.of(wire.ExecutorChanged, state="gone") if one.pool == "mine"],
            "the end of what nobody holds",
        )
        assert not [one for one in cluster.processes("executor") if "-mine-" in one.executor]


async def test_an_interrupt_while_large_arguments_travel_leaves_the_pool_whole(tmp_path):
    opening = "import yonder\npool = yonder.Pool(max=1)\nload = bytes(100_000_000)\npool.call(len, b'')"
    async with a_cluster(tmp_path) as (_, owner):
        await owner.run(opening)
        for number in range(3):
            run = await owner.execute("while True: pool.submit(len, load).cancel()")
            await owner.running(run)
            await owner.answer(wire.Interrupt(number + 1000, run, grace=20.0), wire.Interrupted)
            assert (await owner.ended(run)).outcome == "cancelled"
        ended = await owner.run("value = pool.call(len, b'12')\npool.close()\nvalue")
        assert ended.preview.short == "2"


async def test_a_run_that_is_asked_for_twice_runs_once(tmp_path):
    """An owner that was cut off cannot know whether its word had arrived, and says it again."""
    async with a_cluster(tmp_path) as (_, owner):
        for run, code in (("one", "n = n + 1 if 'n' in dir() else 1"), ("file", "print('once')")):
            for _ in range(2):
                await owner.execute(code, run=run, kind="file" if run == "file" else "block")
            await owner.ended(run)
            await owner.execute(code, run=run)
        assert (await owner.run("n")).preview.short == "1"
        assert [one.run for one in owner.of(wire.RunEnded)][:2] == ["one", "file"]
        assert len(owner.of(wire.RunEnded)) == 3
        assert owner.text("file") == "once\n"
