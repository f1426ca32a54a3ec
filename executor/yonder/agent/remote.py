"""The first process of an executor on another machine: `python -P -m yonder.agent.remote [core folder]`.

    stdin: invitation ──▶ its zygote is launched ──▶ everything else is imported ──▶ distant

What belongs here: the order in which things start. The zygote and the agent both take longest to import what they need, so
they do it side by side. What this file must not know: links, leases, what an invitation says beyond whom it is for.
"""

from __future__ import annotations

import os
import signal
import sys

from yonder.agent import invitation
from yonder.agent.launching import launch


def main() -> None:
    """Entry. Ends with exit code 0 when its hub or its lease ends it, 1 when it was refused or something went wrong,
    `invitation.BAD_INVITATION` or `OTHER_VERSION` when it never began."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))  # the first process of a container has no default actions
    try:
        line = invitation.read_line(0)
        addressee = invitation.read(line, invitation.Addressee)
    except ValueError as error:
        invitation.refuse(str(error), invitation.BAD_INVITATION)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.environ.update(YONDER_OWNER=addressee.owner, YONDER_EXECUTOR=addressee.agent)  # for all that it starts
    core = sys.argv[1] if len(sys.argv) > 1 else ""
    zygote = launch(addressee.agent, core)
    from yonder.agent import distant

    distant.main(line, core, zygote)


if __name__ == "__main__":
    main()
