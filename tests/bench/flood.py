"""A hub that floods: 64 executors log 1,000 points a second each, and every look finds a tensor. In a process of its own
(`python -m tests.bench.flood OWNER`), so that what is measured beside it is the language server's loop and not this one.

It says a line when it is up, and floods from a line on its input to the next one.
"""

from __future__ import annotations

import array
import asyncio
import sys
import time

from tests.lsp import fakes

from yonder import wire

EXECUTORS, POINTS, FLUSH = 64, 1000, 0.1
MEMBERS = [wire.Member(f"member_{number}", "m", 1) for number in range(750)]


def _columns(at: int) -> list[wire.Column]:
    """What one executor sends at a flush."""
    count = int(POINTS * FLUSH)
    steps = array.array("d", range(at * count, at * count + count)).tobytes()
    times = array.array("d", [time.time()] * count).tobytes()
    return [wire.Column("loss", steps, steps, times)]


async def _flood(hub: fakes.FakeHub, run: str, over: asyncio.Event) -> None:
    """Flush after flush, in time as long as the machine keeps up."""
    loop = asyncio.get_running_loop()
    begun, at = loop.time(), 0
    while not over.is_set():
        for executor in range(EXECUTORS):
            await hub.tell(wire.Metrics(run, f"call-{executor}", _columns(at)))
        at += 1
        await asyncio.sleep(max(0.0, begun + at * FLUSH - loop.time()))


async def _main(owner: str) -> None:
    async with fakes.hub(owner) as hub:
        states = [fakes.session()]
        hub.answers[wire.GetStatus] = lambda message: [fakes.status(*states, number=message.id)]
        answer = wire.Answer(found=True, type="torch.Tensor", members=MEMBERS)
        hub.answers[wire.Peek] = lambda message: [wire.Peeked(message.id, message.session, answer)]
        print("up", flush=True)
        run = (await asyncio.to_thread(sys.stdin.readline)).strip()
        over = asyncio.Event()
        flooding = asyncio.create_task(_flood(hub, run, over))
        await asyncio.to_thread(sys.stdin.readline)
        over.set()
        await flooding


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1]))
