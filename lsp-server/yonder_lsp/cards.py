"""What a person looks at on purpose: the rows of the Variables view, an object's card, its statistics.

What belongs here: wire answers to the protocol's shapes, and the words about them. What this file must not know: pygls, how a
look crosses the wire, Markdown.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Literal

from yonder import wire
from yonder.errors import YonderError
from yonder_lsp import hover, live, markup, protocol
from yonder_lsp.live import Live, Peek
from yonder_lsp.looking import Scene
from yonder_lsp.sessions import Session, Sessions

PAGE = 200
CARD = 0.5
SPARE = 1.0
"""Seconds beyond a computation's own limit until the session counts as not answering."""
LONGEST = 30.0
KEPT = 64
_CELL = 200
_COUNTED = frozenset(
    {
        "torch.Tensor",
        "torch.nn.parameter.Parameter",
        "numpy.ndarray",
        "pandas.DataFrame",
        "pandas.Series",
        "pandas.core.frame.DataFrame",
        "pandas.core.series.Series",
    }
)
_Path = Sequence[protocol.PathStep] | Sequence[wire.Step]

EMPTY = "Run a block and its variables appear here."
OFF = "Live objects are not looked at: the setting yonder.looking is static-only."
SLOW = "The session does not answer just now; what is shown is older."
SILENT = "The session does not answer just now; the rows come when it does."


class Cards:
    """`peek` asks a session directly (statistics take longer than a look may); `clock` gives the time of day."""

    def __init__(self, scene: Scene, sessions: Sessions, eyes: Live, peek: Peek, clock: Callable[[], float]) -> None:
        self._scene = scene
        self._sessions = sessions
        self._eyes = eyes
        self._peek = peek
        self._clock = clock
        self._figures: OrderedDict[tuple[str, int, tuple[wire.Step, ...]], tuple[protocol.StatisticsResult, float]] = (
            OrderedDict()
        )

    # ── variables ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def variables(self, params: protocol.VariablesParams) -> protocol.VariablesResult:
        """A page of rows, at once when nothing runs and it is known, else within live.VARIABLES seconds."""
        session = self._session(params.uri)
        if not self._scene.looking or not session.alive:
            return _none("off", OFF) if not self._scene.looking else _none("none", EMPTY)
        path = steps(params.path)
        limit = min(max(params.limit, 1), PAGE)
        query = wire.Query("children", path, params.filter[:_CELL], limit, offset=min(max(params.offset, 0), 2**62))
        asker = f"{params.uri}\0rows {path!r} {params.offset}"  # no node of the tree comes in another's way
        look = await self._eyes.ask(asker, session.epoch, query, live.VARIABLES)
        answer = look.answer
        state: Literal["live", "busy", "slow"] = "slow" if look.late else "busy" if session.epoch.busy else "live"
        if answer is None:
            return _none("slow", SILENT)
        return protocol.VariablesResult(
            variables=[_variable(row) for row in answer.rows[:limit]],
            total=max(answer.total, 0),
            generation=max(answer.generation, 0),
            state=state,
            sentence=SLOW if look.late else _line(answer.why),
        )

    # ── a card ────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def card(self, params: protocol.CardParams) -> protocol.CardResult:
        """What a hover over this path would say."""
        session, path = self._session(params.uri), steps(params.path)
        if not self._scene.looking or not session.alive or not path:
            return protocol.CardResult(markdown="")
        query = wire.Query("describe", path)
        look = await self._eyes.ask(f"{params.uri}\0card", session.epoch, query, CARD)
        if look.answer is None or not look.answer.found:
            return protocol.CardResult(markdown="")
        where = hover.Where(
            run=look.answer.generation or session.generation,
            age=max(0.0, self._clock() - session.since),
            stale=False,
            busy=session.epoch.busy,
            late=look.late,
        )
        text = hover.markdown(str(path[-1].value), look.answer, where)
        return protocol.CardResult(markdown="\n\n".join(part for part in (text, self.figures(session, path)) if part))

    def figures(self, session: Session, path: Sequence[wire.Step]) -> str:
        """The statistics that were computed of this path in this process of the session, as Markdown; "" for none."""
        known = self._figures.get((session.id, session.pid, tuple(path)))
        if known is None:
            return ""
        result, at = known
        rows = " · ".join(f"{markup.escaped(one.name)}: {markup.span(one.value)}" for one in result.figures)
        told = " · ".join(part for part in ("statistics", hover.ago(self._clock() - at), result.sentence) if part)
        return f"*{markup.escaped(told)}*  \n{rows}"

    # ── statistics ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def statistics(self, params: protocol.StatisticsParams) -> protocol.StatisticsResult:
        """Compute them beside whatever runs. Never longer than asked for and a second."""
        session, path = self._session(params.uri), steps(params.path)
        if not self._scene.looking or not session.alive or not path:
            return _no_figures(OFF if not self._scene.looking else "There is no session whose objects could be read.")
        seconds = min(max(params.seconds, 0.1), LONGEST)
        began, busy = session.generation, session.epoch.busy
        try:
            async with asyncio.timeout(seconds + SPARE):
                answer = await self._peek(session.id, wire.Query("statistics", path, seconds=seconds))
        except TimeoutError:
            return _no_figures(f"The session did not answer within {seconds:g} s; the run goes on.")
        except YonderError as error:
            return _no_figures(str(error))
        if not answer.found:
            return _no_figures(f"No statistics of {path_text(path)}: {_line(answer.why)}.")
        figures = [protocol.Figure(name=_line(row.name), value=_line(row.short)) for row in answer.rows[:PAGE]]
        moving = busy or session.epoch.busy or session.generation != began
        sentence = _sentence(answer, moving=moving)
        result = protocol.StatisticsResult(figures=figures, short=_short(figures), sentence=sentence)
        self._figures[session.id, session.pid, tuple(path)] = (result, self._clock())
        while len(self._figures) > KEPT:
            self._figures.popitem(last=False)
        return result

    def _session(self, uri: str) -> Session:
        return self._sessions.get(self._scene.session_of(uri))


