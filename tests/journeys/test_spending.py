"""A budget holds by the provider's own record, over a crowd of agents whose workers are killed again and again."""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager
from itertools import accumulate
from pathlib import Path
from random import Random

import msgspec
import pytest

from tests.journeys.agents.spenders import CAP_USD, OUTPUT_TOKENS, PRICE
from tests.journeys.processes import Process, processes
from watership.adapters.sqlite import SQLiteStore
from watership.agents.budget import MICRO, MONEY
from watership.durable.ids import DeploymentId, RunId
from watership.durable.run import Run
from watership.durable.writes import Submit
from watership.testing.provider import Line, Provider, Turn

pytestmark = pytest.mark.usefixtures("long")

SPENDERS = Path(__file__).with_name("agents") / "spenders.py"

PEOPLE = 50
KILLS = 10
WORKERS = 2
SLOTS = 6
ANSWER_SECONDS = 0.6
"""Long enough that a kill finds calls under way."""

SCRIPT: list[Turn] = [[("look_up", {"word": "owl"})], [("look_up", {"word": "heron"})], "Enough."]
CAP = round(CAP_USD * MICRO)


def crew_of(folder: Path, provider: Provider) -> AbstractContextManager[list[Process]]:
    """Workers over one file."""
    environment = provider.environment() | {
        "WATERSHIP_STORE_URL": f"sqlite:///{folder}/runs.db",
        "WATERSHIP_WORKER_LEASE_SECONDS": "5",
    }
    words = ("worker", "--app", str(SPENDERS), "--slots", str(SLOTS))
    return processes(WORKERS, folder, *words, environment=environment)


def bill(line: Line) -> int:
    return PRICE.of(input=line.input_tokens, output=line.output_tokens)


async def spent_under_kills(folder: Path, seed: int) -> tuple[Run, Provider, int]:
    """The run of a crowd, the provider with its record, and what the budget's counter says at the end."""
    random = Random(seed)
    with Provider(
        SCRIPT, seconds=ANSWER_SECONDS, output_tokens=OUTPUT_TOKENS, log=folder / "bills.jsonl"
    ) as provider:
        async with await SQLiteStore.open(folder / "runs.db") as store:
            await store.set_weights({DeploymentId("local"): 100}, epoch=1)
            given = msgspec.Raw(msgspec.json.encode({"people": PEOPLE}))
            await store.write([Submit(run_id=RunId("crowd"), program="crowd", input=given)])
            with crew_of(folder, provider) as crew:
                async with asyncio.timeout(240):
                    for _ in range(KILLS):
                        before = len(provider.lines("asked"))
                        while len(provider.lines("asked")) < before + random.randrange(3, 8):
                            if (await current(store)).ended:
                                break
                            await asyncio.sleep(0.02)
                        await asyncio.sleep(random.uniform(0, ANSWER_SECONDS))
                        await asyncio.to_thread(crew[random.randrange(WORKERS)].replace)
                    while not (run := await current(store)).ended:
                        await asyncio.sleep(0.1)
            (count,) = await store.counts([f"run:crowd/crowd/{MONEY}"])
            return run, provider, count.spent + count.reserved


async def current(store: SQLiteStore) -> Run:
    run = await store.get(RunId("crowd"))
    assert run is not None
    return run


async def test_a_cap_over_a_crowd_is_used_up_and_never_exceeded_whoever_is_killed(tmp_path: Path) -> None:
    run, provider, counted = await spent_under_kills(tmp_path, seed=7)
    bills = [bill(line) for line in provider.lines() if line.what in ("answered", "cut")]
    told = f"{len(bills)} calls billed, {sum(bills):,} of {CAP:,}; {counted:,} counted"
    assert run.failure is not None, told
    assert "over_cap" in run.failure.message or "capped at" in run.failure.message, run.failure
    # At no instant more than the cap, by the order in which the provider wrote its bills down.
    assert max(accumulate(bills)) <= CAP, told
    assert sum(bills) >= 0.9 * CAP, told
    assert sum(bills) <= counted <= CAP, told
