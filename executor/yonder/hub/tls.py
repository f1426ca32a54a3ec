"""The certificates of one hub: an authority that exists only as long as the hub, and in its memory only.

Everybody at the hub's TCP door shows a certificate of this authority, and so does the hub. A certificate names what its
holder is and who: an agent's names the agent. They last for a year, far longer than a hub, and are worth nothing without
the keys of `core.joining` or the owner's token.

`cryptography` is imported when the first authority is made: a hub without a TCP door needs none.
"""

from __future__ import annotations

import datetime
import ssl
from typing import Any, Literal, NamedTuple

from yonder.credentials import equipped
from yonder.errors import CannotRun

Kind = Literal["agent", "owner"]
"""What somebody is who may dial."""

LIFE = datetime.timedelta(days=365)
SKEW = datetime.timedelta(days=1)
"""Clocks of other machines may be so much behind."""


class Credentials(NamedTuple):
    """A certificate and its private key, both PEM."""

    certificate: str
    key: str

    def __repr__(self) -> str:
        return "Credentials()"  # a key has no business in a log


class Peer(NamedTuple):
    """Who is at the other end, as its certificate says."""

    kind: str
    name: str


class Authority:
    """Vouches for one hub, which is called `name` (a host name, of no DNS), and for those who may dial it.

    `pem` is what the others must trust. Raises CannotRun where `cryptography` is missing.
    """

    def __init__(self, name: str) -> None:
        _needed()
        from cryptography import x509
        from cryptography.hazmat.primitives.asymmetric import ec

        self.name = name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._subject = _subject("authority", name)
        constraint = x509.BasicConstraints(ca=True, path_length=0)
        self._certificate = self._sign(self._subject, self._key.public_key(), [(constraint, True), _usage(signs=True)])
        self.pem = _pem(self._certificate)

    def server_context(self) -> ssl.SSLContext:
        """TLS 1.3 as the hub, for those only who show a certificate of this authority."""
        from cryptography import x509
        from cryptography.x509.oid import ExtendedKeyUsageOID

        alternatives = x509.SubjectAlternativeName([x509.DNSName(self.name)])
        ours = self._issue("hub", self.name, ExtendedKeyUsageOID.SERVER_AUTH, [(alternatives, False)])
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.verify_mode = ssl.CERT_REQUIRED
        context.num_tickets = 0  # every connection shows its certificate
        return equipped(context, self.pem, ours.certificate, ours.key)

    def certify(self, kind: Kind, name: str) -> Credentials:
        """What an agent or owner of this name (1 to 64 characters) dials with."""
        from cryptography.x509.oid import ExtendedKeyUsageOID

        return self._issue(kind, name, ExtendedKeyUsageOID.CLIENT_AUTH, [])

    def _issue(self, kind: str, name: str, purpose: Any, extensions: list[tuple[Any, bool]]) -> Credentials:
        from cryptography import x509
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        key = ec.generate_private_key(ec.SECP256R1())
        constraint = x509.BasicConstraints(ca=False, path_length=None)
        whole = [(constraint, True), _usage(signs=False), (x509.ExtendedKeyUsage([purpose]), False), *extensions]
        certificate = self._sign(_subject(kind, name), key.public_key(), whole)
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return Credentials(_pem(certificate), secret.decode())

    def _sign(self, subject: Any, public: Any, extensions: list[tuple[Any, bool]]) -> Any:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes

        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._subject)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - SKEW)
            .not_valid_after(now + LIFE)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(self._key, hashes.SHA256())


def peer(connection: ssl.SSLObject | ssl.SSLSocket) -> Peer:
    """Who is at the other end of a connection whose certificate was checked. `Peer("", "")`: it has shown none."""
    shown: Any = connection.getpeercert() or {}
    said = {name: value for row in shown.get("subject", ()) for name, value in row}
    return Peer(said.get("organizationalUnitName", ""), said.get("commonName", ""))


def _needed() -> None:
    try:
        import cryptography  # noqa: F401
    except ImportError as error:
        raise CannotRun(
            "executors on other machines need certificates, and the package that makes them is missing: "
            "cryptography. Install it where the hub runs, and run again: pip install cryptography"
        ) from error


def _subject(kind: str, name: str) -> Any:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "yonder"),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, kind),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )


def _usage(*, signs: bool) -> tuple[Any, bool]:
    from cryptography import x509

    return (
        x509.KeyUsage(
            digital_signature=not signs,
            key_cert_sign=signs,
            crl_sign=False,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        ),
        True,
    )


def _pem(certificate: Any) -> str:
    from cryptography.hazmat.primitives import serialization

    pem: bytes = certificate.public_bytes(serialization.Encoding.PEM)
    return pem.decode()
