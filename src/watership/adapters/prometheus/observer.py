"""An observer that counts: requests by route, events by name, runs by deployment and state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from watership.adapters.prometheus.requests import Requests
from watership.durable.ids import DeploymentId
from watership.durable.states import RunState

Census = Mapping[tuple[DeploymentId, RunState], int]

EVENTS: Final = 200
"""Names of events that are told apart; further ones are counted as OTHER."""

OTHER: Final = "(other)"

CRITICAL, NOT_CRITICAL = "critical", "other"

TAKES_IN: Final = ("/messages", ":signal", "/signal")
"""How the routes end by which work, and people's answers, are handed in: they say who asks, and accept it."""


def path_of(method: object, route: str) -> str:
    """Whether a request lies on the critical path."""
    return CRITICAL if method == "POST" and route.endswith(TAKES_IN) else NOT_CRITICAL


class PrometheusObserver:
    """One registry of its own per process part, so that two in one process do not collide."""

    def __init__(self, *, version: str, deployment: str, slot: str) -> None:
        # A second series per counter, with the time of its first use, that no rule of ours reads.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library has no types there
        self._registry = CollectorRegistry()
        self._requests = Requests()
        self._registry.register(self._requests)
        PlatformCollector(registry=self._registry)
        ProcessCollector(registry=self._registry)
        self._events = Counter(
            "watership_events_total", "What happened, by name.", ["event"], registry=self._registry
        )
        self._cache = Counter(
            "watership_cache_reads_total",
            "Reads of what is cached, by kind, found there (hit) or not (miss).",
            ["kind", "outcome"],
            registry=self._registry,
        )
        self._unhandled = Counter(
            "watership_unhandled_total",
            "Requests that ended in an exception that nobody caught: those that hand work in (critical), and others.",
            ["path"],
            registry=self._registry,
        )
        for path in (CRITICAL, NOT_CRITICAL):
            self._unhandled.labels(path)  # there from the beginning: who asks can tell none from not counted
        build = Gauge(
            "watership_build_info",
            "Always 1: which build answers.",
            ["version", "deployment", "slot"],
            registry=self._registry,
        )
        build.labels(version, deployment, slot).set(1)
        self._named: dict[str, Counter] = {}
        """The counter of each event that is told apart: finding it by its label costs ten times the counting."""
        self._runs = _Runs()
        self._registry.register(self._runs)

    def note(self, event: str, **facts: object) -> None:
        if event == "http request":
            seconds = facts["seconds"]
            assert isinstance(seconds, float)
            self._requests.count(str(facts["route"]), str(facts["method"]), facts["code"], seconds)
        elif event == "cache read":
            for outcome in ("hit", "miss"):
                # Both are there from the first read on, so that a cache that never hits has a rate of hits.
                self._cache.labels(str(facts["kind"]), outcome).inc(
                    outcome == ("hit" if facts["hit"] else "miss")
                )
        else:
            if event == "request failed":
                self._unhandled.labels(path_of(facts.get("method"), str(facts["route"]))).inc()
            self._counter(event).inc()

    def _counter(self, event: str) -> Counter:
        known = self._named.get(event)
        if known is None:
            if len(self._named) >= EVENTS:
                return self._events.labels(OTHER)
            known = self._named[event] = self._events.labels(event)
        return known

    def exposition(self, census: Census | None = None, took: float | None = None) -> tuple[str, bytes]:
        """Content type and text. Without a census the runs are left out, and without the seconds that it `took` these:
        unknown is not zero."""
        self._runs.census, self._runs.took = census, took
        return CONTENT_TYPE_LATEST, generate_latest(self._registry)


class _Runs(Collector):
    """The runs as the store counted them for this very exposition."""

    census: Census | None = None
    took: float | None = None

    def collect(self) -> Iterator[Metric]:
        if self.took is not None:
            yield GaugeMetricFamily(
                "watership_store_query_seconds",
                "How long the store took to count the runs for this very answer.",
                value=self.took,
            )
        if self.census is None:
            return
        runs = GaugeMetricFamily("watership_runs", "Runs in the store.", labels=["deployment", "state"])
        for (deployment, state), count in sorted(self.census.items()):
            runs.add_metric([deployment, str(state)], count)
        yield runs
