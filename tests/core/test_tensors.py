"""torch's tensors: to the bit, with what they share, on the device that is there."""

from __future__ import annotations

import math
import subprocess
import sys
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yonder import payload, tensors

torch = pytest.importorskip("torch")

_DTYPES = [
    getattr(torch, name)
    for name in [
        "bool",
        "uint8",
        "int8",
        "int16",
        "int32",
        "int64",
        "uint16",
        "uint32",
        "uint64",
        "float16",
        "bfloat16",
        "float32",
        "float64",
        "complex32",
        "complex64",
        "complex128",
        "float8_e4m3fn",
        "float8_e5m2",
    ]
    if hasattr(torch, name)
]


def there_and_back(value, bound=0):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(payload, "BESIDE", bound)
        patch.setattr(payload, "LARGE", 64)
        return payload.unpack(payload.pack(value))


class MadeForIt:
    """Travels as a tensor that exists for the journey only."""

    def __init__(self, size):
        self.size = size

    def __getstate__(self):
        return torch.full((self.size,), 7.0)

    def __setstate__(self, state):
        self.state = state


def test_what_was_made_for_the_journey_lives_until_its_end():
    arrived = there_and_back([MadeForIt(40_000) for _ in range(100)])
    assert all(bool((one.state == 7).all()) for one in arrived)


def raw(tensor):
    return bytes(tensor.detach().resolve_conj().resolve_neg().contiguous().reshape(-1).view(torch.uint8).numpy())


@pytest.mark.filterwarnings("ignore:ComplexHalf")
@settings(max_examples=150, deadline=None)
@given(
    dtype=st.sampled_from(_DTYPES),
    shape=st.lists(st.integers(0, 5), max_size=3),
    data=st.randoms(use_true_random=False),
    bound=st.sampled_from([0, 40, 16384]),
)
def test_every_dtype_shape_and_stride_to_the_bit(dtype, shape, data, bound):
    size = math.prod(shape) * dtype.itemsize
    whole = torch.frombuffer(bytearray(data.randbytes(size)) or bytearray(16), dtype=torch.uint8)[:size]
    if dtype is torch.bool:
        whole = whole & 1
    value = (whole.view(dtype) if size else torch.empty(0, dtype=dtype)).reshape(shape)
    views = [value]
    if shape:
        views += [value.transpose(0, -1), value[shape[0] // 2 :]]
    for sent, found in zip(views, there_and_back(views, bound), strict=True):
        assert (found.dtype, found.shape, found.stride()) == (sent.dtype, sent.shape, sent.stride())
        assert found.storage_offset() == sent.storage_offset()
        assert raw(found) == raw(sent)
    found = there_and_back(views, bound)
    assert len({one.untyped_storage().data_ptr() for one in found}) <= 1


def test_two_views_of_one_storage_are_so_there():
    base = torch.arange(100_000)
    value, view, other = there_and_back([base, base[10:20], base.view(torch.float64)], 16384)
    value[12] = -1
    assert view[2] == -1
    assert other.untyped_storage().data_ptr() == value.untyped_storage().data_ptr()
    assert base[12] == 12


def test_a_module_with_tied_weights():
    model = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.BatchNorm1d(64), torch.nn.Linear(64, 64))
    model[2].weight = model[0].weight
    found = there_and_back(model, 1024)
    assert found[2].weight is found[0].weight
    assert isinstance(found[0].weight, torch.nn.Parameter)
    assert found[0].weight.requires_grad
    for name, value in model.state_dict().items():
        assert torch.equal(found.state_dict()[name], value)
    torch.optim.SGD(found.parameters(), 0.1).step()
    found(torch.ones(3, 64)).sum().backward()


def test_gradients_and_optimisers():
    leaf = torch.ones(5000, requires_grad=True)
    leaf.sum().backward()
    plain = there_and_back([leaf, leaf.detach()])
    assert [value.requires_grad for value in plain] == [True, False]
    optimiser = torch.optim.AdamW([leaf])
    optimiser.step()
    state = there_and_back(optimiser.state_dict(), 1024)
    assert torch.equal(state["state"][0]["exp_avg"], optimiser.state_dict()["state"][0]["exp_avg"])


@pytest.mark.filterwarnings("ignore:Sparse")
def test_conjugated_negated_and_sparse():
    numbers = torch.randn(50, dtype=torch.complex64)
    conj, neg = there_and_back([numbers.conj(), numbers.conj().imag])
    assert torch.equal(conj, numbers.conj())
    assert torch.equal(neg, numbers.conj().imag)
    dense = torch.eye(40)
    for value in (dense.to_sparse(), dense.to_sparse_csr(), dense.to_sparse_csc()):
        found = there_and_back(value)
        assert found.layout == value.layout
        assert torch.equal(found.to_dense(), dense)


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor", "ignore:TypedStorage")
def test_quantised_meta_and_empty():
    value = torch.quantize_per_tensor(torch.arange(100.0), 0.5, 3, torch.quint8)
    found = there_and_back(value)
    assert (found.q_scale(), found.q_zero_point()) == (0.5, 3)
    assert torch.equal(found.int_repr(), value.int_repr())
    assert there_and_back(torch.empty(1000, 10, device="meta")).device.type == "meta"
    assert there_and_back(torch.empty(0, 3)).shape == (0, 3)
    assert there_and_back(torch.storage.UntypedStorage(8)).nbytes() == 8


def test_its_bytes_are_beside_the_stream():
    body = payload.pack(torch.zeros(1_000_000))
    assert sum(len(piece) for piece in body if len(piece) < 4_000_000) < 2000


def test_what_was_received_is_ones_own():
    body = payload.pack(torch.zeros(100_000))
    first, second = payload.unpack(body), payload.unpack(body)
    first += 1
    assert not second.any()


class Accelerator:
    def __init__(self, count):
        self.count = count

    def is_available(self):
        return self.count > 0

    def device_count(self):
        return self.count

    def current_device(self):
        return 0


@pytest.mark.parametrize(
    ("device", "count", "where"),
    [
        ("cpu", 0, "cpu"),
        ("meta", 0, "meta"),
        ("cuda:1", 2, "cuda:1"),
        ("cuda:1", 1, "cuda:0"),
        ("cuda:0", 0, "cpu"),
        ("xpu:0", 0, "cpu"),
    ],
)
def test_where_it_goes(device, count, where):
    assert tensors.place(SimpleNamespace(cuda=Accelerator(count)), device) == where


def test_nothing_is_imported_for_who_has_no_torch():
    code = "import sys; from yonder import payload; payload.unpack(payload.pack([object])); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
