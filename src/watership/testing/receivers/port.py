"""A port listens or refuses, and keeps its number while it refuses."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Callable

HOST = "127.0.0.1"


class ThreadingServer(socketserver.ThreadingTCPServer):
    """One thread for each connection; none of them keeps a test from ending."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """Whoever asked has gone: nothing that a receiver would mind."""


class Port:
    """Where a receiver listens. `serve` makes the server for an address."""

    def __init__(self, serve: Callable[[tuple[str, int]], ThreadingServer]) -> None:
        self._serve = serve
        self._placeholder: socket.socket | None = None
        self._server: ThreadingServer | None = None
        self._thread: threading.Thread | None = None
        self.number = 0

    def listen(self) -> None:
        if self._placeholder is not None:
            self._placeholder.close()
            self._placeholder = None
        if self._server is None:
            self._server = self._serve((HOST, self.number))
            self.number = self._server.server_address[1]
            self._thread = threading.Thread(
                target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
            )
            self._thread.start()

    def refuse(self) -> None:
        """Whoever connects from now on is refused. The number stays ours: it is bound, and nobody listens."""
        self.close()
        self._placeholder = socket.socket()
        self._placeholder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._placeholder.bind((HOST, self.number))

    def close(self) -> None:
        if self._placeholder is not None:
            self._placeholder.close()
            self._placeholder = None
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
            self._server = self._thread = None
