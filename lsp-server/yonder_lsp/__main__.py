"""`python -m yonder_lsp` and `yonder-lsp`: the language server on stdin and stdout.

Standard output is the wire, so it is moved away before anything else is imported: whatever prints by mistake prints to
stderr, and no child inherits the wire (descriptors made by dup are not inheritable).
"""

from __future__ import annotations

import os
import stat
import sys
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from pygls.io_ import AsyncReader


def main() -> None:
    """Serve one editor until it says exit or hangs up."""
    wire_out = os.dup(1)
    os.dup2(2, 1)
    wire_in = os.dup(0)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)

    import gc

    gc.disable()  # everything that is loaded now stays: looking for rubbish in it took a tenth of the start
    import asyncio

    sys.exit(asyncio.run(_serve(wire_in, wire_out)))


async def _serve(wire_in: int, wire_out: int) -> int:
    import asyncio
    import gc
    import logging
    import threading

    from yonder_lsp import light

    light.load()
    from pygls.io_ import StdoutWriter, run_async

    from yonder_lsp.server import create

    # pygls writes whole bodies at INFO, and tracebacks of answers in words at ERROR: the log channel has what matters.
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    logging.getLogger("pygls").setLevel(logging.CRITICAL)
    server = create()
    gc.freeze()
    gc.enable()
    reader = await _reader(os.fdopen(wire_in, "rb", buffering=0))
    server.protocol.set_writer(StdoutWriter(os.fdopen(wire_out, "wb")))
    try:
        await run_async(
            stop_event=threading.Event(),
            reader=reader,
            protocol=server.protocol,
            logger=logging.getLogger("pygls"),
            error_handler=server.report_server_error,
        )
    except asyncio.IncompleteReadError:
        return 1  # hung up in the middle of a message
    except BrokenPipeError:
        return 1  # the editor is gone; whoever restarts the server finds the hub as it is
    finally:
        if server.opened is not None:
            await server.opened.close()
    return 0


async def _reader(wire: BinaryIO) -> AsyncReader:
    """Reads on the loop, without a thread's hand-over for each of a message's three pieces, where the platform can watch
    such a descriptor: pipes, sockets and terminals, but not files and not everything on Windows."""
    import asyncio

    from pygls.io_ import StdinAsyncReader

    kind = os.fstat(wire.fileno()).st_mode
    if sys.platform == "win32" or not (stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind) or wire.isatty()):
        return StdinAsyncReader(os.fdopen(os.dup(wire.fileno()), "rb"))
    reader = asyncio.StreamReader(limit=1 << 20)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), wire)
    return reader


if __name__ == "__main__":
    main()