def countable(answer: wire.Answer) -> bool:
    """Whether statistics can be computed of what was described so."""
    return answer.type in _COUNTED or any(fact.value.startswith("a column") for fact in answer.facts)


def path_text(path: Sequence[wire.Step]) -> str:
    """A path as Python writes it."""
    parts = [
        str(step.value) if step.kind == "name" else f".{step.value}" if step.kind == "attr" else f"[{step.value!r}]"
        for step in path
    ]
    return cut("".join(parts), _CELL)


def steps(path: _Path) -> list[wire.Step]:
    """A path of the protocol on the wire."""
    return [wire.Step(step.kind, step.value) for step in path]


def protocol_steps(path: Sequence[wire.Step]) -> list[protocol.PathStep]:
    """A path of the wire in the protocol."""
    return [protocol.PathStep(kind=step.kind, value=step.value) for step in path]


def _variable(row: wire.Row) -> protocol.Variable:
    """A row as the editor gets it; what a worker says is cut, whatever it says."""
    step = row.step if row.step is not None and len(str(row.step.value)) <= _CELL else None
    return protocol.Variable(
        name=_line(row.name),
        kind=row.kind[:1],
        type=_line(row.type),
        short=_line(row.short),
        step=None if step is None else protocol.PathStep(kind=step.kind, value=step.value),
        children=max(row.children, 0),
        size=row.size,
        statistics=step is not None and (row.type in _COUNTED or row.type == "column"),
    )


def _none(state: Literal["slow", "none", "off"], sentence: str) -> protocol.VariablesResult:
    return protocol.VariablesResult(variables=[], total=0, generation=0, state=state, sentence=sentence)


def _no_figures(sentence: str) -> protocol.StatisticsResult:
    return protocol.StatisticsResult(figures=[], short="", sentence=sentence)


def _sentence(answer: wire.Answer, *, moving: bool) -> str:
    """Of when the figures are."""
    parts = [
        f"run {answer.generation}" if answer.generation else "",
        f"{answer.total:,} numbers" if len(answer.rows) and answer.rows[0].name == "min" else "",
        _line(answer.why),
        "a run was on, so the values may have moved meanwhile" if moving else "",
    ]
    return " · ".join(part for part in parts if part)


def _short(figures: Sequence[protocol.Figure]) -> str:
    """One line; counts of what there is none of are left out."""
    told = [
        f"{one.name} {one.value}" for one in figures if not (one.value == "0" and one.name in ("zeros", "NaN", "Inf"))
    ]
    return cut(" · ".join(told), 120)


def cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _line(text: str) -> str:
    return cut(" ".join(text.split()), _CELL)
