"""A gate refuses what is worse, passes what is shown to be fine, and never guesses."""

from __future__ import annotations

from itertools import pairwise
from math import comb, exp, log
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from watership.errors import BadInput
from watership.releases.judging import evidence
from watership.releases.judging.arms import AgainstLimit, AgainstLive, Arm, Counts, Tick
from watership.releases.judging.gate import GateSpec, GateState, guarantee, judge, observe, opened
from watership.releases.verdict import Verdict

ERRORS = AgainstLive(tolerance=0.001, sees=0.01)
CEILING = AgainstLimit(limit=0.02, sees=0.05)


def gate(*arms: Arm, **changes: float) -> GateSpec:
    return msgspec.structs.replace(GateSpec(arms=arms or (ERRORS,), min_samples=300), **changes)


def tick(live: tuple[int, int], nxt: tuple[int, int]) -> Tick:
    return Tick(live=Counts(*live), next=Counts(*nxt))


def binomial(random: Random, requests: int, rate: float) -> int:
    return sum(random.random() < rate for _ in range(requests))


def traffic(random: Random, live_rate: float, next_rate: float, *, per_second: int = 20) -> Tick:
    return Tick(
        live=Counts(per_second, binomial(random, per_second, live_rate)),
        next=Counts(per_second, binomial(random, per_second, next_rate)),
    )


def seconds_to_refuse(
    spec: GateSpec, seed: int, live_rate: float, next_rate: float, limit: int
) -> int | None:
    random, state = Random(seed), opened(spec)
    for _ in range(limit):
        state = observe(state, traffic(random, live_rate, next_rate), spec)
        if state.failed:
            return state.failed_at
    return None


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.2])
def test_a_healthy_release_is_refused_no_more_often_than_promised(rate: float) -> None:
    spec = gate(ERRORS, false_alarm=0.1)
    refused = sum(seconds_to_refuse(spec, seed, rate, rate, 150) is not None for seed in range(120))
    # 12 of 120 are promised at most; 21 would happen to one sound gate in 200.
    assert refused <= 20


def test_a_limit_is_false_no_more_often_than_promised() -> None:
    spec = gate(CEILING, false_alarm=0.1)
    refused = sum(seconds_to_refuse(spec, seed, 0.0, 0.02, 150) is not None for seed in range(120))
    assert refused <= 20


def test_a_detector_is_false_no_more_often_than_promised_within_its_horizon() -> None:
    spec = gate(CEILING, false_alarm=0.1, horizon=150)
    refused = sum(seconds_to_refuse(spec, seed, 0.0, 0.02, 150) is not None for seed in range(120))
    assert refused <= 20


def test_fifteen_percent_against_none_is_refused_within_a_few_hundred_requests() -> None:
    spec = gate(ERRORS, CEILING)
    needed = sorted(seconds_to_refuse(spec, seed, 0.0, 0.15, 60) or 10**6 for seed in range(40))
    requests_on_next = [20 * seconds for seconds in needed]
    assert requests_on_next[20] <= 100
    assert requests_on_next[-1] <= 400


def test_the_comparison_alone_sees_it_too() -> None:
    needed = [seconds_to_refuse(gate(ERRORS), seed, 0.0, 0.15, 60) for seed in range(20)]
    assert all(seconds is not None and seconds <= 20 for seconds in needed)


def test_a_release_within_the_tolerance_is_not_refused() -> None:
    assert all(seconds_to_refuse(gate(ERRORS), seed, 0.0, 0.001, 600) is None for seed in range(10))


def test_an_outage_of_both_sides_refuses_nobody_and_is_called_a_common_cause() -> None:
    spec, random = gate(ERRORS, CEILING), Random(7)
    state = opened(spec)
    for _ in range(60):
        state = observe(state, traffic(random, 0.6, 0.6), spec)
        assert judge(state, spec).verdict is Verdict.INCONCLUSIVE
    assert judge(state, spec).common_cause


def test_an_outage_of_both_sides_is_hardly_ever_blamed_on_next_even_with_little_on_live() -> None:
    blamed = 0
    for horizon in (0, 600):
        spec = gate(CEILING, horizon=horizon)
        for seed in range(50):
            random, state = Random(seed), opened(spec)
            for second in range(60):
                rate = 0.3 if second > 20 else 0.0
                live, nxt = binomial(random, 2, rate), binomial(random, 20, rate)
                state = observe(state, tick((2, live), (20, nxt)), spec)
            blamed += state.failed is not None
    # 5 of 100 are promised at most.
    assert blamed <= 9


