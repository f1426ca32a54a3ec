"""The commands of the `yonder` command line: what each prints and with which code it exits.

What belongs here: arguments, tables, exit codes. What this file must not know: how processes are found or checked
(`yonder.machine`, `yonder.doctor`).
"""

from __future__ import annotations

import contextlib
import getpass
import platform
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from yonder import doctor as checks
from yonder import elsewhere, machine, overlays, preflight, receipts, settings, wire
from yonder.account import COLUMNS, account
from yonder.agent import joining
from yonder.backends.local import processes
from yonder.errors import UsageError, YonderError
from yonder.image.build import HUB_IMAGE, HUB_NEEDS, build, usual_base
from yonder.version import IMAGE, __version__

app = typer.Typer(name="yonder", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


def _console() -> Console:
    """Wide when nobody watches, so that no id is cut in a pipe."""
    return Console() if sys.stdout.isatty() else Console(width=160)


@contextlib.contextmanager
def _in_words() -> Iterator[None]:
    """Errors that a person can meet become a sentence and exit code 1."""
    try:
        yield
    except YonderError as error:
        print(f"yonder: {error}", file=sys.stderr)
        raise typer.Exit(1) from error


@app.callback(invoke_without_command=True)
def common(*, version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    """Code in your editor, run on machines that start when you press Run and are gone when you close the window."""
    if version:
        print(f"yonder {__version__}")
        raise typer.Exit


# ── doctor ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@app.command()
def doctor() -> None:
    """Say what is installed, what works and what to do about the rest. Exit code 1 when something is broken."""
    console = _console()
    broken = 0
    for finding in checks.findings(Path.cwd()):
        broken += not finding.ok
        mark = "[green]ok     [/]" if finding.ok else "[red]broken [/]"
        console.print(f"{mark} {escape(finding.name)}: {escape(finding.sentence)}", soft_wrap=True, highlight=False)
        if finding.remedy:
            console.print(f"        → {escape(finding.remedy)}", soft_wrap=True, highlight=False)
    table = Table("limit", "value", "what it means", title="Limits", title_justify="left")
    for name, value, meaning in checks.limits():
        table.add_row(name, value, meaning)
    console.print(table)
    if broken:
        console.print(f"{broken} broken.", highlight=False)
        raise typer.Exit(1)


# ── ps and reap ───────────────────────────────────────────────────────────────────────────────────────────────────────


@app.command()
def ps() -> None:
    """Show the hubs and executors by owner: those on this machine, and containers on every engine that was used."""
    with _in_words():
        living, found, away = machine.hubs(), processes(), elsewhere.look()
    known = {note.pid for note in living}
    rows = [(note.owner, "hub", str(note.pid), "", f"yonder {note.package}") for note in living]
    rows += [(one.owner, one.role, str(one.pid), one.executor, one.command) for one in found if one.pid not in known]
    alive = {owner: machine.serves(owner, found) for owner in {row[0] for row in rows}}
    for one in away.found:
        handle = one.seen.handle
        alive[handle.owner] = alive.get(handle.owner, False) or one.alive
        what = f"{one.seen.name} ({one.seen.image}, {one.seen.state}) on {one.host}"
        rows.append((handle.owner, "container", handle.native[:12], handle.executor, what))
    if rows:
        _table_of(rows, alive)
    elif not away.silent:
        print("Nothing of Yonder runs on this machine.")
    for sentence in away.silent:
        print(f"yonder: {sentence}", file=sys.stderr)


def _table_of(rows: list[tuple[str, str, str, str, str]], alive: Mapping[str, bool]) -> None:
    table = Table("owner", "what", "pid or id", "executor", "command", "hub")
    for owner, role, native, executor, what in sorted(rows):
        state = "alive" if alive[owner] else "[red]dead[/]"
        table.add_row(escape(owner), role, native, escape(executor), escape(what[:100]), state)
    _console().print(table)
    if not all(alive.values()):
        print("What has a dead hub can be ended with: yonder reap")


@app.command()
def reap(
    *,
    owner: Annotated[str, typer.Option(help="Only this owner.")] = "",
    everything: Annotated[
        bool,
        typer.Option(
            "--all",
            help="Also stop the hubs that live, with their runs, and remove packages that were installed for executors.",
        ),
    ] = False,
) -> None:
    """End what is left of owners whose hub is dead, here and on every engine that was used."""
    with _in_words():
        done = machine.reap(owner, stop_hubs=everything)
        away = elsewhere.reap(owner)
        swept = 0 if owner else machine.sweep_folders(time.time())
        installed = [] if owner else overlays.trim(overlays.root(), time.time(), most=0 if everything else None)
    stopped = f"{done.hubs} hub{'' if done.hubs == 1 else 's'} stopped, " if everything else ""
    folders = f" {swept} folders of ended hubs removed." if swept else ""
    count = len(away.found)
    boxes = f" {count} container{'' if count == 1 else 's'} of dead hubs removed." if count else ""
    packages = f" {overlays.spoken(installed)}, removed." if installed else ""
    print(f"{stopped}{done.ended} processes of {done.owners} dead owners ended.{boxes}{folders}{packages}")
    for sentence in away.silent:
        print(f"yonder: {sentence}", file=sys.stderr)
    if done.survivors:
        pids = ", ".join(str(one.pid) for one in done.survivors)
        print(f"yonder: the kernel does not let go of pids {pids}.", file=sys.stderr)
    if done.survivors or away.silent:
        raise typer.Exit(1)


# ── receipt ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@app.command()
def receipt(*, owner: Annotated[str, typer.Option(help="The last one of this owner.")] = "") -> None:
    """Show the last receipt: every executor of a cluster, from its start to its end, and the totals."""
    with _in_words():
        found = next(iter(receipts.read(owner)), None)
    if found is None:
        print(f"There is no receipt{f' of {owner}' if owner else ''}: no cluster has run an executor yet.")
        return
    shown = account(found, alive=not found.finished and not found.abandoned, now=time.time())
    print(shown.head)
    table = Table(*COLUMNS)
    for row in shown.rows:
        table.add_row(*(escape(cell) for cell in row))
    _console().print(table)
    for sentence in shown.totals:
        print(sentence)


# ── hub ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@app.command()
def hub(
    *,
    listen: Annotated[str, typer.Option(help="The address of this machine to listen on: HOST or HOST:PORT.")],
    reach: Annotated[str, typer.Option(help="What others dial, when it is another address: HOST or HOST:PORT.")] = "",
    key: Annotated[
        Path | None, typer.Option(help="Where the key file goes; else a private folder. Its path is printed.")
    ] = None,
    name: Annotated[str, typer.Option(help="Tells several hubs on one machine apart.")] = "hub",
    invite: Annotated[
        int, typer.Option(min=0, help="How many machines may come by themselves (backend standing).")
    ] = 0,
    invitations: Annotated[Path | None, typer.Option(help="The folder for their invitations: one file each.")] = None,
) -> None:
    """Serve a window or programs on another machine, which reach this hub with its key file. Ctrl+C ends it."""
    with _in_words():
        from yonder.hub import reachable

        reachable.run(
            name, listen, reach, key, lambda line: print(line, flush=True), invite=invite, invitations=invitations
        )


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []})
def executor(context: typer.Context) -> None:
    """Join a hub with one of its invitations (a file, a folder of them, or -), and stay until it ends."""
    joining.main(context.args)


