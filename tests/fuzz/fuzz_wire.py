"""The same targets under atheris (coverage-guided, for as long as one likes): `npm run fuzz -- 60`.

Usage: python tests/fuzz/fuzz_wire.py SECONDS [TARGET …] [-- options of libFuzzer]. What it finds is written into
artifacts/fuzz and shown with its traceback; give that file instead of SECONDS to see it again. atheris has wheels for Linux
on x86_64 only, and not for the newest Pythons: `pip install 'yonder[fuzz]'`.
"""

from __future__ import annotations

import sys
import tempfile
import typing
from pathlib import Path

from hypothesis import find

try:
    import atheris
except ImportError:
    sys.exit("fuzz: atheris is not installed, or not made for this Python (pip install 'yonder[fuzz]')")

ROOT = Path(__file__).resolve().parents[2]
FOUND = ROOT / "artifacts" / "fuzz"
sys.path[:0] = [str(ROOT)]

with atheris.instrument_imports(include=["yonder", "tests.fuzz.targets"]):
    from tests.fuzz.making import messages
    from tests.fuzz.targets import DIRECTIONS, TARGETS

    from yonder import wire


def seeds(folder: Path) -> None:
    """The simplest message of every kind, framed and not, for every parser: where the search begins."""
    for direction, union in enumerate(DIRECTIONS):
        for kind in typing.get_args(union) or (union,):
            body = wire.encode(find(messages(kind), lambda _: True))
            (folder / f"{direction}-{kind.__name__}").write_bytes(body)
            (folder / f"{direction}-{kind.__name__}-framed").write_bytes(
                bytes([direction]) + len(body).to_bytes(4, "little") + body
            )


def main() -> None:
    ours, _, theirs = " ".join(sys.argv[1:]).partition("--")
    what, *chosen = ours.split() or ["60"]
    unknown = [name for name in chosen if name not in TARGETS]
    if unknown:
        sys.exit(f"fuzz: no target {', '.join(unknown)}; there are: {', '.join(TARGETS)}")
    targets = [TARGETS[name] for name in chosen or TARGETS]

    def one(data: bytes) -> None:
        for target in targets:
            target(data)

    FOUND.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as corpus:
        seeds(Path(corpus))
        options = [corpus, f"-max_total_time={what}"] if what.isdigit() else [what]
        # A run that takes 5 s or 1 GB is a finding, too.
        limits = [
            "-timeout=5",
            "-rss_limit_mb=1024",
            "-max_len=8192",
            f"-artifact_prefix={FOUND}/",
            "-print_final_stats=1",
        ]
        atheris.Setup([sys.argv[0], *options, *limits, *theirs.split()], one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
