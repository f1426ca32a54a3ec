"""Two hundred edits leave no more behind than forty: files of the agent's store, descriptors of all processes."""

import os
import sys
from pathlib import Path

import pytest
from tests.integration.cluster import a_cluster
from tests.integration.test_traps import POOL, Window

from yonder.hub.code import KEPT

EDITS, WARM = 200, 40
SOME = 4
"""Snapshots that may stay besides those of the library: the session's own, and the pool's workers'."""

BLOCK = """
import helper, fixed, numpy as np, yonder, os
with yonder.Pool(max=1) as pool:
    found = pool.call(helper.f, np.ones(100_000))
found, helper.WHICH, len(os.listdir("/proc/self/fd"))
"""

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")


def stored(folder):
    """Files of the agents' stores, by the folder that they are in."""
    counts = {}
    for store in folder.glob("code-*"):
        for name in ("blobs", "snapshots", "bytecode", "roots"):
            counts[name] = counts.get(name, 0) + len(os.listdir(store / name))
    return counts


def descriptors(cluster):
    pids = {one.role: one.pid for one in cluster.processes("agent", "zygote")} | {"hub": cluster.note.pid}
    return {role: len(os.listdir(f"/proc/{pid}/fd")) for role, pid in pids.items()}


@pytest.mark.timeout(240)
async def test_what_edits_leave_behind_is_bounded(tmp_path):
    async with a_cluster(tmp_path, pools=POOL) as (cluster, owner):
        window, seen = Window(owner, tmp_path), {}
        window.write("fixed.py", "WORD = 'stays'\n")
        place = Path(cluster.files.path)
        for edit in range(1, EDITS + 1):
            text = f"WHICH = {edit}\ndef f(array):\n    return int(array.sum()) + WHICH\n"
            window.write("helper.py", text)
            if edit % 10 and edit > 1:
                assert await window.value("helper.WHICH") == str(edit)
                continue
            found, which, own = eval(await window.value(BLOCK))
            assert (found, which) == (100_000 + edit, edit)
            counts = stored(place)
            assert 0 < counts["snapshots"] <= KEPT + SOME, counts
            assert counts["blobs"] <= counts["snapshots"] + 1, counts
            assert counts["bytecode"] <= counts["blobs"], counts
            assert counts["roots"] <= counts["snapshots"], counts
            seen[edit] = {"session": own, **descriptors(cluster)}
        warm = {role: max(seen[edit][role] for edit in seen if edit <= WARM) for role in seen[WARM]}
        assert {"session", "hub", "agent"} <= warm.keys()
        assert {role: count for role, count in seen[EDITS].items() if count > warm[role] + 2} == {}
        await owner.hang_up(goodbye=True)
        await cluster.gone()
        assert list(place.glob("code-*")) == []
