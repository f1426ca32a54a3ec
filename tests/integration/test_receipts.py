"""Receipts of real hubs: an editor's, a killed one's and its successor's, a program's with either kind of hub."""

import signal
import time

import pytest
from tests.integration import programs
from tests.integration.cluster import a_cluster

from yonder import receipts, wire
from yonder.machine import serves

PATIENCE = 30.0


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


async def test_a_window_gets_every_life_and_the_file_says_the_same(tmp_path):
    async with a_cluster(tmp_path) as (cluster, owner):
        await owner.run("import yonder\nwith yonder.Pool(max=1) as pool: print(pool.call(abs, -1))")
        receipt = await owner.answer(wire.Stop(5), wire.Receipt)
        await cluster.gone()
        [sheet] = receipts.read(cluster.owner)
        assert sheet.lives == receipt.lives
        assert {life.pool for life in sheet.lives} == {"session", "default"}
        assert all(sheet.began <= life.started <= life.ended <= sheet.ended for life in sheet.lives)
        assert all(life.native and life.reason for life in sheet.lives)
        assert sheet.left == 0


async def test_a_killed_hub_leaves_what_it_knew_and_the_next_one_ends_what_was_left_and_finishes_it(tmp_path):
    """The child of user code has left its worker's session, and both hub and agent are killed: only a sweep finds it."""
    async with a_cluster(tmp_path) as (cluster, owner):
        await owner.run("import subprocess, sys\nchild = subprocess.Popen(['sleep', '600'], start_new_session=True)")
        await cluster.wait_for(lambda: receipts.read(cluster.owner), "the receipt")
        [agent] = cluster.processes("agent")
        cluster.kill(agent.pid, signal.SIGSTOP)
        cluster.kill(cluster.note.pid)
        cluster.kill(agent.pid)
        await cluster.wait_for(lambda: {one.role for one in cluster.processes()} == {"child"}, "only the child is left")
        [sheet] = receipts.read(cluster.owner)
        assert sheet.abandoned
        assert not sheet.lives[0].ended
        await owner.hang_up()
        cluster.files.make_token(cluster.token)
        await cluster.start()
        await cluster.wait_for(lambda: receipts.read(cluster.owner)[-1].finished, "the receipt finished")
        [sheet] = receipts.read(cluster.owner)
        assert sheet.reason == "the hub was killed"
        assert sheet.lives[0].reason == "its hub was killed; the next one found it and ended it"
        assert cluster.processes("child") == []


@pytest.mark.parametrize("hub", ["thread", "process"])
def test_a_program_leaves_one_too(tmp_path, hub):
    code = "import yonder\nwith yonder.Pool(max=1) as pool: print(pool.call(abs, -1))\n"
    assert programs.program(tmp_path, code, hub=hub) == "1\n"
    [sheet] = receipts.read()
    assert sheet.finished
    assert sheet.owner.startswith("program-")
    assert [life.pool for life in sheet.lives] == ["default"]
    assert not serves(sheet.owner)


def test_a_program_without_a_place_for_receipts_runs_all_the_same(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    code = "import yonder\nwith yonder.Pool(max=1) as pool: print(pool.call(abs, -1))\n"
    for hub in ("thread", "process"):
        assert programs.program(tmp_path, code, hub=hub) == "1\n"


def test_a_killed_programs_receipt_says_how_far_it_is_known(tmp_path):
    """Its hub ends in order, and so finishes it."""
    code = "import os, signal, yonder\npool = yonder.Pool(max=1)\npool.call(abs, -1)\nos.kill(os.getpid(), signal.SIGKILL)\n"
    with pytest.raises(AssertionError):  # it was killed
        programs.program(tmp_path, code, hub="process")
    end = time.monotonic() + PATIENCE
    while not (sheets := receipts.read()) or not sheets[0].finished:
        assert time.monotonic() < end
        time.sleep(0.02)
    assert sheets[0].reason == "the program has ended, or closed its last pool"
    assert sheets[0].left == 0
