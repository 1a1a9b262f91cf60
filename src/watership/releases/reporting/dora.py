"""The four figures of delivery (DORA), from the releases of this environment: each with its definition and its sample.

What no release has a datum for is unknown; a rate is told only over a week or more, since a shorter time says nothing
of a week.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from statistics import median
from typing import Final

from msgspec import Struct

from watership.releases.book.quantity import percent, spoken
from watership.releases.figures import figures
from watership.releases.journal import Fold, promoted_at
from watership.releases.order import Release
from watership.releases.readiness.records import TakenBack
from watership.releases.reporting.report import DoraFacts

WINDOW: Final = timedelta(days=90)
"""Releases that began earlier say little of how one delivers today."""

WEEK: Final = timedelta(days=7)

MOST: Final = 200
"""Releases whose journals are read, the newest: some seconds' work at most."""


class Past(Struct, frozen=True, kw_only=True):
    """What a release gives to the figures. None: it did not come to that, or nobody knows."""

    began: datetime
    ended: bool
    served: bool = False
    """Next was given traffic."""
    taken_back: bool | None = False
    """None: its records cannot be trusted, so nobody knows what became of it after its end."""
    promoted_at: datetime | None = None
    committed_at: datetime | None = None
    restore_seconds: float | None = None
    """From the first failed request on next until both planes gave it nothing."""


def past(release: Release, state: Fold, back: TakenBack | None = None, *, sure: bool = True) -> Past | None:
    """What a folded journal gives; None of a release that has not begun.

    `back`: what its records say of a rollback without a controller, if they can be trusted (`sure`).
    """
    if state.began is None:
        return None
    reversed_ = back is not None and back.done
    rolled_back = state.outcome is not None and state.outcome.outcome == "rolled_back"
    return Past(
        began=state.began,
        ended=state.outcome is not None or reversed_,
        served=state.position.moved,
        taken_back=rolled_back or reversed_ or (False if sure else None),
        promoted_at=promoted_at(state),
        committed_at=release.plan.committed_at,
        restore_seconds=_restored(state, release),
    )


def _restored(state: Fold, release: Release) -> float | None:
    found = figures(state, release.plan)
    if found.detect_seconds is None or found.rollback_seconds is None:
        return None
    return found.detect_seconds + found.rollback_seconds


def dora(releases: Sequence[Past], now: datetime) -> tuple[DoraFacts, ...]:
    """The four figures over what began within the window before `now`."""
    known = [each for each in releases if now - each.began <= WINDOW]
    kept = [each for each in known if each.promoted_at is not None and each.taken_back is False]
    failed = [each for each in known if each.ended and each.served and each.taken_back]
    served = [each for each in known if each.ended and each.served and each.taken_back is not None]
    return (
        _frequency(known, kept, now),
        _median(
            "Lead time for changes",
            "Median time from the newest commit of a build, as its build.toml states it, to its promotion.",
            [
                (each.promoted_at - each.committed_at).total_seconds()
                for each in kept
                if each.promoted_at is not None and each.committed_at is not None
            ],
            len(kept),
        ),
        DoraFacts(
            name="Change failure rate",
            definition="Of the releases that were given traffic and have ended, the share that was taken back.",
            value=f"{percent(len(failed) / len(served))}: {len(failed)} of {len(served)}" if served else None,
            samples=len(served),
            of=len(known),
        ),
        _median(
            "Time to restore",
            "Median time, where a release was taken back under traffic, from the first failed request on the new "
            "version until both planes gave it nothing.",
            [each.restore_seconds for each in failed if each.restore_seconds is not None],
            len(failed),
        ),
    )


def _frequency(known: Sequence[Past], kept: Sequence[Past], now: datetime) -> DoraFacts:
    since = now - min((each.began for each in known), default=now)
    sure = [each for each in known if each.taken_back is not None]
    rate = f", {len(kept) / (since / WEEK):.2g} a week" if since >= WEEK else ""
    return DoraFacts(
        name="Deployment frequency",
        definition="Releases that were promoted and kept, since the first that is known: "
        f"at most {WINDOW.days} days ago, and of the last {MOST}.",
        value=f"{len(kept)} in {spoken(since.total_seconds()) or '0s'}{rate}" if sure else None,
        samples=len(sure),
        of=len(known),
    )


def _median(name: str, definition: str, seconds: Sequence[float], of: int) -> DoraFacts:
    value = (spoken(median(seconds)) or "0s") if seconds else None
    return DoraFacts(name=name, definition=definition, value=value, samples=len(seconds), of=of)
