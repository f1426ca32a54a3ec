"""What a person sees while typing and pointing: questions from the cursor, answers from the live session and the static
engine, merged within a deadline.

What belongs here: who is asked and which source wins (EDITOR.md sections 2 and 3). What this file must not know: pygls,
sockets, how a list is ordered or a hover is worded.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, assert_never

import msgspec

from yonder import wire
from yonder_lsp import agreement, bound, completion, cursor, due, hover, live, scope, subject, uris
from yonder_lsp.completion import Entry
from yonder_lsp.documents import Document
from yonder_lsp.hindsight import Hindsight
from yonder_lsp.protocol import InlayHints
from yonder_lsp.sessions import Session, Sessions
from yonder_lsp.static import Facts, Query, Static, What

Json = dict[str, Any]
T = TypeVar("T")
Begin = Callable[[], "asyncio.Task[Facts] | None"]


@dataclass(slots=True)
class Scene:
    """What the looking depends on and the server may change: `more` are the workspace's folders after the first, `looking`
    is off in static-only, `others` says that another Python language server is active, `defaults` that the editor knows a
    completion list's itemDefaults, `commands` that it runs `yonder.*` commands, `hints` when inlay hints are wanted,
    `patience` what the deadlines are multiplied with."""

    folder: str = ""
    more: Sequence[str] = ()
    python: str = ""
    looking: bool = True
    others: bool = False
    defaults: bool = True
    commands: bool = False
    hints: InlayHints = "auto"
    patience: float = 1.0

    def session_of(self, uri: str) -> str:
        """The session of a document."""
        return uris.session_of(uri, self.folder, self.more)

    def folder_of(self, uri: str) -> str:
        """The workspace folder that a document is in, "" without any."""
        return uris.folder_of(uri, self.folder, self.more) if self.folder else ""


class Looking:
    """`static` gives the engine in use now, None for none; `below` what stands under a card."""

    def __init__(
        self,
        scene: Scene,
        sessions: Sessions,
        eyes: live.Live,
        static: Callable[[], Static | None],
        clock: Callable[[], float],
        hindsight: Hindsight,
        below: Callable[[Document, cursor.Target, wire.Answer], str] = lambda *_: "",
    ) -> None:
        self._scene = scene
        self._sessions = sessions
        self._eyes = eyes
        self._engine = static
        self._clock = clock
        self._hindsight = hindsight
        self._below = below

    @property
    def patience(self) -> float:
        return self._scene.patience

    # ── completion ────────────────────────────────────────────────────────────────────────────────────────────────────

    @due.by(live.COMPLETION)
    async def complete(self, document: Document, offset: int, trigger: str) -> Json | None:
        asked = None if uris.is_remote(document.uri) else cursor.question(document.text, offset)
        if asked is None or (trigger in ("[", '"', "'") and not isinstance(asked, cursor.Key)):
            return None
        session = self.session(document)
        sources, late = await self._sources(document, session, asked, lambda: self.begin("complete", document, offset))
        entries = completion.merge(*sources)
        end = document.position(offset)
        start = document.position(asked.start)
        range_ = msgspec.to_builtins({"start": start, "end": end})
        prefix = asked.quote if isinstance(asked, cursor.Key) else asked.prefix
        return completion.listed(
            entries,
            range_=range_,
            data=subject.data_of(subject.of(document, session, asked)),
            incomplete=late,
            prefix=prefix,
            defaults=self._scene.defaults,
        )

    async def _sources(
        self, document: Document, session: Session, asked: cursor.Question, static: Begin
    ) -> tuple[list[Sequence[Entry]], bool]:
        """The lists in the order in which they win, and whether one of them came late."""
        match asked:
            case cursor.Attribute(path=path):
                return await self._attribute(document, session, path, asked.start, static)
            case cursor.Name(call=call):
                begun = static()
                names, keywords = await _both(
                    self._names(document, session, asked.start), self._keywords(document, session, call, asked.start)
                )
                facts, missed = await _within(begun, live.COMPLETION if not session.alive else live.COMPLETION_CACHED)
                late = names.late or keywords.late or missed
                found = _members(names)
                if self._scene.others:
                    found = completion.only_live(found, bound.names(document.text))
                own = completion.members(found, globals_=True)
                used = call.used if call else frozenset[str]()
                python = [] if self._scene.others else completion.python_names({entry.label for entry in own})
                parameters = completion.parameters(keywords.answer.parameters if keywords.answer else (), used)
                return [parameters, own, completion.static(facts.named(), completion.GLOBAL), python], late
            case cursor.Key(path=path, quote=quote):
                look = await self._seen(document, session, wire.Query("keys", list(path)), asked.start, live.COMPLETION)
                close = not _closed_after(document, asked)
                name, line = str(path[0].value), document.position(asked.start).line
                note = completion.LAST_RUN if self.rebound(document, session, name, line) else ""
                return [completion.keys(_members(look), quote, close=close, note=note)], look.late
            case cursor.Import(module=module):
                steps = [
                    wire.Step("name" if n == 0 else "attr", part) for n, part in enumerate(module.split(".")) if part
                ]
                query = wire.Query("imports", steps)
                look, begun = await _either(self._ask(document, session, query, live.COMPLETION), static)
                if _members(look):
                    _drop(begun)
                    return [completion.members(_members(look))], look.late
                facts, missed = await _within(begun or static(), live.COMPLETION)
                return [completion.static(facts.named(), completion.CLASS)], look.late or missed
            case cursor.Elsewhere():
                facts, missed = await _within(static(), live.COMPLETION)
                return [completion.static(facts.named(), completion.CLASS)], missed
            case _:
                assert_never(asked)

    async def _attribute(
        self, document: Document, session: Session, path: cursor.Path, start: int, static: Begin
    ) -> tuple[list[Sequence[Entry]], bool]:
        """The static engine is only started where live members are not to be had, or where the text has moved on from
        what ran: a live list needs no second opinion, and jedi would cost a core for it."""
        name, line, query = str(path[0].value), document.position(start).line, wire.Query("members", list(path))
        if scope.is_local(document, name, start):
            begun = static()
            own = completion.members(_members(await self._stopped(document, session, query, start)))
            if own:
                _drop(begun)
                return [own], False
            facts, missed = await _within(begun, live.COMPLETION_CACHED)
            return [completion.static(facts.named(), completion.CLASS)], missed
        rebound = self.rebound(document, session, name, line)
        begun = static() if rebound or self._eyes.slow else None
        look, later = await _either(self._members_of(document, session, path), lambda: begun or static())
        begun = begun or later
        own = completion.members(_members(look), note=completion.LAST_RUN if rebound else "")
        if own and not rebound:
            _drop(begun)
            return [own], look.late
        if own and await self._disagrees(document, session, name, line):
            own = []
        facts, missed = await _within(begun or static(), live.COMPLETION)
        return [completion.static(facts.named(), completion.CLASS), own], look.late or missed

    async def _disagrees(self, document: Document, session: Session, name: str, line: int) -> bool:
        """Does the text surely give the name another type than it has in the session?"""
        found = scope.last_binding(document, name, line)

        async def look(query: wire.Query) -> live.Look:
            asker = f"{document.uri}\0agreement"  # never in the way of a person's own look
            return await self._eyes.ask(asker, session.epoch, query, due.left(live.COMPLETION_CACHED))

        return found is not None and await agreement.disagrees(name, found.words, look)

    async def _names(self, document: Document, session: Session, offset: int) -> live.Look:
        here = await self._stopped(document, session, wire.Query("members"), offset)
        return here if here.answer is not None else await self._members_of(document, session, ())

    async def _stopped(self, document: Document, session: Session, query: wire.Query, offset: int) -> live.Look:
        """A look at the names of the function around a place, while a debugger has stopped in it."""
        frame = scope.function(document, offset) if session.state == "busy" else ""
        if not frame:
            return live.NOTHING
        look = await self.look(document, session, msgspec.structs.replace(query, frame=frame), live.STOPPED)
        return look if look.answer is not None and look.answer.frame == frame else live.NOTHING

    async def _seen(
        self, document: Document, session: Session, query: wire.Query, offset: int, within: float
    ) -> live.Look:
        """A look at what stands at a place: at a function's own names only where a debugger has stopped in it."""
        if scope.is_local(document, str(query.path[0].value), offset):
            return await self._stopped(document, session, query, offset)
        return await self.look(document, session, query, within)

    async def _members_of(self, document: Document, session: Session, path: cursor.Path) -> live.Look:
        """What is under a path, or, if the session does not say so in time, what is known of its type."""
        query, epoch = wire.Query("members", list(path)), session.epoch
        within = live.COMPLETION_CACHED if self._hindsight.ready(epoch, query) else live.COMPLETION
        look = await self.look(document, session, query, within)
        return self._hindsight.instead(epoch, query, look) if session.alive and self._scene.looking else look

    async def _keywords(self, document: Document, session: Session, call: cursor.Call | None, offset: int) -> live.Look:
        if call is None or call.keyword:
            return live.NOTHING
        query = wire.Query("signature", list(call.function))
        return await self._seen(document, session, query, offset, live.COMPLETION)

    @due.by(live.RESOLVE)
    async def resolve(self, item: Json) -> Json:
        """An item with its description, from the live object."""
        about = subject.subject_of(item.get("data"))
        label = item.get("label", "")
        if about is None or label.endswith("="):
            return item
        session = self._sessions.get(about.session)
        steps = [*about.path, wire.Step(about.step, label)]
        query = wire.Query("describe", steps, frame=about.frame)
        look = await self.look(Document(about.uri, ""), session, query, live.RESOLVE)
        if look.answer is None or not look.answer.found or (about.own and look.answer.frame != about.frame):
            return item
        answer = look.answer
        detail = answer.type if not answer.signature else answer.signature
        text = hover.markdown(label, answer, None)
        documented = {"documentation": {"kind": "markdown", "value": text}} if text else {}
        return item | {"detail": detail} | documented

    # ── hover and signature ───────────────────────────────────────────────────────────────────────────────────────────

    @due.by(live.HOVER)
    async def hover(self, document: Document, offset: int) -> Json | None:
        found = cursor.target(document.text, offset)
        session = self.session(document)
        if found is None:
            return None
        text = ""
        name, line = str(found.path[0].value), document.position(found.start).line
        query = wire.Query("describe", list(found.path))
        begin = functools.partial(self.begin, "hover", document, offset)
        look, begun = await _either(self._seen(document, session, query, found.start, live.HOVER), begin)
        if look.answer is not None and look.answer.found:
            where = hover.Where(
                run=look.answer.generation or session.generation,
                age=max(0.0, self._clock() - session.since),
                stale=not look.answer.frame and self.rebound(document, session, name, line),
                busy=session.state == "busy",
                late=look.late,
            )
            answer = hover.beside(look.answer) if self._scene.others else look.answer
            card = hover.markdown(str(found.path[-1].value), answer, where)
            text = "\n\n".join(part for part in (card, self._below(document, found, answer)) if part)
        if text:
            _drop(begun)
        else:
            facts, _ = await _within(begun or begin(), live.HOVER)
            text = hover.told(facts.text)
        if not text:
            return None
        range_ = msgspec.to_builtins(document.range(found.start, found.end))
        return {"contents": {"kind": "markdown", "value": text}, "range": range_}

    @due.by(live.SIGNATURE)
    async def signature(self, document: Document, offset: int) -> Json | None:
        call = cursor.call_at(document.text, offset)
        if call is None:
            return None
        session = self.session(document)
        query = wire.Query("signature", list(call.function))
        begin = functools.partial(self.begin, "signature", document, offset)
        look, begun = await _either(self._seen(document, session, query, offset, live.SIGNATURE), begin)
        if (answer := look.answer) is not None and answer.found:
            _drop(begun)
            return hover.signature(str(call.function[-1].value), answer, call)
        facts, _ = await _within(begun or begin(), live.SIGNATURE)
        if not facts.signature:
            return None
        parameters = [{"label": label} for label in facts.parameters]
        signatures = [{"label": facts.signature, "parameters": parameters}]
        return {"signatures": signatures, "activeSignature": 0, "activeParameter": facts.index}

    async def describe(self, document: Document, names: Iterable[str]) -> dict[str, wire.Answer]:
        """What the document's session has under these names, as far as it answers in time."""
        session, found = self.session(document), dict[str, wire.Answer]()
        if not session.alive or not self._scene.looking:
            return found
        for name in names:
            query = wire.Query("describe", [wire.Step("name", name)])
            # Under a name of its own, so that it never comes in the way of a person's look.
            look = await self._eyes.ask(f"{document.uri}\0captures", session.epoch, query, live.VARIABLES)
            if look.answer is not None and not look.late:
                found[name] = look.answer
        return found

    # ── asking ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def session(self, document: Document) -> Session:
        """The session that a document belongs to, perhaps one that is not there."""
        session = self._sessions.get(self._scene.session_of(document.uri))
        if session.alive and document.text and not uris.is_remote(document.uri):
            session.believe(document.uri, document.above + document.text)
        return session

    async def look(self, document: Document, session: Session, query: wire.Query, within: float) -> live.Look:
        """A look at live objects, unless the person wants none."""
        return await self._ask(document, session, query, within) if self._scene.looking else live.NOTHING

    async def _ask(self, document: Document, session: Session, query: wire.Query, within: float) -> live.Look:
        if not session.alive:
            return live.NOTHING
        place = uris.remote_place(document.uri)
        if place is not None:  # the text of a module there: its names are that module's
            query = msgspec.structs.replace(query, within=place.file)
        due.away(self._eyes.way(session.id))
        return await self._eyes.ask(document.uri, session.epoch, query, due.left(within))

    def rebound(self, document: Document, session: Session, name: str, line: int) -> bool:
        """Has the text above given the name another value than the session's? The text of a module is what ran."""
        if session.ran is None or uris.is_remote(document.uri):
            return False
        return scope.rebound(document, name, line, session.ran)

    async def static(self, what: What, document: Document, offset: int, seconds: float) -> Facts:
        """What the static engine knows, if there is one and it says so in time."""
        return (await _within(self.begin(what, document, offset), seconds))[0]

    def begin(self, what: What, document: Document, offset: int) -> asyncio.Task[Facts] | None:
        """Ask the static engine, if there is one."""
        engine = self._engine()
        if engine is None:
            return None
        at = document.position(offset)
        column = offset - document.offset(type(at)(line=at.line, character=0))
        text, line = document.above + document.text, document.above.count("\n") + at.line
        query = Query(
            what,
            text,
            uris.to_path(document.uri),
            line,
            column,
            self._scene.folder_of(document.uri),
            self._scene.python,
        )
        return asyncio.create_task(engine.ask(query))


