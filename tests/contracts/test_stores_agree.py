"""Whatever is written, in whatever order: both stores answer the same, hold the same, and stay sound."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.conftest import NIGHTLY
from tests.contracts.postgres import emptied
from tests.contracts.world import BLUE, GREEN, POOL, AnyStore, ManualClock, World, done, raw, submission
from watership.adapters.memory import MemoryStore
from watership.adapters.postgres import PostgresStore
from watership.adapters.sqlite import SQLiteStore
from watership.durable.counters import Charge
from watership.durable.events import AnyEvent, Failure, Finished, StepStarted
from watership.durable.ids import EntryId, Key, RunId, SignalId, WorkerId
from watership.durable.ports import RunFilter
from watership.durable.run import Run, Waiting
from watership.durable.states import TERMINAL, RunState
from watership.durable.writes import (
    Answer,
    Append,
    Bury,
    Cancel,
    Claim,
    Dedup,
    Deliver,
    Finish,
    HandOver,
    Park,
    Rehome,
    Renew,
    Retry,
    Stop,
    Submit,
    Then,
    Write,
    Yield,
)
from watership.errors import Fenced
from watership.testing.servers import PostgresServer

RUNS = 12
STEPS = 40
WORKERS = (WorkerId("w1"), WorkerId("w2"))
DEPLOYMENTS = (GREEN, BLUE)
COUNTERS = ("c1", "c2")


class Author:
    """Invents writes from a seed; mostly sensible ones, judged by the runs as they stand."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)

    def invent(self, runs: dict[RunId, Run], clock: ManualClock) -> Write:
        makers: dict[Callable[[dict[RunId, Run], ManualClock], Write], int] = {
            self.submit: 5,
            self.claim: 7,
            self.append: 14,
            self.deliver: 4,
            self.decide: 4,
            self.presence: 2,
        }
        (make,) = self.random.choices(list(makers), list(makers.values()))
        return make(runs, clock)

    def run_id(self) -> RunId:
        return RunId(f"r{self.random.randrange(RUNS)}")

    def known(self, runs: dict[RunId, Run]) -> RunId:
        """A run that stands, mostly."""
        return self.random.choice([*runs] * 5 + [self.run_id()])

    def submission(self) -> Submit:
        choice = self.random.choice
        return submission(
            self.run_id(),
            deployment=choice((None, None, *DEPLOYMENTS)),
            conversation=choice((None, "c1", "c2")),
            when_busy=choice(("queue", "queue", "reject", "inject")),
            dedup=choice((None, None, Dedup(scope="s", key=choice("ab"), request=choice("xy")))),
            priority=choice((0, 1, 2)),
            tenant=choice(("t", "t", "u")),
        )

    def child(self) -> Submit:
        place = self.random.choice((None, "c/0", "race#0/0/c/0", "race#0/1/c/0"))
        return replace(self.submission(), parent_key=None if place is None else Key(place))

    def submit(self, runs: dict[RunId, Run], clock: ManualClock) -> Write:
        return self.submission()

    def claim(self, runs: dict[RunId, Run], clock: ManualClock) -> Write:
        choice = self.random.choice
        return Claim(
            worker=choice(WORKERS),
            deployment=choice(DEPLOYMENTS),
            pool=POOL,
            limit=choice((1, 3)),
            lease_seconds=10,
            poison_limit=2,
        )

    def append(self, runs: dict[RunId, Run], clock: ManualClock) -> Write:
        running = [run for run in runs.values() if run.state is RunState.RUNNING]
        if not running and self.random.random() < 0.8:
            return self.claim(runs, clock)
        run = self.random.choice(running or list(runs.values()) or [None])
        return Append(
            entry_id=EntryId(f"e{self.random.randrange(200)}"),
            run_id=run.id if run else self.run_id(),
            epoch=max(0, (run.epoch if run else 1) - self.random.choice((0, 0, 0, 0, 1))),
            events=tuple(self.event() for _ in range(self.random.randrange(3))),
            children=tuple(self.child() for _ in range(self.random.choice((0, 0, 0, 1, 2)))),
            charges=tuple(self.charge() for _ in range(self.random.choice((0, 0, 1, 2)))),
            dropped=self.random.choice(((), (), (), ("race#0/0",), ("race#0/0", "race#0/1"))),
            then=self.then(run, clock),
        )

    def charge(self) -> Charge:
        reserved, spent = self.random.choice(((5, 0), (20, 0), (-5, 3), (0, 9)))
        name = self.random.choice(COUNTERS)
        return Charge(
            name=name, unit="u", reserved=reserved, spent=spent, most=self.random.choice((None, 40))
        )

    def event(self) -> AnyEvent:
        key = f"s/{self.random.randrange(3)}"
        if self.random.random() < 0.5:
            return StepStarted(key=Key(key), name="s", identity="i", attempt=1)
        return done(key, self.random.random())

    def then(self, run: Run | None, clock: ManualClock) -> Then | None:
        choice = self.random.choice
        wake_at = choice((None, clock.now() + timedelta(seconds=choice((-1, 0, 5, 50)))))
        seen = run.inbox if run else 0
        park = Park(
            wake_at=wake_at,
            seen=max(0, seen - choice((0, 0, 1))),
            in_doubt=choice((False, False, True)),
            cancelling=choice((True, False)),
            waits=(Waiting(kind="timer", key=Key("t/0"), due=wake_at),),
        )
        ended = Finish(
            state=choice(sorted(TERMINAL)),
            result=raw(self.random.random()),
            failure=choice((None, Failure(kind="K", message="m"))),
            successor=choice((None, None, self.submission())),
        )
        return choice(
            (*(None,) * 6, *(park,) * 4, Yield(), Stop(failure=Failure(kind="K", message="m")), ended)
        )

    def deliver(self, runs: dict[RunId, Run], clock: ManualClock) -> Write:
        signal_id, run_id = SignalId(f"g{self.random.randrange(8)}"), self.known(runs)
        return Deliver(signal_id=signal_id, run_id=run_id, name="n", value=raw(self.random.random()))

    def decide(self, runs: dict[RunId, Run], clock: ManualClock) -> Write:
        run_id, key = self.known(runs), Key(f"s/{self.random.randrange(3)}")
        doubts = [run.id for run in runs.values() if run.state is RunState.IN_DOUBT]
        stopped = [run.id for run in runs.values() if run.state is RunState.STOPPED]
        entry_id = EntryId(f"d{self.random.randrange(40)}")
        in_doubt = self.random.choice(doubts or [run_id])
        answer = Answer(entry_id=entry_id, run_id=in_doubt, key=key, decision="retry", by="ann")
        retry = Retry(entry_id=entry_id, run_id=self.random.choice(stopped or [run_id]))
        return self.random.choice((Cancel(run_id=run_id), answer, answer, retry))

    def presence(self, runs: dict[RunId, Run], clock: ManualClock) -> Write:
        worker, source = self.random.choice(WORKERS), self.random.choice(DEPLOYMENTS)
        held = {run.id: run.epoch for run in runs.values() if run.lease_owner == worker}
        renew = Renew(worker=worker, deployment=source, pool=POOL, slots=2, runs=held, lease_seconds=10)
        rehome = Rehome(source=source, target=self.random.choice(DEPLOYMENTS))
        run = runs.get(self.known(runs))
        seq, inbox = (0, 0) if run is None else (run.seq, run.inbox)
        hand_over = HandOver(
            run_id=self.known(runs) if run is None else run.id, target=source, seq=seq, inbox=inbox
        )
        return self.random.choice((renew, renew, Bury(worker=worker), rehome, hand_over))


