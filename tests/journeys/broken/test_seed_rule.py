"""The seed's fixed rule, beside which the gate is printed."""

from __future__ import annotations

from tests.journeys.broken.builds import KINDS, build_of
from tests.journeys.broken.rule import fired
from watership.releases.ports import TrafficTick


def second(errors: int, bound: str = "0.1") -> TrafficTick:
    return TrafficTick(second=0, requests=100, errors=errors, latencies={bound: 100})


def test_it_waits_two_minutes_for_errors_above_a_tenth_and_never_sees_fewer() -> None:
    assert fired([second(15)]) == 120
    assert fired([second(5)]) is None


def test_it_waits_half_a_minute_for_a_p95_above_five_seconds() -> None:
    assert fired([second(0, "+Inf")]) == 30
    assert fired([second(0, "2.5")]) is None


def test_without_traffic_it_sees_nothing() -> None:
    assert fired([]) is None


def test_each_kind_of_broken_build_differs_from_a_healthy_one_in_one_thing() -> None:
    healthy = build_of("healthy", "1.0.0", 100)
    for kind in KINDS:
        broken = build_of(kind, "1.0.0", 100)
        fields = ("errors", "fails", "times", "held")
        assert sum(getattr(broken, name) != getattr(healthy, name) for name in fields) == 1
