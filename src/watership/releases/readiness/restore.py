"""A drill of backup-restore: take a backup, restore it elsewhere, and measure how long that took and what was lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import datetime
from typing import Final, Protocol

from msgspec import Struct

from watership.durable.clock import Clock
from watership.errors import Unavailable, WatershipError
from watership.releases.auditing.audit import Plain
from watership.releases.book.quantity import spoken
from watership.releases.ports import Backup
from watership.releases.readiness.drill import Drill, Step

RTO: Final = 30 * 60.0
RPO: Final = 5 * 60.0
"""Seconds that the runbook allows: until the data is back, and of the past that is lost with it."""

BEAT: Final = 0.1
"""Seconds between two heartbeats: the grain of what is measured as lost."""

HEARTBEAT: Final = "watership_heartbeat"
"""The table that the heartbeat is written to while a drill goes on; it is dropped at its end."""

WORDS: Final = 2_000
"""Characters of a failure that a record takes."""


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


class Heartbeat(Protocol):
    """A row in the live database that says when it was last written."""

    async def begin(self) -> None:
        """Make a place for the row. Raises Conflict when there is one: another drill goes on, or was killed."""

    async def beat(self, at: datetime) -> None: ...

    async def end(self) -> None:
        """Take the place away."""


class Limits(Struct, frozen=True, kw_only=True):
    """What a restore may take, and what may be lost with it, in seconds."""

    rto: float = RTO
    rpo: float = RPO


USUAL: Final = Limits()


class _Course:
    """A drill as it goes: its steps so far."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.steps: list[Step] = []

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Measure a step. What fails in it is on record, and ends what comes after it."""
        began = self.clock.monotonic()
        try:
            yield
        except WatershipError as error:
            self.add(name, self.clock.monotonic() - began, str(error))
            raise
        self.add(name, self.clock.monotonic() - began)

    def add(self, name: str, seconds: float, wrong: str = "") -> None:
        self.steps.append(Step(name=name, seconds=round(seconds, 3), passed=not wrong, words=wrong[:WORDS]))


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
    course, began, start = _Course(clock), clock.now(), clock.monotonic()
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
            rpo = _lost(of.taken_at if of else restored.beat, loss)
    wrong = _wrong(course.steps, rto, rpo, limits)
    return Drill(
        kind="backup-restore",
        environment=environment,
        began=began,
        ended=clock.now(),
        seconds=round(clock.monotonic() - start, 3),
        outcome="failed" if wrong else "passed",
        steps=tuple(course.steps),
        by=by,
        rto_seconds=rto,
        rpo_seconds=rpo,
        words="; ".join(wrong)[:WORDS],
        facts=_facts(backup, "snapshot" if of else "heartbeat") if backup else {},
    )


def _facts(backup: Backup, rpo_by: str) -> dict[str, Plain]:
    return {"backup": backup.id, "sha256": backup.sha256, "rpo_by": rpo_by}


async def _taken(course: _Course, backups: Recovery, heartbeat: Heartbeat) -> Backup:
    """A backup of a database that is written to all the while."""
    with course.step("heartbeat"):
        await heartbeat.begin()
    try:
        with course.step("backup"):
            await heartbeat.beat(course.clock.now())
            async with _beating(heartbeat, course.clock):
                return await backups.create("drill")
    finally:
        # The place of the row is ours to take away; what hinders that is on record by itself.
        with course.step("heartbeat taken away"):
            await heartbeat.end()


@asynccontextmanager
async def _beating(heartbeat: Heartbeat, clock: Clock) -> AsyncIterator[None]:
    async def beats() -> None:
        while True:
            await clock.sleep(BEAT)
            # What the database did not take is no change, so it cannot be lost.
            with suppress(Unavailable):
                await heartbeat.beat(clock.now())

    task = asyncio.create_task(beats())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _restored(course: _Course, backups: Recovery, backup: Backup) -> Restored:
    began = course.clock.monotonic()
    try:
        restored = await backups.restored(backup)
    except WatershipError as error:
        course.add("restore", course.clock.monotonic() - began, str(error))
        raise
    course.add("restore", restored.restore_seconds)
    course.add("compare", restored.compare_seconds, "; ".join(restored.wrong))
    return restored


def _lost(last: datetime | None, loss: datetime) -> float | None:
    """Seconds of the past that the copy does not have; None when the copy does not tell, or a clock was set back."""
    if last is None or last > loss:
        return None
    return round((loss - last).total_seconds(), 3)


def _wrong(steps: Sequence[Step], rto: float | None, rpo: float | None, limits: Limits) -> list[str]:
    if failed := [f"{step.name}: {step.words}" for step in steps if not step.passed]:
        return failed
    wrong = []
    for name, took, most in (("RTO", rto, limits.rto), ("RPO", rpo, limits.rpo)):
        if took is None:
            wrong.append(f"the {name} was not measured")
        elif took > most:
            wrong.append(f"the {name} is {spoken(took)}; {spoken(most)} is allowed")
    return wrong
