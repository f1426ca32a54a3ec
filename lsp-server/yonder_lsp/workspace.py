"""The ground code runs on: the workspace's settings and the project's Python, looked up again when they may have changed.

What this file must not know: the hub's connection, documents, LSP.
"""

from __future__ import annotations

import asyncio
import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from yonder import requirements, wire
from yonder import settings as tables
from yonder.errors import CannotRun, SettingsError, UsageError
from yonder.layers import file_layer
from yonder.places import OwnerFolder, state_root
from yonder_lsp import interpreter, protocol
from yonder_lsp.rpc import Refusal


class Workspace:
    """`environ` is this process's environment at its start; `warn` gets sentences about the settings, each once."""

    def __init__(self, options: protocol.InitOptions, environ: Mapping[str, str], warn: Callable[[str], None]) -> None:
        self.options = options
        self.settings = options.settings or protocol.Settings()
        self.found: interpreter.Interpreter | None = None
        self.more: tuple[str, ...] = ()
        """The workspace's folders after the first: code of theirs runs in sessions of its own."""
        self._python = options.python
        self._chosen = ""
        self._environ = environ
        self._warn = warn
        self._warned: set[str] = set()
        self._core: dict[str, str] = {}
        self._tables: tables.Settings | None = None
        self._probing = asyncio.Lock()

    @property
    def folder(self) -> str:
        """The workspace folder, "" without one."""
        return self.options.folder

    def moved(self, more: Sequence[str]) -> None:
        """The workspace has these folders after its first. A person hears of settings that do not count."""
        self.more = tuple(folder for folder in dict.fromkeys(more) if folder and folder != self.folder)
        for folder in self.more if self.folder else ():
            sentence = (
                f"{folder} has [tool.yonder] settings of its own, which do not count in this window: those of its first "
                f"folder do ({self.folder}). Move them there, or open {folder} in a window of its own."
            )
            if sentence not in self._warned and _has_settings(Path(folder)):
                self._warned.add(sentence)
                self._warn(sentence)

    @property
    def storage(self) -> Path:
        """The folder for what is made for Pythons; every window of this person may use it."""
        return Path(self.options.storage) if self.options.storage else state_root()

    @property
    def runs_file(self) -> Path:
        """This window's own runs: another window's are none of its business, nor is its hub."""
        return self.storage / OwnerFolder(self.options.owner).path.name / "runs.sqlite"

    def change(self, params: protocol.SettingsParams) -> None:
        """The editor's settings or the chosen interpreter are others now."""
        self.settings = params.settings
        self._python = params.python
        self.found = None

    # ── settings ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def load(self) -> tables.Settings:
        """[tool.yonder] with the editor's overrides, read afresh. Raises SettingsError naming key and place."""
        found = tables.load(Path(self.folder) if self.folder else None, self._overrides(), self._environ)
        for sentence in found.warnings:
            if sentence not in self._warned:
                self._warned.add(sentence)
                self._warn(sentence)
        self._tables = found
        return found

    def _overrides(self) -> dict[str, object]:
        """What the person set in the editor; the editor's own defaults do not win over the project's file."""
        plain = protocol.Settings()
        clocks = {name: getattr(self.settings, name) for name in ("linger", "silence")}
        return {name: value for name, value in clocks.items() if value != getattr(plain, name)} | self.settings.tool

    @property
    def key_file(self) -> str:
        """The key file of the hub elsewhere that the settings name, "" for a hub of this machine."""
        return self._tables.hub if self._tables is not None else ""

    @property
    def tables(self) -> tables.Settings | None:
        """[tool.yonder] as it was read last; None before that."""
        return self._tables

    def locked(self) -> set[str]:
        """The pools whose packages are installed from the lock file."""
        if self._tables is None:
            return set()
        specs = [*self._tables.pool_specs(), self._tables.session.spec]
        return {spec.name for spec in specs if spec.dependencies == "lock"}

    @property
    def elsewhere(self) -> bool:
        """Does anything of it run on another machine?"""
        tables = self._tables
        if tables is None:
            return False
        return self.key_file != "" or any(
            spec.backend != "local" for spec in (tables.session.spec, *tables.pool_specs())
        )

    def preload(self) -> list[str]:
        """What the settings say a session imports beforehand."""
        return list(self._tables.session.preload) if self._tables is not None else []

    async def configure(self) -> wire.Configure:
        """What the hub needs to know. Raises SettingsError, or Refusal when there is no Python to run on."""
        found = await asyncio.to_thread(self.load)
        place = await self.place(self.folder or str(Path.home()))
        return wire.Configure(
            place=place,
            # The hub knows what a session's executor is by the pool spec of that name.
            pools=[*found.pool_specs(), found.session.spec],
            linger=found.linger,
            silence=found.silence,
            stream_bound=found.stream_bound,
            max_executors=found.max_executors,
            max_gpus=found.max_gpus,
            max_executor_hours=found.max_executor_hours,
            needs=await self._needs([*found.pool_specs(), found.session.spec]),
        )

    async def _needs(self, specs: list[wire.PoolSpec]) -> wire.Needs | None:
        """What executors with a Python of their own are compared with: the project's Python and its lock file. With a hub
        elsewhere the code's own side is over there."""
        if self.key_file or all(spec.backend == "local" for spec in specs):
            return None
        python = await self.look()
        if python is None or python.problem:
            return None
        here = await asyncio.to_thread(interpreter.environment, python)
        try:
            found = await asyncio.to_thread(requirements.read, Path(self.folder or Path.home()), here, ())
        except UsageError as error:
            self._warn(str(error))
            return wire.Needs(here)
        return wire.Needs(here, requirements.names(found.lines), found.lines, found.constraints, found.source)

    # ── the project's Python ──────────────────────────────────────────────────────────────────────────────────────────

    async def look(self) -> interpreter.Interpreter | None:
        """The project's Python as it would be used; None when there is none."""
        async with self._probing:
            project = self._tables.python if self._tables is not None else ""
            chosen = self.settings.python or project or self._python
            if self.found is None or chosen != self._chosen:
                self.found, self._chosen = None, chosen
                path = interpreter.find(Path(self.folder) if self.folder else None, chosen, self._environ)
                if path is not None:
                    self.found = await interpreter.probe(path)
            return self.found

    async def place(self, folder: str) -> wire.Place:
        """Where code of `folder` runs. Raises Refusal with what the person can press."""
        if self.key_file:
            return wire.Place()  # the hub's own Python, over there
        python = await self.look()
        if python is None:
            raise Refusal(
                "No Python was found to run on. Select an interpreter, or create an environment (.venv) in the folder.",
                protocol.Remedy(code="no_python"),
            )
        if python.problem:
            raise Refusal(python.problem, protocol.Remedy(code="python_too_old", detail=str(python.path)))
        core = "" if python.has_core else await self._core_for(python)
        return wire.Place(python=str(python.path), core=core, folder=folder)

    async def _core_for(self, python: interpreter.Interpreter) -> str:
        """The folder that lends the executor core to a Python without it."""
        known = self._core.get(str(python.path))
        if known is not None:
            return known
        if self.settings.provide in ("install", "without"):
            return await self._provide(self.settings.provide, python)
        if any(self.storage.glob(f"core-*-{python.tag}")):
            return await self._provide("without", python)  # the person chose this for such a Python before
        command = interpreter.install_command(python, self.options.wheels, self._environ)
        raise Refusal(
            f"{python.path} does not have Yonder's executor core yet. Install it there, or run without installing.",
            protocol.Remedy(code="core_missing", command=shlex.join(command), detail=Path(python.prefix).name),
        )

    async def provide(self, params: protocol.ProvideParams) -> str:
        """Get the executor core to the project's Python. Returns what was done, in words."""
        self.found = None
        python = await self.look()
        if python is None:
            raise CannotRun("No Python was found to install into.")
        core = await self._provide(params.choice, python)
        if core:
            return f"Yonder's executor core lies in {core}; {python.path} itself was not changed."
        return f"yonder was installed into {python.prefix}."

    async def _provide(self, choice: str, python: interpreter.Interpreter) -> str:
        core = await interpreter.provide(choice, python, self.options.wheels, self.storage, self._environ)
        self._core[str(python.path)] = core
        self.found = None  # looked at again: it may have the core now
        return core


def _has_settings(folder: Path) -> bool:
    try:
        layer = file_layer(folder)
    except SettingsError:
        return False  # nobody reads it
    return layer is not None and bool(layer.tree)


def options_of(given: object) -> protocol.InitOptions:
    """initializationOptions, checked. An editor that gives none gets an owner of this process's own."""
    if not given:
        return protocol.InitOptions(owner=f"process-{os.getpid()}")
    return msgspec.convert(given, protocol.InitOptions)
