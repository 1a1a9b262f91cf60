"""The traffic as a process: it asks at a constant rate until SIGTERM, then sees its approvals through.

python -m watership.demo.traffic --router http://127.0.0.1:3000 --folder FOLDER
"""

from __future__ import annotations

import argparse
import asyncio
import signal
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

import msgspec
import uvloop

from watership.demo import expected
from watership.demo.traffic.client import Answer, Client, NoAnswer
from watership.demo.traffic.mix import Message, messages
from watership.demo.traffic.record import Record

CLIENTS = 16
"""Clients that ask for facts: enough to keep the rate while some wait for an answer."""

SENDERS = 4
"""Clients that send messages."""

BEHIND_SECONDS = 0.5
"""When the machine stood still, what was missed beyond this is not made up for: rates stay rates."""

LOOK_SECONDS = 1.0
"""Between two looks of the person whether a run asks for approval by now."""

PATIENCE_SECONDS = 60.0
"""How long the person goes on looking."""

NOTE = "compared with the page"
"""What the person says to each finding; the reviewer's conclusion repeats it."""


class Waits(msgspec.Struct):
    name: str
    seen: str


class RunSeen(msgspec.Struct):
    """What the person reads of a run."""

    state: str
    waits: list[Waits] = []


class AcceptedAnswer(msgspec.Struct):
    run_id: str
    deployment: str


class FactSeen(msgspec.Struct):
    version: str


class Pace:
    """Hands out the moments at which requests are due, at a constant rate."""

    def __init__(self, rate: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._period = 1 / rate
        self._due = self._loop.time()

    async def next(self) -> None:
        """Wait for the next moment."""
        self._due = max(self._due + self._period, self._loop.time() - BEHIND_SECONDS)
        await asyncio.sleep(max(0.0, self._due - self._loop.time()))


class Traffic:
    """All clients of one router. `stopping` ends the asking; approvals that were asked for are answered."""

    def __init__(self, router: str, folder: Path, seed: int, haste: float) -> None:
        address = urlsplit(router)
        assert address.hostname and address.port
        self._host, self._port = address.hostname, address.port
        self._folder = folder
        self._keys = Random(seed)
        self._messages = messages(seed, haste)
        self._persons: set[asyncio.Task[None]] = set()
        self._clients: list[Client] = []
        self.record = Record(folder / "accepted.jsonl")
        self.stopping = asyncio.Event()

    async def run(self, rate: float, runs_rate: float) -> None:
        """Ask until `stopping`; then wait for the person, and write everything down."""
        facts, sending = Pace(rate), Pace(runs_rate)
        await asyncio.gather(
            *(self._keep(self._fact, facts) for _ in range(CLIENTS)),
            *(self._keep(self._send, sending) for _ in range(SENDERS)),
        )
        while self._persons:
            await asyncio.wait(tuple(self._persons))
        self.record.summary.ended_at = datetime.now(UTC)
        (self._folder / "traffic.json").write_bytes(msgspec.json.encode(self.record.summary))
        for client in self._clients:
            client.close()
        self.record.close()

    async def _keep(self, ask: Callable[[Client], Awaitable[None]], pace: Pace) -> None:
        client = self._client()
        while not self.stopping.is_set():
            await pace.next()
            await ask(client)

    def _client(self) -> Client:
        client = Client(self._host, self._port)
        self._clients.append(client)
        return client

    async def _fact(self, client: Client) -> None:
        number = self._keys.randint(1, len(expected.facts()))
        path = f"/facts/{number}"
        answer = await self._ask(client, "fact", "GET", path)
        if answer is None:
            return
        version = _version(answer)
        if self.record.answered("fact", path, answer, version):
            true = version in expected.VERSIONS and msgspec.json.decode(answer.body) == expected.fact(
                version, number
            )
            if not true:
                self.record.wrong("fact", path, answer)

    async def _send(self, client: Client) -> None:
        message = next(self._messages)
        body = msgspec.json.encode({"agent": message.agent, "input": message.input})
        answer = await self._ask(client, "message", "POST", "/api/v1/messages", body)
        if answer is None or not self.record.answered("message", "/api/v1/messages", answer):
            return
        accepted = msgspec.json.decode(answer.body, type=AcceptedAnswer)
        self.record.accept(accepted.run_id, accepted.deployment, message)
        if message.late is not None:
            person = asyncio.create_task(self._approve(accepted.run_id, message, message.late))
            self._persons.add(person)
            person.add_done_callback(self._persons.discard)

    async def _approve(self, run: str, message: Message, late: float) -> None:
        """The person comes late, looks whether the run asks by now, and answers once."""
        await asyncio.sleep(late)
        client = self._client()
        give_up = asyncio.get_running_loop().time() + PATIENCE_SECONDS
        try:
            while (seen := await self._asked(client, run)) is None:
                if asyncio.get_running_loop().time() > give_up:
                    self.record.summary.unanswered += 1
                    return
                await asyncio.sleep(LOOK_SECONDS)
            value = {"granted": message.granted, "note": NOTE}
            body = msgspec.json.encode({"wait": "approval", "value": value, "seen": seen})
            path = f"/api/v1/runs/{run}:answer"
            answer = await self._ask(client, "answer", "POST", path, body)
            if answer is not None and self.record.answered("answer", path, answer):
                self.record.summary.answered += 1
            else:
                self.record.summary.unanswered += 1
        finally:
            self._clients.remove(client)
            client.close()

    async def _asked(self, client: Client, run: str) -> str | None:
        """The fingerprint of the approval that the run asks for; None while it asks for none."""
        path = f"/api/v1/runs/{run}"
        answer = await self._ask(client, "look", "GET", path)
        if answer is None or not self.record.answered("look", path, answer):
            return None
        read = msgspec.json.decode(answer.body, type=RunSeen)
        asked = (wait.seen for wait in read.waits if wait.name == "approval")
        return next(asked, None) if read.state == "waiting" else None

    async def _ask(
        self, client: Client, what: str, method: str, path: str, body: bytes = b""
    ) -> Answer | None:
        """The answer; None, and a failure on record, when there was none."""
        started = asyncio.get_running_loop().time()
        try:
            return await client.request(method, path, body)
        except NoAnswer as error:
            self.record.unanswered(what, path, str(error), asyncio.get_running_loop().time() - started)
            return None


def _version(answer: Answer) -> str:
    """The version that a good answer names."""
    if answer.status != 200:
        return ""
    try:
        return msgspec.json.decode(answer.body, type=FactSeen).version
    except msgspec.DecodeError:
        return ""


async def ask(options: argparse.Namespace) -> None:
    traffic = Traffic(options.router, options.folder, options.seed, options.haste)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, traffic.stopping.set)
    await traffic.run(options.rate, options.runs_rate)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m watership.demo.traffic", description=__doc__)
    parser.add_argument("--router", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--rate", type=float, default=220.0, help="facts asked for in a second")
    parser.add_argument("--runs-rate", type=float, default=5.0, help="messages sent in a second")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--haste", type=float, default=1.0, help="what every delay is multiplied by")
    uvloop.run(ask(parser.parse_args()))


if __name__ == "__main__":
    main()
