"""What a handshake shows of servers in order and out of order."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from tests.adapters.listening import listening
from watership.adapters.tls.handshake import Handshake, covers
from watership.errors import BadInput, Unavailable
from watership.releases.instruments import TlsAnswer
from watership.testing.servers import free_port
from watership.testing.servers.authority import Kind
from watership.testing.servers.tls import TlsServer, TlsServers


async def look(server: TlsServer, name: str = "") -> TlsAnswer:
    return await Handshake().look(server.address, name=name, authorities=str(server.authority.file))


async def test_a_good_server_shows_its_whole_chain_is_trusted_and_staples(tls_servers: TlsServers) -> None:
    answer = await look(tls_servers["good"])
    assert (answer.version, answer.untrusted) == ("TLSv1.3", "")
    assert answer.staple is not None
    assert (answer.staple.status, answer.staple.wrong) == ("good", "")
    leaf, intermediate = answer.chain
    assert leaf.issuer == intermediate.subject == "CN=Watership Test Intermediate"
    assert leaf.names == ("localhost", "127.0.0.1", "::1")
    assert leaf.not_after - datetime.now(UTC) > timedelta(days=30)
    assert (await look(tls_servers["good"], "localhost")).untrusted == ""


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("expired", "cert has expired (CN=localhost)"),
        ("incomplete", "unable to get issuer cert locally (CN=localhost)"),
        ("self_signed", "depth zero self signed cert (CN=localhost)"),
        ("wrong_name", "the certificate is for elsewhere.example, not for 127.0.0.1"),
    ],
)
async def test_why_a_server_is_not_trusted_is_an_answer(
    tls_servers: TlsServers, kind: Kind, words: str
) -> None:
    answer = await look(tls_servers[kind])
    assert words in answer.untrusted
    assert answer.chain
    assert answer.staple is None


async def test_how_long_a_certificate_holds_is_seen(tls_servers: TlsServers) -> None:
    answer = await look(tls_servers["expires_soon"])
    assert answer.untrusted == ""
    assert answer.chain[0].not_after - datetime.now(UTC) < timedelta(days=30)


async def test_the_systems_authorities_do_not_know_ours(tls_servers: TlsServers) -> None:
    answer = await Handshake().look(tls_servers["good"].address)
    assert "unable to get issuer cert locally" in answer.untrusted


async def test_where_a_certificate_is_revoked_is_told(tls_servers: TlsServers) -> None:
    ocsp, crl = "http://ocsp.example/", "http://crl.example/list"
    with TlsServer(tls_servers.authority, ocsp_url=ocsp, crl_url=crl) as server:
        leaf = (await look(server)).chain[0]
    assert leaf.ocsp_urls == (ocsp,)
    assert leaf.crl_urls == (crl,)


async def test_who_does_not_shake_hands_is_unavailable(tls_servers: TlsServers) -> None:
    with pytest.raises(Unavailable, match="does not answer"):
        await Handshake().look(f"127.0.0.1:{free_port()}")

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async def dumb(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)

    for behaviour, words in (plain, "does not shake hands: .*wrong version"), (dumb, "closed in the middle"):
        async with listening(behaviour) as address:
            with pytest.raises(Unavailable, match=words):
                await Handshake().look(address)


async def test_nonsense_is_refused(tls_servers: TlsServers) -> None:
    address = tls_servers["good"].address
    with pytest.raises(BadInput, match="no address"):
        await Handshake().look("https://example.org")
    with pytest.raises(BadInput, match="holds no authorities"):
        await Handshake().look(address, authorities=__file__)
    with pytest.raises(BadInput, match="holds no authorities"):
        await Handshake().look(address, authorities="/no/such/file")


def test_a_star_stands_for_one_whole_label() -> None:
    assert covers(["*.example.org"], "a.example.org")
    assert covers(["EXAMPLE.org"], "example.ORG.")
    assert not covers(["*.example.org"], "example.org")
    assert not covers(["*.example.org"], "a.b.example.org")
    assert not covers(["*.org"], "example.com")
    assert not covers(["*"], "localhost")
    assert not covers(["*.org"], "10.0.0.1")
    assert covers(["::1"], "0:0::1")
