"""What a lying executor may answer when the editor looks at live objects: text that is shown as text, and names only where a
name is written into the file."""

from __future__ import annotations

import ast
import json

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fuzz.making import messages, texts

from yonder import wire
from yonder_lsp import completion, hover, rpc
from yonder_lsp import status as states
from yonder_lsp.cursor import Call
from yonder_lsp.names import HINT, LONGEST, Names
from yonder_lsp.sessions import Epoch, Sessions

HERE = {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 0}}


@settings(max_examples=60, derandomize=True, deadline=None)
@given(answer=messages(wire.Answer), name=texts, index=st.integers(0, 5), keyword=texts)
def test_whatever_is_answered_can_be_shown(answer, name, index, keyword):
    assert isinstance(hover.markdown(name, answer, None), str)
    shown = hover.signature(name, answer, Call((), index, keyword, frozenset({keyword} - {""})))
    if shown is not None:
        assert shown["activeParameter"] >= 0
    entries = completion.merge(
        completion.members(answer.members), completion.parameters(answer.parameters, set()), completion.python_names()
    )
    for defaults in (True, False):
        found = completion.listed(entries, range_=HERE, data={}, incomplete=False, defaults=defaults)
        json.loads(rpc.raw(found).body)


EPOCH = Epoch("main", 7, 1, busy=False)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(answers=st.lists(messages(wire.Answer), min_size=1, max_size=3))
def test_names_of_any_answer_are_names_and_their_hints_one_line(answers):
    names = Names()
    for answer in answers:
        names.apply(EPOCH, names.since(EPOCH), answer, 1.0)
        table = names.table(EPOCH)
        for name, row in table.rows.items() if table is not None else ():
            assert name.isidentifier()
            assert len(name) <= LONGEST
            assert len(row.short) <= HINT
            assert row.short.isprintable()


HOSTILE = (
    st.sampled_from(["x\nimport os", "x;y", "x()", "", " ", "x\u2028y", "a-b", "x\x00", '"]; evil(); d["', "\\"])
    | texts
)


@settings(max_examples=60, derandomize=True, deadline=None)
@given(name=HOSTILE, rank=st.integers(-(2**63), 2**64 - 1))
def test_a_name_that_is_taken_over_is_one_name(name, rank):
    member = wire.Member(name=name, kind="a", rank=rank)
    for entry in completion.members([member]):
        assert (entry.insert or entry.label).isidentifier()
    for entry in completion.parameters([wire.Parameter(name, name)], set()):
        assert entry.label.removesuffix("=").isidentifier()


@settings(max_examples=60, derandomize=True, deadline=None)
@given(name=HOSTILE, quote=st.sampled_from(["", "'", '"']))
def test_a_key_that_is_taken_over_is_one_string(name, quote):
    for entry in completion.keys([wire.Member(name=name, kind="k", rank=0)], quote, close=True):
        written = f"d[{quote}{entry.insert}".encode("utf-8", "replace").decode()
        if "\x00" in name:
            continue  # no Python source, and refused as one
        tree = ast.parse(written, mode="eval")
        assert isinstance(tree.body, ast.Subscript)
        assert isinstance(tree.body.slice, ast.Constant)


LOCAL = states.Local(cluster="on", hub_pid=1, python="", python_version="", problem="", slow=False, folder="")


@settings(max_examples=40, derandomize=True, deadline=None)
@given(status=messages(wire.Status), changes=st.lists(messages(wire.SessionChanged), max_size=3))
def test_any_status_can_be_shown(status, changes):
    sessions = Sessions()
    sessions.snapshot(status.sessions, 1.0)
    for change in changes:
        sessions.changed(change)
    json.loads(rpc.raw(states.compose(status, LOCAL, sessions.states())).body)
