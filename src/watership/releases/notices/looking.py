"""How a release's situation is found: by its plan, and from its start on by the controller's journal."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from watership.durable.clock import Clock
from watership.durable.codec import decode
from watership.durable.ids import RunId
from watership.durable.ports import Runs
from watership.errors import Untrusted
from watership.releases.auditing.audit import Entry
from watership.releases.incidents.incident import Incidents
from watership.releases.journal import fold, journal
from watership.releases.notices.messenger import Look
from watership.releases.notices.minute import LastMinute
from watership.releases.notices.situation import Situation, planned, situation
from watership.releases.notices.trouble import told_of
from watership.releases.order import Release
from watership.releases.plan import Plan
from watership.releases.readiness.go import decision
from watership.releases.readiness.records import Records, standing_signoffs
from watership.releases.readiness.standing import standing
from watership.releases.snapshots import Snapshots
from watership.releases.status import status

Pages = Callable[[], Sequence[Entry]]
"""The entries of the audit that people are paged for, or more."""


def looking(
    plan: Plan,
    *,
    runs: Runs,
    records: Records,
    snapshots: Snapshots,
    incidents: Incidents,
    clock: Clock,
    minute: LastMinute,
    pages: Pages,
) -> Look:
    """What gives the situation at the moment it is called. `runs` are the controller's own."""

    async def look() -> Situation:
        run_id = RunId(plan.release)
        run = await runs.get(run_id)
        try:
            kept = await records.all(plan.release)
        except Untrusted:
            if run is None:
                raise
            # People hear of a release under way whatever became of its records, which count for nothing now.
            kept, trusted = (), False
        else:
            trusted = True
        if run is None:
            return planned(plan, standing_signoffs((), kept), clock.now(), decision(plan, kept))
        release: Release = decode(run.input, Release)
        return situation(
            release,
            fold(await journal(runs, run_id), release),
            await status(runs, run_id, snapshots),
            clock.now(),
            signoffs=standing_signoffs(release.signoffs, kept),
            made=decision(plan, kept),
            minute=await minute.of(plan),
            audit=pages(),
            incidents=told_of(await incidents.all(), plan.release),
            items=standing(
                plan.checklist,
                kept,
                build=plan.next.build.digest,
                now=clock.now(),
                zero=release.zero,
                factor=plan.overrides.clock_factor,
            )
            if trusted
            else (),
        )

    return look
