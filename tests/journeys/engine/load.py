"""The load: messages of every kind, each sent until it is known to be accepted, under one key."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import msgspec

from tests.journeys.engine.expected import WORD
from tests.journeys.engine.history import Accepted
from watership.demo.traffic.client import Answer, Client, NoAnswer

MIX = {
    "plain": 60,
    "napping": 8,
    "answered": 6,
    "family": 2,
    "careful": 8,
    "shaky": 5,
    "failing": 4,
    "talk": 7,
}
"""Parts of a hundred. The wide family and the poison are apart: there are a few of them."""

CHILDREN = 5
CONVERSATION = 4
"""Messages of one conversation, sent one after the other."""

AGAIN_SECONDS = (0.1, 0.6)
"""Between two tries of a message that got no answer."""

REFUSED_SECONDS = (0.8, 1.6)
"""Before a message that was refused is sent again: Retry-After says a second, and more."""

UNDER_WAY = 100
"""Messages that may be under way; beyond it we send no more. The faults are to hurt the system, not a herd of ours."""

GIVE_UP_SECONDS = 240.0
"""A message that was not accepted for so long is a failure of the system: nothing here lasts longer than seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is to be sent."""

    agent: str
    input: dict[str, int]
    conversation: str | None = None


class _Answer202(msgspec.Struct):
    run_id: str


@dataclass(slots=True)
class Record:
    """What the load knows by itself. `refused`: answers that no correct system gives."""

    accepted: list[Accepted] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    refused: list[str] = field(default_factory=list)
    sent: int = 0


class Load:
    """Sends what `messages` gives, about `rate` each second, to all services in turn."""

    def __init__(self, ports: Sequence[int], random: Random, folder: Path, *, rate: float) -> None:
        self.record = Record()
        self._ports = ports
        self._random = random
        self._rate = rate
        self._log = (folder / "accepted.jsonl").open("ab", buffering=0)
        self._idle: list[Client] = []
        self._turn = 0
        self._waiting: set[asyncio.Task[None]] = set()
        self._name = f"{random.getrandbits(32):08x}"

    async def send_all(self, messages: Iterator[Sequence[Message]]) -> None:
        """Until there are no more, and each is accepted and its word given."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        for one_after_the_other in messages:
            due = max(due + len(one_after_the_other) / self._rate, loop.time() - 1.0)
            await asyncio.sleep(max(0.0, due - loop.time()))
            while len(self._waiting) >= UNDER_WAY:
                await asyncio.wait(tuple(self._waiting), return_when=asyncio.FIRST_COMPLETED)
            self.start(one_after_the_other)
        while self._waiting:
            await asyncio.wait(tuple(self._waiting))

    def start(self, messages: Sequence[Message]) -> None:
        """Send these, one after the other, and do not wait for it."""
        task = asyncio.create_task(self._send(messages))
        self._waiting.add(task)
        task.add_done_callback(self._sent)

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._waiting.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.record.refused.append(repr(error))

    @property
    def waiting(self) -> int:
        """Messages that are under way."""
        return len(self._waiting)

    async def _send(self, messages: Sequence[Message]) -> None:
        for message in messages:
            self.record.sent += 1
            key = f"{self._name}-{self.record.sent}"
            body = {"agent": message.agent, "input": message.input, "conversation": message.conversation}
            answer, unclear = await self._until_clear("/api/v1/messages", msgspec.json.encode(body), key)
            accepted = Accepted(
                key=key,
                run=msgspec.json.decode(answer.body, type=_Answer202).run_id,
                agent=message.agent,
                input=message.input,
                conversation=message.conversation,
                unclear=unclear,
            )
            self.record.accepted.append(accepted)
            self._log.write(msgspec.json.encode(accepted) + b"\n")
            if unclear:
                # Once more, now that it is clear: the same key must name the same run for ever.
                await self._same(accepted, msgspec.json.encode(body))
            if message.agent == "answered":
                await asyncio.sleep(self._random.uniform(0, 1.0))
                word = {"name": "word", "value": WORD * message.input["number"]}
                path = f"/api/v1/runs/{accepted.run}:signal"
                await self._until_clear(path, msgspec.json.encode(word), f"{key}-word")

    async def _same(self, accepted: Accepted, body: bytes) -> None:
        answer, _ = await self._until_clear("/api/v1/messages", body, accepted.key)
        run = msgspec.json.decode(answer.body, type=_Answer202).run_id
        if run != accepted.run:
            self.record.accepted.append(msgspec.structs.replace(accepted, run=run))

    async def _until_clear(self, path: str, body: bytes, key: str) -> tuple[Answer, int]:
        """Ask until the answer is clear: the answer, and how many before it were not."""
        unclear = 0
        headers = {"Idempotency-Key": key}
        async with asyncio.timeout(GIVE_UP_SECONDS):
            while True:
                pause = AGAIN_SECONDS
                client = self._client()
                try:
                    answer = await client.request("POST", path, body, headers=headers)
                except NoAnswer as reason:
                    self.record.answers[f"none: {str(reason).partition(':')[0]}"] += 1
                    # A connection that was refused brought nothing over; after any other there may be a run.
                    unclear += "no connection" not in str(reason)
                    client.close()
                else:
                    self._idle.append(client)
                    self.record.answers[str(answer.status)] += 1
                    if 200 <= answer.status < 300:
                        return answer, unclear
                    if answer.status == 409 and unclear and path.endswith(":signal"):
                        return (
                            answer,
                            unclear,
                        )  # the try that was unclear had reached it, and it has ended since
                    if answer.status not in {429, 500, 503, 504}:
                        raise AssertionError(f"{path} was answered {answer.status}: {answer.body[:300]!r}")
                    # A 503 may be that of a COMMIT whose answer was lost; a 429 is said before anything is tried.
                    unclear += answer.status != 429
                    pause = REFUSED_SECONDS
                await asyncio.sleep(self._random.uniform(*pause))

    def _client(self) -> Client:
        if self._idle and self._random.random() < 0.9:
            return self._idle.pop(self._random.randrange(len(self._idle)))
        self._turn += 1
        return Client("127.0.0.1", self._ports[self._turn % len(self._ports)])

    def close(self) -> None:
        for client in self._idle:
            client.close()
        self._log.close()


def messages(random: Random) -> Iterator[Sequence[Message]]:
    """Messages without end, about as MIX says; those of a conversation together."""
    agents, weights = list(MIX), list(MIX.values())
    while True:
        agent = random.choices(agents, weights)[0]
        number = random.randrange(1_000_000)
        if agent == "talk":
            name = f"talk-{random.getrandbits(48):012x}"
            yield [
                Message(agent=agent, input={"number": number + each}, conversation=name)
                for each in range(CONVERSATION)
            ]
        else:
            children = {"children": CHILDREN} if agent == "family" else {}
            yield [Message(agent=agent, input={"number": number, **children})]
