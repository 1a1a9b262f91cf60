"""The judge works out the figures from the records of those who took part. It was not there itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from typing import Any

import msgspec

from watership.demo import expected
from watership.demo.figures import BrokenRelease, Figures, Kills
from watership.demo.oracle import Entered
from watership.demo.traffic.record import BOUNDS, AcceptedRun, Cell, Summary
from watership.durable.events import Entry, Finished, StepAnswered, StepDone, StepFailed
from watership.durable.run import Run
from watership.durable.states import RunState


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseRecord:
    """A release as the router and its audit log tell of it. None is what did not happen."""

    version: str
    deployment: str
    outcome: str
    reason: str = ""
    split_at: datetime | None = None
    """When the router first gave it weight."""
    full_at: datetime | None = None
    """When the router gave it everything."""
    drained_at: datetime | None = None
    decided_at: datetime | None = None
    """When taking it back was decided."""
    returned_at: datetime | None = None
    """When router and intake both gave it nothing again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """Everything that is on record. `versions`: deployment → version. `findings`: run → lines recorded."""

    traffic: Summary
    accepted: Sequence[AcceptedRun]
    runs: Mapping[str, Run]
    journals: Mapping[str, Sequence[Entry]]
    entered: Sequence[Entered]
    findings: Mapping[str, int]
    versions: Mapping[str, str]
    good: ReleaseRecord
    broken: ReleaseRecord
    audit_verified: bool
    report: str
    kills: Kills
    seed: int
    seconds: float


def judge(records: Records) -> Figures:
    """The figures. Whether they are as promised is `figures.promises`' to say."""
    good, broken = records.good, records.broken
    return Figures(
        requests_total=sum(cell.count for cell in records.traffic.cells),
        requests_on_next_before_promotion=_on_next(records.traffic.cells, good),
        requests_failed=sum(cell.count for cell in records.traffic.cells if _failed(cell, broken)),
        answers_wrong=len(records.traffic.wrong),
        split_observed=_split(records.traffic.cells, good),
        runs_accepted=len(records.accepted),
        runs_lost=len(lost(records)),
        runs_by_version=dict(sorted(_by_version(records).items())),
        steps_entered=len(records.entered),
        steps_repeated=len(repeated(records.entered, records.journals)),
        promoted=good.version if good.outcome == "promoted" else None,
        cutover_seconds=_between(good.split_at, good.drained_at or good.full_at),
        runs_in_flight_at_cutover=_in_flight(records, good.split_at),
        latency_p95_ms=_p95(records.traffic.cells),
        broken_release=_broken(records.traffic.cells, broken),
        audit_verified=records.audit_verified,
        report=records.report,
        kills=records.kills,
        seed=records.seed,
        seconds=round(records.seconds, 1),
        versions=dict(records.versions),
    )


def lost(records: Records) -> list[str]:
    """Accepted runs that did not end with the result that was worked out independently, each with the reason."""
    found = []
    for accepted in records.accepted:
        run = records.runs.get(accepted.run)
        reason = "it is not in the store" if run is None else _wrong(run, accepted, records)
        if reason is not None:
            found.append(f"{accepted.run} ({accepted.agent}): {reason}")
    return found


def _wrong(run: Run, accepted: AcceptedRun, records: Records) -> str | None:
    if run.state is not RunState.SUCCEEDED:
        why = f": {run.failure.kind}: {run.failure.message}" if run.failure else ""
        return f"it is {run.state}{why}"
    version = records.versions.get(run.deployment)
    if version is None:
        return f"its deployment {run.deployment} is unknown"
    wanted = expected.result(version, accepted.agent, accepted.input, granted=accepted.granted)
    got: Any = msgspec.json.decode(run.result)
    if got != wanted:
        return f"it ended with {got!r} instead of {wanted!r}"
    if accepted.agent == "register" and records.findings.get(accepted.run) != wanted["recorded"]:
        return f"its finding is recorded as {records.findings.get(accepted.run)}"
    return None


