"""Requests counted and timed for Prometheus, in plain numbers that become metrics when they are asked for.

The library's own counter and histogram take a lock per number and a walk along the buckets: several times as long as
this, on the way of every request.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator
from typing import Final

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)
"""Seconds. 0.2 is the SLA's, 0.5, 1 and 5 are thresholds of a release; the last one is the longest answer."""

_BOUNDS: Final = [str(floatToGoString(bound)) for bound in (*BUCKETS, math.inf)]  # type: ignore[no-untyped-call]  # the library has no types there


class _Timing:
    """How long answers took: how many in each bucket, and all seconds together."""

    __slots__ = ("counts", "seconds")

    def __init__(self) -> None:
        self.counts = [0] * len(_BOUNDS)
        self.seconds = 0.0

    def upto(self) -> list[tuple[str, float]]:
        """Bound → how many took no longer, as the histogram's format has it."""
        total, found = 0, []
        for bound, count in zip(_BOUNDS, self.counts, strict=True):
            total += count
            found.append((bound, float(total)))
        return found


class _Answers:
    """Of one route, method and status: how many, and where their seconds go."""

    __slots__ = ("count", "timing")

    def __init__(self, timing: _Timing) -> None:
        self.count = 0
        self.timing = timing


class Requests(Collector):
    """Of one loop: it is no thread's but the one that serves, so that no number needs a lock."""

    def __init__(self) -> None:
        self._answers: dict[tuple[str, str, object], _Answers] = {}
        self._timings: dict[tuple[str, str], _Timing] = {}

    def count(self, route: str, method: str, code: object, seconds: float) -> None:
        """One request was answered."""
        answers = self._answers.get((route, method, code)) or self._first(route, method, code)
        answers.count += 1
        timing = answers.timing
        timing.counts[bisect_left(BUCKETS, seconds)] += 1
        timing.seconds += seconds

    def _first(self, route: str, method: str, code: object) -> _Answers:
        timing = self._timings.setdefault((route, method), _Timing())
        return self._answers.setdefault((route, method, code), _Answers(timing))

    def collect(self) -> Iterator[Metric]:
        counter = CounterMetricFamily(
            "http_requests_total",
            "Requests answered, by route, method and status; 499 is a client that went away.",
            labels=["route", "method", "code"],
        )
        for (route, method, code), answers in self._answers.items():
            counter.add_metric([route, method, str(code)], answers.count)
        yield counter
        histogram = HistogramMetricFamily(
            "http_request_duration_seconds",
            "How long answers took, streams included.",
            labels=["route", "method"],
        )
        for labels, timing in self._timings.items():
            histogram.add_metric(labels, timing.upto(), timing.seconds)
        yield histogram
