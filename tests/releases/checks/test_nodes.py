"""Figures of several machines: the worst one decides, and what is not known of one is not known of all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from tests.checklist.orchestrator import Prometheus
from tests.checklist.papers import baseline
from tests.releases.checks.scenes import Looker
from tests.releases.plans import a_plan
from watership.releases.book.quantity import Given
from watership.testing.servers import free_port
from watership.testing.standin import StandIn

EVERY: dict[str, Given] = {"of": "prometheus", "among": "up", "query": "cpu", "below": 0.6}


@pytest.fixture
def prometheus(looker: Looker) -> Iterator[Prometheus]:
    with StandIn() as server:
        there = Prometheus(server, "/prometheus")
        there.values["up"] = {"one": 1.0, "two": 0.0}
        looker.named("prometheus", there.url)
        looker.named("nobody", f"http://127.0.0.1:{free_port()}")
        yield there


def test_the_worst_machine_is_judged(looker: Looker, prometheus: Prometheus) -> None:
    prometheus.values["cpu"] = {"one": 0.1, "two": 0.59}
    assert "The worst of 2 has 0.59" in looker.passes("prometheus.every", **EVERY)
    prometheus.values["cpu"] = {"one": 0.1, "two": 0.6}
    looker.fails("prometheus.every", "two has 0.6; below 0.6 is wanted of each of 2", **EVERY)
    at_least = {**EVERY, "below": float("nan"), "at_least": 0.2}
    looker.fails("prometheus.every", "one has 0.1; at least 0.2", **at_least)


def test_a_machine_without_data_is_not_well(looker: Looker, prometheus: Prometheus) -> None:
    for lacking in ({"one": 0.1}, {"one": 0.1, "two": float("nan")}):
        prometheus.values["cpu"] = lacking
        looker.unsure("prometheus.every", "two: no data, of 2 machines", **EVERY)
    prometheus.values["cpu"] = {"one": 0.9}
    looker.fails("prometheus.every", "one has 0.9", **EVERY)
    prometheus.values["up"] = {}
    looker.unsure("prometheus.every", "knows no machine", **EVERY)
    looker.unsure("prometheus.every", "no answer", **{**EVERY, "of": "nobody"})
    looker.unsure("prometheus.every", "has no bound", of="prometheus", among="up", query="cpu")


RECORDED: dict[str, Given] = {
    "figure": "disk_io",
    "of": "prometheus",
    "among": "up",
    "query": "io",
    "path": "b.json",
}


def written(looker: Looker, **figures: Any) -> None:
    told = {**baseline(), "digest": a_plan().live.build.digest}
    told["figures"] |= figures
    looker.write("b.json", msgspec.json.encode(told))


def test_a_baseline_is_on_record_and_in_the_monitoring_alike(looker: Looker, prometheus: Prometheus) -> None:
    looker.unsure("baseline.recorded", "There is no report b.json", **RECORDED)
    prometheus.values["io"] = {"one": 60.0, "two": 45.0}
    written(looker, disk_io=100.0)
    assert "100 on record, and was 105" in looker.passes("baseline.recorded", **RECORDED)
    prometheus.values["io"] = {"one": 60.0, "two": 5.0}
    looker.fails("baseline.recorded", "was 65", **RECORDED)
    prometheus.values["io"] = {"one": 100.0}
    looker.unsure("baseline.recorded", "two: disk_io was not captured", **RECORDED)
    looker.unsure("baseline.recorded", "no answer", **{**RECORDED, "of": "nobody"})
    written(looker, disk_io=0.0)
    looker.fails("baseline.recorded", "which no machine in use has", **RECORDED)
    written(looker, disk_io=None)
    looker.fails("baseline.recorded", "disk_io is not known", **RECORDED)


KEPT: dict[str, Given] = {"of": "prometheus", "path": "b.json", "by": 0.1}


def test_a_figure_is_held_against_what_it_was(looker: Looker, prometheus: Prometheus) -> None:
    written(looker, cache_hit_rate=0.9, p95=0.1)
    prometheus.values |= {"hits": 0.82, "p95": 0.109}
    looker.passes("baseline.kept", **KEPT, figure="cache_hit_rate", query="hits")
    looker.passes("baseline.kept", **KEPT, figure="p95", query="p95")
    prometheus.values |= {"hits": 0.8, "p95": 0.111}
    looker.fails("baseline.kept", "was 0.9 and is 0.8", **KEPT, figure="cache_hit_rate", query="hits")
    looker.fails("baseline.kept", "was 0.1 and is 0.111", **KEPT, figure="p95", query="p95")
    looker.unsure("baseline.kept", "is not known now", **KEPT, figure="p95", query="nothing")
    written(looker, p95=None)
    looker.unsure("baseline.kept", "not known of live then", **KEPT, figure="p95", query="p95")
    looker.unsure("baseline.kept", "no answer", **{**KEPT, "of": "nobody"}, figure="p95", query="p95")
