"""Deviations are what went otherwise than planned: late, over budget, retried, overtaken, or never reached."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final

from watership.releases.book.quantity import spoken
from watership.releases.decide import LAST_ITEM_SECONDS
from watership.releases.facts import Record, items_of
from watership.releases.journal import Fold, Ordered
from watership.releases.plan import Plan, PlannedItem, PlannedPhase
from watership.releases.reporting.report import DeviationFacts

LATE_SECONDS: Final = 60.0
"""What begins later than this is late. It is not scaled in a rehearsal: work does not come faster in one."""

EARLY_SECONDS: Final = 1.0
"""What begins earlier than this was hurried: a timer may fire a moment before its second."""


def deviations(plan: Plan, state: Fold, zero: datetime) -> tuple[DeviationFacts, ...]:
    """In the order of the plan. `zero` is T+0."""
    return tuple(_all(plan, state, zero))


def _all(plan: Plan, state: Fold, zero: datetime) -> Iterator[DeviationFacts]:
    for phase in plan.phases:
        items = items_of(plan, phase)
        tried = [record for record in state.records if record.item in {item.key for item in items}]
        if tried:
            yield from _phase(phase, items, tried, zero)
        for item in items:
            yield from _item(item, phase, state, zero, first=item is items[0])
    reached = {record.item for record in state.records}
    left = [item.does.title for item in plan.items if item.key not in reached]
    if state.outcome is not None and left:
        yield DeviationFacts(
            kind="not reached", subject=f"{len(left)} of {len(plan.items)} items", words=", ".join(left)
        )


def _phase(
    phase: PlannedPhase, items: Sequence[PlannedItem], tried: Sequence[Record], zero: datetime
) -> Iterator[DeviationFacts]:
    began, ended = tried[0].got.began, max(record.got.ended for record in tried)
    # Its first item may have a later moment of its own.
    late = (began - zero).total_seconds() - max(phase.at, items[0].at)
    if late > LATE_SECONDS:
        yield DeviationFacts(
            kind="late", subject=phase.title, words=f"it began {spoken(late)} after its moment"
        )
    # As the controller counts it: to wait for the calendar, up to the last item, is no overrun.
    last = zero + timedelta(seconds=max(item.at for item in items) + LAST_ITEM_SECONDS)
    over = (ended - max(began + timedelta(seconds=phase.budget), last)).total_seconds()
    if over > 0:
        words = f"it ended {spoken(over)} after its budget of {spoken(phase.budget)} was used up"
        yield DeviationFacts(kind="over budget", subject=phase.title, words=words)


def _item(
    item: PlannedItem, phase: PlannedPhase, state: Fold, zero: datetime, *, first: bool
) -> Iterator[DeviationFacts]:
    tried = [record for record in state.records if record.item == item.key]
    if not tried:
        return
    title, due = item.does.title, zero + timedelta(seconds=item.at)
    later = (tried[0].got.began - due).total_seconds()
    # What has no moment of its own follows what stands before it: then its phase is late, not the item.
    if item.at > phase.at and not first and later > LATE_SECONDS:
        words = f"it began {spoken(later)} after its moment"
        yield DeviationFacts(kind="late", subject=title, words=words, item=item.key)
    if later < -EARLY_SECONDS and (order := _hurried(tried[0], state)) is not None:
        why = f": {order.order.reason}" if order.order.reason else ""
        words = f"it began {spoken(-later)} before its moment, because {order.order.who} ordered next{why}"
        yield DeviationFacts(kind="overtaken", subject=title, words=words, item=item.key)
    if len(tried) > 1:
        yield DeviationFacts(kind="retried", subject=title, words=_tries(tried), item=item.key)


def _hurried(record: Record, state: Fold) -> Ordered | None:
    """The order to wait no longer that came since the act before, if one did."""
    before = [each.got.ended for each in state.records if each.got.ended <= record.got.began]
    since = max(before, default=None)
    orders = [
        each
        for each in state.orders
        if each.order.kind == "next" and each.at <= record.got.began and (since is None or each.at >= since)
    ]
    return orders[-1] if orders else None


def _tries(tried: Sequence[Record]) -> str:
    """What each attempt came to; the same words are said once."""
    words = [f"{record.got.verdict.value}: {record.got.evidence}" for record in tried[:-1]]
    return f"{len(tried)} attempts; before the last: {'; '.join(said for said, _ in groupby(words))}"
