"""A worker that slept past its lease is a zombie: its writes are refused and counted, and no step is repeated."""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random

import pytest

from tests.journeys.engine.campaign import Plan, crew_of
from tests.journeys.engine.crew import Crew, Role
from tests.journeys.engine.entries import read_entries
from tests.journeys.engine.history import History, judge
from tests.journeys.engine.load import Load, Message
from tests.journeys.engine.scene import embedded
from tests.journeys.engine.stage import Stage, read_all, watching
from watership.durable.states import RunState

LEASE = 2.0
RUNS = 24
"""Two steps of a quarter second each, fewer than one worker's slots: the sleeper holds some in the middle of a step."""

SOON = 20.0


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="watership-zombie-") as place:
        yield Path(place)


async def refusals(role: Role) -> float:
    """What the worker's /metrics says of writes that were refused because their epoch had passed on."""
    _, body = await role.ask("/metrics")
    found = re.search(rb'^watership_events_total\{event="run fenced"\} (\S+)$', body, re.MULTILINE)
    return float(found[1]) if found else 0.0


async def all_succeeded(stage: Stage, runs: int) -> None:
    async with asyncio.timeout(SOON), watching(stage) as kernel:
        while True:
            census = await kernel.store.census()
            if sum(count for (_, state), count in census.items() if state is RunState.SUCCEEDED) == runs:
                return
            await asyncio.sleep(0.05)


async def held_by(crew: Crew, stage: Stage) -> Role:
    """A worker that holds runs now."""
    async with asyncio.timeout(SOON), watching(stage) as kernel:
        while True:
            for presence in await kernel.store.workers():
                for role in crew.workers:
                    log = (stage.folder / f"{role.name}.log").read_text()
                    if presence.leased >= 3 and presence.id in log:
                        return role
            await asyncio.sleep(0.01)


async def test_a_zombies_writes_are_refused_and_counted_and_no_step_is_repeated(folder: Path) -> None:
    plan = Plan(seed=1, runs=RUNS, rate=1_000.0, workers=2, services=1)
    with ExitStack() as stack:
        stage, _, ports = embedded(stack, folder, plan)
        async with crew_of(stage, plan, ports, lease=LEASE) as crew:
            await crew.ready()
            load = Load([crew.services[0].port], Random(1), folder, rate=plan.rate)
            await load.send_all(
                iter([[Message(agent="long", input={"number": each})] for each in range(RUNS)])
            )
            sleeper = await held_by(crew, stage)
            assert await crew.freeze(sleeper, 2 * LEASE)
            await all_succeeded(stage, RUNS)
            async with asyncio.timeout(SOON):
                while not await refusals(sleeper):
                    await asyncio.sleep(0.1)
            load.close()
        async with watching(stage) as kernel:
            runs, journals = await read_all(kernel.store)

    judgement = judge(
        History(
            accepted=load.record.accepted,
            runs=runs,
            journals=journals,
            entered=list(read_entries(folder)),
            frozen=crew.frozen,
        )
    )
    assert list(judgement.findings) == []
    assert list(judgement.residue) == []
    assert crew.deaths == []
    assert any(run.epoch > 1 for run in runs.values()), "others took over what the sleeper held"
