"""The link of another machine over a line that is slow, silent or cut: every conversation on it arrives whole, once and in
order, and who is lost is called lost at the right time."""

import asyncio
import itertools
import random

import pytest
from tests.links.machine import AGENT, SILENCE, a_machine
from tests.links.virtual import virtual
from tests.links.window import AT_ONCE, column

from yonder import wire
from yonder.hub.distant import AWAY, MARGIN

LINES = 100_000


def parts(lines):
    return [range(first, min(first + AT_ONCE, lines)) for first in range(0, lines, AT_ONCE)]


def agent_says(n, some):
    return wire.WorkerOutput("w", 1, n, 1, "".join(f"{line}\n" for line in some), 1.0)


def control_says(n, some):
    return wire.TaskMetrics(1, n, [column(some)])


def call_says(n, some):
    return wire.Yielded(1, n, repr(list(some)).encode())


def hub_says(n):
    return wire.Allow(1, n)


def everybody_speaks(machine, some, first=1):
    """Lines over the agent's conversation, points over the control lane, yields over the call lane, and the hub says as
    much back to each of them as it hears."""
    for n, part in enumerate(some, first):
        machine.agent.say(agent_says(n, part))
        machine.control.say(control_says(n, part))
        machine.call.say(call_says(n, part))
        machine.ears["control"].say(hub_says(n))
        machine.ears["call"].say(wire.Method(1, n, "again", b"x" * 20))
        machine.ears["agent"].say(wire.Kill(f"w{n}"))


async def everything(machine, some):
    """All of it has arrived, once and in order, and nobody's conversation is over."""
    count = len(some)
    ears, callers = machine.ears, (machine.agent, machine.call, machine.control)
    await machine.until(
        lambda: (
            all(len(ear.heard) >= count for ear in ears.values())
            and all(len(caller.heard) >= count + 1 for caller in callers)
        )
    )
    numbered = list(enumerate(some, 1))
    assert ears["agent"].heard == [agent_says(n, part) for n, part in numbered]
    assert ears["control"].heard == [control_says(n, part) for n, part in numbered]
    assert ears["call"].heard == [call_says(n, part) for n, part in numbered]
    assert machine.control.heard[1:] == [hub_says(n) for n, _ in numbered]
    assert machine.call.heard[1:] == [wire.Method(1, n, "again", b"x" * 20) for n, _ in numbered]
    assert machine.agent.heard[1:] == [wire.Kill(f"w{n}") for n, _ in numbered]
    assert not any(one.over for one in (*ears.values(), *callers))
    assert (machine.verdicts, machine.ended.done()) == ([], False)


@virtual
async def test_a_slow_far_line_carries_everything():
    async with a_machine() as machine:
        machine.proxy.slow(delay=0.025, rate=1e6)
        everybody_speaks(machine, parts(LINES))
        await everything(machine, parts(LINES))
        assert machine.proxy.accepted == 2


