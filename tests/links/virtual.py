"""A loop whose clock jumps: while bytes or threads of this process can still do something, its time stands still; when
nothing can, it is at once as late as the next timer wants it. A cut of ten minutes takes a moment.

Only for what happens in one process: nobody waits here for another one.
"""

import asyncio
import functools
import selectors

SETTLE = 0.001
"""Seconds of real time that bytes on a local socket may need to be seen at its other end."""


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self):
        self._at = 1000.0
        self._threads = 0
        super().__init__(_Selector(self))

    def time(self):
        return self._at

    def run_in_executor(self, executor, func, *args):
        """A thread at work holds time still."""
        self._threads += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._back)
        return future

    def _back(self, _):
        self._threads -= 1

    @property
    def at_work(self):
        return self._threads > 0

    def jump(self, seconds):
        self._at += seconds


class _Selector(selectors.DefaultSelector):
    def __init__(self, loop):
        super().__init__()
        self._loop = loop

    def select(self, timeout=None):
        found = super().select(0)
        if found or timeout == 0:
            return found
        if timeout is None or self._loop.at_work:
            return super().select(0.05)
        found = super().select(SETTLE)
        if not found:
            self._loop.jump(timeout)
        return found


def virtual(test):
    """Run an asynchronous test on a virtual loop of its own."""

    @functools.wraps(test)
    def run(*args, **kwargs):
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(test(*args, **kwargs))

    return run
