"""Group commit: writes share transactions, each has its own outcome, and an unknown COMMIT is looked up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

import msgspec
import pytest

from watership.adapters.memory import MemoryBell, MemoryStore
from watership.durable.committer import BATCH, QUEUE, RETRY_FOR, Committer, WriteRefused
from watership.durable.events import StepDone
from watership.durable.ids import DeploymentId, EntryId, Key, RunId, SignalId, WorkerId
from watership.durable.writes import (
    Append,
    Claim,
    Claimed,
    Dedup,
    Deliver,
    Done,
    Duplicate,
    Outcome,
    Refused,
    Submit,
    Submitted,
    Write,
    WriteFenced,
    Written,
)
from watership.errors import Unavailable
from watership.testing import VirtualClock, run_in_virtual_time

T = TypeVar("T")
HERE = DeploymentId("here")


class Poisoned(Exception):
    """A transaction that holds a poisoned write aborts as a whole."""


class Line:
    """A store on whose way something may go wrong; it remembers its transactions."""

    def __init__(self) -> None:
        self.memory = MemoryStore(VirtualClock())
        self.transactions: list[tuple[Write, ...]] = []
        self.refuse = 0
        self.lose = 0
        self.few = BATCH
        """It commits so many of a list, and answers with their outcomes alone."""
        self.seconds = 0.01

    async def write(self, writes: Sequence[Write]) -> Written:
        self.transactions.append(tuple(writes))
        await asyncio.sleep(self.seconds)
        if self.refuse:
            self.refuse -= 1
            raise Unavailable("no answer")
        if any(isinstance(write, Submit) and write.program == "poison" for write in writes):
            raise Poisoned
        written = await self.memory.write(writes[: self.few])
        if self.lose:
            self.lose -= 1
            raise Unavailable("the answer was lost")
        return written


def committing(line: Line) -> AbstractAsyncContextManager[Committer]:
    return Committer(line, MemoryBell(), VirtualClock())


def play(main: Callable[[], Awaitable[T]]) -> T:
    return run_in_virtual_time(main)


def submission(name: str, program: str = "p", dedup: Dedup | None = None) -> Submit:
    return Submit(run_id=RunId(name), program=program, input=msgspec.Raw(b"1"), deployment=HERE, dedup=dedup)


def append(entry: str, epoch: int = 1) -> Append:
    done = StepDone(key=Key(f"{entry}/0"), name=entry, identity="i", value=msgspec.Raw(b"1"))
    return Append(entry_id=EntryId(entry), run_id=RunId("a"), epoch=epoch, events=(done,))


CLAIM = Claim(
    worker=WorkerId("w"), deployment=HERE, pool="default", limit=9, lease_seconds=9.0, poison_limit=9
)


async def claimed(committer: Committer) -> None:
    await committer.submit(submission("a"))
    assert isinstance(await committer.write(CLAIM), Claimed)


def test_writes_that_come_while_a_commit_is_under_way_share_the_next() -> None:
    async def main() -> list[int]:
        line = Line()
        async with committing(line) as committer:
            await asyncio.gather(*(committer.submit(submission(str(n))) for n in range(BATCH + 100)))
        return [len(transaction) for transaction in line.transactions]

    assert play(main) == [BATCH, 100]


def test_each_write_of_a_transaction_has_its_own_outcome() -> None:
    async def main() -> list[object]:
        line = Line()
        async with committing(line) as committer:
            await claimed(committer)
            writes: list[Write] = [append("one"), append("stale", epoch=0), append("one"), append("two")]
            writes.append(Deliver(signal_id=SignalId("s"), run_id=RunId("nobody"), name="s"))
            outcomes = await asyncio.gather(*(committer.write(write) for write in writes))
            assert len(line.transactions) == 3
            return [type(outcome) for outcome in outcomes]

    assert play(main) == [Done, WriteFenced, Duplicate, Done, Refused]


def test_an_aborting_transaction_is_halved_until_the_culprit_is_alone() -> None:
    async def main() -> list[object]:
        line = Line()
        async with committing(line) as committer:
            names = ["p"] * 10 + ["poison"] + ["p"] * 10
            submits = (committer.submit(submission(str(n), name)) for n, name in enumerate(names))
            outcomes = await asyncio.gather(*submits, return_exceptions=True)
            return [type(outcome) for outcome in outcomes]

    assert play(main) == [Submitted] * 10 + [Poisoned] + [Submitted] * 10


def test_what_a_store_left_undone_is_given_to_it_again() -> None:
    async def main() -> list[object]:
        line = Line()
        line.few = 4
        async with committing(line) as committer:
            submits = (committer.submit(submission(str(number))) for number in range(10))
            outcomes = await asyncio.gather(*submits)
            return [*outcomes, *(len(transaction) for transaction in line.transactions)]

    *outcomes, first, second, third = play(main)
    assert (first, second, third) == (10, 6, 2)
    assert [it.run_id for it in outcomes if isinstance(it, Submitted)] == [
        str(number) for number in range(10)
    ]


@pytest.mark.parametrize("times", [1, 3])
def test_a_commit_of_unknown_outcome_is_looked_up(times: int) -> None:
    async def main() -> None:
        line = Line()
        async with committing(line) as committer:
            await claimed(committer)
            line.lose = times
            first, second = await asyncio.gather(
                committer.write(append("one")), committer.submit(submission("b"))
            )
            assert first == Duplicate() and second.existing
            assert len(await line.memory.journal(RunId("a"))) == 1

    play(main)


def test_a_store_that_comes_back_in_time_is_not_noticed() -> None:
    async def main() -> object:
        line = Line()
        line.refuse = 4
        async with committing(line) as committer:
            return (await committer.submit(submission("a"))).existing

    assert play(main) is False


def test_a_store_that_stays_away_is_told_to_the_caller() -> None:
    async def main() -> None:
        line = Line()
        line.refuse = 1_000
        async with committing(line) as committer:
            with pytest.raises(Unavailable):
                await committer.submit(submission("a"))
        assert VirtualClock().monotonic() < 2 * RETRY_FOR

    play(main)


def test_beyond_the_bound_writes_are_refused_before_they_are_accepted() -> None:
    async def main() -> None:
        line = Line()
        async with committing(line) as committer:
            waiting = [committer.enqueue(submission(str(number))) for number in range(QUEUE)]
            with pytest.raises(Unavailable):
                await committer.submit(submission("one more"))
            assert not any(each.done() for each in waiting)

    play(main)


def test_a_refused_submission_raises_what_became_of_it() -> None:
    async def main() -> str:
        async with committing(Line()) as committer:
            for body in ("one", "other"):
                try:
                    await committer.submit(submission(body, dedup=Dedup(scope="s", key="k", request=body)))
                except WriteRefused as error:
                    return error.code
        return ""

    assert play(main) == "key_reused"


def test_a_closed_committer_commits_what_it_holds_and_refuses_more() -> None:
    async def main() -> None:
        line = Line()
        committer = Committer(line, MemoryBell(), VirtualClock())
        async with committer:
            last = committer.enqueue(submission("a"))
        assert isinstance(await last, Submitted)
        with pytest.raises(Unavailable):
            await committer.submit(submission("b"))

    play(main)


def test_a_cancelled_committer_lets_nobody_wait_for_ever() -> None:
    async def main() -> None:
        line = Line()
        line.seconds = 1_000.0
        committer = Committer(line, MemoryBell(), VirtualClock())
        async with committer:
            under_way = asyncio.create_task(committer.submit(submission("a")))
            await asyncio.sleep(1.0)
            queued = asyncio.create_task(committer.submit(submission("b")))
            await asyncio.sleep(1.0)
            assert committer._task is not None
            committer._task.cancel()
            for waiting in (under_way, queued):
                with pytest.raises(Unavailable):
                    await waiting
            await asyncio.wait([committer._task])
            committer._task = None

    play(main)


class Clumsy:
    """Raises whatever it is told."""

    def done(self) -> bool:
        return False

    def set_result(self, outcome: Outcome, /) -> None:
        raise LookupError

    def set_exception(self, error: Exception, /) -> None:
        raise LookupError


@pytest.mark.parametrize("program", ["p", "poison"])
def test_whoever_cannot_be_told_of_its_write_costs_its_neighbours_nothing(program: str) -> None:
    async def main() -> None:
        complaints: list[object] = []
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: complaints.append(context["exception"])
        )
        async with committing(Line()) as committer:
            committer.send(submission("a", program), Clumsy())
            await committer.submit(submission("b"))
            await committer.submit(submission("c"))
        assert [type(each) for each in complaints] == [LookupError]

    play(main)
