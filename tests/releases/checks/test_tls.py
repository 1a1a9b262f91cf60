"""TLS servers with good, expired and incomplete certificates, and clients that trust their authority or not."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

from tests.releases.checks.scenes import Looker
from watership.testing.servers import free_port
from watership.testing.servers.authority import Authority, Identity, Word, pem
from watership.testing.servers.tls import TlsServer, TlsServers
from watership.testing.standin import Answer, StandIn


@pytest.fixture
def tls(looker: Looker, tls_authority: Authority, tls_servers: TlsServers) -> Looker:
    """A system of each kind of certificate, by its name."""
    looker.write("authority.pem", tls_authority.file.read_bytes())
    looker.authorities = tls_authority.file
    for kind in ("good", "expired", "expires_soon", "incomplete", "self_signed", "wrong_name"):
        looker.named(kind, tls_servers[kind].url, authorities="authority.pem")
    looker.named("nobody", f"https://127.0.0.1:{free_port()}")
    return looker


def test_thirty_days_have_to_be_left(tls: Looker) -> None:
    assert "90 days or longer" in tls.passes("tls.expiry", of="good")
    tls.fails("tls.expiry", "10 days; 30d is the limit", of="expires_soon")
    tls.fails("tls.expiry", "1 days ago", of="expired")
    tls.unsure("tls.expiry", "does not answer", of="nobody")


def test_a_certificate_is_valid_its_own_and_not_old(tls: Looker) -> None:
    day = 86400.0
    tls.passes("tls.renewed", of="good", younger_than=90 * day)
    tls.fails("tls.renewed", "before 30d", of="good", younger_than=30 * day)
    tls.fails("tls.renewed", "only", of="expired", younger_than=90 * day)
    tls.fails("tls.renewed", "a certificate for elsewhere.example", of="wrong_name", younger_than=90 * day)
    tls.unsure("tls.renewed", "does not answer", of="nobody", younger_than=day)


def test_the_chain_leads_to_who_is_trusted(tls: Looker, tls_servers: TlsServers) -> None:
    assert "over 2 certificates" in tls.passes("tls.chain", of="good")
    tls.fails("tls.chain", "127.0.0.1", of="self_signed")
    tls.fails("tls.chain", "127.0.0.1", of="incomplete")
    tls.named("strange", tls_servers["good"].url)
    tls.fails("tls.chain", "127.0.0.1", of="strange")
    tls.unsure("tls.chain", "does not answer", of="nobody")


def test_intermediates_are_sent_whoever_trusts_them(tls: Looker, tls_servers: TlsServers) -> None:
    tls.named("strange", tls_servers["good"].url)
    assert "in order" in tls.passes("tls.intermediates", of="strange")
    tls.fails("tls.intermediates", "sends its own certificate alone", of="incomplete")
    tls.unsure("tls.intermediates", "does not answer", of="nobody")


class Misordered(Authority):
    """It sends its root where the intermediate belongs."""

    def issue(self, *given: Any, **more: Any) -> Identity:
        identity = super().issue(*given, **more)
        return Identity(identity.key, (identity.leaf, self.root))


def test_what_is_sent_along_has_to_be_the_issuer(tls: Looker, tmp_path: Path) -> None:
    with TlsServer(Misordered(tmp_path)) as server:
        tls.named("misordered", server.url)
        tls.fails("tls.intermediates", "sends CN=Watership Test Root where", of="misordered")


def test_every_address_of_a_system_is_looked_at(tls: Looker, tls_servers: TlsServers) -> None:
    good, soon = tls_servers["good"].address, tls_servers["expires_soon"].address
    tls.named("both", "https://", authorities="authority.pem", addresses=f"{good}, {soon}")
    tls.fails("tls.expiry", soon, of="both")


def test_the_deployed_certificate_is_the_expected_one(tls: Looker, tls_authority: Authority) -> None:
    shown = ssl.get_server_certificate(_parts(tls.systems["good"].url))
    tls.write("good.pem", shown)
    tls.write("other.pem", pem(*tls_authority.issue().chain))
    tls.write("nonsense.pem", "no certificate")
    assert "deployed" in tls.passes("tls.deployed", of="good", certificate="good.pem")
    tls.fails("tls.deployed", "other.pem is", of="good", certificate="other.pem")
    tls.fails("tls.deployed", "no certificate in PEM", of="good", certificate="nonsense.pem")
    tls.fails("tls.deployed", "There is no", of="good", certificate="missing.pem")
    tls.unsure("tls.deployed", "does not answer", of="nobody", certificate="good.pem")


def _parts(url: str) -> tuple[str, int]:
    host, _, port = url.removeprefix("https://").partition(":")
    return host, int(port)


def test_a_stapled_response_has_to_be_the_issuers_good_word_on_this_certificate(
    tls: Looker, tls_authority: Authority
) -> None:
    assert "the stapled response says good until" in tls.passes("tls.revocation", of="good")
    tls.fails("tls.revocation", "staples nothing", of="expires_soon")
    tls.unsure("tls.revocation", "does not answer", of="nobody")
    words: dict[Word, str] = {
        "revoked": "it says revoked",
        "late": "it counted until",
        "forged": "its signature is not that of the issuer",
        "pretender": "may not sign such responses",
    }
    for word, said in words.items():
        with TlsServer(tls_authority, stapled=word) as server:
            tls.named(word, server.url)
            tls.fails("tls.revocation", said, of=word)
    with TlsServer(tls_authority, stapled="deputy") as server:
        tls.named("deputy", server.url)
        tls.passes("tls.revocation", of="deputy")
    with TlsServer(tls_authority, "incomplete", stapled=True) as server:
        tls.named("alone", server.url)
        tls.unsure("tls.revocation", "its issuer was not sent along", of="alone")


def test_a_list_of_the_revoked_has_to_be_the_issuers_and_not_to_name_it(
    tls: Looker, tls_authority: Authority
) -> None:
    with StandIn() as lists, TlsServer(tls_authority, crl_url=f"{lists.url}/list.crl") as server:
        tls.named("listed", server.url)
        lists.routes["GET /list.crl"] = Answer(tls_authority.revoked(tls_authority.issue()))
        assert "/list.crl says good" in tls.passes("tls.revocation", of="listed")
        for answer, words in (
            (Answer(tls_authority.revoked(server.identity)), "it says revoked"),
            (Answer(tls_authority.revoked(late=True)), "it counted until"),
            (Answer(tls_authority.revoked(forged=True)), "its signature is not that of the issuer"),
            (Answer(b"a list"), "is no list of revoked certificates"),
            (Answer(status=404), "cannot be fetched"),
        ):
            lists.routes["GET /list.crl"] = answer
            tls.fails("tls.revocation", words, of="listed")


def test_hsts_holds_for_half_a_year(tls: Looker, tls_authority: Authority) -> None:
    assert "max-age=31536000" in tls.passes("tls.hsts", of="good")
    with TlsServer(tls_authority, hsts="max-age=3600") as short, TlsServer(tls_authority, hsts="") as none:
        tls.named("short", short.url)
        tls.named("none", none.url)
        tls.fails("tls.hsts", "'max-age=3600'; 180d is the limit", of="short")
        tls.fails("tls.hsts", "sends no HSTS header", of="none")
    tls.unsure("tls.hsts", "Unavailable", of="nobody")
