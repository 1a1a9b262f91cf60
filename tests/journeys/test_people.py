"""An approval waits over the end of every process, holding no worker, and is given once, by whoever may."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from watership.durable.clock import SystemClock
from watership.fleet.identity import Tokens
from watership.testing.servers.ports import free_port

SECRET = "a-secret-of-the-tests-that-is-long-enough"
PATIENCE = 60.0
LOOK = 0.05

APP = '''
from watership import App, approve, step, tool

app = App("shop")


@tool(effect="idempotent")
async def refund(cents: int) -> str:
    with open("refunds", "a") as book:
        book.write(f"{cents}\\n")
    return f"{cents} refunded"


@app.agent
async def clerk(cents: int) -> str:
    """Refunds, if finance says so."""
    answer = await approve("Refund it?", {"cents": cents}, by="finance")
    return f"{await step(refund, cents)}, says {answer.by}" if answer.granted else "kept"


@app.agent
async def hello(name: str) -> str:
    """Greet a person."""
    return f"Hello, {name}!"
'''


@dataclass
class Shop:
    """A service and a worker of one slot, each a process; they are ended and started anew as the test likes."""

    folder: Path
    port: int
    processes: list[asyncio.subprocess.Process] = field(default_factory=list)

    async def open(self) -> None:
        await self._start("serve", "--port", str(self.port))
        await self._start("worker", "--slots", "1")
        async with asyncio.timeout(PATIENCE):
            while not await self._ready():
                await asyncio.sleep(LOOK)

    async def end(self, how: signal.Signals) -> None:
        for process in self.processes:
            if process.returncode is None:
                process.send_signal(how)
        for process in self.processes:
            await asyncio.wait_for(process.wait(), PATIENCE)
        self.processes.clear()

    async def ask(
        self, who: str, roles: Sequence[str], method: str, path: str, body: object = None
    ) -> tuple[int, Any]:
        token = Tokens(SECRET, SystemClock()).issue(who, roles=roles, lifetime=timedelta(hours=1))
        headers = {"authorization": f"Bearer {token}"}
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", headers=headers) as http:
            answer = await http.request(method, f"/api/v1/{path}", json=body)
        return answer.status_code, answer.json()

    async def send(self, agent: str, given: object) -> str:
        body = {"agent": agent, "input": given}
        status, accepted = await self.ask("rita", ["writer", "finance"], "POST", "messages", body)
        assert status == 202, accepted
        return str(accepted["run_id"])

    async def run(self, run_id: str, until: Callable[[Any], bool]) -> Any:
        """The run, once it is as it should be."""
        async with asyncio.timeout(PATIENCE):
            while True:
                _, shown = await self.ask("rex", ["reader"], "GET", f"runs/{run_id}")
                if until(shown):
                    return shown
                await asyncio.sleep(LOOK)

    async def _start(self, *command: str) -> None:
        settings = {
            "WATERSHIP_STORE_URL": f"sqlite:///{self.folder / 'runs.db'}",
            "WATERSHIP_SECRET": SECRET,
            "WATERSHIP_AUTH": "token",
        }
        words = [sys.executable, "-m", "watership", *command, "--app", f"{self.folder / 'app.py'}:app"]
        env = {**os.environ, **settings}
        self.processes.append(await asyncio.create_subprocess_exec(*words, env=env, cwd=self.folder))

    async def _ready(self) -> bool:
        assert all(process.returncode is None for process in self.processes)
        try:
            async with httpx2.AsyncClient() as http:
                return (await http.get(f"http://127.0.0.1:{self.port}/readyz")).status_code == 200
        except httpx2.TransportError:
            return False


@asynccontextmanager
async def shop(folder: Path) -> AsyncIterator[Shop]:
    (folder / "app.py").write_text(APP)
    opened = Shop(folder, free_port())
    try:
        await opened.open()
        yield opened
    finally:
        await opened.end(signal.SIGKILL)


def ended(shown: Any) -> bool:
    return bool(shown["state"] in {"succeeded", "failed"})


def parked(shown: Any) -> bool:
    return bool(shown["state"] == "waiting")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_an_approval_outlives_every_process_and_is_one(tmp_path: Path, how: signal.Signals) -> None:
    async with shop(tmp_path) as there:
        run_id = await there.send("clerk", {"cents": 500})
        asked = await there.run(run_id, parked)
        assert asked["worker"] is None
        assert asked["waits"][0]["about"]["may"] == {"by": ["finance"], "requester": False}

        # The worker's one slot is free: another run goes through it meanwhile.
        other = await there.run(await there.send("hello", {"name": "Ada"}), ended)
        assert other["result"] == "Hello, Ada!"

        await there.end(how)
        await there.open()
        again = await there.run(run_id, parked)
        assert again["waits"] == asked["waits"]
        path, answer = f"runs/{run_id}:answer", {"value": True, "seen": asked["waits"][0]["seen"]}

        # The wrong people: one without the role, and whoever started it.
        for who, roles in (("mallory", ["admin"]), ("rita", ["writer", "finance"])):
            status, told = await there.ask(who, roles, "POST", path, answer)
            assert (status, told["code"]) == (403, "not_yours")
        assert (await there.run(run_id, parked))["waits"] == asked["waits"]

        given = await asyncio.gather(
            *(there.ask(who, ["reader", "finance"], "POST", path, answer) for who in ("fred", "fay"))
        )
        assert [status for status, _ in given] == [200, 200]
        assert sorted(told["existing"] for _, told in given) == [False, True]
        (by,) = {told["answered_by"] for _, told in given}

        done = await there.run(run_id, ended)
        assert done["result"] == f"500 refunded, says {by}"
        status, late = await there.ask("fred", ["reader", "finance"], "POST", path, answer)
        assert (status, late["existing"], late["answered_by"]) == (200, True, by)
        assert (tmp_path / "refunds").read_text() == "500\n"

        journal = await _journal(there, run_id)
        refused = [event["by"] for event in journal if event["type"] == "answer_refused"]
        assert refused == ["mallory", "rita"]
        (taken,) = [event for event in journal if event["type"] == "signal_taken"]
        assert taken["value"]["saw"]["details"] == {"cents": 500}


async def _journal(there: Shop, run_id: str) -> list[dict[str, Any]]:
    """The run's events, as anybody who may read follows them."""
    token = Tokens(SECRET, SystemClock()).issue("rex", roles=["reader"])
    headers = {"authorization": f"Bearer {token}"}
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{there.port}", headers=headers) as http:
        text = (await http.get(f"/api/v1/runs/{run_id}/events")).text
    data = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    return [entry["event"] for entry in map(json.loads, data) if entry and "event" in entry]
