"""The shipped SLA's expressions, by a real Prometheus that scrapes our own metrics."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from msgspec.structs import replace

from tests.conftest import started
from watership.adapters.http.probe import HttpProbe
from watership.adapters.prometheus import PrometheusObserver
from watership.adapters.prometheus.readings import PrometheusReadings
from watership.durable.ids import DeploymentId
from watership.durable.states import RunState
from watership.releases.service.readings import assess
from watership.releases.service.sla import Compliance, Errors, Latency, Objective, Sla, shipped
from watership.releases.verdict import Verdict
from watership.testing.servers import PrometheusServer

SECONDS = 4.0
"""The window: forty scrapes."""

PATIENCE = 20.0


class Service:
    """Counts a hundred requests before each scrape, as our service does; what they are like a test decides."""

    def __init__(self) -> None:
        self.code, self.seconds = 200, 0.05
        self._observer = PrometheusObserver(version="2.1.0", deployment="d", slot="blue")

    def exposition(self) -> bytes:
        for number in range(100):
            code = self.code if number < 10 else 200
            self._observer.note(
                "http request", route="/api/v1/runs", method="GET", code=code, seconds=self.seconds
            )
        return self._observer.exposition({(DeploymentId("d"), RunState.READY): 7})[1]


@pytest.fixture(scope="module")
def service() -> Iterator[tuple[Service, str]]:
    class Api(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = known.exposition()
            self.send_response(200)
            self.send_header("content-type", "text/plain; version=0.0.4")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing is told."""

    known = Service()
    with ThreadingHTTPServer(("127.0.0.1", 0), Api) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield known, f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def scraping(service: tuple[Service, str]) -> Iterator[PrometheusServer]:
    yield from started(lambda: PrometheusServer(targets={"watership": [service[1]]}, interval="100ms"))


def short(objective: Objective) -> Objective:
    """The same over a few seconds, with as few requests as come in them."""
    found = replace(objective, over=SECONDS, step=1.0, recent=SECONDS)
    return replace(found, min_samples=1_000) if isinstance(found, Errors | Latency) else found


def assessed(server: PrometheusServer) -> Mapping[str, Compliance]:
    sla = Sla(schema="watership/sla/v1", objectives=tuple(short(each) for each in shipped().objectives))
    now = float(int(time.time()))
    found = asyncio.run(assess(sla, PrometheusReadings(HttpProbe(), server.url), now))
    return {each.id: each for each in found}


def until(server: PrometheusServer, **verdicts: Verdict) -> Mapping[str, Compliance]:
    """Look until it is so; what was seen last when it does not become so."""
    end = time.monotonic() + PATIENCE
    while True:
        found = assessed(server)
        there = {name: found[name].verdict for name in verdicts}
        if there == verdicts or time.monotonic() > end:
            assert there == verdicts, found
            return found
        time.sleep(0.4)


def test_our_metrics_are_what_the_shipped_sla_asks_for(
    service: tuple[Service, str], scraping: PrometheusServer
) -> None:
    good = Verdict.PASSED
    found = until(scraping, availability=good, errors=good, latency=good)

    assert found["availability"].now == "100 %"
    assert found["errors"].now == "0 %", "no request has failed yet: the series of errors is not there"
    assert found["latency"].now.startswith(
        "100 % within 200ms, p95 4"
    )  # 50 ms, as the bucket lets it be seen
    assert found["throughput"].value is not None and found["throughput"].value > 100
    assert (found["queue-depth"].verdict, found["queue-depth"].now) == (good, "7")
    # Nobody exports the machine's and the database's figures here.
    for missing in ("cpu", "memory", "connections"):
        assert found[missing].verdict is Verdict.INCONCLUSIVE, missing
        assert found[missing].reason == "no samples were found in 4s", missing

    service[0].code, service[0].seconds = 503, 0.3
    found = until(scraping, errors=Verdict.FAILED, latency=Verdict.FAILED)

    assert found["availability"].verdict is good
    assert found["errors"].budget is not None and (found["errors"].budget.burn or 0) > 1
