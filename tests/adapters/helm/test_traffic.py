"""Traffic by the second."""

from __future__ import annotations

import pytest

from watership.adapters.helm.traffic import KEPT_SECONDS, NAMES, Traffic
from watership.errors import Unavailable


def test_a_second_without_requests_is_a_row_of_zeros() -> None:
    traffic = Traffic(1000)
    traffic.add(1002, 0.02, failed=False)
    traffic.add(1002, 99.0, failed=True)
    empty, busy, after = traffic.ticks(after=1000, until=1003, now=1004)
    assert (empty.second, empty.requests, sum(empty.latencies.values())) == (1001, 0, 0)
    assert (busy.requests, busy.errors) == (2, 1)
    assert {name for name, count in busy.latencies.items() if count} == {"0.025", "+Inf"}
    assert after.requests == 0


def test_a_latency_at_a_bound_belongs_to_it() -> None:
    traffic = Traffic(0)
    traffic.add(1, 0.25, failed=False)
    (tick,) = traffic.ticks(after=0, until=1, now=2)
    assert tick.latencies == dict.fromkeys(NAMES, 0) | {"0.25": 1}


def test_the_present_second_is_not_over() -> None:
    assert [tick.second for tick in Traffic(0).ticks(after=0, until=9, now=3)] == [1, 2]


def test_what_was_before_the_first_whole_second_is_unknown() -> None:
    with pytest.raises(Unavailable):
        Traffic(1000).ticks(after=999, until=1005, now=1010)


def test_what_is_no_longer_kept_is_unknown_and_never_zero() -> None:
    traffic = Traffic(0)
    traffic.add(5, 0.1, failed=False)
    with pytest.raises(Unavailable):
        traffic.ticks(after=4, until=6, now=5 + KEPT_SECONDS)
    assert traffic.ticks(after=5, until=6, now=5 + KEPT_SECONDS)[0].requests == 0
    assert traffic.total.requests == 1
