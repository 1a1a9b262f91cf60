"""Session locks in the database: the server frees a lock when the connection of its holder ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection

import asyncpg

from watership.adapters.postgres.locks import SWEEPER_KEY, worker_key
from watership.adapters.postgres.pool import Session, connect
from watership.adapters.postgres.translation import translated
from watership.durable.ids import WorkerId
from watership.errors import Conflict, Unavailable

LOOK_SECONDS = 1.0
"""How often a witness looks that is not the sweeper. Each look proves its own session too."""

TAKE_SECONDS = 0.05
"""How often the others together try to become the sweeper: each of W workers every W times so long."""

ANSWER_SECONDS = 2.0
"""How long a look may take: then the session counts as lost, sooner than the server gives it up."""

FREE_SECONDS = 3.0
"""How long a lock must be free that was never seen held: its holder, if it lives, takes it again within this."""

SETTINGS = {
    # The server must not give a session up before its holder knows: ANSWER_SECONDS and one look are far shorter.
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "statement_timeout": "2s",
}

NAME_BYTES = 63
"""PostgreSQL cuts the names of applications there."""

_TAKE = "SELECT pg_try_advisory_lock($1)"
# A session of ours that the server has not given up yet, though it is lost to us.
_END_OLD = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND application_name = $2"
_HELD = """
SELECT (classid::bigint << 32) | objid::bigint FROM pg_locks JOIN pg_database ON database = pg_database.oid
WHERE locktype = 'advisory' AND objsubid = 1 AND granted AND mode = 'ExclusiveLock' AND datname = current_database()"""
_HEARD_SINCE_START = """
SELECT id FROM workers WHERE id = ANY($1::text[]) AND database_started = pg_postmaster_start_time()"""


class PostgresWitness:
    """A Witness over a connection of its own, straight to the server: through a pooler a lock has no owner.

    A worker is dead when this session saw its lock held and now sees it free: one that outlived both looks proves
    that the server did not restart between them. That it was not just stopping, one session after the other, is
    proved by a new connection that it takes afterwards. A worker whose lock was never seen held is dead when the
    lock has been free for FREE_SECONDS and this same server, since its start, heard of the worker.
    """

    def __init__(self, url: str, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._monotonic = monotonic
        self._session: Session | None = None
        self._worker: WorkerId | None = None
        self._pid = 0
        self._sweeper = False
        self._looked_at = 0.0
        self._try_at = 0.0
        self._seen: set[WorkerId] = set()
        self._free_since: dict[WorkerId, float] = {}
        self._looking = asyncio.Lock()

    async def hold(self, worker: WorkerId) -> None:
        """Take the lock. Holding the same worker's again is nothing; another's gives up the one before."""
        if self._worker == worker and self.held():
            return
        name = f"watership {worker}".encode("ascii", "replace").decode()[-NAME_BYTES:]
        self.release()
        session = await connect(self._url, name=name, settings=SETTINGS, statement_cache_size=0)
        try:
            with translated():
                taken = await self._take(session, worker, name)
        except BaseException:
            session.terminate()
            raise
        if not taken:
            session.terminate()
            raise Conflict(f"The session lock of worker {worker} is held by another process.")
        self._session, self._worker, self._pid = session, worker, session.get_server_pid()
        self._begin_again()

    def held(self) -> bool:
        """Whether the connection that has the lock stands, as far as is known here."""
        return self._session is not None and not self._session.is_closed()

    async def dead(self, workers: Collection[WorkerId]) -> frozenset[WorkerId]:
        """Of these the dead ones. Looks each time only if this witness is the sweeper, else once a second."""
        async with self._looking:
            session, now = self._session, self._monotonic()
            waits = not self._sweeper and now < self._try_at
            if session is None or session.is_closed() or waits:
                return frozenset()
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    return await self._look(session, workers, now)
            except (
                asyncpg.PostgresError,
                asyncpg.InterfaceError,
                asyncpg.InternalClientError,  # the driver lost count of its own protocol, as when a server goes
                OSError,
            ) as reason:
                # Whatever it was, this session has proved nothing: it is given up, and what it saw with it.
                session.terminate()
                raise Unavailable(f"The session of worker {self._worker} was lost: {reason!r}.") from reason

    def release(self) -> None:
        """Free the lock, by ending the session."""
        session, self._session = self._session, None
        self._worker = None
        if session is not None:
            session.terminate()

    async def _take(self, session: Session, worker: WorkerId, name: str) -> bool:
        if await session.fetchval(_TAKE, worker_key(worker)):
            return True
        if not self._pid:
            return False
        await session.fetch(_END_OLD, self._pid, name)
        return bool(await session.fetchval(_TAKE, worker_key(worker)))

    def _begin_again(self) -> None:
        """A new session has seen nothing."""
        self._sweeper = False
        self._looked_at = -LOOK_SECONDS
        self._try_at = 0.0
        self._seen.clear()
        self._free_since.clear()

    async def _look(self, session: Session, workers: Collection[WorkerId], now: float) -> frozenset[WorkerId]:
        if not self._sweeper:
            # All together they try as often as one sweeper looks, so that a dead sweeper is followed as quickly.
            self._try_at = now + TAKE_SECONDS * max(1, len(workers))
            self._sweeper = bool(await session.fetchval(_TAKE, SWEEPER_KEY))
        if not self._sweeper and now < self._looked_at + LOOK_SECONDS:
            return frozenset()
        self._looked_at = now
        locked = {row[0] for row in await session.fetch(_HELD)}
        free = {worker for worker in workers if worker_key(worker) not in locked}
        self._seen.update(worker for worker in workers if worker not in free)
        self._free_since = {worker: self._free_since.get(worker, now) for worker in free}
        dead = free & self._seen
        unseen = [it for it in free - dead if now - self._free_since[it] >= FREE_SECONDS]
        if unseen:
            dead |= {WorkerId(row[0]) for row in await session.fetch(_HEARD_SINCE_START, unseen)}
        if dead:
            await self._prove_up(session)
        self._seen &= set(workers)
        return frozenset(dead)

    async def _prove_up(self, session: Session) -> None:
        """Return only if the server has not begun to stop until now. Raises what a session or its making raises."""
        # A server that stops, or restarts after a crash, takes nobody new from before it ends the first session.
        probe = await connect(self._url, name="watership witness")
        probe.terminate()
        await session.fetchval("SELECT 1")  # it is the same server still
