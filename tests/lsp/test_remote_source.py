"""Texts by content, and the URIs they are shown under."""

import os
from pathlib import Path

import pytest

from yonder_lsp import remote_source, uris
from yonder_lsp.remote_source import RemoteSources
from yonder_lsp.uris import RemotePlace

TEXT = "def f():\n    return 'é'\n"
DIGEST = "0123456789" * 4


def test_a_text_is_kept_by_its_content(tmp_path: Path) -> None:
    kept = RemoteSources(tmp_path / "sources")
    digest = kept.put(TEXT)
    assert kept.put(TEXT) == digest
    assert kept.get(digest) == TEXT
    assert RemoteSources(tmp_path / "sources").get(digest) == TEXT, "also by the next server"
    assert [file.name for file in (tmp_path / "sources").iterdir()] == [digest]
    assert (tmp_path / "sources").stat().st_mode & 0o077 == 0


def test_what_is_not_there_or_damaged_is_not_shown(tmp_path: Path) -> None:
    kept = RemoteSources(tmp_path)
    assert kept.get(DIGEST) is None
    for odd in ("../secret", "", "x" * 40, DIGEST.upper() + "A"):
        assert kept.get(odd) is None
    digest = kept.put(TEXT)
    (tmp_path / digest).write_text("something else")
    assert kept.get(digest) is None
    assert kept.put(TEXT) == digest
    assert kept.get(digest) == TEXT


def test_lone_surrogates_survive(tmp_path: Path) -> None:
    kept = RemoteSources(tmp_path)
    assert kept.get(kept.put("x = '\udc80'")) == "x = '\udc80'"


def test_the_ones_shown_longest_ago_go_first(tmp_path: Path) -> None:
    kept = RemoteSources(tmp_path, largest=250)
    first, second = kept.put("a" * 100), kept.put("b" * 100)
    os.utime(tmp_path / first, (1, 1))
    os.utime(tmp_path / second, (2, 2))
    assert kept.get(first) == "a" * 100  # shown again
    third = kept.put("c" * 100)
    assert kept.get(second) is None
    assert kept.get(first)
    assert kept.get(third)
    huge = kept.put("d" * 1000)
    assert kept.get(huge), "what was asked for now is kept whatever its size"
    assert kept.get(first) is None


def test_a_lost_text_says_so_in_a_comment() -> None:
    text = remote_source.lost("/usr/lib/x.py\nimport os")
    assert all(line.startswith("#") for line in text.splitlines())
    assert "/usr/lib/x.py" in text


@pytest.mark.parametrize(
    ("file", "session"),
    [
        ("/usr/lib/python3.12/json/__init__.py", "main"),
        ("/w/a b/é#1?%41.py", "/w/a b&c=d"),
        ("<attrs generated init x.Y>", "main"),
        ("C:/Users/me/x.py", "untitled"),
    ],
)
def test_uris_lead_back(file: str, session: str) -> None:
    place = RemotePlace(DIGEST, file, session)
    uri = uris.remote(place)
    assert uri.startswith(f"yonder-remote:/{DIGEST}/")
    assert uris.remote_place(uri) == place
    assert uris.session_of(uri, "/workspace") == session
    assert uris.shown_path(uri) == file
    assert uris.to_path(uri) == ""


def test_windows_paths_are_written_with_slashes() -> None:
    uri = uris.remote(RemotePlace(DIGEST, "C:\\Users\\me\\x.py", "main"))
    assert uri == f"yonder-remote:/{DIGEST}/C%3A/Users/me/x.py?main"
    assert uris.remote_place(f"yonder-remote:/{DIGEST}/c%3A/x.py?main") == RemotePlace(DIGEST, "c:/x.py", "main")


@pytest.mark.parametrize("uri", ["file:///a.py", "yonder-remote:", "yonder-remote:/x/y.py", f"yonder-remote:/{DIGEST}"])
def test_other_uris_are_none(uri: str) -> None:
    assert uris.remote_place(uri) is None
    assert uris.is_remote(uri) == uri.startswith("yonder-remote")


def test_documents_by_what_tracebacks_call_them() -> None:
    for uri in ("file:///w/a%20b.py", "untitled:Untitled-1", "vscode-notebook-cell:/w/a.ipynb#X1"):
        assert uris.shown(uris.shown_path(uri)) == uri
