"""A leap of a rehearsal's calendar may outrun what a release has begun: how far it may go is told before it is made."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from msgspec import Struct

from watership.releases.book.runbook import Check, Deploy, Migrate, Soak
from watership.releases.decide import Do, closes
from watership.releases.facts import phase_at
from watership.releases.journal import Fold
from watership.releases.order import Release
from watership.releases.plan import Plan, PlannedItem
from watership.releases.status import pending


class Edge(Struct, frozen=True, kw_only=True):
    """What ends the release, unless it is done by `at`."""

    at: datetime
    what: str


def edge(release: Release, state: Fold) -> Edge | None:
    """The first moment that a leap must not come to: of the phase that is begun, or of the item that is under way.

    None once next is live, or is taken back: the hours of the watch may be leapt over, and are not judged then.
    """
    position = state.position
    if state.outcome is not None or position.promoted or position.taken_back is not None:
        return None
    return min(_edges(release, state), key=lambda each: each.at, default=None)


def _edges(release: Release, state: Fold) -> Iterator[Edge]:
    plan, position = release.plan, state.position
    phase = phase_at(plan, position)
    if phase is not None and position.phase_began is not None:
        ends = closes(plan, phase, position.phase_began, release.zero)
        yield Edge(at=ends, what=f"phase {phase.number} {phase.title}")
    act = pending(state, release)
    if isinstance(act, Do) and state.facts is not None:
        item = next(each for each in plan.items if each.key == act.item)
        if (seconds := _patience(item)) is not None:
            until = state.facts.at + timedelta(seconds=seconds)
            yield Edge(at=until, what=f"{item.key} ({item.does.title}), which is under way")


def _patience(item: PlannedItem) -> float | None:
    """Seconds of the calendar that an item waits for what it wants."""
    match item.does:
        case Check(timeout=seconds) | Deploy(timeout=seconds) | Migrate(timeout=seconds):
            return seconds
        case Soak(give_up=seconds):
            return seconds
        case _:
            return None


def overtaken(plan: Plan, zero: datetime, *, since: datetime, until: datetime) -> tuple[PlannedItem, ...]:
    """The items whose moments lie in between: they are late, and begin one after the other at once."""
    return tuple(item for item in plan.items if since < zero + timedelta(seconds=item.at) <= until)
