"""The `yonder/*` methods between the editor's extension and the language server: one table, from which
`vscode-extension/src/protocol.gen.ts` is generated (`python -m yonder_lsp.generate`) and checked.

What belongs here: the shapes. Names are camelCase on the wire. Positions and ranges are LSP's (0-based, UTF-16 columns).
What this file must not know: pygls, sockets, SQLite.

Every request may fail with an LSP error whose message is a sentence for the person; `data` is a Remedy when there is
something to press.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec


class _Shape(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Base of everything here: JSON objects with camelCase keys."""


class Position(_Shape, frozen=True, kw_only=True):
    line: int
    character: int


class Range(_Shape, frozen=True, kw_only=True):
    start: Position
    end: Position


class Remedy(_Shape, frozen=True, kw_only=True):
    """What the person can press: code core_missing (offer yonder/provide), python_too_old, no_python, settings,
    code_kept (offer yonder/restartSession), …"""

    code: str
    command: str = ""
    detail: str = ""


# ── initialize ────────────────────────────────────────────────────────────────────────────────────────────────────────


class InitOptions(_Shape, frozen=True, kw_only=True):
    """initializationOptions. `owner` is the window's id (kept in its workspace state), `folder` the workspace folder's
    path or "", `storage` the folder for runs.sqlite, `wheels` the folder with Yonder's own wheel ("" in development).
    `commands`: the editor runs `yonder.*` commands from links and code actions."""

    owner: str
    folder: str = ""
    storage: str = ""
    python: str = ""
    wheels: str = ""
    editor: str = ""
    commands: bool = False
    settings: Settings | None = None


InlayHints = Literal["auto", "on", "off"]
"""auto: beside another Python language server only shapes, which it cannot give."""


class Settings(_Shape, frozen=True, kw_only=True):
    """The `yonder.*` settings of the editor that the server needs; `pools` overrides [tool.yonder.pools]."""

    python: str = ""
    provide: Literal["ask", "install", "without"] = "ask"
    static: Literal["auto", "jedi", "none"] = "auto"
    looking: Literal["static-only", "limited"] = "limited"
    linger: float = 20.0
    silence: float = 600.0
    code_lens: bool = True
    other_language_server: bool = False
    inlay_hints: InlayHints = "auto"
    patience: float = 1.0
    tool: dict[str, object] = {}


# ── requests ──────────────────────────────────────────────────────────────────────────────────────────────────────────


class RunParams(_Shape, frozen=True, kw_only=True):
    """where auto: the selection if not empty, else the `# %%` cell, else the top-level statement at the cursor. expression: the
    selection as it stands, whose value is the result."""

    uri: str
    where: Literal["auto", "selection", "cell", "statement", "file", "toCursor", "above", "expression"] = "auto"
    selection: Range


class RunStarted(_Shape, frozen=True, kw_only=True):
    run: str
    session: str
    range: Range
    title: str


class InterruptParams(_Shape, frozen=True, kw_only=True):
    """run "": whatever the session of `uri` runs now. kill: kill the worker (after "still in C code")."""

    uri: str = ""
    run: str = ""
    kill: bool = False


class InterruptResult(_Shape, frozen=True, kw_only=True):
    outcome: str
    sentence: str


class StacksParams(_Shape, frozen=True, kw_only=True):
    """Whose: the session of `uri`; everybody's where that has none, and for ""."""

    uri: str = ""


class StackText(_Shape, frozen=True, kw_only=True):
    """One process: where its threads stand, as a person reads it."""

    title: str
    text: str


class StacksResult(_Shape, frozen=True, kw_only=True):
    """`sentence` says why there is nothing, or that there is more."""

    processes: list[StackText]
    sentence: str


class UriParams(_Shape, frozen=True, kw_only=True):
    uri: str


class Nothing(_Shape, frozen=True, kw_only=True):
    pass


class Sentence(_Shape, frozen=True, kw_only=True):
    sentence: str


class PoolStatus(_Shape, frozen=True, kw_only=True):
    name: str
    backend: str
    executors: int
    booting: int
    busy: int
    max: int
    queued: int
    why: str


