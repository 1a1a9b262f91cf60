"""Among callbacks that are ready at the same instant, a seed decides who goes first.

What asyncio documents, or what no timing of the real world could change, keeps its order: plain `call_soon`
callbacks among themselves, and the callbacks of one future (its done-callbacks and its waiters) among
themselves. Everything else, above all the steps of different tasks, may interleave in any way.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine, Iterable
from random import Random
from typing import Any, TypeVar

from watership.testing.processes import held_back

T = TypeVar("T")

PLAIN = 0  # the lane of `call_soon`; every other lane is the id of a live task or future, which is never 0


class NumberedTask(asyncio.Task[T]):
    """A task that is named and hashed by its number, so that no order depends on addresses."""

    def __init__(self, coro: Coroutine[Any, Any, T], serial: int, name: str | None, **kwargs: Any) -> None:
        self.serial = serial  # before the base, which puts the task into a set
        super().__init__(coro, name=name or f"task-{serial}", **kwargs)

    def set_name(self, name: object) -> None:
        if name is not None:  # Python 3.13.0 hands on a name that was not given
            super().set_name(name)

    def __hash__(self) -> int:  # TaskGroup and asyncio.wait iterate over sets of tasks
        return self.serial

    def where(self) -> str:
        """Its name, and the line of its own code at which it waits."""
        frame = getattr(self.get_coro(), "cr_frame", None)
        place = f" in {frame.f_code.co_qualname} line {frame.f_lineno}" if frame else ""
        return f"{self.get_name()!r}{place}"


class ReadyHandle(asyncio.Handle):
    """A callback that is held back while its simulated process stands still."""

    __slots__ = ()

    def _run(self) -> None:
        if not held_back(self):
            super()._run()


class OrderedTimer(asyncio.TimerHandle):
    """A timer whose `tie` orders it among the timers of its instant; held back as ReadyHandle is."""

    __slots__ = ("tie",)
    tie: float

    def _run(self) -> None:
        if not held_back(self):
            super()._run()

    def __lt__(self, other: asyncio.TimerHandle) -> bool:
        return (self.when(), self.tie) < (other.when(), getattr(other, "tie", 0.0))


def stepped_task(handle: asyncio.Handle) -> asyncio.Task[object] | None:
    """The task that a callback steps, or None if it is a plain callback."""
    bound_to = getattr(getattr(handle, "_callback", None), "__self__", None)
    return bound_to if isinstance(bound_to, asyncio.Task) else None


def lane(handle: asyncio.Handle) -> int:
    """Handles of one lane keep their order. Good only while the handles live: it is made of ids."""
    first = handle._args[0] if handle._args else None
    if asyncio.isfuture(first):
        return id(first)
    task = stepped_task(handle)
    return PLAIN if task is None else id(task)


def interleave(ready: Iterable[asyncio.Handle], random: Random) -> list[asyncio.Handle]:
    """The same handles, their lanes merged at random."""
    lanes: dict[int, deque[asyncio.Handle]] = {}
    turns: list[int] = []
    for handle in ready:
        turns.append(lane(handle))
        lanes.setdefault(turns[-1], deque()).append(handle)
    if len(lanes) > 1:
        random.shuffle(turns)
    return [lanes[turn].popleft() for turn in turns]
