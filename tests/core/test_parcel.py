"""Parcels: the layout, and what goes beside the stream."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yonder import parcel, payload, wire
from yonder.errors import SerializationError

np = pytest.importorskip("numpy")
arrays = pytest.importorskip("hypothesis.extra.numpy")

_pieces = st.lists(st.binary(max_size=200), max_size=5)


@given(stream=_pieces, parts=_pieces)
def test_what_was_sealed_is_opened(stream, parts):
    data = bytearray().join(parcel.sealed(stream, [memoryview(part) for part in parts]))
    found, buffers = parcel.opened(memoryview(data))
    assert parcel.is_parcel(data)
    assert b"".join(found) == b"".join(stream)
    assert [bytes(buffer) for buffer in buffers] == parts
    assert not any(buffer.readonly for buffer in buffers)


@given(parts=st.lists(st.binary(min_size=1, max_size=200), min_size=1))
def test_every_part_begins_at_a_multiple_of_64(parts):
    pieces = parcel.sealed([b"stream"], [memoryview(part) for part in parts])
    at = 0
    for piece in pieces:
        if isinstance(piece, memoryview):
            assert at % 64 == 0
        at += len(piece)


def test_a_part_may_be_named_by_its_hash():
    named = parcel.Named(b"h" * 32, 5)
    data = bytearray().join(parcel.sealed([b"stream"], [memoryview(b"here"), named, memoryview(b"too")]))
    assert parcel.names(memoryview(data)) == [named]
    wanted = []
    _, buffers = parcel.opened(memoryview(data), lambda part: wanted.append(part) or memoryview(b"there"))
    assert (wanted, [bytes(part) for part in buffers]) == ([named], [b"here", b"there", b"too"])
    with pytest.raises(SerializationError, match="cannot be fetched here"):
        parcel.opened(memoryview(data))


def test_a_stretch_of_the_stream_may_be_named_too():
    named, part = parcel.Named(b"h" * 32, 5), parcel.Named(b"i" * 32, 7)
    data = bytearray().join(parcel.sealed([b"a", b"b", named, named, b"c"], [memoryview(b"here"), part]))
    assert parcel.names(memoryview(data)) == [named, named, part]
    fetched = {named: b"there", part: b"far"}
    stream, buffers = parcel.opened(memoryview(data), lambda part: memoryview(fetched[part]))
    assert b"".join(stream) == b"abtheretherec"
    assert [bytes(buffer) for buffer in buffers] == [b"here", b"far"]
    with pytest.raises(SerializationError, match="cannot be fetched here"):
        parcel.opened(memoryview(data))


@given(cut=st.integers(0, 400), flips=st.lists(st.tuples(st.integers(0, 90), st.integers(0, 255)), max_size=4))
def test_a_damaged_one_is_refused_in_words_or_gives_some_bytes(cut, flips):
    data = bytearray().join(parcel.sealed([b"stream"], [memoryview(b"x" * 100), memoryview(b"y" * 90)]))
    for at, value in flips:
        data[at] = value
    try:
        stream, buffers = parcel.opened(memoryview(data)[:cut])
    except SerializationError:
        return
    assert sum(map(len, stream)) + sum(map(len, buffers)) <= cut


def test_a_head_that_claims_more_than_there_is():
    head = parcel._HEAD.pack(parcel.MAGIC, 0xFFFFFFFF, 2**63)
    with pytest.raises(SerializationError, match="not whole"):
        parcel.opened(memoryview(head))


# ── what pack makes of values ──


def _beside(body):
    data = bytearray().join(body) if isinstance(body, list) else bytearray(body)
    return [len(part) for part in parcel.opened(memoryview(data))[1]] if parcel.is_parcel(data) else []


def test_small_values_are_the_bare_stream():
    for value in (None, 1, "x", {"a": [1, 2]}, np.arange(3), b"x" * 1000):
        body = payload.pack(value)
        assert type(body) is bytes
        assert body[:2] == b"\x80\x05"


def test_a_large_array_is_not_in_the_stream():
    array = np.arange(100_000)
    assert _beside(payload.pack({"here": array, "again": array, "small": np.arange(5)})) == [array.nbytes]


def test_large_bytes_are_not_copied_on_their_way_out():
    value = bytes(200_000)
    assert any(piece is value for piece in payload.pack(("x", value)))
    assert any(piece is value for piece in payload.pack_call((value,), {}))
    assert payload.unpack(payload.pack(("x", value))) == ("x", value)


def test_what_changes_after_packing_has_been_taken_as_it_was():
    array, text = np.zeros(100_000), bytearray(b"a" * 200_000)
    body = payload.pack((array, text))
    array[:] = 1
    text[:] = b"b" * 200_000
    found, said = payload.unpack(body)
    assert not found.any()
    assert said == b"a" * 200_000
    assert type(said) is bytearray


def test_who_receives_may_write_and_nobody_else_sees_it():
    array = np.zeros(100_000)
    body = payload.pack([array, array[:10]])
    first, second = payload.unpack(body), payload.unpack(body)
    first[0][:] = 1
    assert first[0].flags.writeable
    assert not second[0].any()
    assert not array.any()


def test_a_body_that_came_in_one_piece_is_the_values_memory():
    body = [bytearray().join(payload.pack(np.zeros(100_000)))]
    value = payload.unpack(body)
    assert not value.any()
    value[:] = 2
    assert payload.unpack(body).all()


def test_what_is_lent_is_not_copied():
    array = np.zeros(100_000)
    body = payload.pack(array, lent=True)
    message = wire.Done(1, True, body, 0, -1)
    array[0] = 5
    (found,) = wire.Parser(wire.CallToHub, gather=True).feed(b"".join(wire.parts(message)))
    assert payload.unpack(found.body)[0] == 5
    assert payload.unpack(payload.pack(np.ones(10), lent=True)).all()


def test_what_may_not_be_written_still_may_not():
    array = np.zeros(100_000)
    array.flags.writeable = False
    assert not payload.unpack(payload.pack(array)).flags.writeable


@given(
    array=arrays.arrays(
        arrays.scalar_dtypes() | arrays.array_dtypes() | arrays.nested_dtypes(),
        arrays.array_shapes(max_dims=3, max_side=40),
    ),
    order=st.sampled_from("CF"),
    step=st.sampled_from([1, 2, -1]),
    bound=st.sampled_from([0, 64, 16384]),
)
def test_every_array_arrives_to_the_bit(array, order, step, bound):
    value = np.asarray(array, order=order)[::step]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(payload, "BESIDE", bound)
        patch.setattr(payload, "LARGE", bound)
        found = payload.unpack(payload.pack([value, value]))
    assert found[0] is found[1]
    like = pickle.loads(pickle.dumps(value, 5))  # numpy itself turns some of foreign byte order around
    assert (found[0].dtype, found[0].shape, found[0].tobytes()) == (like.dtype, like.shape, like.tobytes())


def test_object_arrays_and_frames():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"x": np.arange(50_000), "y": ["a", "b"] * 25_000})
    body = payload.pack(frame)
    assert 400_000 in _beside(body)
    pandas.testing.assert_frame_equal(payload.unpack(body), frame)
    mixed = np.array([1, "x", None], dtype=object)
    assert list(payload.unpack(payload.pack(mixed))) == [1, "x", None]


def test_members_of_a_chunk_may_be_parcels():
    array = np.arange(50_000)
    members = payload.unpack_chunk(payload.pack_chunk([payload.pack_call((array,), {}), payload.pack_call((1,), {})]))
    assert (payload.unpack(members[0])[0][0] == array).all()
    assert payload.unpack(members[1]) == ((1,), {})


def test_an_exception_with_an_array_travels():
    error = ValueError("no", np.arange(50_000))
    body = payload.pack_exception(error)
    assert type(body) is bytes
    assert (payload.exception(body, None).args[1] == error.args[1]).all()


def test_through_the_wire_in_pieces_and_in_one():
    array = np.arange(100_000)
    message = wire.Done(1, True, payload.pack(array), 0, -1)
    for gather in (False, True):
        parser = wire.Parser(wire.CallToHub, gather=gather)
        (found,) = parser.feed(wire.frames(message))
        value = payload.unpack(found.body)
        assert (value == array).all()
        value[0] = 7  # it is its own