async def everything(store: AnyStore) -> list[object]:
    """All that a store tells."""
    page = await store.list(RunFilter(), limit=1_000)
    told: list[object] = [page, await store.census(), await store.workers(), await store.read()]
    told.append(await store.counts(COUNTERS))
    everywhen = (datetime(2020, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC))
    told.append(await store.cohorts(DEPLOYMENTS, after=everywhen[0], until=everywhen[1], some=1_000))
    for run in page.runs:
        told += [list(await store.journal(run.id)), list(await store.inbox(run.id))]
    return told + [await store.next_wake(deployment, POOL) for deployment in DEPLOYMENTS]


async def shift(stores: tuple[AnyStore, ...], random: Random) -> None:
    """Turn the dial, or switch read-only, in every store alike."""
    share, epoch = random.choice((0, 50, 100)), random.randrange(4)
    hold, readonly = random.choice((None, 3.0)), random.random() < 0.2
    outcomes = []
    for store in stores:
        try:
            weights = {GREEN: share, BLUE: 100 - share}
            outcomes.append(
                await store.set_weights(weights, epoch=epoch, hold_seconds=hold, last_safe={GREEN: 100})
            )
        except Fenced as fenced:
            outcomes.append((fenced.held, fenced.current))  # type: ignore[arg-type]
        await store.set_readonly(readonly)
    assert len({str(outcome) for outcome in outcomes}) == 1


