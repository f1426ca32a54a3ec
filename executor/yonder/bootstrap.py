"""The command lines that start Yonder's own processes under the project's Python.

What belongs here: argv and nothing else. What this file must not know: sockets, tokens (they come on stdin), anything
outside the standard library; a backend imports it without importing the agent.

`-P` keeps the working directory off `sys.path`, so that a file of the user's named like one of our imports is not run.
The core's folder is *appended*: what the project has installed wins over what we bring along.
"""

from __future__ import annotations

_CODE = "import sys; c = sys.argv[1]; sys.path += [c] if c else []; from yonder.agent.{module} import main; main()"


def command(python: str, core: str) -> list[str]:
    """The agent's argv. `core` is the folder that holds the package `yonder`, "" when it is installed there."""
    return [python, "-P", "-c", _CODE.format(module="agent"), core]


def zygote_command(python: str, core: str, *more: str) -> list[str]:
    """The argv of the process that the agent's workers are forked from."""
    return [python, "-P", "-c", _CODE.format(module="zygote"), core, *more]
