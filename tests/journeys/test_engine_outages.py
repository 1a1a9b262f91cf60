"""Each server is stopped in turn: what is alive says so, what cannot be kept is refused, and all goes on by itself."""

from __future__ import annotations

import asyncio
import http.client
import json
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest
import pytest_asyncio

from tests.journeys.engine.campaign import Plan, crew_of
from tests.journeys.engine.crew import Crew, Role
from tests.journeys.engine.entries import read_entries
from tests.journeys.engine.faults import Server
from tests.journeys.engine.history import History, judge
from tests.journeys.engine.load import Load, Message
from tests.journeys.engine.scene import with_servers
from tests.journeys.engine.servers import RealServers
from tests.journeys.engine.stage import Stage, read_all, watching
from watership.durable.states import RunState
from watership.wiring.roles import STANDALONE

# Servers and processes are begun once: each test leaves them whole, and looks at its own runs.
pytestmark = pytest.mark.asyncio(loop_scope="module")

SOON = 30.0
"""Within which whatever is to come by itself has come, on a busy machine."""

LEASE = 15.0
PLAN = Plan(seed=1, runs=0, rate=100.0, workers=2, services=1)


class Answer(NamedTuple):
    status: int
    retry_after: str | None
    body: dict[str, object]


class System(NamedTuple):
    """Servers and processes, all up."""

    stage: Stage
    servers: RealServers
    crew: Crew
    folder: Path

    @property
    def service(self) -> Role:
        return self.crew.services[0]

    async def ask(self, method: str, path: str, body: object = None) -> Answer:
        """What the service answers."""
        return await asyncio.to_thread(_ask, self.service.port, method, path, body)

    async def send(self, number: int) -> Answer:
        return await self.ask("POST", "/api/v1/messages", {"agent": "plain", "input": {"number": number}})

    async def sent(self, number: int) -> Answer:
        """The answer once the message is accepted: a client that is told to come again does so."""
        async with asyncio.timeout(SOON):
            while (answer := await self.send(number)).status == 503 and answer.retry_after:
                await asyncio.sleep(float(answer.retry_after))
        return answer

    async def until(self, path: str, **wanted: object) -> Answer:
        """The answer to `path` once it says all that is wanted."""
        answer = None
        try:
            async with asyncio.timeout(SOON):
                while True:
                    answer = await self.ask("GET", path)
                    if all(answer.body.get(name) == value for name, value in wanted.items()):
                        return answer
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise AssertionError(f"{path} never said {wanted}, but {answer}") from None

    async def result(self, run_id: object) -> object:
        """What the run gave."""
        return (await self.until(f"/api/v1/runs/{run_id}", state="succeeded")).body["result"]


def _ask(port: int, method: str, path: str, body: object) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SOON)
    try:
        connection.request(method, path, None if body is None else json.dumps(body))
        answer = connection.getresponse()
        return Answer(answer.status, answer.getheader("Retry-After"), json.loads(answer.read()))
    finally:
        connection.close()


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="watership-outage-", ignore_cleanup_errors=True) as place:
        Path(place).chmod(0o755)
        yield Path(place)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system(folder: Path) -> AsyncIterator[System]:
    with ExitStack() as stack:
        stage, servers, ports = with_servers(stack, folder, PLAN)
        assert isinstance(servers, RealServers)
        async with crew_of(stage, PLAN, ports, lease=LEASE) as crew:
            await crew.ready()
            yield System(stage, servers, crew, folder)
        assert crew.deaths == []


COMPONENT: dict[Server, str] = {"postgres": "database", "rabbitmq": "rabbitmq", "redis": "redis"}


async def test_without_postgres_new_work_is_refused_and_accepted_work_goes_on_when_it_is_back(
    system: System,
) -> None:
    before = await system.send(1)
    assert before.status == 202
    postgres = system.servers.by_name("postgres")
    await asyncio.to_thread(postgres.stop)
    try:
        health = await system.until("/health", status="failed")
        assert (health.status, health.body["rabbitmq"]) == (503, "ok")
        assert health.body["database"] != "ok"
        assert (await system.ask("GET", "/livez")).status == 200
        ready = await system.ask("GET", "/readyz")
        assert ready.status == 503
        assert "database" in json.dumps(ready.body)
        refused = await system.send(2)
        assert (refused.status, bool(refused.retry_after)) == (503, True)
    finally:
        await asyncio.to_thread(postgres.start)

    await system.until("/health", status="ok")
    assert await system.result(before.body["run_id"]) == 4
    # A connection of the pool that has not noticed yet may refuse one message more, with Retry-After.
    after = await system.sent(3)
    assert after.status == 202
    assert await system.result(after.body["run_id"]) == 8


@pytest.mark.parametrize("server", ["rabbitmq", "redis"])
async def test_without_broker_or_cache_work_goes_on_and_health_names_what_is_missing(
    system: System, server: Server
) -> None:
    lost = system.servers.by_name(server)
    await asyncio.to_thread(lost.stop)
    try:
        health = await system.until("/health", status="degraded")
        assert (health.status, health.body["database"]) == (200, "ok")
        assert health.body[COMPONENT[server]] != "ok"
        assert (await system.ask("GET", "/livez")).status == 200
        ready = await system.ask("GET", "/readyz")
        assert ready.status == 200
        assert COMPONENT[server] in json.dumps(ready.body)
        accepted = await system.send(1)
        assert accepted.status == 202
        assert await system.result(accepted.body["run_id"]) == 4
    finally:
        await asyncio.to_thread(lost.start)

    await system.until("/health", status="ok")
    after = await system.send(2)
    assert await system.result(after.body["run_id"]) == 6


RUNS = 120
RESTARTS = 3


async def test_no_run_is_taken_from_a_living_worker_when_postgres_is_restarted(system: System) -> None:
    async with watching(system.stage) as kernel:
        earlier, _ = await read_all(kernel.store)
    load = Load([system.service.port], Random(1), system.folder, rate=40.0)
    turns = [[Message(agent="long" if each % 2 else "plain", input={"number": each})] for each in range(RUNS)]
    sending = asyncio.create_task(load.send_all(iter(turns)))
    for _ in range(RESTARTS):
        await asyncio.sleep(0.7)
        await asyncio.to_thread(system.servers.by_name("postgres").restart)
    await sending
    load.close()
    async with asyncio.timeout(SOON), watching(system.stage) as kernel:
        while True:
            census = await kernel.store.census()
            if census.get((STANDALONE, RunState.SUCCEEDED), 0) == RUNS + len(earlier):
                break
            await asyncio.sleep(0.1)
        found, journals = await read_all(kernel.store)

    runs = {run_id: run for run_id, run in found.items() if run_id not in earlier}
    entered = [each for each in read_entries(system.folder) if each.run in runs]
    history = History(accepted=load.record.accepted, runs=runs, journals=journals, entered=entered)
    assert list(judge(history).findings) == []
    owners = {run: {each.pid for each in entered if each.run == run} for run in runs}
    assert len(owners) == RUNS
    taken = [run for run, pids in owners.items() if len(pids) != 1 or runs[run].epoch != 1]
    assert taken == [], told_of(system.folder, *taken)
    assert "buried" not in told_of(system.folder), told_of(system.folder)


def told_of(folder: Path, *runs: str) -> str:
    """What the processes logged about these runs, runs that they lost, and their sessions."""
    words = (*runs, "fenced", "lost", "session", "buried", "renewal", "claim failed", "worker st")
    return "\n".join(
        f"{log.stem} {line}"
        for log in sorted(folder.glob("*.log"))
        for line in log.read_text().splitlines()
        if any(word in line for word in words)
    )
