"""Who lies about code: a publisher to the hub, a hub to an agent's store, a worker about what is stale and what it keeps."""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fuzz.making import messages, refs, travelled
from tests.fuzz.targets import code as library
from tests.integration.paper_hub import a_paper_hub, written

from yonder import snapshot, wire
from yonder.agent.store import Store
from yonder.hub.keeps import GRAVES

TEXTS = [b"", b"x = 1\n", b"x = 2\n"]
GOOD = ["a.py", "pkg/b.py", "data.txt"]
BAD = ["", "..", "../out.py", "/out.py", "a.py/c.py", "a//b.py", "x\0.py", ".", "~/x.py"]
PATHS = st.sampled_from(3 * len(BAD) * GOOD + BAD)
NAMES = [snapshot.content(text) for text in TEXTS]
HASHES = st.sampled_from(10 * NAMES + [b"", b"short", b"z" * 32])

contents = st.dictionaries(HASHES, st.sampled_from(TEXTS), max_size=1)


@st.composite
def words(draw):
    """Blobs and snapshots, most of which nearly hold together: some under their own names, some under others."""
    said, known = [wire.Blobs({snapshot.content(text): text for text in TEXTS})], [b""]
    for _ in range(draw(st.integers(0, 8))):
        if draw(st.booleans()):
            said.append(wire.Blobs(draw(contents)))
            continue
        files = draw(st.dictionaries(PATHS, HASHES, max_size=3))
        roots = draw(st.lists(PATHS, max_size=2))
        made = snapshot.Snapshot("/nowhere/liar", tuple(roots), files)
        name = made.digest if draw(st.booleans()) else draw(HASHES)
        gone = draw(st.lists(PATHS, max_size=1))
        if draw(st.integers(0, 3)):
            said.append(made.publish(None))
        else:
            said.append(wire.Publish(name, draw(st.sampled_from(known)), made.folder, roots, files, gone))
        known.append(said[-1].snapshot)
        if draw(st.booleans()):
            said.append(wire.Unpublish(draw(st.lists(st.sampled_from(known), max_size=2))))
    return said


@settings(max_examples=150, derandomize=True, deadline=None)
@given(said=words())
def test_the_hubs_library_keeps_nothing_of_a_liar(said):
    library(b"".join(wire.frames(one) for one in said if not isinstance(one, wire.Unpublish)))


@settings(max_examples=150, derandomize=True, deadline=None)
@given(said=words())
def test_an_agents_store_writes_nothing_beside_itself_and_leaves_nothing(said):
    with tempfile.TemporaryDirectory() as made:
        outside = Path(made)
        store = Store(outside / "store")
        for one in said:
            match one:
                case wire.Blobs():
                    store.keep(one)
                case wire.Publish():
                    assert store.publish(one).snapshot == one.snapshot
                case wire.Unpublish():
                    store.unpublish(one)
        assert os.listdir(outside) in ([], ["store"])
        blobs = outside / "store" / "blobs"
        if blobs.is_dir():
            for file in blobs.iterdir():
                assert snapshot.content(file.read_bytes()).hex() == file.name
        store.leave()
        assert os.listdir(outside) == []


# ── a worker ──

LIES = st.lists(st.sampled_from([wire.Stale, wire.Reloaded, wire.Kept, wire.Release]).flatmap(messages), max_size=30)


async def lied_to(lies, names):
    """A worker lies about its call's code and about objects: whoever else calls has the result, and nothing of it stays."""
    faults = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
    async with a_paper_hub() as paper:
        program = paper.client()
        await program.opens(wire.PoolSpec(name="p", max=1, retries=1))
        await program.opens(wire.PoolSpec(name="q", max=1))
        made, texts = written(helper="x = 1\n")
        await program.publishes((made, texts))
        program.submits("p", code=made.digest)
        worker = await paper.agent.worker(1)
        await worker.hears(wire.Call)
        innocent = program.submits("q", code=made.digest)
        other = await paper.agent.worker(2)
        task = (await other.hears(wire.Call)).task
        for lie in lies:
            worker.says(travelled(lie, wire.CallToHub))
            await paper.turns(2)
        for number, ref in enumerate(names, 1):
            facts = wire.Facts(ref=ref, type="x", size=1 << 62, preview="y" * 100_000)
            worker.says(wire.Kept(number, facts))
        assert len(paper.hub.keeps) <= wire.MOST_REFS
        other.done(task)
        assert (await program.end_of(innocent)).outcome == "ok"
        paper.hub.client_lost(program.client)
        await paper.turns(30)
        for one in paper.agent.workers.values():
            one.dies()
        await paper.turns(30)
        keeps = paper.hub.keeps
        assert (len(keeps), keeps._kin, keeps._stowed) == (0, {}, {})
        assert sum(map(len, keeps._held.values())) == 0
        assert len(paper.hub.executors.library) == 0
        assert len(keeps._graves) <= GRAVES
    assert faults == []


@settings(max_examples=40, derandomize=True, deadline=None)
@given(lies=LIES, names=st.lists(refs, max_size=5))
def test_a_worker_that_lies_about_code_and_objects_harms_nobody_and_leaves_nothing(lies, names):
    asyncio.run(asyncio.wait_for(lied_to(lies, names), 30))
