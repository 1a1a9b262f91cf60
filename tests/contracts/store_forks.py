"""The contract of forks: a run that begins with a journal, and knows where it comes from."""

from __future__ import annotations

from tests.contracts.world import GREEN, World, done, submission
from watership.durable.events import Forked
from watership.durable.ids import Key, RunId
from watership.durable.run import Origin
from watership.durable.states import RunState
from watership.durable.writes import Cancel, Claimed, Finish, Submitted

ORIGIN = Origin(run=RunId("old"), at=2, entries=3, variant={"model": "other"})
PREFIX = (Forked(key=Key(""), run=RunId("old"), at=2), done("s/0"), done("s/1"))


class ForkSuite:
    async def test_a_fork_is_claimed_with_the_journal_it_was_given(self, world: World) -> None:
        await world.submit("a", origin=ORIGIN, events=PREFIX)
        run = await world.run("a")
        assert (run.origin, run.seq, run.epoch) == (ORIGIN, 3, 0)
        (claimed,) = await world.claim()
        assert (claimed.run.origin, claimed.events) == (ORIGIN, PREFIX)
        await world.append(claimed.run, done("s/2"))
        entries = await world.store.journal(RunId("a"))
        assert [(entry.seq, entry.epoch) for entry in entries] == [(1, 0), (2, 0), (3, 0), (4, 1)]

    async def test_a_fork_is_claimed_in_the_transaction_that_made_it(self, world: World) -> None:
        fork = submission("a", deployment=GREEN, origin=ORIGIN, events=PREFIX)
        _, claimed = (await world.write(fork, world.claiming())).outcomes
        assert isinstance(claimed, Claimed)
        assert [each.events for each in claimed.runs] == [PREFIX]

    async def test_a_fork_that_is_submitted_again_is_there_already(self, world: World) -> None:
        for existing in (False, True):
            outcome = await world.submit("a", origin=ORIGIN, events=PREFIX)
            assert isinstance(outcome, Submitted)
            assert outcome.existing is existing
        assert await world.events("a") == list(PREFIX)

    async def test_what_a_fork_has_otherwise_its_successor_has_too(self, world: World) -> None:
        run = await world.running("a", origin=ORIGIN, events=PREFIX)
        following = submission("b", deployment=GREEN)
        await world.append(run, then=Finish(state=RunState.SUCCEEDED, successor=following))
        assert (await world.run("b")).origin == ORIGIN.anew()

    async def test_a_fork_that_nobody_began_is_cancelled_at_once(self, world: World) -> None:
        await world.submit("a", origin=ORIGIN, events=PREFIX)
        await world.write(Cancel(run_id=RunId("a")))
        assert await world.state("a") is RunState.CANCELLED
        assert len(await world.events("a")) == 4