class ExecutorStatus(_Shape, frozen=True, kw_only=True):
    id: str
    pool: str
    backend: str
    state: str
    pid: int
    since: float
    doing: str
    cpu_percent: float
    memory: int


class SessionStatus(_Shape, frozen=True, kw_only=True):
    id: str
    state: str
    generation: int
    python: str
    pid: int
    run: str
    queued: int
    folder: str


class StatusResult(_Shape, frozen=True, kw_only=True):
    """cluster: off (no hub), starting, on, away (a hub elsewhere cannot be reached), stopping, lost. `python` is the project's
    interpreter as it would be used, `where` a sentence about a hub that is not on this machine."""

    cluster: Literal["off", "starting", "on", "away", "stopping", "lost"]
    python: str
    python_version: str
    problem: str
    live: Literal["off", "ok", "slow"]
    pools: list[PoolStatus]
    executors: list[ExecutorStatus]
    sessions: list[SessionStatus]
    hub_pid: int
    peak: int
    where: str = ""


class SinceParams(_Shape, frozen=True, kw_only=True):
    """since: the revision from the last answer (0 at first)."""

    since: int = 0


class Trace(_Shape, frozen=True, kw_only=True):
    file: str
    line: int
    function: str
    source: str
    user: bool


class RunSummary(_Shape, frozen=True, kw_only=True):
    """state: queued, creating, booting, running, ok, error, lost, cancelled. `range` is where the block stood when it
    was run, `hash` the block's text hash for re-anchoring, `short` the value's or error's one line."""

    run: str
    revision: int
    session: str
    uri: str
    title: str
    hash: str
    range: Range
    kind: str
    state: str
    detail: str
    created: float
    started: float
    ended: float
    short: str
    text: str
    rich: dict[str, str]
    error_type: str
    trace: list[Trace]
    metrics: list[str]
    displays: int
    calls: int
    calls_done: int
    output: int
    stale: bool
    code: str = ""
    files: int = 0


class RunsResult(_Shape, frozen=True, kw_only=True):
    revision: int
    runs: list[RunSummary]


class OutputParams(_Shape, frozen=True, kw_only=True):
    """Pieces of output number `since`+1 onwards, at most `limit` characters; call "" = the run's own, "*" = all."""

    run: str
    call: str = "*"
    since: int = 0
    limit: int = 200_000


class OutputPiece(_Shape, frozen=True, kw_only=True):
    n: int
    call: str
    fd: int
    text: str
    after: bool


class OutputResult(_Shape, frozen=True, kw_only=True):
    """`next` goes into the next `since`; `skipped` pieces were left out because of `limit` (the newest are kept)."""

    pieces: list[OutputPiece]
    next: int
    skipped: int
    total: int


class SeriesParams(_Shape, frozen=True, kw_only=True):
    """Curves of a run, thinned to at most `pixels` columns (min and max of each). xMin/xMax null: everything.
    names []: all metrics. x is step or time (seconds since the run began)."""

    run: str
    names: list[str] = []
    x: Literal["step", "time"] = "step"
    x_min: float | None = None
    x_max: float | None = None
    pixels: int = 600


class Curve(_Shape, frozen=True, kw_only=True):
    """`xs` and `ys` are base64 of little-endian float32 arrays of equal length; `points` is how many there really are."""

    name: str
    call: str
    label: str
    points: int
    last: float | None
    xs: str
    ys: str


class SeriesResult(_Shape, frozen=True, kw_only=True):
    revision: int
    curves: list[Curve]


class CallsParams(_Shape, frozen=True, kw_only=True):
    run: str


class CallRow(_Shape, frozen=True, kw_only=True):
    """One pool call of a run. `metrics` holds the last value of each metric; progress total 0 = unknown."""

    call: str
    label: str
    pool: str
    executor: str
    state: str
    started: float
    seconds: float
    summary: str
    metrics: dict[str, float | None]
    progress_label: str
    done: float
    total: float


class CallsResult(_Shape, frozen=True, kw_only=True):
    """`progress` are the run's own bars (label, done, total)."""

    calls: list[CallRow]
    progress: list[ProgressRow]


