"""The gate's oracle knows the gate: both follow the same seconds, and come to the same wealth."""

from __future__ import annotations

from math import exp
from random import Random

import pytest
from msgspec.structs import replace

from tests.journeys.gate.campaign import Refused
from tests.journeys.gate.cells import CELLS, Cell, binomial, poisson, refused_after
from tests.journeys.gate.watches import WATCH, Watched, compiler, drawn, seed_of, threshold, ticks
from watership.releases.judging import evidence
from watership.releases.judging.arms import AgainstLimit
from watership.releases.judging.gate import judge, observe, opened
from watership.releases.verdict import Verdict

SECONDS = 1_500
BUSY = Watched(name="busy", per_second=10, errors=0.02, slow=0.05)

needs_c = pytest.mark.skipif(compiler() is None, reason="there is no C compiler")


@needs_c
@pytest.mark.parametrize("arm", WATCH.arms, ids=lambda arm: arm.of)
def test_the_quick_watch_and_the_product_s_gate_come_to_the_same_wealth(arm: AgainstLimit) -> None:
    gate = replace(WATCH, arms=(arm,))
    for seed in range(2):
        followed = drawn(BUSY, arm).follow(seed_of(arm, seed), enough=1e300, seconds=SECONDS, kept=SECONDS)
        state, best = opened(gate), 0.0
        for tick in ticks(BUSY, arm, followed.runs, SECONDS):
            state = observe(state, tick, gate)
            best = max(best, exp(evidence.mixture(state.arms[0].worse)))
        assert state.ticks == SECONDS
        assert followed.highest == pytest.approx(best, rel=1e-9)


@needs_c
def test_what_the_quick_watch_draws_fails_as_often_as_it_should() -> None:
    arm = WATCH.arms[0]
    assert isinstance(arm, AgainstLimit)
    runs = drawn(BUSY, arm).follow(7, enough=1e300, seconds=40_000, kept=40_000).runs
    bad, seconds = sum(each for _, each in runs), sum(quiet + 1 for quiet, _ in runs)
    # 8,000 are expected of 400,000 requests, give or take 90.
    assert bad / seconds == pytest.approx(0.2, abs=0.01)


def test_the_product_refuses_at_the_wealth_that_the_oracle_counts_as_refused() -> None:
    assert threshold(0.001) == pytest.approx(exp(WATCH.refusal))


def test_a_bound_that_is_broken_is_seen_and_one_that_is_kept_is_not() -> None:
    assert not Refused("broken", 0.001, 25, 10_000).holds
    assert Refused("kept", 0.001, 10, 10_000).p_value == pytest.approx(0.542, abs=0.01)
    assert Refused("few", 0.1, 2, 20).p_value == pytest.approx(0.608, abs=0.001)
    assert Refused("none", 0.001, 0, 10_000).p_value == 1.0


def quick() -> list[Cell]:
    return [cell for cell in CELLS if cell.printed <= 20]


@pytest.mark.parametrize("cell", quick(), ids=lambda each: f"{each.name}-{each.per_second}-{each.bad}")
def test_a_quick_regression_is_refused_about_as_soon_as_is_printed(cell: Cell) -> None:
    met = sorted(refused_after(cell, seed) for seed in range(40))
    assert cell.reckoned is not None
    # The median of forty has a standard error of a fifth of itself.
    assert met[20] <= 1.6 * cell.reckoned + 1


def test_arrivals_are_as_many_as_they_should_be() -> None:
    random = Random(3)
    assert sum(poisson(random, 2.5) for _ in range(4_000)) / 4_000 == pytest.approx(2.5, abs=0.1)
    assert sum(poisson(random, 70.0) for _ in range(500)) / 500 == pytest.approx(70, abs=1.5)
    assert sum(binomial(random, 40, 0.3) for _ in range(2_000)) / 2_000 == pytest.approx(12, abs=0.3)
    assert (binomial(random, 5, 0.0), binomial(random, 5, 1.0)) == (0, 5)


def test_the_watch_s_gate_is_the_one_that_is_shipped() -> None:
    from watership.releases.book.shelf import shipped

    assert shipped("one-machine").runbook.watch.gate.arms == WATCH.arms
    assert judge(opened(WATCH), WATCH).verdict is Verdict.INCONCLUSIVE
