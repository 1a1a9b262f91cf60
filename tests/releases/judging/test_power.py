"""What a gate says it can see is what it sees."""

from __future__ import annotations

from random import Random

import pytest

from watership.releases.judging.arms import AgainstLimit, AgainstLive, Counts, Tick
from watership.releases.judging.gate import GateSpec, judge, observe, opened
from watership.releases.judging.power import (
    REGRESSIONS,
    BlindSoak,
    Traffic,
    passes_within,
    printed,
    require_sight,
    row,
    soak_needed,
    table,
)
from watership.releases.verdict import Verdict

GATE = GateSpec(arms=(AgainstLive(), AgainstLimit(limit=0.02, sees=0.05)), min_samples=500)
TRAFFIC = Traffic(per_second=40, share=0.5, live_rate=0.005)


def seconds(random: Random, regression: float) -> Tick:
    live, nxt = (sum(random.random() < rate for _ in range(20)) for rate in (0.005, 0.005 + regression))
    return Tick(live=Counts(20, live), next=Counts(20, nxt))


def refused_after(seed: int, regression: float) -> int:
    random, state = Random(seed), opened(GATE)
    while state.failed_at is None:
        state = observe(state, seconds(random, regression), GATE)
    return state.failed_at


@pytest.mark.parametrize("regression", [0.05, 0.15, 0.5])
def test_the_printed_delay_is_the_one_that_is_met(regression: float) -> None:
    promised = row(GATE, TRAFFIC, regression)
    met = sorted(refused_after(seed, regression) for seed in range(60))
    assert promised.expected is not None
    assert promised.within is not None
    # The mixture does better than its best bet, and a tick is a whole second.
    assert promised.expected / 2 <= sum(met) / len(met) <= promised.expected + 1.5
    assert met[int(len(met) * 0.9)] <= promised.within + 1


def test_a_limit_sees_no_sooner_than_next_can_be_blamed() -> None:
    gate = GateSpec(arms=(AgainstLimit(limit=0.02, sees=0.05),))
    both = row(gate, Traffic(per_second=100, share=0.99), 0.15).expected
    alone = row(gate, Traffic(per_second=100, share=1.0), 0.15).expected
    assert both is not None
    assert alone is not None
    assert both > 2 * alone


def test_a_healthy_release_passes_within_the_printed_time() -> None:
    promised = passes_within(GATE, TRAFFIC)
    assert promised is not None
    passed = 0
    for seed in range(20):
        random, state = Random(seed), opened(GATE)
        for _ in range(round(promised) + 1):
            state = observe(state, seconds(random, 0.0), GATE)
        passed += judge(state, GATE).verdict is Verdict.PASSED
    assert passed >= 16


def test_larger_regressions_are_seen_sooner() -> None:
    within = [each.within for each in table(GATE, TRAFFIC, 60).rows]
    assert None not in within
    assert within == sorted(within, key=lambda time: -(time or 0))


def test_more_traffic_sees_smaller_regressions() -> None:
    smallest = [table(GATE, Traffic(per_second=rate, share=0.5), 60).smallest or 1.0 for rate in (5, 50, 500)]
    assert smallest == sorted(smallest, reverse=True)
    assert smallest[-1] < 0.005 < smallest[0]


def test_a_soak_that_cannot_see_is_refused_with_the_one_that_can() -> None:
    with pytest.raises(BlindSoak) as blind:
        require_sight(GATE, TRAFFIC, 20)
    assert blind.value.needed == soak_needed(GATE, TRAFFIC)
    assert blind.value.needed is not None
    require_sight(GATE, TRAFFIC, blind.value.needed)


def test_without_traffic_no_soak_is_long_enough_and_nothing_is_seen() -> None:
    idle = Traffic(per_second=0, share=0.5)
    with pytest.raises(BlindSoak, match="Send more traffic") as blind:
        require_sight(GATE, idle, 10_000)
    assert blind.value.needed is None
    assert printed(table(GATE, idle, 60)).count("not seen within a day") == len(REGRESSIONS)


@pytest.mark.parametrize(
    ("share", "words"), [(0.0, "Shift traffic to next before it"), (1.0, "no live to compare with")]
)
def test_a_soak_that_has_one_side_only_is_refused_in_its_own_words(share: float, words: str) -> None:
    with pytest.raises(BlindSoak, match=words) as blind:
        require_sight(GATE, Traffic(per_second=100, share=share), 10_000)
    assert blind.value.needed is None


def test_the_table_reads_as_sentences() -> None:
    text = printed(table(GATE, TRAFFIC, 60))
    assert "15 % more errors: seen in about" in text
    assert "In a soak of 1m the smallest regression seen is" in text
