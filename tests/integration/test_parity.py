"""docs/parity.md names tests; each of them has to exist under that name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "parity.md").read_text("utf-8")
ROWS = {
    *("F1", "F2", "F3", "F4", "F5", "F6", "F7", "F8", "F9", "F10", "F11", "F12", "F13", "F14", "F15"),
    *(
        "E1",
        "E2",
        "E3",
        "E4",
        "E5",
        "N1",
        "N3",
        "N4",
        "P5",
        "U7",
        "U11",
        "U14",
        "U16",
        "L1",
        "L2",
        "L3",
        "L4",
        "L7",
        "D2",
        "X1",
        "X2",
        "X3",
        "X4",
        "X5",
        "X6",
        "X8",
        "X9",
    ),
}
NAMED = sorted(set(re.findall(r"`(tests/[^`]+?(?:::|: )[^`]+)`", PAGE)))


def exists(name: str) -> bool:
    if "::" in name:
        file, _, test = name.partition("::")
        return f"def {test}(" in (ROOT / file).read_text("utf-8")
    file, _, title = name.partition(": ")
    return f"test('{title}'" in (ROOT / file).read_text("utf-8")


@pytest.mark.parametrize("name", NAMED)
def test_a_named_test_exists(name):
    assert exists(name)


def test_every_row_of_this_version_is_there_and_names_a_test():
    rows = [line.split("|") for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| row")]
    assert {row[1].strip() for row in rows} == ROWS
    assert all(row[3].count("`tests/") >= 1 for row in rows)


def test_a_test_that_was_renamed_would_be_noticed():
    assert not exists("tests/integration/test_parity.py::test_that_was" + "_renamed")
    assert len(NAMED) > 30
