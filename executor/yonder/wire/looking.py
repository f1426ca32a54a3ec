"""Looking at live objects: what may be asked of a namespace, and what is answered (EDITOR: section 4)."""

from __future__ import annotations

from typing import Literal

from yonder.wire.base import Part


class Step(Part, frozen=True):
    """One step of a path: kind is name, attr, key (string subscript) or index (integer subscript)."""

    kind: Literal["name", "attr", "key", "index"]
    value: str | int


class Query(Part, frozen=True):
    """What is asked of a namespace without running user code.

    what = members   of the object at `path` ([] = the namespace itself), names starting with `prefix` first
           describe  the object at `path`: a hover's facts
           keys      string keys or columns of the object at `path`
           signature of the callable at `path`
           imports   importable top-level modules (path []) or the submodules and members of the module named by path
           names     the namespace as rows with hints, as the difference since the answer whose `mark` is `since`
           children  rows of what is inside the object at `path` ([] = the namespace), `limit` of them from number
                     `offset` on, only those with `prefix` in their name or type
           statistics of the numbers at `path`, as rows; this one reads the data, for at most `seconds`
           source    where the object at `path` is written: file, line, and the file's text

    `within` names the file of a loaded module: its names are looked at instead of the session's. "" is the session.
    `frame` names the function that a person looks from: where a debugger has stopped in it, its own names come first.
    """

    what: Literal[
        "members",
        "describe",
        "keys",
        "signature",
        "imports",
        "names",
        "children",
        "statistics",
        "source",
    ]
    path: list[Step] = []
    prefix: str = ""
    limit: int = 5000
    since: int = 0
    offset: int = 0
    seconds: float = 0.0
    within: str = ""
    frame: str = ""


class Member(Part, frozen=True):
    """kind: f field, m method or function, p property, c class, M module, v variable, k key. rank: 0 instance data,
    1 class members, 2 inherited from far (object and friends); the owner sorts by it."""

    name: str
    kind: str
    rank: int
    detail: str = ""


class Fact(Part, frozen=True):
    """One line of a description, already in words: ("shape", "32 x 10")."""

    label: str
    value: str


class Parameter(Part, frozen=True):
    name: str
    label: str
    keyword: bool = True


class Row(Part, frozen=True):
    """One name with what stands under it: `short` is a hint (`Tensor[32, 10] float32`) or a value in short.

    `step` leads from the object to it (None: no safe path does), `children` is about how many rows it has inside (0: none),
    `size` its bytes where its metadata says them (-1: unknown). `kin` is a number that objects share whose classes have the
    same members as they are now, 0 for what is no instance.
    """

    name: str
    kind: str
    type: str
    short: str = ""
    step: Step | None = None
    children: int = 0
    size: int = -1
    kin: int = 0


class Signature(Part, frozen=True):
    """One way to call something, with its name in front."""

    text: str
    parameters: list[Parameter] = []


class Answer(Part, frozen=True):
    """The reply to any Query; only the fields that fit are filled. `found` false: no such path; `why` says it in words.

    `type` is the object's type name (qualified when not builtin), `short` a preview, `doc` the documentation, cut where it is
    very long, `file`/`line` where it is defined. `signatures` are the overloads of a callable that has some (`signature` is
    then its implementation's). `text` is the file's of a source, whose facts are "home" (block, snapshot, file or generated)
    and perhaps "coding" (then `text` is latin-1, each letter a byte in that coding).

    Of names: `rows` that are new or changed and `gone` ones, or with `whole` all there is; `total` counts the namespace's
    names, also those that were left out; `rest` of them were not looked at since the last run: there was no time, ask
    once more; `mark` is what to ask with next. `kin` of members: see Row. Of children: `total`
    counts the rows of all pages. `frame` is that of the query, if its names came first.
    """

    found: bool
    why: str = ""
    type: str = ""
    short: str = ""
    facts: list[Fact] = []
    doc: str = ""
    signature: str = ""
    parameters: list[Parameter] = []
    file: str = ""
    line: int = 0
    members: list[Member] = []
    generation: int = 0
    micros: int = 0
    rows: list[Row] = []
    total: int = 0
    gone: list[str] = []
    whole: bool = False
    mark: int = 0
    rest: int = 0
    kin: int = 0
    signatures: list[Signature] = []
    text: str = ""
    frame: str = ""
