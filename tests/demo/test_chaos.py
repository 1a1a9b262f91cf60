"""Chaos is seeded, and strikes only whom it should."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from random import Random

import msgspec

from watership.adapters.memory.store import MemoryStore
from watership.demo.chaos import ControllerChaos, WorkerChaos
from watership.durable.clock import SystemClock
from watership.durable.ids import DeploymentId, RunId, WorkerId
from watership.durable.run import Run
from watership.durable.writes import Claim, Submit
from watership.releases.ports import HostSpec, Instance, InstanceState

DEPLOYMENT = DeploymentId("d1")


class OneHost:
    """Hosts with one worker process."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    async def ensure(self, spec: HostSpec, *, epoch: int) -> None: ...

    async def stop(self, deployment: DeploymentId, *, grace_seconds: float, epoch: int) -> None: ...

    async def instances(self) -> Sequence[Instance]:
        state = InstanceState.READY
        return [Instance(name="w", deployment=DEPLOYMENT, role="worker", state=state, pid=self._pid)]


async def held_by(worker: str, store: MemoryStore | None = None) -> MemoryStore:
    """A store with one run, leased by `worker`."""
    store = store or MemoryStore(SystemClock())
    submit = Submit(run_id=RunId("r1"), program="p", input=msgspec.Raw(b"1"), deployment=DEPLOYMENT)
    claim = Claim(
        worker=WorkerId(worker),
        deployment=DEPLOYMENT,
        pool="default",
        limit=1,
        lease_seconds=60.0,
        poison_limit=5,
    )
    await store.write([submit, claim])
    return store


def log_of(worker: str, folder: Path) -> Path:
    lines = [
        {"event": "worker started", "worker": "an earlier one"},
        {"event": "worker started", "worker": worker},
    ]
    (folder / "w.log").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


async def idle_process() -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(sys.executable, "-c", "import time; time.sleep(60)")


async def test_a_worker_that_holds_a_run_is_killed(tmp_path: Path) -> None:
    process = await idle_process()
    chaos = WorkerChaos(OneHost(process.pid), await held_by("w1"), log_of("w1", tmp_path), Random(1))

    async with asyncio.timeout(10):
        assert await chaos.kill() == ("w1", "r1")
        assert await process.wait() == -signal.SIGKILL
    assert chaos.killed == [("w1", "r1")]


async def test_a_worker_that_holds_nothing_lives(tmp_path: Path) -> None:
    process = await idle_process()
    chaos = WorkerChaos(OneHost(process.pid), await held_by("w1"), log_of("another", tmp_path), Random(1))

    with suppress(TimeoutError):
        async with asyncio.timeout(0.2):
            await chaos.kill()
    os.kill(process.pid, 0)
    assert (chaos.killed, process.returncode) == ([], None)
    process.kill()
    await process.wait()


class HandedOver(MemoryStore):
    """A store in which the run has passed on by the time that it is looked at again."""

    async def get(self, run_id: RunId) -> Run | None:
        run = await super().get(run_id)
        return None if run is None else msgspec.structs.replace(run, epoch=run.epoch + 1)


async def test_a_worker_whose_run_passed_on_meanwhile_is_let_go(tmp_path: Path) -> None:
    process = await idle_process()
    store = await held_by("w1", HandedOver(SystemClock()))
    chaos = WorkerChaos(OneHost(process.pid), store, log_of("w1", tmp_path), Random(1))

    with suppress(TimeoutError):
        async with asyncio.timeout(0.2):
            await chaos.kill()
    assert (chaos.killed, process.returncode) == ([], None)
    # It is not left stopped: it obeys.
    process.terminate()
    with suppress(TimeoutError):
        async with asyncio.timeout(5):
            await process.wait()
    obeyed = process.returncode
    if obeyed is None:
        process.kill()
        await process.wait()
    assert obeyed == -signal.SIGTERM


def test_controllers_die_once_before_the_traffic_moves_and_once_while_it_is_split() -> None:
    for seed in range(50):
        early, late = sorted(ControllerChaos(Random(seed)).plan(soak_seconds=20.0).items())
        assert early[0] in (2, 3, 4)
        assert late[0] == 5
        assert 0 < late[1] < 20


def test_a_seed_chooses_the_same_moments_again() -> None:
    assert ControllerChaos(Random(7)).plan(soak_seconds=20.0) == ControllerChaos(Random(7)).plan(
        soak_seconds=20.0
    )