@virtual
@pytest.mark.parametrize(("seed", "lines"), [(1, LINES), (2, LINES // 10), (3, LINES // 10)])
async def test_twenty_cuts_at_any_byte_lose_and_double_nothing(seed, lines):
    dice = random.Random(seed)
    async with a_machine() as machine:
        machine.proxy.slow(delay=0.025, rate=1e6)
        up, down = machine.proxy.up.passed, machine.proxy.down.passed
        machine.proxy.up.cut_at(*(up + dice.randrange(1, 25 * lines) for _ in range(15)))
        machine.proxy.down.cut_at(*(down + dice.randrange(1, lines) for _ in range(5)))
        everybody_speaks(machine, parts(lines))
        await everything(machine, parts(lines))
        assert machine.proxy.broken == 20
        assert machine.trouble == []


@virtual
async def test_cuts_at_every_place_of_the_handshake_are_only_cuts():
    """TLS, the request, the hello, its answer, the keys: an answer that is lost must lock nobody out."""
    async with a_machine() as machine:
        places = list(itertools.accumulate(range(1, 3000, 31)))
        machine.proxy.up.cut_at(*(machine.proxy.up.passed + place for place in places))
        machine.proxy.down.cut_at(*(machine.proxy.down.passed + place for place in places))
        machine.proxy.cut()
        everybody_speaks(machine, parts(5000))
        await everything(machine, parts(5000))
        assert machine.proxy.broken > len(places)
        assert machine.trouble == []


@virtual
@pytest.mark.parametrize("seconds", [1.0, 60.0])
@pytest.mark.parametrize("how", ["refused", "silent", "held"])
async def test_what_was_said_in_a_cut_arrives_after_it(seconds, how):
    async with a_machine() as machine:
        some = parts(2000)
        everybody_speaks(machine, some[:20])
        await asyncio.sleep(5)
        match how:
            case "refused":
                await machine.proxy.refuse()
                machine.proxy.cut()
            case "silent":
                machine.proxy.deaf()
            case "held":
                machine.proxy.up.hold()
                machine.proxy.down.hold()
        everybody_speaks(machine, some[20:], first=21)
        await asyncio.sleep(seconds)
        assert {role: len(ear.heard) for role, ear in machine.ears.items()} == {"agent": 20, "control": 20, "call": 20}
        await machine.proxy.heal()
        await everything(machine, some)
        assert machine.trouble == []
        # Connections that fell silent are given up after 8 s only; then people are told, and that it is over.
        assert len(machine.away) == (0 if seconds < AWAY and how != "silent" else 2)


@virtual
@pytest.mark.parametrize("way", ["up", "down"])
async def test_one_direction_may_be_dead_for_a_minute(way):
    async with a_machine() as machine:
        some = parts(2000)
        everybody_speaks(machine, some[:20])
        getattr(machine.proxy, way).hold()
        everybody_speaks(machine, some[20:], first=21)
        await asyncio.sleep(60)
        await machine.proxy.heal()
        await everything(machine, some)
        assert machine.proxy.accepted > 2  # both were given up and dialled again
        assert machine.trouble == []


@virtual
async def test_two_reconnects_in_quick_succession_are_one_return():
    async with a_machine() as machine:
        machine.proxy.slow(delay=0.05, rate=1e6)
        everybody_speaks(machine, parts(5000))
        for met in (4, 6, 8):
            machine.proxy.cut()
            await machine.proxy.met(met)
            await machine.proxy.up.reached(machine.proxy.up.passed + 1000)  # in the middle of TLS
        await everything(machine, parts(5000))
        assert machine.trouble == []


@virtual
async def test_an_agent_cut_off_for_good_has_ended_before_the_hub_calls_it_lost():
    """Only then may what ran there be tried elsewhere."""
    async with a_machine() as machine:
        await machine.proxy.refuse()
        machine.proxy.cut()
        began = machine.clock()
        reason = await machine.ended
        assert machine.verdicts == []
        assert began + SILENCE + 60.0 <= machine.clock() <= began + SILENCE + 60.0 + 2.1
        assert "nothing was heard of the hub" in reason
        await machine.until(lambda: machine.verdicts)
        assert machine.clock() <= began + SILENCE + 60.0 + MARGIN + 4.1
        assert "was not heard of" in machine.verdicts[0]
        assert all(ear.over for ear in machine.ears.values())
        assert len(machine.away) == 1


@virtual
async def test_one_dead_direction_ends_both_ends_in_the_same_order():
    """The hub hears the agent to its last moment when only the hub's words are lost, and the other way round."""
    for way in ("up", "down"):
        async with a_machine() as machine:
            getattr(machine.proxy, way).hold()
            await machine.ended
            assert machine.verdicts == []
            await machine.until(lambda told=machine.verdicts: told)


@virtual
async def test_what_must_not_wait_does_not_wait_for_bulk():
    """A megabyte a second, and 8 of them are on their way."""
    async with a_machine() as machine:
        machine.proxy.slow(delay=0.025, rate=1e6)
        machine.call.say(wire.Done(1, True, bytes(8_000_000), 0, 0))
        await machine.proxy.up.reached(machine.proxy.up.passed + 2_000_000)
        for number in range(10):
            asked = machine.clock()
            machine.ears["control"].say(wire.Look(number, wire.Query("describe")))
            await machine.until(lambda n=number: machine.control.heard[-1:] == [wire.Look(n, wire.Query("describe"))])
            machine.control.say(wire.Looked(number, wire.Answer(found=True)))
            await machine.until(lambda n=number: len(machine.ears["control"].heard) > n)
            assert machine.clock() - asked < 0.3
        assert machine.ears["call"].heard == []
        await machine.until(lambda: machine.ears["call"].heard)
        assert sum(map(len, machine.ears["call"].heard[0].body)) == 8_000_000  # in pieces, as it came


@virtual
async def test_a_reader_that_does_not_read_holds_up_its_producer_and_nobody_else():
    async with a_machine() as machine:
        machine.ears["call"].hold(True)
        for n in range(1, 400):
            machine.call.say(wire.Yielded(1, n, bytes(100_000)))
        assert machine.call.pressed
        machine.control.say(control_says(1, range(3)))
        await machine.until(lambda: machine.ears["control"].heard)
        await asyncio.sleep(120)
        assert machine.ears["call"].heard == []
        assert machine.call.pressed
        assert machine.proxy.up.passed < 8_000_000  # a window's worth, of forty
        machine.ears["call"].hold(False)
        await machine.until(lambda: len(machine.ears["call"].heard) == 399)
        assert not machine.call.pressed


@virtual
async def test_credit_that_was_lost_in_a_cut_is_given_again():
    """Everything that was allowed is sent and read, and all that would allow more is lost."""
    async with a_machine() as machine:
        machine.proxy.down.hold()
        for n in range(1, 41):
            machine.call.say(wire.Yielded(1, n, bytes(250_000)))
        await asyncio.sleep(1)
        assert 10 < len(machine.ears["call"].heard) < 40
        machine.proxy.cut()
        await machine.proxy.heal()
        await machine.until(lambda: len(machine.ears["call"].heard) == 40)
        assert [one.n for one in machine.ears["call"].heard] == list(range(1, 41))


@virtual
async def test_a_conversation_that_ended_in_the_cut_said_its_last_word():
    async with a_machine() as machine:
        await machine.proxy.refuse()
        machine.proxy.cut()
        machine.call.say(wire.Done(1, True, b"the result", 0, 0))
        machine.call.channel.close()
        await asyncio.sleep(60)
        await machine.proxy.heal()
        await machine.until(lambda: machine.ears["call"].over)
        assert [one.body for one in machine.ears["call"].heard] == [b"the result"]


@virtual
async def test_who_was_sent_away_in_a_cut_is_refused_and_ends():
    async with a_machine() as machine:
        await machine.proxy.refuse()
        machine.proxy.cut()
        machine.gate.withdraw(AGENT)
        await machine.proxy.heal()
        assert "CannotRun" in await machine.ended
        assert len(machine.verdicts) == 1


@virtual
async def test_an_answer_that_is_lost_locks_nobody_out_though_its_receiver_spoke_at_once():
    """The agent's first word on a connection is on its way before the answer with the next key has come."""
    async with a_machine() as machine:
        link = machine.connections
        machine._holding.cancel()
        await asyncio.gather(machine._holding, return_exceptions=True)
        carrier = machine.gate._distants[AGENT].carrier("agent")
        await asyncio.sleep(1)
        key = machine.keys[-1]
        for _ in range(3):
            connection = await link._dial("agent", key)
            await connection.send(wire.encode(wire.Resume(link.small.track.got)))
            await asyncio.sleep(1)
            assert carrier.connected
            connection.transport.abort()  # its answer was never read
            await asyncio.sleep(1)
            assert not carrier.connected
        await link._dial("agent", key)
        assert machine.trouble == []
