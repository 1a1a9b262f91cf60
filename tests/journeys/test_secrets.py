"""A canary where secrets are used, and nowhere else: not in the database, not in the logs, not at the provider."""

from __future__ import annotations

import asyncio
import io
import json
import secrets
from pathlib import Path
from typing import Any

import pytest

from tests.agents.stage import raw
from watership import Agent, App, Secret, approve, step, tool
from watership.adapters.structlog.observer import StructlogObserver
from watership.agents.app import App as AnyApp
from watership.cli.options import read_config
from watership.durable.ids import DeploymentId, RunId
from watership.durable.states import RunState
from watership.durable.writes import Submit
from watership.testing.provider import Provider, Turn
from watership.wiring.embedded import open_embedded
from watership.wiring.roles import Place, open_workers

MODEL = "openai-chat:scripted"


def app_with(key: Secret, file: Secret) -> AnyApp:
    app = App("bank")
    seen = [0]

    @tool(effect="pure", reads=(), acts=False)
    async def echo() -> dict[str, Any]:
        """What a careless tool returns."""
        return {
            "headers": {"authorization": f"Bearer {key.reveal()}"},
            file.reveal(): [f"?key={file.reveal()}"],
        }

    @tool(effect="pure", reads=(), acts=False)
    async def flaky() -> str:
        """Raise it once, then return it."""
        seen[0] += 1
        if seen[0] == 1:
            raise RuntimeError(f"401 for {key.reveal()}")
        return key.reveal()

    @app.agent(reads=(), acts=False)
    async def inline() -> str:
        """A program tool: no step is around what it returns."""
        return f"inline {key.reveal()}"

    tools = [echo, flaky, inline]
    app.add(Agent("clerk", model=MODEL, tools=tools, instructions=lambda: f"Use {key.reveal()}."))
    writer = app.add(Agent("writer", model=MODEL, instructions="Write."))

    @app.agent
    async def breaks(name: str) -> str:
        await writer(f"The key is {key.reveal()}.")
        raise ValueError(f"no such account: {file.reveal()}")

    @app.agent
    async def asks(name: str) -> bool:
        async def look() -> str:
            return key.reveal()

        await step(look)
        return (await approve(f"Use {key.reveal()}?", {"key": file.reveal()})).granted

    return app


TURNS: list[Turn] = [[("echo", {}), ("flaky", {}), ("inline", {})], "Done."]


async def test_a_secret_that_tools_return_raise_and_show_reaches_no_journal_log_or_prompt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary, quoted = secrets.token_hex(16), f'a "quoted"/\\ {secrets.token_hex(12)}\nsecond line ü'
    (tmp_path / "file").write_text(quoted)
    monkeypatch.setenv("BANK_KEY", canary)
    monkeypatch.setenv("OTHER_KEY_FILE", str(tmp_path / "file"))
    monkeypatch.setenv("WATERSHIP_STORE_URL", f"sqlite:///{tmp_path}/data/runs.db")
    (tmp_path / "data").mkdir()
    asked: list[str] = []
    logs = [io.StringIO(), io.StringIO()]

    def record(_: int, request: Any) -> None:
        asked.append(json.dumps(request, ensure_ascii=False))

    with Provider(TURNS, fault=record) as provider:
        for name, value in provider.environment().items():
            monkeypatch.setenv(name, value)
        app = app_with(Secret("BANK_KEY"), Secret("OTHER_KEY"))
        states = await lived(app, logs)
    assert states == {
        "clerk": RunState.SUCCEEDED,
        "breaks": RunState.FAILED,
        "asks": RunState.WAITING,
    }
    kept = b"".join(file.read_bytes() for file in (tmp_path / "data").glob("runs.db*"))
    told = "".join([*(log.getvalue() for log in logs), *asked])
    for spelling in spellings(canary, quoted):
        assert spelling.encode() not in kept, "in the database"
        assert spelling not in told, "in a log or a prompt"
    # They were everywhere, and stand there under their names.
    assert kept.count(b"[secret BANK_KEY]") > 4 and kept.count(b"[secret OTHER_KEY]") > 3
    assert len(asked) >= 3 and sum("[secret BANK_KEY]" in each for each in asked) >= 3
    assert all("[secret BANK_KEY]" in log.getvalue() for log in logs)


def spellings(*values: str) -> list[str]:
    """Also the halves that cutting a text may leave."""
    lines = [line for value in values for line in value.split("\n")]
    return [each for line in lines for each in (line, line[: len(line) // 2]) if len(each) >= 8]


async def lived(app: AnyApp, logs: list[io.StringIO]) -> dict[str, RunState]:
    """Each agent's run, until it has ended or waits for a person."""
    from watership.adapters.structlog.observer import Fanout

    observer = Fanout(
        StructlogObserver(form="json", level="debug", stream=logs[0]),
        StructlogObserver(form="console", level="debug", stream=logs[1]),
    )
    config, given = read_config(), {"clerk": "go", "breaks": "go", "asks": "go"}
    async with (
        open_embedded(config, observer) as kernel,
        open_workers(config, app, Place(), kernel) as workers,
    ):
        await kernel.store.set_weights({DeploymentId("local"): 100}, epoch=1)
        for name, value in given.items():
            await kernel.committer.submit(Submit(run_id=RunId(name), program=name, input=raw(value)))
        tasks = [asyncio.create_task(worker.run()) for worker in workers]
        async with asyncio.timeout(60):
            while True:
                runs = {name: await kernel.store.get(RunId(name)) for name in given}
                if all(
                    run and (run.ended or any(w.kind == "signal" for w in run.waits)) for run in runs.values()
                ):
                    break
                await asyncio.sleep(0.02)
        await asyncio.gather(*(worker.drain(5) for worker in workers))
        await asyncio.gather(*tasks)
        return {name: run.state for name, run in runs.items() if run}
