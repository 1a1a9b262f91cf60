"""Folded journals of releases, for what reads them: a record for each item, as the test says it went."""

from __future__ import annotations

from datetime import datetime, timedelta

from tests.releases.plans import NOON, a_plan
from watership.releases.decide import Ending
from watership.releases.facts import Position, Record
from watership.releases.journal import Fold, Ordered
from watership.releases.measurement import Measurement
from watership.releases.order import Kind, Order, Release
from watership.releases.plan import Plan
from watership.releases.program import Outcome
from watership.releases.smoke import Smoke
from watership.releases.verdict import Verdict

ZERO = NOON
"""T+0 of the releases here."""


def a_release(plan: Plan | None = None) -> Release:
    return Release(plan=plan or a_plan(), signoffs=(), scripts=(), smoke=Smoke(), zero=ZERO)


def at(seconds: float) -> datetime:
    """So many seconds after T+0."""
    return ZERO + timedelta(seconds=seconds)


def record(
    item: str,
    began: float,
    took: float = 1.0,
    verdict: Verdict = Verdict.PASSED,
    evidence: str = "as it should be",
    *,
    attempt: int = 1,
) -> Record:
    got = Measurement(verdict=verdict, evidence=evidence, began=at(began), ended=at(began + took))
    return Record(act=item.replace("/", "."), item=item, attempt=attempt, got=got)


def act(name: str, began: float, took: float = 1.0, **facts: str | float | bool) -> Record:
    """An act that is no item: promote, take_back."""
    got = Measurement(
        verdict=Verdict.PASSED, evidence="done", began=at(began), ended=at(began + took), facts=dict(facts)
    )
    return Record(act=name, item="", attempt=1, got=got)


def ordered(kind: Kind, when: float, who: str = "ada", reason: str = "") -> Ordered:
    return Ordered(at=at(when), order=Order(kind=kind, who=who, reason=reason))


def on_time(plan: Plan) -> list[Record]:
    """Every item at its moment, one second each; what shares a moment follows one another."""
    found: list[Record] = []
    clock = -1e9
    for item in plan.items:
        clock = max(item.at, clock)
        found.append(record(item.key, clock))
        clock += 1
    return found


def folded(
    records: list[Record], *orders: Ordered, outcome: Ending | None = "promoted", moved: bool = True
) -> Fold:
    return Fold(
        position=Position(moved=moved),
        records=tuple(records),
        orders=orders,
        outcome=None if outcome is None else Outcome(outcome=outcome, reason="because"),
        began=min((each.got.began for each in records), default=None),
        ended=max((each.got.ended for each in records), default=None) if outcome else None,
    )
