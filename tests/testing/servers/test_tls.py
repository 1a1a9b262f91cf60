"""TLS servers of every kind: each is what its name says, to a client that knows nothing of us."""

from __future__ import annotations

import socket
import ssl
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from watership.testing.servers.authority import Authority, Kind
from watership.testing.servers.tls import HSTS, TlsServer, TlsServers


def ask(server: TlsServer) -> tuple[bytes, str | None]:
    trust = ssl.create_default_context(cafile=server.authority.file)
    with urlopen(server.url, context=trust) as answer:  # noqa: S310 - our own server
        return answer.read(), answer.headers["Strict-Transport-Security"]


@pytest.mark.parametrize("kind", ["good", "expires_soon"])
def test_one_that_is_in_order_is_trusted_and_speaks_http(tls_servers: TlsServers, kind: Kind) -> None:
    assert ask(tls_servers[kind]) == (f"{kind}\n".encode(), HSTS)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("expired", "has expired"),
        ("incomplete", "unable to get local issuer"),
        ("self_signed", "self.signed certificate"),
        ("wrong_name", "IP address mismatch"),
    ],
)
def test_one_that_is_not_in_order_is_not_trusted(tls_servers: TlsServers, kind: Kind, words: str) -> None:
    with pytest.raises(URLError, match=words):
        ask(tls_servers[kind])


def test_a_server_that_stopped_answers_at_its_port_when_it_is_started_again(tls_authority: Authority) -> None:
    with TlsServer(tls_authority, hsts="") as server:
        assert ask(server) == (b"good\n", None)
        server.stop()
        with pytest.raises(URLError, match="refused"):
            ask(server)
        server.start()
        assert ask(server) == (b"good\n", None)


def test_a_client_that_talks_nonsense_or_leaves_does_not_end_it(tls_servers: TlsServers) -> None:
    server = tls_servers["good"]
    for words in (b"GET / HTTP/1.0\r\n\r\n", b""):
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(words)
    assert ask(server)[0] == b"good\n"
