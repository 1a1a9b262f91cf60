"""An instance that costs little: it takes the words of a real one, and answers /health and /readyz as that does.

Which build it carries it reads in its folder, or finds in DIGEST, where it stands for a container's image.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=["serve", "worker"])
    for name in ("--source", "--deployment", "--slot"):
        parser.add_argument(name, required=True)
    parser.add_argument("--slots", type=int, required=True)
    parser.add_argument("--listen", default="127.0.0.1:0")
    return parser.parse_args()


def carried(source: str) -> tuple[str, str]:
    """Digest and version, by the bytes that are here."""
    if "DIGEST" in os.environ:
        return os.environ["DIGEST"], os.environ["VERSION"]
    from watership.adapters.files.builds import read_build

    build = read_build(Path(source))
    return build.digest, build.version


def announce(state: str, address: str, digest: str, version: str) -> None:
    if path := os.environ.get("WATERSHIP_PRESENCE"):
        told = {"pid": os.getpid(), "state": state, "address": address, "digest": digest, "version": version}
        fresh = Path(f"{path}.{os.getpid()}")
        fresh.write_text(json.dumps(told))
        fresh.replace(path)


def main() -> None:
    options = arguments()
    digest, version = carried(options.source)
    host, _, port = options.listen.rpartition(":")
    told = {
        "/health": {"status": "ok", "build": digest, "version": version, "deployment": options.deployment},
        "/readyz": {"status": "ok", "components": {}},
    }

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(told.get(self.path, {})).encode()
            self.send_response(200 if self.path in told else 404)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer((host, int(port)), Answers)
    signal.signal(signal.SIGTERM, signal.SIG_IGN if "STUBBORN" in os.environ else lambda *_: sys.exit(0))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    if "PORT_FILE" in os.environ:
        fresh = Path(os.environ["PORT_FILE"] + ".new")
        fresh.write_text(str(server.server_port))
        fresh.replace(os.environ["PORT_FILE"])
    announce("ready", f"{host}:{server.server_port}", digest, version)
    threading.Event().wait()


if __name__ == "__main__":
    main()
