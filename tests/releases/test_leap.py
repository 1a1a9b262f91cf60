"""How far a rehearsal's calendar may leap without ending what the release is at."""

from __future__ import annotations

from datetime import datetime, timedelta

from tests.releases.plans import NOON, a_plan
from watership.releases.facts import Facts, Position
from watership.releases.journal import Fold
from watership.releases.leap import edge, overtaken
from watership.releases.order import Release
from watership.releases.smoke import Smoke

ZERO = NOON + timedelta(hours=24)
RELEASE = Release(plan=a_plan(), signoffs=(), scripts=(), smoke=Smoke(), zero=ZERO)


def at(position: Position, now: datetime, *, decides: bool = True) -> Fold:
    return Fold(position=position, facts=Facts(at=now, epoch=1, router=0, intake=0), decides=decides)


def test_a_phase_that_is_begun_must_not_outlast_its_budget() -> None:
    found = edge(RELEASE, at(Position(phase=1, item=3, phase_began=ZERO), ZERO, decides=False))
    assert found is not None and found.what == "phase 1 Pre-deployment validation"
    assert ZERO + timedelta(minutes=5) <= found.at <= ZERO + timedelta(minutes=6)


def test_an_item_that_is_under_way_has_its_own_time() -> None:
    now = NOON + timedelta(seconds=2)
    found = edge(RELEASE, at(Position(), now))
    first = RELEASE.plan.items[0]
    assert found is not None and first.key in found.what
    assert found.at == now + timedelta(seconds=getattr(first.does, "timeout", -1.0))


def test_what_waits_for_the_calendar_is_bound_by_its_phase_alone() -> None:
    later = next(n for n, item in enumerate(RELEASE.plan.items) if item.at > RELEASE.plan.items[0].at)
    now = NOON + timedelta(minutes=1)
    found = edge(RELEASE, at(Position(item=later, phase_began=NOON), now))
    assert found is not None and found.what.startswith("phase 0 ")


def test_the_hours_of_the_watch_may_be_leapt_over() -> None:
    assert edge(RELEASE, at(Position(phase=7, promoted=True, weight=100), ZERO)) is None


def test_what_a_leap_overtakes_is_what_lies_between() -> None:
    plan = RELEASE.plan
    late = overtaken(plan, ZERO, since=ZERO, until=ZERO + timedelta(minutes=5))
    assert late and all(0 < item.at <= 300 for item in late)
    assert overtaken(plan, ZERO, since=ZERO, until=ZERO) == ()
