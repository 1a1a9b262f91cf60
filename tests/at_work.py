"""An application at work in the test's own process: over the embedded store, with a worker for each of its pools."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import msgspec

from tests.notes import Notes
from watership.agents.app import App
from watership.cli.options import read_config
from watership.durable.ids import DeploymentId, RunId
from watership.durable.writes import Submit
from watership.wiring.embedded import open_embedded
from watership.wiring.kernel import Kernel
from watership.wiring.roles import Place, open_workers

DRAIN_SECONDS = 5


@asynccontextmanager
async def at_work(app: App, given: Mapping[str, object]) -> AsyncIterator[Kernel]:
    """For the length of the block, then drained. Each agent that is `given` an input has a run of its own name."""
    config = read_config()
    async with (
        open_embedded(config, Notes()) as kernel,
        open_workers(config, app, Place(), kernel) as workers,
    ):
        await kernel.store.set_weights({DeploymentId("local"): 100}, epoch=1)
        for name, value in given.items():
            raw = msgspec.Raw(msgspec.json.encode(value))
            await kernel.committer.submit(Submit(run_id=RunId(name), program=name, input=raw))
        tasks = [asyncio.create_task(worker.run()) for worker in workers]
        yield kernel
        await asyncio.gather(*(worker.drain(DRAIN_SECONDS) for worker in workers))
        await asyncio.gather(*tasks)
