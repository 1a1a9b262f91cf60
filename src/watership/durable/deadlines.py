"""Deadlines are kept by every worker for all runs: whoever sees first that one has passed asks its run to end."""

from __future__ import annotations

from watership.durable.clock import Clock
from watership.durable.committer import Committer
from watership.durable.ports import Observer, Runs
from watership.durable.writes import Expire
from watership.errors import NotAllowed, Unavailable

LOOK_SECONDS = 1.0
"""How often the store is asked; so much later than its deadline a run may be asked to end."""

AT_ONCE = 100
"""Runs that are asked to end in one look: they share a commit, and the others come with the next look."""


class Deadlines:
    """Looks for runs that are late: of every deployment and pool, whether anybody began them or not."""

    def __init__(self, runs: Runs, committer: Committer, clock: Clock, observer: Observer) -> None:
        self._runs = runs
        self._committer = committer
        self._clock = clock
        self._observer = observer

    async def keep(self) -> None:
        """Look for ever; a store that does not answer, or refuses us, is asked again."""
        while True:
            await self._clock.sleep(LOOK_SECONDS)
            try:
                await self.look()
            except (Unavailable, NotAllowed) as error:
                self._observer.note("deadlines not kept, the store failed", reason=str(error))

    async def look(self) -> None:
        """Ask what is late to end. Others may ask too: the store takes the first word."""
        late = await self._runs.late(limit=AT_ONCE)
        for asked in [self._committer.enqueue(Expire(run_id=run_id)) for run_id in late]:
            await asked
