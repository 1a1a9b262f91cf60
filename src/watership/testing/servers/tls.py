"""A TLS server of a test: a certificate as it was asked for, an OCSP response stapled or not, HTTP behind it."""

from __future__ import annotations

import socket
import socketserver
import struct
import threading
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

from OpenSSL import SSL

from watership.testing.servers.authority import NAMES, Authority, Kind, Word
from watership.testing.servers.ports import LOOPBACK, free_port

HSTS: Final = "max-age=31536000; includeSubDomains"

PATIENCE: Final = 5
"""Seconds that a client may be silent: nobody holds a thread for longer."""

REQUEST_BYTES: Final = 64 * 1024

POLL_SECONDS: Final = 0.1
"""How soon a server hears that it is to stop."""


class TlsServer:
    """HTTPS in threads of this process; every request is answered with 200 and a few words.

    By pyOpenSSL, since Python's own ssl module cannot staple.
    """

    def __init__(
        self,
        authority: Authority,
        kind: Kind = "good",
        *,
        names: Sequence[str] = NAMES,
        hsts: str = HSTS,
        stapled: bool | Word = False,
        ocsp_url: str = "",
        crl_url: str = "",
    ) -> None:
        """`hsts`: the words of the header, which is not sent when there are none. `stapled`: an OCSP response, a good
        one or another."""
        self.authority, self.kind, self.hsts = authority, kind, hsts
        self.port = free_port()
        self.identity = identity = authority.issue(kind, names=names, ocsp_url=ocsp_url, crl_url=crl_url)
        word: Word = "good" if stapled is True else stapled or "good"
        staple = authority.staple(identity, word) if stapled else b""
        self._context = SSL.Context(SSL.TLS_SERVER_METHOD)
        self._context.use_privatekey(identity.key)
        self._context.use_certificate(identity.leaf)
        for each in identity.chain[1:]:
            self._context.add_extra_chain_cert(each)
        self._context.set_ocsp_server_callback(lambda _, __: staple)
        self._server: socketserver.ThreadingTCPServer | None = None

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    @property
    def url(self) -> str:
        return f"https://{self.address}"

    def start(self) -> Self:
        """Listen; again at the same port after `stop`."""
        self._server = _Listener((LOOPBACK, self.port), _session(self))
        threading.Thread(target=self._server.serve_forever, args=(POLL_SECONDS,), daemon=True).start()
        return self

    def stop(self) -> None:
        """Answer nobody any more."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def talk(self, raw: socket.socket) -> None:
        """One client: its handshake, its request, our answer."""
        # Not settimeout(), after which the library asks to be called again instead of waiting.
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", PATIENCE, 0))
        connection = SSL.Connection(self._context, raw)
        connection.set_accept_state()
        # A client that does not trust us, or only wanted to see the certificate, goes away in the middle.
        with suppress(SSL.Error, OSError):
            connection.do_handshake()
            if _request(connection):
                connection.sendall(self._answer())
            connection.shutdown()

    def _answer(self) -> bytes:
        header = f"Strict-Transport-Security: {self.hsts}\r\n" if self.hsts else ""
        body = f"{self.kind}\n"
        return (
            f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n{header}"
            f"Connection: close\r\n\r\n{body}"
        ).encode()


class TlsServers(dict[Kind, TlsServer]):
    """A server of each kind, started when it is first asked for; the good one staples. `close` stops them."""

    def __init__(self, authority: Authority) -> None:
        super().__init__()
        self.authority = authority

    def __missing__(self, kind: Kind) -> TlsServer:
        self[kind] = server = TlsServer(self.authority, kind, stapled=kind == "good").start()
        return server

    def close(self) -> None:
        for server in self.values():
            server.stop()


class _Listener(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64


def _session(server: TlsServer) -> type[socketserver.BaseRequestHandler]:
    class Session(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            server.talk(self.request)

    return Session


def _request(connection: SSL.Connection) -> bool:
    """Whether a whole head came."""
    heard = b""
    while b"\r\n\r\n" not in heard:
        if len(heard) > REQUEST_BYTES:
            return False
        heard += connection.recv(REQUEST_BYTES)
    return True
