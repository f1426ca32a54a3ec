"""What a completion list was about: in its `data` on the way to the editor and back, for resolving one of its items.

What this file must not know: how an item is looked at, LSP.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, assert_never

from yonder import wire
from yonder_lsp import cursor, scope
from yonder_lsp.documents import Document
from yonder_lsp.sessions import Session

Json = dict[str, Any]
Kind = Literal["name", "attr", "key"]


class Subject(NamedTuple):
    """The path that an item's label continues with a step. `frame` is the function that was asked in, whose own names come
    first where a debugger has stopped in it; `own`: the path begins with such a name."""

    uri: str
    session: str
    path: tuple[wire.Step, ...]
    step: Kind
    frame: str = ""
    own: bool = False


def of(document: Document, session: Session, asked: cursor.Question) -> Subject | None:
    """What the session could say more of an item about; None where it knows another thing under that name, or none."""
    match asked:
        case cursor.Attribute(path=path) | cursor.Key(path=path):
            own = scope.is_local(document, str(path[0].value), asked.start)
            step: Kind = "attr" if isinstance(asked, cursor.Attribute) else "key"
        case cursor.Name():
            path, own, step = (), False, "name"
        case cursor.Import() | cursor.Elsewhere():
            return None
        case _:
            assert_never(asked)
    frame = scope.function(document, asked.start) if session.state == "busy" else ""
    return Subject(document.uri, session.id, path, step, frame, own) if frame or not own else None


def data_of(subject: Subject | None) -> Json:
    if subject is None:
        return {}
    return {
        "uri": subject.uri,
        "session": subject.session,
        "path": [[step.kind, step.value] for step in subject.path],
        "step": subject.step,
        "frame": subject.frame,
        "own": subject.own,
    }


def subject_of(data: Any) -> Subject | None:
    """Back from `data`; None for what is not ours."""
    try:
        path = tuple(wire.Step(kind, value) for kind, value in data["path"])
        return Subject(data["uri"], data["session"], path, data["step"], data["frame"], data["own"])
    except (KeyError, TypeError, ValueError):
        return None
