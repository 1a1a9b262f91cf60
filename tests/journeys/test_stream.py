"""A stream of a run's events outlives the workers that execute it and the service that tells of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import httpx2
import msgspec
import pytest

from tests.journeys.processes import Process
from watership.adapters.sqlite import SQLiteStore
from watership.durable.events import Restarted, kind_of
from watership.durable.ids import RunId
from watership.testing.servers import free_port

pytestmark = pytest.mark.usefixtures("long")

APP = """
import asyncio
from watership import App, step, tool

app = App("walk")

@tool(effect="pure")
async def walk(number: int) -> int:
    await asyncio.sleep(0.5)
    return number

@app.agent
async def far(steps: int) -> int:
    return sum([await step(walk, number) for number in range(steps)])
"""
STEPS = 14
DEATHS = 3


class Life:
    """A service and a worker over one file, each of which can be killed and comes back."""

    def __init__(self, folder: Path) -> None:
        (folder / "app.py").write_text(APP)
        self.port = free_port()
        environment = {"WATERSHIP_STORE_URL": f"sqlite:///{folder}/runs.db"}
        app = ("--app", "app.py:app")
        self.worker = Process(folder, "worker", *app, environment=environment)
        self.service = Process(folder, "serve", "--port", str(self.port), *app, environment=environment)

    def close(self) -> None:
        self.worker.kill()
        self.service.kill()


class Reader:
    """A client that comes back with the number of the last event that it has."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.seen: list[tuple[int, str]] = []
        self.connections = 0
        self.ended = False

    async def read(self) -> None:
        async with httpx2.AsyncClient(timeout=10) as client:
            while not self.ended:
                try:
                    await self._once(client)
                except httpx2.TransportError:
                    await asyncio.sleep(0.1)

    async def _once(self, client: httpx2.AsyncClient) -> None:
        headers = {"Last-Event-ID": str(self.seen[-1][0])} if self.seen else {}
        async with client.stream("GET", self._url, headers=headers) as answer:
            if answer.status_code != 200:
                await asyncio.sleep(0.1)
                return
            self.connections += 1
            number: int | None = None
            async for line in answer.aiter_lines():
                name, _, value = line.partition(": ")
                if name == "id":
                    number = int(value)
                elif name == "event" and number is not None:
                    self.seen.append((number, value))
                elif name == "event" and value == "end":
                    self.ended = True
                elif not line:
                    number = None


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not true():
            await asyncio.sleep(0.02)


async def started(url: str) -> RunId:
    """A run, as soon as the service answers."""
    async with httpx2.AsyncClient(timeout=10) as client, asyncio.timeout(30):
        while True:
            try:
                answer = await client.post(
                    f"{url}/api/v1/messages", json={"agent": "far", "input": {"steps": STEPS}}
                )
                return RunId(answer.json()["run_id"])
            except httpx2.TransportError:
                await asyncio.sleep(0.1)


async def test_a_stream_tells_the_journal_over_three_deaths_of_workers_and_one_of_its_service(
    tmp_path: Path,
) -> None:
    life = await asyncio.to_thread(Life, tmp_path)
    try:
        url = f"http://127.0.0.1:{life.port}"
        run_id = await started(url)
        reader = Reader(f"{url}/api/v1/runs/{run_id}/events")
        reading = asyncio.create_task(reader.read())
        for death in range(DEATHS):
            before = len(reader.seen)
            await until(lambda before=before: len(reader.seen) > before + 1)  # type: ignore[misc]
            await asyncio.sleep(0.25)  # into the middle of a step
            await asyncio.to_thread(life.worker.replace)
            if death == 1:
                await asyncio.to_thread(life.service.replace)
        async with asyncio.timeout(120):
            await reading
        async with await SQLiteStore.open(tmp_path / "runs.db") as store:
            journal = await store.journal(run_id)
            run = await store.get(run_id)
    finally:
        await asyncio.to_thread(life.close)
    assert run is not None
    assert msgspec.json.decode(run.result) == sum(range(STEPS))
    assert reader.seen == [(entry.seq, kind_of(entry.event)) for entry in journal]
    assert sum(isinstance(entry.event, Restarted) for entry in journal) == DEATHS
    assert reader.connections >= 2
