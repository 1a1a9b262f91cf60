"""What processes share makes answers quick and callers equal; without it nobody gets an error."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx2
import pytest

from tests.api.world import Warren, World, client, events, world
from tests.conftest import started
from watership.adapters.memory.limiter import MemoryLimiter
from watership.agents.messages import Messages
from watership.api.given import Limits
from watership.durable.ids import RunId, seeded_ids
from watership.durable.states import RunState
from watership.durable.writes import Finish
from watership.fleet.hot import HotRuns
from watership.testing.servers import RedisServer
from watership.wiring.shared import Shared, open_shared


async def _ended(w: World) -> RunId:
    run_id = await w.send("dig")
    await w.claim()
    await w.append(run_id, then=Finish(state=RunState.SUCCEEDED))
    return run_id


# --- rates -----------------------------------------------------------------------------------


async def test_who_asks_too_often_is_told_when_to_come_back_and_others_are_not() -> None:
    async with world(limits=Limits(requests_per_minute=3)) as w:
        service = replace(w.service, limiter=MemoryLimiter(w.service.clock))
        async with client(service) as http:
            mine, others = w.bearer("reader"), w.bearer("reader", person="fiver")
            answers = [await http.get("/api/v1/runs", headers=mine) for _ in range(5)]
            assert [each.status_code for each in answers] == [200, 200, 200, 429, 429]
            refused = answers[-1]
            assert refused.headers["content-type"] == "application/problem+json"
            assert refused.json()["code"] == "rate_limited"
            assert 1 <= int(refused.headers["retry-after"]) <= 121
            assert (await http.get("/api/v1/runs", headers=others)).status_code == 200
            foreign = w.bearer("reader", tenant="down")
            assert (await http.get("/api/v1/runs", headers=foreign)).status_code == 200


async def test_probes_and_health_are_never_refused_and_what_is_refused_for_its_role_counts() -> None:
    async with world(limits=Limits(requests_per_minute=1)) as w:
        service = replace(w.service, limiter=MemoryLimiter(w.service.clock))
        async with client(service) as http:
            for path in ("/livez", "/livez", "/health", "/status", "/metrics"):
                assert (await http.get(path)).status_code == 200
            reader = w.bearer("reader")
            assert (await http.post("/api/v1/messages", json={}, headers=reader)).status_code == 403
            assert (await http.get("/api/v1/runs", headers=reader)).status_code == 429


async def test_without_a_limit_nobody_is_counted() -> None:
    async with world() as w:
        service = replace(w.service, limiter=MemoryLimiter(w.service.clock))
        async with client(service) as http:
            answers = [await http.get("/api/v1/runs", headers=w.bearer("reader")) for _ in range(50)]
            assert {each.status_code for each in answers} == {200}


# --- Redis -----------------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """One of its own: it is killed."""
    yield from started(RedisServer)


@asynccontextmanager
async def sharing(w: World, url: str) -> AsyncIterator[tuple[Shared, httpx2.AsyncClient]]:
    """The service of `w` as one that shares a Redis."""
    async with open_shared(url, w.service.clock, w.service.observer) as shared:
        assert shared.probe is not None
        runs = HotRuns(w.store, shared.cache, w.service.observer)
        service = replace(
            w.service,
            messages=Messages(w.committer, runs, Warren(), seeded_ids(3)),
            limiter=shared.limiter,
            fanout=shared.fanout,
            limits=Limits(requests_per_minute=1_000_000),
            probes={**w.service.probes, "redis": shared.probe},
            vital=frozenset({"database"}),
        )
        async with client(service) as http:
            yield shared, http


async def test_an_ended_run_comes_from_redis_and_still_belongs_to_its_tenant(redis_url: str) -> None:
    async with world() as w, sharing(w, redis_url) as (_, http):
        run_id = await _ended(w)
        path = f"/api/v1/runs/{run_id}"
        first, again = [await http.get(path, headers=w.bearer("reader")) for _ in range(2)]
        assert first.json() == again.json()
        assert (await http.get(path, headers=w.bearer("reader", tenant="down"))).status_code == 404
        told = (await http.get("/metrics")).text
        assert 'watership_cache_reads_total{kind="run",outcome="hit"} 2.0' in told
        assert 'watership_cache_reads_total{kind="run",outcome="miss"} 1.0' in told


async def test_two_processes_count_a_caller_together(redis_url: str) -> None:
    async with world() as w, sharing(w, redis_url) as (one, _), sharing(w, redis_url) as (other, _):
        taken = [
            (await each.limiter.take("a", limit=3, seconds=3600)).allowed for each in (one, other, one, other)
        ]
        assert taken == [True, True, True, False]


@pytest.mark.parametrize("how", ["kill", "freeze", "flush"])
async def test_whatever_becomes_of_redis_no_client_gets_an_error_and_health_tells(
    server: RedisServer, how: str
) -> None:
    async with world() as w, sharing(w, server.url) as (_, http):
        run_id = await _ended(w)
        path, reader = f"/api/v1/runs/{run_id}", w.bearer("reader")
        assert (await http.get(path, headers=reader)).status_code == 200
        getattr(server, how)()
        try:
            answers = [await http.get(path, headers=reader) for _ in range(20)]
            stream = await http.get(f"{path}/events", headers=reader)
            health = await http.get("/health")
            live = await http.get("/livez")
        finally:
            if how == "kill":
                server.start()
            elif how == "freeze":
                server.thaw()
        assert {each.status_code for each in answers} == {200}
        assert events(stream.text)[-1][0] == "end"
        assert live.status_code == 200
        lost = how != "flush"
        assert health.status_code == 200
        assert health.json()["status"] == ("degraded" if lost else "ok")
        assert (health.json()["redis"] == "ok") is not lost
        async with asyncio.timeout(20):
            while (await http.get("/health")).json()["status"] != "ok":
                await asyncio.sleep(0.1)
        assert (await http.get(path, headers=reader)).status_code == 200
