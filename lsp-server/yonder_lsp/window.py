"""One window's server after `initialize`: composes the parts and answers the `yonder/*` methods and LSP's. No rules here.

              editor ⇄ rpc ⇄ Window ─┬─ Running ── Lifecycle ⇄ hub
                                     ├─ Looking ── Live ───┘
                                     └─ StoreThread, Verdicts, Preflight

What this file must not know: pygls' registration (server.py), SQLite, sockets.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import traceback
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from yonder import wire
from yonder.errors import CannotRun, FetchFailed, YonderError
from yonder.telling import TRAVELS
from yonder_lsp import cells, interpreter, live, protocol, uris
from yonder_lsp import status as states
from yonder_lsp.actions import Actions
from yonder_lsp.cards import Cards
from yonder_lsp.definition import Definition
from yonder_lsp.diagnostics import Edit, here_after_all
from yonder_lsp.documents import Document
from yonder_lsp.engine import EngineInUse
from yonder_lsp.fetching import Fetching
from yonder_lsp.insight import Insight
from yonder_lsp.lacking import left_after_all
from yonder_lsp.lifecycle import Lifecycle
from yonder_lsp.looking import Looking, Scene
from yonder_lsp.pace import Paced
from yonder_lsp.preflight import Ground, Preflight
from yonder_lsp.remote_source import RemoteSources
from yonder_lsp.running import Running, publish
from yonder_lsp.runs import code_words, kept_words
from yonder_lsp.sessions import Sessions
from yonder_lsp.stacks import Stacks
from yonder_lsp.static import Static
from yonder_lsp.store import Store
from yonder_lsp.storing import StoreThread
from yonder_lsp.trees import Moment, Trees
from yonder_lsp.verdicts import Verdicts
from yonder_lsp.workspace import Workspace

Level = Literal["debug", "info", "warning", "error"]
Tell = Callable[[str, object], None]

RUNS_PACE, STATUS_PACE, CODE_PACE = 0.1, 0.2, 0.05
STATUS_WITHIN = 0.5
ENDED = frozenset({"ok", "error", "lost", "cancelled"})


class Window:
    """`tell` sends a notification to the editor; `text` gives a document as it is now."""

    def __init__(
        self,
        options: protocol.InitOptions,
        environ: Mapping[str, str],
        tell: Tell,
        text: Callable[[str], Document],
        *,
        item_defaults: bool,
    ) -> None:
        self._tell = tell
        self._text = text
        self.workspace = Workspace(options, environ, lambda sentence: self.notice("warning", sentence))
        self.storing = StoreThread(self.workspace.runs_file)
        self.lifecycle = Lifecycle(options.owner, self.storing, self, key_file=lambda: self.workspace.key_file)
        self._sessions = Sessions()
        self._kept: dict[str, str] = {}  # modules that a session could not load again, as it was told last
        self._seen: wire.Status | None = None
        self._up_elsewhere: frozenset[str] = frozenset()  # executors that have a Python of their own
        self._engine = EngineInUse(lambda: Static(lambda text: self.log("info", text)))
        self._tasks: set[asyncio.Task[None]] = set()
        self._begun = asyncio.Event()
        loop = asyncio.get_running_loop()
        self.trees = Trees(
            options.folder,
            lambda uri: text(uri).text,
            lambda sentence: _from_thread(loop, self.notice, "warning", sentence),
        )
        self._code_news = Paced(CODE_PACE, lambda: self._background(self._send_code()))
        self._runs_news = Paced(RUNS_PACE, self._tell_runs)
        self._status_news = Paced(STATUS_PACE, self._tell_status)
        self.running = Running(
            self.workspace,
            self.lifecycle,
            self.storing,
            self._sessions,
            code=self._code,
            started=self._run_started,
            changed=self._runs_news.poke,
        )
        self.fetching = Fetching(
            self.lifecycle,
            folder=lambda: self.workspace.folder,
            outputs=lambda: self.workspace.tables.outputs if self.workspace.tables is not None else (),
            fetched=self._fetched,
            warn=lambda sentence: self.notice("warning", sentence),
        )
        self._scene = Scene(folder=options.folder, defaults=item_defaults, commands=options.commands)
        self.insight = Insight(self.lifecycle.peek, self._sessions, self._scene)
        self.eyes = live.Live(
            self.lifecycle.peek,
            clock=time.monotonic,
            slow_changed=self._status_news.poke,
            heard=self.insight.hindsight.heard,
        )
        hindsight = self.insight.hindsight
        self.cards = Cards(self._scene, self._sessions, self.eyes, self.lifecycle.peek, time.time)
        self.actions = Actions(self._scene, self._sessions, self.eyes, self.cards, self.insight.pool)
        self.looking = Looking(
            self._scene, self._sessions, self.eyes, self._engine.now, time.time, hindsight, self.actions.below
        )
        kept = RemoteSources(self.workspace.storage / "remote-source")
        ground = Ground(
            text=text,
            describe=self.looking.describe,
            whole=lambda: self.trees.whole() if self.workspace.elsewhere else None,
            rules=lambda: self.trees.rules,
            folder=self._scene.folder_of,
        )
        self._verdicts = Verdicts(
            self.storing,
            text=text,
            folder_of=self._scene.folder_of,
            begun=self._begun,
            publish=self._publish,
            background=self._background,
            changed=self._runs_news.poke,
        )
        self._preflight = Preflight(
            ground, self._begun, self._publish, self._background, lambda sentence: self.log("info", sentence)
        )
        self.definition = Definition(self._scene, self.looking, kept)
        self._apply_settings()

    # ── coming and going ──────────────────────────────────────────────────────────────────────────────────────────────

    async def begin(self) -> None:
        """After `initialized`: know the runs of before, the project's Python, and take up a cluster that lives."""
        self._background(self._begin())

    async def _begin(self) -> None:
        self._load()
        try:
            await self._take_up()
        finally:
            self._begun.set()
        await self._look()
        if TRAVELS and (moment := self.trees.whole()) is not None:
            await moment.snapshot()  # so that the first Run finds it looked at

    async def _take_up(self) -> None:
        for run in (await self.storing.do(Store.runs, 0)).runs:
            if run.state not in ENDED:
                self._verdicts.resumed(run.run, run.uri)
        if self.storing.notice:
            self.notice("warning", self.storing.notice)
        if await self.lifecycle.find(self._configure_or_none):
            self.log(
                "info",
                f"took up the cluster that lives ({self.lifecycle.where or f'hub process {self.lifecycle.hub_pid}'})",
            )
        else:
            await self.storing.do(Store.abandoned, "Its cluster had ended when the window came back.")
        self._runs_news.poke()

    async def _look_for_python(self) -> None:
        self._load()
        await self._look()

    def _load(self) -> None:
        try:
            self.trees.settings(self.workspace.load())
        except YonderError as error:
            self.notice("warning", str(error))

    async def _look(self) -> None:
        python = await self.workspace.look()
        self._scene.python = str(python.path) if python is not None and not python.problem else ""
        self._status_news.poke()

    async def _configure_or_none(self) -> wire.Configure | None:
        """A cluster that lives keeps what it was told when the settings are broken meanwhile; the person hears why."""
        try:
            return await self.workspace.configure()
        except YonderError as error:
            self.notice("warning", str(error))
            return None

    async def goodbye(self) -> None:
        """`shutdown`: the window closes in good order."""
        await self.lifecycle.goodbye("the editor said goodbye")

    async def close(self) -> None:
        """The server ends, with or without a goodbye."""
        self._preflight.stop()
        self._verdicts.stop()
        for news in (self._runs_news, self._status_news, self._code_news):
            news.stop()
        self.trees.close()
        for task in tuple(self._tasks):
            task.cancel()
        await self.lifecycle.close()
        await self._engine.close()
        self.eyes.forget()
        self.insight.stop()
        self.storing.close()

    def _background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(self._logged(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _logged(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except YonderError as error:
            self.notice("warning", str(error))
        except Exception as error:  # noqa: BLE001 - nobody awaits this; the log is told
            self.log("error", "".join(traceback.format_exception(error)))

    # ── yonder/* ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def run(self, params: protocol.RunParams) -> protocol.RunStarted:
        document = self._text(params.uri)
        await self._begun.wait()  # what is called lost at the beginning must not be this run
        return await self.running.run(document, params)

    async def interrupt(self, params: protocol.InterruptParams) -> protocol.InterruptResult:
        return await self.running.interrupt(params)

    async def stacks(self, params: protocol.StacksParams) -> protocol.StacksResult:
        return await Stacks(self.lifecycle, self.running.session).show(params)

    async def restart_session(self, params: protocol.UriParams) -> protocol.Sentence:
        return await self.running.restart(params.uri)

    async def stop_cluster(self, params: protocol.Nothing) -> protocol.StopResult:
        return await self.running.stop()

    async def status(self, params: protocol.Nothing) -> protocol.StatusResult:
        if self.lifecycle.connected:
            try:
                async with asyncio.timeout(STATUS_WITHIN):
                    await self.lifecycle.ask(wire.GetStatus)
            except (TimeoutError, YonderError):
                self.log("debug", "the hub did not give its state in time; what is shown is older")
        return self._status()

    async def runs(self, params: protocol.SinceParams) -> protocol.RunsResult:
        return await self.storing.do(Store.runs, params.since)

    async def output(self, params: protocol.OutputParams) -> protocol.OutputResult:
        return await self.storing.do(Store.output, params)

    async def series(self, params: protocol.SeriesParams) -> protocol.SeriesResult:
        return await self.storing.do(Store.series, params)

    async def calls(self, params: protocol.CallsParams) -> protocol.CallsResult:
        return await self.storing.do(Store.calls, params)

    async def displays(self, params: protocol.DisplaysParams) -> protocol.DisplaysResult:
        return await self.storing.do(Store.displays, params)

    async def files(self, params: protocol.FilesParams) -> protocol.FilesResult:
        found = await self.storing.do(Store.files, params)
        seen = self._seen.executors if self._seen is not None and self.lifecycle.connected else []
        living = {executor.id for executor in seen}
        rows = [msgspec.structs.replace(row, there=row.executor in living) for row in found.files]
        return protocol.FilesResult(files=rows, more=found.more)

    async def fetch(self, params: protocol.FetchParams) -> protocol.Fetched:
        try:
            kept = await self.fetching.fetch(params.run, params.executor, params.path, Path(params.to))
        except OSError as error:
            raise FetchFailed(f"{params.to} cannot be written: {error.strerror or error}") from error
        return protocol.Fetched(path=str(kept))

    async def _fetched(self, run: str, executor: str, path: str, local: str) -> None:
        self.log("info", f"{path} of {executor} is now {local}")
        await self.storing.do(Store.fetched, run, executor, path, local)
        self._runs_news.poke()

    async def variables(self, params: protocol.VariablesParams) -> protocol.VariablesResult:
        return await self.cards.variables(params)

    async def card(self, params: protocol.CardParams) -> protocol.CardResult:
        return await self.cards.card(params)

    async def keeping(self, params: protocol.KeepParams) -> protocol.KeepEdit:
        return await self.actions.kept(self._text(params.uri), params)

    async def statistics(self, params: protocol.StatisticsParams) -> protocol.StatisticsResult:
        return await self.cards.statistics(params)

    async def source(self, params: protocol.SourceParams) -> protocol.SourceResult:
        return await self.definition.text(params.uri)

    async def source_at(self, params: protocol.SourceAtParams) -> protocol.SourceAt:
        return await self.definition.show(params, self._text(params.uri))

    async def answer(self, params: protocol.AnswerParams) -> protocol.Nothing:
        await self.lifecycle.send(wire.AnswerInput(params.id, params.text))
        return protocol.Nothing()

    async def provide(self, params: protocol.ProvideParams) -> protocol.Sentence:
        sentence = await self.workspace.provide(params)
        await self._look_for_python()
        return protocol.Sentence(sentence=sentence)

    async def clear_runs(self, params: protocol.Nothing) -> protocol.Nothing:
        await self.storing.do(Store.clear)
        self._publish(self._verdicts.clear())
        self._runs_news.poke()
        return protocol.Nothing()

    async def heartbeat(self, params: protocol.Nothing) -> None:
        if self.lifecycle.connected:
            await self.lifecycle.send(wire.WindowAlive())

    async def settings(self, params: protocol.SettingsParams) -> None:
        self.workspace.change(params)
        self._apply_settings()
        await self._look_for_python()
        if self.lifecycle.connected:
            configure = await self._configure_or_none()
            if configure is not None:
                await self.lifecycle.configure(configure)

    def _apply_settings(self) -> None:
        chosen = self.workspace.settings
        self._scene.looking = chosen.looking != "static-only"
        self._scene.others, self._scene.hints = chosen.other_language_server, chosen.inlay_hints
        self._scene.patience = min(max(chosen.patience, 0.1), 20.0)
        self.insight.shown_otherwise()
        self._background(self._engine.apply(chosen))

    def folders(self, more: Sequence[str]) -> None:
        """The workspace has these folders after its first."""
        self.workspace.moved(more)
        self._scene.more = self.trees.more = self.workspace.more

    # ── documents ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def lenses(self, uri: str) -> list[dict[str, Any]]:
        """One lens a cell; a notebook has buttons of its own."""
        if not self.workspace.settings.code_lens or uris.is_remote(uri) or uris.is_cell(uri):
            return []
        return [cells.lens(uri, cell) for cell in await asyncio.to_thread(cells.cells, self._text(uri).text)]

    def edited(self, uri: str, edits: list[Edit]) -> None:
        if uris.is_remote(uri):
            return  # a session's own text: nothing of it is run, judged or sent
        self.trees.edited(uri)
        self.insight.opened(uri)
        self._verdicts.edited(uri, edits)
        self._preflight.edited(uri)

    def saved(self, uri: str) -> None:
        self.trees.saved(uri)
        self._code_news.poke()

    def closed(self, uri: str) -> None:
        self.trees.closed(uri)
        self._publish(self._verdicts.closed(uri) | self._preflight.closed(uri))
        self.insight.closed(uri)

    def _code(self, uri: str, alone: bool) -> Moment | None:
        """The code around a document as it is now; None as long as code does not travel."""
        if not TRAVELS:
            return None
        if self.workspace.tables is not None:
            self.trees.settings(self.workspace.tables)
        return self.trees.of(uri, alone=alone)

    async def _send_code(self) -> None:
        """Ahead of what will run on it."""
        if TRAVELS and self.lifecycle.connected and (moment := self.trees.whole()) is not None:
            await publish(moment, self.lifecycle)

    def _run_started(self, run: str, document: Document, block: cells.Block) -> None:
        self._verdicts.started(run, document, block)
        self.insight.started(run, document.uri, block)

    def _publish(self, uris: set[str]) -> None:
        for uri in sorted(uris):
            found = [*self._verdicts.published(uri), *self._preflight.published(uri)]
            self._tell("textDocument/publishDiagnostics", {"uri": uri, "diagnostics": found})

    # ── what the lifecycle says (lifecycle.Listener) ──────────────────────────────────────────────────────────────────

    def stored(self, batch: Sequence[wire.Numbered]) -> None:
        for numbered in batch:
            self._event(numbered.event)
        self._runs_news.poke()

    def _event(self, event: wire.Event) -> None:
        match event:
            case wire.Phase(run=run, phase=phase, detail=detail):
                self.log(
                    "info", " ".join(part for part in (f"run {run}:" if run else "cluster:", phase, detail) if part)
                )
                if not run and phase in ("boot failed", "dependencies"):
                    self._background(self._compare())
            case wire.InputWanted(run=run, id=number, prompt=prompt, secret=secret):
                asked = protocol.InputRequested(id=number, run=run, prompt=prompt, secret=secret)
                self._tell("yonder/inputRequested", asked)
            case wire.InputOver(id=number):
                self._tell("yonder/inputClosed", protocol.InputClosed(id=number))
            case wire.RunEnded():
                self._run_ended(event)
            case wire.FilesWritten():
                self._background(self.fetching.heard(event))
            case wire.CodeChanged():
                self._code_changed(event)
            case wire.SessionChanged(session=name, note=note):
                self._sessions.changed(event)
                self.insight.moved()
                if event.state == "booting":
                    self._kept = {}
                self.log("info", f"session {name}: {event.state} (generation {event.generation})")
                if note and self.lifecycle.cluster != "stopping":  # a person who stops the cluster knows
                    self.notice("info", note)
                self._status_news.poke()
            case wire.ExecutorChanged(executor=name, pool=pool, state=state, reason=reason):
                words = f"executor {name} of {f'pool {pool}' if pool else 'the session'}: {state}"
                self.log("info", f"{words} ({reason})" if reason else words)
                self._status_news.poke()
            case (
                wire.Output()
                | wire.Metrics()
                | wire.Progress()
                | wire.Display()
                | wire.CallStarted()
                | wire.CallEnded()
            ):
                return  # the store has them, the panel pulls them

    def _code_changed(self, event: wire.CodeChanged) -> None:
        self.log("info", f"run {event.run}: {code_words(event.reloaded, event.kept)}")
        if event.call:
            return  # a worker of a pool, whose session may still have what it told of
        if event.kept and event.kept != self._kept:  # once, not before every run
            remedy = protocol.Remedy(code="code_kept")
            self._tell(
                "yonder/notice", protocol.Notice(level="warning", sentence=kept_words(event.kept), remedy=remedy)
            )
        self._kept = event.kept

    def _run_ended(self, event: wire.RunEnded) -> None:
        self.log("info", f"run {event.run}: {event.outcome} after {event.seconds:.2f} s")
        self.running.ended(event.run)
        self.insight.ended(event)
        uri = self._verdicts.uri(event.run)
        if event.failure is not None:
            note = here_after_all(event.failure, self._scene.folder_of(uri or ""))
            folder = uris.folder_of(uri or "", self.workspace.folder, self.workspace.more)
            if note := note or left_after_all(event.failure, folder, self.trees.rules):
                self.notice("warning", f"{note.rstrip('.')}.")
        if uri:
            self._preflight.ended(uri)
        self._verdicts.ended(event)

    def status_said(self, status: wire.Status) -> None:
        self._seen = status
        self._sessions.snapshot(status.sessions, time.time())
        self.insight.moved()
        self._status_news.poke()
        up = frozenset(
            one.id for one in status.executors if one.backend != "local" and one.state in ("ready", "busy", "gone")
        )
        if not up <= self._up_elsewhere:
            self._background(self._compare())
        self._up_elsewhere = up

    async def _compare(self) -> None:
        """Ask what executors elsewhere have, and say it of the open files."""
        with contextlib.suppress(CannotRun, TimeoutError):  # told with the next executor
            async with asyncio.timeout(STATUS_WITHIN):
                said = await self.lifecycle.ask(wire.AskEnvironments)
            python = await self.workspace.look()
            if not isinstance(said, wire.Environments) or python is None:
                return
            here = await asyncio.to_thread(interpreter.environment, python)
            locked = self.workspace.locked()
            self._preflight.told(
                {name: one for name, one in said.known.items() if name not in locked}, here, python.site
            )

    def cluster_changed(self) -> None:
        self.log("info", f"cluster: {self.lifecycle.cluster}")
        if self.lifecycle.cluster in ("off", "lost"):
            self._seen = None
            self._up_elsewhere = frozenset()
            self._preflight.told({}, None, ())
            self._sessions.gone(time.time())
            self.eyes.forget()
            self.insight.gone()
            self.running.lost()
            self._runs_news.poke()
        if self.lifecycle.connected:
            self._code_news.poke()
        self._status_news.poke()

    def notice(self, level: Literal["info", "warning", "error"], sentence: str) -> None:
        self._tell("yonder/notice", protocol.Notice(level=level, sentence=sentence))

    def log(self, level: Level, text: str) -> None:
        self._tell("yonder/log", protocol.LogLine(level=level, text=text))

    # ── what the editor is told ───────────────────────────────────────────────────────────────────────────────────────

    def _tell_runs(self) -> None:
        self._tell("yonder/runsChanged", protocol.RunsChanged(revision=self.storing.revision))

    def _tell_status(self) -> None:
        self._tell("yonder/statusChanged", self._status())

    def _status(self) -> protocol.StatusResult:
        python = self.workspace.found
        local = states.Local(
            cluster=self.lifecycle.cluster,
            hub_pid=self.lifecycle.hub_pid,
            python=str(python.path) if python is not None else "",
            python_version=python.version if python is not None else "",
            problem=python.problem if python is not None else "",
            slow=self.eyes.slow,
            folder=self.workspace.folder,
            where=self.lifecycle.where,
        )
        return states.compose(self._seen, local, self._sessions.states())


def _from_thread(loop: asyncio.AbstractEventLoop, do: Callable[..., None], *args: object) -> None:
    with contextlib.suppress(RuntimeError):  # the loop has ended, and nobody is there to be told
        loop.call_soon_threadsafe(do, *args)
