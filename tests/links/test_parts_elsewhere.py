"""Large arguments for executors elsewhere: once per machine, whichever of its processes run the calls."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from tests.links.elsewhere import elsewhere

import yonder
from yonder import seat

SIZE = 3_000_000


def mark(value):
    return hashlib.sha256(repr(value).encode()).hexdigest()


def same(number, value, known):
    return number, mark(value) == known


def store():
    """Where the agent keeps things for the worker that runs this."""
    return str(Path(seat.current().hub).parent)


def files(_):
    """The sizes of the parts on this machine."""
    return sorted(file.stat().st_size for file in Path(store()).glob("*/parts/*"))


@pytest.fixture
def world(tmp_path):
    with elsewhere(tmp_path / "meeting") as made:
        yield made


def look(data, number):
    """Changes its own copy where it can."""
    found = data[0], data[-1], len(data), number, os.getpid()
    if isinstance(data, bytearray):
        data[0] = 99
    return found


def test_a_fresh_process_on_the_machine_costs_no_transfer(world):
    data = bytearray(os.urandom(SIZE))
    data[0] = 1
    with yonder.Pool("fresh", backend="docker", max=1, isolation="process", preload=[]) as pool:
        first = pool.call(look, data, 0)
        passed = world.proxy.down.passed
        assert passed > SIZE
        more = [pool.call(look, data, number) for number in range(1, 5)]
        assert world.proxy.down.passed - passed < SIZE // 10
    everyone = [first, *more]
    assert [found[:4] for found in everyone] == [(1, data[-1], SIZE, number) for number in range(5)]
    assert len({found[4] for found in everyone}) == 5


@pytest.mark.parametrize(
    "value",
    [
        os.urandom(SIZE),
        os.urandom(SIZE // 2).hex(),
        {number: f"{number:06} is {number * number}" for number in range(100_000)},
    ],
    ids=["bytes", "str", "dict"],
)
def test_what_lies_in_the_stream_travels_once_too(world, value):
    with yonder.Pool("stream", backend="docker", max=1, isolation="process", preload=[]) as pool:
        assert pool.call(same, 0, value, mark(value)) == (0, True)
        passed = world.proxy.down.passed
        assert list(pool.map(same, range(1, 5), [value] * 4, [mark(value)] * 4, chunksize=2)) == [
            (n, True) for n in range(1, 5)
        ]
        assert world.proxy.down.passed - passed < SIZE // 5


def test_nothing_is_named_where_nothing_is_wished(world):
    data = os.urandom(SIZE)
    with yonder.Pool("none", backend="docker", max=1, preload=[], blob_bytes=0) as pool:
        pool.call(len, "it is there")
        passed = world.proxy.down.passed
        assert pool.call(len, data) == pool.call(len, data) == SIZE
        assert world.proxy.down.passed - passed > 2 * SIZE


def test_the_agent_keeps_what_the_program_keeps_and_deletes_it_with_it(world):
    with yonder.Pool("files", backend="docker", max=1, preload=[], blob_bytes=100_000) as pool:
        pool._line._blobs._most = SIZE
        assert pool.call(files, os.urandom(SIZE)) == [SIZE]
        assert pool.call(files, os.urandom(SIZE - 1)) == [SIZE - 1]  # the other one had to go
        assert pool.call(files, os.urandom(150_000)) == [150_000]


def test_workers_beside_each_other_share_one_transfer(world):
    data = bytearray(os.urandom(SIZE))
    data[0] = 1
    with yonder.Pool("wide", backend="docker", max=1, concurrency=4, preload=[]) as pool:
        pool.call(len, "it is there")
        passed = world.proxy.down.passed
        found = [future.result() for future in [pool.submit(look, data, number) for number in range(12)]]
        assert SIZE < world.proxy.down.passed - passed < SIZE * 1.5
    assert [one[:4] for one in found] == [(1, data[-1], SIZE, number) for number in range(12)]
