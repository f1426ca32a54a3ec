"""Certificates in use: the TLS context of whoever dials, and how a key gets into a context without lying on a disk.

What belongs here: what both ends of a link need and the executor can have. Making certificates is `hub.tls`; this file
needs nothing but Python's own ssl.
"""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def client_context(authority: str, certificate: str, key: str) -> ssl.SSLContext:
    """TLS 1.3 as whoever `certificate` names, to nobody but a hub that `authority` vouches for. All three are PEM.

    Dial with the hub's name as `server_hostname`; its address does not matter. Raises ssl.SSLError or ValueError for what
    is no PEM or does not fit together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks the name and wants a certificate
    return equipped(context, authority, certificate, key)


def equipped(context: ssl.SSLContext, authority: str, certificate: str, key: str) -> ssl.SSLContext:
    """The same context with TLS 1.3 only, our certificate, and one authority that is trusted."""
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.load_verify_locations(cadata=authority)
    with _readable(certificate + key) as path:
        context.load_cert_chain(path)
    return context


@contextmanager
def _readable(text: str) -> Iterator[Path]:
    """A path under which this process alone can read `text` for a moment: Python's ssl takes keys from files only.

    On Linux the file lies in memory; elsewhere in a private temporary file that is removed at once.
    """
    if hasattr(os, "memfd_create") and Path("/proc/self/fd").is_dir():
        descriptor = os.memfd_create("credentials", os.MFD_CLOEXEC)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            yield Path(f"/proc/self/fd/{descriptor}")
        return
    with tempfile.NamedTemporaryFile("w") as file:  # made with mode 0600
        file.write(text)
        file.flush()
        yield Path(file.name)
