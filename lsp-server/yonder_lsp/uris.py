"""Document URIs and what follows from them: paths, names, folders and the session a document belongs to.

What this file must not know: documents' text, hubs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit

MAIN = "main"
REMOTE = "yonder-remote"
CELL = "vscode-notebook-cell"
_DRIVE = re.compile(r"/([A-Za-z]):")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
_BARE = re.compile(r"[A-Za-z]:[\\/]|<")
_DIGEST = re.compile(r"[0-9a-f]{40}")


class RemotePlace(NamedTuple):
    """A file as a session has it: the content's name, what the session calls the file, and which session that is."""

    digest: str
    file: str
    session: str


def to_path(uri: str) -> str:
    """The file's path, "" for documents that are no file (untitled ones, notebook cells)."""
    return _path(uri) if urlsplit(uri).scheme == "file" else ""


def _path(uri: str) -> str:
    parts = urlsplit(uri)
    path = unquote(parts.path)
    if parts.netloc:
        return f"//{parts.netloc}{path}"  # a Windows share
    if _DRIVE.match(path):
        return f"{path[1].upper()}:{path[3:]}"  # VS Code encodes the drive: file:///c%3A/…
    return path


def is_cell(uri: str) -> bool:
    """Is it a cell of a notebook?"""
    return uri.startswith(f"{CELL}:")


def file_of(uri: str) -> str:
    """The path of the file that the document is or is a part of: a cell is of its notebook. "" for untitled ones."""
    if not is_cell(uri):
        return to_path(uri)
    path = _path(urlsplit(uri)._replace(netloc="").geturl())  # there stands which machine it is on, and it is this one
    return path if Path(path).is_absolute() or _BARE.match(path) else ""


def to_uri(path: str) -> str:
    """The URI of a file, as VS Code writes it."""
    from urllib.request import pathname2url  # with it come HTTP and TLS, which a server that starts need not wait for

    return "file://" + pathname2url(path)


def shown_path(uri: str) -> str:
    """What a traceback shows for this document."""
    place = remote_place(uri)
    return place.file if place is not None else to_path(uri) or unquote(uri)


def shown(path: str) -> str:
    """The document's URI from what `shown_path` made of it."""
    return quote(path, safe=":/?#[]@!$&'()*+,;=") if _SCHEME.match(path) else to_uri(path)


def title(uri: str) -> str:
    """The document's own name."""
    return Path(shown_path(uri)).name


def folder_of(uri: str, workspace: str, more: Sequence[str] = ()) -> str:
    """Where the document's code runs: the workspace folder that it is in (the first one, of documents outside of all), else
    the file's own folder, else the home folder. `more` are the folders of a workspace after its first."""
    if workspace:
        path = file_of(uri)
        found = [folder for folder in (workspace, *more) if path and within(path, folder)]
        return max(found, key=len, default=workspace)
    path = file_of(uri)
    return str(Path(path).parent) if path else str(Path.home())


def session_of(uri: str, workspace: str, more: Sequence[str] = ()) -> str:
    """One session for all files of a workspace folder, which of the first is called main; without one, a session for each
    folder that holds files. The text of a module belongs to the session that it was shown of."""
    place = remote_place(uri)
    if place is not None:
        return place.session
    if workspace:
        folder = folder_of(uri, workspace, more)
        return MAIN if folder == workspace else folder
    path = file_of(uri)
    return str(Path(path).parent) if path else "untitled"


def within(path: str, folder: str) -> bool:
    """Is the file in the folder?"""
    return bool(folder) and Path(path).is_relative_to(folder)


def is_remote(uri: str) -> bool:
    """Is it the text of a module as a session has it?"""
    return uri.startswith(f"{REMOTE}:")


def remote(place: RemotePlace) -> str:
    """The URI of such a text, whose path ends as the file's does."""
    path = place.file.replace("\\", "/") if _BARE.match(place.file) else place.file
    return f"{REMOTE}:/{place.digest}/{quote(path.lstrip('/'))}?{quote(place.session, safe='')}"


def remote_place(uri: str) -> RemotePlace | None:
    """What `remote` made a URI from, as VS Code gives it back; None for other URIs."""
    if not is_remote(uri):
        return None
    parts = urlsplit(uri)
    _, digest, *rest = [*unquote(parts.path).split("/", 2), "", ""]
    if not _DIGEST.fullmatch(digest) or not rest[0]:
        return None
    file = rest[0] if _BARE.match(rest[0]) else f"/{rest[0]}"
    return RemotePlace(digest, file, unquote(parts.query))
