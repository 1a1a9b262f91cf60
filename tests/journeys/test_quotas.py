"""Quotas of models, by the record of a provider that counts who asks at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from tests.at_work import at_work
from tests.journeys.agents.talkers import talking
from tests.journeys.processes import processes
from watership.adapters.postgres.schema import PostgresSchema
from watership.adapters.postgres.store import PostgresStore
from watership.durable.events import StepRetried
from watership.durable.ids import DeploymentId, RunId
from watership.durable.ports import Runs
from watership.durable.writes import Submit
from watership.testing.provider import Fault, Line, Provider, Refuse, Request

TALKERS = Path(__file__).with_name("agents") / "talkers.py"
PLACES = 3
RUNS = 18
ANSWER_SECONDS = 0.15
QUOTA = f'{{"*" = {{concurrency = {PLACES}}}}}'


def most_at_a_time(lines: list[Line]) -> int:
    most = now = 0
    for line in lines:
        now += 1 if line.what == "asked" else -1
        most = max(most, now)
    return most


async def ended(runs: Runs, count: int) -> None:
    async with asyncio.timeout(90):
        for number in range(count):
            while (run := await runs.get(RunId(f"run-{number}"))) is None or not run.ended:
                await asyncio.sleep(0.05)
            assert run.failure is None, run.failure


def submits(count: int) -> list[Submit]:
    given = msgspec.Raw(b'{"prompt": "Well?"}')
    return [Submit(run_id=RunId(f"run-{n}"), program="talker", input=given) for n in range(count)]


@pytest.mark.parametrize("quota", [QUOTA, "{}"])
async def test_workers_in_two_processes_ask_a_model_no_more_at_a_time_than_its_quota(
    tmp_path: Path, postgres_url: str, redis_url: str, quota: str
) -> None:
    await PostgresSchema(postgres_url).upgrade()
    with Provider(["Well."], seconds=ANSWER_SECONDS) as provider:
        environment = provider.environment() | {
            "WATERSHIP_STORE_URL": postgres_url,
            "WATERSHIP_CACHE_URL": redis_url,
            "WATERSHIP_MODELS": quota,
        }
        async with await PostgresStore.open(postgres_url) as store:
            await store.set_weights({DeploymentId("local"): 100}, epoch=1)
            await store.write(submits(RUNS))
            with processes(2, tmp_path, "worker", "--app", str(TALKERS), environment=environment):
                await ended(store, RUNS)
    most = most_at_a_time(provider.lines())
    # Without a quota many more ask at a time, so that this is known to tell the two apart.
    assert most <= PLACES if quota == QUOTA else most > PLACES
    assert len(provider.lines("answered")) == RUNS


def use(monkeypatch: pytest.MonkeyPatch, folder: Path, environment: Mapping[str, str]) -> None:
    monkeypatch.setenv("WATERSHIP_STORE_URL", f"sqlite:///{folder}/runs.db")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


async def test_a_worker_without_redis_keeps_to_the_quota_for_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = f'{{"openai:scripted" = {{concurrency = {PLACES}}}, "*" = {{concurrency = 1}}}}'
    with Provider(["Well."], seconds=ANSWER_SECONDS) as provider:
        use(monkeypatch, tmp_path, provider.environment() | {"WATERSHIP_MODELS": named})
        async with at_work(talking(), {}) as kernel:
            for each in submits(RUNS):
                await kernel.committer.submit(each)
            await ended(kernel.store, RUNS)
    assert most_at_a_time(provider.lines()) == PLACES


async def test_a_provider_that_has_enough_is_left_alone_as_long_as_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def enough(number: int, request: Request) -> Fault:
        return Refuse(429, retry_after=2.0) if number == 1 else None

    with Provider(["Well."], fault=enough) as provider:
        use(monkeypatch, tmp_path, provider.environment() | {"WATERSHIP_MODELS": '{"*" = {concurrency = 1}}'})
        async with at_work(talking(), {}) as kernel:
            for each in submits(3):
                await kernel.committer.submit(each)
            await ended(kernel.store, 3)
            journals = [entry for n in range(3) for entry in await kernel.store.journal(RunId(f"run-{n}"))]
    (refused,) = provider.lines("refused")
    later = [line.at for line in provider.lines("asked") if line.number > 1]
    assert len(later) == 3
    # The provider's own record of when it was asked: neither the one that was refused nor the others came before.
    assert min(later) >= refused.at + 1.9
    (retried,) = [entry for entry in journals if isinstance(entry.event, StepRetried)]
    assert isinstance(retried.event, StepRetried)
    assert (retried.event.due - retried.at).total_seconds() > 1.5
    assert retried.event.used == {"turns": 1}
