"""A real Prometheus that scrapes itself is asked about itself."""

from __future__ import annotations

import time
from typing import Final

import pytest

from tests.releases.checks.scenes import Looker
from watership.releases.book.quantity import Given
from watership.releases.checks.prometheus import in_seconds
from watership.releases.verdict import Verdict
from watership.testing.servers import PrometheusServer, free_port
from watership.testing.standin import Answer, StandIn

STORED: Final[dict[str, Given]] = {"over": 2.0, "at_least": 0.5}


@pytest.fixture
def looker(looker: Looker, prometheus_server: PrometheusServer) -> Looker:
    looker.named("prometheus", prometheus_server.url)
    looker.named("nobody", f"http://127.0.0.1:{free_port()}")
    end = time.monotonic() + 20
    while looker.look("prometheus.stored", STORED, of="prometheus").verdict is not Verdict.PASSED:
        assert time.monotonic() < end, "Prometheus has not scraped itself for two seconds"
        time.sleep(0.1)
    return looker


CHECKS: Final[dict[str, dict[str, Given]]] = {
    "prometheus.targets": {"jobs": "prometheus"},
    "prometheus.retention": {"at_least": 15 * 86400.0},
    "prometheus.cardinality": {"series_below": 100_000, "of_one_below": 10_000},
    "prometheus.stored": STORED,
    "prometheus.query_time": {"query": "sum(up)", "below": 5.0},
}


@pytest.mark.parametrize("check", CHECKS)
def test_a_prometheus_that_is_well_passes_and_one_that_is_away_is_not_known(
    looker: Looker, check: str
) -> None:
    looker.passes(check, of="prometheus", **CHECKS[check])
    looker.unsure(check, "no answer", of="nobody", **CHECKS[check])


def test_what_is_not_as_it_should_be_fails(looker: Looker) -> None:
    looker.fails("prometheus.targets", "the job node has no target", of="prometheus", jobs="prometheus, node")
    looker.fails("prometheus.retention", "30d are wanted", of="prometheus", at_least=30 * 86400.0)
    looker.fails(
        "prometheus.cardinality", "10 is the limit", of="prometheus", series_below=10, of_one_below=10**6
    )
    looker.fails("prometheus.cardinality", "has", of="prometheus", series_below=10**6, of_one_below=2)
    looker.fails(
        "prometheus.stored", "of its points are stored", of="prometheus", over=86400.0, at_least=0.95
    )
    looker.fails("prometheus.query_time", "is wanted", of="prometheus", query="sum(up)", below=1e-9)


def test_a_query_that_it_refuses_is_not_known(looker: Looker) -> None:
    looker.unsure("prometheus.query_time", "400", of="prometheus", query="sum(", below=1.0)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer({"status": "error", "error": "too busy"}), "otherwise than Prometheus"),
        (Answer({"status": "success", "data": {"activeTargets": 1}}), "otherwise than its API says"),
        (Answer("hello"), "no JSON"),
        (Answer({}, 503), "503"),
    ],
)
def test_what_answers_otherwise_is_not_known(looker: Looker, answer: Answer, words: str) -> None:
    with StandIn({"GET /api/v1/targets": answer}) as server:
        looker.named("strange", server.url)
        looker.unsure("prometheus.targets", words, of="strange", jobs="node")
        looker.unsure("prometheus.stored", words, of="strange", over=60.0, at_least=0.9)


def test_a_target_that_was_not_scraped_yet_is_not_up(looker: Looker) -> None:
    target = {"labels": {"job": "node", "instance": "a:1"}, "health": "unknown", "scrapeInterval": "15s"}
    told = {"status": "success", "data": {"activeTargets": [target]}}
    with StandIn({"GET /api/v1/targets": Answer(told)}) as server:
        looker.named("young", server.url)
        looker.fails("prometheus.targets", "node at a:1 is unknown: not scraped yet", of="young", jobs="node")


@pytest.mark.parametrize("told", ["10GiB", "", "for ever"])
def test_a_retention_that_promises_no_time_fails(looker: Looker, told: str) -> None:
    answer = Answer({"status": "success", "data": {"storageRetention": told}})
    with StandIn({"GET /api/v1/status/runtimeinfo": answer}) as server:
        looker.named("sized", server.url)
        looker.fails("prometheus.retention", "are wanted", of="sized", at_least=1.0)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("15s", 15.0), ("1m30s", 90.0), ("200ms", 0.2), ("15d", 1_296_000.0), ("1.5h", 0.0), ("soon", 0.0)],
)
def test_durations_are_read_as_prometheus_writes_them(text: str, seconds: float) -> None:
    assert in_seconds(text) == pytest.approx(seconds)