class ProgressRow(_Shape, frozen=True, kw_only=True):
    label: str
    done: float
    total: float


class DisplaysParams(_Shape, frozen=True, kw_only=True):
    run: str
    since: int = 0


class DisplayItem(_Shape, frozen=True, kw_only=True):
    """`data` is base64 for images, else the text itself."""

    n: int
    call: str
    mime: str
    data: str
    alt: str


class DisplaysResult(_Shape, frozen=True, kw_only=True):
    displays: list[DisplayItem]
    next: int


class FilesParams(_Shape, frozen=True, kw_only=True):
    run: str


class FileRow(_Shape, frozen=True, kw_only=True):
    """A file that a run wrote on an executor elsewhere. `there`: the executor lives, so it can be fetched; `local`: where it
    was fetched to."""

    executor: str
    path: str
    size: int
    at: float
    call: str
    local: str
    there: bool = False


class FilesResult(_Shape, frozen=True, kw_only=True):
    """`more` files are not named."""

    files: list[FileRow]
    more: int


class FetchParams(_Shape, frozen=True, kw_only=True):
    """`to` is a file's path; what lies there already stays, and the new one gets a name beside it."""

    run: str
    executor: str
    path: str
    to: str


class Fetched(_Shape, frozen=True, kw_only=True):
    path: str


class AnswerParams(_Shape, frozen=True, kw_only=True):
    id: str
    text: str | None


class StopResult(_Shape, frozen=True, kw_only=True):
    executors: int
    peak: int
    left: int
    sentence: str


class PathStep(_Shape, frozen=True, kw_only=True):
    """One step to a live object: a name, an attribute, a string key or a number as subscript."""

    kind: Literal["name", "attr", "key", "index"]
    value: str | int


class VariablesParams(_Shape, frozen=True, kw_only=True):
    """What is inside the object at `path` ([] = the session's names), `limit` rows from number `offset` on; `filter` is text
    in the name or type."""

    uri: str
    path: list[PathStep] = []
    filter: str = ""
    offset: int = 0
    limit: int = 100


class Variable(_Shape, frozen=True, kw_only=True):
    """`step` leads from the object to it (null: it cannot be named), `children` is about how many rows it has inside, `size`
    its bytes (-1: unknown); `statistics`: they can be computed. kind as wire.Member's."""

    name: str
    kind: str
    type: str
    short: str
    step: PathStep | None
    children: int
    size: int
    statistics: bool


class VariablesResult(_Shape, frozen=True, kw_only=True):
    """state: live, busy (a run is on, the rows are as they are now), slow (the session does not answer: the rows are those it
    gave before, if any), none (no session), off (the settings want no looking). `total` counts the rows of all pages;
    `sentence` says what the person should know, "" when all is well."""

    variables: list[Variable]
    total: int
    generation: int
    state: Literal["live", "busy", "slow", "none", "off"]
    sentence: str


class CardParams(_Shape, frozen=True, kw_only=True):
    """The card of the object at `path`, as a hover shows it."""

    uri: str
    path: list[PathStep]


class CardResult(_Shape, frozen=True, kw_only=True):
    """`markdown` "": nothing is known."""

    markdown: str


class StatisticsParams(_Shape, frozen=True, kw_only=True):
    """Read the numbers at `path`, for at most `seconds`."""

    uri: str
    path: list[PathStep]
    seconds: float = 5.0


class Figure(_Shape, frozen=True, kw_only=True):
    name: str
    value: str


class StatisticsResult(_Shape, frozen=True, kw_only=True):
    """`short` is one line for a place after the code; `sentence` says of when and what the figures are, or why there are
    none."""

    figures: list[Figure]
    short: str
    sentence: str


class SourceParams(_Shape, frozen=True, kw_only=True):
    """uri: of a `yonder-remote:` document."""

    uri: str


class SourceResult(_Shape, frozen=True, kw_only=True):
    """The text; where `kept` is false it is gone, and `text` is a comment that says so."""

    text: str
    kept: bool


