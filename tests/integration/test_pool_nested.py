"""Pools inside streams and actors, through the real hub: the seat is the worker's, whatever kind of task it runs."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[2]


def program(tmp_path, code):
    """Run a program to its end; the lines of its standard output. Fails with its error output."""
    file = tmp_path / "program.py"
    file.write_text(textwrap.dedent(code))
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "executor")}
    done = subprocess.run(
        [sys.executable, str(file)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=90,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def test_a_stream_calls_a_pool_of_its_own_and_closes_it_when_its_reader_leaves(tmp_path):
    lines = program(
        tmp_path,
        """
        import pathlib, yonder
        def squares(n, mark):
            try:
                with yonder.Pool("inner", max=1) as inner:
                    for i in range(n):
                        yield inner.call(lambda x: x * x, i)
            finally:
                pathlib.Path(mark).write_text("closed")
        with yonder.Pool(max=1) as pool:
            print(list(pool.stream(squares, 4, "whole")))
            with pool.stream(squares, 10**6, "cut") as values:
                print(next(values), next(values))
            print(pool.call(len, "one executor: the stream is over"))
            print(pathlib.Path("cut").read_text())
        """,
    )
    assert lines == ["[0, 1, 4, 9]", "0 1", "32", "closed"]


def test_an_actor_keeps_a_pool_between_its_methods(tmp_path):
    lines = program(
        tmp_path,
        """
        import yonder
        class Squares:
            def __init__(self):
                self.inner = yonder.Pool("inner", max=1)
            def of(self, n):
                return self.inner.call(lambda x: x * x, n)
            async def later(self, n):
                return await self.inner.acall(lambda x: x * x, n)
            def close(self):
                self.inner.close()
                print("closed")
        with yonder.Pool(max=1) as pool:
            with pool.place(Squares) as squares:
                print([squares.of(n) for n in range(4)], squares.later(5))
        """,
    )
    assert lines[0] == "[0, 1, 4, 9] 25"
    assert "closed" in lines
