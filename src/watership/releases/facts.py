"""Facts are read back from reality before each decision; a position is how far the journal says we are."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from watership.releases.book.runbook import Shift, Soak
from watership.releases.measurement import Measurement
from watership.releases.order import Order, Release
from watership.releases.plan import Plan, PlannedItem, PlannedPhase
from watership.releases.verdict import Verdict


class Facts(Struct, frozen=True, kw_only=True):
    """`router` and `intake` are next's weight in per cent as the targets themselves say; None is unknown."""

    at: datetime
    epoch: int
    router: int | None
    intake: int | None
    orders: tuple[Order, ...] = ()
    """Those that came since the facts before."""
    problems: tuple[str, ...] = ()


class Position(Struct, frozen=True, kw_only=True):
    """Folded from the journal, and from nothing else."""

    phase: int = 0
    item: int = 0
    attempt: int = 1
    phase_began: datetime | None = None
    touched: bool = False
    """Something was changed that a rollback takes back."""
    moved: bool = False
    """A shift was begun: from here on a failure is one under live traffic."""
    weight: int = 0
    """Next's weight in per cent, as it was last read back."""
    full: int = 100
    """Its weight when the cutover is done: all but what is held back for the watch."""
    let_go: Measurement | None = None
    """What was held back is given to next."""
    judged: bool = False
    cutover_began: datetime | None = None
    failure: str = ""
    """Why the phase's present attempt failed; empty while it has not."""
    failed_at: datetime | None = None
    unknown: bool = False
    """What failed it is that something could not be found out, or that a person did not speak."""
    promoted: bool = False
    watched: Measurement | None = None
    accepted: str = ""
    """Who was content with a watch that came to no verdict."""
    taken_back: Measurement | None = None
    retired: Measurement | None = None
    retire_tries: int = 0
    reason: str = ""
    """Why it was taken back."""
    condemned: bool = False
    """It failed in service: its digest is quarantined, whoever has to order the rollback once more."""
    held: bool = False
    hurried: bool = False
    demand: Order | None = None
    seen: int = 0
    adopted: bool = False
    """It goes on from reality, without the journal of the controller that began it."""

    @property
    def split(self) -> bool:
        """Both serve, and nobody has judged yet: the dead-man's switches are armed. Not while it is taken back."""
        return 0 < self.weight < self.full and self.taken_back is None


class Record(Struct, frozen=True, kw_only=True):
    """An act with its measurement, as the journal keeps them. `item` is empty but for items of the plan."""

    act: str
    item: str
    attempt: int
    got: Measurement


def opening(release: Release) -> Position:
    """Where a release begins: at its first item, or with what another build's controller left."""
    if not release.promoted:
        return Position(adopted=release.adopted_by is not None, full=release.plan.full)
    phases = len(release.plan.phases)
    return Position(
        adopted=True,
        phase=phases,
        touched=True,
        moved=True,
        judged=True,
        promoted=True,
        weight=release.plan.full,
        full=release.plan.full,
    )


def phase_at(plan: Plan, position: Position) -> PlannedPhase | None:
    return plan.phases[position.phase] if position.phase < len(plan.phases) else None


def items_of(plan: Plan, phase: PlannedPhase) -> tuple[PlannedItem, ...]:
    return tuple(item for item in plan.items if item.phase == phase.id)


def item_at(plan: Plan, position: Position) -> PlannedItem | None:
    """The item that comes next; None when all of them are done."""
    phase = phase_at(plan, position)
    return None if phase is None else items_of(plan, phase)[position.item]


