"""The status of a release is its journal folded, with the numbers of the soak that is under way."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from watership.durable.codec import decode
from watership.durable.ids import RunId
from watership.durable.ports import Runs
from watership.durable.run import Run
from watership.durable.states import RunState
from watership.errors import NotFound
from watership.releases.auditing.audit import Plain
from watership.releases.book.quantity import moment
from watership.releases.book.runbook import Soak
from watership.releases.decide import Act, Ask, Wait, decide
from watership.releases.facts import item_at, items_of
from watership.releases.figures import Figures, figures
from watership.releases.journal import Fold, fold, journal, promoted_at
from watership.releases.judging.gate import GateSpec, Judgement, Sums, judge, of_requests
from watership.releases.judging.vigil import Vigil
from watership.releases.measurement import excerpt
from watership.releases.order import Release
from watership.releases.plan import Plan, PlannedItem
from watership.releases.program import Outcome
from watership.releases.readiness.records import TakenBack
from watership.releases.snapshots import Snapshots, load
from watership.releases.verdict import Verdict

Stage = Literal[
    "running",
    "watching",
    "taking_back",
    "promoted",
    "rolled_back",
    "refused",
    "stopped",
    "failed",
    "cancelled",
]
"""The last three are a run's own: the controller will not go on with it."""

BROKEN: dict[RunState, Stage] = {
    RunState.STOPPED: "stopped",
    RunState.FAILED: "failed",
    RunState.CANCELLED: "cancelled",
}

ItemStage = Literal["waiting", "running", "passed", "failed", "inconclusive"]


ANEW = "Draw a new plan: watership release plan BUILD"
"""What is left to whoever acts on a release that has ended."""

ENDED_WORDS = 300
"""Characters of the reason for which a release ended, in a refusal; the status has all of it."""


class ItemStatus(Struct, frozen=True, kw_only=True):
    key: str
    title: str
    state: ItemStage
    attempts: int = 0
    evidence: str = ""
    began: datetime | None = None
    ended: datetime | None = None
    facts: dict[str, Plain] = {}
    judgement: Judgement | None = None


class VigilStatus(Struct, frozen=True, kw_only=True):
    """A soak or the watch, as its last snapshot says."""

    name: str
    began: datetime
    length: float
    give_up: float
    ticks: int
    verdict: Verdict
    words: str
    next: Sums
    live: Sums
    judgement: Judgement


class Planned(Struct, frozen=True, kw_only=True):
    """A plan that is drawn and not started: what it would do, and who has still to sign."""

    release: str
    live: str
    next: str
    slot: str
    fingerprint: str
    signed: tuple[str, ...]
    missing: tuple[str, ...]
    refused: dict[str, str] = {}
    """By role, the reason of whoever refuses to sign in it."""
    created_at: datetime
    stage: Literal["planned"] = "planned"


class ReleaseStatus(Struct, frozen=True, kw_only=True):
    release: str
    stage: Stage
    phase: int | None
    phase_title: str
    attempt: int
    items: tuple[ItemStatus, ...]
    weight: int
    """Next's weight in per cent, as last read back."""
    router: int | None
    """What the router gives next's slot in per cent: now where somebody looked, else as the controller last read it."""
    intake: int | None
    """The same of the intake."""
    held: bool
    asks: str
    """What it waits for a person about; empty while it does not."""
    waits_for: str
    """The moment of the calendar that it waits for ("T-4h"); empty while it does not."""
    waits_until: datetime | None
    vigil: VigilStatus | None
    figures: Figures
    reason: str
    began: datetime | None
    ended: datetime | None
    outcome: Outcome | None = None
    unattended: bool = False
    """It has not ended, and no controller is at work on it."""
    planned: Planned | None = None
    """A newer plan, which is not started."""
    taken_back: TakenBack | None = None
    """The rollback that was ordered where no controller lived."""
    unsure: str = ""
    """Why its records count for nothing: nobody knows then whether such a rollback is among them."""

    @property
    def over(self) -> bool:
        """Whether it will go on no more, well or not."""
        return self.outcome is not None or self.stage in {*BROKEN.values(), "rolled_back"}


async def status(
    runs: Runs, run_id: RunId, snapshots: Snapshots, back: TakenBack | None = None
) -> ReleaseStatus:
    """Where a release stands, for whoever reads the controller's store and its snapshots. Raises NotFound.

    `back`: what its records say of a rollback without a controller.
    """
    run = await runs.get(run_id)
    if run is None:
        raise NotFound(f"There is no release {run_id}.")
    release: Release = decode(run.input, Release)
    state = fold(await journal(runs, run_id), release)
    found = status_of(state, release, await _vigil(state, release.plan, snapshots), run)
    return reversed_by(found, back, promoted_at(state))


def status_of(
    state: Fold, release: Release, vigil: VigilStatus | None = None, run: Run | None = None
) -> ReleaseStatus:
    """The status that a folded journal tells, and the run's own row where it is at hand."""
    plan, position = release.plan, state.position
    broken = BROKEN.get(run.state) if run is not None else None
    at_work = state.outcome is None and position.taken_back is None and not position.promoted
    phase = plan.phases[position.phase] if at_work and position.phase < len(plan.phases) else None
    act = None if broken else pending(state, release)
    return ReleaseStatus(
        release=plan.release,
        stage=broken or _stage(state),
        phase=phase.number if phase else None,
        phase_title=phase.title if phase else "",
        attempt=position.attempt,
        items=tuple(_item(item, state, plan) for item in plan.items),
        weight=position.weight,
        router=state.facts.router if state.facts else None,
        intake=state.facts.intake if state.facts else None,
        held=position.held,
        asks=act.about if isinstance(act, Ask) else "",
        waits_for=_calendar(state, plan) if isinstance(act, Wait) else "",
        waits_until=act.until if isinstance(act, Wait) else None,
        vigil=vigil,
        figures=figures(state, plan),
        reason=_reason(state, run),
        began=state.began,
        ended=state.ended,
        outcome=state.outcome,
    )


