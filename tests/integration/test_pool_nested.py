"""Pools inside streams and actors, through the real hub: the seat is the worker's, whatever kind of task it runs."""

from __future__ import annotations

from tests.integration.programs import program


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
    ).splitlines()
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
    ).splitlines()
    assert lines[0] == "[0, 1, 4, 9] 25"
    assert "closed" in lines


def test_a_callback_inside_a_call_may_itself_call_and_wait(tmp_path):
    """It runs in the thread that listens to the hub: nobody else would hear the answer."""
    out = program(
        tmp_path,
        """
        import threading, yonder
        def outer():
            said, values = threading.Event(), []
            with yonder.Pool("inner", max=1) as inner:
                def again(future):
                    values.append(inner.call(abs, -future.result() - 1))
                    said.set()
                inner.submit(abs, -1).add_done_callback(again)
                said.wait()
            return values
        with yonder.Pool(max=1) as pool:
            print(pool.call(outer))
        """,
    )
    assert out == "[2]\n"