def informed(position: Position, facts: Facts) -> Position:
    """Take in what people ordered since, and when the phase began."""
    for order in facts.orders:
        match order.kind:
            case "hold":
                position = replace(position, held=True)
            case "resume" if _stuck(position):
                position = _anew(position, order)
            case "resume" if _unsure(position):
                position = replace(position, held=False, watched=None)
            case "next" | "accept" if _unsure(position):
                position = replace(position, accepted=order.who)
            case "resume" if position.let_go is not None and not position.let_go.passed:
                position = replace(position, held=False, let_go=None)
            case "resume":
                position = replace(position, held=False, failure="", failed_at=None)
            case "next":
                position = replace(position, hurried=True)
            case "abort" | "rollback":
                position = _anew(position, order)
    return replace(position, seen=position.seen + len(facts.orders))


def _stuck(position: Position) -> bool:
    """A rollback did not succeed, and waits for a person."""
    return position.taken_back is not None and not position.taken_back.passed


def _unsure(position: Position) -> bool:
    """The watch has ended without a verdict, and a person is asked."""
    return position.watched is not None and position.watched.verdict is Verdict.INCONCLUSIVE


def _anew(position: Position, order: Order) -> Position:
    """Take back what was done because somebody says so; one that did not succeed is tried once more."""
    return replace(position, demand=order, taken_back=None if _stuck(position) else position.taken_back)


def begun(position: Position, item: PlannedItem, at: datetime) -> Position:
    """The position as an item is about to be tried at `at`."""
    shifting = isinstance(item.does, Shift)
    return replace(
        position,
        phase_began=position.phase_began or at,
        touched=position.touched or item.does.__struct_config__.tag not in ("check", "backup"),
        moved=position.moved or shifting,
        cutover_began=position.cutover_began or (at if shifting else None),
        hurried=False,
    )


def measured(plan: Plan, position: Position, item: PlannedItem, got: Measurement) -> Position:
    """The position after an item was tried: onward if it passed, else with the failure to be decided upon."""
    if not got.passed:
        return replace(
            position,
            failure=f"{item.does.title}: {got.evidence}",
            failed_at=got.ended,
            unknown=got.verdict is Verdict.INCONCLUSIVE,
        )
    match item.does:
        case Shift(weight=weight):
            position = replace(position, weight=min(round(100 * weight), plan.full))
        case Soak():
            position = replace(position, judged=True)
    phase = plan.phases[position.phase]
    if position.item + 1 < len(items_of(plan, phase)):
        return replace(position, item=position.item + 1)
    return replace(position, phase=position.phase + 1, item=0, attempt=1, phase_began=None)


def moved(plan: Plan, position: Position, record: Record, at: datetime) -> Position:
    """The position after an act that was decided at `at`: for who acts, and for who reads the journal."""
    got = record.got
    match record.act:
        case "promote":
            return replace(position, promoted=True) if got.passed else _unpromoted(plan, position, got)
        case "watch":
            return replace(position, watched=got)
        case "let_go":
            return replace(position, let_go=got, weight=100 if got.passed else position.weight)
        case "take_back":
            why = str(got.facts.get("why", ""))
            condemned = position.condemned or got.facts.get("quarantines") is True
            # What did not read back is not told as done: next may still be served.
            weight = 0 if got.passed else position.weight
            return replace(
                position, taken_back=got, reason=why, condemned=condemned, weight=weight, demand=None
            )
        case "retire":
            return replace(position, retired=got, retire_tries=position.retire_tries + 1)
        case _ if record.item:
            while record.attempt > position.attempt:
                position = tried_again(position)
            item = next(each for each in plan.items if each.key == record.item)
            return measured(plan, begun(position, item, at), item, got)
        case _:
            return position


def _unpromoted(plan: Plan, position: Position, got: Measurement) -> Position:
    """A promotion that failed is a failure of the last phase, and is not tried again."""
    last = len(plan.phases) - 1
    return replace(
        position,
        phase=last,
        item=0,
        attempt=plan.phases[last].retries + 1,
        failure=f"Promotion: {got.evidence}",
        failed_at=got.ended,
    )


def tried_again(position: Position) -> Position:
    """The phase from its first item once more; its budget goes on."""
    return replace(position, item=0, attempt=position.attempt + 1, failure="", failed_at=None)