def repeated(entered: Iterable[Entered], journals: Mapping[str, Sequence[Entry]]) -> list[Entered]:
    """Bodies that were entered after their step's result had been journaled."""
    # In reverse, so that what stays in the table is the first settlement of each.
    settled = {
        (run, str(entry.event.key)): entry.at
        for run, entries in journals.items()
        for entry in reversed(entries)
        if _settles(entry)
    }
    return [
        each for each in entered if (at := settled.get((each.run, each.key))) is not None and each.at > at
    ]


def _settles(entry: Entry) -> bool:
    match entry.event:
        case StepDone() | StepFailed():
            return True
        case StepAnswered(decision=decision):
            return decision != "retry"
        case _:
            return False


def _failed(cell: Cell, broken: ReleaseRecord) -> bool:
    """Whether requests failed that should not: the broken release's own errors are its own."""
    return not 200 <= cell.status < 300 and not _own(cell, broken)


def _own(cell: Cell, broken: ReleaseRecord) -> bool:
    return cell.what == "fact" and cell.status == 500 and cell.deployment == broken.deployment


def _on_next(cells: Iterable[Cell], good: ReleaseRecord) -> int:
    """Good answers of the good release in whole seconds before it had all of the traffic."""
    if good.full_at is None:
        return 0
    end = int(good.full_at.timestamp())
    return sum(
        cell.count
        for cell in cells
        if cell.deployment == good.deployment and cell.second < end and 200 <= cell.status < 300
    )


def _split(cells: Iterable[Cell], good: ReleaseRecord) -> float | None:
    """The share of facts that the good release answered, in the whole seconds of the split."""
    if good.split_at is None or good.full_at is None:
        return None
    first, end = int(good.split_at.timestamp()) + 1, int(good.full_at.timestamp())
    counts = Counter[bool]()
    for cell in cells:
        if cell.what == "fact" and cell.version and first <= cell.second < end:
            counts[cell.version == good.version] += cell.count
    total = counts.total()
    return round(counts[True] / total, 4) if total else None


def _by_version(records: Records) -> Counter[str]:
    runs = (records.runs.get(each.run) for each in records.accepted)
    return Counter(records.versions.get(run.deployment, "unknown") for run in runs if run is not None)


def _in_flight(records: Records, at: datetime | None) -> int:
    """Accepted runs that had begun and not ended when the traffic began to move."""
    if at is None:
        return 0
    return sum(
        run.created_at <= at and (ended is None or ended > at)
        for each in records.accepted
        if (run := records.runs.get(each.run)) is not None
        for ended in (_ended(records.journals.get(each.run, ())),)
    )


def _ended(entries: Sequence[Entry]) -> datetime | None:
    return next((entry.at for entry in reversed(entries) if isinstance(entry.event, Finished)), None)


def _p95(cells: Iterable[Cell]) -> float | None:
    """The bound below which 95 of 100 good answers came, in milliseconds; None beyond the last bound."""
    counts = [
        sum(column) for column in zip(*(c.latencies for c in cells if 200 <= c.status < 300), strict=True)
    ]
    if not counts:
        return None
    reached = (i for i, below in enumerate(accumulate(counts)) if below >= 0.95 * sum(counts))
    place = next(reached)
    return 1000 * BOUNDS[place] if place < len(BOUNDS) else None


def _broken(cells: Sequence[Cell], broken: ReleaseRecord) -> BrokenRelease:
    served = [cell for cell in cells if cell.what == "fact" and cell.deployment == broken.deployment]
    return BrokenRelease(
        version=broken.version,
        outcome=broken.outcome,
        reason=broken.reason,
        requests_served=sum(cell.count for cell in served),
        requests_failed_before_rollback=sum(cell.count for cell in served if _own(cell, broken)),
        detect_seconds=_between(broken.split_at, broken.decided_at),
        rollback_seconds=_between(broken.decided_at, broken.returned_at),
    )


def _between(start: datetime | None, end: datetime | None) -> float | None:
    return None if start is None or end is None else round((end - start).total_seconds(), 3)
