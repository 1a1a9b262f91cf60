"""A situation is all that messages may speak of: derived from a release's plan and journal, never typed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from watership.releases import plan as plans
from watership.releases.auditing.audit import Entry
from watership.releases.decide import CONTROLLER, TakeBack, decide
from watership.releases.journal import Fold
from watership.releases.notices.issues import issues, reminders
from watership.releases.notices.minute import UNKNOWN, Minute, Traffic
from watership.releases.notices.notice import Incident, Issue, Window
from watership.releases.order import Release
from watership.releases.plan import Plan, PlannedPhase
from watership.releases.readiness.records import Decided
from watership.releases.readiness.signoff import SignOff, missing
from watership.releases.readiness.standing import ItemStanding
from watership.releases.status import ItemStatus, ReleaseStatus, Stage

HEADLINES: dict[str, str] = {
    "planned": "PLANNED",
    "running": "IN PROGRESS",
    "watching": "PROMOTED, WATCHED",
    "taking_back": "ROLLING BACK",
    "promoted": "COMPLETE",
    "rolled_back": "ROLLED BACK",
    "refused": "REFUSED",
    "stopped": "STOPPED",
    "failed": "FAILED",
    "cancelled": "CANCELLED",
}


class PhaseSight(Struct, frozen=True, kw_only=True):
    """A phase as it stands; times in seconds, `elapsed` None where it has not begun."""

    number: int
    title: str
    state: Literal["waiting", "running", "done", "failed"]
    budget: float
    elapsed: float | None = None


class Approval(Struct, frozen=True, kw_only=True):
    role: str
    person: str
    at: datetime


class Decision(Struct, frozen=True, kw_only=True):
    """GO or NO-GO, by whom; `record` are the lines that a NO-GO has to say."""

    said: Literal["GO", "NO-GO"]
    person: str
    role: str
    at: datetime
    reason: str
    record: tuple[str, ...] = ()


class Seat(Struct, frozen=True, kw_only=True):
    """A role of the team, and who has it."""

    role: str
    person: str


class Checks(Struct, frozen=True, kw_only=True):
    """How many of the plan's items have which verdict."""

    passed: int = 0
    failed: int = 0
    inconclusive: int = 0
    waiting: int = 0
    total: int = 0


class Rollback(Struct, frozen=True, kw_only=True):
    """A rollback. `done`: both planes were read back; `seconds` from the decision until then."""

    reason: str
    by: str
    began: datetime | None = None
    done: bool = False
    evidence: str = ""
    seconds: float | None = None


class Figures(Struct, frozen=True, kw_only=True):
    """What was measured; None where it did not come to that."""

    cutover_seconds: float | None = None
    detect_seconds: float | None = None
    rollback_seconds: float | None = None
    failed_requests: int | None = None


class Situation(Struct, frozen=True, kw_only=True):
    """One release at one moment."""

    name: str
    environment: str
    service: str
    version: str
    previous: str
    slot: str
    """Where the new version stands."""
    previous_slot: str
    starter: str
    stage: Literal["planned"] | Stage
    headline: str
    window: Window | None
    """T+0 and the end by the phases' budgets; None before the start."""
    planned_seconds: float
    factor: float
    """Of the plan's clock: a rehearsal's may be below 1."""
    rehearsal: bool
    leaps: bool
    """Its calendar may leap, so that moments pass which nobody lives through."""
    access: str
    """What the release does to readers and writers, by its plan, and what was measured of that."""
    pauses_writes: bool
    migrations: tuple[str, ...]
    approvals: tuple[Approval, ...]
    missing: tuple[str, ...]
    """Roles that have still to sign."""
    decision: Decision | None = None
    team: tuple[Seat, ...]
    began: datetime | None = None
    ended: datetime | None = None
    seconds: float | None = None
    """From its beginning, or T+0 where that is later, until it ended or now."""
    promoted: bool = False
    phase: PhaseSight | None = None
    phases: tuple[PhaseSight, ...] = ()
    checks: Checks = Checks()
    weight: int = 0
    """Next's share of traffic in per cent, as last read back."""
    next: Traffic | None = None
    live: Traffic | None = None
    """What each side served in the last minute; None where it is not known."""
    next_healthy: int | None = None
    live_healthy: int | None = None
    """Instances that the router itself finds healthy."""
    watch_until: datetime | None = None
    issues: tuple[Issue, ...] = ()
    incidents: tuple[Incident, ...] = ()
    rollback: Rollback | None = None
    figures: Figures = Figures()
    reason: str = ""

    @property
    def over(self) -> bool:
        return self.stage in ("promoted", "rolled_back", "refused", "stopped", "failed", "cancelled")

    @property
    def running(self) -> bool:
        """From the start until it is promoted or over: while people want to hear of it every so often."""
        return self.stage in ("running", "taking_back")


