"""The agents of the campaign: each tells the oracle as the first thing in every step's body."""

from __future__ import annotations

import asyncio
import os
import random
import signal as signals

from tests.journeys.engine.entries import act, acted, entered
from watership import App, child, gather, idempotency_key, signal, sleep, step, tool
from watership.durable import RetryPolicy
from watership.durable.program import Checked, Done

app = App("campaign", version="1.0.0")

MOMENT = 0.004
"""Seconds that a body works: long enough to be killed or frozen in."""

LONG = 0.25
"""Seconds of a body that is to be caught in the middle."""

PATIENT = RetryPolicy(attempts=30, first=0.02, most=0.1)
BRIEF = RetryPolicy(attempts=2, first=0.05)


async def _work(seconds: float = MOMENT) -> None:
    entered()
    await asyncio.sleep(seconds)


@tool(effect="pure")
async def add(number: int, more: int) -> int:
    await _work()
    return number + more


@tool(effect="pure")
async def double(number: int) -> int:
    await _work()
    return number * 2


@tool(effect="idempotent")
async def keep(number: int) -> int:
    await _work()
    return number


@tool(effect="pure")
async def ponder(number: int) -> int:
    await _work(LONG)
    return number + 1


@tool(effect="pure")
async def toil(number: int, seconds: int) -> int:
    await _work(seconds)
    return number


async def _was_charged() -> Checked:
    return Done(CHARGE) if acted(idempotency_key()) else "retry"


CHARGE = 17


@tool(effect="unsafe", check=_was_charged)
async def charge(number: int) -> int:
    await _work()
    act(idempotency_key())
    await asyncio.sleep(MOMENT)
    return CHARGE


@tool(effect="pure", retry=PATIENT)
async def shake(number: int) -> int:
    await _work()
    if random.random() < 0.4:
        raise ConnectionError("shaken")
    return number + 5


@tool(effect="pure", retry=BRIEF)
async def fail(number: int) -> int:
    await _work()
    raise ValueError(f"as expected of {number}")


@tool(effect="pure")
async def die(number: int) -> int:
    entered()
    os.kill(os.getpid(), signals.SIGKILL)
    return number


@app.agent
async def plain(number: int) -> int:
    """Three steps."""
    more = await step(add, number, 1)
    twice = await step(double, more)
    return await step(keep, twice)


@app.agent
async def long(number: int) -> int:
    """Two steps of some length."""
    return await step(ponder, await step(ponder, number))


@app.agent
async def labour(number: int, seconds: int) -> int:
    """One step that takes its time."""
    return await step(toil, number, seconds)


@app.agent
async def napping(number: int) -> int:
    """Steps around timers."""
    more = await step(add, number, 1)
    await sleep(0.4)
    more = await step(add, more, 1)
    await sleep(0.2)
    return await step(double, more)


@app.agent
async def answered(number: int) -> int:
    """Waits for a word from outside."""
    more = await step(add, number, 1)
    word = await signal("word", into=int)
    return await step(add, more, word)


@app.agent
async def leaf(number: int) -> int:
    """A child."""
    return await step(double, number)


@app.agent
async def family(number: int, children: int) -> int:
    """Starts children, and gathers what they give."""
    given = await gather(*[child("leaf", {"number": number + each}, into=int) for each in range(children)])
    return await step(keep, sum(given))


@app.agent
async def careful(number: int) -> int:
    """An effect that must not be repeated."""
    return await step(add, number, await step(charge, number))


@app.agent
async def shaky(number: int) -> int:
    """A step that often raises, and is tried again."""
    return await step(keep, await step(shake, number))


@app.agent
async def failing(number: int) -> int:
    """Raises in the end."""
    return await step(fail, await step(add, number, 1))


@app.agent
async def poison(number: int) -> int:
    """Kills whoever executes it."""
    return await step(die, await step(add, number, 1))


@app.agent
async def talk(number: int) -> int:
    """A message of a conversation: one at a time, in the order in which they were sent."""
    return await step(double, await step(add, number, 1))


if __name__ == "__main__":
    app.main()
