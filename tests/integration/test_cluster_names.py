"""The names of a real session: told as what has changed, also while a run is on, and as a whole to who has none."""

import asyncio

from tests.integration.cluster import a_cluster

from yonder import wire


def hints(answer):
    return {row.name: row.short for row in answer.rows}


async def test_names_are_told_as_what_has_changed_from_run_to_run(tmp_path):
    async with a_cluster(tmp_path) as (_, owner):
        await owner.run("import numpy as np\na = np.zeros((3, 4))\nn = [1, 2]\ndef f(): ...")
        first = await owner.peek("names")
        assert first.whole
        assert {"a": "ndarray[3, 4] float64", "n": "list[2]", "f": "", "np": ""}.items() <= hints(first).items()
        await owner.run("a = a[:2]\nn = [3, 4]\nb = 'text'\ndel f")
        second = await owner.peek("names", since=first.mark)
        assert not second.whole
        assert (hints(second), second.gone) == ({"a": "ndarray[2, 4] float64", "b": "str"}, ["f"])
        third = await owner.peek("names", since=second.mark)
        assert (third.rows, third.gone, third.mark) == ([], [], second.mark)


async def test_names_appear_while_the_run_that_makes_them_is_on(tmp_path):
    async with a_cluster(tmp_path) as (_, owner):
        await owner.run("enough = False")
        base = await owner.peek("names")
        run = await owner.execute("import time\ngrown = [0] * 7\nwhile not enough: time.sleep(0.01)")
        await owner.running(run)
        async with asyncio.timeout(30):
            while hints(told := await owner.peek("names", since=base.mark)).get("grown") != "list[7]":
                assert not told.whole
        assert not owner.of(wire.RunEnded, run=run)
        interrupted = await owner.answer(wire.Interrupt(900, run), wire.Interrupted)
        assert interrupted.outcome == "interrupted"


async def test_another_process_tells_everything_to_who_knows_the_one_before(tmp_path):
    async with a_cluster(tmp_path) as (_, owner):
        await owner.run("old = 1")
        before = await owner.peek("names")
        assert "old" in hints(before)
        await owner.say(wire.RestartSession("main"))
        await owner.run("new = 1.5")
        after = await owner.peek("names", since=before.mark)
        assert after.whole
        assert "old" not in hints(after)
        assert hints(after)["new"] == "float"
