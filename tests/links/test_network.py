"""The hub in one network namespace, its executors in another, and between them a real kernel's TCP over a wire that is far,
narrow and loses packets, or is dead for a while. As root on Linux; elsewhere the proxy's tests say most of it."""

import pytest
from tests.links.elsewhere import elsewhere
from tests.links.netns import B, Wire, why_not
from tests.links.test_elsewhere import a_pool, double, tell, where_am_i

REASON = why_not()
pytestmark = pytest.mark.skipif(bool(REASON), reason=REASON)


@pytest.fixture
def far(tmp_path):
    """The wire, and a pool at its other end."""
    with Wire() as wire:
        inside = {"inside": wire.command(wire.a), "hub_inside": wire.command(wire.b), "listen": B, "direct": True}
        with elsewhere(tmp_path / "meeting", **inside), a_pool() as pool:
            pool.submit(double, 1).result()
            yield wire, pool


def test_calls_and_lines_over_a_wire_that_loses_one_packet_in_a_hundred(far, capsys):
    wire, pool = far
    wire.slow(delay=0.025, rate=1e6, loss=0.01)
    before = pool.submit(where_am_i).result()
    assert list(pool.map(double, range(500))) == [number * 2 for number in range(500)]
    assert pool.submit(tell, 20_000).result() == 20_000
    assert pool.submit(bytes, 1_000_000).result() == bytes(1_000_000)
    assert pool.submit(where_am_i).result() == before
    assert capsys.readouterr().out == "".join(f"{n}\n" for n in range(20_000))
    assert wire.up.lost > 0
    assert wire.down.lost > 0


def test_a_direction_that_is_dead_for_a_while_costs_nothing_but_time(far):
    wire, pool = far
    before = pool.submit(where_am_i).result()
    wire.down.dead = True
    call = pool.submit(where_am_i)
    with pytest.raises(TimeoutError):
        call.result(9.0)  # longer than both ends' patience with a connection
    wire.down.dead = False
    assert call.result() == before
