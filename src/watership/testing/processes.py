"""A simulated process can be frozen, thawed and killed in the middle of anything, as by SIGSTOP, SIGCONT, SIGKILL.

What is started by `Process.start` runs in a context of its own, and so does all that it starts in turn. While the
process stands still the loop holds back every callback of that context; once it is killed, for good: no `finally`
is run, nothing is written. What the process shares with the world outside it must be plain calls, or awaited there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextvars import Context, ContextVar, copy_context
from typing import Any, TypeVar

T = TypeVar("T")

PROCESS: ContextVar[Process | None] = ContextVar("watership_simulated_process", default=None)


class Process:
    """One simulated process. It runs until it is frozen or killed."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.killed = False
        self.frozen = False
        self._unwinding = False
        self._held: list[asyncio.Handle] = []
        self._never: list[asyncio.Future[None]] = []
        self._loop = asyncio.get_running_loop()

    @property
    def still(self) -> bool:
        """Whether nothing of it runs now."""
        return (self.killed or self.frozen) and not self._unwinding

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run `work`, and all that it starts, inside this process."""
        context = copy_context()
        context.run(PROCESS.set, self)
        return self._loop.create_task(work, name=self.name, context=context)

    def freeze(self, seconds: float) -> None:
        """Stand still for so long, whatever is under way; what came due meanwhile then runs at once."""
        if not self.still:
            self.frozen = True
            # In an empty context: a frozen process does not thaw itself.
            self._loop.call_later(seconds, self._thaw, context=Context())

    def kill(self) -> None:
        """Stand still for ever."""
        self.killed = True

    async def die(self) -> None:
        """Kill the process from inside: this does not return."""
        self.kill()
        # Kept here: a task that waits for a future which nobody else knows is collected, with a complaint.
        self._never.append(self._loop.create_future())
        await self._never[-1]

    def hold(self, handle: asyncio.Handle) -> None:
        """Keep a callback for the time after the thaw."""
        self._held.append(handle)

    def _thaw(self) -> None:
        self.frozen = False
        if not self.killed:
            self._let_go()

    def unwind(self) -> None:
        """At the end of the world: kill the process, yet let its tasks run, so that they can be cancelled."""
        self.killed = self._unwinding = True
        self._let_go()

    def _let_go(self) -> None:
        held, self._held = self._held, []
        for handle in held:
            self._loop._ready.append(handle)  # type: ignore[attr-defined]  # they were ready before


def held_back(handle: asyncio.Handle) -> bool:
    """True if the handle belongs to a process that stands still; the process then keeps it."""
    process = handle._context.get(PROCESS)  # type: ignore[attr-defined]  # every handle has one
    if process is None or not process.still:
        return False
    process.hold(handle)
    return True
