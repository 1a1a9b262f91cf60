"""A worker whose session lock is free is dead: its leases end now, and others go on with its runs."""

from __future__ import annotations

from contextlib import suppress

from watership.durable.clock import Clock
from watership.durable.committer import Committer
from watership.durable.ids import WorkerId
from watership.durable.ports import Observer, Runs, Witness
from watership.durable.writes import Bury, Refused
from watership.errors import NotAllowed, Unavailable

PRESENCE_SECONDS = 1.0
"""How often the store is asked which workers there are."""


class Burial:
    """Looks for the dead among the other workers, on behalf of one."""

    def __init__(
        self,
        *,
        by: WorkerId,
        runs: Runs,
        committer: Committer,
        witness: Witness,
        clock: Clock,
        observer: Observer,
    ) -> None:
        self._by = by
        self._runs = runs
        self._committer = committer
        self._witness = witness
        self._clock = clock
        self._observer = observer
        self._others: tuple[WorkerId, ...] = ()
        self._ask_at = 0.0

    async def keep(self, seconds: float) -> None:
        """Look every so many seconds, for ever; a store that does not answer, or refuses us, is asked again."""
        while True:
            await self._clock.sleep(seconds)
            with suppress(Unavailable, NotAllowed):
                await self._look()

    async def _look(self) -> None:
        if self._clock.monotonic() >= self._ask_at:
            self._others = tuple(it.id for it in await self._runs.workers() if it.id != self._by)
            self._ask_at = self._clock.monotonic() + PRESENCE_SECONDS
        for dead in sorted(await self._witness.dead(self._others)):
            outcome = await self._committer.write(Bury(worker=dead))
            if isinstance(outcome, Refused):  # it has taken its lock again meanwhile
                continue
            self._observer.note("dead worker buried", worker=dead, by=self._by)
            self._others = tuple(it for it in self._others if it != dead)
