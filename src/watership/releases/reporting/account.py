"""The account of a release: everything that its report says, gathered from journal, traffic and audit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from msgspec import Struct

from watership.errors import Unavailable
from watership.fleet.deployment import Slot
from watership.releases import plan as plans
from watership.releases.auditing.audit import Audit, Verified
from watership.releases.book.quantity import percent, spoken
from watership.releases.book.runbook import Shift, Soak
from watership.releases.figures import Figures
from watership.releases.incidents.incident import Incident
from watership.releases.journal import Fold, promoted_at
from watership.releases.judging.gate import GateSpec, Judgement, guarantee, of_requests
from watership.releases.judging.power import Traffic, table
from watership.releases.judging.sources import UNTOLD, blind
from watership.releases.judging.traffic import latency_p95
from watership.releases.judging.vigil import ENDLESS
from watership.releases.notices.outbox import Delivery
from watership.releases.order import Release
from watership.releases.plan import Plan, PlannedPhase, fingerprint
from watership.releases.ports import Metrics, TrafficTick
from watership.releases.readiness.records import Contracted, Record, TakenBack, standing_signoffs, taken_back
from watership.releases.reporting import testimony
from watership.releases.reporting.deviations import deviations
from watership.releases.reporting.dora import Past, dora
from watership.releases.reporting.report import (
    EvidenceFile,
    Figure,
    GateFacts,
    ItemFacts,
    Outcome,
    PhaseFacts,
    ReportFacts,
    RunsOf,
    Side,
    SignOffFacts,
    SlotSecond,
    WeightStep,
)
from watership.releases.status import ItemStatus, ReleaseStatus, reversed_by, status_of
from watership.releases.verdict import Verdict

OUTCOMES: dict[str, Outcome] = {"promoted": "promoted", "rolled_back": "rolled_back", "refused": "stopped"}


class Count(Struct, frozen=True, kw_only=True):
    """Runs of a deployment at this moment."""

    under_way: int = 0
    finished: int = 0


def _untold(audit: Audit, release: str) -> tuple[str, ...]:
    """The fuses that some vigil found without a word from their sources."""
    found: dict[str, None] = {}
    for entry in audit.entries():
        fuses = entry.facts.get("fuses")
        if entry.action == UNTOLD and entry.facts.get("release") == release and isinstance(fuses, list):
            found |= dict.fromkeys(str(each) for each in fuses)
    return tuple(found)


async def traffic(
    metrics: Metrics, slot: Slot, *, began: datetime, ended: datetime
) -> tuple[SlotSecond, ...]:
    """What a slot served from `began` on, second by second; empty where it is not known any more."""
    start = int(began.timestamp())
    try:
        ticks = await metrics.ticks(after=start, until=int(ended.timestamp()))
    except Unavailable:
        return ()
    return tuple(_second(tick, start) for tick in ticks.get(slot, ()))


def _second(tick: TrafficTick, start: int) -> SlotSecond:
    p95 = latency_p95(tick)
    return SlotSecond(
        at=float(tick.second - start),
        requests=tick.requests,
        error_rate=tick.errors / tick.requests if tick.requests else None,
        latency_p95=None if p95 is None else min(p95, ENDLESS),
    )


def account(
    release: Release,
    state: Fold,
    *,
    audit: Audit,
    blue: tuple[SlotSecond, ...] = (),
    green: tuple[SlotSecond, ...] = (),
    live_runs: Count | None = None,
    next_runs: Count | None = None,
    records: Sequence[Record] | None = None,
    astray: str = "",
    files: Mapping[str, EvidenceFile] | None = None,
    incidents: Sequence[Incident] | None = None,
    deliveries: Sequence[Delivery] | None = None,
    past: Sequence[Past] = (),
    now: datetime | None = None,
) -> ReportFacts:
    """What a report says. Traffic and counts of runs come from whoever can still ask for them.

    `records` are what people and programs put down, `files` the evidence that they point to, `incidents`, `deliveries`
    and `past` the incidents, messages and releases of this environment, `now` when the report is written. What is not
    given is not known. `astray`: how the records do not agree with the audit, where they do not.
    """
    plan, back = release.plan, taken_back(records or ())
    status = reversed_by(status_of(state, release), back, promoted_at(state))
    # When the checklist was relied on last.
    relied_on = promoted_at(state) or state.ended
    began = state.began or plan.created_at
    checked = audit.verify()
    verified = isinstance(checked, Verified)
    return ReportFacts(
        release=plan.release,
        environment=plan.environment,
        outcome=_outcome(state, back),
        reason=status.asks if back is not None and not back.done else status.reason,
        live=_side(plan.live),
        next=_side(plan.next),
        started_at=began,
        ended_at=state.ended,
        starter=plan.starter,
        fingerprint=fingerprint(plan),
        runbook=plan.runbook,
        runbook_sha256=plan.runbook_sha256,
        access=" ".join(filter(None, [plans.access(plan), status.figures.pause])),
        cannot_see=blind(plan.fuses, plan.sources),
        untold=_untold(audit, plan.release) if verified else (),
        clock_factor=plan.overrides.clock_factor,
        rehearsal=plan.rehearsal,
        left_out=plan.overrides.left_out,
        signoffs=tuple(
            SignOffFacts(role=s.role, person=s.person, at=s.at)
            for s in standing_signoffs(release.signoffs, records or ())
        ),
        phases=tuple(_phase(phase, status, plan, release.zero) for phase in plan.phases),
        items=tuple(
            _item(each, item.at, release.zero) for each, item in zip(status.items, plan.items, strict=True)
        ),
        gates=_gates(plan, state, status),
        blue=blue,
        green=green,
        weights=_weights(state, plan, began, back),
        runs=_runs(plan, status, live_runs, next_runs),
        figures=_figures(status.figures, records or (), back=state.position.taken_back is not None),
        deviations=deviations(plan, state, release.zero),
        checklist=testimony.checklist(release, records, files or {}, relied_on or now),
        decisions=testimony.decisions(state, records),
        waivers=testimony.waivers(release, records),
        incidents=testimony.incidents(plan.release, incidents),
        messages=testimony.messages(plan.release, deliveries),
        dora=dora(past, now) if now is not None else (),
        audit_count=checked.count if isinstance(checked, Verified) else checked.number,
        audit_head=checked.head if isinstance(checked, Verified) else "",
        audit_verified=verified,
        records_astray=astray,
        audit_seal=checked.seal if isinstance(checked, Verified) else None,
        written_at=now,
    )


def _outcome(state: Fold, back: TakenBack | None) -> Outcome:
    if back is not None and back.done:
        return "rolled_back"
    return OUTCOMES[state.outcome.outcome] if state.outcome else "running"


def _side(side: plans.Side) -> Side:
    return Side(
        version=side.build.version,
        digest=side.build.digest,
        deployment=side.deployment,
        place="blue" if side.slot is Slot.BLUE else "green",
    )


def _phase(phase: PlannedPhase, status: ReleaseStatus, plan: Plan, zero: datetime) -> PhaseFacts:
    keys = {item.key for item in plan.items if item.phase == phase.id}
    done = [each for each in status.items if each.key in keys and each.began and each.ended]
    first = min((each.began for each in done if each.began), default=None)
    last = max((each.ended for each in done if each.ended), default=None)
    return PhaseFacts(
        title=phase.title,
        planned_start=phase.at,
        planned_seconds=phase.budget,
        actual_start=None if first is None else (first - zero).total_seconds(),
        actual_seconds=None if first is None or last is None else (last - first).total_seconds(),
        attempts=max((each.attempts for each in done), default=0),
    )


def _item(item: ItemStatus, planned: float, zero: datetime) -> ItemFacts:
    known = item.state not in ("waiting", "running")
    took = (item.ended - item.began).total_seconds() if item.began and item.ended else None
    return ItemFacts(
        key=item.key,
        title=item.title,
        verdict=Verdict(item.state) if known else None,
        evidence=item.evidence,
        attempts=item.attempts,
        seconds=took,
        at=item.began,
        planned_start=planned,
        actual_start=(item.began - zero).total_seconds() if item.began else None,
    )


def _gates(plan: Plan, state: Fold, status: ReleaseStatus) -> tuple[GateFacts, ...]:
    """The gate's word on each soak, and on the watch."""
    judged = {each.key: each.judgement for each in status.items}
    watched = state.position.watched
    return (
        *(
            _gate(f"{soak.title} ({percent(share)} on next)", plan.gate, judged[item.key], soak)
            for item, soak, share in plans.stages(plan)
        ),
        _gate("Watch", plan.watch_gate, watched.judgement if watched else None),
    )


