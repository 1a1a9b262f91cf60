"""The work that every peer is given: a step that does nothing but add one, and a job that sits still to be killed."""

from __future__ import annotations

import asyncio
import time

from benchmarks.peers.marks import NAP_SECONDS, mark


def add_one(number: int) -> int:
    return number + 1


async def add_one_async(number: int) -> int:
    return number + 1


def nap(path: str) -> int:
    """The first to come sits still; whoever takes the job over leaves a mark and is done."""
    count = mark(path)
    if count == 1:
        time.sleep(NAP_SECONDS)
    return count


async def nap_async(path: str) -> int:
    count = mark(path)
    if count == 1:
        await asyncio.sleep(NAP_SECONDS)
    return count
