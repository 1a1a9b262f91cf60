"""A supervisor keeps one connection to the broker: it connects again, and gives each part its channels back.

Nothing on a connection is mended in place. Whatever breaks (the connection, a channel, a consumer that the broker
cancelled, a ping that does not arrive), the connection is closed, and all parts begin anew on the next one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from functools import partial
from random import Random
from types import TracebackType
from typing import Final, Protocol
from weakref import WeakKeyDictionary

from aiormq.abc import AbstractChannel, AbstractConnection
from pamqp.commands import Basic

from watership.adapters.rabbitmq.calls import DRIVER, Lost, call, connect, open_channel
from watership.durable.ports import Observer
from watership.errors import Unavailable, WatershipError

PAUSE_FIRST: Final = 0.1
PAUSE_MOST: Final = 10.0
"""Seconds between tries; each time twice as long, and by a random part less, or all would come at once."""

STEADY_SECONDS: Final = 10.0
"""A connection that lasted as long was a good one: the next pause is the first one again."""

LOOK_SECONDS: Final = 0.2
"""How often it is seen whether the broker blocks us (it has no memory, or no disk, for what we publish)."""

CLOSE_SECONDS: Final = 3.0


class Part(Protocol):
    """What works on a connection."""

    async def open(self, connection: AbstractConnection) -> None:
        """Declare what is needed, and begin. Called for every new connection."""

    def lost(self) -> None:
        """The connection is gone, with everything that was on it. Called once after each `open` that began."""


class Supervisor:
    """One connection, under a name that the broker shows. Use it as an async context manager.

    Entering does not wait for the broker: without one, the parts simply have no connection yet.
    """

    def __init__(
        self, url: str, *, name: str, observer: Observer, ca_file: str = "", random: Random | None = None
    ) -> None:
        self._url = url
        self._name = name
        self._ca_file = ca_file
        self._observer = observer
        self._random = random or Random()
        self._parts: list[Part] = []
        self._connection: AbstractConnection | None = None
        self._up = asyncio.Event()
        self._broken: asyncio.Future[str] | None = None
        self._forget: WeakKeyDictionary[AbstractChannel, Callable[[], object]] = WeakKeyDictionary()
        self._opening = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self.blocked = False
        """Whether the broker takes nothing from us for now."""
        self.reason = "not connected yet"
        """Why there is no connection, for people; without a full stop."""
        self.fix = ""
        """What mends that, where it is known."""

    @property
    def connected(self) -> bool:
        """Whether there is a connection on which every part has begun."""
        return self._up.is_set()

    async def __aenter__(self) -> Supervisor:
        self._task = asyncio.create_task(self._keep(), name=f"rabbitmq {self._name}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def wait(self, seconds: float) -> None:
        """Until there is a connection. Raises Unavailable when there is none after `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                await self._up.wait()
        except TimeoutError:
            raise Unavailable(
                f"No connection to RabbitMQ: {self.reason}.", fix=self.fix or "watership doctor --prod"
            ) from None

    def rebuild(self, reason: str) -> None:
        """Give this connection up for a new one; without one it changes nothing."""
        if self._broken is not None and not self._broken.done():
            self._broken.set_result(reason)

    @contextlib.asynccontextmanager
    async def carrying(self, part: Part) -> AsyncIterator[None]:
        """Let `part` work on the connection, on this one and on all that follow, until the end of the block."""
        async with self._opening:
            self._parts.append(part)
            if self._connection is not None and self.connected:
                await self._begin_late(part, self._connection)
        try:
            yield
        finally:
            self._parts.remove(part)

    async def open_channel(self, connection: AbstractConnection) -> AbstractChannel:
        """A channel whose end, or whose consumers' end by the broker's will, is the connection's."""
        channel = await open_channel(connection)
        broken = self._broken
        if broken is None:
            raise Lost("The connection to RabbitMQ was lost: opening a channel.")
        self._forget[channel] = _on_end(channel.closing, broken, "a channel was closed")
        channel.on_consumer_cancel_callbacks.add(partial(_cancelled, broken))
        return channel

    async def close_channel(self, channel: AbstractChannel) -> None:
        """Close a channel without disturbing the others. Raises Lost."""
        if (forget := self._forget.pop(channel, None)) is not None:
            forget()
        await call("closing a channel", channel.close())

    async def _begin_late(self, part: Part, connection: AbstractConnection) -> None:
        try:
            await part.open(connection)
        except WatershipError as error:
            self.rebuild(str(error))  # which calls `lost`, and tries again after a pause

    async def _keep(self) -> None:
        pause, loop = PAUSE_FIRST, asyncio.get_running_loop()
        while True:
            began = loop.time()
            try:
                self.reason, self.fix = await self._live(), ""
            except WatershipError as error:
                self.reason, self.fix = error.message.rstrip("."), error.fix
            except Exception as error:  # noqa: BLE001 - told below; nobody else would ever connect again
                self.reason, self.fix = repr(error), ""
            mend = {"fix": self.fix} if self.fix else {}
            self._observer.note("broker lost", connection=self._name, reason=self.reason, **mend)
            if loop.time() - began > STEADY_SECONDS:
                pause = PAUSE_FIRST
            await asyncio.sleep(pause * self._random.uniform(0.5, 1.0))
            pause = min(pause * 2, PAUSE_MOST)

    async def _live(self) -> str:
        """Connect, begin, and last until something breaks; returns what it was."""
        connection = await connect(self._url, name=self._name, ca_file=self._ca_file)
        self._broken = asyncio.get_running_loop().create_future()
        _on_end(connection.closing, self._broken, "the connection was closed")
        self._connection = connection
        begun: list[Part] = []
        try:
            async with self._opening:
                for part in self._parts:
                    begun.append(part)
                    await part.open(connection)
                self._up.set()
            self._observer.note("broker connected", connection=self._name)
            return await self._watch(connection, self._broken)
        finally:
            self._up.clear()
            self._connection, self._broken, self.blocked = None, None, False
            for part in {*begun, *self._parts}:
                part.lost()
            await self._close(connection)

    async def _watch(self, connection: AbstractConnection, broken: asyncio.Future[str]) -> str:
        while True:
            done, _ = await asyncio.wait([broken], timeout=LOOK_SECONDS)
            if done:
                return broken.result()
            blocked = not await _ready(connection)
            if blocked != self.blocked:
                self.blocked = blocked
                self._observer.note(
                    "broker blocked" if blocked else "broker unblocked", connection=self._name
                )

    async def _close(self, connection: AbstractConnection) -> None:
        with contextlib.suppress(Lost):  # it is gone, or as good as gone: the broker notices by its heartbeat
            await call("closing the connection", connection.close(), CLOSE_SECONDS)


async def _ready(connection: AbstractConnection) -> bool:
    """Whether the broker takes what we publish. It says so only after we have tried."""
    try:
        async with asyncio.timeout(0):  # what needs no waiting is not timed out
            await connection.ready()
    except TimeoutError:
        return False
    except DRIVER:
        return True  # it is closed, which is for others to tell
    return True


def _on_end(closing: asyncio.Future[object], broken: asyncio.Future[str], what: str) -> Callable[[], object]:
    """Let the end of something break the connection that it was on, and no later one; returns what undoes that."""

    def ended(over: asyncio.Future[object]) -> None:
        error = None if over.cancelled() else over.exception()
        if not broken.done():
            broken.set_result(f"{what}: {error or 'without a reason'}")

    closing.add_done_callback(ended)
    return partial(closing.remove_done_callback, ended)


def _cancelled(broken: asyncio.Future[str], frame: Basic.Cancel) -> None:
    if not broken.done():
        broken.set_result(f"the broker cancelled a consumer ({frame.consumer_tag}): its queue is gone")
