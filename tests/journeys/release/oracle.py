"""The oracle: every message that was accepted is one run, its result is right, and each effect of it happened once."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import asyncpg
import msgspec

from tests.journeys.release.expected import PARTS, is_result
from tests.journeys.release.load import Record, Sent
from watership.adapters.postgres.store import PostgresStore
from watership.durable.ports import RunFilter
from watership.durable.run import Run
from watership.durable.states import TERMINAL, RunState

PAGE: Final = 1_000

LINES: Final = (
    "SELECT run, part, number, version, extract(epoch FROM at)::float8 AS at FROM orders WHERE number > 0"
)


class Line(NamedTuple):
    """An effect, as the application's own database has it."""

    run: str
    part: str
    number: int
    version: str
    at: float


class Work(NamedTuple):
    """What stands in the two databases: runs and effects, by the number of their message."""

    runs: Mapping[int, Sequence[Run]]
    lines: Mapping[int, Sequence[Line]]


async def read_work(store: str, books: str) -> Work:
    """Read both. Runs of smoke tests have the number 0, which no message has."""
    runs: dict[int, list[Run]] = defaultdict(list)
    async with await PostgresStore.open(store, readers=1, writers=1, name="journey oracle") as opened:
        for agent in PARTS:
            async for run in _all(opened, agent):
                runs[_number(run)].append(run)
    lines: dict[int, list[Line]] = defaultdict(list)
    session = await asyncpg.connect(books)
    try:
        for row in await session.fetch(LINES):
            lines[row["number"]].append(Line(*row.values()))
    finally:
        await session.close()
    return Work(runs, lines)


async def _all(store: PostgresStore, agent: str) -> Any:
    after: str | None = None
    while True:
        page = await store.list(RunFilter(program=agent), limit=PAGE, after=after)
        for run in page.runs:
            yield run
        if (after := page.next) is None:
            return


def _number(run: Run) -> int:
    return int(msgspec.json.decode(run.input)["number"])


def going_on(record: Record, work: Work) -> int:
    """Messages whose run has not ended yet, or is not there."""
    return sum(not any(run.state in TERMINAL for run in work.runs.get(number, ())) for number in record.sent)


class Verdicts(NamedTuple):
    """In words, what befell messages that it must not."""

    lost: tuple[str, ...]
    repeated: tuple[str, ...]
    wrong: tuple[str, ...]


def judge(record: Record, work: Work) -> Verdicts:
    """What was lost, what was done more than once, and whose result is not what its version gives."""
    found: dict[str, list[str]] = {"lost": [], "repeated": [], "wrong": []}
    for number, sent in sorted(record.sent.items()):
        runs, lines = work.runs.get(number, ()), work.lines.get(number, ())
        for kind, words in _faults(number, sent, runs, lines, record.replies):
            found[kind].append(f"{sent.agent} {number} ({sent.door}): {words}")
    for number in sorted(work.runs.keys() - record.sent.keys() - {0}):
        found["repeated"].append(f"a run of {number}, which nobody knows to be accepted")
    return Verdicts(tuple(found["lost"]), tuple(found["repeated"]), tuple(found["wrong"]))


def _faults(
    number: int, sent: Sent, runs: Sequence[Run], lines: Sequence[Line], replies: Mapping[int, bytes]
) -> Iterator[tuple[str, str]]:
    if not runs:
        yield "lost", "no run"
        return
    if len(runs) > 1:
        yield "repeated", f"{len(runs)} runs"
    (run, *_) = runs
    if sent.run and sent.run != run.id:
        yield "lost", f"accepted as {sent.run}, and there is {run.id}"
    if run.state is not RunState.SUCCEEDED:
        yield "lost", f"its run is {run.state}: {run.failure}"
        return
    done = Counter(line.part for line in lines)
    for part in sorted(PARTS[sent.agent] | done.keys()):
        if done[part] == 0:
            yield "lost", f"no line {part!r} in the books"
        if done[part] > 1:
            yield "repeated", f"{done[part]} lines {part!r} in the books"
    told = msgspec.json.decode(run.result)
    versions = {told["version"], *(line.version for line in lines)}
    if not is_result(sent.agent, told, number) or len(versions) != 1:
        yield "wrong", f"result {bytes(run.result)!r}, lines of {sorted(versions)}"
    if not str(run.deployment).startswith(f"{told['version']}-"):
        yield "wrong", f"done by {told['version']}, pinned to {run.deployment}"
    if sent.door == "AMQP":
        reply = replies.get(number)
        if reply is None:
            yield "lost", "no reply"
        elif msgspec.json.decode(reply)["result"] != told:
            yield "wrong", f"replied {reply!r}"


def over_the_cutover(record: Record, work: Work, begun: float, done: float) -> Iterable[str]:
    """The versions of long runs that began before the first shift, and ended after the last one."""
    for number, sent in record.sent.items():
        at = {line.part: line.at for line in work.lines.get(number, ())}
        if sent.agent != "order" and at.get("begun", begun) < begun and at.get("ended", 0.0) > done:
            yield work.lines[number][0].version
