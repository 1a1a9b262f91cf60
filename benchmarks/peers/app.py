"""The application that Watership is measured with: agents of one and of three steps, and one that sits still."""

from __future__ import annotations

import asyncio
import os

from benchmarks.peers.marks import NAP_SECONDS, mark
from watership import App
from watership.durable import Effect, step

STEPS = 3

app = App("peers")


async def add_one(number: int) -> int:
    return number + 1


async def leave_mark(path: str) -> tuple[int, int]:
    """Who left it, and how many there are now."""
    return os.getpid(), mark(path)


@app.agent
async def one_step(number: int) -> int:
    """One step that adds one."""
    return await step(add_one, number, effect=Effect.PURE)


@app.agent
async def three_steps(number: int) -> int:
    """Three steps, each adds one."""
    for _ in range(STEPS):
        number = await step(add_one, number, effect=Effect.PURE)
    return number


@app.agent
async def between_steps(path: str) -> int:
    """Sit still between two steps in the process that took the first; elsewhere take the second at once."""
    pid, count = await step(leave_mark, path, effect=Effect.PURE)
    if os.getpid() == pid and count == 1:
        await asyncio.sleep(NAP_SECONDS)
    _, count = await step(leave_mark, path, effect=Effect.PURE)
    return count
