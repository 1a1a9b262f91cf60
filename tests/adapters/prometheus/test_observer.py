"""What is noted becomes metrics with few labels."""

from __future__ import annotations

import re

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from watership.adapters.prometheus import PrometheusObserver
from watership.adapters.prometheus.observer import EVENTS
from watership.adapters.prometheus.requests import BUCKETS
from watership.durable.ids import DeploymentId
from watership.durable.states import RunState


def observer() -> PrometheusObserver:
    return PrometheusObserver(version="2.1.0", deployment="blue-2", slot="blue")


def text(of: PrometheusObserver, census: dict[tuple[DeploymentId, RunState], int] | None = None) -> str:
    kind, body = of.exposition(census)
    assert kind.startswith("text/plain")
    return body.decode()


def test_requests_are_counted_by_route_and_timed() -> None:
    it = observer()
    for seconds in (0.004, 0.4):
        it.note("http request", route="/x", method="GET", code=200, seconds=seconds, request_id="r")
    found = text(it)
    assert 'http_requests_total{code="200",method="GET",route="/x"} 2.0' in found
    assert 'http_request_duration_seconds_bucket{le="0.005",method="GET",route="/x"} 1.0' in found
    assert 'http_request_duration_seconds_bucket{le="0.5",method="GET",route="/x"} 2.0' in found
    assert "request_id" not in found


def test_a_request_id_never_becomes_a_label_and_events_have_a_bound() -> None:
    it = observer()
    for number in range(EVENTS + 50):
        it.note(f"event {number}", run_id=str(number))
    found = re.findall(r'^watership_events_total\{event="([^"]+)"\} (\S+)', text(it), re.MULTILINE)
    assert len(found) == EVENTS + 1
    assert dict(found)["(other)"] == "50.0"


def test_runs_are_shown_as_counted_for_this_answer_and_left_out_when_unknown() -> None:
    it = observer()
    census = {(DeploymentId("blue-2"), RunState.READY): 3}
    assert 'watership_runs{deployment="blue-2",state="ready"} 3.0' in text(it, census)
    assert "watership_runs{" not in text(it)


def test_the_build_is_told() -> None:
    told = 'watership_build_info{deployment="blue-2",slot="blue",version="2.1.0"} 1.0'
    assert told in text(observer())


def test_two_observers_of_one_process_do_not_collide() -> None:
    one, two = observer(), observer()
    one.note("run parked")
    assert "run parked" not in text(two)


def test_reads_of_the_cache_are_counted_as_hits_and_misses() -> None:
    it = observer()
    for hit in (True, True, False):
        it.note("cache read", kind="run", hit=hit)
    found = text(it)
    assert 'watership_cache_reads_total{kind="run",outcome="hit"} 2.0' in found
    assert 'watership_cache_reads_total{kind="run",outcome="miss"} 1.0' in found


def test_what_is_counted_in_plain_numbers_reads_as_the_librarys_own() -> None:
    it, registry = observer(), CollectorRegistry()
    counter = Counter("http_requests_total", "R.", ["route", "method", "code"], registry=registry)
    histogram = Histogram(
        "http_request_duration_seconds", "S.", ["route", "method"], buckets=BUCKETS, registry=registry
    )
    for seconds in (0.0, *BUCKETS, 0.0011, 61.5):
        for route, code in (("/x", 200), ("/x", 503), ('/"y"', 202)):
            it.note("http request", route=route, method="GET", code=code, seconds=seconds)
            counter.labels(route, "GET", str(code)).inc()
            histogram.labels(route, "GET").observe(seconds)
    found = [line for line in text(it).splitlines() if line.startswith("http_")]
    wanted = generate_latest(registry).decode().splitlines()
    assert found == [line for line in wanted if line.startswith("http_") and "_created{" not in line]
