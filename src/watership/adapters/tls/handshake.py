"""A handshake shows a server's whole chain, why it is not trusted, and what an OCSP response says that came along.

By pyOpenSSL: of the chain that was sent and of what is stapled, Python's own ssl module tells nothing.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID
from OpenSSL import SSL, crypto

from watership.adapters.address import host_and_port
from watership.adapters.tls import revocation
from watership.errors import BadInput, Unavailable
from watership.releases.instruments import Certificate, Revocations, TlsAnswer

SECONDS: Final = 10.0
"""For connection and handshake together."""

PIECE: Final = 65_536
"""Bytes that are read at a time."""

HANDSHAKE_BYTES: Final = 1024 * 1024
"""Of what a server sends until it has shaken hands: chains have some 5 KB."""

MACOS_AUTHORITIES: Final = Path("/etc/ssl/cert.pem")
"""Where macOS keeps a copy of its authorities for OpenSSL, which does not look there by itself."""


class Handshake:
    """Tls over real connections. No certificate of a client is shown, and nothing is said after the handshake.

    Files of authorities are below `root`.
    """

    def __init__(self, root: Path = Path()) -> None:
        self._root = root

    async def look(self, address: str, *, name: str = "", authorities: str = "") -> TlsAnswer:
        host, port = host_and_port(address, 443)
        file = str(self._root / authorities) if authorities else ""
        try:
            async with asyncio.timeout(SECONDS):
                return await _look(host, port, name or host, file)
        except TimeoutError:
            raise Unavailable(f"{address} did not shake hands within {SECONDS:g} s.") from None
        except OSError as reason:
            raise Unavailable(f"{address} does not answer: {reason}.") from reason
        except SSL.Error as reason:
            raise Unavailable(f"{address} does not shake hands: {_words(reason)}.") from reason

    async def listed(self, answer: TlsAnswer, content: bytes) -> Revocations:
        sent = [x509.load_der_x509_certificate(each) for each in answer.sent]
        if not sent:
            raise BadInput("No certificate was shown.")
        return revocation.listed(content, sent[0], _issuer(sent))


def _issuer(sent: Sequence[x509.Certificate]) -> x509.Certificate | None:
    """Who issued the first certificate, of those that were sent along."""
    for each in sent[1:]:
        try:
            sent[0].verify_directly_issued_by(each)
        except (ValueError, TypeError, InvalidSignature):
            continue
        return each
    return None


async def _look(host: str, port: int, name: str, authorities: str) -> TlsAnswer:
    doubts: list[str] = []
    stapled: list[bytes] = []
    context = _context(authorities, doubts, stapled)
    reader, writer = await asyncio.open_connection(host, port)
    try:
        connection = SSL.Connection(context, None)
        connection.set_connect_state()
        connection.request_ocsp()
        if not _is_ip(name):
            connection.set_tlsext_host_name(_ascii(name))
        await _shake(connection, reader, writer)
        shown = connection.get_peer_cert_chain(as_cryptography=True) or []
        if not shown:
            raise Unavailable(f"{host}:{port} shook hands without a certificate.")
        chain = tuple(certificate(each) for each in shown)
        return TlsAnswer(
            version=connection.get_protocol_version_name(),
            chain=chain,
            sent=tuple(each.public_bytes(Encoding.DER) for each in shown),
            untrusted="; ".join(dict.fromkeys([*doubts, *_mismatch(chain[0], name)])),
            staple=revocation.stapled(stapled[-1], shown[0], _issuer(shown)) if stapled else None,
        )
    finally:
        writer.transport.abort()  # whether the other side says good-bye is of no interest


def _context(authorities: str, doubts: list[str], stapled: list[bytes]) -> SSL.Context:
    """How the handshake is led: whatever is found goes into the two lists, and nothing ends it."""

    def doubt(_: SSL.Connection, shown: crypto.X509, number: int, __: int, ok: int) -> bool:
        if not ok:
            subject = shown.to_cryptography().subject.rfc4514_string()
            doubts.append(f"{_doubts().get(number, f'error {number}')} ({subject})")
        return True

    def staple(_: SSL.Connection, response: bytes, __: None) -> bool:
        if response:
            stapled.append(response)
        return True

    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_verify(SSL.VERIFY_PEER, doubt)
    context.set_ocsp_client_callback(staple)
    if authorities:
        _trust(context, Path(authorities))
        return context
    context.set_default_verify_paths()
    if sys.platform == "darwin" and MACOS_AUTHORITIES.is_file():
        _trust(context, MACOS_AUTHORITIES)
    return context


def _trust(context: SSL.Context, file: Path) -> None:
    try:
        context.load_verify_locations(file)
    except SSL.Error:
        raise BadInput(
            f"{file} holds no authorities that can be read.", fix="Name a file with certificates in PEM."
        ) from None


async def _shake(
    connection: SSL.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    heard = 0
    while True:
        try:
            connection.do_handshake()
        except SSL.WantReadError:
            _send(connection, writer)
            piece = await reader.read(PIECE)
            heard += len(piece)
            if not piece:
                raise ConnectionResetError(
                    "the connection was closed in the middle of the handshake"
                ) from None
            if heard > HANDSHAKE_BYTES:
                raise ConnectionError(f"it sent more than {HANDSHAKE_BYTES:,} bytes") from None
            connection.bio_write(piece)
        else:
            _send(connection, writer)
            return


def _send(connection: SSL.Connection, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            writer.write(connection.bio_read(PIECE))
    except SSL.WantReadError:  # nothing is left to be sent
        return


def certificate(shown: x509.Certificate) -> Certificate:
    """What stands in a certificate."""
    return Certificate(
        subject=shown.subject.rfc4514_string(),
        issuer=shown.issuer.rfc4514_string(),
        not_before=shown.not_valid_before_utc,
        not_after=shown.not_valid_after_utc,
        names=_names(shown),
        ocsp_urls=_ocsp_urls(shown),
        crl_urls=_crl_urls(shown),
        sha256=shown.fingerprint(hashes.SHA256()).hex(),
        serial=shown.serial_number,
    )


def _names(shown: x509.Certificate) -> tuple[str, ...]:
    try:
        found = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    hosts = found.get_values_for_type(x509.DNSName)
    return (*hosts, *map(str, found.get_values_for_type(x509.IPAddress)))


def _ocsp_urls(shown: x509.Certificate) -> tuple[str, ...]:
    try:
        found = shown.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(
        str(each.access_location.value)
        for each in found
        if each.access_method == AuthorityInformationAccessOID.OCSP
    )


def _crl_urls(shown: x509.Certificate) -> tuple[str, ...]:
    try:
        points = shown.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(str(name.value) for point in points for name in point.full_name or ())


def _mismatch(leaf: Certificate, name: str) -> list[str]:
    if covers(leaf.names, name):
        return []
    return [f"the certificate is for {', '.join(leaf.names) or 'no host'}, not for {name}"]


def covers(names: Sequence[str], host: str) -> bool:
    """Whether a certificate with these names is for the host. `*` stands for one whole label, the first one."""
    if _is_ip(host):
        return any(_is_ip(name) and ip_address(name) == ip_address(host) for name in names)
    wanted = _ascii(host).decode().lower().rstrip(".")
    parent = wanted.partition(".")[2]
    return any(name.lower() == wanted or ("." in parent and name.lower() == f"*.{parent}") for name in names)


def _is_ip(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _ascii(name: str) -> bytes:
    try:
        return name.encode("idna")
    except UnicodeError:
        raise BadInput(f"{name!r} is no name of a host.") from None


@cache
def _doubts() -> dict[int, str]:
    """OpenSSL's reasons, in its words."""
    codes = SSL.X509VerificationCodes
    return {
        getattr(codes, name): name.removeprefix("ERR_").lower().replace("_", " ")
        for name in dir(codes)
        if name.startswith("ERR_")
    }


def _words(reason: SSL.Error) -> str:
    """OpenSSL's reasons, without the names of its functions."""
    queue = reason.args[0] if reason.args else ()
    if isinstance(queue, list):
        return ", ".join(str(entry[-1]) for entry in queue) or "it broke off"
    return str(reason) or "it broke off"
