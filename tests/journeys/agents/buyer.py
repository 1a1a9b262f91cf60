"""An agent of five turns and two tools, that is killed wherever it can be."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from watership import Agent, App, Budget, Done, Price, RetryPolicy, idempotency_key, tool
from watership.durable.program import Checked

OUTPUT_TOKENS = 100
PRICE = Price(input=0.01, output=10.0)
MOMENT = 0.2
"""Seconds that a tool works: long enough to be killed in."""

FOLDER = Path(os.environ.get("BUYER_FOLDER", "."))

app = App("shop", version="1.0.0")


def mark(kind: str, tool: str) -> Path:
    """The file that says how far the present step came."""
    return FOLDER / f"{kind}-{tool}-{idempotency_key().replace('/', '.').replace(':', '_')}"


async def work(tool: str) -> None:
    """Be entered, take a moment, and have an effect, each time that one is had."""
    mark("entered", tool).touch()
    await asyncio.sleep(MOMENT)
    with mark("done", tool).open("a") as done:
        done.write("done\n")


@tool(effect="pure", reads=())
async def price(item: str) -> int:
    """What an item costs."""
    await work("price")
    return len(item)


async def was_paid() -> Checked:
    return Done("receipt") if mark("done", "pay").exists() else "retry"


@tool(effect="unsafe", check=was_paid, reads=())
async def pay(cents: int) -> str:
    """Pay."""
    await work("pay")
    return "receipt"


app.add(
    Agent(
        "buyer",
        model="openai-chat:scripted",
        tools=[price, pay],
        price=PRICE,
        output_tokens=OUTPUT_TOKENS,
        budget=Budget(usd=1),
        retry=RetryPolicy(attempts=5, first=0.1, most=0.5),
    )
)


if __name__ == "__main__":
    app.main()
