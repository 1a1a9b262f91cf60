"""Virtual time runs days of a program in moments, and the same way each time for the same seed.

What a program does must come from its code and the seed for that to hold: no global randomness, no
iteration over sets of strings or plain objects (sets of tasks are fine: here a task hashes by its number).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import closing
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Any, TypeVar

from watership.errors import BadInput
from watership.testing.loop import NotClean, Stuck, VirtualTimeLoop
from watership.testing.scheduling import NumberedTask

T = TypeVar("T")

START = datetime(2026, 1, 1, tzinfo=UTC)
LIMIT_SECONDS = 30 * 86_400.0  # simulated; longer than any watch or timer of a release
LIMIT_STEPS = 10_000_000  # callbacks; about a minute of real time, so that a livelock ends in an error
CLEANUP_SECONDS = 3_600.0  # simulated; what cancelled tasks get to unwind in
CLEANUP_STEPS = 100_000  # callbacks; a task that catches its cancellation and spins ends here
CLEANUP_ROUNDS = 10  # unwinding tasks may spawn tasks, which the next round cancels
CLOSE_ATTEMPTS = 10  # a coroutine may answer each `close` by awaiting again


def run_in_virtual_time(
    main: Callable[[], Awaitable[T]] | Coroutine[Any, Any, T],
    *,
    seed: int = 0,
    start: datetime = START,
    limit_seconds: float = LIMIT_SECONDS,
    limit_steps: int = LIMIT_STEPS,
) -> T:
    """Run `main` to its end on a loop of its own, cancel what it left over, and return its result.

    Seed 0 runs ready callbacks first in, first out; any other seed interleaves tasks in its own way.
    Raises Deadlock when nothing can ever happen again, LimitReached past a limit, NotDeterministic on
    threads, sockets, processes and signals, and NotClean when leftover tasks resist or fail.
    """
    if start.utcoffset() is None:
        raise BadInput("The start of virtual time has no timezone.", fix="Pass a datetime with tzinfo=UTC.")
    with closing(VirtualTimeLoop(seed=seed, start=start, seconds=limit_seconds, steps=limit_steps)) as loop:
        try:
            result = loop.run_until_complete(main if isinstance(main, Coroutine) else _called(main))
        except BaseException as failure:
            if unclean := _clear(loop):
                failure.add_note(str(unclean))
            raise
        if unclean := _clear(loop):
            raise unclean
        return result


async def _called(main: Callable[[], Awaitable[T]]) -> T:
    return await main()


def _clear(loop: VirtualTimeLoop) -> NotClean | None:
    """Cancel every task and wait for it within bounds; what resists or fails is returned as an error."""
    loop.grant(CLEANUP_SECONDS, CLEANUP_STEPS)
    cancelled: list[NumberedTask[object]] = []
    try:
        for _ in range(CLEANUP_ROUNDS):
            if leftovers := loop.tasks():
                cancelled += leftovers
                _cancel(loop, leftovers)
        loop.run_until_complete(loop.shutdown_asyncgens())
    except Stuck:
        pass  # who resists is found below, by name
    resisting = loop.tasks()
    ended = (task for task in cancelled if task.done() and not task.cancelled())
    failures = [failure for task in ended if (failure := task.exception())]
    unclean = NotClean(loop.time(), loop.pending(), failures) if resisting or failures else None
    for task in resisting:
        _drop(task)
    return unclean


def _cancel(loop: VirtualTimeLoop, tasks: list[NumberedTask[object]]) -> None:
    for task in tasks:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))


def _drop(task: NumberedTask[object]) -> None:
    """End a task that resists, so that neither it nor its coroutine complains when it is collected."""
    # Its name stands in NotClean already; the log need not say it again.
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    for _ in range(CLOSE_ATTEMPTS):
        try:
            task.get_coro().close()
            break
        except RuntimeError:  # it awaited again instead of ending
            continue


def running_loop() -> VirtualTimeLoop:
    """The loop of virtual time that runs now; BadInput if a real one runs, or none."""
    loop = asyncio._get_running_loop()
    if not isinstance(loop, VirtualTimeLoop):
        raise BadInput("This needs virtual time.", fix="Call it inside run_in_virtual_time(main).")
    return loop


def suspend(seconds: float) -> None:
    """Freeze the whole process, as SIGSTOP does: time passes and nothing runs; then all that is due does."""
    if not (isfinite(seconds) and seconds >= 0):
        raise BadInput(f"A suspension lasts a finite number of seconds from 0 up, not {seconds}.")
    running_loop().jump(seconds)


def trace() -> str:
    """A digest of every step taken so far. Same program, same seed: same trace."""
    return running_loop().trace()


class VirtualClock:
    """The kernel's Clock, told by the loop of virtual time that runs."""

    def now(self) -> datetime:
        loop = running_loop()
        return loop.start.astimezone(UTC) + timedelta(seconds=loop.time())

    def monotonic(self) -> float:
        return running_loop().time()

    async def sleep(self, seconds: float) -> None:
        running_loop()
        await asyncio.sleep(seconds)
