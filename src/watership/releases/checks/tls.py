"""TLS servers are shaken hands with, and what they show is judged: dates, chain, revocation, and HSTS."""

from __future__ import annotations

import hashlib
import re
import ssl
from datetime import timedelta
from urllib.parse import urlsplit

from watership.errors import BadInput
from watership.releases.book.quantity import listed, spoken
from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene
from watership.releases.instruments import Certificate, Revocations, TlsAnswer
from watership.releases.measurement import Finding, failed, found, inconclusive

DAY = 86400.0

SKEW = 300.0
"""Seconds by which an issuer's clock may be ahead of ours."""

RENEW = "Renew the certificate, and deploy it with its chain."

MAX_AGE = re.compile(r'(?:^|;)\s*max-age\s*=\s*"?(\d+)', re.IGNORECASE)


@check("tls.expiry", good_for="24h", fix=RENEW)
async def expiry(scene: Scene, *, of: str, at_least: float = 30 * DAY) -> Finding:
    """The certificate of every address of `of` is valid now and for `at_least` longer."""
    wrong, least = [], float("inf")
    for address, answer in (await _looked(scene, of)).items():
        leaf = answer.chain[0]
        left = (leaf.not_after - scene.now()).total_seconds()
        least = min(least, left)
        if leaf.not_before > scene.now():
            wrong.append(f"{address} is valid only from {leaf.not_before:%Y-%m-%d}")
        elif left < at_least:
            wrong.append(f"{address} is valid until {leaf.not_after:%Y-%m-%d}, {_days(left)}")
    words = "; ".join(wrong) or f"Every certificate is valid for {_days(least)} or longer."
    return found(not wrong, f"{words.rstrip('.')}; {spoken(at_least)} is the limit.", days=least / DAY)


@check("tls.renewed", good_for="24h", fix=RENEW)
async def renewed(scene: Scene, *, of: str, younger_than: float) -> Finding:
    """The certificate of every address of `of` is valid now, for its own name, and was issued within `younger_than`."""
    wrong = []
    looked = await _looked(scene, of)
    for address, answer in looked.items():
        leaf, now = answer.chain[0], scene.now()
        if not leaf.not_before <= now <= leaf.not_after:
            wrong.append(
                f"{address} is valid from {leaf.not_before:%Y-%m-%d} to {leaf.not_after:%Y-%m-%d} only"
            )
        elif now - leaf.not_before > timedelta(seconds=younger_than):
            wrong.append(f"{address} was issued at {leaf.not_before:%Y-%m-%d}, before {spoken(younger_than)}")
        elif not _is_for(leaf, _name(scene, of, address)):
            wrong.append(f"{address} shows a certificate for {', '.join(leaf.names) or 'nobody'}")
    return found(
        not wrong,
        "; ".join(wrong) or f"{', '.join(looked)}: valid, and issued within {spoken(younger_than)}.",
    )


@check("tls.chain", good_for="24h", fix=RENEW)
async def chain(scene: Scene, *, of: str) -> Finding:
    """A client that trusts the usual authorities, or the system's `authorities`, trusts every address of `of`."""
    looked = await _looked(scene, of)
    wrong = [f"{address}: {answer.untrusted}" for address, answer in looked.items() if answer.untrusted]
    return found(
        not wrong, "; ".join(wrong) or f"{', '.join(looked)}: trusted, over {_lengths(looked)} certificates."
    )


@check(
    "tls.intermediates", good_for="24h", fix="Send the intermediate certificates along with the server's own."
)
async def intermediates(scene: Scene, *, of: str) -> Finding:
    """Every address of `of` sends its intermediates along: each certificate by the issuer that comes next."""
    wrong = []
    looked = await _looked(scene, of)
    for address, answer in looked.items():
        if len(answer.chain) < 2:
            wrong.append(f"{address} sends its own certificate alone, issued by {answer.chain[0].issuer}")
        for one, following in zip(answer.chain, answer.chain[1:], strict=False):
            if one.issuer != following.subject:
                wrong.append(f"{address} sends {following.subject} where {one.issuer} belongs")
    return found(
        not wrong, "; ".join(wrong) or f"{', '.join(looked)}: {_lengths(looked)} certificates, in order."
    )


@check("tls.deployed", good_for="24h", fix="Deploy the certificate, and reload what terminates TLS.")
async def deployed(scene: Scene, *, of: str, certificate: str) -> Finding:
    """Every address of `of` shows the very certificate that stands first in the PEM file `certificate`."""
    document = await scene.look.documents.read(certificate)
    if document is None:
        return failed(f"There is no {certificate}.")
    try:
        first, end, _ = document.content.decode().partition("-----END CERTIFICATE-----")
        wanted = hashlib.sha256(ssl.PEM_cert_to_DER_cert(first + end + "\n")).hexdigest()
    except ValueError as error:
        return failed(f"{certificate} holds no certificate in PEM: {error}.")
    looked = await _looked(scene, of)
    wrong = [
        f"{address} shows {answer.chain[0].sha256[:16]}…, valid until {answer.chain[0].not_after:%Y-%m-%d}"
        for address, answer in looked.items()
        if answer.chain[0].sha256 != wanted
    ]
    words = "; ".join(wrong) or f"{', '.join(looked)}: deployed"
    return found(not wrong, f"{words}; {certificate} is {wanted[:16]}….", sha256=wanted)


