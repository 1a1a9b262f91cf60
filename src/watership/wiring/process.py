"""A process of ours: its loop, its garbage, and the signals that ask it to end; with HTTP or without."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import uvloop

T = TypeVar("T")

GARBAGE: Final = 20_000
"""Objects made and not freed before cycles among them are looked for. A run in flight is some hundred of them: with
Python's 700 every few runs pay for a look that finds them alive. It costs about 4 MB under load."""


class Stop:
    """What signals asked for: to end (`asked`), and by a second one to end now (`urgent`)."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.urgent = asyncio.Event()

    def __call__(self) -> None:
        if self.asked.is_set():
            self.urgent.set()
        self.asked.set()


@contextmanager
def stop_signals() -> Iterator[Stop]:
    """SIGTERM and SIGINT, as events of the running loop, which server and workers share."""
    loop, stop = asyncio.get_running_loop(), Stop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        yield stop
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


async def urgently(stop: Stop, work: Awaitable[T], hurry: Callable[[], None]) -> T:
    """What `work` gives; a second signal hurries it."""
    working, hurried = asyncio.ensure_future(work), asyncio.ensure_future(stop.urgent.wait())
    await asyncio.wait({working, hurried}, return_when=asyncio.FIRST_COMPLETED)
    if not working.done():
        hurry()
    hurried.cancel()
    return await working


def look_for_garbage_less_often() -> None:
    gc.freeze()  # what is there by now stays to the end: it need not be looked through again and again
    gc.set_threshold(GARBAGE, *gc.get_threshold()[1:])


def run(main: Coroutine[Any, Any, T]) -> T:
    """`main` on the loop that serves fastest, in a process whose garbage is looked for less often."""
    look_for_garbage_less_often()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)
