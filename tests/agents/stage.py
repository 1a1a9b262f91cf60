"""A stage runs programs on the memory store, by hand: claim, execute, look, kill, play again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from tests.notes import Notes
from watership.adapters.memory.bell import MemoryBell
from watership.adapters.memory.store import MemoryStore
from watership.durable import Program
from watership.durable.codec import encode
from watership.durable.committer import Committer
from watership.durable.deadlines import Deadlines
from watership.durable.events import AnyEvent, Drifted, Finished, StepStarted
from watership.durable.execution import Ending, Execution
from watership.durable.ids import DeploymentId, EntryId, Key, RunId, SignalId, WorkerId, seeded_ids
from watership.durable.lease import Lease
from watership.durable.run import Run
from watership.durable.writes import (
    Answer,
    Append,
    Cancel,
    Claim,
    Claimed,
    ClaimedRun,
    Deliver,
    Done,
    Retry,
    Submit,
    Write,
)
from watership.testing.virtual_time import VirtualClock, run_in_virtual_time

GREEN = DeploymentId("green")
WORKER = WorkerId("worker")
LEASE = 30.0
ROUNDS = 50  # claims of one `work`; a run that needs more goes in circles


class Stage:
    """A store, its time, and whoever runs what is due there."""

    def __init__(self, committer: Committer, store: MemoryStore, clock: VirtualClock) -> None:
        self.store = store
        self.clock = clock
        self.committer = committer
        self._new_id = seeded_ids(1)

    async def start(
        self, program: str, value: object = None, run_id: str = "run", *, within: float | None = None
    ) -> RunId:
        submit = Submit(
            run_id=RunId(run_id),
            program=program,
            input=raw(value),
            deployment=GREEN,
            within_seconds=within,
        )
        return (await self.committer.submit(submit)).run_id

    async def work(self, programs: Mapping[str, Program]) -> list[Ending]:
        """Run whatever is due, until nothing is."""
        endings: list[Ending] = []
        for _ in range(ROUNDS):
            claimed = await self._claim()
            if not claimed:
                return endings
            endings += await asyncio.gather(*(self._execution(each, programs).run() for each in claimed))
        raise AssertionError(f"still going after {ROUNDS} rounds: {endings}")

    async def work_for(self, seconds: float, programs: Mapping[str, Program]) -> None:
        """Run for so long, then die: what was not committed is lost, and the lease runs out."""
        tasks = [asyncio.create_task(self._execution(each, programs).run()) for each in await self._claim()]
        await asyncio.sleep(seconds)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(LEASE + 1)

    async def interrupt(
        self, seconds: float, programs: Mapping[str, Program], how: Callable[[Execution], None]
    ) -> list[Ending]:
        """Run, and after so long do `how` to each execution (`Execution.drain`); how they left their runs."""
        executions = [self._execution(each, programs) for each in await self._claim()]
        tasks = [asyncio.create_task(each.run()) for each in executions]
        await asyncio.sleep(seconds)
        for each in executions:
            how(each)
        return await asyncio.gather(*tasks)

    async def expire(self) -> None:
        """What a worker does once a second."""
        await Deadlines(self.store, self.committer, self.clock, Notes()).look()

    async def cancel(self, run_id: RunId) -> None:
        assert isinstance(await self.committer.write(Cancel(run_id=run_id)), Done)

    async def send(self, run_id: RunId, name: str, value: object) -> None:
        signal = Deliver(signal_id=SignalId(self._new_id()), run_id=run_id, name=name, value=raw(value))
        assert isinstance(await self.committer.write(signal), Done)

    async def answer(self, run_id: RunId, key: str, decision: Any, value: object = None) -> None:
        answer = Answer(
            entry_id=EntryId(self._new_id()),
            run_id=run_id,
            key=Key(key),
            decision=decision,
            by="ada",
            value=raw(value),
        )
        assert isinstance(await self.committer.write(answer), Done)

    async def retry(self, run_id: RunId) -> None:
        assert isinstance(
            await self.committer.write(Retry(entry_id=EntryId(self._new_id()), run_id=run_id)), Done
        )

    async def run(self, run_id: RunId) -> Run:
        run = await self.store.get(run_id)
        assert run is not None
        return run

    async def result(self, run_id: RunId) -> Any:
        run = await self.run(run_id)
        assert run.ended, (run.state, run.failure, run.waits)
        return msgspec.json.decode(run.result) if run.failure is None else run.failure

    async def events(self, run_id: RunId) -> list[AnyEvent]:
        return [entry.event for entry in await self.store.journal(run_id)]

    async def keys(self, run_id: RunId) -> list[str]:
        """Of all that came of something, in order."""
        events = await self.events(run_id)
        return [event.key for event in events if not isinstance(event, Finished | StepStarted)]

    async def recall(self, run: Run, events: Sequence[AnyEvent]) -> None:
        """The run as a dead worker left it, with these events in its journal."""
        await self.start(run.program, msgspec.json.decode(run.input), run.id)
        (claimed,) = await self._claim()
        append = Append(
            entry_id=EntryId(self._new_id()), run_id=run.id, epoch=claimed.run.epoch, events=tuple(events)
        )
        assert isinstance(await self.committer.write(append), Done)
        await asyncio.sleep(LEASE + 1)

    async def _claim(self) -> Sequence[ClaimedRun]:
        claim: Write = Claim(
            worker=WORKER, deployment=GREEN, pool="default", limit=10, lease_seconds=LEASE, poison_limit=9
        )
        outcome = await self.committer.write(claim)
        assert isinstance(outcome, Claimed)
        return outcome.runs

    def _execution(self, claimed: ClaimedRun, programs: Mapping[str, Program]) -> Execution:
        async def confirm(_: RunId) -> bool:
            return True

        return Execution(
            claimed,
            programs[claimed.run.program],
            committer=self.committer,
            runs=self.store,
            clock=self.clock,
            lease=Lease(self.clock, asked_at=self.clock.monotonic(), seconds=10_000.0),
            confirm_lease=confirm,
            new_id=self._new_id,
            observer=Notes(),
        )


@asynccontextmanager
async def stage() -> AsyncIterator[Stage]:
    clock = VirtualClock()
    store = MemoryStore(clock)
    async with Committer(store, MemoryBell(), clock) as committer:
        yield Stage(committer, store, clock)


def on_stage(play: Callable[[Stage], Awaitable[None]], seed: int = 0) -> None:
    """Run one play in virtual time."""

    async def main() -> None:
        async with stage() as there:
            await play(there)

    run_in_virtual_time(main, seed=seed)


def raw(value: object) -> msgspec.Raw:
    return encode(value, "a test's value")


def drifts(events: Sequence[AnyEvent]) -> list[str]:
    return [event.key for event in events if isinstance(event, Drifted)]
