"""A schedule starts a run of an agent at each of its windows; a window is named by its time, so it is started once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from cronsim import CronSim, CronSimError

from watership.agents.agent import NAME
from watership.durable.ids import Key, RunId, child_id
from watership.errors import BadInput

GRACE_SECONDS: Final = 300.0
"""How late a window may still be started, unless a schedule says otherwise: a deploy or a restart fits in."""

WINDOWS_MOST: Final = 1_000
"""Windows that are made up for at a time; the oldest of more are given up."""

_SCHEDULES: Final = RunId("schedule")


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """`cron`: minute, hour, day of month, month, day of week, in the time of `zone`; where clocks are put forward a
    window that does not exist comes right after, and where they are put back one comes once.

    A window that nobody was there for is started up to `grace_seconds` late: the latest one alone, or all with
    `every_window`. Without `overlap` a window is passed over while the run of an earlier one has not ended.
    """

    name: str
    agent: str
    cron: str
    zone: str = "UTC"
    input: msgspec.Raw = msgspec.Raw(b"null")
    grace_seconds: float = GRACE_SECONDS
    every_window: bool = False
    overlap: bool = True

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise BadInput(
                f"A schedule cannot be named {self.name!r}.", fix="Use letters, digits, - and _, up to 63."
            )
        if not 1 <= self.grace_seconds <= 7 * 86_400:
            raise BadInput(
                f"Schedule {self.name!r} starts windows up to {self.grace_seconds:g} s late.",
                fix="Give from one second to a week.",
            )
        try:
            next(self.after(datetime(2026, 1, 1, tzinfo=UTC)))
        except ZoneInfoNotFoundError:
            raise BadInput(
                f"There is no time zone {self.zone!r} here.",
                fix="Use a name such as Europe/Berlin; or install tzdata.",
            ) from None
        except (CronSimError, StopIteration, ValueError) as reason:
            raise BadInput(
                f"Schedule {self.name!r} has windows {self.cron!r}: {str(reason) or 'none ever comes'}.",
                fix="Give minute, hour, day of month, month and day of week: '0 9 * * mon-fri'.",
            ) from None

    def after(self, moment: datetime) -> Iterator[datetime]:
        """The windows after `moment`, without an end, in UTC."""
        for window in CronSim(self.cron, moment.astimezone(ZoneInfo(self.zone))):
            yield window.astimezone(UTC)

    def before(self, moment: datetime) -> datetime | None:
        """The last window up to `moment`, in UTC; None where there was none in living memory."""
        return next(self._backwards(moment), None)

    def due(self, now: datetime) -> list[datetime]:
        """The windows that are to be started now if they were not yet, oldest first."""
        earliest = now - timedelta(seconds=self.grace_seconds)
        windows: list[datetime] = []
        for window in self._backwards(now):  # those that are too old are not gone through
            if window <= earliest or len(windows) == WINDOWS_MOST:
                break
            windows.append(window)
            if not self.every_window:
                break
        return windows[::-1]

    def _backwards(self, moment: datetime) -> Iterator[datetime]:
        behind = (moment + timedelta(microseconds=1)).astimezone(ZoneInfo(self.zone))
        for window in CronSim(self.cron, behind, reverse=True):
            yield window.astimezone(UTC)

    def run_id(self, window: datetime) -> RunId:
        """The run of a window, whoever starts it."""
        return child_id(_SCHEDULES, Key(f"{self.name}/{window.astimezone(UTC).isoformat()}"))
