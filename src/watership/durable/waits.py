"""What a run waits for, and how much of it is active: when nothing is active, the run stands still.

Active are branches that are not in a kernel wait, calls of other tasks that are being answered, writes under way.
A wait is a future that stays pending until what it waits for is there; it never raises.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn

from watership.durable.ids import Key
from watership.durable.run import Waiting


@dataclass(eq=False, slots=True)
class Wait:
    """One wait. `give_back` takes what came for it if its branch was dropped before it could be used."""

    info: Waiting
    future: asyncio.Future[Any]
    give_back: Callable[[Any], None] | None


class Waits:
    """The waits of one execution, and the count of what is active. `changed` is set when that reaches nothing."""

    def __init__(self, changed: asyncio.Event) -> None:
        self.active = 0
        self.stirred = 0
        """Counts every change: equal before and after means that nothing happened in between."""
        self.hosting = 0
        """Branches that only wait for keyed calls of other tasks."""
        self.halted = 0
        """Calls that may not go on."""
        self._changed = changed
        self._waits: dict[Key, Wait] = {}
        self._joins: dict[Key, asyncio.Future[Any]] = {}

    def __len__(self) -> int:
        return len(self._waits)

    def count(self, change: int) -> None:
        self.active += change
        self.stirred += 1
        if self.active == 0:
            self._changed.set()

    def host(self, change: int) -> None:
        """A branch only waits for keyed calls of other tasks from here (+1), or no longer (-1)."""
        self.hosting += change
        self.count(-change)

    def infos(self) -> tuple[Waiting, ...]:
        """What is waited for, for people to see."""
        return tuple(wait.info for wait in self._waits.values())

    def pending(self) -> tuple[Wait, ...]:
        """The waits that can be woken. Others were cancelled, and their tasks have not cleared up yet."""
        return tuple(wait for wait in self._waits.values() if not wait.future.done())

    async def wait(self, info: Waiting, give_back: Callable[[Any], None] | None = None) -> Any:
        """Stay pending until `wake`. Not active meanwhile."""
        wait = Wait(info, asyncio.get_running_loop().create_future(), give_back)
        self._waits[info.key] = wait
        self.count(-1)
        if info.due is not None:
            self._changed.set()
        try:
            return await wait.future
        except asyncio.CancelledError:
            came = wait.future.result() if wait.future.done() and not wait.future.cancelled() else None
            if give_back is not None and came is not None:  # None is that its time passed
                give_back(came)
            raise
        finally:
            if self._waits.get(info.key) is wait:
                del self._waits[info.key]
                self.count(+1)

    async def join(self, key: Key) -> Any:
        """Stay pending until `wake_key`: no wait that people should see, nor one that a run is parked on alone."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._joins[key] = future
        self.count(-1)
        try:
            return await future
        finally:
            if self._joins.pop(key, None) is not None:
                self.count(+1)

    async def halt(self) -> NoReturn:
        """Never return: the call may not go on, and waits do not raise."""
        self.halted += 1
        self.count(-1)
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.halted -= 1
            self.count(+1)
        raise AssertionError("a halted call cannot go on")

    def wake(self, wait: Wait, value: object) -> None:
        """Let a wait go on. It counts as active from this moment, before its task comes to run."""
        # A future that is done was cancelled: its task clears up behind itself.
        if self._waits.get(wait.info.key) is wait and not wait.future.done():
            del self._waits[wait.info.key]
            self.count(+1)
            wait.future.set_result(value)

    def wake_key(self, key: Key, value: object) -> None:
        """Like `wake`, by key, a join as well; nothing if it does not wait (any more)."""
        wait, future = self._waits.get(key), self._joins.get(key)
        if wait is not None:
            self.wake(wait, value)
        if future is not None and not future.done():
            del self._joins[key]
            self.count(+1)
            future.set_result(value)

    def fire(self, now: datetime) -> None:
        """Wake what was waiting for a time that has come."""
        if not self._waits:
            return
        for wait in self.pending():
            if wait.info.due is not None and wait.info.due <= now:
                self.wake(wait, None)

    def next_due(self) -> datetime | None:
        if not self._waits:
            return None
        return min((w.info.due for w in self._waits.values() if w.info.due is not None), default=None)


class Activity:
    """Counts something as active for the length of a `with` block."""

    def __init__(self, waits: Waits, amount: int) -> None:
        self._waits = waits
        self._amount = amount

    def __enter__(self) -> None:
        self._waits.count(self._amount)

    def __exit__(self, *_: object) -> None:
        self._waits.count(-self._amount)
