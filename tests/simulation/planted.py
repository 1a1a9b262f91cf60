"""Bugs planted through the kernel's seams: a wrapped store, a part of the execution of another make."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from msgspec.structs import replace

from watership.adapters.ledger import commit
from watership.adapters.memory import MemoryStore
from watership.durable.admission import Admission, Call
from watership.durable.branch import here
from watership.durable.events import AnyEvent
from watership.durable.execution import Execution
from watership.durable.ids import EntryId, Key
from watership.durable.journal import Journal
from watership.durable.modes import Mode
from watership.durable.run import Waiting
from watership.durable.waits import Waits
from watership.durable.writes import Append, Claim, Write, Written


class ClaimsAnsweredBeforeCommit:
    """The answer to a claim goes out, and the commit follows a moment later."""

    SECONDS = 0.1

    def __init__(self, memory: MemoryStore) -> None:
        self._memory = memory
        self._late: set[asyncio.Task[Written]] = set()

    async def write(self, writes: Sequence[Write]) -> Written:
        if not any(isinstance(write, Claim) for write in writes):
            return await self._memory.write(writes)
        # What a database would answer inside the transaction that is still open.
        rows = self._memory._rows
        answered = commit(rows, writes, self._memory._clock.now())
        rows.give_up()
        task = asyncio.create_task(self._commit_late(writes))
        self._late.add(task)
        task.add_done_callback(self._late.discard)
        return answered

    async def _commit_late(self, writes: Sequence[Write]) -> Written:
        await asyncio.sleep(self.SECONDS)
        return await self._memory.write(writes)


class EpochsUnchecked:
    """Whoever appends is taken for the present owner."""

    def __init__(self, memory: MemoryStore) -> None:
        self._memory = memory

    async def write(self, writes: Sequence[Write]) -> Written:
        return await self._memory.write([await self._blessed(write) for write in writes])

    async def _blessed(self, write: Write) -> Write:
        run = await self._memory.get(write.run_id) if isinstance(write, Append) else None
        return write if run is None or not isinstance(write, Append) else replace(write, epoch=run.epoch)


class EntriesForgotten:
    """What was written before is not recognised by its entry id, so that a repeated commit counts twice."""

    def __init__(self, memory: MemoryStore) -> None:
        self._memory = memory
        self._count = 0

    async def write(self, writes: Sequence[Write]) -> Written:
        return await self._memory.write([self._renamed(write) for write in writes])

    def _renamed(self, write: Write) -> Write:
        self._count += 1
        return replace(write, entry_id=EntryId(str(self._count))) if isinstance(write, Append) else write


class OrdinalAdmission(Admission):
    """Calls are numbered through the whole run, in the order in which they happen to come."""

    async def admit(
        self, call: str, unit: str, separator: str, key: str | None, *, leaf: bool = True
    ) -> Call:
        branch = here(call)
        number = self.ordinals = getattr(self, "ordinals", -1) + 1
        return Call(branch, Key(f"call/{number}"), own=True)

    async def nothing_skipped(self, path: str, end: str) -> None:
        return


OrdinalKeys = partial(Execution, admission=OrdinalAdmission)


class Parked(Exception):
    """What a wait raises where parking is done by exception."""


class RaisingWaits(Waits):
    """A wait raises, to unwind the program; which may catch it."""

    async def wait(self, info: Waiting, give_back: Callable[[Any], None] | None = None) -> Any:
        if info.kind == "signal":
            self._parked = asyncio.ensure_future(super().wait(info, give_back))
            self.count(+1)
            raise Parked(info.key)
        return await super().wait(info, give_back)


ParksByException = partial(Execution, waits=RaisingWaits)


class ForgetfulJournal(Journal):
    """A started step without a result is taken for one that never began."""

    def __init__(self, events: Iterable[AnyEvent] = ()) -> None:
        super().__init__(events)
        for key in [key for key, record in self.steps.items() if record.in_doubt]:
            del self.steps[key]


RepeatsWhatIsInDoubt = partial(Execution, journal=ForgetfulJournal)


class CredulousAdmission(Admission):
    """The lease is not looked at before a step is entered."""

    async def still_ours(self) -> None:
        return

    async def may_go_on(self) -> None:
        if self.course.mode not in (Mode.RUN, Mode.UNDO):
            await self.waits.halt()


LeaseBelieved = partial(Execution, admission=CredulousAdmission)
