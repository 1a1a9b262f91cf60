"""An instance that costs little: a thread that answers /health and /readyz as a real one does."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Final

PIDS: Final = count(100_000)
"""Numbers that no process of a test has."""


class Listener:
    """`draining`: it answers on, and says so. `port` 0 takes a free one. Raises OSError for one that is taken."""

    def __init__(self, host: str, port: int, *, digest: str, version: str) -> None:
        self.pid = next(PIDS)
        self.digest = digest
        self.version = version
        self.draining = False
        self.silent = False
        self._server = ThreadingHTTPServer((host, port), _answers(self))
        self._server.daemon_threads = True
        self.host, self.port = host, self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def answer(self, path: str) -> tuple[int, object]:
        match path:
            case "/health":
                return 200, {"status": "ok", "build": self.digest, "version": self.version, "uptime": 3}
            case "/readyz" if self.draining:
                return 503, {"status": "draining", "components": {}}
            case "/readyz":
                return 200, {"status": "ok", "components": {}}
            case _:
                return 404, {}

    def end(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _answers(listener: Listener) -> type[BaseHTTPRequestHandler]:
    class Answers(BaseHTTPRequestHandler):
        wbufsize = -1

        def do_GET(self) -> None:
            if listener.silent:
                self.close_connection = True
                return
            status, told = listener.answer(self.path)
            body = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Tests do not want it."""

    return Answers
