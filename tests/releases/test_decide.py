"""What is done next, for every kind of position."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from tests.releases.plans import NOON, a_plan
from watership.releases.decide import (
    Again,
    Ask,
    Do,
    End,
    Promote,
    Retire,
    TakeBack,
    Wait,
    Watch,
    decide,
)
from watership.releases.facts import Facts, Position, Record, informed, item_at, measured, moved, tried_again
from watership.releases.measurement import Measurement
from watership.releases.order import Kind, Order
from watership.releases.verdict import Verdict

PLAN = a_plan()
PHASES = {phase.id: index for index, phase in enumerate(PLAN.phases)}
HALF = next(
    index for index, item in enumerate(i for i in PLAN.items if i.phase == "cutover") if "half" in item.key
)


def facts(**given: Any) -> Facts:
    values: dict[str, Any] = {"at": NOON, "epoch": 1, "router": 0, "intake": 0} | given
    return Facts(**values)


def at(phase: str, item: int = 0, **given: Any) -> Position:
    values: dict[str, Any] = {"phase": PHASES[phase], "item": item, "phase_began": NOON} | given
    return Position(**values)


def found(verdict: Verdict, **known: Any) -> Measurement:
    return Measurement(verdict=verdict, evidence="as it was", began=NOON, ended=NOON, facts=known)


PASSED, FAILED, UNSURE = found(Verdict.PASSED), found(Verdict.FAILED), found(Verdict.INCONCLUSIVE)
ORDER = Order(kind="rollback", who="Ina Charge")
SPLIT: dict[str, Any] = {"touched": True, "moved": True, "weight": 50}
FULL: dict[str, Any] = SPLIT | {"weight": 100, "judged": True}
OVER = Position(phase=len(PLAN.phases), **FULL)


@pytest.mark.parametrize(
    ("position", "read", "expected"),
    [
        (Position(), facts(at=NOON - timedelta(days=2)), Wait),
        (Position(), facts(), Do),
        (Position(held=True), facts(), Ask),
        (Position(hurried=True), facts(at=NOON - timedelta(days=2)), Do),
        (at("gate", failure="no"), facts(), End),
        (at("deployment", failure="no", touched=True), facts(), Again),
        (at("deployment", failure="no", touched=True, attempt=3), facts(), TakeBack),
        (at("migration", failure="no", touched=True), facts(), TakeBack),
        (at("cutover", HALF + 1, failure="no", **SPLIT), facts(router=50, intake=50), TakeBack),
        (at("cutover", HALF + 1, **SPLIT), facts(router=50, intake=50), Do),
        (at("cutover", HALF + 1, **SPLIT), facts(router=0, intake=50), TakeBack),
        (at("cutover", HALF + 1, **SPLIT), facts(router=50, intake=0), TakeBack),
        (at("cutover", HALF + 1, **SPLIT), facts(router=None, intake=None), Do),
        (at("cutover", demand=ORDER, **SPLIT), facts(router=50, intake=50), TakeBack),
        (at("gate", demand=ORDER), facts(), End),
        (at("gate", demand=ORDER), facts(router=None), TakeBack),
        (at("gate", demand=ORDER), facts(intake=None), TakeBack),
        (OVER, facts(router=100, intake=100), Promote),
        (replace(OVER, promoted=True), facts(router=100, intake=100), Watch),
        (replace(OVER, promoted=True, watched=PASSED), facts(router=100, intake=100), End),
        (replace(OVER, promoted=True, watched=FAILED), facts(router=100, intake=100), TakeBack),
        (replace(OVER, promoted=True, watched=UNSURE), facts(router=100, intake=100), Ask),
        (replace(OVER, promoted=True, watched=UNSURE), facts(router=0, intake=100), TakeBack),
        (replace(OVER, promoted=True, watched=UNSURE, demand=ORDER), facts(router=100, intake=100), TakeBack),
        (replace(OVER, promoted=True), facts(router=0, intake=0), TakeBack),
        (replace(OVER, taken_back=PASSED), facts(), Retire),
        (replace(OVER, taken_back=PASSED, retired=PASSED), facts(), End),
        (replace(OVER, taken_back=PASSED, retired=FAILED, retire_tries=1), facts(), Retire),
        (replace(OVER, taken_back=PASSED, retired=FAILED, retire_tries=3), facts(), End),
        (replace(OVER, taken_back=FAILED), facts(router=100), Ask),
        (Position(adopted=True), facts(router=50), TakeBack),
        (Position(adopted=True), facts(router=None, intake=None), TakeBack),
        (Position(adopted=True), facts(), Do),
    ],
)
def test_what_is_done_next_follows_from_position_and_facts(
    position: Position, read: Facts, expected: type
) -> None:
    assert isinstance(decide(PLAN, position, read, NOON), expected)


def test_a_phase_over_its_budget_is_not_tried_again() -> None:
    late = facts(at=NOON + timedelta(hours=1))

    act = decide(PLAN, at("deployment", failure="no", touched=True), late, NOON)

    assert isinstance(act, TakeBack)


def test_a_phase_over_its_budget_fails_even_when_nothing_else_did() -> None:
    late = facts(at=NOON + timedelta(hours=1))

    act = decide(PLAN, at("deployment", 1, touched=True), late, NOON)

    assert isinstance(act, TakeBack) and "took longer than its 1200 s" in act.reason


def test_to_wait_for_the_calendar_is_no_overrun() -> None:
    """The deployment's last item is planned for the very end of its budget."""
    position = at("deployment", 4, touched=True, phase_began=NOON + timedelta(minutes=5))

    act = decide(PLAN, position, facts(at=NOON + timedelta(minutes=25, seconds=1)), NOON)

    assert act == Do(item="deployment/unmoved", attempt=1)


