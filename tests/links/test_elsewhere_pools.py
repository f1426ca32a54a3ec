"""Pools that code on another machine opens: of its own kind, and nothing on the machine of its hub."""

import os

import pytest
from tests.links.elsewhere import elsewhere

import yonder
from yonder.errors import CannotRun


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    with (
        elsewhere(tmp_path_factory.mktemp("meeting")),
        yonder.Pool("outer", backend="docker", max=1, preload=[]) as made,
    ):
        yield made


def agent():
    return os.environ["YONDER_EXECUTOR"]


def opens(**wishes):
    """From inside a worker: the backend and the machine of a pool of its own."""
    with yonder.Pool("inner", max=1, preload=[], **wishes) as inner:
        return inner.status().backend, inner.call(agent), agent()


def test_a_pool_inside_is_of_the_same_kind_and_on_a_machine_of_its_own(pool):
    backend, there, here = pool.call(opens)
    assert backend == "docker"
    assert there != here


@pytest.mark.parametrize(
    ("wishes", "words"),
    [
        ({"backend": "local"}, "starts nothing there"),
        ({"backend": "docker", "image": "evil:1"}, "does not choose these"),
        ({"backend": "docker", "options": {"volumes": ["/etc:/mnt:ro"]}}, "does not choose these"),
    ],
)
def test_what_it_must_not_choose_is_refused_in_words(pool, wishes, words):
    with pytest.raises(CannotRun, match=words):
        pool.call(opens, **wishes)
    assert pool.call(len, "it goes on") == 10
