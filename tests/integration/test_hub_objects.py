"""Calls on their way to objects of several workers, on a hub with workers of paper."""

from __future__ import annotations

from tests.integration.paper_hub import a_paper_hub

from yonder import wire
from yonder.hub import objects, spill


def named(letter: str) -> bytes:
    return letter.encode() * wire.REF


async def keepers(paper, program, **sizes):
    """Workers that each keep an object, of which the program has the handle."""
    calls = [program.submits("p") for _ in sizes]
    workers = [await paper.agent.worker(nth) for nth in range(1, len(sizes) + 1)]
    for worker, (letter, size) in zip(workers, sizes.items(), strict=True):
        task = (await worker.hears(wire.Call)).task
        worker.says(wire.Kept(1, wire.Facts(named(letter), "list", size)))
        worker.says(wire.Done(task, True, b"v", 0, 0, refs=[named(letter)]))
        worker.says(wire.Release({named(letter): 1}))
    for call in calls:
        await program.end_of(call)
    return workers


async def three_objects(paper):
    """A program that has handles of objects of three workers, and a call that needs all of them."""
    program = await paper.a_pool(name="p", max=3)
    workers = await keepers(paper, program, a=300, b=200, c=100)
    refs = [named(letter) for letter in "abc"]
    program.says(wire.Submit(50, "p", b"f", b"body", b"args", "work", refs=refs, needs=refs))
    return program, workers


async def test_objects_meet_where_most_of_them_is():
    async with a_paper_hub() as paper:
        program, (first, second, third) = await three_objects(paper)
        for worker, body in ((second, b"B"), (third, b"C")):
            worker.done((await worker.hears(wire.Fetch)).task, body)
        call = await first.hears(wire.Call, 2)
        assert {stow.ref: stow.body for stow in first.of(wire.Stow)} == {named("b"): b"B", named("c"): b"C"}
        first.done(call.task)
        assert (await program.end_of(50)).outcome == "ok"


async def test_what_comes_for_a_call_that_has_failed_is_held_by_nobody():
    async with a_paper_hub() as paper:
        program, (_, second, third) = await three_objects(paper)
        fetch = await third.hears(wire.Fetch)
        second.failed((await second.hears(wire.Fetch)).task)
        assert (await program.end_of(50)).outcome == "error"
        third.says(wire.Kept(2, wire.Facts(named("d"), "list", 1)))
        third.says(wire.Done(fetch.task, True, b"C", 0, 0, refs=[named("d")]))
        third.says(wire.Release({named("d"): 1}))
        await third.hears(wire.Drop, refs=[named("d")])
        assert [ref for ref in map(named, "abcd") if paper.hub.keeps.find(ref, program.client)] == [
            named("a"),
            named("b"),
            named("c"),
        ]


async def test_an_end_that_nobody_waits_for_holds_nothing():
    async with a_paper_hub() as paper:
        program = await paper.a_pool(name="p", max=1)
        (worker,) = await keepers(paper, program, a=1)
        worker.says(wire.Kept(2, wire.Facts(named("b"), "list", 1)))
        worker.says(wire.Done(99, True, b"", 0, 0, refs=[named("b")]))
        worker.says(wire.Release({named("b"): 1}))
        await worker.hears(wire.Drop, refs=[named("b")])


def small_room(monkeypatch, bound: int) -> None:
    """The hub keeps so many bytes and no more."""
    monkeypatch.setattr(objects, "SPILL", spill.Spill())
    monkeypatch.setattr(spill, "BESIDE", bound)


async def test_an_object_that_is_larger_than_its_worker_had_said_stays_where_it_is(monkeypatch):
    async with a_paper_hub() as paper:
        program = await paper.a_pool(name="p", max=1)
        (worker,) = await keepers(paper, program, a=10)
        small_room(monkeypatch, 100)
        program.says(wire.Spill(7, named("a")))
        worker.done((await worker.hears(wire.Fetch)).task, b"x" * 200)
        end = await program.end_of(7)
        assert (end.outcome, end.body) == ("no_room", b"")
        assert "the hub has no room for 200 B" in end.sentence
        entry = paper.hub.keeps.find(named("a"), program.client)
        assert entry.value is None
        assert worker.of(wire.Drop) == []


async def test_what_has_no_room_is_not_even_asked_for(monkeypatch):
    async with a_paper_hub() as paper:
        program = await paper.a_pool(name="p", max=1)
        (worker,) = await keepers(paper, program, a=200)
        small_room(monkeypatch, 100)
        program.says(wire.Spill(7, named("a")))
        assert (await program.end_of(7)).outcome == "no_room"
        assert worker.of(wire.Fetch) == []


async def test_a_value_without_room_is_refused_and_its_name_is_free(monkeypatch):
    async with a_paper_hub() as paper:
        program = await paper.a_pool(name="p", max=1)
        small_room(monkeypatch, 100)
        program.says(wire.Put(7, "p", wire.Facts(named("a"), "bytes", 10), b"x" * 200, []))
        assert (await program.end_of(7)).outcome == "no_room"
        program.says(wire.Put(8, "p", wire.Facts(named("a"), "bytes", 10), b"x" * 50, []))
        assert (await program.end_of(8)).outcome == "ok"
