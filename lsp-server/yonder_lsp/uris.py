"""Document URIs and what follows from them: paths, names, folders and the session a document belongs to.

What this file must not know: documents' text, hubs.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

MAIN = "main"
_DRIVE = re.compile(r"/([A-Za-z]):")


def to_path(uri: str) -> str:
    """The file's path, "" for documents that are no file (untitled ones, notebook cells)."""
    parts = urlsplit(uri)
    if parts.scheme != "file":
        return ""
    path = unquote(parts.path)
    if parts.netloc:
        return f"//{parts.netloc}{path}"  # a Windows share
    if _DRIVE.match(path):
        return f"{path[1].upper()}:{path[3:]}"  # VS Code encodes the drive: file:///c%3A/…
    return path


def to_uri(path: str) -> str:
    """The URI of a file, as VS Code writes it."""
    from urllib.request import pathname2url  # with it come HTTP and TLS, which a server that starts need not wait for

    return "file://" + pathname2url(path)


def shown_path(uri: str) -> str:
    """What a traceback shows for this document."""
    return to_path(uri) or unquote(uri)


def title(uri: str) -> str:
    """The document's own name."""
    return Path(shown_path(uri)).name


def folder_of(uri: str, workspace: str) -> str:
    """Where the document's code runs: the workspace folder, else the file's own folder, else the home folder."""
    if workspace:
        return workspace
    path = to_path(uri)
    return str(Path(path).parent) if path else str(Path.home())


def session_of(uri: str, workspace: str) -> str:
    """One session for all files of a workspace folder; without one, a session for each folder that holds files."""
    if workspace:
        return MAIN
    path = to_path(uri)
    return str(Path(path).parent) if path else "untitled"


def within(path: str, folder: str) -> bool:
    """Is the file in the folder?"""
    return bool(folder) and Path(path).is_relative_to(folder)