def decided(made: Decided | None) -> Decision | None:
    """A decision as messages need it."""
    if made is None:
        return None
    lines = {
        "Issue": made.issue,
        "Mitigation": made.mitigation,
        "Until": made.rescheduled,
        "Informed": made.informed,
    }
    return Decision(
        said="GO" if made.decision == "go" else "NO-GO",
        person=made.person,
        role=made.role,
        at=made.at,
        reason=made.reason,
        record=tuple(f"{name}: {line}" for name, line in lines.items() if line),
    )


def planned(plan: Plan, signoffs: Sequence[SignOff], now: datetime, made: Decided | None = None) -> Situation:
    """The situation before the start. `made`: the decision about this plan."""
    return Situation(
        name=plan.release,
        environment=plan.environment,
        service=plan.runbook,
        version=plan.next.build.version,
        previous=plan.live.build.version,
        slot=plan.next.slot.value,
        previous_slot=plan.live.slot.value,
        starter=plan.starter,
        stage="planned",
        headline=HEADLINES["planned"],
        window=None,
        planned_seconds=_planned_seconds(plan),
        factor=plan.overrides.clock_factor,
        rehearsal=plan.rehearsal or plan.overrides.clock_factor < 1,
        leaps=plan.rehearsal,
        access=plans.access(plan),
        pauses_writes=any(migration.pauses_writes for migration in plan.migrations),
        migrations=tuple(f"{each.name} ({each.start} → {each.end})" for each in plan.migrations),
        approvals=tuple(Approval(role=s.role, person=s.person, at=s.at) for s in signoffs),
        missing=tuple(each.role for each in missing(plan, signoffs, now)),
        decision=decided(made),
        team=tuple(
            Seat(role=contact.title, person=contact.person) for contact in plan.contacts if contact.person
        ),
        phases=tuple(
            PhaseSight(number=each.number, title=each.title, state="waiting", budget=each.budget)
            for each in plan.phases
        ),
        checks=Checks(waiting=len(plan.items), total=len(plan.items)),
    )


def situation(
    release: Release,
    state: Fold,
    status: ReleaseStatus,
    now: datetime,
    *,
    signoffs: Sequence[SignOff],
    made: Decided | None = None,
    minute: Minute = UNKNOWN,
    audit: Iterable[Entry] = (),
    incidents: tuple[Incident, ...] = (),
    items: Sequence[ItemStanding] = (),
) -> Situation:
    """The situation of a release that was started, by its folded journal and what its status says."""
    plan = release.plan
    before = planned(plan, signoffs, now, made)
    sights = tuple(_sight(phase, status, plan, now) for phase in plan.phases)
    back = _rollback(state, release) or _reversed(status)
    return replace(
        before,
        stage=status.stage,
        headline=HEADLINES[_stage(status, back)],
        access=" ".join(filter(None, [before.access, status.figures.pause])),
        window=Window(begins=release.zero, ends=release.zero + timedelta(seconds=before.planned_seconds)),
        began=status.began,
        ended=status.ended,
        seconds=_seconds(release, status, now),
        promoted=state.position.promoted,
        phase=next((sight for sight in sights if sight.number == status.phase), None),
        phases=sights,
        checks=_checks(status.items),
        weight=status.weight,
        next=minute.next,
        live=minute.live,
        next_healthy=minute.next_healthy,
        live_healthy=minute.live_healthy,
        watch_until=_watch_until(state, plan),
        issues=(
            *issues(release, state, status, audit),
            *reminders(release, status, before.missing, items, now),
        ),
        incidents=incidents,
        rollback=back,
        figures=Figures(
            cutover_seconds=status.figures.cutover_seconds,
            detect_seconds=status.figures.detect_seconds,
            rollback_seconds=status.figures.rollback_seconds,
            failed_requests=status.figures.requests_failed_before_rollback,
        ),
        reason=status.reason,
    )


