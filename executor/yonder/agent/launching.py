"""Starting a zygote's process: its command line, its environment, and the socket to talk to it.

What belongs here: nothing that takes long to import; an agent starts its first zygote before it imports everything else, so
that both start side by side. What this file must not know: what is said on the socket.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import NamedTuple

from yonder import bootstrap

MARK_WIDTH = 128
"""How many bytes a mark in a zygote's environment has room for."""


class Launched(NamedTuple):
    """A zygote that is on its way."""

    process: subprocess.Popen[bytes]
    sock: socket.socket


def launch(agent: str, core: str) -> Launched:
    """Start one below this process, for the agent of that id. `core` is as for `bootstrap.command`."""
    ours, theirs = socket.socketpair()
    marks = {"YONDER_EXECUTOR": placeholder(), "YONDER_WORKER": placeholder(), "YONDER_AGENT": agent}
    defaults = {"MPLBACKEND": "module://yonder.agent.figures", "PYTORCH_NVML_BASED_CUDA_CHECK": "1"}
    process = subprocess.Popen(
        bootstrap.zygote_command(sys.executable, core, str(theirs.fileno()), str(os.getpid())),
        stdin=subprocess.DEVNULL,
        stdout=2,  # what imports print belongs in the log
        pass_fds=[theirs.fileno()],
        env=defaults | dict(os.environ) | marks,
        start_new_session=True,  # its workers share one scheduling group, apart from the agent's and the hub's
    )
    theirs.close()
    ours.setblocking(False)
    return Launched(process, ours)


def placeholder() -> str:
    """A value that keeps room for a mark in a new process's environment block."""
    return "-" * MARK_WIDTH
