"""Whether a certificate was revoked, in the words of its issuer: an OCSP response, or a list of the revoked (CRL)."""

from __future__ import annotations

from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from watership.errors import BadInput
from watership.releases.instruments import Revocations

NEVER = datetime(1970, 1, 1, tzinfo=UTC)

ISSUER_UNKNOWN = "its issuer was not sent along, so that nobody can tell who says so"


def stapled(response: bytes, leaf: x509.Certificate, issuer: x509.Certificate | None) -> Revocations:
    """What an OCSP response says of a certificate."""
    try:
        told = ocsp.load_der_ocsp_response(response)
        if told.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            return _nothing(f"the responder answered {told.response_status.name.lower()}")
        return Revocations(
            status=told.certificate_status.name.lower(),
            since=told.this_update_utc,
            until=told.next_update_utc,
            wrong=_of_another(told, leaf, issuer) if issuer else ISSUER_UNKNOWN,
        )
    except (ValueError, UnsupportedAlgorithm) as reason:
        return _nothing(f"it cannot be read: {reason}")


def listed(content: bytes, leaf: x509.Certificate, issuer: x509.Certificate | None) -> Revocations:
    """What a list says of a certificate, in DER or PEM. Raises BadInput for what is no list."""
    load = x509.load_pem_x509_crl if content.lstrip().startswith(b"-----BEGIN") else x509.load_der_x509_crl
    try:
        told = load(content)
        row = told.get_revoked_certificate_by_serial_number(leaf.serial_number)
        return Revocations(
            status="good" if row is None else "revoked",
            since=told.last_update_utc,
            until=told.next_update_utc,
            wrong=_not_issued(told, leaf, issuer) if issuer else ISSUER_UNKNOWN,
        )
    except (ValueError, UnsupportedAlgorithm) as reason:
        raise BadInput(f"That is no list of revoked certificates: {reason}.") from None


def _nothing(wrong: str) -> Revocations:
    return Revocations(status="unknown", since=NEVER, wrong=wrong)


def _of_another(told: ocsp.OCSPResponse, leaf: x509.Certificate, issuer: x509.Certificate) -> str:
    """Why a response is not the issuer's word on this certificate; empty when it is."""
    if told.serial_number != leaf.serial_number:
        return f"it is about the serial {told.serial_number:x}, not {leaf.serial_number:x}"
    request = ocsp.OCSPRequestBuilder().add_certificate(leaf, issuer, told.hash_algorithm).build()
    if (told.issuer_name_hash, told.issuer_key_hash) != (request.issuer_name_hash, request.issuer_key_hash):
        return "it is about a certificate of another issuer"
    signer = next((each for each in (issuer, *told.certificates) if _signed(told, each)), None)
    if signer is None:
        return "its signature is not that of the issuer, nor of who comes with it"
    return "" if signer == issuer else _not_deputed(signer, issuer)


def _not_deputed(signer: x509.Certificate, issuer: x509.Certificate) -> str:
    """Why a signer may not speak for the issuer (RFC 6960, 4.2.2.2); empty when it may."""
    try:
        signer.verify_directly_issued_by(issuer)
        usage = signer.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return "who signed it was not deputed by the issuer"
    now = datetime.now(UTC)
    if not signer.not_valid_before_utc <= now <= signer.not_valid_after_utc:
        return "the certificate of who signed it is over"
    return "" if ExtendedKeyUsageOID.OCSP_SIGNING in usage else "who signed it may not sign such responses"


def _not_issued(
    told: x509.CertificateRevocationList, leaf: x509.Certificate, issuer: x509.Certificate
) -> str:
    """Why a list is not the issuer's; empty when it is."""
    if told.issuer != leaf.issuer:
        return f"it is of {told.issuer.rfc4514_string()}, not of {leaf.issuer.rfc4514_string()}"
    try:
        good = told.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]
    except TypeError:  # a kind of key that signs no list
        good = False
    return "" if good else "its signature is not that of the issuer"


def _signed(told: ocsp.OCSPResponse, signer: x509.Certificate) -> bool:
    """Whether the key of a certificate made the signature of a response."""
    key, signature, data = signer.public_key(), told.signature, told.tbs_response_bytes
    algorithm = told.signature_hash_algorithm
    try:
        match key:
            case ec.EllipticCurvePublicKey() if algorithm is not None:
                key.verify(signature, data, ec.ECDSA(algorithm))
            case rsa.RSAPublicKey() if algorithm is not None:
                key.verify(signature, data, padding.PKCS1v15(), algorithm)
            case ed25519.Ed25519PublicKey() | ed448.Ed448PublicKey():
                key.verify(signature, data)
            case _:
                return False
    except InvalidSignature:
        return False
    return True
