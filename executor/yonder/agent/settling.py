"""From a forked process to a worker's own: group, marks, signals, folder, randomness, share of the processors.

What belongs here: what is done once, before any user code. What this file must not know: lanes, tasks.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import sys
import threading

from yonder.agent import birth, processes

_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


def settle_in(born: birth.Birth, stacks: int) -> None:
    """Make the forked process its own: group, marks, signals, folder, randomness, share of the processors.
    `stacks` is the pipe for where its threads stand."""
    with contextlib.suppress(PermissionError):  # leads a session already (it became a worker without a fork)
        if born.background:
            os.setpgid(0, 0)  # one session for all of them: see `give_way`
        else:
            os.setsid()
    if born.background:
        processes.give_way()
    processes.die_first()
    processes.mark("YONDER_EXECUTOR", born.executor)
    processes.mark("YONDER_WORKER", born.worker)
    os.environ.pop("YONDER_HUB", None)
    os.environ.setdefault("MPLBACKEND", "module://yonder.agent.figures")
    os.environ.update(born.env)
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, signal.SIGALRM):
        signal.signal(number, signal.SIG_DFL)
    faulthandler.enable(file=2)
    faulthandler.register(processes.DUMP, file=stacks, all_threads=True, chain=False)
    os.write(stacks, b"main 0x%016x\n" % threading.get_ident())  # what faulthandler does not say
    if work := born.work or born.folder:
        with contextlib.suppress(OSError):  # a folder that is gone: user code sees the same as in a shell there
            os.chdir(work)
    if born.folder:
        # The workspace comes first, as under plain `python`: a real entry, until the first task with a snapshot.
        sys.path.insert(0, born.folder)
    if born.threads > 0:
        os.environ.update(dict.fromkeys(_THREAD_VARIABLES, str(born.threads)))
    _own_state(born.threads)


def _own_state(threads: int) -> None:
    """All forks of one zygote would draw the same random numbers and use every processor."""
    if numpy_random := sys.modules.get("numpy.random"):  # numpy imports it when first used; before, there is no state
        numpy_random.seed(int.from_bytes(os.urandom(4), "little"))
    if torch := sys.modules.get("torch"):
        torch.seed()
        if threads > 0:
            torch.set_num_threads(threads)
