"""What the editor tells of its documents and notebooks, kept, and passed on to the window.

What this file must not know: what anybody does with a text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Protocol

from lsprotocol import types

from yonder_lsp.diagnostics import Edit
from yonder_lsp.documents import Document, Documents
from yonder_lsp.notebooks import Notebooks
from yonder_lsp.protocol import Position, Range

NOTEBOOKS = types.NotebookDocumentSyncOptions(
    notebook_selector=[
        types.NotebookDocumentFilterWithNotebook(
            notebook=types.NotebookDocumentFilterNotebookType(notebook_type="jupyter-notebook"),
            cells=[types.NotebookCellLanguage(language="python")],
        )
    ]
)
"""Which notebooks a server asks to be told of."""

Changes = Sequence[types.TextDocumentContentChangeEvent]


class Listener(Protocol):
    """Who is told of each document."""

    def edited(self, uri: str, edits: list[Edit]) -> None: ...

    def saved(self, uri: str) -> None: ...

    def closed(self, uri: str) -> None: ...


class Syncing:
    """`listener` gives who listens now."""

    def __init__(self, listener: Callable[[], Listener]) -> None:
        self._documents = Documents()
        self._notebooks = Notebooks()
        self._listener = listener

    def document(self, uri: str) -> Document:
        """The document as it is now."""
        found = self._documents.get(uri)
        above = self._notebooks.above(uri)
        if not above:
            return found
        return replace(found, above="".join(f"{self._documents.get(cell).text}\n" for cell in above))

    # ── documents ──

    def opened(self, document: types.TextDocumentItem) -> None:
        self._documents.opened(document.uri, document.text, document.version)
        self._listener().edited(document.uri, [])

    def changed(self, uri: str, version: int, changes: Changes) -> None:
        edits = [_edit(change) for change in changes]
        for edit in edits:
            self._documents.changed(uri, edit.range, edit.text, version)
        self._listener().edited(uri, edits)

    def saved(self, uri: str) -> None:
        self._listener().saved(uri)

    def closed(self, uri: str) -> None:
        self._documents.closed(uri)
        self._listener().closed(uri)

    # ── notebooks ──

    def notebook_opened(self, params: types.DidOpenNotebookDocumentParams) -> None:
        for document in params.cell_text_documents:
            self._documents.opened(document.uri, document.text, document.version)
        self._notebooks.opened(params.notebook_document.uri, _uris(params.notebook_document.cells))
        for document in params.cell_text_documents:
            self._listener().edited(document.uri, [])

    def notebook_changed(self, params: types.DidChangeNotebookDocumentParams) -> None:
        cells = params.change.cells
        if cells is None:
            return
        if (structure := cells.structure) is not None:
            array = structure.array
            fresh = _uris(array.cells or ())
            self._notebooks.moved(params.notebook_document.uri, array.start, array.delete_count, fresh)
            for document in structure.did_open or ():
                self.opened(document)
            for gone in structure.did_close or ():
                self.closed(gone.uri)
        for content in cells.text_content or ():
            self.changed(content.document.uri, content.document.version, content.changes)

    def notebook_closed(self, params: types.DidCloseNotebookDocumentParams) -> None:
        self._notebooks.closed(params.notebook_document.uri)
        for cell in params.cell_text_documents:
            self.closed(cell.uri)


def _uris(cells: Iterable[types.NotebookCell]) -> list[str]:
    return [cell.document for cell in cells]


def _edit(change: types.TextDocumentContentChangeEvent) -> Edit:
    if isinstance(change, types.TextDocumentContentChangePartial):
        start, end = change.range.start, change.range.end
        where = Range(
            start=Position(line=start.line, character=start.character),
            end=Position(line=end.line, character=end.character),
        )
        return Edit(where, change.text)
    return Edit(None, change.text)
