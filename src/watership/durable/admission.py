"""Admission: a kernel call gets its key or is refused, goes on or is halted, and keeps to the journal's order."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import NoReturn

import msgspec

from watership.durable.branch import Branch, current_step, here
from watership.durable.ids import Key, RunId
from watership.durable.journal import Journal
from watership.durable.keys import join, keyed
from watership.durable.lease import Lease
from watership.durable.modes import Course, Mode
from watership.durable.program import Diverged, KeyUsedTwice, Nested, Sealed, Unbranched, failure_of
from watership.durable.waits import Activity, Waits

ConfirmLease = Callable[[RunId], Awaitable[bool]]
"""Asks the store whether a run is still ours."""


_COUNTED = nullcontext()


class Call(msgspec.Struct, frozen=True, eq=False):
    """A kernel call that was let in: where it is, and whether its branch's own task makes it."""

    branch: Branch
    key: Key
    own: bool


@dataclass(eq=False, kw_only=True)
class Admission:
    """Of the calls of one execution. A call that may not go on does not return: a wait never raises."""

    run_id: RunId
    journal: Journal
    course: Course
    waits: Waits
    lease: Lease
    confirm: ConfirmLease
    used: set[Key] = field(default_factory=set)
    parking: asyncio.Event | None = None
    """Set once it is known whether the run that is just being parked goes on after all."""

    async def admit(
        self, call: str, unit: str, separator: str, key: str | None, *, leaf: bool = True
    ) -> Call:
        """Let a kernel call in: give it its key, or refuse it (Nested, Sealed, Unbranched, KeyUsedTwice)."""
        branch = here(call)
        step = current_step.get()
        if step is not None:
            raise Nested(call, step)
        if branch.sealed:
            raise Sealed(call)
        own = asyncio.current_task() is branch.task
        if key is not None:
            full = join(branch.path, keyed(key))
        elif own:
            name = branch.unit(unit, separator)
            full = join(branch.path, name)
            recorded = self.journal.sequences.reach(branch.path, name, leaf=leaf)
            if recorded is not None:
                await self.diverge(join(branch.path, recorded), "this call", repr(str(full)))
        else:
            raise Unbranched(call, branch.path)
        if full in self.used:
            raise KeyUsedTwice(full)
        self.used.add(full)
        self.waits.stirred += 1
        return Call(branch, full, own)

    def active(self, call: Call) -> AbstractContextManager[None]:
        """A `with` block in which a call is being answered. A branch's own task counts already."""
        return _COUNTED if call.own else Activity(self.waits, 1)

    async def may_go_on(self) -> None:
        """Return only if new work may begin now: not while draining, cancelling, stopping, and not without lease."""
        while True:
            if self.parking is not None:
                await self.parking.wait()
            if self.course.mode not in (Mode.RUN, Mode.UNDO):
                await self.waits.halt()
            if self.lease.holds():
                return
            await self.still_ours()

    async def still_ours(self) -> None:
        """Return only while the run is certainly ours; where the lease ran out the store is asked."""
        while self.course.mode is Mode.LOST or not self.lease.holds():
            if self.course.mode is Mode.LOST or not await self.confirm(self.run_id):
                self.course.lose()
                await self.waits.halt()

    async def nothing_skipped(self, path: str, end: str) -> None:
        """A branch comes to its end: return only if the journal does not hold more of it."""
        skipped = self.journal.sequences.expected(path)
        if skipped is not None:
            await self.diverge(join(path, skipped), "this call", end)

    async def diverge(self, key: Key, recorded: str, asked: str) -> NoReturn:
        """The program is not the one that wrote the journal: stop the run; the call does not return."""
        self.course.stop(failure_of(Diverged(key, recorded, asked)))
        await self.waits.halt()
