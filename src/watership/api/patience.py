"""Patience ends what takes too long: one timer for all that wait equally long, where one each would cost more."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any


class Late(TimeoutError):
    """A wait was given up. A kind of its own: a TimeoutError of whoever is waited for means something else."""


class Patience:
    """Of one loop, and of one length: who began first is late first, so that the timer knows only that one."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._waits: dict[Wait, float] = {}
        """Each with the time at which it is late, in the order of these times."""
        self._timer: asyncio.TimerHandle | None = None

    def wait(self, task: asyncio.Task[Any]) -> Wait:
        """A `with` block of `task`, which must be the running one. Raises Late when it lasts too long."""
        return Wait(self, task)

    def begin(self, wait: Wait, loop: asyncio.AbstractEventLoop) -> None:
        self._waits[wait] = loop.time() + self.seconds
        if self._timer is None:
            self._timer = loop.call_later(self.seconds, self._look, loop)

    def end(self, wait: Wait) -> None:
        # The timer stays: it looks again when it fires, and nobody pays for setting it anew.
        self._waits.pop(wait, None)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        now = loop.time()
        while self._waits:
            wait, late_at = next(iter(self._waits.items()))
            if late_at > now:
                self._timer = loop.call_at(late_at, self._look, loop)
                return
            del self._waits[wait]
            wait.give_up()


class Wait:
    """Like `asyncio.timeout`: a cancellation of its own becomes Late, one from elsewhere goes on."""

    __slots__ = ("_before", "_late", "_patience", "_task")

    def __init__(self, patience: Patience, task: asyncio.Task[Any]) -> None:
        self._patience = patience
        self._task = task
        self._late = False
        self._before = 0

    def __enter__(self) -> None:
        self._before = self._task.cancelling()
        self._patience.begin(self, self._task.get_loop())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._patience.end(self)
        if self._late and self._task.uncancel() <= self._before and kind is asyncio.CancelledError:
            raise Late from error

    def give_up(self) -> None:
        self._late = True
        self._task.cancel()
