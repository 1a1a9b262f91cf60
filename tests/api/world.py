"""A whole service over a memory store, with people of two tenants and an application of its own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx2
import msgspec

from tests.notes import Notes
from watership.adapters.memory import MemoryBell, MemoryStore
from watership.adapters.prometheus import PrometheusObserver
from watership.adapters.structlog import Fanout
from watership.agents.dead_letters import DeadLetters
from watership.agents.definition import Definition
from watership.agents.messages import Messages
from watership.agents.schedule import Schedule
from watership.api.given import CustomRoute, Facts, Limits, Service
from watership.api.server import HttpServer
from watership.api.service import build_app
from watership.durable.clock import SystemClock
from watership.durable.committer import Committer
from watership.durable.counters import Cap
from watership.durable.events import AnyEvent
from watership.durable.ids import DeploymentId, EntryId, RunId, WorkerId, seeded_ids
from watership.durable.run import Run
from watership.durable.writes import Append, Claim, Claimed, Renew, Then, WhenBusy
from watership.errors import BadInput, NotAllowed, Unavailable
from watership.fleet.identity import Tokens

SECRET = "a-secret-of-the-tests-that-is-long-enough"
GREEN = DeploymentId("green-1")
WORKER = WorkerId("worker-1")


@dataclass(frozen=True, slots=True)
class Rabbit:
    """An agent's card."""

    name: str
    description: str = "Digs."
    kind: str = "function"
    input_schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})
    conversation: WhenBusy = "queue"
    pool: str = "default"
    priority: int = 1
    within_seconds: float | None = None


class Warren:
    """A directory of two agents that take text."""

    def cards(self) -> Sequence[Rabbit]:
        return [Rabbit("digger"), Rabbit("shy", conversation="reject")]

    def definition(self, agent: str) -> Definition:
        return {"fur": agent}

    def validate(self, agent: str, raw: msgspec.Raw) -> msgspec.Raw:
        if not isinstance(msgspec.json.decode(raw), str):
            raise BadInput(f"The input of {agent} is text.")
        return raw

    def caps(self, run: Run) -> tuple[Cap, ...]:
        return (Cap(counter=f"run:{run.id}/{run.program}", unit="turns", most=9),)


async def hop(params: dict[str, str]) -> object:
    """Says where it hopped."""
    return {"hopped": params}


async def teapot(params: dict[str, str]) -> object:
    return 418, {"short": "stout"}


async def trip(params: dict[str, str]) -> object:
    raise RuntimeError("a word that nobody outside should read")


async def unencodable(params: dict[str, str]) -> object:
    return object()


async def forbid(params: dict[str, str]) -> object:
    raise NotAllowed("Not by moonlight.")


OWN = (
    CustomRoute("GET", "/hop/{where}", hop),
    CustomRoute("POST", "/hop", hop),
    CustomRoute("GET", "/teapot", teapot, role=""),
    CustomRoute("GET", "/trip", trip),
    CustomRoute("GET", "/trip/{far}", trip),
    CustomRoute("GET", "/unencodable", unencodable),
    CustomRoute("GET", "/forbid", forbid),
)


