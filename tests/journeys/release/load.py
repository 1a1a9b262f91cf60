"""The load: people who ask for prices, and messages to agents over HTTP and over AMQP, each at its own rate."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Final, NamedTuple

import aio_pika
import msgspec
from aio_pika.abc import AbstractIncomingMessage

from tests.journeys.release.expected import PRICES, is_price
from watership.demo.traffic.client import Answer, Client, NoAnswer

ASKING: Final = 40
"""Connections over which prices are asked for: with 220 a second each of them waits 180 ms before it is late."""

SENDING: Final = 10
"""Connections over which messages are sent."""

PUBLISHING: Final = 6
"""Messages that may wait for the broker's confirm at a time."""

BOOKS: Final = 8
"""One request in so many reads the application's database."""

BEHIND_SECONDS: Final = 1.0
"""Who is later than this does not catch up: what was not asked is not made up for."""

PREFETCH: Final = 200


class Asked(NamedTuple):
    """A request for a price: when it began and ended, and which version answered; empty when none did."""

    began: float
    ended: float
    version: str


class Sent(NamedTuple):
    """A message that was accepted. `run` is empty where the broker accepted it, which knows no runs."""

    agent: str
    door: str
    at: float
    run: str = ""


@dataclass(slots=True)
class Record:
    """What clients know by themselves."""

    asked: list[Asked] = field(default_factory=list)
    sent: dict[int, Sent] = field(default_factory=dict)
    """The number of a message → how it was accepted."""
    replies: dict[int, bytes] = field(default_factory=dict)
    posts: int = 0
    failed: list[str] = field(default_factory=list)

    @property
    def requests(self) -> int:
        """Over HTTP, of every kind."""
        return len(self.asked) + self.posts


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """A second, together."""

    prices: float
    orders: float
    hauls: float
    haul_seconds: int


class Load:
    """Asks and sends until it is told to stop."""

    def __init__(self, address: str, broker: str, rates: Rates) -> None:
        self.record = Record()
        host, _, port = address.partition(":")
        self._place = host, int(port)
        self._broker = broker
        self._rates = rates
        self._numbers = count(1)
        self._over = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def begin(self) -> None:
        """Begin to ask and to send."""
        half = self._rates.orders / 2
        works = [
            *(self._ask(self._rates.prices / ASKING) for _ in range(ASKING)),
            *(self._send("order", half / SENDING) for _ in range(SENDING)),
            self._send("haul", self._rates.hauls),
            self._publish(half),
        ]
        self._tasks = [asyncio.create_task(each) for each in works]

    async def end(self) -> None:
        """Stop, and wait for the answers to what was asked."""
        self._over.set()
        await asyncio.gather(*self._tasks)

    async def errands(self, number: int) -> None:
        """Send so many messages whose runs wait for a word."""
        client = Client(*self._place)
        for _ in range(number):
            await self._message(client, "errand", {})
        client.close()

    async def word(self, runs: list[str]) -> None:
        """Give the word that each of these runs waits for."""
        client = Client(*self._place)
        for run in runs:
            body = msgspec.json.encode({"name": "word", "value": "go"})
            await self._post(client, f"/api/v1/runs/{run}:signal", body, f"word-{run}")
        client.close()

    async def _paced(self, rate: float, work: Callable[[], Awaitable[object]]) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while not self._over.is_set():
            await work()
            due = max(due + 1 / rate, loop.time() - BEHIND_SECONDS)
            await asyncio.sleep(max(0.0, due - loop.time()))

    # --- HTTP -------------------------------------------------------------------------------------------------

    async def _ask(self, rate: float) -> None:
        client, numbers = Client(*self._place), count()

        async def once() -> None:
            number = next(numbers)
            path = "/last" if number % BOOKS == 0 else f"/price?number={number}"
            began, version = time.time(), ""
            try:
                answer = await client.request("GET", path)
                version = _version(answer, path, number)
            except (NoAnswer, ValueError) as reason:
                self.record.failed.append(f"{path}: {reason}")
            self.record.asked.append(Asked(began, time.time(), version))

        await self._paced(rate, once)
        client.close()

    async def _send(self, agent: str, rate: float) -> None:
        client = Client(*self._place)
        more = {"seconds": self._rates.haul_seconds} if agent == "haul" else {}
        await self._paced(rate, lambda: self._message(client, agent, more))
        client.close()

    async def _message(self, client: Client, agent: str, more: dict[str, int]) -> None:
        number = next(self._numbers)
        body = msgspec.json.encode({"agent": agent, "input": {"number": number, **more}})
        answer = await self._post(client, "/api/v1/messages", body, f"message-{number}")
        if answer is not None:
            run = msgspec.json.decode(answer.body)["run_id"]
            self.record.sent[number] = Sent(agent, "HTTP", time.time(), run)

    async def _post(self, client: Client, path: str, body: bytes, key: str) -> Answer | None:
        self.record.posts += 1
        try:
            answer = await client.request("POST", path, body, headers={"Idempotency-Key": key})
        except NoAnswer as reason:
            self.record.failed.append(f"POST {path}: {reason}")
            return None
        if 200 <= answer.status < 300:
            return answer
        self.record.failed.append(f"POST {path} was answered {answer.status}: {answer.body[:200]!r}")
        return None

    # --- AMQP -------------------------------------------------------------------------------------------------

    async def _publish(self, rate: float) -> None:
        connection = await aio_pika.connect(self._broker)
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        await channel.set_qos(prefetch_count=PREFETCH)
        replies = await channel.declare_queue(exclusive=True)
        await replies.consume(self._hear, no_ack=True)
        door = await channel.get_exchange("watership.inbox", ensure=False)

        async def once() -> None:
            number = next(self._numbers)
            message = aio_pika.Message(
                msgspec.json.encode({"number": number}),
                message_id=f"message-{number}",
                correlation_id=str(number),
                reply_to=replies.name,
                delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            )
            try:
                await door.publish(message, routing_key="order", mandatory=True)
            except aio_pika.exceptions.AMQPError as reason:
                self.record.failed.append(f"AMQP: {reason!r}")
            else:
                self.record.sent[number] = Sent("order", "AMQP", time.time())

        await asyncio.gather(*(self._paced(rate / PUBLISHING, once) for _ in range(PUBLISHING)))
        async with asyncio.timeout(REPLY_SECONDS):
            while self.unanswered:
                await asyncio.sleep(0.05)
        await connection.close()

    @property
    def unanswered(self) -> set[int]:
        """The numbers of messages that the broker took, and whose reply is still to come."""
        return {
            number for number, each in self.record.sent.items() if each.door == "AMQP"
        } - self.record.replies.keys()

    async def _hear(self, message: AbstractIncomingMessage) -> None:
        self.record.replies[int(message.correlation_id or 0)] = message.body


REPLY_SECONDS: Final = 60.0


def _version(answer: Answer, path: str, number: int) -> str:
    """The version that answered. Raises ValueError for an answer that none gives."""
    if answer.status != 200:
        raise ValueError(f"answered {answer.status}: {answer.body[:200]!r}")
    told = msgspec.json.decode(answer.body)
    version = str(told["version"])
    if version not in PRICES or (path != "/last" and not is_price(told, number)):
        raise ValueError(f"answered {answer.body[:200]!r}")
    return version
