"""What the router counted in a second, as the gate, the fuses and the report want it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from watership.releases.judging.arms import Counts
from watership.releases.ports import TrafficTick


def counts(tick: TrafficTick, slow_above: float) -> Counts:
    """The second for a gate. `slow` stays unknown where no bucket ends at `slow_above` seconds."""
    buckets = list(_buckets(tick))
    known = sum(number for _, number in buckets) == tick.requests
    exact = tick.requests == 0 or any(bound == slow_above for bound, _ in buckets)
    slow = sum(number for bound, number in buckets if bound > slow_above)
    return Counts(
        requests=tick.requests,
        errors=tick.errors,
        slow=slow if known and exact else None,
        latencies={bound: number for bound, number in tick.latencies.items() if number}
        if known and tick.requests
        else None,
    )


def together(ticks: Sequence[TrafficTick]) -> TrafficTick:
    """Seconds, or sides of one, taken together; the second is the first one's, and of none everything is zero."""
    latencies: Counter[str] = Counter()
    for tick in ticks:
        latencies.update(tick.latencies)
    return TrafficTick(
        second=ticks[0].second if ticks else 0,
        requests=sum(tick.requests for tick in ticks),
        errors=sum(tick.errors for tick in ticks),
        latencies=dict(latencies),
    )


def percentile(tick: TrafficTick, part: float) -> float | None:
    """The upper bound of the bucket in which `part` of the requests is reached, in seconds: infinite beyond the last
    bound that is counted by, None without requests."""
    buckets = list(_buckets(tick))
    wanted, seen = part * sum(number for _, number in buckets), 0
    for bound, number in buckets:
        seen += number
        if seen and seen >= wanted:
            return bound
    return None


def latency_p95(tick: TrafficTick) -> float | None:
    return percentile(tick, 0.95)


def _buckets(tick: TrafficTick) -> Iterator[tuple[float, int]]:
    """Upper bounds in seconds with their counts, ascending; "+Inf" is infinite."""
    yield from sorted((float(bound), number) for bound, number in tick.latencies.items())