def sound(run: Run, world_runs: dict[RunId, Run], entries: list[AnyEvent]) -> None:
    """What must hold of every run whatever was written."""
    assert len(entries) == run.seq
    assert run.ended == any(isinstance(event, Finished) for event in entries)
    assert not run.ended or isinstance(entries[-1], Finished)
    assert (run.state is RunState.RUNNING) == (run.lease_owner is not None) == (run.lease_until is not None)
    assert run.wake_at is None or run.state is RunState.WAITING
    assert not run.waits or run.state in {RunState.WAITING, RunState.IN_DOUBT}
    if run.state is RunState.QUEUED:
        turns = [
            it for it in world_runs.values() if (it.tenant, it.conversation) == (run.tenant, run.conversation)
        ]
        assert any(not it.ended and it.state is not RunState.QUEUED for it in turns), "nobody will promote it"


def one_turn_at_a_time(runs: dict[RunId, Run]) -> None:
    """A conversation has one active run, beside the children that are part of its turn."""
    active = [run for run in runs.values() if not run.ended and run.state is not RunState.QUEUED]
    turns = Counter((run.tenant, run.conversation) for run in active if run.conversation and not run.parent)
    assert max(turns.values(), default=1) == 1


async def history(seed: int, open_other: Callable[[ManualClock], Awaitable[AnyStore]]) -> None:
    clock = ManualClock()
    author = Author(seed)
    other = await open_other(clock)
    try:
        memory = World(MemoryStore(clock=clock), clock)
        stores = (memory.store, other)
        for _ in range(STEPS):
            clock.go_on(author.random.choice((0, 0, 1, 4, 12)))
            if author.random.random() < 0.15:
                await shift(stores, author.random)
            runs = {run.id: run for run in (await memory.store.list(RunFilter(), limit=1_000)).runs}
            batch = [author.invent(runs, clock) for _ in range(author.random.choice((1, 1, 3, 8)))]
            first, second = [await store.write(batch) for store in stores]
            assert first == second
        told, again = [await everything(store) for store in stores]
        assert told == again
        runs = {run.id: run for run in (await memory.store.list(RunFilter(), limit=1_000)).runs}
        for run in runs.values():
            sound(run, runs, await memory.events(run.id))
        one_turn_at_a_time(runs)
    finally:
        await other.close()


@given(st.integers(0, 2**32))
def test_any_history_means_the_same_in_memory_and_in_sqlite(seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(history(seed, lambda clock: SQLiteStore.open(Path(folder) / "runs.db", clock=clock)))


async def open_postgres(url: str, clock: ManualClock) -> AnyStore:
    return await PostgresStore.open(await emptied(url), clock=clock)


# A round trip for each thing that is asked: fewer than in a file, and each of them longer.
@settings(max_examples=400 if NIGHTLY else 25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32))
def test_any_history_means_the_same_in_memory_and_in_postgresql(
    postgres_server: PostgresServer, seed: int
) -> None:
    asyncio.run(history(seed, partial(open_postgres, postgres_server.url)))
