"""Until when a run is to have ended: as whoever starts it, and its agent, say."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from watership.errors import BadInput

WITHIN_MOST: Final = 10 * 365 * 86_400
"""Seconds to a deadline at most: ten years, beyond which nobody means it."""


def least(*seconds: float | None) -> float | None:
    """The shortest of these times, where there are any."""
    return min((each for each in seconds if each is not None), default=None)


def check_within(seconds: float | None, what: str) -> None:
    """Raises BadInput for a time that is none."""
    if seconds is not None and not 0 < seconds <= WITHIN_MOST:
        raise BadInput(
            f"{what} cannot be to end within {seconds:g} s.",
            fix=f"Give seconds from more than 0 to {WITHIN_MOST:,}.",
        )


class Until(msgspec.Struct, frozen=True):
    """A moment, or `within` so many seconds of the commit that accepts the run; of both the earlier one."""

    deadline: datetime | None = None
    within: float | None = None

    def __post_init__(self) -> None:
        check_within(self.within, "A run")
        if self.deadline is not None and self.deadline.tzinfo is None:
            raise BadInput(
                f"The deadline {self.deadline.isoformat()} has no zone.", fix="Add one: 2026-12-31T17:00:00Z"
            )

    def said(self) -> list[object]:
        """What makes it another request than one without; nothing where nothing was said."""
        return [] if self == NO_END else [msgspec.to_builtins(self)]


NO_END: Final = Until()