def _members(look: live.Look) -> Sequence[wire.Member]:
    return look.answer.members if look.answer is not None and look.answer.found else ()


def _closed_after(document: Document, asked: cursor.Key) -> bool:
    """Does the text already close the bracket (and quote) behind the cursor?"""
    rest = document.text[asked.start + len(asked.prefix) :].partition("\n")[0].lstrip()
    return rest.startswith((asked.quote + "]") if asked.quote else "]")


async def _either(look: Coroutine[Any, Any, live.Look], static: Begin) -> tuple[live.Look, asyncio.Task[Facts] | None]:
    """A look; where it is late so far, the static engine is begun as well, while there is time left for its answer."""
    looking = asyncio.create_task(look)
    try:
        await asyncio.wait({looking}, timeout=due.left(live.COMPLETION) / 2)
        begun = None if looking.done() else static()
        return await looking, begun
    finally:
        looking.cancel()


async def _within(task: asyncio.Task[Facts] | None, seconds: float) -> tuple[Facts, bool]:
    """The static engine's facts if they come in time, and whether they did not."""
    if task is None:
        return Facts(), False
    await asyncio.wait({task}, timeout=due.left(seconds))
    if task.done() and not task.cancelled():
        return task.result(), False
    task.cancel()
    return Facts(), True


def _drop(task: asyncio.Task[Facts] | None) -> None:
    if task is not None:
        task.cancel()


async def _both(first: Awaitable[T], second: Awaitable[T]) -> tuple[T, T]:
    """Both answers; each has its own deadline."""
    one, two = await asyncio.gather(first, second)
    return one, two
