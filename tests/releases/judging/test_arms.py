"""Each arm of a gate sees its own kind of harm, and keeps to the promise that all of them share."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import exp, log
from random import Random

import pytest

from watership.errors import BadInput
from watership.releases.judging import evidence
from watership.releases.judging.arms import (
    AgainstGrowth,
    AgainstLimit,
    AgainstLive,
    Arm,
    Counts,
    RunCounts,
    Tick,
    tail_bound,
)
from watership.releases.judging.gate import GateSpec, GateState, guarantee, judge, observe, opened
from watership.releases.verdict import Verdict

MB = 1_000_000
TAIL = AgainstLive(of="tail", tolerance=0.02, sees=0.1)
RUNS = AgainstLive(of="runs", tolerance=0.01, sees=0.1)
TOKENS = AgainstLive(of="tokens", most=10_000, tolerance=0.02, sees=0.2)
LEAK = AgainstGrowth(tolerance=1.0, sees=20.0, window=10.0, warm_up=20.0)


def gate(*arms: Arm, horizon: int = 0) -> GateSpec:
    return GateSpec(arms=arms, min_samples=200, horizon=horizon)


def folded(spec: GateSpec, second: Callable[[int], Tick], seconds: int) -> GateState:
    state = opened(spec)
    for number in range(seconds):
        state = observe(state, second(number), spec)
    return state


# --- latency against live's own tail --------------------------------------------------------------------------


def served(random: Random, times: float, requests: int = 25) -> Counts:
    """Requests of 10 to 100 ms, `times` as slow."""
    latencies: dict[str, int] = {}
    for _ in range(requests):
        took = times * random.uniform(0.01, 0.1)
        end = next((each for each in ("0.025", "0.05", "0.1", "0.25", "0.5") if took <= float(each)), "+Inf")
        latencies[end] = latencies.get(end, 0) + 1
    return Counts(requests=requests, latencies=latencies)


def slowed(times: float, seed: int) -> Callable[[int], Tick]:
    random = Random(seed)
    return lambda _: Tick(live=served(random, 1.0), next=served(random, times))


def test_what_is_three_times_as_slow_as_live_is_refused_and_what_is_as_quick_is_passed() -> None:
    broken = folded(gate(TAIL), slowed(3.0, 1), 30)
    assert broken.failed == "tail against live"
    assert broken.failed_at is not None
    assert broken.failed_at <= 20
    assert judge(folded(gate(TAIL), slowed(1.0, 2), 200), gate(TAIL)).verdict is Verdict.PASSED


def test_live_s_tail_begins_where_its_p95_lies_once_enough_is_known_of_it() -> None:
    assert tail_bound({"0.1": 199}) is None
    assert tail_bound({"0.1": 190, "0.25": 9, "+Inf": 1}) == 0.1
    assert tail_bound({"0.1": 189, "0.25": 10, "+Inf": 1}) == 0.25


def test_a_tick_does_not_move_the_bound_that_it_is_counted_by() -> None:
    spec = gate(TAIL)
    state = observe(opened(spec), Tick(live=served(Random(1), 1.0, 300), next=served(Random(2), 3.0)), spec)
    assert state.arms[0].next.samples == 0
    assert tail_bound(state.arms[0].tail) == 0.1


# --- runs --------------------------------------------------------------------------------------------------------


def runs(live: float, nxt: float, seed: int) -> Callable[[int], Tick]:
    """Every other second ten runs of each have come of age."""
    random = Random(seed)

    def side(rate: float) -> Counts:
        return Counts(runs=RunCounts(made=10, failed=sum(random.random() < rate for _ in range(10))))

    return lambda second: Tick(live=side(live), next=side(nxt)) if second % 2 else Tick(Counts(), Counts())


def test_runs_that_fail_on_next_alone_are_refused_and_those_that_fail_on_both_are_not() -> None:
    assert folded(gate(RUNS), runs(0.01, 0.3, 1), 40).failed == "runs against live"
    state = folded(gate(RUNS), runs(0.3, 0.3, 2), 400)
    assert state.failed is None
    assert judge(state, gate(RUNS)).verdict is Verdict.PASSED


def test_a_second_in_which_nobody_asked_for_runs_is_no_second_without_live() -> None:
    limit = AgainstLimit(of="runs", limit=0.05, sees=0.2)
    once = Tick(live=Counts(runs=RunCounts(20, 1)), next=Counts(runs=RunCounts(20, 1)))
    state = observe(opened(gate(limit)), once, gate(limit))
    for _ in range(100):
        state = observe(state, Tick(Counts(), Counts()), gate(limit))
    assert state.arms[0].blame
    assert state.arms[0].alone == 0


def spent(live: int, nxt: int, seed: int) -> Callable[[int], Tick]:
    random = Random(seed)

    def side(usual: int) -> Counts:
        return Counts(runs=RunCounts(made=5, tokens=tuple(random.randint(0, 2 * usual) for _ in range(5))))

    return lambda _: Tick(live=side(live), next=side(nxt))


def test_runs_that_cost_twice_as_many_tokens_are_refused_and_those_that_cost_as_many_are_passed() -> None:
    assert folded(gate(TOKENS), spent(2_000, 4_000, 1), 120).failed == "tokens against live"
    assert judge(folded(gate(TOKENS), spent(2_000, 2_000, 2), 300), gate(TOKENS)).verdict is Verdict.PASSED


def test_a_bet_on_means_is_fair_for_whatever_lies_between_nothing_and_all() -> None:
    """E[a^x b^y] of x and y that are 0, a half or 1 with the same chances is at most 1, reckoned in whole."""
    for odds in (Fraction(2), Fraction(8), Fraction(50)):
        share = Fraction(1, 3)
        guess = share * odds / (share * odds + 1 - share)
        bet = evidence.worse_than_live(float(share), 0.0)[evidence.ODDS.index(float(odds))]
        assert exp(bet.next_bad) == pytest.approx(float(guess / share))
        chances = {0.0: 0.5, 0.5: 0.3, 1.0: 0.2}
        expected = sum(
            chances[x]
            * chances[y]
            * chances[z]
            * exp(bet.gain(next_bad=x, next_requests=1, live_bad=y + z, live_requests=2))
            for x in chances
            for y in chances
            for z in chances
        )
        assert expected <= 1 + 1e-12


# --- memory ------------------------------------------------------------------------------------------------------


def memory(live: Callable[[int], float], nxt: Callable[[int], float]) -> Callable[[int], Tick]:
    """MB by second, told every other second."""

    def second(number: int) -> Tick:
        if number % 2:
            return Tick(Counts(), Counts())
        return Tick(live=Counts(memory=int(live(number) * MB)), next=Counts(memory=int(nxt(number) * MB)))

    return second


def test_a_leak_is_refused_after_as_many_windows_as_are_printed() -> None:
    state = folded(gate(LEAK), memory(lambda _: 80.0, lambda second: 80 + 0.1 * second), 240)
    assert state.failed == "memory growth against live"
    assert state.failed_at is not None
    assert state.failed_at <= 200
    assert "MB a minute beyond live" in judge(state, gate(LEAK)).reason


def test_a_sawtooth_a_warm_up_and_a_growth_of_both_are_no_leak() -> None:
    collected = memory(lambda _: 80.0, lambda second: 80 + (second % 9) * 3)
    warming = memory(lambda _: 80.0, lambda second: min(60 + 2 * second, 100))
    both = memory(lambda second: 80 + second, lambda second: 90 + second)
    for told in (collected, warming, both):
        state = folded(gate(LEAK), told, 600)
        assert state.failed is None
        assert judge(state, gate(LEAK)).verdict is Verdict.PASSED


def test_memory_that_rises_as_often_as_not_is_refused_no_more_often_than_promised() -> None:
    spec = GateSpec(arms=(AgainstGrowth(window=1.0, warm_up=0.0),), false_alarm=0.1)
    refused = 0
    for seed in range(150):
        random, level = Random(seed), 100.0
        state = opened(spec)
        for _ in range(100):
            level += random.choice((-1, 1))
            state = observe(state, Tick(Counts(memory=0), Counts(memory=int(level * MB))), spec)
        refused += state.failed is not None
    # 15 of 150 are promised at most; 25 would happen to one sound gate in 200.
    assert refused <= 24


def test_memory_of_one_side_alone_proves_nothing() -> None:
    state = opened(gate(LEAK))
    for second in range(300):
        state = observe(state, Tick(Counts(), Counts(memory=(80 + second) * MB)), gate(LEAK))
    assert state.arms[0].next.samples == 0
    assert judge(state, gate(LEAK)).verdict is Verdict.INCONCLUSIVE


def test_a_gate_that_can_only_refuse_passes_nothing() -> None:
    spec = gate(AgainstGrowth(window=10.0, warm_up=0.0))
    state = folded(spec, memory(lambda _: 80.0, lambda _: 80.0), 600)
    assert judge(state, spec).verdict is Verdict.INCONCLUSIVE


# --- all of them -------------------------------------------------------------------------------------------------


def test_requests_that_come_to_one_side_at_a_time_are_compared_all_the_same() -> None:
    spec = gate(AgainstLive())
    state = opened(spec)
    for second in range(400):
        served_, idle = Counts(1, int(second % 4 == 1)), Counts()
        now = Tick(live=Counts(1, 0), next=idle) if second % 2 == 0 else Tick(live=idle, next=served_)
        state = observe(state, now, spec)
    assert state.failed == "errors against live"


def test_the_printed_promise_covers_all_arms_and_says_what_it_rests_on() -> None:
    words = guarantee(gate(AgainstLive(), TAIL, RUNS, LEAK))
    assert "4 arms, 0.025 % each" in words
    assert "4,000 to 1" in words
    assert "independent request and run outcomes" in words
    assert "at most every other time" in words


def test_arms_that_make_no_sense_are_refused() -> None:
    for wrong in (
        lambda: AgainstLive(of="tokens"),
        lambda: AgainstLive(of="runs", most=3.0),
        lambda: AgainstLimit(of="tail", limit=0.05, sees=0.1),
        lambda: AgainstGrowth(tolerance=5.0, sees=5.0),
        lambda: RunCounts(1, 2),
    ):
        with pytest.raises(BadInput):
            wrong()


def test_the_evidence_agrees_with_likelihoods_reckoned_in_whole_numbers() -> None:
    """A second implementation: products of fractions, without a logarithm, tick by tick."""
    random = Random(5)
    ticks = [(random.randint(0, 2), random.randint(0, 1)) for _ in range(40)]
    limit = AgainstLimit(limit=0.02, sees=0.05)
    for horizon in (0, 600):
        spec, state = gate(limit, horizon=horizon), opened(gate(limit, horizon=horizon))
        wealth = [Fraction(0 if horizon else 1)] * len(evidence.MULTIPLES)
        for bad, good in ticks:
            state = observe(state, Tick(Counts(), Counts(bad + good, bad)), spec)
            for place, times in enumerate(evidence.MULTIPLES):
                null, guess = Fraction(1, 50), min(Fraction(times) / 50, Fraction(99, 100))
                ratio = (guess / null) ** bad * ((1 - guess) / (1 - null)) ** good
                wealth[place] = (wealth[place] + bool(horizon)) * ratio
            exact = log(sum(wealth) / len(wealth))
            assert evidence.mixture(state.arms[0].worse) == pytest.approx(exact, abs=1e-9)


def test_the_evidence_of_two_sides_agrees_with_whose_error_each_one_was() -> None:
    """Divided by a weight, and with nothing borne, only the errors count: each is next's with the weight's chance."""
    random, spec = Random(6), gate(AgainstLive(tolerance=0.0))
    state = observe(opened(spec), Tick(Counts(5), Counts(5), share=0.4), spec)
    wealth = [Fraction(1)] * len(evidence.ODDS)
    for _ in range(40):
        nxt, live = random.randint(0, 2), random.randint(0, 1)
        state = observe(state, Tick(Counts(6, live), Counts(4, nxt), share=0.4), spec)
        for place, times in enumerate(evidence.ODDS):
            share = Fraction(2, 5)
            guess = share * Fraction(times) / (share * Fraction(times) + 1 - share)
            wealth[place] *= (guess / share) ** nxt * ((1 - guess) / (1 - share)) ** live
    exact = log(sum(wealth) / len(wealth))
    assert evidence.mixture(state.arms[0].worse) == pytest.approx(exact, abs=1e-9)


def test_a_weight_that_the_counts_belie_is_not_believed() -> None:
    """Next gets two thirds of the requests at a weight of a half, and two thirds of the errors of a common cause."""
    spec = GateSpec(arms=(AgainstLive(tolerance=0.0),), false_alarm=0.01)
    refused = 0
    for seed in range(10):
        random, state = Random(seed), opened(spec)
        for _ in range(600):
            nxt, live = (sum(random.random() < 0.05 for _ in range(of)) for of in (40, 20))
            state = observe(state, Tick(Counts(20, live), Counts(40, nxt), share=0.5), spec)
        refused += state.failed is not None
    assert refused == 0
