"""Figures as a table of the README, kept between two marks: what was measured anew replaces its row, the rest stays, and
what has no words for users (the core's figures) is left out."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tests.bench.figures import BenchError, Figure, rounded

BEGIN, END = "<!-- measured: begin -->\n", "<!-- measured: end -->"
HEAD = "| figure | Yonder | beside it, in the same run |\n|---|---|---|\n"
WORDS = {
    "call_p50_ms": "a call of an empty function, median",
    "call_p99_ms": "the same, 99th percentile",
    "socket_round_trip_ms": "a byte to a child and back, no executor at all: the floor of a call",
    "call_throughput_per_s": "empty calls by `submit`, one caller, two workers",
    "call_many_callers_per_s": "the same from eight threads that wait for each",
    "call_async_per_s": "the same awaited together",
    "map_100k_s": "`map` of an empty function over 100,000 items (loky, Dask, Ray and ipyparallel: a part of it, scaled)",
    "stream_values_per_s": "values of a remote generator",
    "worker_idle_mb": "memory of an idle worker, what is shared counted by its part",
    "first_executor_cold_s": "the first call's answer, torch imported for it, from nothing (beside: torch's import alone)",
    "boot64_s": "64 executors with torch imported, from none to all ready, the zygote warm",
    "idle_cpu_percent_64": "processor time of 64 idle executors, their agent and hub",
    "hub_mb_per_1000_queued": "memory of the hub for 1,000 calls that wait",
    "complete_live_p50_ms": "members of a live tensor, from keystroke to list, median",
    "complete_live_p95_ms": "the same, 95th percentile",
    "complete_busy_p95_ms": "the same while the session trains, 95th percentile",
    "hover_p95_ms": "hover on a live tensor, 95th percentile",
    "docker_click_to_first_call_s": "a program's first answer from a container, the image present, nothing else started",
    "remote_call_ms": "a call of an empty function in a container, over TLS, median",
    "reconnect_ms": "a call's answer after its executor's connections were cut at that moment",
    "array_100mb_roundtrip_gb_s": "an array of 100 MB to a local worker and back, both ways counted",
    "state_dict_500mb_roundtrip_gb_s": "a `state_dict` of 500 MB, the same",
    "fanout_16_vs_1": "16 calls with one array of 100 MB, in times of one such call",
    "edit_to_run_ms": "from a saved module to its code in 16 executors that have 200 loaded, median",
    "sync_5000_files_s": "the first call of a program with 5,000 files of code",
    "metrics_per_s": "points from 16 executors into the store, none lost",
}


def updated(text: str, figures: Iterable[Figure]) -> str:
    """The document with these figures in its table. Raises BenchError when the marks are missing."""
    found = re.search(f"{re.escape(BEGIN)}(.*?){re.escape(END)}", text, re.DOTALL)
    if found is None:
        raise BenchError("the document has no marks between which the figures stand")
    rows = _rows(found[1]) | {figure.name: _row(figure) for figure in figures}
    table = HEAD + "".join(rows[name] + "\n" for name in WORDS if name in rows)
    return text[: found.start()] + BEGIN + table + END + text[found.end() :]


def _rows(table: str) -> dict[str, str]:
    return {row[2]: row[1] for row in re.finditer(r"^(\|.*\(`(\w+)`\).*\|)$", table, re.MULTILINE)}


def _row(figure: Figure) -> str:
    peers = " · ".join(f"{peer} {_words(value, figure.unit)}" for peer, value in figure.peers.items())
    says = WORDS.get(figure.name, "")
    return f"| {says} (`{figure.name}`) | {_words(figure.value, figure.unit)} | {peers} |"


def _words(value: float, unit: str) -> str:
    number = f"{rounded(value):,.0f}" if value >= 1000 else f"{value:.3g}"
    return f"{number} a second" if unit == "1/s" else f"{number} {unit}"