class SourceAtParams(_Shape, frozen=True, kw_only=True):
    """The expression at the start of `selection`, or the object at `path`."""

    uri: str
    selection: Range
    path: list[PathStep] = []


class SourceAt(_Shape, frozen=True, kw_only=True):
    """uri "": there is none, and `sentence` says why."""

    uri: str
    range: Range
    sentence: str = ""


class KeepParams(_Shape, frozen=True, kw_only=True):
    """Keep what `path` leads to as a Remote, after the statement on `line`."""

    uri: str
    path: list[PathStep]
    line: int


class KeepEdit(_Shape, frozen=True, kw_only=True):
    range: Range
    text: str


class ProvideParams(_Shape, frozen=True, kw_only=True):
    """How the executor core gets to the project's Python: install (pip into it) or without (a folder of our own)."""

    choice: Literal["install", "without"]


class SettingsParams(_Shape, frozen=True, kw_only=True):
    """The editor's settings or the selected interpreter changed."""

    python: str
    settings: Settings


# ── notifications server → client ─────────────────────────────────────────────────────────────────────────────────────


class RunsChanged(_Shape, frozen=True, kw_only=True):
    """Something in runs, output, metrics, displays or calls is newer than before; at most 10 a second."""

    revision: int


class InputRequested(_Shape, frozen=True, kw_only=True):
    id: str
    run: str
    prompt: str
    secret: bool


class InputClosed(_Shape, frozen=True, kw_only=True):
    id: str


class Notice(_Shape, frozen=True, kw_only=True):
    """A sentence for the person, shown once. level: info, warning, error."""

    level: Literal["info", "warning", "error"]
    sentence: str
    remedy: Remedy | None = None


class LogLine(_Shape, frozen=True, kw_only=True):
    """One line for the `Yonder` log channel."""

    level: Literal["debug", "info", "warning", "error"]
    text: str


class Method(NamedTuple):
    """One `yonder/*` method. result None: a notification."""

    name: str
    params: type[_Shape]
    result: type[_Shape] | None


REQUESTS: tuple[Method, ...] = (
    Method("yonder/run", RunParams, RunStarted),
    Method("yonder/interrupt", InterruptParams, InterruptResult),
    Method("yonder/stacks", StacksParams, StacksResult),
    Method("yonder/restartSession", UriParams, Sentence),
    Method("yonder/stopCluster", Nothing, StopResult),
    Method("yonder/status", Nothing, StatusResult),
    Method("yonder/runs", SinceParams, RunsResult),
    Method("yonder/output", OutputParams, OutputResult),
    Method("yonder/series", SeriesParams, SeriesResult),
    Method("yonder/calls", CallsParams, CallsResult),
    Method("yonder/displays", DisplaysParams, DisplaysResult),
    Method("yonder/files", FilesParams, FilesResult),
    Method("yonder/fetch", FetchParams, Fetched),
    Method("yonder/variables", VariablesParams, VariablesResult),
    Method("yonder/card", CardParams, CardResult),
    Method("yonder/keeping", KeepParams, KeepEdit),
    Method("yonder/statistics", StatisticsParams, StatisticsResult),
    Method("yonder/source", SourceParams, SourceResult),
    Method("yonder/sourceAt", SourceAtParams, SourceAt),
    Method("yonder/answer", AnswerParams, Nothing),
    Method("yonder/provide", ProvideParams, Sentence),
    Method("yonder/clearRuns", Nothing, Nothing),
)

NOTIFICATIONS_TO_SERVER: tuple[Method, ...] = (
    Method("yonder/heartbeat", Nothing, None),
    Method("yonder/settings", SettingsParams, None),
)

NOTIFICATIONS_TO_CLIENT: tuple[Method, ...] = (
    Method("yonder/runsChanged", RunsChanged, None),
    Method("yonder/statusChanged", StatusResult, None),
    Method("yonder/inputRequested", InputRequested, None),
    Method("yonder/inputClosed", InputClosed, None),
    Method("yonder/notice", Notice, None),
    Method("yonder/log", LogLine, None),
)
