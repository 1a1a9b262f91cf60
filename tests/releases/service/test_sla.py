"""An SLA says met, missed or not known of each objective, and what is left of its budget."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pytest
from msgspec.structs import replace

from watership.errors import BadInput, Unavailable
from watership.fleet.deployment import Slot
from watership.releases.book.document import DocumentError, parse
from watership.releases.ports import RouterState, TrafficTick
from watership.releases.service.readings import RouterReadings, assess
from watership.releases.service.sla import (
    Absent,
    Bin,
    Errors,
    Goal,
    Latency,
    Level,
    Objective,
    Reading,
    Sla,
    Uptime,
    exactly,
    judge,
    overall,
    shipped,
    threatened,
)
from watership.releases.verdict import Verdict
from watership.testing import VirtualClock, run_in_virtual_time

DAY = 86_400.0
NOW = 40 * DAY
PASSED, FAILED, UNKNOWN = Verdict.PASSED, Verdict.FAILED, Verdict.INCONCLUSIVE

UP = Uptime(id="up", title="Up", at_least=0.9995, over=30 * DAY, up="up")
ERRORS = Errors(id="errors", title="Errors", below=0.001, over=30 * DAY, bad="bad", all="all")
FAST = Latency(
    id="fast", title="Fast", quantile=0.95, below=0.2, over=30 * DAY, slow="slow", all="all", figure="figure"
)
CPU = Level(id="cpu", title="CPU", of="cpu", share_below=0.6, over=300.0, value="cpu")
RATE = Goal(id="rate", title="Rate", at_least=10_000, over=300.0, value="rate")


def bins(over: float, *, bad: float = 0.0, of: float = 300.0, step: float = 300.0) -> Iterator[Bin]:
    """A window seen whole, with the same in every step."""
    yield from (Bin(NOW - number * step, bad, of) for number in range(round(over / step)))


def reading(each: Iterator[Bin] | Sequence[Bin], at_once: bool = False, **more: float) -> Reading:
    return Reading(step=300.0, bins=tuple(each), at_once=at_once, **more)


def month(*, outage: float = 0.0, missing: int = 0) -> Reading:
    """Thirty days of uptime with an outage an hour ago, and steps that nobody saw at the beginning."""
    steps = list(bins(30 * DAY))
    steps[12] = Bin(steps[12].at, min(outage, 300.0), 300.0)
    for number in range(13, 13 + int(outage // 300)):
        steps[number] = Bin(steps[number].at, min(outage - 300.0 * (number - 12), 300.0), 300.0)
    return reading(steps[: len(steps) - missing])


def test_the_shipped_sla_has_the_numbers_of_the_runbook() -> None:
    targets = {each.id: each for each in shipped().objectives}

    up, errors, fast = targets["availability"], targets["errors"], targets["latency"]
    assert isinstance(up, Uptime) and up.at_least == 0.9995 and up.over == 30 * DAY
    assert isinstance(errors, Errors) and errors.below == 0.001
    assert isinstance(fast, Latency) and (fast.quantile, fast.below) == (0.95, 0.2)
    levels = {e.of: e.share_below or e.below for e in targets.values() if isinstance(e, Level)}
    assert levels == {"cpu": 0.6, "memory": 0.7, "queue_depth": 1000, "connections": 50}
    assert isinstance(targets["throughput"], Goal) and targets["throughput"].at_least == 10_000


def test_three_and_a_half_nines_are_22_minutes_of_a_month_and_not_of_a_year() -> None:
    def allowed(days: float) -> float:
        found = judge(replace(UP, over=days * DAY, step=3600.0), reading([Bin(NOW, 0.0, 3600.0)]), NOW)
        assert found.budget is not None
        return found.budget.allowed

    assert allowed(365.25 / 12) == pytest.approx(21.9, abs=0.02)
    assert allowed(30) == pytest.approx(21.6)
    assert allowed(365.25) == pytest.approx(263, abs=0.1)


def test_a_month_without_an_outage_is_met_and_its_budget_is_whole() -> None:
    found = judge(UP, month(), NOW)

    assert (found.verdict, found.value, found.now) == (PASSED, 1.0, "100 %")
    assert found.budget is not None
    assert (found.budget.spent, found.budget.burn) == (0.0, 0.0)
    assert found.budget.left == pytest.approx(21.6)


def test_an_outage_is_taken_from_the_budget_in_minutes() -> None:
    found = judge(UP, month(outage=600.0), NOW)

    assert found.verdict is PASSED
    assert found.budget is not None
    assert found.budget.spent == 10.0
    assert found.budget.left == pytest.approx(11.6)


def test_more_than_the_budget_is_failed_and_never_rounded_up() -> None:
    found = judge(UP, month(outage=1500.0), NOW)

    assert (found.verdict, found.now) == (FAILED, "99.9421 %")
    assert found.budget is not None and found.budget.left < 0
    assert exactly(0.9999999) == "99.9999 %"


def test_a_window_that_was_not_seen_is_unknown_however_good_the_rest_was() -> None:
    found = judge(UP, month(missing=700), NOW)

    assert (found.verdict, round(found.seen, 2)) == (UNKNOWN, 0.92)
    assert "only 91.9 % of 30d was seen" in found.reason
    assert judge(UP, month(missing=400), NOW).verdict is PASSED


def test_what_was_seen_can_be_too_much_already() -> None:
    assert judge(UP, month(outage=1500.0, missing=7000), NOW).verdict is FAILED


@pytest.mark.parametrize("objective", [UP, ERRORS, FAST, CPU])
@pytest.mark.parametrize(
    "nothing",
    [
        reading([]),
        Absent(reason="no answer"),
        reading([Bin(NOW, float("nan"), float("nan"))]),
        reading([Bin(NOW, 0.0, float("inf"))]),
        reading([Bin(NOW - 31 * DAY, 0.0, 300.0)]),
        reading([Bin(NOW + 1, 0.0, 300.0)]),
    ],
)
def test_nothing_and_what_is_no_number_and_what_lies_elsewhere_is_unknown(
    objective: Objective, nothing: Reading | Absent
) -> None:
    found = judge(objective, nothing, NOW)

    assert (found.verdict, found.value, found.now) == (UNKNOWN, None, "unknown")
    assert found.reason


def test_a_service_that_nobody_asked_is_unknown() -> None:
    assert judge(ERRORS, reading(bins(30 * DAY, of=0.0)), NOW).reason == "no requests came in 30d"


def test_too_few_requests_show_nothing_unless_all_that_lack_could_be_good() -> None:
    def found(bad: float, of: float) -> Verdict | None:
        return judge(ERRORS, reading([*list(bins(30 * DAY, of=0.0))[1:], Bin(NOW, bad, of)]), NOW).verdict

    assert (found(0, 2_999), found(0, 3_000)) == (UNKNOWN, PASSED)
    assert (found(3, 2_999), found(4, 2_999)) == (UNKNOWN, FAILED)


def test_errors_below_the_limit_are_met_and_at_the_limit_they_are_not() -> None:
    assert judge(ERRORS, reading(bins(30 * DAY, bad=0.09, of=100)), NOW).verdict is PASSED
    assert judge(ERRORS, reading(bins(30 * DAY, bad=0.1, of=100)), NOW).verdict is FAILED


def test_the_budget_of_requests_burns_as_fast_as_the_last_hour_fails() -> None:
    steps = [*bins(30 * DAY, bad=0.01, of=100)]
    steps[:12] = [Bin(each.at, 1.0, 100.0) for each in steps[:12]]

    budget = judge(ERRORS, reading(steps), NOW).budget

    assert budget is not None and budget.unit == "requests"
    assert budget.allowed == pytest.approx(864) and budget.spent == pytest.approx(98.28)
    assert budget.burn == pytest.approx(10)
    assert budget.lasts == pytest.approx(30 * DAY * (1 - 98.28 / 864) / 10)


def test_a_burn_that_is_not_known_is_none() -> None:
    old = [each for each in bins(30 * DAY, bad=0.01, of=100) if each.at <= NOW - 3600]

    budget = judge(ERRORS, reading(old), NOW).budget

    assert budget is not None and budget.burn is None and budget.lasts is None


def test_a_quantile_is_judged_by_the_requests_that_were_slower() -> None:
    good = judge(FAST, reading(bins(30 * DAY, bad=5, of=100), figure=0.145), NOW)
    bad = judge(FAST, reading(bins(30 * DAY, bad=5.1, of=100), figure=float("inf")), NOW)

    assert (good.verdict, good.now) == (PASSED, "95 % within 200ms, p95 145ms of late")
    assert (bad.verdict, bad.now) == (FAILED, "94.9 % within 200ms, p95 beyond the last bucket of late")


def test_a_level_is_its_mean_and_a_goal_is_never_judged() -> None:
    def at(objective: Objective, value: float) -> Verdict | None:
        return judge(objective, reading([Bin(NOW, value, 1.0)]), NOW).verdict

    assert (at(CPU, 0.59), at(CPU, 0.6), at(RATE, 3), at(RATE, 20_000)) == (PASSED, FAILED, None, None)
    assert judge(RATE, Absent(reason="silence"), NOW).verdict is None


def test_one_unknown_is_not_ok_and_one_failure_is_worse() -> None:
    passed = judge(CPU, reading([Bin(NOW, 0.1, 1.0)]), NOW)
    failed = judge(CPU, reading([Bin(NOW, 0.9, 1.0)]), NOW)
    unknown = judge(CPU, Absent(reason="silence"), NOW)
    goal = judge(RATE, Absent(reason="silence"), NOW)
    nothing = judge(CPU, Absent(reason="there are none", applies=False), NOW)

    assert overall([passed, goal, nothing]) is PASSED
    assert overall([passed, unknown]) is UNKNOWN
    assert overall([passed, unknown, failed]) is FAILED
    assert overall([goal]) is overall([]) is UNKNOWN


def test_a_budget_that_is_nearly_gone_is_a_threat() -> None:
    slow = judge(UP, month(outage=100.0), NOW)
    fast = judge(replace(UP, recent=2 * 3600.0), month(outage=1290.0), NOW)

    assert not threatened(slow, within=3600.0)
    assert threatened(fast, within=3600.0)
    assert threatened(judge(UP, month(outage=1500.0), NOW), within=0.0)
    assert not threatened(judge(UP, Absent(reason="silence"), NOW), within=3600.0)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{ kind: level, of: cpu, id: a, title: A, over: 5m, value: x }", "either 'share_below'"),
        ("{ kind: goal, id: a, title: A, at_least: 1, over: 1m, value: x }", "must be longer than nothing"),
        ("{ kind: goal, id: a, title: A, at_least: 1, over: 90d, value: x }", "more than 10,000 steps"),
        ("{ kind: uptimes, id: a, title: A }", "did you mean 'uptime'"),
    ],
)
def test_an_objective_that_makes_no_sense_is_refused_with_its_line(text: str, problem: str) -> None:
    with pytest.raises(DocumentError, match=problem) as refused:
        parse(f"schema: watership/sla/v1\nobjectives:\n  - {text}\n", Sla)

    assert refused.value.line == 3


@dataclass
class Proxy:
    """A router that counted the same every second, since `began` seconds before now."""

    requests: int = 10
    errors: int = 0
    slow: int = 0
    kept: int = 900
    down: frozenset[int] = frozenset()
    bounds: tuple[str, str] = ("0.2", "+Inf")
    asked: list[int] = field(default_factory=list)

    async def read(self) -> RouterState:
        return RouterState(weights={}, epoch=1, targets={}, healthy={}, active={})

    async def ticks(self, *, after: int, until: int) -> Mapping[Slot, Sequence[TrafficTick]]:
        self.asked.append(until - after)
        if until - after > self.kept:
            raise Unavailable(f"Traffic of second {after + 1} is not known.")
        live = [self._tick(second, until) for second in range(after + 1, until + 1)]
        idle = [replace(tick, requests=0, errors=0, latencies={}) for tick in live]
        return {Slot.GREEN: live, Slot.BLUE: idle}

    def _tick(self, second: int, until: int) -> TrafficTick:
        errors = self.requests if until - second in self.down else self.errors
        latencies = {self.bounds[0]: self.requests - self.slow, self.bounds[1]: self.slow}
        return TrafficTick(second=second, requests=self.requests, errors=errors, latencies=latencies)


def assessed(
    proxy: Proxy, *objectives: Objective, gauge: float | None = None
) -> list[tuple[object, str, str]]:
    async def main() -> list[tuple[object, str, str]]:
        clock = VirtualClock()

        async def measured() -> float:
            if gauge is None:
                raise Unavailable("Nobody looked.")
            return gauge

        readings = RouterReadings(
            clock=clock,
            router=proxy,  # type: ignore[arg-type]  # only what is asked of it
            metrics=proxy,
            gauges={"cpu": measured},
            absent={"connections": "there are none"},
        )
        sla = Sla(schema="watership/sla/v1", objectives=objectives)
        found = await assess(sla, readings, clock.now().timestamp())
        return [(each.verdict, each.now, each.reason) for each in found]

    return run_in_virtual_time(main)


TEN = 600.0


def within_ten_minutes(objective: Objective) -> Objective:
    return replace(objective, over=TEN, step=60.0)


def test_the_router_alone_is_enough_for_the_minutes_that_it_keeps() -> None:
    up, errors, fast, rate = assessed(
        Proxy(requests=100), *(within_ten_minutes(each) for each in (UP, ERRORS, FAST, RATE))
    )

    assert up == (PASSED, "100 %", "")
    assert errors == (PASSED, "0 %", "")
    assert fast == (PASSED, "100 % within 200ms, p95 200ms of late", "")
    assert rate == (None, "100.0 a second", "a goal is not judged")


def test_a_month_is_not_known_from_a_quarter_of_an_hour() -> None:
    ((verdict, now, reason),) = assessed(Proxy(), UP)

    assert (verdict, now) == (UNKNOWN, "100 %")
    assert reason == "only 0.0324 % of 30d was seen"


def test_a_second_in_which_all_fail_is_one_without_service() -> None:
    ((verdict, now, _),) = assessed(Proxy(down=frozenset(range(100, 103))), within_ten_minutes(UP))

    assert (verdict, now) == (FAILED, "99.5 %")


def test_a_router_that_does_not_know_leaves_it_unknown_in_its_own_words() -> None:
    ((verdict, now, reason),) = assessed(Proxy(kept=10), within_ten_minutes(UP))

    assert (verdict, now) == (UNKNOWN, "unknown")
    assert "is not known" in reason


def test_a_router_without_traffic_shows_no_availability() -> None:
    up, errors = assessed(Proxy(requests=0), within_ten_minutes(UP), within_ten_minutes(ERRORS))

    assert (up[0], errors[0]) == (UNKNOWN, UNKNOWN)


def test_latency_without_the_bucket_of_the_limit_is_unknown() -> None:
    ((verdict, _, reason),) = assessed(Proxy(bounds=("0.1", "0.25")), within_ten_minutes(FAST))

    assert (verdict, reason) == (UNKNOWN, "the router has no bucket that ends at 200ms")


def test_a_gauge_is_looked_at_once_and_what_is_not_there_does_not_apply() -> None:
    connections = Level(id="db", title="DB", of="connections", below=50.0, over=300.0, value="x")
    queue = replace(connections, id="queue", of="queue_depth")

    assert assessed(Proxy(), CPU, connections, queue, gauge=0.7) == [
        (UNKNOWN, "70 %", "one look, now; 5m is judged"),
        (None, "does not apply", "there are none"),
        (UNKNOWN, "unknown", "nobody measures it here; name a Prometheus: --prometheus URL"),
    ]
    assert assessed(Proxy(), CPU) == [(UNKNOWN, "unknown", "Nobody looked.")]


def test_one_look_is_no_window_whatever_it_shows() -> None:
    for value in (0.1, 0.9):
        found = judge(CPU, reading([Bin(NOW, value, 1.0)], at_once=True), NOW)
        assert (found.verdict, found.seen, found.now) == (UNKNOWN, 0.0, f"{value:.0%}".replace("%", " %"))
    whole = judge(CPU, reading([Bin(NOW, 0.1, 1.0)]), NOW)
    assert (whole.verdict, whole.seen) == (PASSED, 1.0)
    goal = judge(RATE, reading([Bin(NOW, 3.0, 1.0)], at_once=True), NOW)
    assert (goal.verdict, goal.reason) == (None, "a goal is not judged")


def test_a_question_that_a_source_refuses_leaves_one_objective_unknown_and_no_more() -> None:
    class Half:
        async def read(self, objective: Objective, now: float) -> Reading:
            if objective.id == "up":
                raise BadInput("Two series.")
            return reading([Bin(now, 0.1, 1.0)])

    found = asyncio.run(assess(Sla(schema="watership/sla/v1", objectives=(UP, CPU)), Half(), NOW))

    assert [(each.verdict, each.reason) for each in found] == [(UNKNOWN, "Two series."), (PASSED, "")]
