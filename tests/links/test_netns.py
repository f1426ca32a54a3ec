"""Two namespaces, and a wire that does what a test says."""

import socket
import threading

import pytest
from tests.links.netns import A, B, Way, Wire, why_not
from tests.links.proxy import Pace

REASON = why_not()
needs_namespaces = pytest.mark.skipif(bool(REASON), reason=REASON)


@pytest.fixture
def wire():
    with Wire() as made:
        yield made


@pytest.fixture
def joined(wire):
    """Both ends of a TCP connection over the wire."""
    with wire.socket(wire.b) as listener, wire.socket(wire.a) as near:
        listener.bind((B, 0))
        listener.listen()
        near.connect(listener.getsockname())
        far, who = listener.accept()
        assert who[0] == A
        with far:
            yield wire, near, far


def all_of(far, count):
    found = b""
    while len(found) < count:
        found += far.recv(1 << 16)
    return found


@needs_namespaces
def test_what_is_lost_is_sent_again_by_the_kernel(joined):
    wire, near, far = joined
    wire.slow(delay=0.002, loss=0.05)
    text = bytes(range(256)) * 800
    sender = threading.Thread(target=near.sendall, args=(text,))
    sender.start()
    assert all_of(far, len(text)) == text
    sender.join()
    assert wire.up.lost > 0


@needs_namespaces
def test_one_direction_can_be_dead_and_come_back(joined):
    wire, near, far = joined
    wire.down.dead = True
    near.sendall(b"there")
    assert all_of(far, 5) == b"there"
    far.sendall(b"back")
    near.settimeout(0.3)
    with pytest.raises(TimeoutError):
        near.recv(10)
    wire.down.dead = False
    near.settimeout(30)
    assert near.recv(10) == b"back"


@needs_namespaces
def test_nothing_else_is_reachable_from_a_namespace(wire):
    with wire.socket(wire.a) as alone:
        alone.settimeout(5)
        with pytest.raises(OSError, match="unreachable"):
            alone.connect(("192.0.2.1", 9))


def test_losses_come_from_dice_that_fall_alike_every_time():
    def fate(seed):
        way = Way(seed)
        way.loss = 0.3
        return [way.due(float(n), 100) is None for n in range(200)]

    assert fate(1) == fate(1)
    assert fate(1) != fate(2)
    assert 30 < sum(fate(1)) < 90


def test_a_full_queue_loses_and_lets_through_again():
    way = Way(1)
    way.pace = Pace(rate=1000.0)
    fates = [way.due(5.0, 20) for _ in range(10)]
    assert [at is None for at in fates] == [False] * 5 + [True] * 5
    assert way.due(6.0, 20) == pytest.approx(6.02)
    assert (way.passed, way.lost) == (6, 5)


def test_a_socket_of_this_process_stays_where_it_was():
    if REASON:
        pytest.skip(REASON)
    with Wire() as wire, wire.socket(wire.b) as inside, socket.socket() as outside:
        inside.bind((B, 0))
        with pytest.raises(OSError):
            outside.bind((B, 0))
