"""Notebooks as the editor tells of them: which cells each has, in which order. Their texts are documents.

What this file must not know: pygls, sessions, what stands in a cell.
"""

from __future__ import annotations

from collections.abc import Iterable


class Notebooks:
    """All that are open."""

    def __init__(self) -> None:
        self._cells: dict[str, list[str]] = {}
        self._of: dict[str, str] = {}

    def opened(self, notebook: str, cells: Iterable[str]) -> None:
        """It has these cells, by their documents' URIs."""
        self._cells[notebook] = []
        self.moved(notebook, 0, 0, cells)

    def moved(self, notebook: str, start: int, gone: int, cells: Iterable[str]) -> None:
        """From `start` on, `gone` cells were replaced by these."""
        known = self._cells.setdefault(notebook, [])
        for cell in known[start : start + gone]:
            self._of.pop(cell, None)
        fresh = list(cells)
        known[start : start + gone] = fresh
        self._of |= dict.fromkeys(fresh, notebook)

    def closed(self, notebook: str) -> list[str]:
        """It is gone with these cells."""
        cells = self._cells.pop(notebook, [])
        for cell in cells:
            self._of.pop(cell, None)
        return cells

    def above(self, cell: str) -> list[str]:
        """The cells before this one; none for what is no cell."""
        cells = self._cells.get(self._of.get(cell, ""), [])
        return cells[: cells.index(cell)] if cell in cells else []
