"""Two Pythons compared: what may travel, what is different, in words."""

import msgspec
import pytest

from yonder import wire
from yonder.core import environment
from yonder.core.environment import Difference

HERE = wire.Environment("cpython", "3.11.7", "linux_x86_64", {"numpy": "2.1.0", "torch": "2.13.0+cpu", "mine": ""})


def python(version, **packages):
    return wire.Environment("cpython", version, "linux_x86_64", packages)


def test_patch_releases_may_differ_and_minor_ones_not():
    assert environment.refusal(HERE, python("3.11.2"), "executor", "Do this.") == ""
    words = environment.refusal(HERE, python("3.12.7"), "executor on docker (pool 'x')", "Do this.")
    assert words.startswith("this program runs Python 3.11, the executor on docker (pool 'x') Python 3.12:")
    assert words.endswith("Do this.")


def test_another_implementation_is_another_python():
    there = msgspec.structs.replace(HERE, implementation="pypy")
    assert "Python 3.11, the executor pypy 3.11" in environment.refusal(HERE, there, "executor", "")


def test_what_is_missing_comes_first_and_builds_of_one_version_are_the_same():
    needs = wire.Needs(HERE, ["torch", "numpy", "mine", "zstd", "msgspec"])
    found = environment.differences(needs, python("3.11.9", numpy="1.26.4", torch="2.13.0+cu128", mine="1.0"))
    assert found == [Difference("zstd", "", ""), Difference("numpy", "2.1.0", "1.26.4")]
    assert [str(one) for one in found] == ["zstd is missing there", "numpy 2.1.0 here, 1.26.4 there"]


def test_a_version_that_nobody_knows_is_no_difference():
    assert environment.differences(wire.Needs(HERE, ["numpy"]), python("3.11.9", numpy="")) == []


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ([], ""),
        ([Difference("a", "1", "")], "on docker: a is missing there. Fix."),
        (
            [Difference("a", "1", ""), Difference("b", "", ""), Difference("c", "2", "3")],
            "on docker: a, b are missing there; c 2 here, 3 there. Fix.",
        ),
        (
            [Difference(f"p{n}", "1", "") for n in range(8)],
            "on docker: p0, p1, p2, p3, p4, p5 and 2 more are missing there. Fix.",
        ),
    ],
)
def test_all_of_it_is_one_sentence(found, words):
    assert environment.sentence("docker", found, "Fix.") == words


def test_an_installation_is_named_by_its_lines_its_python_and_its_platform():
    one = environment.key(HERE, ["b", "a"], ["c"])
    assert one == environment.key(python("3.11.2"), ["a", "b"], ["c"])
    others = [
        environment.key(HERE, ["a", "b"], []),
        environment.key(HERE, ["a", "b", "c"], []),
        environment.key(python("3.12.0"), ["a", "b"], ["c"]),
        environment.key(msgspec.structs.replace(HERE, platform="linux_aarch64"), ["a", "b"], ["c"]),
    ]
    assert len({one, *others}) == 5
    assert len(one) == 32


def test_a_wheel_s_tag():
    assert environment.tag(HERE) == "cp311-linux_x86_64"
