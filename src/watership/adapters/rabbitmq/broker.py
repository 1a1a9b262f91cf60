"""The broker of one process: a connection that publishes, another that consumes, and a ping through both."""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType
from typing import Final, NoReturn
from urllib.parse import urlsplit

from aiormq.abc import AbstractConnection, DeliveredMessage
from pamqp.commands import Basic

from watership.adapters.rabbitmq.calls import call
from watership.adapters.rabbitmq.publisher import Publisher
from watership.adapters.rabbitmq.refusal import checked
from watership.adapters.rabbitmq.supervisor import Supervisor
from watership.adapters.rabbitmq.topology import VERSION
from watership.durable.ids import NewId
from watership.durable.keeping import keep
from watership.durable.ports import Observer
from watership.errors import Unavailable

PING_SECONDS: Final = 3.0
"""How long a ping may take before it counts as lost; it takes a few ms."""

WATCH_SECONDS: Final = 10.0
"""How often the watchdog pings."""

MISSES: Final = 2
"""Pings lost in a row until the connections are built anew: a busy moment is not a death."""


class _Hearer:
    """The part of the consuming connection that hears them, on a queue that nobody else sees."""

    def __init__(self, supervisor: Supervisor, new_id: NewId) -> None:
        self._supervisor = supervisor
        self._new_id = new_id
        self.queue = ""
        self.awaited: dict[str, asyncio.Future[None]] = {}

    async def open(self, connection: AbstractConnection) -> None:
        channel = await self._supervisor.open_channel(connection)
        # Another name each time: the broker may not have noticed yet that the connection before is dead.
        self.queue = f"watership.{VERSION}.ping.{self._new_id()}"
        declaring = channel.queue_declare(self.queue, exclusive=True, auto_delete=True)
        await call(f"queue {self.queue}", declaring)
        await call(f"consuming {self.queue}", channel.basic_consume(self.queue, self._hear, no_ack=True))

    def lost(self) -> None:
        """A ping that is on its way runs into its own end."""

    async def _hear(self, message: DeliveredMessage) -> None:
        awaited = self.awaited.get(message.body.decode(errors="replace"))
        if awaited is not None and not awaited.done():
            awaited.set_result(None)


class Broker:
    """Both connections, which come and go; use it as an async context manager.

    They are two because the broker, when it is short of memory, stops reading from whoever publishes.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str,
        observer: Observer,
        new_id: NewId,
        ca_file: str = "",
        watch_seconds: float = WATCH_SECONDS,
    ) -> None:
        checked(urlsplit(url))  # what can never be reached is refused before anybody tries
        self.publishing = Supervisor(url, name=f"{name} publishes", observer=observer, ca_file=ca_file)
        self.consuming = Supervisor(url, name=f"{name} consumes", observer=observer, ca_file=ca_file)
        self._observer = observer
        self._new_id = new_id
        self._watch_seconds = watch_seconds
        self.publisher = Publisher(self.publishing, new_id)
        self._hearer = _Hearer(self.consuming, new_id)
        self._stack = contextlib.AsyncExitStack()
        self._misses = 0
        self._watch: asyncio.Task[NoReturn] | None = None

    async def __aenter__(self) -> Broker:
        for supervisor, part in ((self.publishing, self.publisher), (self.consuming, self._hearer)):
            await self._stack.enter_async_context(supervisor)
            await self._stack.enter_async_context(supervisor.carrying(part))
        self._watch = asyncio.create_task(
            keep("rabbitmq watchdog", self._look, self._observer), name="rabbitmq watchdog"
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._watch is not None:
            self._watch.cancel()
        await self._stack.aclose()

    async def wait(self, seconds: float) -> None:
        """Until both connections stand. Raises Unavailable when they do not after `seconds`."""
        await self.publishing.wait(seconds)
        await self.consuming.wait(seconds)

    async def ping(self) -> float:
        """Seconds that a message took from us to the broker and back. Raises Unavailable, with the reason."""
        for supervisor in (self.publishing, self.consuming):
            if not supervisor.connected:
                raise Unavailable(
                    f"No connection to RabbitMQ: {supervisor.reason}.",
                    fix=supervisor.fix or "watership doctor --prod",
                )
        if self.publishing.blocked:
            raise Unavailable(
                "RabbitMQ takes nothing: it is short of memory or disk.", fix="rabbitmqctl status"
            )
        loop, word = asyncio.get_running_loop(), self._new_id()
        began, heard = loop.time(), loop.create_future()
        self._hearer.awaited[word] = heard
        try:
            await self._say(word)
            await call("waiting for our own ping", heard, PING_SECONDS)
        finally:
            del self._hearer.awaited[word]
        return loop.time() - began

    async def _say(self, word: str) -> None:
        properties = Basic.Properties(message_id=word, expiration=str(int(PING_SECONDS * 1000)))
        await self.publisher.publish(
            word.encode(), exchange="", key=self._hearer.queue, properties=properties, seconds=PING_SECONDS
        )

    async def _look(self) -> None:
        """Build both connections anew when they seem to stand and carry nothing."""
        await asyncio.sleep(self._watch_seconds)
        both = self.publishing.connected and self.consuming.connected
        if not both or self.publishing.blocked:
            self._misses = 0  # known, and told
            return
        self._misses += 1  # until it has arrived, whatever keeps it from that
        try:
            await self.ping()
            self._misses = 0
        except Unavailable as error:
            self._observer.note("ping lost", reason=str(error), misses=self._misses)
        finally:
            if self._misses >= MISSES:
                self._misses = 0
                for supervisor in (self.publishing, self.consuming):
                    supervisor.rebuild("our own pings do not arrive")
