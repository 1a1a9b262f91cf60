"""The account of a run: what it used up, what its replays did not pay again, and how much of its caps is left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from watership.durable.counters import Cap, Count
from watership.durable.events import Entry, StepDone
from watership.durable.ids import RunId
from watership.durable.ports import Runs
from watership.durable.usage import usage

PAGE = 1_000


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """A cap with its counter as it stands: of all that count on it, children and other runs included."""

    counter: str
    unit: str
    per_day: bool
    most: int
    spent: int
    reserved: int

    @property
    def left(self) -> int:
        return self.most - self.spent - self.reserved


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """By unit. `used` and `unsettled` as in Usage, of this run without its children. `saved`: what would have been used
    up again, had the run begun anew each time that a worker took it up; of a fork, with what the run before it had paid
    for."""

    used: Mapping[str, int]
    unsettled: Mapping[str, int]
    saved: Mapping[str, int]
    limits: tuple[Limit, ...]


def account(entries: Sequence[Entry], epoch: int, limits: Sequence[Limit]) -> Account:
    """Of a run with this journal, which was claimed `epoch` times."""
    # What stands there from before the first claim was done, and paid for, by the run that this one was forked from.
    told = usage(entry.event for entry in entries if entry.epoch)
    saved = Counter[str]()
    for entry in entries:
        if isinstance(entry.event, StepDone):
            for unit, amount in entry.event.used.items():
                saved[unit] += amount * (epoch - entry.epoch)
    return Account(
        used=told.used,
        unsettled=told.unsettled,
        saved={u: n for u, n in saved.items() if n},
        limits=tuple(limits),
    )


def limits_of(caps: Sequence[Cap], counts: Sequence[Count], now: datetime) -> list[Limit]:
    """Each cap with what was counted; nought where nobody has counted yet."""
    standing = {count.name: count for count in counts}
    limits = []
    for cap in dict.fromkeys(caps):
        count = standing.get(cap.name(now)) or Count(name=cap.name(now))
        limits.append(
            Limit(
                counter=cap.counter,
                unit=cap.unit,
                per_day=cap.per_day,
                most=cap.most,
                spent=count.spent,
                reserved=count.reserved,
            )
        )
    return limits


async def whole_journal(runs: Runs, run_id: RunId) -> list[Entry]:
    """All entries: a journal is bounded."""
    entries: list[Entry] = []
    while page := await runs.journal(run_id, after=len(entries), limit=PAGE):
        entries += page
    return entries
