"""Cassettes in tests: a real run replayed offline, which fails when its agent would not do the same any more.

    from my_agents import app
    from watership.testing.cassette import check

    def test_the_run_is_repeated() -> None:
        check(app, CASSETTE)

`watership run export RUN` writes such a file.
"""

from __future__ import annotations

import asyncio

from watership.adapters.memory import MemoryStore
from watership.agents.app import App
from watership.agents.llm import Engine, use_engine
from watership.durable.cassette import Cassette, read
from watership.durable.clock import SystemClock
from watership.durable.replay import Replayed, ended_alike, replay
from watership.durable.writes import ClaimedRun


def check(app: App, text: str) -> None:
    """Replay a run with the agents of `app`: no model is asked, no tool entered, no network needed.

    Raises AssertionError if they ask for other steps, would show a model something else (its prompt, its tools, their
    order), or come to another end.
    """
    cassette = read(text)
    before = use_engine(_offline)
    try:
        told = asyncio.run(_replayed(app, cassette))
    finally:
        use_engine(before)
    where = f"Run {cassette.run.id} of {cassette.run.program}"
    if told.drifted:
        raise AssertionError(f"{where}: a model would be shown something else at {', '.join(told.drifted)}.")
    if told.verdict != "fits":
        raise AssertionError(f"{where} {told.verdict}: {told.why}")
    if not ended_alike(told, cassette.events()):
        ended = told.failure.message if told.failure is not None else (told.result or b"no end").decode()
        raise AssertionError(f"{where} came to another end: {ended}")


async def _replayed(app: App, cassette: Cassette) -> Replayed:
    program = app.programs.get(cassette.run.program)
    if program is None:
        raise AssertionError(f"The application has no agent {cassette.run.program!r} any more.")
    claimed = ClaimedRun(run=cassette.run, events=cassette.events(), inbox=())
    clock = SystemClock()
    return await replay(claimed, program, MemoryStore(clock), clock)


def _offline() -> Engine:
    from watership.adapters.pydantic_ai.engine import offline

    return offline
