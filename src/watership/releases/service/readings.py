"""Readings are what an SLA is judged by; without a metrics store the router's own seconds and the host are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, assert_never

from watership.durable.clock import Clock
from watership.errors import BadInput, Unavailable
from watership.fleet.deployment import Slot
from watership.releases.book.quantity import spoken
from watership.releases.judging.sight import counted
from watership.releases.judging.traffic import counts, latency_p95
from watership.releases.ports import Metrics, Router, TrafficTick
from watership.releases.service.sla import (
    Absent,
    Bin,
    Compliance,
    Errors,
    Gauge,
    Goal,
    Latency,
    Level,
    Objective,
    Reading,
    Sla,
    Uptime,
    judge,
)

KEPT_SECONDS = 890
"""A router keeps a quarter of an hour; a little less, so that none is lost while it is asked."""

MINUTE = 60
"""Seconds of a bin: one request a minute is enough to see that somebody serves."""

P95 = 0.95

Measure = Callable[[], Awaitable[float]]
"""A gauge at this moment. Raises Unavailable."""


class Readings(Protocol):
    """A source of what an SLA is judged by."""

    async def read(self, objective: Objective, now: float) -> Reading | Absent:
        """What is known of the objective's window up to `now`. Raises Unavailable, and BadInput for a wrong one."""


async def assess(sla: Sla, readings: Readings, now: float) -> list[Compliance]:
    """Every objective as it stands. A source that does not answer leaves it unknown, in its own words."""
    found = []
    for objective in sla.objectives:
        reading: Reading | Absent
        try:
            reading = await readings.read(objective, now)
        except (Unavailable, BadInput) as error:
            reading = Absent(reason=error.message)
        found.append(judge(objective, reading, now))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterReadings:
    """The service as its router counted it, both slots together, for the minutes that the router keeps.

    `gauges`: how the host's are measured; `absent`: those that do not exist here, and why.
    """

    clock: Clock
    router: Router
    metrics: Metrics
    gauges: Mapping[Gauge, Measure]
    absent: Mapping[Gauge, str]

    async def read(self, objective: Objective, now: float) -> Reading | Absent:
        if isinstance(objective, Level):
            return await self._gauge(objective, now)
        seconds = min(KEPT_SECONDS, max(int(objective.over), MINUTE))
        _, ticks = await counted(self.clock, self.router, self.metrics, seconds)
        minutes = list(_minutes(_together(ticks)))
        match objective:
            case Uptime():
                return _reading(_served(minute) for minute in minutes)
            case Errors():
                return _reading(_summed(minute, [tick.errors for tick in minute]) for minute in minutes)
            case Goal():
                return _reading(Bin(minute[-1].second, _requests(minute), MINUTE) for minute in minutes)
            case Latency():
                return _latency(objective, minutes)
            case _:
                assert_never(objective)

    async def _gauge(self, objective: Level, now: float) -> Reading | Absent:
        """One look, now: it is shown, and stands for no window."""
        if objective.of in self.absent:
            return Absent(reason=self.absent[objective.of], applies=False)
        measure = self.gauges.get(objective.of)
        if measure is None:
            return Absent(reason="nobody measures it here; name a Prometheus: --prometheus URL")
        return Reading(step=objective.step, bins=(Bin(now, await measure(), 1.0),), at_once=True)


def _together(ticks: Mapping[Slot, Sequence[TrafficTick]]) -> list[TrafficTick]:
    """Both slots as one; a second that one of them does not tell of is not known."""
    slots = [{tick.second: tick for tick in of} for of in ticks.values()]
    common = sorted(set.intersection(*(set(of) for of in slots))) if slots else []
    return [_added([of[second] for of in slots]) for second in common]


def _added(ticks: Sequence[TrafficTick]) -> TrafficTick:
    latencies: Counter[str] = Counter()
    for tick in ticks:
        latencies.update(tick.latencies)
    return TrafficTick(
        second=ticks[0].second,
        requests=sum(tick.requests for tick in ticks),
        errors=sum(tick.errors for tick in ticks),
        latencies=dict(latencies),
    )


def _minutes(ticks: Sequence[TrafficTick]) -> Iterator[Sequence[TrafficTick]]:
    """Whole minutes, counted back from the last second; one with a gap in it was not seen."""
    for end in range(len(ticks), MINUTE - 1, -MINUTE):
        minute = ticks[end - MINUTE : end]
        if minute[-1].second - minute[0].second == MINUTE - 1:
            yield minute


def _reading(bins: Iterator[Bin | None]) -> Reading:
    return Reading(step=MINUTE, bins=tuple(each for each in bins if each is not None))


def _requests(minute: Sequence[TrafficTick]) -> int:
    return sum(tick.requests for tick in minute)


def _summed(minute: Sequence[TrafficTick], bad: Sequence[int]) -> Bin:
    return Bin(minute[-1].second, sum(bad), _requests(minute))


def _served(minute: Sequence[TrafficTick]) -> Bin | None:
    """A second without service is one in which every request failed. A minute without requests shows nothing."""
    asked = [tick for tick in minute if tick.requests]
    if not asked:
        return None
    down = sum(tick.errors == tick.requests for tick in asked) / len(asked)
    return Bin(minute[-1].second, down * MINUTE, MINUTE)


def _latency(objective: Latency, minutes: Sequence[Sequence[TrafficTick]]) -> Reading | Absent:
    bins = []
    for minute in minutes:
        slow = [counts(tick, objective.below).slow for tick in minute]
        known = [each for each in slow if each is not None]
        if len(known) < len(slow):
            return Absent(reason=f"the router has no bucket that ends at {spoken(objective.below)}")
        bins.append(_summed(minute, known))
    every = _added([tick for minute in minutes for tick in minute]) if minutes else None
    figure = latency_p95(every) if every is not None and objective.quantile == P95 else None
    return Reading(step=MINUTE, bins=tuple(bins), figure=figure)
