"""Aftercare looks at a release once it is live: what each validation asks, in its time, by the controller itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from watership.releases.book.runbook import Validation
from watership.releases.journal import Fold
from watership.releases.plan import Plan
from watership.releases.readiness.checklist import Checklist, ChecklistItem, Point, Section, key
from watership.releases.readiness.records import Measured, Record

AGAIN: Final = 300.0
"""Seconds before what did not pass is measured again; scaled by a rehearsal's factor like the calendar."""

COMPLETE: Final = 5400.0
"""T+90m: the deployment is complete, and the validations count from there."""

FIRST_NUMBER: Final = 901
"""Validations are numbered apart from the checklist's items."""


def everything(plan: Plan) -> Checklist:
    """The checklist with the validations as a section of their own: whoever measures or attests sees both alike."""
    if not plan.validations:
        return plan.checklist
    items = tuple(_item(each, number) for number, each in enumerate(plan.validations, FIRST_NUMBER))
    after = Section(
        schema="watership/checklist/v1", section="Z", id="after", title="After the deployment", items=items
    )
    return (*plan.checklist, after)


def _item(validation: Validation, number: int) -> ChecklistItem:
    return ChecklistItem(
        id=validation.id,
        number=number,
        title=validation.title,
        owner=validation.owner,
        by=COMPLETE + validation.ends,
        verification=validation.command,
        command=f"watership verify {validation.id}",
        points=validation.points,
    )


def promoted_at(state: Fold) -> datetime | None:
    """When next became live for good; None while it has not, or once it was taken back."""
    if not state.position.promoted or state.position.taken_back is not None:
        return None
    return next((each.got.ended for each in state.records if each.act == "promote" and each.got.passed), None)


class _Period(NamedTuple):
    """A validation with the item that it is shown as, and its time in this release's calendar."""

    validation: Validation
    item: ChecklistItem
    begins: datetime
    ends: datetime


def _periods(plan: Plan, promoted: datetime) -> list[_Period]:
    def moment(seconds: float) -> datetime:
        return promoted + timedelta(seconds=seconds * plan.overrides.clock_factor)

    return [
        _Period(each, _item(each, number), moment(each.begins), moment(each.ends))
        for number, each in enumerate(plan.validations, FIRST_NUMBER)
    ]


def wanted(
    plan: Plan, records: Sequence[Record], *, promoted: datetime, now: datetime
) -> list[tuple[str, Point]]:
    """The points that are to be measured now: in their time, and not yet, or not well lately."""
    patience = timedelta(seconds=AGAIN * plan.overrides.clock_factor)
    found: list[tuple[str, Point]] = []
    for period in _periods(plan, promoted):
        if not period.begins <= now <= period.ends:
            continue
        for name, point in measured_points(period.item):
            last = last_of(name, records, since=period.begins)
            if last is None or (not last.got.passed and now - last.got.ended >= patience):
                found.append((name, point))
    return found


def measured_points(item: ChecklistItem) -> list[tuple[str, Point]]:
    """The points of an item that programs measure, each by its key."""
    return [(key(item, point), point) for point in item.points if point.check is not None]


def last_of(name: str, records: Sequence[Record], *, since: datetime) -> Measured | None:
    """The last measurement of a point since then."""
    return next(
        (
            each
            for each in records[::-1]
            if isinstance(each, Measured) and each.point == name and each.got.ended >= since
        ),
        None,
    )
