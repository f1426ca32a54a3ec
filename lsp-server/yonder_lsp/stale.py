"""Which runs no longer match the text they ran: a run is stale when its code is not in its document any more. Pure.

What this file must not know: the store, where the block stands (the editor moves it).
"""

from __future__ import annotations

from collections import OrderedDict

WATCHED = 200


def missing(codes: dict[str, str], text: str) -> dict[str, bool]:
    """Which of them are not in the text. For any thread; it looks at the whole text for each."""
    return {run: code not in text for run, code in codes.items()}


class Watch:
    """The last runs of this server's life, by document."""

    def __init__(self) -> None:
        self._runs: OrderedDict[str, tuple[str, str, bool]] = OrderedDict()

    def started(self, run: str, uri: str, code: str) -> None:
        self._runs[run] = (uri, code.strip("\r\n"), False)
        while len(self._runs) > WATCHED:
            self._runs.popitem(last=False)

    def of(self, uri: str) -> dict[str, str]:
        """The code of the document's runs."""
        return {run: code for run, (where, code, _) in self._runs.items() if where == uri}

    def looked(self, missing: dict[str, bool]) -> list[tuple[str, bool]]:
        """What `missing` found. Returns the runs whose state has changed, with the new state."""
        changed = []
        for run, now in missing.items():
            where, code, before = self._runs.get(run, ("", "", now))
            if now != before:
                self._runs[run] = (where, code, now)
                changed.append((run, now))
        return changed

    def code(self, run: str) -> str:
        """The text of a run, "" when it is not watched (any more)."""
        return self._runs.get(run, ("", "", False))[1]

    def uri(self, run: str) -> str:
        """The document of a run, "" when it is not watched (any more)."""
        return self._runs.get(run, ("", "", False))[0]
