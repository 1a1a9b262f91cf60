"""Traffic as a Prometheus server knows it: what counters grew by, in spans as long as its scrapes are apart.

A scrape tells how many requests came since the one before, and not in which second. So a tick covers a whole span,
and never a second that nobody looked at.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final

from msgspec import Struct

from watership.adapters.prometheus.asking import Asking, Series, number
from watership.durable.clock import Clock
from watership.errors import BadInput, Unavailable
from watership.fleet.deployment import Slot
from watership.releases.ports import Probe, TrafficTick

SECONDS: Final = 5.0
"""Of one query."""

LONGEST: Final = 900
"""Seconds that are asked for at once; a router keeps no more."""

TARGET: Final = ("job", "instance")
"""The labels by which Prometheus itself tells whom it scraped."""

BOUND: Final = "le"

Target = tuple[str, ...]
Labels = tuple[tuple[str, str], ...]
Scrapes = Mapping[float, float]
"""Unix time of a scrape → what it found."""
Counters = Mapping[Target, Mapping[Labels, Scrapes]]
Seen = Mapping[Target, Sequence[float]]
"""Of each target the last scrape before a span, and those within."""


class Selectors(Struct, frozen=True, kw_only=True):
    """Which series count. `$slot` stands for the slot.

    `targets`: a series that each target of the slot always has; of `requests`, and of `latencies`, the buckets of their
    histogram, those of these targets count. A request has failed where its label `failed` has one of the `values`.
    """

    targets: str
    requests: str
    failed: str
    values: str
    """A regular expression of the whole value."""
    latencies: str


class PrometheusMetrics:
    """Metrics, by a Prometheus at `url` that scrapes every target at least once in `every` whole seconds.

    A span is known once each of its targets was scraped in it, in the one before it, and after it. A counter that
    began anew hides what it had counted since: that span is unknown.
    """

    def __init__(self, probe: Probe, url: str, selectors: Selectors, *, every: int, clock: Clock) -> None:
        if every < 1:
            raise BadInput("Scrapes are at least a second apart: `every` is a whole number of seconds.")
        self._asking = Asking(probe, url, seconds=SECONDS)
        self._selectors = selectors
        self._every = every
        self._clock = clock

    async def ticks(self, *, after: int, until: int) -> Mapping[Slot, Sequence[TrafficTick]]:
        slots = list(Slot)
        told = await asyncio.gather(*(self._told(slot, max(after, until - LONGEST), until) for slot in slots))
        return dict(zip(slots, told, strict=True))

    async def _told(self, slot: Slot, after: int, until: int) -> Sequence[TrafficTick]:
        every, now = self._every, self._clock.now().timestamp()
        reach = now - (after - 2 * every)
        kinds = (self._selectors.targets, self._selectors.requests, self._selectors.latencies)
        targets, requests, latencies = await asyncio.gather(
            *(self._range(kind, slot, reach, now) for kind in kinds)
        )
        scrapes = _scrapes(targets)
        answered, timed = _counters(requests, scrapes), _counters(latencies, scrapes)
        found = []
        for end in spans(after, until, every):
            seen = _seen(scrapes, end, every)
            if seen is not None and (whole := self._tick(end, seen, answered, timed)) is not None:
                found.append(whole)
        return found

    def _tick(self, end: int, seen: Seen, requests: Counters, latencies: Counters) -> TrafficTick | None:
        """What all targets counted in the span that ends with `end`; None where one began to count anew."""
        answered, timed = _together(seen, requests), _together(seen, latencies)
        if answered is None or timed is None:
            return None
        upto: Counter[str] = Counter()
        for labels, grown in timed:
            upto[dict(labels).get(BOUND, "+Inf")] += grown
        return TrafficTick(
            second=end,
            span=self._every,
            requests=sum(grown for _, grown in answered),
            errors=sum(grown for labels, grown in answered if self._bad(dict(labels))),
            latencies=_apart(upto),
        )

    def _bad(self, labels: Mapping[str, str]) -> bool:
        """Raises Unavailable where nobody says how a request ended: none has failed then as far as anybody can see."""
        name = self._selectors.failed
        if name not in labels:
            raise Unavailable(
                f"A series of {self._selectors.requests} has no label '{name}' that tells of failures."
            )
        return re.fullmatch(self._selectors.values, labels[name]) is not None

    async def _range(self, selector: str, slot: Slot, seconds: float, now: float) -> Sequence[Series]:
        """The samples themselves, with the times of their scrapes: a function of them would have made up others."""
        query = f"{selector.replace('$slot', slot.value)}[{round(1000 * seconds)}ms]"
        return await self._asking.series("query", {"query": query, "time": f"{now:.3f}"})


def spans(after: int, until: int, every: int) -> Iterator[int]:
    """The ends of the spans that lie wholly within (after, until]: multiples, so that both slots have the same."""
    first = -(-after // every) * every + every
    yield from range(first, until + 1, every)


def _scrapes(series: Sequence[Series]) -> dict[Target, list[float]]:
    """When each target was scraped."""
    found: dict[Target, set[float]] = {}
    for each in series:
        found.setdefault(_target(each), set()).update(at for at, _ in each.values)
    return {target: sorted(times) for target, times in found.items()}


def _counters(series: Sequence[Series], targets: Mapping[Target, object]) -> Counters:
    """The counters of the targets that count."""
    found: dict[Target, dict[Labels, Scrapes]] = {}
    for each in series:
        if (target := _target(each)) in targets:
            labels = tuple(sorted(each.metric.items()))
            found.setdefault(target, {})[labels] = {at: number(text) for at, text in each.values}
    return found


def _target(series: Series) -> Target:
    return tuple(series.metric.get(name, "") for name in TARGET)


def _seen(scrapes: Mapping[Target, Sequence[float]], end: int, every: int) -> Seen | None:
    """Of each target the last scrape before the span and those within; None where one was not scraped in time."""
    found = {}
    for target, times in scrapes.items():
        before = [at for at in times if end - 2 * every < at <= end - every]
        within = [at for at in times if end - every < at <= end]
        if not before and not within:
            continue  # it was gone by then, or not there yet
        # One after the span shows that what was scraped within it is stored: a target is scraped in order.
        if not before or not within or times[-1] <= end:
            return None
        found[target] = [before[-1], *within]
    return found or None


def _together(seen: Seen, counters: Counters) -> list[tuple[Labels, int]] | None:
    """By how much each counter of each target grew; None where one began anew. One that was not there before began
    with nothing: its target was scraped, and did not have it."""
    found = []
    for target, times in seen.items():
        for labels, values in counters.get(target, {}).items():
            steps = [(values.get(sooner), values.get(later)) for sooner, later in pairwise(times)]
            if any(a is not None and (b is None or b < a) for a, b in steps):
                return None
            found.append((labels, round(sum((b or 0.0) - (a or 0.0) for a, b in steps))))
    return found


def _apart(upto: Mapping[str, int]) -> dict[str, int]:
    """Buckets that hold all up to their bounds, as buckets that hold their own."""
    found, before = {}, 0
    for bound, count in sorted(upto.items(), key=lambda each: float(each[0])):
        found[bound], before = max(count - before, 0), count
    return found
