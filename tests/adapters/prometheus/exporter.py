"""An exporter to be scraped: it exposes what a test says, in Prometheus' text format, and can fall silent."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Exporter:
    """What it says at each scrape, and where; None: it answers 503."""

    address: str
    says: Callable[[], bytes] | None


@contextmanager
def exporting(says: Callable[[], bytes]) -> Iterator[Exporter]:
    """One that answers on loopback."""

    class Api(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = known.says() if known.says is not None else b""
            self.send_response(200 if known.says is not None else 503)
            self.send_header("content-type", "text/plain; version=0.0.4")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing is told."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Api) as server:
        known = Exporter(f"127.0.0.1:{server.server_port}", says)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield known
        server.shutdown()
        thread.join()
