"""A router's second becomes counts and a percentile, or stays unknown."""

from __future__ import annotations

from math import inf

from watership.releases.judging.arms import Counts
from watership.releases.judging.traffic import counts, latency_p95, percentile, together
from watership.releases.ports import TrafficTick


def second(requests: int, **latencies: int) -> TrafficTick:
    return TrafficTick(second=0, requests=requests, errors=1 if requests else 0, latencies=latencies)


SERVED = second(100, **{"+Inf": 1, "0.1": 90, "1": 6, "5": 3})


def test_what_lies_above_the_bound_is_slow() -> None:
    assert counts(SERVED, 5.0) == Counts(100, 1, 1, SERVED.latencies)
    assert counts(SERVED, 1.0) == Counts(100, 1, 4, SERVED.latencies)


def test_a_bound_between_two_buckets_is_not_guessed() -> None:
    assert counts(SERVED, 2.0).slow is None


def test_requests_without_a_latency_leave_it_unknown() -> None:
    assert counts(second(101, **{"5": 100}), 5.0).slow is None


def test_a_second_without_requests_has_no_slow_ones() -> None:
    assert counts(second(0), 5.0) == Counts(0, 0, 0)


def test_the_percentile_is_the_bound_of_its_bucket() -> None:
    assert latency_p95(SERVED) == 1.0
    assert latency_p95(second(10, **{"+Inf": 10})) == inf
    assert latency_p95(second(0)) is None


def test_a_percentile_of_several_seconds_is_that_of_all_their_requests() -> None:
    ticks = [second(95, **{"0.1": 90, "0.25": 5}), second(5, **{"0.25": 4, "+Inf": 1})]
    whole = together(ticks)
    assert (whole.requests, whole.errors) == (100, 2)
    assert whole.latencies == {"0.1": 90, "0.25": 9, "+Inf": 1}
    assert [percentile(whole, part) for part in (0.5, 0.9, 0.95, 1.0)] == [0.1, 0.1, 0.25, inf]
    assert percentile(together([]), 0.5) is None


def test_an_empty_bucket_is_no_percentile() -> None:
    assert percentile(second(3, **{"0.1": 0, "1": 3, "5": 0}), 0.5) == 1.0
    assert percentile(second(0, **{"0.1": 0, "+Inf": 0}), 0.5) is None
