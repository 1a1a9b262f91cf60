"""How a release's situation is found: by its plan, and from its start on by the controller's journal."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from watership.durable.clock import Clock
from watership.durable.codec import decode
from watership.durable.ids import RunId
from watership.durable.ports import Runs
from watership.releases.audit import Entry
from watership.releases.notices.messenger import Look
from watership.releases.notices.minute import LastMinute
from watership.releases.notices.notice import Incident
from watership.releases.notices.situation import Seat, Situation, planned, situation
from watership.releases.order import Release
from watership.releases.plan import Plan
from watership.releases.signoff import SignOff
from watership.releases.snapshots import Snapshots
from watership.releases.status import fold, journal, status

Pages = Callable[[], Sequence[Entry]]
"""The entries of the audit that people are paged for, or more."""
Incidents = Callable[[], Awaitable[tuple[Incident, ...]]]


def looking(
    plan: Plan,
    signoffs: tuple[SignOff, ...],
    *,
    runs: Runs,
    snapshots: Snapshots,
    clock: Clock,
    minute: LastMinute,
    pages: Pages,
    incidents: Incidents | None = None,
    team: tuple[Seat, ...] = (),
) -> Look:
    """What gives the situation at the moment it is called. `runs` are the controller's own."""

    async def look() -> Situation:
        run_id = RunId(plan.release)
        run = await runs.get(run_id)
        if run is None:
            return planned(plan, signoffs, clock.now(), team)
        release: Release = decode(run.input, Release)
        return situation(
            release,
            fold(await journal(runs, run_id), release),
            await status(runs, run_id, snapshots),
            clock.now(),
            minute=await minute.of(plan),
            audit=pages(),
            incidents=await incidents() if incidents is not None else (),
            team=team,
        )

    return look
