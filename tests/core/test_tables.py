"""pandas and Arrow: to the bit, beside the pickle stream and not in it."""

from __future__ import annotations

import datetime
import pickle

import pytest

from yonder import parcel, payload

np = pytest.importorskip("numpy")
pandas = pytest.importorskip("pandas")
pyarrow = pytest.importorskip("pyarrow")

ROWS = 40_000


def columns():
    """Of many kinds, each over the size from which memory stands beside the stream."""
    numbers = np.random.default_rng(7).standard_normal(ROWS)
    numbers[::7] = np.nan
    numbers[1], numbers[2] = -0.0, np.inf
    return {
        "floats": numbers,
        "ints": np.arange(ROWS, dtype=np.int64) - 5,
        "small": np.arange(ROWS, dtype=np.float32),
        "flags": np.arange(ROWS) % 3 == 0,
        "times": np.arange(ROWS).astype("datetime64[s]").astype("datetime64[ns]"),
    }


def table():
    arrays = {name: pyarrow.array(values) for name, values in columns().items()}
    arrays["words"] = pyarrow.array([None if n % 11 == 0 else f"wörd {n}" for n in range(ROWS)])
    arrays["kinds"] = pyarrow.array([f"k{n % 5}" for n in range(ROWS)]).dictionary_encode()
    arrays["lists"] = pyarrow.array([list(range(n % 4)) for n in range(ROWS)])
    arrays["pairs"] = pyarrow.array([{"a": n, "b": None} for n in range(ROWS)])
    arrays["days"] = pyarrow.array([datetime.date(2020, 1, 1)] * ROWS)
    return pyarrow.table(arrays, metadata={"made by": "a test"})


def streamed(value):
    """The body, and how many bytes of it are the pickle stream."""
    body = payload.pack(value)
    if isinstance(body, bytes):
        return body, len(body), 0
    whole = memoryview(b"".join(bytes(piece) for piece in body))
    stream, parts = parcel.opened(whole)
    return body, len(stream), sum(map(len, parts))


def buffers(array):
    """An Arrow array's memory."""
    return [None if one is None else one.to_pybytes() for one in array.buffers()]


@pytest.mark.parametrize("cut", [slice(None), slice(13, 30_001)])
def test_an_arrow_table_arrives_to_the_bit(cut):
    sent = table().slice(cut.start or 0, (cut.stop or ROWS) - (cut.start or 0))
    body, stream, beside = streamed(sent)
    assert stream < 20_000
    assert beside > 2_000_000
    found = payload.unpack(body)
    found.validate(full=True)
    assert found.schema.equals(sent.schema, check_metadata=True)
    like = pickle.loads(pickle.dumps(sent, 5))  # Arrow itself cuts what a slice does not need
    for name in sent.column_names:
        for one, other in zip(found[name].chunks, like[name].chunks, strict=True):
            assert buffers(one) == buffers(other)


def test_record_batches_tensors_and_scalars_of_arrow():
    batch = table().to_batches()[0]
    body, stream, beside = streamed(batch)
    assert stream < 20_000 < beside
    found = payload.unpack(body)
    assert found.schema.equals(batch.schema, check_metadata=True)
    assert [buffers(one) for one in found.columns] == [buffers(one) for one in batch.columns]
    array = pyarrow.array(columns()["floats"])
    body, stream, beside = streamed({"again": [array, array], "one": array[3], "type": array.type})
    assert stream < 5_000
    assert beside < 1.1 * array.nbytes  # what is shared travels once
    found = payload.unpack(body)
    assert buffers(found["again"][0]) == buffers(array)
    assert found["again"][0] is found["again"][1]
    assert (found["one"], found["type"]) == (array[3], array.type)


def test_a_data_frame_arrives_to_the_bit():
    sent = pandas.DataFrame(columns(), index=pandas.RangeIndex(5, 5 + ROWS))
    body, stream, beside = streamed(sent)
    assert stream < 20_000
    assert beside > 1_000_000
    found = payload.unpack(body)
    pandas.testing.assert_frame_equal(found, sent, check_exact=True, check_freq=True)
    for name in sent.columns:
        assert found[name].to_numpy().tobytes() == sent[name].to_numpy().tobytes()
    found["ints"] += 1  # it belongs to who received it
    assert int(sent["ints"].iloc[0]) == -5
    assert int(payload.unpack(body)["ints"].iloc[0]) in (-5, -4)


@pytest.mark.parametrize(
    "made",
    [
        lambda: pandas.Series(np.arange(ROWS), dtype="Int64").mask(pandas.Series(np.arange(ROWS) % 5 == 0)),
        lambda: pandas.Series([f"k{n % 3}" for n in range(4 * ROWS)], dtype="category"),
        lambda: pandas.Series(pandas.date_range("2020-01-01", periods=ROWS, freq="h", tz="Europe/Berlin")),
        lambda: pandas.Series(np.arange(ROWS), dtype="int64[pyarrow]"),
        lambda: pandas.Series(["a", None, "wörd"] * (ROWS // 4), dtype="string[pyarrow]"),
        lambda: pandas.Series(np.arange(ROWS) * 1.5, index=pandas.MultiIndex.from_product([range(ROWS // 4), list("abcd")])),
        lambda: pandas.Series(pandas.arrays.SparseArray(np.where(np.arange(ROWS) % 2 == 0, 1.0, np.nan))),
        lambda: pandas.Series(pandas.interval_range(0, ROWS)),
    ],
    ids=["masked", "category", "zone", "arrow ints", "arrow words", "levels", "sparse", "intervals"],
)  # fmt: skip
def test_series_of_every_kind(made):
    sent = made()
    body, stream, beside = streamed(sent)
    assert stream < 60_000
    assert beside > 0
    pandas.testing.assert_series_equal(payload.unpack(body), sent, check_exact=True)


@pytest.mark.parametrize("kind", ["M8[ns]", "M8[D]", "m8[us]"])
@pytest.mark.parametrize("order", "CF")
def test_dates_and_durations_are_not_in_the_stream(kind, order):
    sent = np.asarray(np.arange(60_000).astype(kind).reshape(200, 300), order=order)
    sent[3, 4] = "NaT"
    body, stream, beside = streamed([sent, sent])
    assert (stream < 1_000, beside) == (True, sent.nbytes)
    found, again = payload.unpack(body)
    assert found is again
    assert (found.dtype, found.tobytes("A"), found.strides) == (sent.dtype, sent.tobytes("A"), sent.strides)
    found[0] = found[1]
    assert found.flags.writeable
    assert sent[0, 0] != found[0, 0]
    pieces = payload.unpack(payload.pack(sent[::2, ::3]))  # not in one piece: numpy's own way
    assert (pieces == sent[::2, ::3])[5:].all()
    frozen = sent.copy()
    frozen.flags.writeable = False
    assert not payload.unpack(payload.pack(frozen)).flags.writeable
