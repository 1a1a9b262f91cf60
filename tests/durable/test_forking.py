"""The prefix of a fork: outcomes are taken over, and what was unfinished is not."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from tests.contracts.world import done, raw
from tests.durable.stage import calm_world, events, play, program, pure
from watership.durable import sleep, step
from watership.durable.counters import Charge
from watership.durable.events import (
    AnyEvent,
    ChildStarted,
    Drifted,
    Failure,
    Finished,
    Forked,
    Learned,
    Restarted,
    SignalTaken,
    StepAnswered,
    StepFailed,
    StepRetried,
    StepStarted,
    TimerFired,
    TimerSet,
    Won,
)
from watership.durable.forking import place, prefix
from watership.durable.ids import Key, RunId, SignalId, WorkerId
from watership.durable.journal import Journal
from watership.durable.run import Origin
from watership.durable.states import RunState
from watership.durable.writes import Submit
from watership.errors import BadInput
from watership.testing.simulation import DEPLOYMENT

OLD = RunId("old")
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
BROKEN = Failure(kind="Broken", message="It broke.")
END = Finished(key=Key(""), state="succeeded")


def started(key: str, **facts: object) -> StepStarted:
    return msgspec.structs.replace(StepStarted(key=Key(key), name="step", identity="i", attempt=1), **facts)


def answered(key: str, decision: str) -> StepAnswered:
    return msgspec.convert({"key": key, "decision": decision, "by": "ada"}, StepAnswered)


def retried(key: str) -> StepRetried:
    return StepRetried(key=Key(key), name="step", identity="i", failure=BROKEN, attempt=1, due=NOON)


def taken(key: str) -> SignalTaken:
    return SignalTaken(key=Key(key), name="news", signal_id=SignalId("s"), number=1, value=raw(1))


def child(key: str) -> ChildStarted:
    return ChildStarted(key=Key(key), child=RunId("kid"), program="p", identity="i")


def forked(*events: AnyEvent) -> list[AnyEvent]:
    """What a fork takes over of all of these."""
    first, *kept = prefix(OLD, events, len(events))
    assert first == Forked(key=Key(""), run=OLD, at=len(events))
    Journal((first, *kept))
    return kept


KEPT: list[list[AnyEvent]] = [
    [started("a/0"), done("a/0")],
    [started("a/0"), answered("a/0", "done")],
    [started("a/0"), answered("a/0", "retry"), started("a/0", attempt=2), done("a/0")],
    [retried("a/0"), StepFailed(key=Key("a/0"), name="step", identity="i", failure=BROKEN)],
    [TimerSet(key=Key("sleep/0"), due=NOON), TimerFired(key=Key("sleep/0"))],
    [TimerSet(key=Key("news/0"), due=NOON), taken("news/0")],
    [child("p/0"), taken("p/0")],
    [done("race#0/1/a/0"), Won(key=Key("race#0"), winner=1)],
]
DROPPED: list[list[AnyEvent]] = [
    [started("a/0")],
    [retried("a/0")],
    [started("a/0"), answered("a/0", "retry")],
    [TimerSet(key=Key("sleep/0"), due=NOON)],
    [child("p/0")],
    [Restarted(key=Key(""), worker=WorkerId("w"))],
    [Forked(key=Key(""), run=RunId("older"), at=3)],
]


@pytest.mark.parametrize("events", KEPT)
def test_what_has_an_outcome_is_taken_over(events: list[AnyEvent]) -> None:
    assert forked(done("before/0"), *events) == [done("before/0"), *events]


@pytest.mark.parametrize("events", DROPPED)
def test_what_was_unfinished_is_begun_anew(events: list[AnyEvent]) -> None:
    assert forked(done("before/0"), *events, done("after/0")) == [done("before/0"), done("after/0")]


def test_drift_is_told_anew_and_what_was_reserved_is_the_other_runs() -> None:
    drifted = Drifted(key=Key("a/0"), before="x", after="y")
    charged = started("a/0", most={"turns": 1}, reserved=(Charge(name="c", unit="turns", reserved=1),))
    assert forked(charged, done("a/0"), drifted) == [started("a/0"), done("a/0")]


JOURNAL: list[AnyEvent] = [
    done("a/0"),
    started("gather#0/0/b/0"),
    done("gather#0/0/b/0"),
    done("@on_cancel/@a:0"),
    END,
]


@pytest.mark.parametrize(
    ("at", "entries"), [(0, 0), (3, 3), ("gather#0/0/b/0", 1), ("gather#0", 1), ("a/0", 0)]
)
def test_a_place_is_a_number_of_entries_or_a_key(at: int | str, entries: int) -> None:
    assert place(JOURNAL, at) == entries


@pytest.mark.parametrize("at", [4, 5, -1, "gather#1", "gather", "@on_cancel"])
def test_a_place_that_the_journal_does_not_have_or_beyond_the_runs_own_end_is_refused(at: int | str) -> None:
    with pytest.raises(BadInput):
        place(JOURNAL, at)


@pytest.mark.parametrize("events", [[], [END]])
def test_a_run_that_did_nothing_cannot_be_forked(events: list[AnyEvent]) -> None:
    with pytest.raises(BadInput, match="done nothing"):
        place(events, 0)


def test_a_fork_that_is_cancelled_undoes_what_it_did_itself_and_nothing_of_the_other_run() -> None:
    undone: list[str] = []

    @pure
    async def book(seat: str) -> str:
        return seat

    async def release(seat: str) -> None:
        undone.append(seat)

    async def trip() -> None:
        await step(book, "first", on_cancel=release)
        await step(book, "second", on_cancel=release)
        await sleep(3600)

    async def main() -> None:
        async with calm_world(program(trip)) as world:
            old = await world.submit("p")
            await world.until(old, RunState.WAITING)
            recalled = prefix(old, await events(world, old), 1)
            fork = Submit(
                run_id=RunId("fork"),
                program="p",
                input=raw(None),
                deployment=DEPLOYMENT,
                origin=Origin(run=old, at=1, entries=len(recalled)),
                events=recalled,
            )
            await world.write(fork)
            await world.until(fork.run_id, RunState.WAITING)
            await world.cancel(fork.run_id)
            await world.until(fork.run_id, RunState.CANCELLED)
            assert undone == ["second"]
            assert (await world.run(old)).state is RunState.WAITING

    play(main)


KNOWN = Learned(key=Key(""), words=("private", "untrusted"))


@pytest.mark.parametrize("at", [0, 1, 2])
def test_what_came_along_with_the_input_comes_along_with_a_fork(at: int) -> None:
    before = Forked(key=Key(""), run=RunId("first"), at=1)
    assert KNOWN in prefix(RunId("r"), [KNOWN, done()], at)
    assert KNOWN in prefix(RunId("r"), [before, KNOWN, done()], at)  # the fork of a fork
