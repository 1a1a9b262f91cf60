"""A Prometheus to try things on: its HTTP API as far as it is asked, with answers that a test chooses."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Answer = Callable[[dict[str, str]], tuple[int, Any]]


@dataclass
class Prometheus:
    """The API of a Prometheus as far as it is asked: by expression, what it answers."""

    url: str
    says: dict[str, Answer] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)

    def answer(self, asked: dict[str, str]) -> tuple[int, Any]:
        self.asked.append(asked)
        says = next((says for name, says in self.says.items() if asked["query"].startswith(name)), None)
        return says(asked) if says else (200, success([]))


def success(result: list[Any], kind: str = "matrix", **more: Any) -> dict[str, Any]:
    return {"status": "success", "data": {"resultType": kind, "result": result}, **more}


def constant(value: str, *, missing: int = 0) -> Answer:
    """One series with the same value at each step, but for the first ones."""

    def says(asked: dict[str, str]) -> tuple[int, Any]:
        if "time" in asked:
            return 200, success([{"metric": {}, "value": [float(asked["time"]), value]}], "vector")
        start, end, step = (float(asked[name]) for name in ("start", "end", "step"))
        count = round((end - start) / step) + 1
        values = [[start + number * step, value] for number in range(missing, count)]
        return 200, success([{"metric": {}, "values": values}])

    return says


@contextmanager
def serving() -> Iterator[Prometheus]:
    """One that answers on loopback, with nothing known at first."""

    class Api(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            split = urlsplit(self.path)
            asked = {name: values[0] for name, values in parse_qs(split.query).items()}
            assert split.path == f"/api/v1/{'query' if 'time' in asked else 'query_range'}"
            status, body = known.answer(asked)
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing is told."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Api) as service:
        known = Prometheus(f"http://127.0.0.1:{service.server_port}")
        thread = threading.Thread(target=service.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield known
        service.shutdown()
        thread.join()
