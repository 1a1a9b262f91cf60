"""An authority of a test: a root, an intermediate, and the certificates that they issue, good ones and bad ones."""

from __future__ import annotations

import ssl
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

Kind = Literal["good", "expired", "expires_soon", "incomplete", "self_signed", "wrong_name"]
"""`incomplete`: the intermediate is not sent along. `wrong_name`: it is for somebody else."""

Word = Literal["good", "revoked", "late", "another", "forged", "deputy", "pretender"]
"""Of an OCSP response. `late`: it counted until yesterday. `another`: about another certificate, which OpenSSL does not
send. `forged`: its signature was changed. `deputy`: signed by whom the intermediate deputed; `pretender`: not so."""

NAMES = ("localhost", "127.0.0.1", "::1")
ELSEWHERE = ("elsewhere.example",)
DAYS = 90
SOON_DAYS = 10
"""Days that are left; 30 is what people ask for."""
BEGAN = timedelta(days=60)
"""How long ago a certificate began: longer than the expired one is over."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate and its key; `chain` is what a server sends, leaf first."""

    key: ec.EllipticCurvePrivateKey
    chain: tuple[x509.Certificate, ...]

    @property
    def leaf(self) -> x509.Certificate:
        return self.chain[0]


class Authority:
    """Made anew for each test session: nobody else trusts it. `file` holds its root, for clients that shall."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or Path(tempfile.mkdtemp(prefix="watership-authority-"))
        self._root_key, self._key = _key(), _key()
        root = _name("Watership Test Root")
        self.root = _signed(
            _draft(root, root, self._root_key, days=3650).add_extension(
                x509.BasicConstraints(ca=True, path_length=1), critical=True
            ),
            self._root_key,
        )
        self.intermediate = _signed(
            _draft(_name("Watership Test Intermediate"), root, self._key, days=1825).add_extension(
                x509.BasicConstraints(ca=True, path_length=0), critical=True
            ),
            self._root_key,
        )
        self.file = self.folder / "authority.pem"
        self.file.write_bytes(pem(self.root))

    def issue(
        self, kind: Kind = "good", *, names: Sequence[str] = NAMES, ocsp_url: str = "", crl_url: str = ""
    ) -> Identity:
        """A certificate for `names` with what is wrong with its kind, or nothing."""
        key = _key()
        subject = _name(names[0])
        issuer = subject if kind == "self_signed" else self.intermediate.subject
        days = {"expired": -1, "expires_soon": SOON_DAYS}.get(kind, DAYS)
        draft = _draft(subject, issuer, key, days=days)
        draft = draft.add_extension(
            _alternatives(ELSEWHERE if kind == "wrong_name" else names), critical=False
        )
        draft = draft.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        draft = draft.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        if ocsp_url:
            draft = draft.add_extension(_access(ocsp_url), critical=False)
        if crl_url:
            draft = draft.add_extension(_points(crl_url), critical=False)
        leaf = _signed(draft, key if kind == "self_signed" else self._key)
        sent = () if kind in ("self_signed", "incomplete") else (self.intermediate,)
        return Identity(key, (leaf, *sent))

    def context(self, kind: Kind = "good", *, names: Sequence[str] = NAMES) -> ssl.SSLContext:
        """What a server of Python's own ssl module, such as asyncio's, shows a certificate of that kind with."""
        identity = self.issue(kind, names=names)
        file = self.folder / f"{kind}-{identity.leaf.serial_number:x}.pem"
        file.write_bytes(_private(identity.key) + pem(*identity.chain))
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(file)
        return context

    def staple(self, identity: Identity, word: Word = "good") -> bytes:
        """An OCSP response for a week, with the intermediate's word on a certificate; or one that is none."""
        now = datetime.now(UTC) - (timedelta(days=8) if word == "late" else timedelta(0))
        about = self.issue().leaf if word == "another" else identity.leaf
        revoked = word == "revoked"
        builder = ocsp.OCSPResponseBuilder().add_response(
            cert=about,
            issuer=self.intermediate,
            algorithm=hashes.SHA256(),
            cert_status=ocsp.OCSPCertStatus.REVOKED if revoked else ocsp.OCSPCertStatus.GOOD,
            this_update=now,
            next_update=now + timedelta(days=7),
            revocation_time=now if revoked else None,
            revocation_reason=x509.ReasonFlags.key_compromise if revoked else None,
        )
        key, signer = self._key, self.intermediate
        if word in ("deputy", "pretender"):
            key, signer = self._deputy("OCSP" if word == "deputy" else "server")
            builder = builder.certificates([signer])
        builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, signer)
        signed = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
        return signed[:-1] + bytes([signed[-1] ^ 1]) if word == "forged" else signed

    def revoked(self, *identities: Identity, late: bool = False, forged: bool = False) -> bytes:
        """The intermediate's list of the revoked (CRL) for a week."""
        now = datetime.now(UTC) - (timedelta(days=8) if late else timedelta(0))
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.intermediate.subject)
        builder = builder.last_update(now).next_update(now + timedelta(days=7))
        for each in identities:
            row = x509.RevokedCertificateBuilder().serial_number(each.leaf.serial_number).revocation_date(now)
            builder = builder.add_revoked_certificate(row.build())
        signed = builder.sign(_key() if forged else self._key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.DER)

    def _deputy(self, usage: str) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
        """Somebody else with a certificate of the intermediate's, for responses or for what servers do."""
        key = _key()
        may = ExtendedKeyUsageOID.OCSP_SIGNING if usage == "OCSP" else ExtendedKeyUsageOID.SERVER_AUTH
        draft = _draft(_name("Watership Test Responder"), self.intermediate.subject, key, days=DAYS)
        return key, _signed(draft.add_extension(x509.ExtendedKeyUsage([may]), critical=False), self._key)


def pem(*certificates: x509.Certificate) -> bytes:
    """As files of certificates hold them."""
    return b"".join(each.public_bytes(serialization.Encoding.PEM) for each in certificates)


def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(encoding, form, serialization.NoEncryption())


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _draft(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, *, days: int
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BEGAN)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _signed(draft: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    return draft.add_extension(issuer, critical=False).sign(key, hashes.SHA256())


def _alternatives(names: Sequence[str]) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([_alternative(name) for name in names])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _access(url: str) -> x509.AuthorityInformationAccess:
    place = x509.UniformResourceIdentifier(url)
    return x509.AuthorityInformationAccess(
        [x509.AccessDescription(AuthorityInformationAccessOID.OCSP, place)]
    )


def _points(url: str) -> x509.CRLDistributionPoints:
    point = x509.DistributionPoint(
        full_name=[x509.UniformResourceIdentifier(url)], relative_name=None, reasons=None, crl_issuer=None
    )
    return x509.CRLDistributionPoints([point])
