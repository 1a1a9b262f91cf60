"""The committer gathers the writes of concurrent runs into shared transactions (group commit).

While one transaction is being committed the next one fills, so the batch grows with the load and a lone write
waits for nobody. The durable-write limit is reached by sharing commits, never by weaker ones.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import Protocol

from watership.durable.clock import Clock
from watership.durable.outbox import Post
from watership.durable.ports import Bell, Store, end_topic, inbox_topic, pool_topic, run_topic
from watership.durable.writes import (
    Append,
    Bury,
    Cancel,
    Claim,
    Expire,
    Finish,
    Outcome,
    RefuseAnswer,
    Refused,
    Rehome,
    Renew,
    Submit,
    Submitted,
    Write,
    Written,
)
from watership.errors import Conflict, ReadOnly, Unavailable, WatershipError

BATCH = 512
"""Writes in one transaction, at most: beyond it a commit takes longer than it saves."""

QUEUE = 10_000
"""Writes that may wait. Beyond it new ones are refused, before anything is accepted."""

RETRY_FIRST, RETRY_MOST, RETRY_FOR = 0.05, 1.0, 8.0
"""Seconds between tries on a store that does not answer, and for how long; well within a lease."""


class WriteRefused(Conflict):
    """The store refused a write; `code` says why."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.reason)
        self.refused = refused

    @property
    def code(self) -> str:  # type: ignore[override]  # each refusal has its own
        return self.refused.code


def refusal(refused: Refused) -> WatershipError:
    """The error that tells a caller of a refusal."""
    match refused.code:
        case "read_only":
            return ReadOnly(refused.reason, retry_after=5.0)
        case "no_deployment" | "limit":
            return Unavailable(refused.reason)
        case _:
            return WriteRefused(refused)


class Asker(Protocol):
    """Is told what became of a write, in the order of commits, and before the bell rings. A future is one."""

    def done(self) -> bool:
        """Whether it does not want to be told any more."""

    def set_result(self, outcome: Outcome, /) -> None: ...

    def set_exception(self, error: Exception, /) -> None: ...


class Committer:
    """Writes through one store, for all runs of a process. Use it as an async context manager."""

    def __init__(self, store: Store, bell: Bell, clock: Clock, post: Post | None = None) -> None:
        """`post` sends what a store with an outbox has for the broker."""
        self._store = store
        self._bell = bell
        self._post = post
        self._clock = clock
        self._queue: deque[tuple[Write, Asker]] = deque()
        self._kick = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Committer:
        self._task = asyncio.create_task(self._commit_all(), name="committer")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing = True
        self._kick.set()
        if self._task is not None:
            await self._task

    async def write(self, write: Write) -> Outcome:
        """Commit one write together with its neighbours. Raises Unavailable when the store does not answer."""
        return await self.enqueue(write)

    def enqueue(self, write: Write) -> asyncio.Future[Outcome]:
        """Like `write`, with its outcome as a future: the write goes on whoever stops waiting for it."""
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.send(write, future)
        return future

    def send(self, write: Write, asker: Asker) -> None:
        """Like `enqueue`, for whoever needs no future. Raises Unavailable when it is not even taken."""
        if self._closing:
            raise Unavailable("This process is shutting down.")
        if len(self._queue) >= QUEUE:
            raise Unavailable(f"{QUEUE:,} writes are waiting for the store.")
        self._queue.append((write, asker))
        self._kick.set()

    @property
    def waiting(self) -> int:
        """Writes that wait for the transaction after this one."""
        return len(self._queue)

    async def submit(self, submit: Submit) -> Submitted:
        """Start a run; returns after COMMIT. Raises what `refusal` gives when the store refuses it."""
        outcome = await self.write(submit)
        if isinstance(outcome, Refused):
            raise refusal(outcome)
        assert isinstance(outcome, Submitted)
        return outcome

    async def _commit_all(self) -> None:
        try:
            while True:
                await self._kick.wait()
                self._kick.clear()
                while self._queue:
                    batch = [self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]
                    batch.sort(key=_searches)  # stable: writes to one run stay in their order
                    await self._commit(batch)
                if self._closing:
                    return
        finally:
            # Cancelled: nobody is to wait for a commit that does not come.
            self._closing = True
            for _, asker in self._queue:
                _fail(asker, Unavailable("This process is shutting down."))

    async def _commit(self, batch: Sequence[tuple[Write, Asker]]) -> None:
        """One transaction; when it aborts for a reason of its own, halves of it, until the culprit is alone."""
        try:
            written = await self._try([write for write, _ in batch])
        except Exception as error:  # noqa: BLE001 - whatever it is, only the culprit's caller gets it
            if len(batch) == 1 or isinstance(error, Unavailable):
                for _, asker in batch:
                    _fail(asker, error)
                return
            middle = len(batch) // 2
            await self._commit(batch[:middle])
            await self._commit(batch[middle:])
            return
        except asyncio.CancelledError:
            for _, asker in batch:
                _fail(
                    asker, Unavailable("This process is shutting down; whether this was written is unknown.")
                )
            raise
        done, left = batch[: len(written.outcomes)], batch[len(written.outcomes) :]
        for (_, asker), outcome in zip(done, written.outcomes, strict=True):
            _tell(asker, outcome)
        self._bell.ring(_topics([write for write, _ in done], written))
        if self._post is not None:
            for posted in written.posted:
                self._post.send(posted)
        if left:
            await self._commit(left)

    async def _try(self, writes: Sequence[Write]) -> Written:
        """Commit; where the outcome is unknown give the same writes again: what was committed says so."""
        pause, give_up = RETRY_FIRST, self._clock.monotonic() + RETRY_FOR
        while True:
            try:
                return await self._store.write(writes)
            except Unavailable:
                if self._clock.monotonic() + pause > give_up:
                    raise
                await self._clock.sleep(pause)
                pause = min(pause * 2, RETRY_MOST)


def _searches(waiting: tuple[Write, Asker]) -> bool:
    """Whether the write looks for runs: then it comes after those that name theirs, which a store may know already."""
    return isinstance(waiting[0], Claim | Renew | Bury | Rehome)


def _tell(asker: Asker, outcome: Outcome) -> None:
    if asker.done():
        return
    try:
        asker.set_result(outcome)
    except Exception as error:  # noqa: BLE001 - a bug of ours, which must not cost its neighbours their outcomes
        _complain(asker, error)


def _fail(asker: Asker, error: Exception) -> None:
    if not asker.done():
        try:
            asker.set_exception(error)
        except Exception as bug:  # noqa: BLE001 - as above
            _complain(asker, bug)
        if isinstance(asker, asyncio.Future):
            asker.exception()  # whoever asked may be gone: then nobody is to be told of it


def _complain(asker: Asker, bug: Exception) -> None:
    told = {"message": f"{asker!r} raised when it was told of its write", "exception": bug}
    asyncio.get_running_loop().call_exception_handler(told)


def _topics(writes: Sequence[Write], written: Written) -> set[str]:
    topics = {pool_topic(deployment, pool) for deployment, pool in written.woken}
    topics |= {inbox_topic(run_id) for run_id in written.touched}
    for write in writes:
        if isinstance(write, Append | Cancel | Expire | RefuseAnswer):
            topics.add(run_topic(write.run_id))
        if isinstance(write, Cancel | Expire) or (
            isinstance(write, Append) and isinstance(write.then, Finish)
        ):
            topics.add(end_topic(write.run_id))
    return topics
