"""A bell between processes: rings cross by NOTIFY, gathered for a moment, and only where somebody may listen."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Self

from watership.adapters.memory.bell import MemoryBell
from watership.adapters.postgres.pool import HINTING, Session, connect
from watership.durable.ports import Observer
from watership.errors import Unavailable

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
"""The pause before another connection is made, whatever went wrong with the last."""

ANSWER_SECONDS = 2.0
"""How long the server may take to answer before the link counts as dead: what it is asked takes a millisecond."""

BEAT_SECONDS = 5.0
"""How often a bell that has nothing to send asks whether its link lives: who only listens would never notice."""

CROSSING_SECONDS = 2.0
"""How long a verification may take: several times as long as a new connection takes to listen."""

CROSSING_AGAIN_SECONDS = 0.2
"""After which pause it sends once more: what is sent before a connection listens is heard by nobody."""

_CROSSING = "crossing:"
_POOLS = "pool:"
_ALWAYS = (_POOLS, "inbox:", _CROSSING)
"""Kinds of topics that cross always: there are few. Those of a run cross when somebody elsewhere listens to it."""

Send = Callable[[str, str], Awaitable[None]]
"""Sends a notification on a session that is not the bell's: its channel, and what it says."""

_NOTIFY = "SELECT pg_notify($1, $2)"
_LISTENS = "+"
_END = "\n"


class PostgresBell:
    """A Bell for all processes of one database. Use it as an async context manager."""

    def __init__(self, url: str, observer: Observer, *, pools: bool = True) -> None:
        """`pools`: whether what is due is rung across processes; not where a broker carries the wake-ups."""
        self._url = url
        self._always = _ALWAYS if pools else tuple(kind for kind in _ALWAYS if kind != _POOLS)
        self._observer = observer
        self._down = False
        """Whether its loss was told, and its return not yet."""
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
            if topic.startswith(self._always) or topic in self._wanted:
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

    async def cross(self, send: Send, name: str) -> None:
        """Verify that what another session sends is heard here. `name` is used once. Raises Unavailable."""
        topic = _CROSSING + name
        left = int(CROSSING_SECONDS / CROSSING_AGAIN_SECONDS)
        while left:
            await send(CHANNEL, topic)
            if topic in await self._local.wait(frozenset({topic}), CROSSING_AGAIN_SECONDS):
                return
            left -= 1
        raise Unavailable(
            f"No notification of the database was heard for {CROSSING_SECONDS:g} s.",
            fix="A pooler between us and PostgreSQL must hand out sessions, not transactions: LISTEN needs one.",
        )

    async def _keep_sending(self) -> None:
        """Send what is pending; where the connection is lost, make it again. Whoever waits polls meanwhile."""
        while True:
            try:
                await self._serve()
            except Exception as error:  # noqa: BLE001 - whatever it is, a bell that fell silent must be told of
                if not self._down:
                    self._observer.note("bell lost", error=str(error) or type(error).__name__)
                    self._down = True
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _serve(self) -> None:
        """Listen and send on one connection, until it fails."""
        session = self._session = await self._connect()
        try:
            if self._down:
                self._observer.note("bell back")
                self._down = False
            while not session.is_closed():
                await self._next_kick(session)
                words, self.pending = self.pending, {}
                for payload in payloads(words):
                    await session.execute(_NOTIFY, CHANNEL, payload, timeout=ANSWER_SECONDS)
                await asyncio.sleep(GATHER_SECONDS)
        finally:
            session.terminate()
        raise Unavailable("The connection of the bell to the database was closed.")

    async def _next_kick(self, session: Session) -> None:
        """Wait until there is something to send; meanwhile see that the link lives."""
        try:
            async with asyncio.timeout(BEAT_SECONDS):
                await self._kick.wait()
        except TimeoutError:
            await session.execute("SELECT 1", timeout=ANSWER_SECONDS)
        self._kick.clear()

    async def _connect(self) -> Session:
        session = await connect(self._url, name="watership bell", settings=HINTING)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await session.add_listener(CHANNEL, self._hear)
        except BaseException:
            session.terminate()
            raise
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