def test_a_split_does_not_wait_for_the_calendar() -> None:
    early = NOON + timedelta(days=1)

    act = decide(PLAN, at("cutover", HALF + 1, **SPLIT), facts(router=50, intake=50), early)

    assert act == Do(item="cutover/soak", attempt=1)


def test_only_a_failure_under_live_traffic_that_nobody_ordered_quarantines() -> None:
    def quarantines(position: Position, weight: int) -> bool:
        act = decide(PLAN, position, facts(router=weight, intake=weight), NOON)
        assert isinstance(act, TakeBack)
        return act.quarantines

    assert quarantines(at("cutover", HALF + 1, failure="no", **SPLIT), 50)
    assert not quarantines(at("migration", failure="no", touched=True), 0)
    assert not quarantines(at("cutover", HALF + 1, demand=ORDER, **SPLIT), 50)


def test_the_moment_of_decision_is_that_of_the_failed_measurement() -> None:
    before = NOON - timedelta(seconds=3)

    act = decide(
        PLAN, at("cutover", failure="no", failed_at=before, **SPLIT), facts(router=50, intake=50), NOON
    )

    assert isinstance(act, TakeBack) and act.decided_at == before


def test_what_is_not_passed_does_not_move_the_position_on() -> None:
    position = at("gate")
    item = item_at(PLAN, position)
    assert item is not None

    for verdict in (Verdict.FAILED, Verdict.INCONCLUSIVE):
        after = measured(PLAN, position, item, found(verdict))
        assert (after.phase, after.item, bool(after.failure)) == (position.phase, position.item, True)
    assert measured(PLAN, position, item, PASSED).item == 1


def test_a_retry_begins_with_the_phases_first_item() -> None:
    again = tried_again(at("deployment", 3, failure="no", touched=True))

    assert (again.item, again.attempt, again.failure) == (0, 2, "")
    assert again.phase_began == NOON, "the budget is for all attempts together"


def test_a_promotion_that_failed_is_taken_back_and_says_so_in_every_reading() -> None:
    record = Record(act="promote", item="", attempt=1, got=FAILED)

    after = moved(PLAN, OVER, record, NOON)

    assert not after.promoted and after.failure == "Promotion: as it was"
    act = decide(PLAN, after, facts(router=100, intake=100), NOON)
    assert isinstance(act, TakeBack) and act.reason == after.failure


@pytest.mark.parametrize("kind", ["next", "accept"])
def test_a_watch_without_a_verdict_is_for_a_person_to_accept(kind: Kind) -> None:
    unsure = replace(OVER, promoted=True, watched=UNSURE)

    after = informed(unsure, facts(orders=(Order(kind=kind, who="Ina Charge"),)))

    act = decide(PLAN, after, facts(router=100, intake=100), NOON)
    assert isinstance(act, End) and act.outcome == "promoted"
    assert "accepted by Ina Charge without a verdict" in act.reason


def test_what_is_accepted_before_the_watch_has_ended_is_not_accepted() -> None:
    watching = replace(OVER, promoted=True)

    early = informed(watching, facts(orders=(Order(kind="accept", who="Ina"), Order(kind="next", who="Ina"))))

    assert isinstance(decide(PLAN, replace(early, watched=UNSURE), facts(router=100, intake=100), NOON), Ask)


def test_a_watch_without_a_verdict_may_be_gone_on_with() -> None:
    unsure = replace(OVER, promoted=True, watched=UNSURE)

    after = informed(unsure, facts(orders=(Order(kind="resume", who="Ina"),)))

    assert decide(PLAN, after, facts(router=100, intake=100), NOON) == Watch()


def test_an_order_is_taken_in_once() -> None:
    position = informed(
        Position(), facts(orders=(Order(kind="hold", who="Ina"), Order(kind="resume", who="Ina")))
    )

    assert (position.held, position.seen) == (False, 2)
