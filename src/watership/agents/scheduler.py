"""The scheduler starts the windows of an application's schedules.

Every worker has one: a window's run has an id that tells the window, so whoever comes second finds it there, and nobody
has to be chosen.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final, NoReturn, Protocol

from watership.agents.schedule import Schedule
from watership.durable.clock import Clock
from watership.durable.committer import WriteRefused
from watership.durable.ids import DeploymentId, RunId
from watership.durable.keeping import keep
from watership.durable.ports import Observer
from watership.durable.run import DEFAULT_POOL, DEFAULT_PRIORITY, DEFAULT_TENANT
from watership.durable.writes import Submit, Submitted
from watership.errors import Unavailable
from watership.fleet.intake import Intake, effective

LOOK_SECONDS: Final = 1.0
"""How late a window is started at most by a worker that has nothing else to do."""

KEPT: Final = 10_000
"""Windows that are remembered as started; a forgotten one costs a write that changes nothing."""


class Writer(Protocol):
    """What commits a submission; the committer is one."""

    async def submit(self, submit: Submit) -> Submitted: ...


class Place(Protocol):
    """Where an agent's runs go; its card says so."""

    @property
    def name(self) -> str: ...
    @property
    def pool(self) -> str: ...
    @property
    def priority(self) -> int: ...
    @property
    def within_seconds(self) -> float | None: ...


class Scheduler:
    """Starts windows while its own deployment takes new work: what another one declares is for that one to start."""

    def __init__(
        self,
        schedules: Sequence[Schedule],
        cards: Sequence[Place],
        *,
        deployment: DeploymentId,
        writer: Writer,
        intake: Intake,
        clock: Clock,
        observer: Observer,
    ) -> None:
        self._schedules = schedules
        self._places = {card.name: (card.pool, card.priority, card.within_seconds) for card in cards}
        self._deployment = deployment
        self._writer = writer
        self._intake = intake
        self._clock = clock
        self._observer = observer
        self._settled: dict[RunId, None] = {}
        """Windows that were started, or passed over, so far as it is remembered."""

    @property
    def idle(self) -> bool:
        """Whether there is nothing that it could ever start."""
        return not self._schedules

    async def look(self) -> None:
        """Start what is due. What cannot be started now is tried again until its grace is over."""
        now = self._clock.now()
        due = [
            (schedule, window)
            for schedule in self._schedules
            for window in schedule.due(now)
            if schedule.run_id(window) not in self._settled
        ]
        if due and await self._takes_work():
            for schedule, window in due:
                await self._start(schedule, window)

    async def _takes_work(self) -> bool:
        weights = effective(await self._intake.read(), await self._intake.now())
        return weights.get(self._deployment, 0) > 0

    async def _start(self, schedule: Schedule, window: datetime) -> None:
        run_id = schedule.run_id(window)
        pool, priority, within = self._places.get(schedule.agent, (DEFAULT_POOL, DEFAULT_PRIORITY, None))
        submit = Submit(
            run_id=run_id,
            program=schedule.agent,
            input=schedule.input,
            tenant=DEFAULT_TENANT,
            principal=f"schedule:{schedule.name}",
            pool=pool,
            priority=priority,
            conversation=None if schedule.overlap else f"schedule:{schedule.name}",
            when_busy="reject",
            within_seconds=within,
        )
        facts = {"schedule": schedule.name, "window": window.isoformat(), "run_id": run_id}
        try:
            submitted = await self._writer.submit(submit)
        except WriteRefused as refused:
            if refused.code != "conversation_busy":
                self._observer.note("window not started, it was refused", reason=str(refused), **facts)
                return
            self._observer.note("window passed over: the run before it has not ended", **facts)
        else:
            if not submitted.existing:
                self._observer.note("window started", **facts)
        self._settled[run_id] = None
        if len(self._settled) > KEPT:
            del self._settled[next(iter(self._settled))]

    async def keep_looking(self) -> NoReturn:
        await keep("scheduler", self._look_and_wait, self._observer, sleep=self._clock.sleep)

    async def _look_and_wait(self) -> None:
        try:
            await self.look()
        except Unavailable as error:
            self._observer.note("windows not started, the store failed", reason=str(error))
        await self._clock.sleep(LOOK_SECONDS)


@asynccontextmanager
async def scheduling(scheduler: Scheduler) -> AsyncIterator[None]:
    """Start windows for the length of the block. A process without schedules is not woken for them."""
    if scheduler.idle:
        yield
        return
    task = asyncio.create_task(scheduler.keep_looking(), name="scheduler")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