def _gate(name: str, gate: GateSpec, judgement: Judgement | None, soak: Soak | None = None) -> GateFacts:
    power, of = None, None
    if judgement is not None:
        arms = zip(gate.arms, judgement.arms, strict=False)
        of = next((reading for arm, reading in arms if of_requests(arm)), None)
    if judgement is not None and judgement.ticks and soak is not None and of is not None:
        served = of.next.samples + of.live.samples
        if served:
            seen = Traffic(
                per_second=served / judgement.ticks,
                share=of.next.samples / served,
                live_rate=of.live.rate or 0.0,
            )
            power = (
                table(gate, seen, max(soak.length, float(judgement.ticks))) if 0 < seen.share < 1 else None
            )
    return GateFacts(name=name, guarantee=guarantee(gate), judgement=judgement, power=power)


def _weights(state: Fold, plan: Plan, began: datetime, reversed_: TakenBack | None) -> tuple[WeightStep, ...]:
    shifts = {item.key: item.does.weight for item in plan.items if isinstance(item.does, Shift)}
    steps = [
        WeightStep(at=(record.got.ended - began).total_seconds(), weight=shifts[record.item])
        for record in state.records
        if record.item in shifts and record.got.passed
    ]
    back = state.position.taken_back
    if back is not None and back.passed and steps:
        steps.append(WeightStep(at=(back.ended - began).total_seconds(), weight=0.0))
    elif reversed_ is not None and reversed_.done and steps:
        steps.append(WeightStep(at=(reversed_.ended - began).total_seconds(), weight=0.0))
    return tuple(steps)


