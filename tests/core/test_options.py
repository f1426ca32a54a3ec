"""What a program may ask of a pool and of calls: every value that makes no sense is named before anything starts."""

from __future__ import annotations

import pytest

from yonder import resources, wire
from yonder.errors import UsageError
from yonder.options import Wishes, check_name, check_sizes, check_whole, placing_mode, pool_fields


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ("l40s", ["l40s"]),
        ("L40S:2", ["l40s:2"]),
        (2, ["any:2"]),
        (0, []),
        (["h100", "l40s"], ["h100", "l40s"]),
    ],
)
def test_gpus(wish, said):
    assert resources.gpus(wish) == said


@pytest.mark.parametrize("wish", ["", "l40s:0", "l40s:x", True, -1, [], ["h100", 3], 1.5, {"a": 1}])
def test_what_is_no_gpu(wish):
    with pytest.raises(ValueError, match="must be"):
        resources.gpus(wish)


@pytest.mark.parametrize(
    ("wish", "said"),
    [(5, 5), ("8GB", 8 * 10**9), ("1.5GiB", 3 * 2**29), ("512 MB", 512 * 10**6), ("100", 100), ("2k", 2000)],
)
def test_memory(wish, said):
    assert resources.memory(wish) == said


@pytest.mark.parametrize("wish", ["", "GB", "8XB", -1, True, 1.5, "8iB"])
def test_what_is_no_memory(wish):
    with pytest.raises(ValueError, match="must be"):
        resources.memory(wish)


def test_what_is_not_named_is_not_said():
    assert pool_fields({"min": None, "max": 3, "gpu": None}) == {"max": 3}


def test_resources_are_one_field():
    found = pool_fields({"gpu": "l40s:2", "memory": "1GB", "cpus": 2})
    assert found == {"resources": wire.Resources(["l40s:2"], 2.0, 10**9)}


@pytest.mark.parametrize(
    "wrong",
    [
        {"max": 0},
        {"min": -1},
        {"min": 3, "max": 2},
        {"concurrency": "x"},
        {"buffer": True},
        {"retries": 1.0},
        {"timeout": 0},
        {"timeout": float("nan")},
        {"grace": -1},
        {"idle_timeout": "60"},
        {"isolation": "thread"},
        {"strategy": "round-robin"},
        {"backend": "kubernetes"},
        {"gpu": "l40s:0"},
        {"memory": "many"},
        {"cpus": -1},
        {"env": {"A": 1}},
        {"preload": "torch"},
        {"preload": ["a b"]},
        {"queue_limit": -1},
        {"image": "a b"},
        {"image": "team/executor", "backend": "local"},
        {"options": {"host": 3}, "backend": "docker"},
        {"options": [("host", "unix:///x")]},
        {"options": {"nothing": 1}},
        {"options": {"network": "lab"}, "backend": "local"},
    ],
)
def test_each_wrong_wish_names_itself(wrong):
    with pytest.raises(UsageError) as caught:
        pool_fields(wrong)
    assert str(caught.value).startswith("Pool(")
    assert next(iter(wrong)) in str(caught.value)


def test_the_value_stands_in_parentheses():
    with pytest.raises(UsageError, match=r"^Pool\(memory='lots'\): must be"):
        pool_fields({"memory": "lots"})
    with pytest.raises(UsageError, match=r"^with_options\(gpu=True\): must be"):
        Wishes({"gpu": True})


@pytest.mark.parametrize("name", [4, "", "x" * 64, "a\nb", ["a"]])
def test_a_name_is_a_text(name):
    with pytest.raises(UsageError, match="the first argument is a name"):
        check_name(name)


def test_who_gives_a_number_for_a_name_is_told_what_was_meant():
    with pytest.raises(UsageError, match=r"say Pool\(max=4\)"):
        check_name(4)
    check_name(None)
    check_name("small")


def test_a_min_above_the_max_that_was_left_out():
    with pytest.raises(UsageError, match=r"Pool\(min=20\): min is larger than max, which is 8"):
        check_whole(wire.PoolSpec(min=20))
    check_whole(wire.PoolSpec(min=8))


def test_a_word_that_is_nearly_right_is_offered():
    with pytest.raises(UsageError, match="did you mean 'process'"):
        pool_fields({"isolation": "proces"})


def test_a_backend_to_come_says_so():
    with pytest.raises(UsageError, match="does not have it yet"):
        pool_fields({"backend": "ray"})


SPEC = wire.PoolSpec(timeout=5.0, retries=1, grace=2.0, resources=wire.Resources(["l40s"], 4.0, 100))


def test_no_wishes_say_nothing():
    assert Wishes().call_options(SPEC) is None
    assert Wishes({"label": "x"}).call_options(SPEC) is None


def test_wishes_stand_over_the_pools_own():
    said = Wishes({"timeout": 3}).call_options(SPEC)
    assert said == wire.CallOptions(timeout=3.0, retries=1, grace=2.0)
    said = Wishes({"gpu": "h100"}).call_options(SPEC)
    assert said.resources == wire.Resources(["h100"], 4.0, 100)


def test_the_next_wishes_win_and_the_old_ones_stay():
    first = Wishes({"timeout": 3, "affinity": "a"})
    second = first.over({"timeout": 4, "affinity": None})
    assert (first.timeout(SPEC), second.timeout(SPEC)) == (3.0, 4.0)
    assert second.call_options(SPEC).affinity == "a"


def test_an_actor_has_no_deadline_and_no_second_life():
    said = Wishes({"timeout": 3, "retries": 2}).placing_options(SPEC, placing_mode(None, 0.01))
    assert (said.timeout, said.retries, said.mode.kind) == (0.0, 0, "actor")


@pytest.mark.parametrize("wrong", [{"timeout": -1}, {"retries": -1}, {"affinity": ""}, {"label": 3}, {"cpus": "x"}])
def test_each_wrong_option_names_itself(wrong):
    with pytest.raises(UsageError, match=r"with_options\(" + next(iter(wrong))):
        Wishes(wrong)


@pytest.mark.parametrize("wrong", [{}, {"min": -1}, {"min": 9}, {"buffer": "x"}])
def test_sizes(wrong):
    with pytest.raises(UsageError):
        check_sizes(wrong, wire.PoolSpec(max=8))
    check_sizes({"min": 9, "max": 9}, wire.PoolSpec(max=8))


@pytest.mark.parametrize("wrong", [(0, 0.1), (True, 0.1), (2, -1), (2, "x"), (2, float("inf"))])
def test_batches(wrong):
    with pytest.raises(UsageError):
        placing_mode(*wrong)