def _rollback(state: Fold, release: Release) -> Rollback | None:
    """From the decision on: a rollback is told of while it is under way."""
    got, position = state.position.taken_back, state.position
    if got is not None:
        seconds = got.facts.get("seconds")
        return Rollback(
            reason=position.reason,
            by=str(got.facts.get("by", CONTROLLER)),
            began=got.began,
            done=got.passed,
            evidence=got.evidence,
            seconds=float(seconds) if isinstance(seconds, int | float) and got.passed else None,
        )
    if state.outcome is not None or state.facts is None or not state.decides:
        return None
    act = decide(release.plan, position, state.facts, release.zero)
    if not isinstance(act, TakeBack):
        return None
    return Rollback(reason=act.reason, by=act.who, began=act.decided_at)


def _reversed(status: ReleaseStatus) -> Rollback | None:
    """A rollback that was ordered where no controller lived: the release's record has it, and its journal does not."""
    got = status.taken_back
    if got is None:
        return None
    return Rollback(
        reason=got.reason,
        by=got.person,
        began=got.began,
        done=got.done,
        evidence=got.evidence,
        seconds=(got.ended - got.began).total_seconds() if got.done else None,
    )


def _stage(status: ReleaseStatus, back: Rollback | None) -> str:
    return "taking_back" if back is not None and not status.over else status.stage


def _seconds(release: Release, status: ReleaseStatus, now: datetime) -> float | None:
    if status.began is None:
        return None
    since = max(status.began, release.zero)
    return max(((status.ended or now) - since).total_seconds(), 0.0)


def _planned_seconds(plan: Plan) -> float:
    """From T+0 until the last phase's budget is used up. What comes before T+0 is preparation."""
    return max((phase.at + phase.budget for phase in plan.phases if phase.at >= 0), default=0.0)


def _watch_until(state: Fold, plan: Plan) -> datetime | None:
    promoted = [record.got.ended for record in state.records if record.act == "promote" and record.got.passed]
    return promoted[-1] + timedelta(seconds=plan.watch_seconds) if promoted else None


def _checks(items: Sequence[ItemStatus]) -> Checks:
    states = [item.state for item in items]
    return Checks(
        passed=states.count("passed"),
        failed=states.count("failed"),
        inconclusive=states.count("inconclusive"),
        waiting=states.count("waiting") + states.count("running"),
        total=len(states),
    )


def _sight(phase: PlannedPhase, status: ReleaseStatus, plan: Plan, now: datetime) -> PhaseSight:
    keys = {item.key for item in plan.items if item.phase == phase.id}
    items = [item for item in status.items if item.key in keys]
    state: Literal["waiting", "running", "done", "failed"] = "waiting"
    if all(item.state == "passed" for item in items):
        state = "done"
    elif phase.number == status.phase:
        state = "running"
    elif any(item.state in ("failed", "inconclusive") for item in items):
        state = "failed"
    began = min((item.began for item in items if item.began), default=None)
    ends = [item.ended for item in items if item.ended]
    last = now if state == "running" else max(ends, default=now)
    return PhaseSight(
        number=phase.number,
        title=phase.title,
        state=state,
        budget=phase.budget,
        elapsed=None if began is None else max((last - began).total_seconds(), 0.0),
    )
