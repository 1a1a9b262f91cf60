"""What the router counted in a second, as the gate, the fuses and the report want it."""

from __future__ import annotations

from collections.abc import Iterator

from watership.releases.judging.gate import Counts
from watership.releases.ports import TrafficTick


def counts(tick: TrafficTick, slow_above: float) -> Counts:
    """The second for a gate. `slow` stays unknown where no bucket ends at `slow_above` seconds."""
    buckets = list(_buckets(tick))
    known = sum(number for _, number in buckets) == tick.requests
    exact = tick.requests == 0 or any(bound == slow_above for bound, _ in buckets)
    slow = sum(number for bound, number in buckets if bound > slow_above)
    return Counts(requests=tick.requests, errors=tick.errors, slow=slow if known and exact else None)


def latency_p95(tick: TrafficTick) -> float | None:
    """The upper bound of the bucket in which the 95th percentile lies, in seconds; None without requests."""
    buckets = list(_buckets(tick))
    left = 0.95 * sum(number for _, number in buckets)
    for bound, number in buckets:
        left -= number
        if number and left <= 0:
            return bound
    return None


def _buckets(tick: TrafficTick) -> Iterator[tuple[float, int]]:
    """Upper bounds in seconds with their counts, ascending; "+Inf" is infinite."""
    yield from sorted((float(bound), number) for bound, number in tick.latencies.items())
