"""One number of an answer."""

from __future__ import annotations

from math import nan

from tests.releases.checks.scenes import Looker
from watership.releases.book.quantity import Given
from watership.testing.servers import free_port
from watership.testing.standin import Answer, StandIn


def test_a_number_of_an_answer_keeps_its_bounds(looker: Looker) -> None:
    asked: dict[str, Given] = {"of": "logs", "path": "/_count?q=now-5m", "at": "count"}
    with StandIn({"GET /_count": Answer({"count": 7, "_shards": {"failed": 0}})}) as server:
        looker.named("logs", server.url)
        looker.passes("http.figure", **asked, at_least=1)
        looker.fails("http.figure", "It is 7; at least 8", **asked, at_least=8)
        looker.unsure("http.figure", "has no bound: say below or at_least", **asked)
        looker.unsure("http.figure", "has no bound", **asked, below=nan)
        looker.unsure("http.figure", "has no 'total'", **(asked | {"at": "total"}), below=8)
        looker.unsure("http.figure", "which is no number", **(asked | {"at": "_shards"}), below=8)
        with server.changed("GET /_count", Answer(status=503)):
            looker.unsure("http.figure", "answered 503", **asked, below=8)
    looker.named("logs", f"http://127.0.0.1:{free_port()}")
    looker.unsure("http.figure", "Unavailable", **asked, below=8)
