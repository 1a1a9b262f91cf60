"""The course of a drill: its steps one after another, a heartbeat that tells what was lost, and what is allowed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import datetime
from typing import Final, Protocol

from msgspec import Struct

from watership.durable.clock import Clock
from watership.errors import Unavailable, WatershipError
from watership.releases.auditing.audit import Plain
from watership.releases.book.quantity import spoken
from watership.releases.readiness.drill import Drill, Kind, Step

RTO: Final = 30 * 60.0
RPO: Final = 5 * 60.0
"""Seconds that the runbook allows: until the data is back, and of the past that is lost with it."""

BEAT: Final = 0.1
"""Seconds between two heartbeats: the grain of what is measured as lost."""

HEARTBEAT: Final = "watership_heartbeat"
"""The table that the heartbeat is written to while a drill goes on; it is dropped at its end."""

WORDS: Final = 2_000
"""Characters of a failure that a record takes."""


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


class Course:
    """A drill as it goes: its steps so far."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.began = clock.now()
        self.steps: list[Step] = []
        self._start = clock.monotonic()

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

    def record(
        self,
        kind: Kind,
        *,
        environment: str,
        by: str,
        rto: float | None,
        rpo: float | None,
        wrong: Sequence[str],
        facts: Mapping[str, Plain],
    ) -> Drill:
        """What came of all of it, which ends now; `wrong` is what it failed for, in words."""
        return Drill(
            kind=kind,
            environment=environment,
            began=self.began,
            ended=self.clock.now(),
            seconds=round(self.clock.monotonic() - self._start, 3),
            outcome="failed" if wrong else "passed",
            steps=tuple(self.steps),
            by=by,
            rto_seconds=rto,
            rpo_seconds=rpo,
            words="; ".join(wrong)[:WORDS],
            facts=dict(facts),
        )


@asynccontextmanager
async def beating(heartbeat: Heartbeat, clock: Clock) -> AsyncIterator[None]:
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


def lost(last: datetime | None, loss: datetime) -> float | None:
    """Seconds of the past that the copy does not have; None when the copy does not tell, or a clock was set back."""
    if last is None or last > loss:
        return None
    return round((loss - last).total_seconds(), 3)


def judged(steps: Sequence[Step], rto: float | None, rpo: float | None, limits: Limits) -> list[str]:
    if failed := [f"{step.name}: {step.words}" for step in steps if not step.passed]:
        return failed
    wrong = []
    for name, took, most in (("RTO", rto, limits.rto), ("RPO", rpo, limits.rpo)):
        if took is None:
            wrong.append(f"the {name} was not measured")
        elif took > most:
            wrong.append(f"the {name} is {spoken(took)}; {spoken(most)} is allowed")
    return wrong
