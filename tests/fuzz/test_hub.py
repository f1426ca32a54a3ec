"""A machine that lies about everything: the hub goes on, and a call on another machine has its result."""

from __future__ import annotations

import asyncio

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fuzz.making import messages, travelled
from tests.integration.paper_hub import a_paper_hub
from tests.integration.test_borders import Elsewhere

from yonder import wire

WORDS = {"call": wire.CallToHub, "control": wire.ControlToHub, "agent": wire.AgentToHub, "client": wire.ClientToHub}
LIES = st.one_of([st.tuples(st.just(role), messages(kind)) for role, kind in WORDS.items()])


def about(lie, worker):
    """The same lie about a worker that is there."""
    if isinstance(lie, wire.Beat):
        usage = [msgspec.structs.replace(one, worker=worker) for one in lie.usage]
        return msgspec.structs.replace(lie, usage=usage)
    if getattr(lie, "worker", "") == "w":
        return msgspec.structs.replace(lie, worker=worker)
    return lie


async def lied_to(lies, modes):
    """Two machines with a call each; the first one lies, the second one works."""
    faults = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
    async with a_paper_hub(docker=Elsewhere()) as paper:
        liar, honest = paper.an_agent("agent-1"), paper.an_agent("agent-2")
        program = paper.client()
        await program.opens(wire.PoolSpec(name="p", max=1, backend="docker", retries=1))
        await program.opens(wire.PoolSpec(name="q", max=1, backend="docker"))
        program.submits("p", mode=modes)
        worker = await liar.worker(1)
        await worker.hears(wire.Call)
        innocent = program.submits("q")
        other = await honest.worker(1)
        task = (await other.hears(wire.Call)).task
        guest = paper.client(worker, elsewhere=True)
        say = {
            "call": worker.says,
            "control": worker._lanes[1].received,
            "agent": liar.told.received,
            "client": guest.says,
        }
        for role, lie in lies:
            say[role](travelled(about(lie, worker.name), WORDS[role]))
            await paper.turns(2)
        other.done(task)
        assert (await program.end_of(innocent)).outcome == "ok"
        await paper.turns(20)
        paper.hub.client_lost(guest.client)
        await paper.turns(20)
        complaints = [line for line in paper.log if " was refused a pool: " not in line]
        paper.log.clear()
    assert faults == []
    assert complaints == []


MODES = st.sampled_from([wire.Mode(), wire.Mode("stream", credit=2), wire.Mode("actor"), wire.Mode(chunk=2)])


@settings(max_examples=40, derandomize=True, deadline=None)
@given(lies=st.lists(LIES, max_size=12), modes=MODES)
def test_a_lying_machine_harms_nobody_else(lies, modes):
    asyncio.run(asyncio.wait_for(lied_to(lies, modes), 30))
