"""An agent is killed inside of every model call and tool, and between all of them: nothing journaled is asked again."""

from __future__ import annotations

import asyncio
import time
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import msgspec
import pytest

from tests.journeys.agents.buyer import OUTPUT_TOKENS, PRICE
from tests.journeys.processes import Process
from watership.adapters.postgres import PostgresSchema, PostgresStore
from watership.adapters.sqlite import SQLiteStore
from watership.agents.budget import MONEY
from watership.durable.events import Entry, StepDone
from watership.durable.ids import DeploymentId, RunId
from watership.durable.run import Run
from watership.durable.usage import usage
from watership.durable.writes import Submit
from watership.testing.provider import Provider, Turn

pytestmark = pytest.mark.usefixtures("long")

BUYER = Path(__file__).with_name("agents") / "buyer.py"
CENT = 10_000
ANSWER_SECONDS = 0.2
PATIENCE_SECONDS = 150

SCRIPT: list[Turn] = [
    [("price", {"item": "tea"})],
    [("price", {"item": "milk"})],
    [("pay", {"cents": 7})],
    [("price", {"item": "sugar"})],
    "Bought.",
]
TOOLS = 4

Store = SQLiteStore | PostgresStore


def start(folder: Path, provider: Provider, url: str) -> Process:
    environment = provider.environment() | {"WATERSHIP_STORE_URL": url, "BUYER_FOLDER": str(folder)}
    return Process(folder, "worker", "--app", str(BUYER), environment=environment)


def reached(folder: Path, provider: Provider) -> set[str]:
    """Everywhere the agent has been so far: in and behind each call of its model, in and behind each tool."""
    marks = {path.name for path in folder.iterdir() if path.name.startswith(("entered-", "done-"))}
    return marks | {f"{line.what} {line.turn}" for line in provider.lines()}


async def bought_under_kills(folder: Path, url: str, store: Store, provider: Provider) -> tuple[Run, int]:
    """The run, whose worker is killed wherever it comes to for the first time; how many kills that were."""
    await store.set_weights({DeploymentId("local"): 100}, epoch=1)
    await store.write(
        [Submit(run_id=RunId("purchase"), program="buyer", input=msgspec.Raw(b'{"prompt": "Tea!"}'))]
    )
    worker, known, kills = start(folder, provider, url), set[str](), 0
    give_up = time.monotonic() + PATIENCE_SECONDS
    try:
        while not (run := await found(store)).ended:
            assert time.monotonic() < give_up, (folder / "worker.log").read_text()[-3_000:]
            if new := reached(folder, provider) - known:
                worker.replace()
                known, kills = known | new, kills + 1
            await asyncio.sleep(0.01)
    finally:
        worker.kill()
    return run, kills


async def found(store: Store) -> Run:
    run = await store.get(RunId("purchase"))
    assert run is not None
    return run


def asked_again(entries: list[Entry], provider: Provider) -> list[str]:
    """Model calls that the provider saw after their result was journaled."""
    settled = [
        entry.at.timestamp()
        for entry in entries
        if isinstance(entry.event, StepDone) and entry.event.name == "model"
    ]
    return [
        f"turn {line.turn} at {line.at:.3f}, settled at {settled[line.turn]:.3f}"
        for line in provider.lines("asked")
        if line.turn < len(settled) and line.at > settled[line.turn]
    ]


async def hold(folder: Path, url: str, opening: AbstractAsyncContextManager[Store]) -> None:
    with Provider(SCRIPT, seconds=ANSWER_SECONDS, output_tokens=OUTPUT_TOKENS) as provider:
        async with opening as store:
            run, kills = await bought_under_kills(folder, url, store, provider)
            entries = list(await store.journal(run.id))
        assert bytes(run.result) == b'"Bought."', run.failure
        assert kills >= len(SCRIPT) + TOOLS, kills
        assert asked_again(entries, provider) == []
        # Each tool had its effect; the one that must not act twice did not.
        (paid,) = folder.glob("done-pay-*")
        assert paid.read_text().splitlines() == ["done"]
        assert len(list(folder.glob("done-price-*"))) == TOOLS - 1
        billed = provider.billed(input=PRICE.input, output=PRICE.output)
        told = usage(entry.event for entry in entries)
        counted = told.used[MONEY] + told.unsettled.get(MONEY, 0)
        assert abs(counted - billed) < CENT, f"{counted} counted, {billed} billed"
        assert told.used[MONEY] == len(SCRIPT) * (OUTPUT_TOKENS * 10) + inputs(provider)


def inputs(provider: Provider) -> int:
    """What the input of one call of each turn costs."""
    first = {line.turn: line.input_tokens for line in provider.lines("answered")}
    return sum(PRICE.of(input=tokens, output=0) for tokens in first.values())


async def test_on_sqlite_no_journaled_model_call_is_made_again(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/runs.db"
    await hold(tmp_path, url, await SQLiteStore.open(tmp_path / "runs.db"))


async def test_on_postgresql_no_journaled_model_call_is_made_again(
    tmp_path: Path, postgres_url: str, nightly: bool
) -> None:
    if not nightly:
        pytest.skip("two minutes of waiting for leases: at night; by day on SQLite, whose ledger is the same")
    await PostgresSchema(postgres_url).upgrade()
    await hold(tmp_path, postgres_url, await PostgresStore.open(postgres_url))
