"""A bell between processes: rings cross by NOTIFY, gathered for a moment, and only where somebody may listen."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Self

import asyncpg

from watership.adapters.memory.bell import MemoryBell
from watership.adapters.postgres.pool import Session, connect
from watership.errors import NotAllowed, Unavailable

CHANNEL = "watership_bell"

GATHER_SECONDS = 0.005
"""Between two notifications of a process: each is a transaction, and all of them pass one lock of the server."""

PAYLOAD_BYTES = 7_900
"""PostgreSQL takes less than 8,000 bytes in one notification."""

PENDING = 10_000
"""Topics that wait to be sent; beyond it they are lost, for polling is the truth."""

INTEREST_SECONDS = 60.0
"""How long others ring for a run after somebody said that he listens to it; he says it again before that."""

RECONNECT_SECONDS = 1.0

SETTINGS = {
    # A ring that is lost with the server's memory is a ring nobody needs: do not wait for the disk.
    "synchronous_commit": "off",
    "statement_timeout": "5s",
}

_ALWAYS = ("pool:", "inbox:")
"""Kinds of topics that cross always: there are few. Those of a run cross when somebody elsewhere listens to it."""

_LISTENS = "+"
_END = "\n"


class PostgresBell:
    """A Bell for all processes of one database. Use it as an async context manager."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._local = MemoryBell()
        self.pending: dict[str, None] = {}
        self._kick = asyncio.Event()
        self._wanted: OrderedDict[str, float] = OrderedDict()
        """Topics of runs to which another process listens, and until when."""
        self._asked: OrderedDict[str, float] = OrderedDict()
        """Topics of runs to which we said that we listen, and when to say so again."""
        self._session: Session | None = None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._keep_sending(), name="bell")
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._session is not None:
            self._session.terminate()

    def ring(self, topics: Iterable[str]) -> None:
        rung = tuple(topics)
        self._local.ring(rung)
        for topic in rung:
            if topic.startswith(_ALWAYS) or topic in self._wanted:
                self._put(topic)

    async def wait(self, topics: frozenset[str], timeout: float) -> frozenset[str]:
        now = time.monotonic()
        for topic in topics:
            if not topic.startswith(_ALWAYS) and self._asked.get(topic, 0.0) <= now:
                _note(self._asked, topic, now + INTEREST_SECONDS / 2)
                self._put(_LISTENS + topic)
        return await self._local.wait(topics, timeout)

    def _put(self, word: str) -> None:
        if len(self.pending) < PENDING:
            self.pending[word] = None
            self._kick.set()

    async def _keep_sending(self) -> None:
        """Send what is pending; where the connection is lost, make it again. Whoever waits polls meanwhile."""
        while True:
            try:
                session = self._session = await self._connect()
                while not session.is_closed():
                    await self._kick.wait()
                    self._kick.clear()
                    words, self.pending = self.pending, {}
                    for payload in payloads(words):
                        await session.execute("SELECT pg_notify($1, $2)", CHANNEL, payload)
                    await asyncio.sleep(GATHER_SECONDS)
            except (
                Unavailable,
                NotAllowed,
                asyncpg.PostgresError,
                asyncpg.InterfaceError,
                asyncpg.InternalClientError,
                OSError,
            ):
                await asyncio.sleep(RECONNECT_SECONDS)

    async def _connect(self) -> Session:
        session = await connect(self._url, name="watership bell", settings=SETTINGS)
        await session.add_listener(CHANNEL, self._hear)
        session.add_termination_listener(lambda _: self._kick.set())
        return session

    def _hear(self, session: object, pid: int, channel: str, payload: object) -> None:
        own = (
            self._session is not None
            and not self._session.is_closed()
            and pid == self._session.get_server_pid()
        )
        if own:
            return
        words = str(payload).split(_END)
        self._local.ring(word for word in words if not word.startswith(_LISTENS))
        until = time.monotonic() + INTEREST_SECONDS
        for word in words:
            if word.startswith(_LISTENS):
                _note(self._wanted, word[len(_LISTENS) :], until)


def _note(table: OrderedDict[str, float], topic: str, until: float) -> None:
    """Keep the latest; what is oldest, or has run out, goes."""
    table[topic] = until
    table.move_to_end(topic)
    now = time.monotonic()
    while table and (len(table) > PENDING or next(iter(table.values())) < now):
        table.popitem(last=False)


def payloads(words: Iterable[str]) -> Iterator[str]:
    """As few notifications as hold all the words. A word that none can hold is not sent."""
    gathered: list[str] = []
    size = 0
    for word in words:
        length = len(word.encode()) + len(_END)
        if length > PAYLOAD_BYTES or "\0" in word:
            continue
        if size + length > PAYLOAD_BYTES:
            yield _END.join(gathered)
            gathered, size = [], 0
        gathered.append(word)
        size += length
    if gathered:
        yield _END.join(gathered)
