"""No delivery is held through a run: the broker's consumer_timeout does not matter, however long runs and waits are."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random

import pytest

from tests.journeys.engine.campaign import Plan, crew_of
from tests.journeys.engine.entries import read_entries
from tests.journeys.engine.history import History, judge
from tests.journeys.engine.load import Load, Message
from tests.journeys.engine.scene import with_servers
from tests.journeys.engine.stage import read_all, watching
from watership.durable.states import RunState
from watership.wiring.roles import STANDALONE

TIMEOUT = 60
"""Seconds: the broker looks once a minute, so that less would not be noticed sooner."""

LONG = 130
"""Longer than the timeout and the time until it is noticed."""

BEHIND = 5
"""Runs that wait as long for the only slot."""

PLAN = Plan(seed=1, runs=1 + BEHIND, rate=100.0, workers=1, services=1)


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="watership-slow-", ignore_cleanup_errors=True) as place:
        Path(place).chmod(0o755)
        yield Path(place)


@pytest.mark.usefixtures("long")
async def test_runs_and_waits_that_outlast_the_consumer_timeout_finish_once(
    folder: Path, nightly: bool
) -> None:
    if not nightly:
        pytest.skip("takes two minutes and a half: the broker looks once a minute; make nightly runs it")
    with ExitStack() as stack:
        stage, servers, ports = with_servers(stack, folder, PLAN, {"consumer_timeout": str(TIMEOUT * 1_000)})
        assert servers is not None
        async with crew_of(stage, PLAN, ports, slots=1) as crew:
            await crew.ready()
            load = Load([crew.services[0].port], Random(1), folder, rate=PLAN.rate)
            turns = [Message(agent="labour", input={"number": 1, "seconds": LONG})]
            await load.send_all(iter([turns]))
            await asyncio.sleep(1.0)
            await load.send_all(
                iter([[Message(agent="plain", input={"number": each})] for each in range(BEHIND)])
            )
            load.close()
            async with asyncio.timeout(LONG + 60), watching(stage) as kernel:
                while (await kernel.store.census()).get((STANDALONE, RunState.SUCCEEDED), 0) < PLAN.runs:
                    await asyncio.sleep(1.0)
                runs, journals = await read_all(kernel.store)
        left = await servers.left()

    entered = list(read_entries(folder))
    history = History(accepted=load.record.accepted, runs=runs, journals=journals, entered=entered, left=left)
    assert list(judge(history).findings) == []
    assert len(entered) == 1 + 3 * BEHIND
    assert crew.deaths == []
    log = (folder / "worker-0.log").read_text()
    assert "wake-ups dropped" in log, "none had to wait"
    assert "broker lost" not in log, log