def test_live_that_no_longer_serves_does_not_shield_next() -> None:
    spec = gate(CEILING)
    state = observe(opened(spec), tick((20, 10), (20, 0)), spec)
    for _ in range(40):
        state = observe(state, tick((0, 0), (20, 0)), spec)
    while state.failed is None and state.ticks < 100:
        state = observe(state, tick((0, 0), (20, 10)), spec)
    assert state.ticks < 60


def test_requests_that_could_not_be_compared_are_no_samples() -> None:
    spec, state = gate(ERRORS), GateState()
    for _ in range(1000):
        state = observe(state, tick((0, 0), (20, 0)), spec)
    assert judge(state, spec).samples == 0


def test_after_the_cutover_the_limit_acts_alone() -> None:
    spec = gate(CEILING, horizon=86_400)
    state = opened(spec)
    for _ in range(300):
        state = observe(state, tick((0, 0), (20, 0)), spec)
    for _ in range(30):
        state = observe(state, tick((0, 0), (20, 3)), spec)
    judgement = judge(state, spec)
    assert judgement.verdict is Verdict.FAILED
    assert state.failed_at is not None
    assert state.failed_at <= 320


def test_a_late_regression_is_found_by_the_detector_before_the_test_from_the_start() -> None:
    def refused_at(spec: GateSpec) -> int:
        random, state = Random(3), opened(spec)
        while state.failed is None and state.ticks < 4000:
            rate = 0.15 if state.ticks >= 2000 else 0.005
            served = binomial(random, 10, rate)
            state = observe(state, tick((0, 0), (10, served)), spec)
        return state.ticks

    assert 2000 < refused_at(gate(CEILING, horizon=86_400)) < 2060 < refused_at(gate(CEILING))


def test_a_canary_without_samples_is_inconclusive() -> None:
    spec, state = gate(), GateState()
    assert judge(state, spec).verdict is Verdict.INCONCLUSIVE
    for _ in range(10_000):
        state = observe(state, tick((50, 0), (0, 0)), spec)
    assert judge(state, spec).verdict is Verdict.INCONCLUSIVE
    assert judge(state, spec).samples == 0


def test_too_few_samples_are_inconclusive_and_enough_clean_ones_pass() -> None:
    spec, state = gate(min_samples=1000), GateState()
    while judge(state, spec).verdict is Verdict.INCONCLUSIVE:
        state = observe(state, tick((20, 0), (20, 0)), spec)
    assert judge(state, spec).verdict is Verdict.PASSED
    assert judge(state, spec).samples == 1000


def test_latency_that_was_not_measured_is_never_passed() -> None:
    slow = AgainstLimit(of="slow", limit=0.05, sees=0.15)
    spec, state = gate(ERRORS, slow), GateState()
    for _ in range(500):
        state = observe(state, tick((20, 0), (20, 0)), spec)
    assert judge(state, spec).verdict is Verdict.INCONCLUSIVE
    for _ in range(100):
        state = observe(state, Tick(live=Counts(20, 0, 0), next=Counts(20, 0, 5)), spec)
    assert state.failed == "slow against the limit"


def test_a_release_with_the_stated_regression_is_hardly_ever_passed() -> None:
    spec = gate(ERRORS)
    passed = 0
    for seed in range(60):
        random, state = Random(seed), opened(spec)
        for _ in range(60):
            state = observe(state, traffic(random, 0.005, 0.015), spec)
            if judge(state, spec).verdict is Verdict.PASSED:
                passed += 1
                break
    # 5 % are promised at most, which is 3 of 60.
    assert passed <= 8


def test_a_refusal_stays_whatever_comes_after() -> None:
    spec, state = gate(), GateState()
    for _ in range(10):
        state = observe(state, tick((20, 0), (20, 10)), spec)
    for _ in range(2000):
        state = observe(state, tick((20, 0), (20, 0)), spec)
    judgement = judge(state, spec)
    assert judgement.verdict is Verdict.FAILED
    assert "errors against live: " in judgement.reason


def test_a_snapshot_goes_on_as_if_nothing_had_happened() -> None:
    spec = gate(ERRORS, CEILING, horizon=600)
    random, state = Random(1), opened(spec)
    seen = [traffic(random, 0.01, 0.05) for _ in range(30)]
    for each in seen[:15]:
        state = observe(state, each, spec)
    again = msgspec.json.decode(msgspec.json.encode(state), type=GateState)
    assert again == state
    for each in seen[15:]:
        state, again = observe(state, each, spec), observe(again, each, spec)
    assert judge(again, spec) == judge(state, spec)


