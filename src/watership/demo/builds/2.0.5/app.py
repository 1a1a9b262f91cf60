"""Agents that read the go-live page. Version 2.0.5."""

from __future__ import annotations

import asyncio
from itertools import chain
from typing import Literal

import findings
import page

from watership import (
    Agent,
    App,
    Done,
    SchemaRange,
    approval_tool,
    current_run,
    gather,
    idempotency_key,
    sleep,
    step,
    tool,
)
from watership.demo.oracle import entered

VERSION = "2.0.5"

app = App("page-readers", version=VERSION, schema=SchemaRange(1, 2))


@tool(effect="pure", reads=())
async def search(word: str, within: list[str]) -> list[int]:
    """The lines of some chapters on which a word stands."""
    await entered(idempotency_key())
    return page.lines_with(word, within)


@tool(effect="pure", reads=())
async def tally(kind: str, within: list[str]) -> dict[str, int]:
    """How many numbers, or percentages, each of some chapters states."""
    await entered(idempotency_key())
    return {chapter: page.count(kind, chapter) for chapter in within}


@tool(effect="pure", reads=())
async def look_up(subject: str) -> list[tuple[int, str]]:
    """Where a subject's values are stated, and which ones."""
    await entered(idempotency_key())
    return page.stated(subject)


@tool(effect="pure", reads=())
async def compare(values: list[str]) -> bool:
    """Whether all values are the same."""
    await entered(idempotency_key())
    return len(set(values)) <= 1


@tool(effect="pure", reads=())
async def outline(chapter: str) -> list[int]:
    """The lines of a chapter's statements."""
    await entered(idempotency_key())
    return [each.line for each in page.of(chapter)]


@tool(effect="pure", reads=())
async def summarize(chapter: str) -> tuple[int, int, str]:
    """A chapter's length, its longest line, and a digest of its text."""
    await entered(idempotency_key())
    return page.summary(chapter)


@tool(effect="unsafe", reads=())
async def record(run: str, word: str, lines: int) -> int:
    """Write a finding down."""
    await entered(idempotency_key())
    await asyncio.to_thread(findings.record, run, word, lines, VERSION)
    return lines


def thirds() -> list[list[str]]:
    titles = page.chapters()
    return [titles[:3], titles[3:6], titles[6:]]


async def lines_of(word: str) -> list[int]:
    return list(chain.from_iterable(await gather(*(step(search, word, part) for part in thirds()))))


@app.agent
async def find(word: str) -> dict[str, object]:
    """Find the lines on which a word stands."""
    return {"version": VERSION, "word": word, "lines": await lines_of(word)}


@app.agent
async def count(kind: str = "numbers") -> dict[str, object]:
    """Count the numbers, or the percentages, of each chapter."""
    counts: dict[str, int] = {}
    for part in thirds():
        counts |= await step(tally, kind, part)
    return {"version": VERSION, "kind": kind, "chapters": counts, "total": sum(counts.values())}


@app.agent
async def cross_check(subject: str) -> dict[str, object]:
    """Check that a value is stated the same wherever it is stated."""
    found = await step(look_up, subject)
    values = [value for _, value in found]
    agree = await step(compare, values)
    return {"version": VERSION, "subject": subject, "values": values, "agree": agree}


@app.agent
async def digest(chapter: str, pause: float) -> dict[str, object]:
    """Read a chapter twice, with a pause between, and sum it up."""
    before = await step(outline, chapter)
    await sleep(pause)
    statements, longest, text = await step(summarize, chapter)
    await sleep(pause / 2)
    after = await step(outline, chapter)
    return {
        "version": VERSION,
        "chapter": chapter,
        "statements": statements,
        "longest": longest,
        "text": text,
        "unchanged": before == after,
    }


@app.agent
async def register(word: str) -> dict[str, object]:
    """Find a word and write the finding down, once."""
    run = str(current_run())
    lines = len(await lines_of(word))

    async def was_recorded() -> Done | Literal["retry"]:
        there = await asyncio.to_thread(findings.recorded, run)
        return "retry" if there is None else Done(there)

    kept = await step(record, run, word, lines, check=was_recorded)
    return {"version": VERSION, "word": word, "recorded": kept}


# What the reviewer's model is given: each a function of its own, since a model names its tools.
@tool(effect="pure", reads=())
async def find_word(word: str) -> list[int]:
    """The lines of the page on which a word stands."""
    await entered(idempotency_key())
    return page.lines_with(word, page.chapters())


@tool(effect="pure", reads=())
async def count_percentages(chapter: str) -> int:
    """How many percentages a chapter states."""
    await entered(idempotency_key())
    return page.count("percentages", chapter)


review = app.add(
    Agent(
        "review",
        model="scripted:script:reviewer",
        instructions="Review what the page says about a word, and ask a person before you conclude.",
        tools=[find_word, count_percentages, approval_tool()],
        description="Review a word of the page; a person approves the finding.",
    )
)


@app.get("/facts/{n}")
async def fact(parameters: dict[str, str]) -> object:
    """A statement of the page by its number."""
    number = parameters["n"]
    there = page.statements()
    if not number.isdigit() or not 1 <= int(number) <= len(there):
        return 404, {"version": VERSION, "detail": f"Statements are numbered from 1 to {len(there)}."}
    found = there[int(number) - 1]
    return {
        "version": VERSION,
        "n": found.number,
        "line": found.line,
        "chapter": found.chapter,
        "text": found.text,
    }


if __name__ == "__main__":
    app.main()