# ── run ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def run(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="The Python file; what follows is its argv.")],
    *,
    check: Annotated[bool, typer.Option("--check", help="Only say what would keep it from running.")] = False,
) -> None:
    """Run a file on an executor, as the editor's Run File does. Exits with the file's exit code. What would keep it from
    running is said first; with --check nothing is run, and the exit code is 1 when there is an error."""
    if not file.is_file():
        print(f"yonder: {file} is not a file.", file=sys.stderr)
        raise typer.Exit(2)
    with _in_words():
        found = settings.load(Path.cwd())
        for sentence in found.warnings:
            print(f"yonder: {sentence}", file=sys.stderr)
        if (backend := found.session.spec.backend) != "local":
            print(f"yonder: this runs here; a session on {backend} is the editor's.", file=sys.stderr)
        if found.hub:
            print("yonder: this runs here; the hub elsewhere is the editor's and your programs'.", file=sys.stderr)
        place = wire.Place(python=found.python or sys.executable, folder=str(Path.cwd()), env=dict(found.session.env))
        findings = _checked(file, place)
        if check and not findings:
            print(f"yonder: {file}: nothing was found that would keep it from running; its imports are here.")
        if check:
            raise typer.Exit(int(any(finding.level == "error" for finding in findings)))
        from yonder.hub.program import run_file

        code = run_file(file, list(context.args), place, _ask)
    raise typer.Exit(code)


def _checked(file: Path, place: wire.Place) -> list[preflight.Finding]:
    """What would keep the file from running, said on stderr."""
    folders = [Path(place.folder), Path(place.folder) / "src", file.resolve().parent]
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from error
    findings = preflight.look_at_file(text, str(file), lambda tops: preflight.absent(place.python, folders, tops))
    for finding in findings:
        print(f"yonder: {finding}", file=sys.stderr)
    return findings


def _ask(prompt: str, secret: bool) -> str | None:
    """Answer input() at this terminal; the end of it is None. The prompt itself came with the run's output."""
    del prompt
    try:
        return getpass.getpass("") if secret else input()
    except EOFError:
        return None


# ── image ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@app.command()
def image(
    *,
    base: Annotated[str, typer.Option(help="The image to start from: any with Python 3.11+, or with apt.")] = "",
    tag: Annotated[str, typer.Option(help=f"The new image's name, else {IMAGE}.")] = "",
    extras: Annotated[str, typer.Option(help='Packages besides, for pip: "torch==2.13.0 scikit-learn".')] = "",
    offline_wheels: Annotated[
        Path | None, typer.Option(help="Take packages from this folder; ask no registry.")
    ] = None,
    hub: Annotated[bool, typer.Option("--hub", help=f"With what a hub needs; the usual name is {HUB_IMAGE}.")] = False,
) -> None:
    """Build the executors' image with the docker client, for the engine that it reaches."""
    usual, wanted = (HUB_IMAGE, f"{HUB_NEEDS} {extras}".strip()) if hub else (IMAGE, extras)
    with _in_words():
        name = build(base=base or usual_base(), tag=tag or usual, extras=wanted, wheels=offline_wheels)
    print(f"{name} is ready.")


@app.command(hidden=True)
def versions() -> None:
    """Everything a bug report needs, in one line."""
    print(f"yonder {__version__} wire {wire.VERSION} Python {platform.python_version()} {platform.platform()}")
