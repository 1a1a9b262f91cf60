"""The situation is what a GO is judged by, read from the records at this moment."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from watership.errors import Unavailable
from watership.releases.order import Release
from watership.releases.readiness.go import Situation
from watership.releases.readiness.records import Records, lacking
from watership.releases.readiness.standing import standing

CriticalIncidents = Callable[[str], Awaitable[Sequence[str]]]
"""The open critical incidents that concern a release. Raises Unavailable."""


async def situation(
    release: Release, records: Records, incidents: CriticalIncidents | None, *, now: datetime
) -> Situation:
    """Everything that the conditions of a GO are judged by."""
    plan = release.plan
    there = await records.all(plan.release)
    return Situation(
        items=standing(plan.checklist, there, build=plan.next.build.digest, now=now),
        missing=lacking(plan, release.signoffs, there, now),
        records=tuple(there),
        critical=await _critical(incidents, plan.release),
    )


async def _critical(incidents: CriticalIncidents | None, release: str) -> tuple[str, ...] | None:
    if incidents is None:
        return None
    try:
        return tuple(await incidents(release))
    except Unavailable:
        return None
