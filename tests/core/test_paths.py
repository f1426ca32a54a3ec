"""Paths that are on this side only, in a text and in an error."""

import pytest

from yonder import paths
from yonder.agent import missing as there
from yonder.wire import PLACE_VARIABLE

TEXT = """
import numpy as np, pandas as pd
from pathlib import Path

def train(name="x.csv"):
    ä = pd.read_csv("data/train.csv"), np.load(file="data/a.npy")
    with open("data/notes") as file:
        pass
    open("data/train.csv", "w"); open("data/train.csv", mode="a")
    print("data/train.csv"); open(name); open("/etc/passwd"); open("~/x"); pd.read_csv("https://x/data/train.csv")
    model.load_state_dict("data/train.csv")
    Path("data/deep").glob("*")
    Path("absent.csv").read_text()
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data" / "deep").mkdir(parents=True)
    (tmp_path / "data" / "train.csv").write_bytes(b"x" * 12_300)
    (tmp_path / "data" / "a.npy").write_bytes(b"x")
    (tmp_path / "data" / "notes").write_bytes(b"x")
    (tmp_path / "data" / "deep" / "b").write_bytes(b"xyz")
    return tmp_path


def test_what_is_read_is_found_with_its_place():
    found = paths.named(TEXT)
    assert [one.path for one in found] == ["data/train.csv", "data/a.npy", "data/notes", "data/deep", "absent.csv"]
    line = TEXT.splitlines()[found[0].line - 1]
    assert line[found[0].column : found[0].end] == '"data/train.csv"'  # in characters, though a letter has two bytes


def test_what_is_no_python_has_no_paths():
    assert paths.named("open('a.csv'") == []
    assert paths.named("\0") == []


def test_what_is_here_only_is_named_with_size_and_remedy(folder):
    found = paths.missing(TEXT, folder, travels=lambda path: path == "data/a.npy")
    assert [one.sentence for one in found] == [
        "'data/train.csv' (12.3 kB) is on this machine only",
        "'data/notes' (1 B) is on this machine only",
        "'data/deep' (3 B) is on this machine only",
    ]
    assert 'include = ["data/*.csv"]' in found[0].remedy
    assert 'include = ["data/notes"]' in found[1].remedy
    assert 'include = ["data/deep/"]' in found[2].remedy


def test_what_lies_outside_of_the_workspace_cannot_be_included(folder):
    (found,) = paths.missing("open('../data/train.csv')", folder / "src", travels=lambda _: True)
    assert "put it into the workspace" in found.remedy


def test_a_large_folder_is_counted_in_bounds(folder, monkeypatch):
    monkeypatch.setattr(paths, "MOST_COUNTED", 2)
    for n in range(10):
        (folder / "data" / "deep" / f"f{n}").write_bytes(b"x" * 10)
    assert paths.weigh(folder / "data" / "deep") <= 23


def raised(path):
    try:
        open(path)  # noqa: SIM115 - as user code does
    except FileNotFoundError as error:
        return error
    raise AssertionError


def test_an_error_from_elsewhere_says_that_the_file_is_here(folder, monkeypatch):
    error = raised("data/no/train.csv")
    error.filename = "data/train.csv"
    paths.explain(error, str(folder))
    assert not hasattr(error, "__notes__")  # it was raised on this machine
    monkeypatch.setenv(PLACE_VARIABLE, "image x")
    there.explain(error)
    there.explain(error)
    assert len(error.__notes__) == 1
    assert error.__notes__[0].startswith("It was looked for on image x")
    paths.explain(error, str(folder))
    paths.explain(error, str(folder))
    assert len(error.__notes__) == 2
    assert "'data/train.csv' (12.3 kB) is on this side only" in error.__notes__[1]
    assert 'include = ["data/*.csv"]' in error.__notes__[1]


def test_a_file_that_is_nowhere_gets_no_such_note(folder, monkeypatch):
    monkeypatch.setenv(PLACE_VARIABLE, "image x")
    for filename in ("absent.csv", 3, None, "a\0b"):
        error = raised("absent.csv")
        error.filename = filename
        there.explain(error)
        paths.explain(error, str(folder))
        assert len(error.__notes__) == 1


def test_sizes_read_well():
    assert [paths.spell(one) for one in (0, 999, 1000, 3_000_000, 250_000_000_000)] == [
        "0 B",
        "999 B",
        "1 kB",
        "3 MB",
        "250 GB",
    ]
