"""What a lying hub or executor may tell the language server: everything is stored and shown, or refused, in words."""

from __future__ import annotations

import itertools
import json

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fuzz.making import messages, numbers, travelled

from yonder import wire
from yonder_lsp import protocol, rpc
from yonder_lsp.store import Limits, Store

LIMITS = Limits(runs=3, size=10_000, letters=500, points=20, texts=300, pictures=30, hubs=2)
EVENTS = st.lists(messages(wire.Event), max_size=12)


def asked_of(store):
    """Everything that the panel can ask for, as it goes out."""
    yield store.runs(0)
    for run in [run.run for run in store.runs(0).runs]:
        yield store.output(protocol.OutputParams(run=run))
        yield store.calls(protocol.CallsParams(run=run))
        yield store.displays(protocol.DisplaysParams(run=run))
        for x, pixels in itertools.product(("step", "time"), (1, 600)):
            yield store.series(protocol.SeriesParams(run=run, x=x, pixels=pixels))


@settings(max_examples=60, derandomize=True, deadline=None)
@given(batches=st.lists(EVENTS, min_size=1, max_size=3))
def test_whatever_a_hub_tells_is_stored_and_can_be_shown(tmp_path_factory, batches):
    store = Store(tmp_path_factory.mktemp("fuzz") / "runs.sqlite", now=lambda: 1000.0, limits=LIMITS)
    numbered = itertools.count(1)
    try:
        store.apply("hub", [wire.Numbered(next(numbered), wire.Phase("r", "running", 1.0))])
        for events in batches:
            told = [travelled(wire.Numbered(next(numbered), event), wire.Numbered) for event in events]
            last = store.apply("hub", told)
            assert last == max([message.n for message in told], default=last)
            for answer in asked_of(store):
                json.loads(rpc.raw(answer).body)
    finally:
        store.close()


@settings(max_examples=100, derandomize=True, deadline=None)
@given(n=numbers, fd=numbers)
def test_numbers_that_cannot_be_kept_are_refused_at_the_door(n, fd):
    for message, fits in (
        (wire.Numbered(n, wire.Phase("r", "running", 1.0)), 0 < n < 2**63),
        (wire.Numbered(1, wire.Output("r", "", fd, "text", 1.0)), fd in (1, 2)),
    ):
        try:
            wire.Parser(wire.HubToOwner).message(wire.encode(message))
        except wire.WireError:
            assert not fits
        else:
            assert fits
