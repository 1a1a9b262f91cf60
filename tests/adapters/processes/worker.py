"""A process for the host agent to keep: it says who it is, and answers /readyz when it serves."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from watership.adapters.processes.presence import Presence, announce


class Ready(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("role")
    parser.add_argument("digest")
    parser.add_argument("--starts", type=Path)
    parser.add_argument("--version", default="2.1.0")
    parser.add_argument("--stubborn", action="store_true")
    options = parser.parse_args()
    with options.starts.open("a", encoding="utf-8") as file:
        file.write(f"{options.name} {os.getpid()}\n")
    if options.stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server = HTTPServer(("127.0.0.1", 0), Ready)
    address = f"127.0.0.1:{server.server_port}" if options.role == "serve" else None
    announce(
        Presence(
            pid=os.getpid(), state="ready", address=address, digest=options.digest, version=options.version
        )
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    threading.Event().wait()


if __name__ == "__main__":
    main()
