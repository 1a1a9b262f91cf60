"""A drill of backup-restore: take a backup, restore it elsewhere, and measure how long that took and what was lost."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from watership.durable.clock import Clock
from watership.errors import WatershipError
from watership.releases.auditing.audit import Plain
from watership.releases.ports import Backup
from watership.releases.readiness.course import USUAL, Course, Heartbeat, Limits, beating, judged, lost
from watership.releases.readiness.drill import Drill


class Restored(Struct, frozen=True, kw_only=True):
    """What came of a backup that was restored elsewhere. `beat`: the newest heartbeat that the restored copy has."""

    wrong: Sequence[str]
    restore_seconds: float
    compare_seconds: float
    beat: datetime | None


class Recovery(Protocol):
    """Backups that can be restored elsewhere, and measured at it."""

    async def create(self, name: str) -> Backup: ...

    async def restored(self, backup: Backup) -> Restored:
        """Restore it elsewhere, compare, and leave nothing behind. Raises where it could not be restored."""


async def hold(
    backups: Recovery,
    heartbeat: Heartbeat,
    clock: Clock,
    *,
    environment: str,
    by: str,
    limits: Limits = USUAL,
    of: Backup | None = None,
) -> Drill:
    """Hold the drill; its record, whatever came of it.

    The loss is taken to come right after the backup that is taken for it. RTO: from there until the restored copy was
    compared. RPO: from the newest heartbeat that the copy has until there. With a backup `of` before the loss comes
    now, and the RPO is from the moment that the backup shows.
    """
    course = Course(clock)
    backup = of
    rto: float | None = None
    rpo: float | None = None
    with suppress(WatershipError):
        if backup is None:
            backup = await _taken(course, backups, heartbeat)
        loss, since = clock.now(), clock.monotonic()
        restored = await _restored(course, backups, backup)
        if not restored.wrong:
            rto = round(clock.monotonic() - since, 3)
            rpo = lost(of.taken_at if of else restored.beat, loss)
    wrong = judged(course.steps, rto, rpo, limits)
    facts = _facts(backup, "snapshot" if of else "heartbeat") if backup else {}
    return course.record(
        "backup-restore", environment=environment, by=by, rto=rto, rpo=rpo, wrong=wrong, facts=facts
    )


def _facts(backup: Backup, rpo_by: str) -> dict[str, Plain]:
    return {"backup": backup.id, "sha256": backup.sha256, "rpo_by": rpo_by, "method": "copy"}


async def _taken(course: Course, backups: Recovery, heartbeat: Heartbeat) -> Backup:
    """A backup of a database that is written to all the while."""
    with course.step("heartbeat"):
        await heartbeat.begin()
    try:
        with course.step("backup"):
            await heartbeat.beat(course.clock.now())
            async with beating(heartbeat, course.clock):
                return await backups.create("drill")
    finally:
        # The place of the row is ours to take away; what hinders that is on record by itself.
        with course.step("heartbeat taken away"):
            await heartbeat.end()


async def _restored(course: Course, backups: Recovery, backup: Backup) -> Restored:
    began = course.clock.monotonic()
    try:
        restored = await backups.restored(backup)
    except WatershipError as error:
        course.add("restore", course.clock.monotonic() - began, str(error))
        raise
    course.add("restore", restored.restore_seconds)
    course.add("compare", restored.compare_seconds, "; ".join(restored.wrong))
    return restored
