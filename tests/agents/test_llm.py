"""An LLM agent runs on the engine that its process registered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.agents.stage import Stage, on_stage
from watership.agents.app import App
from watership.agents.llm import Agent, use_engine
from watership.agents.spoken import Line
from watership.durable.events import Failure
from watership.errors import ProgramError


class Parrot:
    """An engine without a model."""

    def prepare(self, agent: Agent) -> None: ...

    async def run(
        self, agent: Agent, prompt: str, *, before: Sequence[Line] = (), taken: list[str] | None = None
    ) -> Any:
        return f"{agent.name}: {prompt}"

    def plain(self, output: Any) -> object:
        return output


def test_an_agent_runs_on_the_engine_that_was_registered() -> None:
    app = App("a")
    app.add(Agent("polly", model="none"))

    async def play(stage: Stage) -> None:
        run_id = await stage.start("polly", "hello")
        await stage.work(app.programs)
        assert await stage.result(run_id) == "polly: hello"

    before = use_engine(Parrot)
    try:
        on_stage(play)
    finally:
        use_engine(before)


def test_without_an_engine_an_agent_says_what_is_missing() -> None:
    app = App("a")
    app.add(Agent("polly", model="none"))

    async def play(stage: Stage) -> None:
        run_id = await stage.start("polly", "hello")
        await stage.work(app.programs)
        failed = await stage.result(run_id)
        assert isinstance(failed, Failure) and "'polly'" in failed.message and "engine" in failed.message

    before = use_engine(None)
    try:
        with pytest.raises(ProgramError, match="use_engine"):
            app.prepare()
        on_stage(play)
    finally:
        use_engine(before)
