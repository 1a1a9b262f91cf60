"""A drill with an archive of the log: restore to a point that was marked, and from there to the last that was kept."""

from __future__ import annotations

from contextlib import suppress
from typing import Final, Protocol

from watership.durable.clock import Clock
from watership.errors import WatershipError
from watership.releases.auditing.audit import Plain
from watership.releases.ports import Backup
from watership.releases.readiness.course import USUAL, Course, Heartbeat, Limits, beating, judged, lost
from watership.releases.readiness.drill import Drill
from watership.releases.readiness.restore import Restored

METHOD: Final = "archive"
"""What a record says of a drill with more than copies."""

LOSS_AFTER: Final = 60.0
"""Seconds from the mark to the loss unless it is said otherwise: right after it nothing would be lost with the log."""


class Recovered(Restored, frozen=True, kw_only=True):
    """What came of a backup that was restored to its point, compared there, and replayed to the end of the log."""

    replay_seconds: float
    tail_seconds: float


class Archive(Protocol):
    """Backups of a server with an archive of its log."""

    async def base(self) -> str:
        """Take a backup of the whole server; its label."""

    async def point(self, name: str, label: str) -> Backup:
        """Mark a restore point after that backup, and put on record what is there."""

    async def again(self, name: str, backup: Backup) -> Backup:
        """Mark a restore point now, which is reached from a backup that is there."""

    async def edge(self) -> str:
        """The last piece of the log that is kept."""

    async def recovered(self, backup: Backup, edge: str) -> Recovered:
        """Restore it elsewhere to its point, compare, replay on to `edge`, and leave nothing behind."""


async def hold(
    archive: Archive,
    heartbeat: Heartbeat,
    clock: Clock,
    *,
    environment: str,
    by: str,
    limits: Limits = USUAL,
    of: Backup | None = None,
    loss_after: float = LOSS_AFTER,
) -> Drill:
    """Hold the drill; its record, whatever came of it. With a backup `of` before, that is what it starts from.

    The database is written to until the loss, which comes `loss_after` seconds after the point was marked. What the
    archive has of the log then is all that there is. RTO: from the loss until the copy was compared at the point, and
    had replayed the rest. RPO: from the newest heartbeat that the copy has then until the loss.
    """
    course = Course(clock)
    facts: dict[str, Plain] = {"rpo_by": "heartbeat", "method": METHOD}
    rto: float | None = None
    rpo: float | None = None
    with suppress(WatershipError):
        with course.step("heartbeat"):
            await heartbeat.begin()
        try:
            await heartbeat.beat(clock.now())
            async with beating(heartbeat, clock):
                point = await _marked(course, archive, of)
                backup = of or point
                facts |= {"backup": backup.id, "sha256": backup.sha256, "point": point.id}
                await clock.sleep(loss_after)
            loss, since = clock.now(), clock.monotonic()
            facts |= {"edge": await archive.edge()}
            recovered = await _recovered(course, archive, point, str(facts["edge"]))
            if not recovered.wrong:
                rto = round(clock.monotonic() - since, 3)
                rpo = lost(recovered.beat, loss)
        finally:
            with course.step("heartbeat taken away"):
                await heartbeat.end()
    wrong = judged(course.steps, rto, rpo, limits)
    return course.record(
        "backup-restore", environment=environment, by=by, rto=rto, rpo=rpo, wrong=wrong, facts=facts
    )


async def _marked(course: Course, archive: Archive, of: Backup | None) -> Backup:
    if of is not None:
        with course.step("restore point"):
            return await archive.again("drill", of)
    with course.step("backup"):
        label = await archive.base()
    with course.step("restore point"):
        return await archive.point("drill", label)


async def _recovered(course: Course, archive: Archive, backup: Backup, edge: str) -> Recovered:
    began = course.clock.monotonic()
    try:
        recovered = await archive.recovered(backup, edge)
    except WatershipError as error:
        course.add("restore", course.clock.monotonic() - began, str(error))
        raise
    course.add("restore", recovered.restore_seconds)
    course.add("replay", recovered.replay_seconds)
    course.add("compare", recovered.compare_seconds, "; ".join(recovered.wrong))
    course.add("replay to the loss", recovered.tail_seconds)
    return recovered