@dataclass(slots=True)
class World:
    store: MemoryStore
    committer: Committer
    bell: MemoryBell
    service: Service
    notes: Notes
    http: httpx2.AsyncClient
    broken: set[str]
    entries: int = 0

    def bearer(
        self, *roles: str, tenant: str = "default", person: str = "hazel", seconds: float = 600
    ) -> dict[str, str]:
        """The header of somebody with these roles."""
        assert self.service.tokens is not None
        lifetime = timedelta(seconds=seconds)
        token = self.service.tokens.issue(person, roles=roles, tenant=tenant, lifetime=lifetime)
        return {"Authorization": f"Bearer {token}"}

    async def send(self, text: str = "dig", **more: Any) -> RunId:
        """A message's run."""
        body = {"agent": "digger", "input": text, **more}
        answer = await self.http.post("/api/v1/messages", json=body, headers=self.bearer("writer"))
        assert answer.status_code == 202, answer.text
        return RunId(answer.json()["run_id"])

    async def claim(self) -> None:
        """A worker takes everything that is due."""
        renew = Renew(worker=WORKER, deployment=GREEN, pool="default", slots=8, runs={}, lease_seconds=60)
        await self.committer.write(renew)
        claim = Claim(
            worker=WORKER, deployment=GREEN, pool="default", limit=100, lease_seconds=60, poison_limit=5
        )
        assert isinstance(await self.committer.write(claim), Claimed)

    async def append(self, run_id: RunId, *events: AnyEvent, then: Then | None = None) -> None:
        """The worker writes into a run's journal."""
        run = await self.store.get(run_id)
        assert run is not None
        self.entries += 1
        entry = EntryId(f"entry-{self.entries}")
        outcome = await self.committer.write(
            Append(entry_id=entry, run_id=run_id, epoch=run.epoch, events=events, then=then)
        )
        assert type(outcome).__name__ == "Done", outcome


@asynccontextmanager
async def world(
    *,
    routes: Sequence[CustomRoute] = OWN,
    schedules: Sequence[Schedule] = (),
    open: bool = False,
    base_url: str = "http://127.0.0.1:3000",
    limits: Limits | None = None,
    root_path: str = "",
) -> AsyncIterator[World]:
    """Everything, closed at the end."""
    clock, bell, notes = SystemClock(), MemoryBell(), Notes()
    store = MemoryStore(clock)
    await store.set_weights({GREEN: 100}, epoch=1)
    broken: set[str] = set()
    metrics = PrometheusObserver(version="2.1.0", deployment=GREEN, slot="green")

    def probe(name: str) -> Callable[[], Awaitable[object]]:
        async def ask() -> object:
            if name in broken:
                raise Unavailable(f"{name} does not answer.")
            await store.ping()
            return name

        return ask

    async with Committer(store, bell, clock) as committer:
        messages = Messages(committer, store, Warren(), seeded_ids(1))
        service = Service(
            messages=messages,
            dead=DeadLetters(messages, committer, store, seeded_ids(2)),
            runs=store,
            bell=bell,
            intake=store,
            flags=store,
            clock=clock,
            new_id=seeded_ids(2),
            observer=Fanout(notes, metrics),
            facts=Facts(version="2.1.0", build="sha256:5eed", deployment=GREEN, slot="green"),
            probes={name: probe(name) for name in ("database", "rabbitmq", "redis")},
            adapters={"database": "memory", "rabbitmq": "memory bell", "redis": "none needed"},
            tokens=None if open else Tokens(SECRET, clock),
            open=open,
            exposition=metrics.exposition,
            schedules=schedules,
            routes=routes,
            limits=limits or Limits(),
        )
        async with client(service, base_url, root_path) as http:
            yield World(store, committer, bell, service, notes, http, broken)


@asynccontextmanager
async def client(
    service: Service, base_url: str = "http://127.0.0.1:3000", root_path: str = ""
) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the service, without a socket between them."""
    transport = httpx2.ASGITransport(build_app(service), root_path=root_path)
    async with httpx2.AsyncClient(transport=transport, base_url=base_url) as http:
        yield http


@asynccontextmanager
async def serving(w: World) -> AsyncIterator[tuple[HttpServer, httpx2.AsyncClient]]:
    """The service on a socket, and a client of it."""
    server = HttpServer(w.service, host="127.0.0.1", port=0)
    async with server, AsyncExitStack() as stack:
        http = httpx2.AsyncClient(base_url=server.url, timeout=20)
        yield server, await stack.enter_async_context(http)


def events(text: str) -> list[tuple[str, str, Any]]:
    """(event, id, data) of each event of a stream; comments and the retry line are left out."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "event" in fields:
            found.append((fields["event"], fields.get("id", ""), json.loads(fields["data"])))
    return found


async def soon(condition: Callable[[], bool]) -> None:
    """Wait until `condition` holds; a test that waits in vain is ended by its time-out."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)
