"""Which devices there are, which fit a wish, and who has which."""

import asyncio

import pytest

from yonder.backends.gpus import Gpu, Gpus, environment, read_list, visible
from yonder.backends.local import check, memory_there
from yonder.errors import BootFailed
from yonder.wire import Resources

LISTED = """GPU 0: NVIDIA L40S (UUID: GPU-aaaa-1)
  MIG 1g.5gb     Device  0: (UUID: MIG-1)
GPU 1: NVIDIA H100 80GB HBM3 (UUID: GPU-bbbb-2)
GPU 2: NVIDIA H100 80GB HBM3 (UUID: GPU-cccc-3)
"""
THREE = read_list(LISTED)


def indices(devices):
    return [gpu.index for gpu in devices]


async def take(book, executor, *wishes):
    return indices(await book.take(executor, list(wishes), lambda why: None))


def test_the_tools_list_is_read():
    assert THREE[0] == Gpu(0, "NVIDIA L40S", "GPU-aaaa-1")
    assert indices(THREE) == [0, 1, 2]
    assert read_list("No devices were found\n") == []


@pytest.mark.parametrize(
    ("allowed", "left"), [(None, [0, 1, 2]), ("", []), ("2,0", [0, 2]), ("GPU-bbbb", [1]), ("1", [1])]
)
def test_what_is_hidden_from_this_process_is_not_handed_out(allowed, left):
    assert indices(visible(THREE, allowed)) == left


async def test_kinds_counts_and_alternatives():
    book = Gpus(lambda: THREE)
    assert await take(book, "a", "h100:2") == [1, 2]
    assert await take(book, "b", "H100", "l40s") == [0]
    await book.give_back("a")
    assert await take(book, "c", "any:2") == [1, 2]


async def test_nobody_gets_a_device_that_another_has():
    book = Gpus(lambda: THREE)
    taken = [await take(book, name, "any") for name in "abc"]
    assert sorted(one for devices in taken for one in devices) == [0, 1, 2]
    said = asyncio.Event()
    late = asyncio.create_task(book.take("d", ["any"], lambda why: said.set()))
    await said.wait()
    assert not late.done()
    await book.give_back("b")
    assert indices(await late) == taken[1]


async def test_giving_back_twice_frees_once():
    book = Gpus(lambda: THREE)
    await take(book, "a", "l40s")
    await book.give_back("a")
    await book.give_back("a")
    assert await take(book, "b", "l40s") == [0]


async def test_a_machine_without_one_says_so():
    with pytest.raises(BootFailed, match="no GPU") as failed:
        await take(Gpus(list), "a", "any")
    assert "l40s" not in str(failed.value)


async def test_a_machine_with_others_names_them():
    with pytest.raises(BootFailed, match="NVIDIA L40S"):
        await take(Gpus(lambda: THREE[:1]), "a", "h100")
    with pytest.raises(BootFailed, match="asks for: 4 of any kind"):
        await take(Gpus(lambda: THREE), "a", "any:4")


def test_cuda_sees_these_and_no_others():
    assert environment(THREE[1:])["CUDA_VISIBLE_DEVICES"] == "1,2"


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (Resources(cpus=3), "cpus=3, and this machine has 2"),
        (Resources(memory=5 * 2**30), "memory=5.0 GiB, and this machine has 4.0 GiB"),
    ],
)
def test_what_this_machine_has_not_got_is_refused_in_words(asked, words):
    with pytest.raises(BootFailed, match=words):
        check(asked, processors=2, memory=4 * 2**30)


def test_what_is_there_and_what_is_not_known_is_not_refused():
    check(Resources(cpus=2, memory=4 * 2**30), processors=2, memory=4 * 2**30)
    check(Resources(memory=1 << 60), processors=1, memory=0)
    assert memory_there() > 0
