"""The figures of a demo, as they are printed; and the promises, which say what each of them must be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec


class BrokenRelease(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the release that had a fault.

    `detect_seconds`: from its first live request to the decision. `rollback_seconds`: from the decision until the
    router and the intake both gave it nothing.
    """

    version: str
    outcome: str
    reason: str
    requests_served: int
    requests_failed_before_rollback: int
    detect_seconds: float | None
    rollback_seconds: float | None


class Kills(msgspec.Struct, frozen=True, kw_only=True):
    """SIGKILLs: of workers that held a leased run, and of controllers in phases 2 to 5."""

    workers: int = 0
    controller: int = 0


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """Computed from what the traffic, the oracle, the store, the router and the audit log have on record."""

    requests_total: int
    requests_on_next_before_promotion: int
    requests_failed: int
    answers_wrong: int
    split_observed: float | None
    runs_accepted: int
    runs_lost: int
    runs_by_version: dict[str, int]
    steps_entered: int
    steps_repeated: int
    promoted: str | None
    cutover_seconds: float | None
    runs_in_flight_at_cutover: int
    latency_p95_ms: float | None
    broken_release: BrokenRelease
    audit_verified: bool
    report: str
    kills: Kills
    seed: int
    seconds: float
    versions: dict[str, str]
    promises_broken: tuple[str, ...] = ()
    kept: str = ""
    """The folder with all logs and stores, where it was kept: as asked for, or because a promise was broken."""


class Promise(msgspec.Struct, frozen=True):
    """A sentence about a figure, and whether it is true. `always`: also of a demo too short for volumes."""

    words: str
    kept: bool
    always: bool = True


def promises(figures: Figures, *, chaos: bool) -> Iterator[Promise]:
    """Everything that the demo promises, with whether it was kept."""
    broken = figures.broken_release
    yield Promise("no request failed", figures.requests_failed == 0)
    yield Promise("no answer was wrong", figures.answers_wrong == 0)
    yield Promise("no accepted run was lost", figures.runs_accepted > 0 and figures.runs_lost == 0)
    yield Promise(
        "no step was entered again after its result", figures.steps_entered > 0 and not figures.steps_repeated
    )
    yield Promise("the good release was promoted", figures.promoted is not None)
    yield Promise("the broken release was rolled back", broken.outcome == "rolled_back")
    yield Promise("the broken release was seen failing", broken.requests_failed_before_rollback > 0)
    yield Promise("the rollback took less than 5 s", within(broken.rollback_seconds, 0, 5))
    yield Promise("the audit log is whole", figures.audit_verified)
    yield Promise("the release has a report", bool(figures.report))
    yield Promise("the split was within 3 points of 50 %", within(figures.split_observed, 0.47, 0.53), False)
    yield Promise("12,000 requests were made", figures.requests_total >= 12_000, False)
    yield Promise(
        "3,000 requests were answered by next before its promotion",
        figures.requests_on_next_before_promotion >= 3_000,
        False,
    )
    yield Promise("300 runs were accepted", figures.runs_accepted >= 300, False)
    yield Promise("20 runs were in flight at the cutover", figures.runs_in_flight_at_cutover >= 20, False)
    if chaos:
        yield Promise("3 workers were killed with a run in hand", figures.kills.workers >= 3, False)
        yield Promise("the controller was killed twice", figures.kills.controller >= 2, False)


def within(value: float | None, low: float, high: float) -> bool:
    """Whether a figure is known and within its bounds: what is not known is not within any."""
    return value is not None and low <= value <= high


Verdict = Literal["kept", "broken", "not promised"]


def verdict(promise: Promise, *, whole: bool) -> Verdict:
    """A demo too short for its volumes promises none of them."""
    if promise.kept:
        return "kept"
    return "broken" if promise.always or whole else "not promised"
