"""A till, over HTTP and as agents. Version 2.1.0 tells prices in hundredths, and their currency."""

from __future__ import annotations

from till import books
from watership import App, SchemaRange, current_run, signal, sleep, step, tool

VERSION = "2.1.0"
CURRENCY = "EUR"

app = App("till", version=VERSION, schema=SchemaRange(1, 3))


@tool(effect="pure")
async def price(number: int) -> int:
    """What a thing costs."""
    return (number % 97 + 1) * 100


@tool(effect="unsafe")
async def record(run: str, part: str, number: int, total: int) -> None:
    """Write a line into the books."""
    await books.write(run, part, number, total, VERSION)


@app.agent
async def order(number: int) -> dict[str, int | str]:
    """A price, and a line."""
    total = await step(price, number)
    await step(record, current_run(), "order", number, total)
    return {"number": number, "total": total, "currency": CURRENCY, "version": VERSION}


@app.agent
async def haul(number: int, seconds: int) -> dict[str, int | str]:
    """A line, seconds of sleep one by one, and another line."""
    await step(record, current_run(), "begun", number, 0)
    for _ in range(seconds):
        await sleep(1.0)
    await step(record, current_run(), "ended", number, 0)
    return {"number": number, "version": VERSION}


@app.agent
async def errand(number: int) -> dict[str, int | str]:
    """A line, a wait for somebody's word, and another line."""
    await step(record, current_run(), "begun", number, 0)
    await signal("word")
    await step(record, current_run(), "ended", number, 0)
    return {"number": number, "version": VERSION}


@app.get("/price")
async def quoted(query: dict[str, str]) -> object:
    """A price."""
    number = int(query["number"])
    return {"version": VERSION, "number": number, "price": (number % 97 + 1) * 100, "currency": CURRENCY}


@app.get("/last")
async def newest(query: dict[str, str]) -> object:
    """The total of the last line in the books."""
    return {"version": VERSION, "total": await books.last()}
