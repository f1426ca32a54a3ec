"""The agent on another machine, as a real process behind the real gate and a line that breaks."""

import pytest
from tests.integration.remote_hub import living_remote_hub

from yonder import payload


@pytest.fixture
async def hub():
    async with living_remote_hub() as found:
        yield found


async def test_a_call_runs_there_and_its_output_comes_back(hub):
    def speaks(n):
        print("x" * n)
        return n

    worker = await hub.worker("pool")
    done = await hub.call(worker, speaks, 200_000)
    assert payload.unpack(done.body) == 200_000
    assert await hub.all_output(done) == "x" * 200_000 + "\n"
    assert hub.peers["control", worker].open
    assert not hub.trouble
