"""The gatekeeper lets messages in or refuses them by what waits in the store, which it counts now and then."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final, NoReturn

from watership.durable.clock import Clock
from watership.durable.keeping import keep
from watership.durable.ports import Backlog, Observer, Runs
from watership.errors import Unavailable
from watership.fleet.admission import BACKLOG_MOST, WINDOW_SECONDS, Load, Overdue, decide, load_of
from watership.fleet.intake import Intake, effective

LOOK_SECONDS: Final = 0.25
"""Between two looks. What this process lets in meanwhile is added to what was counted."""

FULL_RETRY_SECONDS: Final = 5.0
"""When to come again while the broker takes nothing: it seldom is back sooner."""

STALE_SECONDS: Final = 5.0
"""How old a count may be. With an older one nobody knows what waits, and unknown is not empty."""


class Gatekeeper:
    """Of one process. `seconds`: how long what waits may take to work off; 0 lets everything in."""

    def __init__(
        self,
        runs: Runs,
        intake: Intake,
        clock: Clock,
        observer: Observer,
        *,
        seconds: float,
        writes: Callable[[], int] = lambda: 0,
        full: Callable[[], bool] = lambda: False,
    ) -> None:
        """`writes`: how many of this process wait for the store. `full`: whether the outbox holds all it may hold."""
        self._runs = runs
        self._intake = intake
        self._clock = clock
        self._observer = observer
        self._seconds = seconds
        self._writes = writes
        self._full = full
        self._seen: deque[Backlog] = deque(maxlen=round(WINDOW_SECONDS / LOOK_SECONDS) + 1)
        self._counted: Load | None = None
        """What the looks tell, worked out once for each look and not for each message."""
        self._looked_at = clock.monotonic()
        self._let_in = 0
        self._refusing = False

    def admit(self) -> None:
        """Let one message in. Raises Overdue when too much waits, Unavailable when that is not known."""
        if self._full():
            raise Unavailable(
                "The broker takes nothing, and as much waits for it as may.",
                fix="Look at the broker: watership doctor --prod",
                retry_after=FULL_RETRY_SECONDS,
            )
        if not self._seconds:
            return
        if self._clock.monotonic() - self._looked_at > STALE_SECONDS:
            raise Unavailable(
                "The store does not answer: nobody knows how much work waits.",
                fix="Look at the database: watership doctor --prod",
                retry_after=1.0,
            )
        if self._counted is not None:
            load = self._counted.since(let_in=self._let_in, writes=self._writes())
            refusal = decide(load, self._seconds)
            self._tell(refusal is not None, load.ready)
            if refusal is not None:
                raise Overdue(
                    refusal.why, fix="Send it again later, or add workers.", retry_after=refusal.retry_after
                )
        self._let_in += 1

    async def look(self) -> None:
        """Count what waits for the deployments that take new work."""
        intake = await self._intake.read()
        weights = effective(intake, await self._intake.now())
        taking = sorted(deployment for deployment, weight in weights.items() if weight)
        let_in = self._let_in
        self._seen.append(await self._runs.backlog(taking, limit=BACKLOG_MOST))
        self._counted = load_of(self._seen)
        self._let_in -= let_in  # what came while the store was counting may have been counted or not
        self._looked_at = self._clock.monotonic()

    async def keep_looking(self) -> NoReturn:
        await keep("gatekeeper", self._look_and_wait, self._observer, sleep=self._clock.sleep)

    async def _look_and_wait(self) -> None:
        try:
            await self.look()
        except Unavailable as error:
            self._observer.note("backlog not counted, the look failed", reason=str(error))
        await self._clock.sleep(LOOK_SECONDS)

    def _tell(self, refusing: bool, ready: int) -> None:
        """Once per change: thousands may be refused in a second."""
        if refusing is not self._refusing:
            self._refusing = refusing
            event = "new work refused" if refusing else "new work taken again"
            self._observer.note(event, ready=ready)


@asynccontextmanager
async def looking(gatekeeper: Gatekeeper) -> AsyncIterator[Gatekeeper]:
    """Keep the gatekeeper informed for the length of the block."""
    task = asyncio.create_task(gatekeeper.keep_looking(), name="gatekeeper")
    try:
        yield gatekeeper
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
