"""What the plan says that the release will do."""

from __future__ import annotations

from msgspec.structs import replace

from tests.releases.checks.scenes import Looker
from watership.releases.book.runbook import Drain
from watership.releases.plan import Plan


def drained(plan: Plan, length: float | None) -> Plan:
    """The plan with drains of that length, or without any."""
    items = [item for item in plan.items if length is not None or not isinstance(item.does, Drain)]
    return replace(
        plan,
        items=tuple(
            replace(item, does=replace(item.does, length=length)) if isinstance(item.does, Drain) else item
            for item in items
        ),
    )


def test_live_is_drained_for_as_long_as_people_agreed(looker: Looker) -> None:
    looker.passes("plan.drains", exactly=30.0)
    whole = looker.plan
    looker.plan = drained(whole, 10.0)
    looker.fails("plan.drains", "drains for 10s; 30s is wanted", exactly=30.0)
    looker.plan = drained(whole, None)
    looker.fails("plan.drains", "does not drain", exactly=30.0)


def test_a_drain_before_the_last_shift_drains_nobody(looker: Looker) -> None:
    drain = next(item for item in looker.plan.items if isinstance(item.does, Drain))
    rest = tuple(item for item in looker.plan.items if item is not drain)
    looker.plan = replace(looker.plan, items=(drain, *rest))
    looker.fails("plan.drains", "does not drain", exactly=30.0)
