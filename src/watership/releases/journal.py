"""A release's journal is folded: the position that it came to, with every record, order and fact on the way."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from watership.durable.codec import decode
from watership.durable.events import Entry, StepDone
from watership.durable.ids import RunId
from watership.durable.ports import Runs
from watership.releases.facts import Facts, Position, Record, informed, moved, opening
from watership.releases.order import Order, Release
from watership.releases.plan import Plan
from watership.releases.program import FACTS, Outcome

PAGE = 1000
"""Journal entries that are read at once."""


class Ordered(Struct, frozen=True, kw_only=True):
    """An order of a person, and when the controller read it."""

    at: datetime
    order: Order


class Fold(Struct, frozen=True, kw_only=True):
    """What the journal says: the position, and every record and order in order."""

    position: Position
    records: tuple[Record, ...] = ()
    orders: tuple[Ordered, ...] = ()
    facts: Facts | None = None
    decides: bool = False
    """The facts were read, and what was decided on them is not done yet."""
    outcome: Outcome | None = None
    began: datetime | None = None
    ended: datetime | None = None


def fold(entries: Sequence[Entry], release: Release) -> Fold:
    """Walk along a journal as the program did, without deciding anything anew."""
    state = Fold(position=opening(release))
    for entry in entries:
        if state.began is None:
            state = replace(state, began=entry.at)
        if isinstance(entry.event, StepDone):
            state = _folded(state, entry.event, entry.at, release.plan)
    return state


def _folded(state: Fold, event: StepDone, at: datetime, plan: Plan) -> Fold:
    if event.name == FACTS:
        facts: Facts = decode(event.value, Facts)
        orders = tuple(Ordered(at=facts.at, order=each) for each in facts.orders)
        return replace(
            state,
            facts=facts,
            decides=True,
            position=informed(state.position, facts),
            orders=(*state.orders, *orders),
        )
    if event.name == "end":
        return replace(state, outcome=decode(event.value, Outcome), ended=at)
    record: Record = decode(event.value, Record)
    assert state.facts is not None, "facts are read before every act"
    position = moved(plan, state.position, record, state.facts.at)
    return replace(state, records=(*state.records, record), position=position, decides=False)


async def journal(runs: Runs, run_id: RunId) -> list[Entry]:
    """All of a run's journal."""
    entries: list[Entry] = []
    while page := await runs.journal(run_id, after=len(entries), limit=PAGE):
        entries += page
    return entries


def promoted_at(state: Fold) -> datetime | None:
    """When next became live; None where it did not, or not in this journal."""
    return next((each.got.ended for each in state.records if each.act == "promote" and each.got.passed), None)
