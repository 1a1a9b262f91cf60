"""The traffic of a rehearsal: the smoke test's own requests and messages, again and again, and what became of each."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import cycle
from typing import Final

import httpx2
import msgspec

from watership.durable.ids import NewId, RunId
from watership.durable.ports import Runs, Store
from watership.durable.states import TERMINAL, RunState
from watership.durable.writes import Submit, Submitted
from watership.errors import Unavailable
from watership.releases.smoke import Message, Request, Smoke

RATE: Final = 60.0
"""Requests a second: the gate of an abridged plan has its samples within its soak."""

RUNS_RATE: Final = 2.0

PATIENCE_SECONDS: Final = 10.0

SHOWN: Final = 5
"""Failures that are told in words."""

LOOK_SECONDS: Final = 0.1


class Traffic:
    """Asks the router at `address`, and submits runs to `store` as a service does: pinned by the intake's weights."""

    def __init__(self, address: str, store: Store, runs: Runs, smoke: Smoke, new_id: NewId) -> None:
        self._address = address
        self._store = store
        self._runs = runs
        self._smoke = smoke
        self._new_id = new_id
        self._asking: set[asyncio.Task[None]] = set()
        self._open: dict[RunId, Message] = {}
        self.requests = 0
        self.failures: list[str] = []
        self.accepted = 0
        self.lost: list[str] = []

    async def run(self) -> None:
        """Until it is cancelled."""
        requests = [each for each in self._smoke.requests if each.method == "GET"] or [
            Request(name="health", path="/health")
        ]
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._ask(requests))
            if self._smoke.messages:
                tasks.create_task(self._submit(self._smoke.messages))

    async def settle(self, seconds: float) -> None:
        """Wait for the runs that were taken; those that have not ended by then are lost."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while self._open:
            for run_id in list(self._open):
                run = await self._runs.get(run_id)
                if run is not None and run.state in TERMINAL:
                    if run.state is not RunState.SUCCEEDED:
                        self.lost.append(
                            f"run {run_id} ({self._open[run_id].program}) ended {run.state.value}"
                        )
                    del self._open[run_id]
            if self._open and loop.time() >= end:
                break
            await asyncio.sleep(LOOK_SECONDS if self._open else 0)
        self.lost += [
            f"run {run_id} ({message.program}) has not ended" for run_id, message in self._open.items()
        ]
        self._open.clear()

    # --- requests -------------------------------------------------------------------------------------------------

    async def _ask(self, requests: Sequence[Request]) -> None:
        limits = httpx2.Limits(max_connections=32, max_keepalive_connections=16)
        async with httpx2.AsyncClient(trust_env=False, timeout=PATIENCE_SECONDS, limits=limits) as client:
            try:
                for request in cycle(requests):
                    asking = asyncio.create_task(self._one(client, request))
                    self._asking.add(asking)
                    asking.add_done_callback(self._asking.discard)
                    await asyncio.sleep(1 / RATE)
            finally:
                # What is asked already is answered before the connections are closed.
                if self._asking:
                    await asyncio.wait(self._asking, timeout=PATIENCE_SECONDS)

    async def _one(self, client: httpx2.AsyncClient, request: Request) -> None:
        self.requests += 1
        headers = {**self._smoke.headers, **request.headers}
        try:
            answer = await client.get(f"http://{self._address}{request.path}", headers=headers)
        except httpx2.HTTPError as error:
            self.failures.append(f"{request.path}: {str(error) or type(error).__name__}")
            return
        if answer.status_code != request.status:
            self.failures.append(f"{request.path}: {answer.status_code} instead of {request.status}")

    # --- runs -----------------------------------------------------------------------------------------------------

    async def _submit(self, messages: Sequence[Message]) -> None:
        for message in cycle(messages):
            run_id = RunId(f"rehearsed-{self._new_id()}")
            value = msgspec.Raw(msgspec.json.encode(message.input))
            try:
                written = await self._store.write(
                    [Submit(run_id=run_id, program=message.program, input=value)]
                )
            except Unavailable as error:
                self.lost.append(f"{message.program} was not taken: {error}")
            else:
                if isinstance(written.outcomes[0], Submitted):
                    self.accepted += 1
                    self._open[run_id] = message
            await asyncio.sleep(1 / RUNS_RATE)
