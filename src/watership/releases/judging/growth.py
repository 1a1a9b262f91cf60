"""Growth is told by low-water marks: a process that leaks is not even at its lowest where it was before.

What is assumed of a healthy next, beyond its warm-up and whatever came before: from one window to the following its
lowest reading rises by more than the tolerance beyond live's at most as often as not. A sawtooth of garbage and its
collector holds to that where the window is longer than a tooth; where a cache fills up, the warm-up must be the longer.
The size of a rise is then of no account, so that one jump proves nothing, and no bound on sizes has to be known.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from watership.releases.judging.arms import MICRO, AgainstGrowth, Tick

AS_OFTEN: Final = 0.5
"""How often a healthy next's window may rise by more than the tolerance."""

MINUTE: Final = 60.0


class Low(Struct, frozen=True):
    """The lowest reading of each slot within a window, in bytes; None before the first."""

    next: int | None = None
    live: int | None = None


class Level(Struct, frozen=True):
    """Where memory stands: the `seconds` seen, the window that is open, and the one before it."""

    seconds: int = 0
    low: Low = Low()
    before: Low = Low()


def leveled(level: Level, tick: Tick, arm: AgainstGrowth) -> tuple[Level, float | None]:
    """Fold one tick. Where a window ends: the MB a minute by which next's low-water mark rose beyond live's since the
    window before; None where one of them was not seen."""
    seconds, warm_up, window = level.seconds + tick.span, int(arm.warm_up), max(int(arm.window), 1)
    if seconds <= warm_up:
        return Level(seconds), None
    low = Low(_lower(level.low.next, tick.next.memory), _lower(level.low.live, tick.live.memory))
    if (seconds - warm_up) // window == max(level.seconds - warm_up, 0) // window:
        return Level(seconds, low, level.before), None
    return Level(seconds, Low(), low), _rise(level.before, low, arm)


def _lower(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else min(one, other)


def _rise(before: Low, low: Low, arm: AgainstGrowth) -> float | None:
    if before.next is None or before.live is None or low.next is None or low.live is None:
        return None
    beyond = (low.next - before.next) - (low.live - before.live)
    return beyond / MICRO / (arm.window / MINUTE)