def test_impossible_counts_are_refused() -> None:
    with pytest.raises(BadInput, match="3 of 2"):
        Counts(2, 3)


def test_two_arms_of_one_name_are_refused() -> None:
    with pytest.raises(BadInput, match="errors against live"):
        GateSpec(arms=(ERRORS, ERRORS))


def test_the_guarantee_names_its_numbers() -> None:
    assert "0.1 %" in guarantee(gate(ERRORS, CEILING))
    assert "2 arms, 0.05 % each" in guarantee(gate(ERRORS, CEILING))
    assert "2,000 to 1" in guarantee(gate(ERRORS, CEILING))
    assert "within 600 ticks" in guarantee(gate(CEILING, horizon=600))


sides = st.integers(1, 40).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))


@given(st.lists(st.tuples(sides, sides), min_size=1, max_size=12), st.data())
def test_one_more_error_of_next_never_lowers_the_evidence_against_it(
    ticks: list[tuple[tuple[int, int], tuple[int, int]]], data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(ticks) - 1))
    live, (requests, errors) = ticks[at]
    worse = [*ticks[:at], (live, (requests, min(errors + 1, requests))), *ticks[at + 1 :]]
    for spec in (gate(ERRORS, CEILING), gate(ERRORS, CEILING, horizon=100)):
        readings = [_readings(spec, each) for each in (ticks, worse)]
        for before, after in pairwise(readings):
            assert all(one <= other * (1 + 1e-9) for one, other in zip(before, after, strict=True))


def _readings(spec: GateSpec, ticks: list[tuple[tuple[int, int], tuple[int, int]]]) -> list[float]:
    state = opened(spec)
    for live, nxt in ticks:
        state = observe(state, tick(live, nxt), spec)
    return [arm.e_value for arm in judge(state, spec).arms]


@given(
    st.integers(1, 6),
    st.integers(1, 6),
    st.sampled_from([0.0, 0.02, 0.3, 0.9]),
    st.sampled_from([0.0, 0.001, 0.1]),
)
def test_every_bet_is_fair_at_the_border_of_its_hypothesis(
    live: int, nxt: int, rate: float, difference: float
) -> None:
    """The expectation over all outcomes of a tick, summed in closed form, is at most one."""

    def expected(bet: evidence.Bet, live_rate: float, next_rate: float) -> float:
        return sum(
            _chance(nxt, bad, next_rate)
            * _chance(live, live_bad, live_rate)
            * exp(bet.gain(next_bad=bad, next_requests=nxt, live_bad=live_bad, live_requests=live))
            for bad in range(nxt + 1)
            for live_bad in range(live + 1)
        )

    share, above = nxt / (nxt + live), min(rate + difference, 1.0)
    for bet in evidence.worse_than_live(share, difference):
        assert expected(bet, rate, above) <= 1 + 1e-9
    for bet in evidence.better_than_live_and(share, above - rate):
        assert expected(bet, rate, above) <= 1 + 1e-9
    for bet in (*evidence.above(0.05), *evidence.below(0.05)):
        assert expected(bet, rate, 0.05) == pytest.approx(1)


def _chance(requests: int, bad: int, rate: float) -> float:
    return float(comb(requests, bad) * rate**bad * (1 - rate) ** (requests - bad))


def test_the_evidence_of_the_limit_is_the_likelihood_ratio() -> None:
    wealth = evidence.test(
        (),
        [bet.gain(next_bad=3, next_requests=10, live_bad=0, live_requests=0) for bet in evidence.above(0.02)],
    )
    ratios = [
        (min(m * 0.02, 0.99) / 0.02) ** 3 * ((1 - min(m * 0.02, 0.99)) / 0.98) ** 7
        for m in evidence.MULTIPLES
    ]
    assert exp(evidence.mixture(wealth)) == pytest.approx(sum(ratios) / len(ratios))


def test_a_detector_sums_the_bets_opened_at_every_tick() -> None:
    wealth: evidence.Wealth = ()
    for gain in (log(2), log(3), log(0.5)):
        wealth = evidence.detect(wealth, [gain])
    assert exp(wealth[0]) == pytest.approx(2 * 3 * 0.5 + 3 * 0.5 + 0.5)
