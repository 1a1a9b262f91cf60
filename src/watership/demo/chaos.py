"""Chaos kills, as a power cut would: workers that hold a run, and the controller in the middle of a release."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random

import msgspec

from watership.durable.ids import WorkerId
from watership.durable.ports import RunFilter, Runs
from watership.durable.run import Run
from watership.durable.states import RunState
from watership.errors import Unavailable
from watership.releases.ports import Hosts, Instance

PAUSE = (4.0, 8.0)
"""Seconds between two kills of workers: a new one needs about two to stand up."""

LOOK_SECONDS = 0.01
"""Between two looks for a run that is held: steps take milliseconds."""

STARTED = b'"event": "worker started"'


class _Started(msgspec.Struct):
    worker: str


class WorkerChaos:
    """Kills workers of `hosts`, each while it holds a leased run; `killed` names the worker and the run."""

    def __init__(self, hosts: Hosts, runs: Runs, logs: Path, random: Random) -> None:
        self._hosts = hosts
        self._runs = runs
        self._logs = logs
        self._random = random
        self.killed: list[tuple[WorkerId, str]] = []

    async def go_on(self, told: Callable[[str], None]) -> None:
        """Kill now and then until cancelled."""
        while True:
            await asyncio.sleep(self._random.uniform(*PAUSE))
            worker, run = await self.kill()
            told(f"chaos: killed worker {worker}, which held run {run}")

    async def kill(self) -> tuple[WorkerId, str]:
        """Kill one worker that holds a run at this very moment, as the store says."""
        while True:
            with suppress(Unavailable):
                held = await self._held()
                if held and (done := await self._strike(self._random.choice(held))) is not None:
                    self.killed.append(done)
                    return done
            await asyncio.sleep(LOOK_SECONDS)

    async def _held(self) -> list[Run]:
        page = await self._runs.list(RunFilter(states=frozenset({RunState.RUNNING})))
        return [run for run in page.runs if run.lease_owner is not None]

    async def _strike(self, run: Run) -> tuple[WorkerId, str] | None:
        """Stop the run's owner, look again, and kill it if the run is still its own; else let it go on."""
        assert run.lease_owner is not None
        pid = await self._pid(run.lease_owner)
        if pid is None:
            return None
        try:
            os.kill(pid, signal.SIGSTOP)
        except ProcessLookupError:
            return None
        now = None
        try:
            now = await self._runs.get(run.id)
        finally:
            mine = now is not None and (now.state, now.lease_owner, now.epoch) == (
                RunState.RUNNING,
                run.lease_owner,
                run.epoch,
            )
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL if mine else signal.SIGCONT)
        return (run.lease_owner, run.id) if mine else None

    async def _pid(self, worker: WorkerId) -> int | None:
        for instance in await self._hosts.instances():
            if instance.role == "worker" and instance.pid and self._worker_of(instance) == worker:
                return instance.pid
        return None

    def _worker_of(self, instance: Instance) -> WorkerId | None:
        """The worker in a process, by the last start that its log tells."""
        log = self._logs / f"{instance.name}.log"
        starts = [line for line in log.read_bytes().splitlines() if STARTED in line]
        return WorkerId(msgspec.json.decode(starts[-1], type=_Started).worker) if starts else None


class ControllerChaos:
    """Chooses, for each release, when its controller dies: seconds after a phase was first seen. `killed` counts."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.killed = 0

    def plan(self, *, soak_seconds: float) -> dict[int, float]:
        """Phase number → seconds into it. One kill before the traffic moves, and one while it is split."""
        return {
            self._random.choice((2, 3, 4)): self._random.uniform(0.0, 0.8),
            5: self._random.uniform(0.1, 0.7) * soak_seconds,
        }
