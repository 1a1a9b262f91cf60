"""A drill of the failover: the primary is lost under writes, the standby takes them, and what is missing is counted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from statistics import median
from typing import Final, Literal, Protocol

from msgspec import Struct

from watership.durable.clock import Clock
from watership.errors import Conflict, Unavailable, WatershipError
from watership.releases.auditing.audit import Plain
from watership.releases.book.quantity import spoken
from watership.releases.readiness.course import RPO, Course, lost
from watership.releases.readiness.drill import Drill

FAILOVER: Final = 5 * 60.0
LAG: Final = 0.1
"""Seconds that the runbook allows: until writes are taken again, and that the standby is behind before it."""

BEAT: Final = 0.05
"""Seconds between two heartbeats: the grain of what is measured."""

LOOKS: Final = 5
"""How often the lag is measured; the median counts."""

LOOK: Final = 0.005
"""Seconds between two looks at the standby: the grain of the lag."""

SEEN_SECONDS: Final = 30.0
"""How long a heartbeat may take to the standby before it is taken for none."""

BEFORE_LOSS: Final = 1.0
"""Seconds of writing before the primary is lost."""

BEYOND: Final = 30.0
"""Seconds past what is allowed that are waited for writes: by then it has failed, and how badly is known."""

Method = Literal["pair", "private"]


class Bounds(Struct, frozen=True, kw_only=True):
    """What a failover may take, what may be lost with it, and how far the standby may be behind, in seconds."""

    failover: float = FAILOVER
    rpo: float = RPO
    lag: float = LAG


USUAL: Final = Bounds()


class Survived(Struct, frozen=True, kw_only=True):
    """Which heartbeats are there, and from when each is."""

    beats: dict[int, datetime]


class Pair(Protocol):
    """A primary and its standby, and a client that has the address of both."""

    async def begin(self) -> None:
        """Make a place for heartbeats. Raises Conflict for what is no pair, and where another drill goes on."""

    async def beat(self, number: int, at: datetime) -> None:
        """Write to whichever of both takes writes. Raises Unavailable; then it is not known whether it was taken."""

    async def seen(self, number: int) -> bool:
        """Whether the standby shows that heartbeat."""

    async def lose(self) -> None:
        """Take the primary away, and see that it answers no more. Raises Conflict where it does: promote nothing."""

    async def promote(self) -> None:
        """Make the standby the primary, where it is not to become that by itself."""

    async def survived(self) -> Survived: ...

    async def differences(self) -> Sequence[str]:
        """How the tables differ from what the primary had, the heartbeats apart, as far as that is known."""

    async def end(self) -> None:
        """Take the place of the heartbeats away, wherever it can be written."""


class _Writer:
    """A client that writes all the while, and knows what it was told is kept."""

    def __init__(self, pair: Pair, clock: Clock) -> None:
        self._pair = pair
        self._clock = clock
        self._number = 0
        self.kept: dict[int, datetime] = {}
        self.first_after: float | None = None
        self._lost = False
        self._last: Unavailable | None = None

    async def write(self) -> int | None:
        """One heartbeat; its number when it is kept."""
        self._number += 1
        number, at, after = self._number, self._clock.now(), self._lost
        try:
            await self._pair.beat(number, at)
        except Unavailable as error:
            self._last = error
            return None
        if not after:
            self.kept[number] = at
        elif self.first_after is None:
            self.first_after = self._clock.monotonic()
        return number

    def is_lost(self) -> None:
        """From now on what is taken is taken by the other one."""
        self._lost = True

    @property
    def last_words(self) -> str:
        return str(self._last or "")

    @asynccontextmanager
    async def going_on(self) -> AsyncIterator[asyncio.Task[None]]:
        async def beats() -> None:
            while True:
                await self.write()
                await self._clock.sleep(BEAT)

        task = asyncio.create_task(beats())
        try:
            yield task
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def hold(
    pair: Pair,
    clock: Clock,
    *,
    environment: str,
    by: str,
    method: Method,
    bounds: Bounds = USUAL,
) -> Drill:
    """Hold the drill; its record, whatever came of it.

    RTO: from the loss until a client that has both addresses could write again. RPO: from the newest heartbeat that is
    there afterwards until the last that was to be kept; how many of these are missing is in the facts.
    """
    course = Course(clock)
    facts: dict[str, Plain] = {"method": method}
    rto: float | None = None
    rpo: float | None = None
    with suppress(WatershipError):
        with course.step("heartbeat"):
            await pair.begin()
        try:
            writer = _Writer(pair, clock)
            facts["lag_seconds"] = await _lag(course, pair, writer, bounds)
            rto = await _failed_over(course, pair, writer, bounds)
            rpo = await _compared(course, pair, writer, facts)
        finally:
            with course.step("heartbeat taken away"):
                await pair.end()
    wrong = _wrong(course, rto, rpo, bounds)
    return course.record(
        "failover", environment=environment, by=by, rto=rto, rpo=rpo, wrong=wrong, facts=facts
    )


async def _lag(course: Course, pair: Pair, writer: _Writer, bounds: Bounds) -> float:
    """How far the standby is behind. It fails where that is too far: nobody fails over to what is not there."""
    with course.step("replication"):
        measured = []
        for _ in range(LOOKS):
            since = course.clock.monotonic()
            number = await writer.write()
            if number is None:
                raise Unavailable(f"The primary takes no heartbeat: {writer.last_words}")
            while not await pair.seen(number):
                if course.clock.monotonic() - since > SEEN_SECONDS:
                    raise Unavailable(f"The standby shows no heartbeat after {spoken(SEEN_SECONDS)}.")
                await course.clock.sleep(LOOK)
            measured.append(course.clock.monotonic() - since)
        lag = round(median(measured), 4)
        if lag > bounds.lag:
            raise Conflict(
                f"The standby is {lag:g} s behind; {bounds.lag:g} s are allowed. Nothing was lost."
            )
        return lag


async def _failed_over(course: Course, pair: Pair, writer: _Writer, bounds: Bounds) -> float:
    """Seconds from the loss until a client could write again."""
    clock = course.clock
    async with writer.going_on() as writing:
        await clock.sleep(BEFORE_LOSS)
        loss = clock.monotonic()
        with course.step("loss"):
            await pair.lose()
            writer.is_lost()
        with course.step("promote"):
            await pair.promote()
        with course.step("writes again"):
            while writer.first_after is None:
                if writing.done():
                    writing.result()  # it does not end but by what nobody expected
                if clock.monotonic() - loss > bounds.failover + BEYOND:
                    raise Unavailable(
                        f"No write was taken for {spoken(bounds.failover + BEYOND)}: {writer.last_words}"
                    )
                await clock.sleep(BEAT)
    return round(writer.first_after - loss, 3)


async def _compared(course: Course, pair: Pair, writer: _Writer, facts: dict[str, Plain]) -> float | None:
    """How much of the past is missing, in seconds; how many heartbeats is a fact."""
    with course.step("compare"):
        there = (await pair.survived()).beats
        missing = writer.kept.keys() - there.keys()
        facts |= {"kept": len(writer.kept), "lost": len(missing)}
        newest = max((at for number, at in writer.kept.items() if number in there), default=None)
        if wrong := await pair.differences():
            raise Conflict("; ".join(wrong))
        return lost(newest, max(writer.kept.values()))


def _wrong(course: Course, failover: float | None, rpo: float | None, bounds: Bounds) -> list[str]:
    if failed := [f"{step.name}: {step.words}" for step in course.steps if not step.passed]:
        return failed
    wrong = []
    for name, took, most in (("failover", failover, bounds.failover), ("RPO", rpo, bounds.rpo)):
        if took is None:
            wrong.append(f"the {name} was not measured")
        elif took > most:
            wrong.append(f"the {name} is {spoken(took)}; {spoken(most)} is allowed")
    return wrong