def _runs(plan: Plan, status: ReleaseStatus, live: Count | None, nxt: Count | None) -> tuple[RunsOf, ...]:
    """Only what was counted: the shift to next counted the runs in flight, the caller counts them now."""
    if live is None or nxt is None:
        return ()
    shifted: Sequence[ItemStatus] = [each for each in status.items if "runs_live" in each.facts]
    facts = shifted[0].facts if shifted else {}

    def of(side: plans.Side, name: str, count: Count) -> RunsOf:
        then = facts.get(name)
        return RunsOf(
            deployment=side.deployment,
            version=side.build.version,
            at_cutover=then if isinstance(then, int) else None,
            now=count.under_way,
            finished=count.finished,
        )

    return (of(plan.live, "runs_live", live), of(plan.next, "runs_next", nxt))


def _contracted(made: Contracted) -> str:
    return (
        f"schema {made.version}, by {made.person} at {made.ended:%Y-%m-%d %H:%M:%S} UTC; nothing leads back"
    )


def _figures(figures: Figures, records: Sequence[Record], *, back: bool) -> tuple[Figure, ...]:
    named = (
        ("Cutover", figures.cutover_seconds),
        ("Detected after", figures.detect_seconds),
        ("Traffic back after", figures.rollback_seconds),
        ("Writes paused for", figures.write_pause_seconds),
    )
    found = [Figure(name, spoken(value) or "0s") for name, value in named if value is not None]
    failed = figures.requests_failed_before_rollback
    if failed is not None and back:
        found.append(Figure("Requests failed on next before the rollback", f"{failed:,}"))
    found += [
        Figure("Contracted" if each.done else "Contract that failed", _contracted(each))
        for each in records
        if isinstance(each, Contracted)
    ]
    return tuple(found)
