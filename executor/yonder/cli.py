"""The `yonder` command's entry: light enough to fail in words where the command line's own libraries are missing.

What belongs here: the entry. What this file must not know: what the commands do (`yonder.commands`).
"""

from __future__ import annotations

import sys

from yonder.version import GETTING_IT, __version__


def main() -> None:
    """`yonder …`: doctor, ps, reap, hub, executor, run, image, --version."""
    if sys.argv[1:] == ["--version"]:
        print(f"yonder {__version__}")
        return
    if sys.argv[1:2] == ["executor"]:  # an executor has the core's libraries only
        from yonder.agent.joining import main as join

        join(sys.argv[2:])
    try:
        import rich
        import typer
    except ImportError as error:
        name = error.name or "a library"
        print(f"yonder: the command line needs {name}: {GETTING_IT}", file=sys.stderr)
        sys.exit(1)
    del rich, typer
    from yonder.commands import app

    app()


if __name__ == "__main__":
    main()
