"""Budgets become caps, prices become millionths of a dollar; what is not said is not limited."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from watership.agents.budget import (
    MONEY,
    TOKENS,
    TURNS,
    Allowance,
    Budget,
    dollars,
    house_caps,
    micros,
)
from watership.agents.price import Price
from watership.durable.counters import Cap
from watership.durable.ids import DeploymentId, RunId
from watership.durable.run import Run
from watership.durable.states import RunState
from watership.errors import BadInput

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
WRITER = Allowance(agent="writer", per_run=Budget(usd=0.1, turns=5), per_day=Budget(usd=20))


def a_run(*caps: Cap) -> Run:
    return Run(
        id=RunId("r"),
        program="writer",
        input=b"null",  # type: ignore[arg-type]
        state=RunState.RUNNING,
        deployment=DeploymentId("d"),
        created_at=NOON,
        updated_at=NOON,
        caps=caps,
    )


def test_what_is_said_is_capped_and_nothing_else() -> None:
    caps = Budget(usd=0.1, tokens=500).caps("run:r")
    assert [(cap.unit, cap.most) for cap in caps] == [(MONEY, 100_000), (TOKENS, 500)]
    assert Budget().caps("run:r") == ()


def test_an_agents_budget_counts_for_each_run_and_its_daily_one_by_the_day() -> None:
    assert [(cap.name(NOON), cap.most) for cap in WRITER.of_run(a_run())] == [
        (f"run:r/writer/{MONEY}", 100_000),
        (f"run:r/writer/{TURNS}", 5),
        (f"agent:writer/{MONEY}/2026-11-27", 20_000_000),
    ]


def test_a_run_that_its_own_agent_began_stays_under_the_budget_that_it_began_with() -> None:
    inherited = WRITER.caps(RunId("first"))
    own = WRITER.of_run(a_run(*inherited))
    assert [cap.counter for cap in own] == ["agent:writer"]
    another = replace(WRITER, agent="ghost")
    assert next(cap.counter for cap in another.of_run(a_run(*inherited))) == "run:r/ghost"


def test_the_house_limits_each_run_tenant_and_day_that_it_says() -> None:
    allowed = {"usd_per_run": 0.5, "usd_per_tenant_and_day": 5.0, "usd_per_day": 50.0}
    caps = house_caps(a_run(), **allowed)
    assert [(cap.name(NOON), cap.most) for cap in caps] == [
        (f"house:r/{MONEY}", 500_000),
        (f"tenant:default/{MONEY}/2026-11-27", 5_000_000),
        (f"all/{MONEY}/2026-11-27", 50_000_000),
    ]
    child = house_caps(a_run(*caps), **allowed)
    assert [cap.counter for cap in child] == ["tenant:default", "all"]
    assert house_caps(a_run(), usd_per_run=0, usd_per_tenant_and_day=0, usd_per_day=0) == ()


@pytest.mark.parametrize("budget", [{"usd": 0}, {"tokens": -1}, {"seconds": 0.0}])
def test_a_budget_of_nothing_is_refused(budget: dict[str, float]) -> None:
    with pytest.raises(BadInput):
        Budget(**budget)  # type: ignore[arg-type]


def test_a_day_has_no_seconds_of_its_own() -> None:
    with pytest.raises(BadInput, match="limits seconds"):
        Allowance(agent="a", per_day=Budget(seconds=5))


@given(st.integers(1, 10**10))
def test_dollars_are_exact_to_the_cent(cents: int) -> None:
    assert micros(cents / 100) == cents * 10_000


def test_dollars_are_read_by_people() -> None:
    assert dollars(1_234_567) == "$1.2346"


def test_a_price_is_rounded_up_and_tells_cached_input_apart() -> None:
    price = Price(input=0.25, output=2.0, cached=0.025)
    assert price.of(input=1_000, output=100) == 450
    assert price.of(input=1_000, output=100, cached=1_000) == 225
    assert price.of(input=1, output=0) == 1
    assert Price(input=1, output=1).of(input=7, output=0, cached=7) == 7


def test_a_price_is_not_negative() -> None:
    with pytest.raises(BadInput):
        Price(input=-1, output=0)
