"""What is to be done next follows from the plan, the position and the facts, and from nothing else."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from msgspec import Struct

from watership.releases.facts import Facts, Position, item_at, items_of, phase_at
from watership.releases.plan import Plan, PlannedItem, PlannedPhase
from watership.releases.verdict import Verdict

Ending = Literal["promoted", "rolled_back", "refused"]


class Do(Struct, frozen=True, kw_only=True, tag="do"):
    """Try a plan item, for the `attempt`-th time."""

    item: str
    attempt: int


class Wait(Struct, frozen=True, kw_only=True, tag="wait"):
    """Begin nothing before `until`; an order comes through."""

    until: datetime


class Ask(Struct, frozen=True, kw_only=True, tag="ask"):
    """Wait for a person's order."""

    about: str


class Again(Struct, frozen=True, kw_only=True, tag="again"):
    """Try the phase from its first item."""

    attempt: int


class Promote(Struct, frozen=True, kw_only=True, tag="promote"):
    """Next is live from here on."""


class Watch(Struct, frozen=True, kw_only=True, tag="watch"):
    """Look for late changes while the old deployment stands by."""


class LetGo(Struct, frozen=True, kw_only=True, tag="let_go"):
    """The watch is over: what was held back for it goes to next as well."""


class TakeBack(Struct, frozen=True, kw_only=True, tag="take_back"):
    """Traffic and intake to live. `automatic`: no person ordered it. `quarantines`: it failed in service."""

    reason: str
    who: str
    automatic: bool
    quarantines: bool
    decided_at: datetime


class Retire(Struct, frozen=True, kw_only=True, tag="retire"):
    """Re-home what next never began, let its runs end, and stop it."""

    quarantines: bool


class End(Struct, frozen=True, kw_only=True, tag="end"):
    outcome: Ending
    reason: str


Act = Do | Wait | Ask | Again | Promote | Watch | LetGo | TakeBack | Retire | End

RETIRE_TRIES = 3
"""The traffic is back by then; what cannot be cleared away in three tries is told to people."""

LAST_ITEM_SECONDS = 60.0
"""What a phase's last item has, even when the calendar puts it at the very end of the budget."""

CONTROLLER = "controller"
"""Who acts when no person ordered it."""


def decide(plan: Plan, position: Position, facts: Facts, zero: datetime) -> Act:
    """The next act. The order of the questions is the order of their urgency."""
    if position.taken_back is not None:
        return _after_taking_back(position)
    if position.demand is not None:
        order = position.demand
        words = f"{order.kind} ordered by {order.who}" + (f": {order.reason}" if order.reason else "")
        words = f"{position.reason}; {words}" if position.reason else words
        return _back(position, facts, words, who=order.who)
    if (lost := _lost(position, facts)) is not None:
        return _back(position, facts, lost)
    if position.promoted:
        return _after_promotion(position, facts)
    if position.failure:
        return _after_failure(plan, position, facts, zero)
    phase, item = phase_at(plan, position), item_at(plan, position)
    if phase is None or item is None:
        return Promote()
    if _overdue(plan, phase, position, facts.at, zero):
        return _by_policy(phase, position, facts, f"{phase.title} took longer than its {phase.budget:g} s")
    return _go_on(item, position, facts, zero)


def _lost(position: Position, facts: Facts) -> str | None:
    """A plane that gives next less than was read back: its dead-man's switch, or another hand, took it back."""
    if position.adopted and not position.moved and not _unserved(facts):
        return "Next is served, or may be, and the journal of who shifted to it was not taken over"
    for plane, weight in (("router", facts.router), ("intake", facts.intake)):
        if weight is not None and weight < position.weight:
            return f"The {plane} gives next {weight} %, not {position.weight} %: it was taken back"
    return None


def _after_taking_back(position: Position) -> Act:
    assert position.taken_back is not None
    if not position.taken_back.passed:
        return Ask(about=f"The rollback did not succeed: {position.taken_back.evidence}")
    retired = position.retired
    if retired is None or (not retired.passed and position.retire_tries < RETIRE_TRIES):
        return Retire(quarantines=position.condemned)
    left = "" if retired.passed else f". What next leaves behind was not cleared away: {retired.evidence}"
    return End(outcome="rolled_back", reason=position.reason + left)


def _after_promotion(position: Position, facts: Facts) -> Act:
    if position.watched is None:
        return Watch()
    if position.watched.verdict is Verdict.FAILED:
        return _back(position, facts, f"The watch: {position.watched.evidence}")
    if position.watched.verdict is Verdict.INCONCLUSIVE:
        if not position.accepted:
            return Ask(about=f"The watch ended without a verdict: {position.watched.evidence}")
        words = f"accepted by {position.accepted} without a verdict: {position.watched.evidence}"
        return _let_go(position) or End(outcome="promoted", reason=words)
    return _let_go(position) or End(outcome="promoted", reason=position.watched.evidence)


def _let_go(position: Position) -> Act | None:
    """While the watch compares, live keeps a little; only then may it stand by, and be retired."""
    if position.full == 100 or (position.let_go is not None and position.let_go.passed):
        return None
    if position.let_go is None:
        return LetGo()
    return Ask(about=f"What was held back could not be given to next: {position.let_go.evidence}")


def _after_failure(plan: Plan, position: Position, facts: Facts, zero: datetime) -> Act:
    phase = phase_at(plan, position)
    assert phase is not None, "only an item fails"
    overdue = _overdue(plan, phase, position, facts.at, zero)
    if position.attempt <= phase.retries and not overdue:
        return Again(attempt=position.attempt + 1)
    return _by_policy(phase, position, facts, position.failure)


def _by_policy(phase: PlannedPhase, position: Position, facts: Facts, why: str) -> Act:
    match phase.on_failure:
        case "stop" if not position.touched:
            return End(outcome="refused", reason=why)
        case "hold":
            return Ask(about=why)
        case _:
            return _back(position, facts, why)


def _back(position: Position, facts: Facts, why: str, *, who: str = CONTROLLER) -> Act:
    """Take back what was done; where nothing was, the release merely ends."""
    if not (position.touched or position.moved) and _unserved(facts):
        return End(outcome="refused", reason=why)
    automatic = who == CONTROLLER
    return TakeBack(
        reason=why,
        who=who,
        automatic=automatic,
        quarantines=position.condemned or (automatic and position.moved),
        decided_at=position.failed_at or (position.watched.ended if position.watched else facts.at),
    )


def _unserved(facts: Facts) -> bool:
    """Both planes say that next gets nothing. A plane that does not answer may give it something."""
    return facts.router == 0 and facts.intake == 0


def _overdue(plan: Plan, phase: PlannedPhase, position: Position, now: datetime, zero: datetime) -> bool:
    """Past its budget."""
    began = position.phase_began
    return began is not None and now > closes(plan, phase, began, zero)


def closes(plan: Plan, phase: PlannedPhase, began: datetime, zero: datetime) -> datetime:
    """Until when a phase may last; to wait for the calendar, up to the phase's last item, is no overrun."""
    last = zero + timedelta(seconds=max(item.at for item in items_of(plan, phase)) + LAST_ITEM_SECONDS)
    return max(began + timedelta(seconds=phase.budget), last)


def _go_on(item: PlannedItem, position: Position, facts: Facts, zero: datetime) -> Act:
    # A split does not wait for the calendar: its switches would fire meanwhile.
    if position.held:
        return Ask(about=f"On hold before: {item.does.title}")
    due = zero + timedelta(seconds=item.at)
    if facts.at < due and not position.split and not position.hurried:
        return Wait(until=due)
    return Do(item=item.key, attempt=position.attempt)
