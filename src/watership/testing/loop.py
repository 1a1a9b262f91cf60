"""An event loop that jumps to the next timer instead of waiting for it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import Context
from datetime import datetime
from hashlib import blake2b
from heapq import heappush
from itertools import count
from math import inf
from random import Random
from struct import pack
from threading import get_ident
from typing import Any, Never

from watership.errors import WatershipError
from watership.testing.scheduling import NumberedTask, OrderedTimer, ReadyHandle, interleave, stepped_task

NAMED_TASKS = 20  # tasks named in an error's text; the rest are counted

# Each of these would let the real world in, whose timing no seed decides.
REFUSED = (
    *("add_reader", "add_writer", "add_signal_handler", "run_in_executor", "getaddrinfo", "getnameinfo"),
    *("subprocess_exec", "subprocess_shell", "connect_read_pipe", "connect_write_pipe"),
    *("sock_recv", "sock_recv_into", "sock_recvfrom", "sock_recvfrom_into", "sock_sendall", "sock_sendto"),
    *("sock_connect", "sock_accept", "sock_sendfile", "sendfile", "start_tls", "connect_accepted_socket"),
    *("create_connection", "create_server", "create_unix_connection", "create_unix_server"),
    "create_datagram_endpoint",
)


class Stuck(WatershipError):
    """Virtual time cannot go on. `at` is in seconds of loop time, `pending` says who waits and where."""

    code = "stuck"

    def __init__(self, reason: str, at: float, pending: Sequence[str]) -> None:
        more = [f"and {len(pending) - NAMED_TASKS} more"] if len(pending) > NAMED_TASKS else []
        waiting = "; ".join([*pending[:NAMED_TASKS], *more]) or "no task"
        super().__init__(f"{reason} at {at:.6g} s of virtual time; pending: {waiting}.")
        self.at, self.pending = at, tuple(pending)


class Deadlock(Stuck):
    """Nothing is ready and no timer is pending: no task can ever go on."""

    code = "deadlock"


class LimitReached(Stuck):
    """The program ran past the simulated seconds or the steps it was given."""

    code = "limit_reached"


class NotClean(Stuck):
    """Tasks that were left over resisted their cancellation, or failed while they unwound (`failures`)."""

    code = "not_clean"

    def __init__(self, at: float, pending: Sequence[str], failures: Sequence[BaseException]) -> None:
        failed = f", failed with {', '.join(map(repr, failures))}" if failures else ""
        super().__init__(f"Tasks left over by main did not end when cancelled{failed}", at, pending)
        self.failures = tuple(failures)


class NotDeterministic(WatershipError):
    """Threads, sockets, processes and signals do not exist in virtual time; `what` was called."""

    code = "not_deterministic"

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} is refused in virtual time: no seed decides when the real world answers.",
            fix="Pass an in-memory adapter, or run this test on a real event loop.",
        )
        self.what = what


class VirtualTimeLoop(asyncio.BaseEventLoop):
    """An event loop without selector, file descriptors or threads; seed 0 is first in, first out."""

    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]

    def __init__(self, *, seed: int, start: datetime, seconds: float, steps: int) -> None:
        super().__init__()
        self.start, self.steps, self._now = start, 0, 0.0
        self._trace = blake2b(digest_size=16)
        self._random = Random(seed) if seed else None
        self._serials, self._timers, self._thread = count(1), count(1), get_ident()
        self._selector = self  # all that the base class asks of it is `select`
        self.set_task_factory(self._new_task)
        self.grant(seconds, steps)

    def grant(self, seconds: float, steps: int) -> None:
        """Allow this much more from here."""
        self._last_second, self._last_step = self._now + seconds, self.steps + steps

    def time(self) -> float:
        return self._now

    def jump(self, seconds: float) -> None:
        self._now += seconds

    def trace(self) -> str:
        """A digest of every step so far: when, and of which task."""
        return self._trace.hexdigest()

    def tasks(self) -> list[NumberedTask[object]]:
        """Tasks that have not ended, the oldest first."""
        alive = (task for task in asyncio.all_tasks(self) if isinstance(task, NumberedTask))
        return sorted(alive, key=hash)

    def pending(self) -> list[str]:
        return [task.where() for task in self.tasks()]

    def select(self, timeout: float | None) -> list[object]:
        """Where a real loop would wait: move the clock to the next timer, or put what is ready in order."""
        now = self._now
        if timeout != 0:
            now = max(now, self._next_timer())
        elif self._random and len(self._ready) > 1:
            ordered = interleave([handle for handle in self._ready if not handle.cancelled()], self._random)
            self._ready.clear()
            self._ready.extend(ordered)
        self.steps += max(1, len(self._ready))
        if now > self._last_second:
            raise LimitReached("The limit of simulated seconds was reached", self._now, self.pending())
        if self.steps > self._last_step:
            raise LimitReached("The limit of steps was reached", self._now, self.pending())
        self._now = now
        for handle in self._ready:
            task = stepped_task(handle)
            self._trace.update(pack("<dq", now, 0 if task is None else hash(task)))
        return []

    def _next_timer(self) -> float:
        when = self._scheduled[0].when() if self._scheduled else inf
        if when == inf:
            raise Deadlock("Nothing is ready and no timer is pending", self._now, self.pending())
        return when

    def call_at(
        self, when: float, callback: Callable[..., object], *args: object, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """As the base class, but timers of one instant run in the order they were set, or the seed's."""
        if self.is_closed():
            raise RuntimeError("Event loop is closed")
        timer = OrderedTimer(when, callback, args, self, context)
        timer.tie = self._random.random() if self._random else float(next(self._timers))
        timer._scheduled = True  # type: ignore[attr-defined]  # so that the base class counts its cancellation
        heappush(self._scheduled, timer)
        return timer

    def _call_soon(
        self, callback: Callable[..., object], args: tuple[object, ...], context: Context | None
    ) -> asyncio.Handle:
        handle = ReadyHandle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_soon_threadsafe(
        self, callback: Callable[..., object], *args: object, context: Context | None = None
    ) -> asyncio.Handle:
        if get_ident() != self._thread:
            raise NotDeterministic("call_soon_threadsafe from another thread")
        return self.call_soon(callback, *args, context=context)

    def close(self) -> None:
        self._selector = None  # type: ignore[assignment]  # a loop that holds itself would wait for the collector
        super().close()

    def _process_events(self, events: list[object]) -> None:
        assert not events

    def _new_task(self, loop: object, coro: Any, name: str | None = None, **kwargs: Any) -> NumberedTask[Any]:
        return NumberedTask(coro, next(self._serials), name, loop=self, **kwargs)


def _refuse(what: str) -> None:
    def refused(self: VirtualTimeLoop, *args: object, **kwargs: object) -> Never:
        raise NotDeterministic(what)

    setattr(VirtualTimeLoop, what, refused)


for _what in REFUSED:
    _refuse(_what)
