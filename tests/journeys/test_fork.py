"""A fork of an agent's run over a provider's real wire: only the suffix is asked for, and paid."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.at_work import at_work
from watership import Agent, App, idempotency_key, step, tool
from watership.agents.budget import TOKENS, TURNS, Budget
from watership.agents.forks import Fork
from watership.agents.messages import Messages
from watership.durable.events import Drifted, Forked
from watership.durable.ids import Key, RunId, random_ids
from watership.durable.run import Run
from watership.durable.states import RunState
from watership.errors import BadInput, NotFound
from watership.fleet.identity import WRITER, Identity
from watership.testing.provider import Provider
from watership.wiring.kernel import Kernel

FIRST, SECOND = "gpt-4o-mini", "gpt-5-mini"
THIRD_TURN = "@asker:0/@3:model:0"
ADA = Identity(
    person="ada", tenant="default", roles=frozenset({WRITER}), expires_at=datetime(2999, 1, 1, tzinfo=UTC)
)
BOB = replace(ADA, tenant="other")
keys: list[str] = []


@tool(effect="idempotent", reads=())
async def search(word: str) -> int:
    """How many letters a word has."""
    keys.append(idempotency_key())
    return len(word)


def birds() -> App:
    app = App("birds")
    facts: dict[str, Any] = {"tools": [search], "output_tokens": 500, "budget": Budget(usd=1)}
    app.add(Agent("asker", model=f"openai-chat:{FIRST}", **facts))

    @app.agent
    async def double(number: int) -> int:
        async def twice(number: int) -> int:
            return 2 * number

        return await step(twice, number) + await step(twice, 1, name="again")

    return app


async def ended(kernel: Kernel, run_id: RunId) -> Run:
    async with asyncio.timeout(60):
        while True:
            run = await kernel.store.get(run_id)
            assert run is not None
            if run.ended or run.state is RunState.STOPPED:
                return run
            await asyncio.sleep(0.01)


async def test_a_fork_recalls_the_prefix_and_asks_another_model_for_the_rest_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WATERSHIP_STORE_URL", f"sqlite:///{tmp_path}/runs.db")
    asked: list[tuple[str, str]] = []

    def noted(number: int, request: Mapping[str, Any]) -> None:
        first = next(each for each in request["messages"] if each["role"] == "user")
        asked.append((request["model"], str(first["content"])))

    turns: list[Any] = [[("search", {"word": word})] for word in ("owl", "heron", "tit", "wren")]
    provider = Provider([*turns, "Four birds."], fault=noted)
    with provider:
        for name, value in provider.environment().items():
            monkeypatch.setenv(name, value)
        app = birds()
        async with at_work(app, {"asker": {"prompt": "Well?"}}) as kernel:
            desk = Messages(kernel.committer, kernel.store, app.directory, random_ids())
            old = await ended(kernel, RunId("asker"))
            assert asked == [(FIRST, "Well?")] * 5
            before, billed = set(keys), provider.lines("answered")
            asked.clear()
            keys.clear()
            fork = Fork(at=THIRD_TURN, model=f"openai-chat:{SECOND}", prompt="And now?")
            sent = await desk.fork(old.id, ADA, fork, key="once")
            again = await desk.fork(old.id, ADA, fork, key="once")
            run = await ended(kernel, sent.run_id)
            assert (again.run_id, again.existing) == (run.id, True)
            assert (run.state, msgspec.json.decode(run.result)) == (RunState.SUCCEEDED, "Four birds.")
            assert asked == [(SECOND, "And now?")] * 3
            assert len(keys) == 2
            assert before.isdisjoint(keys)
            assert all(each.startswith(run.id) for each in keys)

            entries = await kernel.store.journal(run.id)
            assert run.origin is not None
            assert entries[0].event == Forked(key=Key(""), run=old.id, at=run.origin.at)
            drifted = [entry.event.key for entry in entries if isinstance(entry.event, Drifted)]
            assert len(drifted) == 2
            account = await desk.account(run.id, ADA, datetime.now(UTC))
            used, saved = account.used, account.saved
            paid = provider.lines("answered")[len(billed) :]
            assert used[TURNS] == len(paid) == 3
            assert used[TOKENS] == sum(line.input_tokens + line.output_tokens for line in paid)
            assert saved[TURNS] == 2
            assert saved[TOKENS] == sum(line.input_tokens + line.output_tokens for line in billed[:2])
            assert run.origin.variant == {"model": f"openai-chat:{SECOND}"}


async def test_a_fork_that_asks_for_something_else_than_its_prefix_holds_stops_at_that_key(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WATERSHIP_STORE_URL", f"sqlite:///{tmp_path}/runs.db")
    monkeypatch.setenv("OPENAI_API_KEY", "nobody is asked")
    app = birds()
    async with at_work(app, {"double": {"number": 4}}) as kernel:
        desk = Messages(kernel.committer, kernel.store, app.directory, random_ids())
        old = await ended(kernel, RunId("double"))
        other = Fork(at="again/0", input=msgspec.Raw(b'{"number": 5}'))
        run = await ended(kernel, (await desk.fork(old.id, ADA, other)).run_id)
        assert run.failure is not None
        assert (run.state, run.failure.kind) == (RunState.STOPPED, "Diverged")
        assert "twice/0" in run.failure.message
        same = await ended(kernel, (await desk.fork(old.id, ADA, Fork(at="again/0"))).run_id)
        assert same.result == old.result
        for wrong in (
            Fork(at=99),
            Fork(at=1, model="openai-chat:x"),
            Fork(at=1, prompt="Well?"),
            Fork(at=1, agent="asker", input=msgspec.Raw(b'{"prompt": "Well?"}'), model="scripted:os:system"),
        ):
            with pytest.raises(BadInput):
                await desk.fork(old.id, ADA, wrong)
        with pytest.raises(NotFound):
            await desk.fork(old.id, BOB, Fork(at=1))
