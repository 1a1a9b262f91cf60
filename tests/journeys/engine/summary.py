"""What came of a campaign, as figures, and whether it is as promised."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tests.journeys.engine.crew import Crew
from tests.journeys.engine.history import History, Judgement
from tests.journeys.engine.load import Record

DRIFT_SECONDS = 0.05
"""The wall clock and the clock since boot must agree so well from begin to end, or no times can be compared."""

SHOWN = 50
"""Findings of a summary; all of them lie in the campaign's folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """What those who took part have written down. `wanted`: runs that had to be accepted."""

    seed: int
    wanted: int
    load: Record
    crew: Crew
    struck: Counter[str]
    unseen: Sequence[str]
    quiet: float | None
    drift: float
    folder: Path


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """`broken`: promises that were not kept, in words; none in a good campaign. `bound_95`: 3/n."""

    broken: list[str]
    seed: int
    seconds: float
    accepted: int
    answers_unclear: int
    in_store: int
    ended_by_state: dict[str, int]
    steps_entered: int
    lost: int
    re_entered: int
    stale_writes_accepted: int
    stale_writes_refused: int
    other_findings: int
    residue: int
    bound_95: float | None
    faults: dict[str, int]
    kills: int
    freezes: int
    processes_started: int
    starts_refused: int
    quiet_seconds: float | None
    answers: dict[str, int]
    folder: str


def summed_up(records: Records, history: History, judgement: Judgement, seconds: float) -> Summary:
    """The figures; the findings in full go to the campaign's folder."""
    (records.folder / "findings.json").write_bytes(msgspec.json.encode(judgement.findings))
    by_kind = Counter(finding.kind for finding in judgement.findings)
    named = ("lost", "re-entered", "stale write")
    return Summary(
        broken=list(_broken(records, judgement)),
        seed=records.seed,
        seconds=round(seconds, 1),
        accepted=len(history.accepted),
        answers_unclear=sum(each.unclear for each in history.accepted),
        in_store=len(history.runs),
        ended_by_state=dict(sorted(Counter(str(run.state) for run in history.runs.values()).items())),
        steps_entered=len(history.entered),
        lost=by_kind["lost"],
        re_entered=by_kind["re-entered"],
        stale_writes_accepted=by_kind["stale write"],
        stale_writes_refused=_refused(records.folder),
        other_findings=sum(count for kind, count in by_kind.items() if kind not in named),
        residue=len(judgement.residue),
        bound_95=judgement.bound,
        faults=dict(sorted(records.struck.items())),
        kills=records.crew.kills,
        freezes=len(records.crew.frozen),
        processes_started=sum(role.starts for role in records.crew.roles),
        starts_refused=records.crew.starts_refused,
        quiet_seconds=None if records.quiet is None else round(records.quiet, 1),
        answers=dict(records.load.answers),
        folder=str(records.folder),
    )


def _broken(records: Records, judgement: Judgement) -> Sequence[str]:
    said = [f"{each.kind}: {each.run} {each.words}".rstrip() for each in judgement.findings[:SHOWN]]
    if len(judgement.findings) > SHOWN:
        said.append(f"… and {len(judgement.findings) - SHOWN} findings more, in findings.json")
    said += [f"not seen: {name}" for name in records.unseen]
    said += [
        f"{each.name} ended by itself ({each.code}): {each.words[-800:]}" for each in records.crew.deaths
    ]
    said += [f"no correct answer: {words}" for words in records.load.refused]
    if records.quiet is None:
        said.append("not everything had ended when the quiet was over")
    if len(records.load.accepted) < records.wanted:
        said.append(f"{len(records.load.accepted)} of {records.wanted} runs were accepted")
    if records.drift > DRIFT_SECONDS:
        said.append(f"the wall clock moved by {records.drift:.3f} s: its times cannot be compared")
    return said


def _refused(folder: Path) -> int:
    """Refusals of stale writes that the processes have logged; /metrics forgets with each life."""
    words = b'"event": "run fenced"'
    return sum(log.read_bytes().count(words) for log in folder.glob("*.log"))


def told(summary: Summary) -> str:
    """For people."""
    lines = [
        f"seed {summary.seed}: {summary.accepted:,} runs accepted ({summary.in_store:,} in the store) in "
        f"{summary.seconds:.0f} s, {summary.steps_entered:,} steps entered",
        f"  lost {summary.lost}, steps re-entered {summary.re_entered} (residue {summary.residue}), "
        f"stale writes accepted {summary.stale_writes_accepted}, refused {summary.stale_writes_refused}",
        f"  {sum(summary.faults.values())} faults of {len(summary.faults)} kinds; "
        f"{summary.processes_started} processes were started; quiet after {summary.quiet_seconds} s",
    ]
    if summary.bound_95 is not None:
        lines.append(f"  none in n shows, with 95 % confidence, a rate below 3/n = {summary.bound_95:.1e}")
    return "\n".join([*lines, *(f"  BROKEN {words}" for words in summary.broken)])
