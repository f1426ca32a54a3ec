"""`npm run bench [-- group …] [--quick] [--readme]`: one JSON line per figure on stdout, a table for people on stderr.

A group that cannot measure says why on stderr, the others go on, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))  # run by its path: `tests` and `scripts` lie in the clone's root

from tests.bench import boot, calls, code, core, intelligence, metrics, payload, remote, report  # noqa: E402
from tests.bench.figures import Figure, rounded  # noqa: E402

GROUPS: dict[str, Callable[[bool], Iterator[Figure]]] = {
    "calls": calls.measure,
    "boot": boot.measure,
    "code": code.measure,
    "core": core.measure,
    "intelligence": intelligence.measure,
    "metrics": metrics.measure,
    "payload": payload.measure,
    "remote": remote.measure,
}


def table(figures: list[Figure]) -> Table:
    drawn = Table(box=None, header_style="bold")
    for title, side in (("figure", "left"), ("yonder", "right"), ("unit", "left"), ("beside it", "left")):
        drawn.add_column(title, justify="right" if side == "right" else "left")
    for figure in figures:
        peers = ", ".join(f"{peer} {rounded(value):g}" for peer, value in figure.peers.items())
        drawn.add_row(figure.name, f"{rounded(figure.value):g}", figure.unit, peers)
    return drawn


def measure(groups: list[str], quick: bool) -> tuple[list[Figure], list[str]]:
    """Every figure of the groups, printed as it comes, and the groups that failed."""
    figures: list[Figure] = []
    failed: list[str] = []
    for group in groups:
        print(f"{group} …", file=sys.stderr, flush=True)
        try:
            for figure in GROUPS[group](quick):
                figures.append(figure)
                print(figure.line(), flush=True)
        except Exception:  # whatever went wrong in one group must not hide the others' figures
            traceback.print_exc()
            failed.append(group)
    return figures, failed


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="npm run bench --", description="Measure Yonder beside its peers.")
    parser.add_argument("groups", nargs="*", metavar="group", help=f"of {', '.join(GROUPS)} (all)")
    parser.add_argument("--quick", action="store_true", help="fewer samples: is it alive, not how fast is it")
    parser.add_argument("--readme", action="store_true", help="put the figures into the table of README.md")
    options = parser.parse_args(arguments)
    if unknown := [group for group in options.groups if group not in GROUPS]:
        parser.error(f"unknown group {unknown[0]!r}; there are {', '.join(GROUPS)}")
    figures, failed = measure(options.groups or list(GROUPS), options.quick)
    Console(stderr=True).print(table(figures))
    if options.readme:
        readme = ROOT / "README.md"
        readme.write_text(report.updated(readme.read_text("utf-8"), figures), "utf-8")
    if failed:
        print(f"could not measure: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
