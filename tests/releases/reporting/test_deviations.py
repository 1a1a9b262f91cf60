"""What went otherwise than planned is told, and nothing else."""

from __future__ import annotations

from msgspec.structs import replace

from tests.releases.folds import ZERO, folded, on_time, ordered, record
from tests.releases.plans import a_plan
from watership.releases.decide import LAST_ITEM_SECONDS
from watership.releases.facts import Record, items_of
from watership.releases.journal import Fold
from watership.releases.reporting.deviations import LATE_SECONDS, deviations
from watership.releases.reporting.report import DeviationFacts
from watership.releases.verdict import Verdict

PLAN = a_plan()
PHASES = {phase.id: phase for phase in PLAN.phases}
CALENDAR = next(
    item
    for item in PLAN.items
    if item.at > PHASES[item.phase].at and item is not items_of(PLAN, PHASES[item.phase])[0]
)
"""An item with a moment of its own."""


def told(state: Fold) -> tuple[DeviationFacts, ...]:
    return deviations(PLAN, state, ZERO)


def moved(records: list[Record], key: str, seconds: float) -> list[Record]:
    """The same with one item so much later, or earlier."""
    by = {item.key: item.at for item in PLAN.items}
    return [record(each.item, by[key] + seconds) if each.item == key else each for each in records]


def test_a_release_that_went_as_planned_has_no_deviation() -> None:
    assert told(folded(on_time(PLAN))) == ()


def test_an_item_with_a_moment_of_its_own_is_late_after_a_minute() -> None:
    def late(seconds: float) -> list[tuple[str, str]]:
        found = told(folded(moved(on_time(PLAN), CALENDAR.key, seconds)))
        return [(each.item, each.words) for each in found if each.kind == "late"]

    assert late(LATE_SECONDS - 1) == []
    assert late(LATE_SECONDS + 1) == [(CALENDAR.key, "it began 1m 1s after its moment")]


def test_a_phase_is_late_by_its_first_item_and_not_by_those_that_follow() -> None:
    phase = PLAN.phases[-1]
    keys = {item.key for item in items_of(PLAN, phase)}
    late = [
        record(each.item, phase.at + 300 + position) if each.item in keys else each
        for position, each in enumerate(on_time(PLAN))
    ]
    found = [each for each in told(folded(late)) if each.kind == "late"]
    assert [each.subject for each in found if not each.item] == [phase.title]
    own = {item.key for item in items_of(PLAN, phase)[1:] if item.at > phase.at}
    assert {each.item for each in found if each.item} <= own


def test_a_phase_whose_first_item_has_a_later_moment_is_late_by_that_and_once() -> None:
    phase = next(each for each in PLAN.phases if items_of(PLAN, each)[0].at > each.at)
    first = items_of(PLAN, phase)[0]
    found = told(folded(moved(on_time(PLAN), first.key, LATE_SECONDS + 1)))
    assert [(each.subject, each.words) for each in found if each.kind == "late"] == [
        (phase.title, "it began 1m 1s after its moment")
    ]


def test_a_phase_over_its_budget_says_by_how_much_and_to_wait_for_the_calendar_is_no_overrun() -> None:
    phase = PHASES[CALENDAR.phase]
    last = max(item.at for item in items_of(PLAN, phase))
    records = on_time(PLAN)
    long = [
        replace(each, got=record(each.item, last, LAST_ITEM_SECONDS + phase.budget + 90).got)
        if each.item == items_of(PLAN, phase)[-1].key
        else each
        for each in records
    ]
    found = [each for each in told(folded(long)) if each.kind == "over budget"]
    assert [each.subject for each in found] == [phase.title]
    assert not [each for each in told(folded(records)) if each.kind == "over budget"]


def test_an_item_that_was_retried_says_why() -> None:
    key = PLAN.items[0].key
    first = record(key, PLAN.items[0].at, 1, Verdict.FAILED, "no route to host")
    second = record(key, PLAN.items[0].at + 2, 1, Verdict.INCONCLUSIVE, "no answer", attempt=2)
    found = told(folded([first, second, *on_time(PLAN)]))
    assert [(each.kind, each.item) for each in found] == [("retried", key)]
    assert found[0].words == "3 attempts; before the last: failed: no route to host; inconclusive: no answer"


def test_what_was_hurried_names_the_order_and_its_reason() -> None:
    early = moved(on_time(PLAN), CALENDAR.key, -600)
    order = ordered("next", CALENDAR.at - 601, reason="everybody is here")
    found = [each for each in told(folded(early, order)) if each.kind == "overtaken"]
    assert [each.item for each in found] == [CALENDAR.key]
    assert found[0].words == "it began 10m before its moment, because ada ordered next: everybody is here"


def test_an_earlier_order_hurried_something_else() -> None:
    early = moved(on_time(PLAN), CALENDAR.key, -600)
    stale = ordered("next", CALENDAR.at - 100_000)
    other = ordered("hold", CALENDAR.at - 601)
    assert not [each for each in told(folded(early, stale, other)) if each.kind == "overtaken"]


def test_what_was_not_reached_is_told_once_the_release_has_ended() -> None:
    few = on_time(PLAN)[:3]
    assert told(folded(few, outcome=None)) == ()
    found = told(folded(few, outcome="rolled_back"))
    assert [(each.kind, each.subject) for each in found] == [
        ("not reached", f"{len(PLAN.items) - 3} of {len(PLAN.items)} items")
    ]
    assert PLAN.items[-1].does.title in found[0].words