@check(
    "tls.revocation",
    good_for="4h",
    fix="Staple fresh OCSP responses, or use certificates that name a CRL; renew what is revoked.",
)
async def revocation(scene: Scene, *, of: str) -> Finding:
    """Of every address of `of` clients learn that its certificate was not revoked: from the OCSP response that it
    staples, else from each list of the revoked (CRL) that its certificate names. The word is the issuer's, about this
    very certificate, says that it is good, and counts now."""
    wrong, doubts, ways = [], [], []
    for address, answer in (await _looked(scene, of)).items():
        told = await _told(scene, answer)
        if not told:
            wrong.append(f"{address} staples nothing, and its certificate names no CRL")
        for where, said in told.items():
            if isinstance(said, str):
                wrong.append(f"{address}: {where} {said}")
            elif len(answer.chain) < 2:
                doubts.append(f"{address}: {where}: {said.wrong}")
            elif words := _unfit(scene, said):
                wrong.append(f"{address}: {where}: {words}")
            else:
                ways.append(f"{address}: {where} says good until {said.until:%Y-%m-%d %H:%M}")
    if doubts and not wrong:
        return inconclusive(f"{'; '.join(doubts)}.")
    return found(not wrong, f"{'; '.join(wrong or ways)}.")


async def _told(scene: Scene, answer: TlsAnswer) -> dict[str, Revocations | str]:
    """What is said of the certificate that was shown, by whom; text is why a list says nothing."""
    if answer.staple is not None:
        return {"the stapled response": answer.staple}
    told: dict[str, Revocations | str] = {}
    for url in answer.chain[0].crl_urls:
        fetched = await scene.look.http.request("GET", url)
        if fetched.status != 200:
            told[url] = "cannot be fetched"
            continue
        try:
            told[url] = await scene.look.tls.listed(answer, fetched.body)
        except BadInput:
            told[url] = "is no list of revoked certificates"
    return told


def _unfit(scene: Scene, said: Revocations) -> str:
    """Why a word on a certificate is none that clients could go by; empty when it is one."""
    if said.wrong:
        return said.wrong
    now = scene.sent_at()  # the issuer's day is the machine's: a rehearsal leaps without it
    if said.status != "good":
        return f"it says {said.status}"
    if said.since > now + timedelta(seconds=SKEW):
        return f"it counts only from {said.since:%Y-%m-%d %H:%M}"
    if said.until is None:
        return "it does not say until when it counts"
    return f"it counted until {said.until:%Y-%m-%d %H:%M}" if said.until < now else ""


@check("tls.hsts", good_for="24h", fix="Send Strict-Transport-Security with a max-age, over TLS.")
async def hsts(scene: Scene, *, of: str, path: str = "/", at_least: float = 180 * DAY) -> Finding:
    """Over TLS `of` tells clients to come back by TLS alone (HSTS), for `at_least`."""
    url = f"https://{urlsplit(scene.address(of)).netloc}{path}"
    header = (await scene.fetch(of, url)).headers.get("strict-transport-security", "")
    age = MAX_AGE.search(header)
    if age is None:
        return failed(f"{url} sends no HSTS header" + (f" with a max-age: '{header}'." if header else "."))
    words = f"{url} sends '{header}'; {spoken(at_least)} is the limit."
    return found(int(age[1]) >= at_least, words, max_age=int(age[1]))


async def _looked(scene: Scene, of: str) -> dict[str, TlsAnswer]:
    """What each address of a system shows: those of its fact `addresses`, else the one of its URL."""
    system = scene.system(of)
    addresses = listed(str(system.facts.get("addresses", ""))) or (urlsplit(system.url).netloc,)
    return {
        address: await scene.look.tls.look(
            address, name=_name(scene, of, address), authorities=system.authorities
        )
        for address in addresses
    }


def _is_for(leaf: Certificate, name: str) -> bool:
    """Whether a certificate names a host, or all hosts of its domain."""
    _, _, domain = name.partition(".")
    return any(each.casefold() in (name.casefold(), f"*.{domain}".casefold()) for each in leaf.names)


def _lengths(looked: dict[str, TlsAnswer]) -> str:
    return "/".join(sorted({str(len(answer.chain)) for answer in looked.values()}))


def _days(seconds: float) -> str:
    return f"{seconds / DAY:.0f} days" if seconds >= 0 else f"{-seconds / DAY:.0f} days ago"


def _name(scene: Scene, of: str, address: str) -> str:
    """The name that is asked for: the system's fact `name`, else the host itself."""
    return str(scene.system(of).facts.get("name", "")) or urlsplit(f"//{address}").hostname or ""
