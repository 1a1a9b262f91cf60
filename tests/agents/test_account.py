"""A run's account: what it used up, what its replays did not pay again, and what is left of its caps."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from watership.agents.account import account, limits_of
from watership.durable.counters import Cap, Count
from watership.durable.events import AnyEvent, Entry, StepDone, StepRetried, StepStarted
from watership.durable.events import Failure as Why
from watership.durable.ids import Key, RunId

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)


def journal(*written: tuple[int, AnyEvent]) -> list[Entry]:
    """Entries, each of an epoch."""
    return [
        Entry(run_id=RunId("r"), seq=seq, epoch=epoch, at=NOON, event=event)
        for seq, (epoch, event) in enumerate(written, 1)
    ]


def started(key: str, most: int = 10) -> StepStarted:
    return StepStarted(key=Key(key), name="s", identity="i", attempt=1, most={"turns": most})


def done(key: str, used: int) -> StepDone:
    null = msgspec.Raw(b"null")
    return StepDone(key=Key(key), name="s", identity="i", value=null, used={"turns": used})


def retried(key: str, used: int) -> StepRetried:
    why = Why(kind="K", message="m")
    return StepRetried(
        key=Key(key), name="s", identity="i", failure=why, attempt=1, due=NOON, used={"turns": used}
    )


def test_outcomes_tell_what_was_used_failed_attempts_too() -> None:
    told = account(
        journal((1, started("a")), (1, retried("a", 2)), (1, started("a")), (1, done("a", 3))), 1, []
    )
    assert (told.used, told.unsettled, told.saved) == ({"turns": 5}, {}, {})


def test_what_nobody_heard_of_is_unsettled() -> None:
    told = account(journal((1, started("a", 7)), (2, started("a", 8)), (2, started("b", 9))), 2, [])
    assert (told.used, told.unsettled) == ({}, {"turns": 24})


def test_each_claim_recalls_what_was_done_before_it() -> None:
    told = account(journal((1, done("a", 3)), (3, done("b", 5))), 4, [])
    assert told.saved == {"turns": 3 * 3 + 5 * 1}


def test_a_limit_says_what_is_left_of_it() -> None:
    caps = (
        Cap(counter="run:r", unit="turns", most=10),
        Cap(counter="agent:a", unit="turns", most=50, per_day=True),
    )
    counts = [Count(name="agent:a/turns/2026-11-27", reserved=2, spent=5)]
    assert [(it.counter, it.left) for it in limits_of(caps, counts, NOON)] == [("run:r", 10), ("agent:a", 43)]
