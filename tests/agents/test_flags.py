"""A run that asked for a flag keeps the answer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from openfeature import api
from openfeature.provider.in_memory_provider import InMemoryFlag, InMemoryProvider
from openfeature.provider.no_op_provider import NoOpProvider

from tests.agents.stage import Stage, on_stage
from watership import App, flag, sleep


def _set(on: bool) -> None:
    """Put a provider in force that any application could bring."""
    switch = InMemoryFlag("on" if on else "off", {"on": True, "off": False})
    api.set_provider_and_wait(InMemoryProvider({"new": switch}))


@pytest.fixture(autouse=True)
def nobody_answers_afterwards() -> Iterator[None]:
    yield
    api.set_provider_and_wait(NoOpProvider())


def forked() -> App:
    app = App("forked")

    @app.agent
    async def walk(name: str) -> list[bool]:
        """Look before and after a pause."""
        before = await flag("new")
        await sleep(60)
        return [before, await flag("new"), await flag("unheard-of", default=True)]

    return app


def test_a_replay_takes_the_way_that_the_run_took_whatever_is_set_by_then() -> None:
    _set(True)

    async def main(stage: Stage) -> None:
        programs = forked().programs
        run_id = await stage.start("walk", {"name": "x"})
        await stage.work(programs)
        _set(False)
        await stage.clock.sleep(61)
        await stage.work(programs)
        assert await stage.result(run_id) == [True, False, True]  # the first one was recalled
        assert await stage.keys(run_id) == ["flag/0", "sleep/0", "sleep/0", "flag/1", "flag/2"]

    on_stage(main)