def reversed_by(found: ReleaseStatus, back: TakenBack | None, promoted: datetime | None) -> ReleaseStatus:
    """The status with a rollback that no journal knows of. `promoted`: when it was, if it was.

    A release that is not over is still to be ended by its controller, which finds the traffic back. One that did not
    succeed waits for a person, whatever the release came to.
    """
    if back is None or found.stage in ("rolled_back", "taking_back"):
        return found
    if not back.done:
        about = f"The rollback that {back.person} ordered at {_moment(back.began)} did not succeed: {back.evidence}"
        return replace(found, asks=about, taken_back=back)
    return replace(
        found,
        stage="rolled_back" if found.over else "taking_back",
        reason=reversal(back, promoted),
        taken_back=back,
    )


def reversal(back: TakenBack, promoted: datetime | None = None) -> str:
    """What became of a release that was taken back where no controller lived."""
    first = f"promoted at {_moment(promoted)}, " if promoted else ""
    why = f": {back.reason}" if back.reason else ""
    return f"{first}taken back at {_moment(back.ended)} by {back.person}{why}"


class Ended(Struct, frozen=True, kw_only=True):
    """How a release ended that will go on no more."""

    release: str
    stage: Stage
    at: datetime | None
    reason: str

    def __str__(self) -> str:
        when = f" at {_moment(self.at)}" if self.at is not None else ""
        why = f": {excerpt(self.reason, ENDED_WORDS)}" if self.reason else ""
        return f"Release {self.release} has ended: {self.stage.replace('_', ' ')}{when}{why}"


def ended(found: ReleaseStatus) -> Ended | None:
    """How a release ended; None while it goes on."""
    if not found.over:
        return None
    at = found.taken_back.ended if found.taken_back is not None and found.taken_back.done else found.ended
    return Ended(release=found.release, stage=found.stage, at=at, reason=found.reason)


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def pending(state: Fold, release: Release) -> Act | None:
    """What the program is about to do, or waits for: what it decides by the same facts."""
    if state.outcome is not None or state.facts is None or not state.decides:
        return None
    return decide(release.plan, state.position, state.facts, release.zero)


def _calendar(state: Fold, plan: Plan) -> str:
    """The runbook's moment of the item that comes next, before a rehearsal's factor scaled it."""
    item = item_at(plan, state.position)
    assert item is not None, "only an item waits for the calendar"
    at = round(item.at / plan.overrides.clock_factor)
    return moment(at)


def _reason(state: Fold, run: Run | None) -> str:
    if state.outcome is not None:
        return state.outcome.reason
    if run is not None and run.failure is not None:
        return f"{run.failure.kind}: {run.failure.message}"
    return state.position.reason or state.position.failure


def _stage(state: Fold) -> Stage:
    if state.outcome is not None:
        return state.outcome.outcome
    if state.position.taken_back is not None:
        return "taking_back"
    return "watching" if state.position.promoted else "running"


def _item(item: PlannedItem, state: Fold, plan: Plan) -> ItemStatus:
    records = [record for record in state.records if record.item == item.key]
    if not records:
        running = _is_at(item, state, plan)
        return ItemStatus(key=item.key, title=item.does.title, state="running" if running else "waiting")
    got = records[-1].got
    return ItemStatus(
        key=item.key,
        title=item.does.title,
        state=got.verdict.value,
        attempts=len(records),
        evidence=got.evidence,
        began=got.began,
        ended=got.ended,
        facts=got.facts,
        judgement=got.judgement,
    )


def _is_at(item: PlannedItem, state: Fold, plan: Plan) -> bool:
    position = state.position
    if state.outcome or position.taken_back or position.promoted or position.failure:
        return False
    if position.phase >= len(plan.phases):
        return False
    return items_of(plan, plan.phases[position.phase])[position.item].key == item.key


async def _vigil(state: Fold, plan: Plan, snapshots: Snapshots) -> VigilStatus | None:
    """The last soak, or the watch, as far as its snapshot goes."""
    if state.position.promoted:
        name, length = f"{plan.release}.watch", plan.watch_seconds
        return await _seen(snapshots, name, plan.watch_gate, length, length)
    soaks = [item for item in plan.items if isinstance(item.does, Soak)]
    for item in reversed(soaks):
        assert isinstance(item.does, Soak)
        name = f"{plan.release}.{item.key}.{state.position.attempt}"
        found = await _seen(snapshots, name, plan.gate, item.does.length, item.does.give_up)
        if found is not None:
            return found
    return None


async def _seen(
    snapshots: Snapshots, name: str, gate: GateSpec, length: float, give_up: float
) -> VigilStatus | None:
    vigil = await load(snapshots, name, Vigil)
    if vigil is None:
        return None
    judgement = judge(vigil.gate, gate)
    # Of requests, for people; arms of runs and of memory speak for themselves in the judgement.
    first = next(
        (each for arm, each in zip(gate.arms, vigil.gate.arms, strict=False) if of_requests(arm)), None
    )
    return VigilStatus(
        name=name,
        began=vigil.began,
        length=length,
        give_up=give_up,
        ticks=vigil.gate.ticks,
        verdict=judgement.verdict,
        words=judgement.reason,
        next=first.next if first else Sums(),
        live=first.live if first else Sums(),
        judgement=judgement,
    )
