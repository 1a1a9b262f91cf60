"""The figures of a release: how long its cutover, its detection and its rollback took, by the records alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from watership.releases.auditing.audit import Plain
from watership.releases.book.runbook import Migrate, Shift
from watership.releases.facts import Record
from watership.releases.journal import Fold
from watership.releases.measurement import Measurement, number
from watership.releases.pause import measured_pause
from watership.releases.plan import Plan
from watership.releases.verdict import Verdict


class Figures(Struct, frozen=True, kw_only=True):
    """Measured times in seconds; None where it did not come to that, or is not known."""

    cutover_seconds: float | None = None
    """From the first shift's beginning until live was drained."""
    detect_seconds: float | None = None
    """From the first failed request on next to the decision."""
    rollback_seconds: float | None = None
    """From the decision until both planes read back."""
    requests_failed_before_rollback: int | None = None
    write_pause_seconds: float | None = None
    """For how long migrations had writes wait."""
    pause: str = ""
    """What that came to for clients, as the router counted; empty where nothing was measured."""


def figures(state: Fold, plan: Plan) -> Figures:
    """The measured times of a release."""
    back, retired = state.position.taken_back, state.position.retired
    decision = _decision(state.records)
    return Figures(
        cutover_seconds=_cutover(state.records, plan),
        detect_seconds=_detected(decision) if back is not None else None,
        rollback_seconds=number(back.facts, "seconds") if back is not None and back.passed else None,
        requests_failed_before_rollback=_failed(retired, decision),
        write_pause_seconds=number(_migrated(state.records, plan), "write_pause_seconds"),
        pause=measured_pause(_migrated(state.records, plan)),
    )


def _migrated(records: Sequence[Record], plan: Plan) -> Mapping[str, Plain]:
    """What the last attempt at the migrations told; one that found them done measured nothing."""
    migrates = {item.key for item in plan.items if isinstance(item.does, Migrate)}
    told = [record.got.facts for record in records if record.item in migrates]
    return told[-1] if told else {}


def _cutover(records: Sequence[Record], plan: Plan) -> float | None:
    """From the first shift until what followed the last one in its phase's drain was over."""
    shifts = {item.key for item in plan.items if isinstance(item.does, Shift)}
    full = {
        item.key
        for item in plan.items
        if isinstance(item.does, Shift) and round(100 * item.does.weight) == 100
    }
    drains = {item.key for item in plan.items if item.does.__struct_config__.tag == "drain"}
    began = [record.got.began for record in records if record.item in shifts]
    ended = [record.got.ended for record in records if record.item in full | drains and record.got.passed]
    return (ended[-1] - began[0]).total_seconds() if began and ended else None


def _decision(records: Sequence[Record]) -> Measurement | None:
    """The vigil that led to the rollback, if one did."""
    vigils = [record.got for record in records if record.got.judgement is not None]
    return vigils[-1] if vigils and vigils[-1].verdict is not Verdict.PASSED else None


def _detected(decision: Measurement | None) -> float | None:
    first = number(decision.facts, "first_error") if decision is not None else None
    return None if first is None or decision is None else decision.ended.timestamp() - first


def _failed(retired: Measurement | None, decision: Measurement | None) -> int | None:
    for got, name in ((retired, "failed_requests"), (decision, "errors")):
        found = number(got.facts, name) if got is not None else None
        if found is not None:
            return round(found)
    return None
