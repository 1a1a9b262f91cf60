"""Admission: new work is taken while what waits can be worked off in time; else it is told when to come again.

Pure: facts in, a refusal or none out. Whoever reads the facts is elsewhere (agents/gatekeeper.py). What waits in an
outbox needs no fact of its own: each letter there is a READY run that is counted here.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import msgspec

from watership.durable.ports import Backlog
from watership.errors import Unavailable

BACKLOG_SECONDS: Final = 5.0
"""How long what waits may take to work off before new work is refused: longer, and most callers have given up."""

BACKLOG_FLOOR: Final = 500
"""Runs that may always wait: a burst of so many is no overload, and rates measured over fewer are chance."""

BUSY: Final = 100
"""Runs that wait, at the least, while the workers' rate is measured: fewer may all have come since the last claim."""

BACKLOG_MOST: Final = 20_000
"""Runs that wait at most, even where no worker is there (yet): a store that is filled blindly recovers late."""

WRITES_WAITING: Final = 2_048
"""Writes of this process in line for the store, at most: four full transactions, some tenths of a second."""

WINDOW_SECONDS: Final = 3.0
"""Over how long the rate is measured: long enough to see a claim of every worker, short enough to follow a change."""

RETRY_FIRST: Final = 1.0
RETRY_MOST: Final = 30.0
"""Seconds that a refused sender is told to wait: a second at least, and not so long that a recovery is missed."""


class Overdue(Unavailable):
    """More waits than can be worked off in time; nothing of what was asked was begun."""

    code = "backlog"


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What an admission is decided by."""

    ready: int
    """Runs that wait for a worker, with those that were let in since they were counted."""
    oldest_seconds: float
    """How long the oldest of them has waited."""
    rate: float | None
    """Runs per second that workers took; None while that is not known."""
    workers: int
    writes: int
    """Writes of this process that wait for the store."""

    def since(self, *, let_in: int, writes: int) -> Load:
        """This load with what came since it was counted: `let_in` runs more, and `writes` in line now."""
        return Load(
            ready=self.ready + let_in,
            oldest_seconds=self.oldest_seconds,
            rate=self.rate,
            workers=self.workers,
            writes=writes,
        )


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """`why` is for people; `retry_after` in seconds."""

    why: str
    retry_after: float


def decide(load: Load, seconds: float = BACKLOG_SECONDS) -> Refusal | None:
    """None lets one more run in."""
    if load.writes >= WRITES_WAITING:
        return Refusal(why=f"{load.writes:,} writes wait for the store.", retry_after=RETRY_FIRST)
    if load.ready >= BACKLOG_MOST:
        return Refusal(why=f"{load.ready:,} runs or more wait for a worker.", retry_after=RETRY_MOST)
    if load.ready <= BACKLOG_FLOOR or not load.workers:
        return None
    # While no rate is known, what the oldest has waited already is the least that the newest would wait.
    expected = load.ready / load.rate if load.rate else load.oldest_seconds
    if expected <= seconds:
        return None
    why = f"{load.ready:,} runs wait for a worker, which takes about {expected:.0f} s; {seconds:g} s are the limit."
    return Refusal(why=why, retry_after=min(max(expected - seconds, RETRY_FIRST), RETRY_MOST))


def rate_of(seen: Sequence[Backlog]) -> float | None:
    """Runs per second that left the backlog while there was always work; None where that cannot be told.

    What leaves an empty backlog tells how many runs come, and nothing of how many the workers could take.
    """
    left, seconds = 0, 0.0
    for before, after in pairwise(seen):
        fewest, most = sorted((before.ready, after.ready))
        if fewest < BUSY or most >= BACKLOG_MOST:  # counted no further, so unknown
            continue
        left += (after.made - before.made) - (after.ready - before.ready)
        seconds += (after.at - before.at).total_seconds()
    return max(0, left) / seconds if seconds > 0 else None


def load_of(seen: Sequence[Backlog]) -> Load:
    """The load as the counts `seen` (oldest first) tell it, when the last one was made."""
    last = seen[-1]
    oldest = 0.0 if last.oldest is None else (last.at - last.oldest).total_seconds()
    return Load(
        ready=last.ready,
        oldest_seconds=max(0.0, oldest),
        rate=rate_of(seen),
        workers=last.workers,
        writes=0,
    )
