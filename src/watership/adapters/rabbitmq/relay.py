"""The relay carries letters to the broker, and takes those out of the outbox whose every message is confirmed.

A letter that cannot be sent, or whose confirm does not come, stays in the outbox; a sweep sends it again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Coroutine
from types import TracebackType
from typing import Final

from aiormq.abc import AbstractConnection
from pamqp.commands import Basic

from watership.adapters.rabbitmq.broker import Broker
from watership.adapters.rabbitmq.calls import Nacked, Unroutable
from watership.adapters.rabbitmq.letters import JSON, Kind, Message, messages
from watership.adapters.rabbitmq.publisher import PERSISTENT
from watership.adapters.rabbitmq.topology import wakeup_declarations
from watership.durable.keeping import keep
from watership.durable.outbox import Outbox, Posted
from watership.durable.ports import Observer
from watership.errors import Unavailable, WatershipError

WINDOW: Final = 512
"""Messages that wait for their confirm; more would only wait in the broker instead of here."""

LETTERS: Final = 64
"""Letters of which messages are on their way."""

QUEUE: Final = 2_000
"""Letters in memory that wait for the broker. Beyond it they are left in the outbox."""

OVERDUE_SECONDS: Final = 15.0
"""The age of a letter that somebody should have had confirmed: longer than any confirm is waited for."""

RECOVERY_SECONDS: Final = 1.0
"""The same after a gap, in which nobody sent any."""

SWEEP_SECONDS: Final = 5.0
SWEEP_LETTERS: Final = 500

GATHER_SECONDS: Final = 0.01
"""How long numbers of confirmed letters are gathered, so that one statement takes out many."""

BACKLOG_LETTERS: Final = 20_000
"""Letters in the outbox beyond which new work is to be refused: at 500 a second, 40 s of work for the broker."""


class Relay:
    """A Post, and a Part of the publishing connection. Use it as an async context manager."""

    def __init__(
        self,
        outbox: Outbox,
        broker: Broker,
        observer: Observer,
        *,
        overdue_seconds: float = OVERDUE_SECONDS,
    ) -> None:
        self._outbox = outbox
        self._overdue_seconds = overdue_seconds
        self._supervisor = broker.publishing
        self._publisher = broker.publisher
        self._observer = observer
        self._queue: deque[Posted] = deque()
        self._on_their_way: set[int] = set()
        self._confirmed: list[int] = []
        self._kick, self._gathered, self._sweep_now = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._room = asyncio.Semaphore(LETTERS)
        self._window = asyncio.Semaphore(WINDOW)
        self._declaring = asyncio.Lock()
        self._left = 0
        """Letters left in the outbox since it was last counted."""
        self._left_at: float | None = 0.0
        """When one was last left there; None when a sweep since then has found them all."""
        self._waiting = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._stack = contextlib.AsyncExitStack()

    # --- life -------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Relay:
        for name, each in (
            ("send", self._send_all()),
            ("sweep", keep("relay sweep", self._sweep_in_time, self._observer)),
            ("discard", keep("relay discard", self._tidy, self._observer)),
        ):
            _ = self._spawn(each, f"relay {name}")
        await self._stack.enter_async_context(self._supervisor.carrying(self))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(tuple(self._tasks))

    async def open(self, connection: AbstractConnection) -> None:
        """Begin on a new connection; what was left in the outbox meanwhile is swept up."""
        self._sweep_now.set()

    def lost(self) -> None:
        """The letters in memory stand in the outbox as well."""
        for posted in self._queue:
            self._leave(posted.number)
        self._queue.clear()

    # --- the port ---------------------------------------------------------------------------------------------

    def send(self, posted: Posted) -> None:
        """Take a letter that was just committed."""
        if self._publisher.able and len(self._queue) < QUEUE:
            self._take(posted)
        else:
            self._leave(posted.number)

    @property
    def backlog(self) -> int:
        """Letters in the outbox, as last counted, and those left there since."""
        return self._waiting + self._left

    def full(self) -> bool:
        """Whether so many letters wait that no new work should be accepted."""
        return self.backlog >= BACKLOG_LETTERS

    def _take(self, posted: Posted) -> None:
        if posted.number not in self._on_their_way:
            self._on_their_way.add(posted.number)
            self._queue.append(posted)
            self._kick.set()

    def _leave(self, number: int) -> None:
        self._on_their_way.discard(number)
        self._left += 1
        self._left_at = asyncio.get_running_loop().time()

    def _leave_for(self, number: int, reason: str) -> None:
        self._observer.note("letter left", number=number, reason=reason)
        self._leave(number)

    # --- sending ----------------------------------------------------------------------------------------------

    async def _send_all(self) -> None:
        while True:
            await self._kick.wait()
            self._kick.clear()
            while self._queue:
                await self._room.acquire()
                if not self._queue:  # the connection went meanwhile
                    self._room.release()
                    break
                posted = self._queue.popleft()
                self._spawn(self._carry(posted), f"letter {posted.number}").add_done_callback(self._make_room)

    def _make_room(self, _: asyncio.Task[None]) -> None:
        self._room.release()

    async def _carry(self, posted: Posted) -> None:
        """Publish all that a letter holds; confirmed as a whole, or left as a whole."""
        try:
            found = messages(posted)
            # One alone needs no task beside ours.
            done = (
                [await self._deliver(found[0])]
                if len(found) == 1
                else await asyncio.gather(*map(self._deliver, found))
            )
        except WatershipError as error:
            self._leave_for(posted.number, str(error))
            return
        except Exception as error:  # noqa: BLE001 - whatever it was, the letter must be known to wait
            self._leave_for(posted.number, repr(error))
            return
        finally:
            self._on_their_way.discard(posted.number)
        if all(done):
            self._confirmed.append(posted.number)
            self._gathered.set()

    async def _deliver(self, message: Message) -> bool:
        """Whether nothing is left to be done for `message`. Raises Lost."""
        async with self._window:
            try:
                await self._publish(message)
            except Unroutable:
                return await self._reroute(message)
            except Nacked as refused:
                # Its queue is full: sent again when the letter is overdue, which is pause enough.
                self._observer.note("message refused", kind=message.kind.value, reason=str(refused))
                return False
        return True

    async def _reroute(self, message: Message) -> bool:
        if message.kind is not Kind.WAKEUP:
            # Whoever asked has gone, and their queue with them.
            self._observer.note("reply undeliverable", queue=message.key)
            return True
        self._observer.note("wake-up unroutable", queue=message.key)
        async with self._declaring:
            await self._publisher.declare(list(wakeup_declarations(message.key)))
        await self._publish(message)
        return True

    async def _publish(self, message: Message) -> None:
        properties = Basic.Properties(
            content_type=JSON,
            delivery_mode=PERSISTENT,
            message_id=message.id,
            correlation_id=message.correlation_id,
            message_type=message.kind.value,
        )
        await self._publisher.publish(
            message.body,
            exchange=message.exchange,
            key=message.key,
            properties=properties,
            mandatory=message.mandatory,
        )

    # --- the outbox -------------------------------------------------------------------------------------------

    async def _tidy(self) -> None:
        """Take out of the outbox what is confirmed; what the store does not take now, it is told again."""
        await self._gathered.wait()
        self._gathered.clear()
        await asyncio.sleep(GATHER_SECONDS)
        numbers, self._confirmed = self._confirmed, []
        try:
            await self._outbox.discard(numbers)
        except Exception as error:
            self._confirmed += numbers
            self._gathered.set()
            if not isinstance(error, Unavailable):
                raise
            self._observer.note("outbox unavailable", reason=str(error))
            await asyncio.sleep(RECOVERY_SECONDS)

    async def _sweep_in_time(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._pause()):
                await self._sweep_now.wait()
        self._sweep_now.clear()
        try:
            await self._sweep()
            self._left, self._waiting = 0, await self._outbox.waiting()
        except Unavailable as error:
            self._observer.note("outbox unavailable", reason=str(error))

    def _pause(self) -> float:
        return RECOVERY_SECONDS if self._left_at is not None else min(SWEEP_SECONDS, self._overdue_seconds)

    async def _sweep(self) -> None:
        """Send what is overdue, while there is room for it."""
        if not self._publisher.able or len(self._queue) + SWEEP_LETTERS > QUEUE:
            return
        began, left_at = asyncio.get_running_loop().time(), self._left_at
        age = self._overdue_seconds if left_at is None else RECOVERY_SECONDS
        found = await self._outbox.overdue(age, SWEEP_LETTERS)
        for posted in found:
            if self._publisher.able:
                self._take(posted)
        if found:
            self._observer.note("letters sent again", count=len(found))
        if len(found) == SWEEP_LETTERS:
            self._sweep_now.set()
        elif left_at is not None and left_at == self._left_at and began > left_at + 2 * RECOVERY_SECONDS:
            self._left_at = None

    def _spawn(self, work: Coroutine[None, None, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._observer.note("relay failed", task=task.get_name(), reason=repr(error))
