"""The hub's certificates: who gets through a handshake, who does not, and where keys lie meanwhile. No sockets."""

from __future__ import annotations

import datetime
import os
import ssl
import subprocess
import sys
import tempfile

import pytest

from yonder import credentials
from yonder.credentials import client_context
from yonder.errors import CannotRun
from yonder.hub.tls import LIFE, SKEW, Authority, Credentials, Peer, peer

NAME = "hub-1.yonder"


@pytest.fixture(scope="module")
def authority():
    return Authority(NAME)


@pytest.fixture(scope="module")
def stranger():
    """Another hub's authority of the same name."""
    return Authority(NAME)


class Wire:
    """Both ends of a TLS connection in memory, and what the client's end sent in the clear or sealed."""

    def __init__(self, server, client, *, name=NAME):
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.server = server.wrap_bio(to_server, to_client, server_side=True)
        self.client = client.wrap_bio(to_client, to_server, server_hostname=name)

    def shake(self):
        """Both handshakes, and one byte each way: in TLS 1.3 a client learns of its refusal only when it reads."""
        wanting = [self.client.do_handshake, self.server.do_handshake]
        for _ in range(10):
            wanting = [step for step in wanting if not done(step)]
        assert not wanting
        self.server.write(b"s")
        self.client.write(b"c")
        assert (self.client.read(1), self.server.read(1)) == (b"s", b"c")
        return self


def done(step):
    try:
        step()
    except ssl.SSLWantReadError:
        return False
    return True


def dialling(authority, kind="agent", name="agent-1", *, trusting=None):
    return client_context((trusting or authority).pem, *authority.certify(kind, name))


# ── who gets through ──


@pytest.mark.parametrize("kind", ["agent", "owner"])
def test_who_has_a_certificate_gets_through_and_is_known_by_name(authority, kind):
    wire = Wire(authority.server_context(), dialling(authority, kind, "one-7")).shake()
    assert peer(wire.server) == Peer(kind, "one-7")
    assert peer(wire.client) == Peer("hub", NAME)
    assert wire.server.version() == "TLSv1.3"


def test_who_has_no_certificate_is_refused(authority):
    bare = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    bare.load_verify_locations(cadata=authority.pem)
    with pytest.raises(ssl.SSLError, match=r"(?i)certificate"):
        Wire(authority.server_context(), bare).shake()


def test_another_hubs_agent_is_refused(authority, stranger):
    with pytest.raises(ssl.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        Wire(authority.server_context(), dialling(stranger, trusting=authority)).shake()


def test_another_hub_is_not_spoken_to(authority, stranger):
    with pytest.raises(ssl.SSLCertVerificationError):
        Wire(stranger.server_context(), dialling(stranger, trusting=authority)).shake()


def test_a_hub_of_another_name_is_not_spoken_to(authority):
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        Wire(authority.server_context(), dialling(authority), name="hub-2.yonder").shake()


def test_an_agent_cannot_pose_as_the_hub(authority):
    """Even one that has the hub's name: what certificates of agents are good for is written in them."""
    posing = credentials.equipped(
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), authority.pem, *authority.certify("agent", NAME)
    )
    with pytest.raises(ssl.SSLCertVerificationError):
        Wire(posing, dialling(authority)).shake()


def test_an_agent_cannot_make_certificates(authority):
    """One signed with an agent's key, by the agent's name, is nobody's."""
    theirs = Authority("agent-1")
    theirs._key = _private(authority.certify("agent", "agent-1").key)
    with pytest.raises(ssl.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        Wire(authority.server_context(), dialling(theirs, trusting=authority)).shake()


def _private(pem):
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    return load_pem_private_key(pem.encode(), None)


def test_older_tls_is_refused(authority):
    old = dialling(authority)
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError, match=r"(?i)protocol"):
        Wire(authority.server_context(), old).shake()


def test_no_session_is_resumed_without_its_certificate(authority):
    context = dialling(authority)
    wire = Wire(authority.server_context(), context).shake()
    assert wire.client.session is None or not wire.client.session.has_ticket


def test_a_connection_that_has_shown_nothing_is_nobodys(authority):
    connection = authority.server_context().wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_side=True)
    with pytest.raises(ValueError, match="handshake"):
        peer(connection)
    lax = authority.server_context()
    lax.verify_mode = ssl.CERT_NONE
    assert peer(Wire(lax, dialling(authority)).shake().server) == Peer("", "")


# ── what is in them ──


def test_certificates_are_good_for_a_year_and_on_clocks_that_are_behind(authority):
    from cryptography import x509

    for pem in (authority.pem, authority.certify("agent", "agent-1").certificate):
        found = x509.load_pem_x509_certificate(pem.encode())
        assert found.not_valid_after_utc - found.not_valid_before_utc == LIFE + SKEW
        assert found.not_valid_before_utc < datetime.datetime.now(datetime.UTC)


def test_every_holder_has_a_key_of_its_own(authority):
    one, two = authority.certify("agent", "a"), authority.certify("agent", "a")
    assert one.key != two.key
    assert one.certificate != two.certificate


@pytest.mark.parametrize("name", ["", "x" * 65])
def test_a_name_that_fits_in_no_certificate_is_refused(authority, name):
    with pytest.raises(ValueError, match="64"):
        authority.certify("agent", name)


def test_without_cryptography_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(CannotRun, match=r"pip install cryptography"):
        Authority(NAME)


# ── where keys lie ──


def test_on_linux_a_key_lies_in_memory_only(authority, monkeypatch):
    if not hasattr(os, "memfd_create"):
        pytest.skip("no memfd here")
    monkeypatch.setattr(tempfile, "NamedTemporaryFile", lambda *_: pytest.fail("a file was made"))
    before = os.listdir("/proc/self/fd")
    dialling(authority)
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_elsewhere_it_lies_in_a_private_file_that_is_gone_afterwards(authority, monkeypatch, tmp_path):
    monkeypatch.delattr(os, "memfd_create", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    seen = []
    load = ssl.SSLContext.load_cert_chain

    def watched(context, path, *rest):
        seen.append(path.stat().st_mode & 0o777)
        load(context, path, *rest)

    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", watched)
    server = authority.server_context()
    Wire(server, dialling(authority)).shake()
    assert seen == [0o600, 0o600]
    assert list(tmp_path.iterdir()) == []


def test_what_does_not_fit_together_is_an_error(authority):
    certificate, _ = authority.certify("agent", "a")
    _, key = authority.certify("agent", "b")
    with pytest.raises(ssl.SSLError):
        client_context(authority.pem, certificate, key)
    with pytest.raises((ssl.SSLError, ValueError)):
        client_context("no PEM", *Credentials(certificate, key))


def test_the_agent_needs_no_cryptography():
    code = "import sys, yonder.credentials; assert 'cryptography' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
