"""The calendar of a rehearsal leaps, for everybody at once, and not further than the release under way bears."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from watership.adapters.rehearsal.clock import LeapingClock
from watership.durable.clock import SystemClock
from watership.errors import BadInput, Conflict, NotFound
from watership.releases.book.quantity import spoken
from watership.releases.journal import fold, journal
from watership.releases.leap import Edge, edge, overtaken
from watership.releases.order import Release
from watership.releases.status import ReleaseStatus
from watership.wiring.desk import Desk, Known

LOOK_SECONDS: Final = 0.2

BEGIN_SECONDS: Final = 10.0
"""Seconds that a release may take to begin, which was started in another terminal just now."""

SHORT_OF: Final = 1.0
"""Seconds that a leap stays away from the edge: between the look and the leap the clock goes on."""


@dataclass(frozen=True, slots=True)
class Leapt:
    """The time after a leap, and what it overtook."""

    now: datetime
    release: str = ""
    at: str = ""
    """By the release's calendar: T-4h."""
    overtaken: tuple[str, ...] = ()


class Leaper:
    """Lets the calendar of a rehearsal leap, which all who work at the desk read. `who` wants it."""

    def __init__(self, desk: Desk, who: str) -> None:
        if not isinstance(desk.environment.clock, LeapingClock):
            raise Conflict(
                "This environment is no rehearsal: its time is the machine's.",
                fix="For a rehearsal: rehearsal = true in [environment] of watership.toml.",
            )
        self._desk = desk
        self._who = who
        self._clock = desk.environment.clock

    async def by(self, seconds: float, *, force: bool = False) -> Leapt:
        """On by so much. Raises Conflict for a leap that would end the release, unless it is forced to."""
        known = await self._under_way()
        if known is None:
            return Leapt(self._leap(seconds))
        edge = await self._edge(known.release)
        now = self._clock.now()
        if edge is not None and not force and now + timedelta(seconds=seconds) >= edge.at:
            raise _too_far(known.release.plan.release, edge, now)
        late = overtaken(
            known.release.plan, known.release.zero, since=now, until=now + timedelta(seconds=seconds)
        )
        now = self._leap(seconds)
        name, at = known.release.plan.release, moment(known.release, now)
        return Leapt(now, name, at, tuple(each.key for each in late))

    async def to(
        self, offset: float, *, patience: float, told: Callable[[str], None]
    ) -> ReleaseStatus | None:
        """On to a moment of the release's calendar, from one wait to the next: whatever is due before is really done.

        The status it came to: it is there, or it ended, or a person is asked. None when nothing has changed for
        `patience` seconds. Raises NotFound without a release, BadInput for a moment that is over.
        """
        known = await self._begun()
        if known is None:
            raise NotFound("No release is under way, so there is no T+0.", fix="watership release start")
        release = known.release
        aim = release.zero + timedelta(seconds=offset * release.plan.overrides.clock_factor)
        if aim <= self._clock.now():
            raise BadInput(f"It is {moment(release, self._clock.now())} already; a calendar only goes on.")
        machine = SystemClock().monotonic
        said, end = "", machine() + patience
        while True:
            found, now = await self._desk.status(known), self._clock.now()
            if found.over or found.asks or found.unattended or (now >= aim and not _awakening(found, now)):
                return found
            news = f"{moment(release, now)}: {_doing(found)}"
            until = aim if found.stage == "watching" else found.waits_until
            if until is not None and min(until, aim) > now:
                seconds = (min(until, aim) - now).total_seconds()
                told(f"{news}; leaps {spoken(seconds)}")
                self._leap(seconds)
                end = machine() + patience
                continue
            if _doing(found) != said:
                told(news)
                said, end = _doing(found), machine() + patience
            elif machine() > end:
                return None
            await self._desk.environment.clock.sleep(LOOK_SECONDS)

    def _leap(self, seconds: float) -> datetime:
        self._clock.require_leap(seconds)
        # Before it: what moves everybody's time is on record, or is not done.
        self._desk.environment.audit.append(self._who, "rehearsal.leapt", {"seconds": seconds})
        return self._clock.leap(seconds)

    async def _under_way(self) -> Known | None:
        """The release that was started last, if it has not ended."""
        try:
            known = await self._desk.find(None)
        except NotFound:
            return None
        return None if (await self._desk.status(known)).over else known

    async def _begun(self) -> Known | None:
        """The release under way, or the one that is being started at this moment in another terminal."""
        end = SystemClock().monotonic() + BEGIN_SECONDS
        while (known := await self._under_way()) is None and SystemClock().monotonic() < end:
            await self._clock.sleep(LOOK_SECONDS)
        return known

    async def _edge(self, release: Release) -> Edge | None:
        known = await self._desk.find(None)
        return edge(release, fold(await journal(self._desk.store, known.id), release))


def moment(release: Release, now: datetime) -> str:
    """A time by the runbook's calendar, before a rehearsal's factor scaled it: `T-4h`."""
    seconds = (now - release.zero).total_seconds() / release.plan.overrides.clock_factor
    return f"T{'-' if seconds < 0 else '+'}{spoken(round(abs(seconds))) or '0m'}"


def _awakening(found: ReleaseStatus, now: datetime) -> bool:
    """Its time to go on has come, and it has not done so yet."""
    if found.waits_until is not None:
        return found.waits_until <= now
    watch = found.vigil if found.stage == "watching" else None
    return watch is not None and watch.began + timedelta(seconds=watch.length) <= now


def _doing(found: ReleaseStatus) -> str:
    running = next((each for each in found.items if each.state == "running"), None)
    if found.waits_for:
        return f"waits for {found.waits_for}"
    return f"{running.key} · {running.title}" if running else found.stage


def _too_far(release: str, edge: Edge, now: datetime) -> Conflict:
    left = (edge.at - now).total_seconds() - SHORT_OF
    bears = f"at most {spoken(left)} can be leapt now" if left >= 1 else "now nothing can be leapt"
    return Conflict(
        f"That leap would end {release}: {edge.what} has to be done by then; {bears}.",
        fix="Go from moment to moment: watership environment leap --to T+90m. To end it all the same: --force",
    )
