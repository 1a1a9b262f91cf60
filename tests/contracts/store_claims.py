"""The contract of claims and leases: what is due, in which order, under which epoch, and for how long."""

from __future__ import annotations

from datetime import timedelta

from tests.contracts.world import BLUE, GREEN, LEASE, OTHER, POOL, WORKER, World, done, submission
from watership.durable.events import Restarted
from watership.durable.ids import EntryId, Key, RunId
from watership.durable.run import SUSPECT_CLAIMS, Run
from watership.durable.states import RunState
from watership.durable.writes import (
    Bury,
    Cancel,
    Claimed,
    Done,
    Duplicate,
    HandOver,
    Outcome,
    Refused,
    Rehome,
    Renew,
    Renewed,
    Retry,
    WriteFenced,
    Written,
    Yield,
)


def refusal(outcome: Outcome) -> str:
    assert isinstance(outcome, Refused), outcome
    return outcome.code


class ClaimSuite:
    async def test_a_claimed_run_is_running_under_the_next_epoch_with_its_lease(self, world: World) -> None:
        await world.submit("a")
        (claimed,) = await world.claim()
        run = claimed.run
        assert (run.state, run.epoch, run.claims, run.lease_owner) == (RunState.RUNNING, 1, 1, WORKER)
        assert run.lease_until == world.clock.now() + timedelta(seconds=LEASE)
        assert run == await world.run("a")
        assert await world.claim() == ()

    async def test_a_claimed_run_comes_with_its_whole_history(self, world: World) -> None:
        run = await world.running("a")
        await world.append(run, done("s/0"), done("s/1"))
        await world.append(run, done("s/2"), then=Yield())
        await world.write(world.delivery("a", "x", 1), world.delivery("a", "y", 2))
        (claimed,) = await world.claim()
        assert claimed.events == (done("s/0"), done("s/1"), done("s/2"))
        assert [(signal.number, signal.id) for signal in claimed.inbox] == [(1, "x"), (2, "y")]
        assert claimed.run.epoch == 2

    async def test_a_later_write_of_the_same_transaction_sees_the_earlier_ones(self, world: World) -> None:
        written = await world.write(
            submission("a", deployment=GREEN), world.delivery("a", "x"), world.claiming(), world.claiming()
        )
        _, _, first, second = written.outcomes
        assert isinstance(first, Claimed)
        assert [(it.run.id, len(it.inbox)) for it in first.runs] == [("a", 1)]
        assert second == Claimed(runs=())

    async def test_a_claim_brings_what_was_written_before_it_in_its_transaction(self, world: World) -> None:
        run = await world.running("a")
        written = await world.write(
            world.delivery("a", "x"), world.appending(run, done(), then=Yield()), world.claiming()
        )
        claimed = written.outcomes[-1]
        assert isinstance(claimed, Claimed)
        assert [(it.events, len(it.inbox), it.run.seq) for it in claimed.runs] == [((done(),), 1, 1)]

    async def test_only_runs_of_the_deployment_and_pool_are_claimed(self, world: World) -> None:
        await world.submit("a", deployment=BLUE)
        await world.submit("b", pool="gpu")
        assert await world.claim() == ()
        assert [it.run.id for it in await world.claim(pool="gpu")] == ["b"]

    async def test_high_priority_goes_first_then_the_oldest(self, world: World) -> None:
        for name, priority in {"low": 0, "first": 1, "second": 1, "high": 2}.items():
            await world.submit(name, priority=priority)
        assert [it.run.id for it in await world.claim(limit=3)] == ["high", "first", "second"]
        assert [it.run.id for it in await world.claim(limit=3)] == ["low"]

    async def test_a_queued_run_is_not_claimed(self, world: World) -> None:
        await world.submit("a", conversation="c")
        await world.submit("b", conversation="c")
        assert [it.run.id for it in await world.claim()] == ["a"]

    async def test_a_waiting_run_is_claimed_once_its_timer_is_due(self, world: World) -> None:
        await world.park(await world.running("a"), wake_in=60)
        world.clock.go_on(59)
        assert await world.claim() == ()
        world.clock.go_on(1)
        (claimed,) = await world.claim()
        assert (claimed.run.epoch, claimed.run.wake_at) == (2, None)

    async def test_a_waiting_run_without_a_timer_is_never_due(self, world: World) -> None:
        await world.park(await world.running("a"))
        world.clock.go_on(86_400 * 365)
        assert await world.claim() == ()

    async def test_an_expired_lease_is_taken_over_and_its_old_owner_fenced(self, world: World) -> None:
        old = await world.running("a")
        world.clock.go_on(LEASE - 1)
        assert await world.claim(worker=OTHER) == ()
        world.clock.go_on(1)
        (claimed,) = await world.claim(worker=OTHER)
        assert (claimed.run.epoch, claimed.run.lease_owner) == (2, OTHER)
        assert await world.append(old, done()) == WriteFenced(current=2)
        # Whoever looks at the run is told that it is in other hands, and so is its new owner.
        taken_over = Restarted(key=Key(""), worker=WORKER)
        assert await world.events("a") == list(claimed.events) == [taken_over]
        assert claimed.run.seq == 1

    async def test_a_run_that_was_given_back_or_woken_was_not_restarted(self, world: World) -> None:
        run = await world.running("a")
        await world.append(run, then=Yield())
        (again,) = await world.claim(worker=OTHER)
        await world.park(again.run, wake_in=1)
        world.clock.go_on(2)
        (third,) = await world.claim(worker=OTHER)
        assert third.run.epoch == 3
        assert await world.events("a") == []

    async def test_nothing_is_claimed_while_read_only_is_on(self, world: World) -> None:
        await world.submit("a")
        await world.store.set_readonly(True)
        assert await world.claim() == ()
        await world.store.set_readonly(False)
        assert len(await world.claim()) == 1

    async def test_a_run_claimed_again_and_again_without_progress_is_stopped(self, world: World) -> None:
        await world.submit("a")
        for _ in range(3):
            assert len(await world.claim(poison_limit=3)) == 1
            world.clock.go_on(LEASE)
        assert await world.claim(poison_limit=3) == ()
        run = await world.run("a")
        assert (run.state, run.lease_owner, run.epoch) == (RunState.STOPPED, None, 4)
        assert run.failure is not None
        assert run.failure.kind == "Poison"

    async def test_a_poisoned_run_can_be_ended_without_a_worker(self, world: World) -> None:
        await world.submit("a")
        await world.claim(poison_limit=1)
        world.clock.go_on(LEASE)
        assert await world.claim(poison_limit=1) == ()
        assert await world.outcome(Cancel(run_id=RunId("a"), at_once=True)) == Done()
        assert await world.state("a") is RunState.CANCELLED

    async def test_a_poisoned_run_does_not_take_a_place_in_the_claim(self, world: World) -> None:
        await world.submit("bad")
        await world.claim(poison_limit=1)
        world.clock.go_on(LEASE)
        await world.submit("good")
        assert [it.run.id for it in await world.claim(limit=1, poison_limit=1)] == ["good"]

    async def test_a_suspect_is_claimed_alone_and_its_neighbours_after_it(self, world: World) -> None:
        await world.submit("first")
        await world.submit("bad")
        await world.submit("last")
        for _ in range(SUSPECT_CLAIMS):
            assert len(await world.claim(runs=(RunId("bad"),))) == 1
            world.clock.go_on(LEASE)
        claims = [sorted(it.run.id for it in await world.claim()) for _ in range(3)]
        assert ["bad"] in claims
        assert sorted(run for claim in claims for run in claim) == ["bad", "first", "last"]

    async def test_progress_starts_the_poison_counter_anew(self, world: World) -> None:
        run = await world.running("a")
        assert run.claims == 1
        await world.append(run, done())
        assert (await world.run("a")).claims == 0

    async def test_a_run_given_back_is_not_counted_as_poison(self, world: World) -> None:
        await world.submit("a")
        for _ in range(4):
            (claimed,) = await world.claim(poison_limit=2)
            written = await world.write(world.appending(claimed.run, then=Yield()))
            assert written.woken == {(GREEN, POOL)}
        assert await world.state("a") is RunState.READY

    async def test_a_run_woken_for_nothing_is_not_counted_as_poison(self, world: World) -> None:
        await world.submit("a")
        for number in range(4):
            (claimed,) = await world.claim(poison_limit=2)
            await world.park(claimed.run, seen=number)
            await world.write(world.delivery("a", f"s{number}"))
        assert await world.state("a") is RunState.READY

    async def test_a_stopped_run_may_try_again_with_a_new_counter(self, world: World) -> None:
        await world.running("a")
        world.clock.go_on(LEASE)
        await world.claim(poison_limit=1)
        written = await world.write(Retry(entry_id=EntryId("e"), run_id=RunId("a")))
        assert written == Written(outcomes=(Done(),), woken=frozenset({(GREEN, POOL)}))
        run = await world.run("a")
        assert (run.state, run.claims, run.failure) == (RunState.READY, 0, None)
        assert len(await world.claim(poison_limit=1)) == 1

    def renewal(self, runs: dict[RunId, int], **facts: object) -> Renew:
        return Renew(worker=WORKER, deployment=GREEN, pool=POOL, slots=4, runs=runs, lease_seconds=LEASE)

    async def test_a_renewal_prolongs_what_is_held_and_names_what_is_lost(self, world: World) -> None:
        await world.running("mine")
        await world.running("lost")
        given = await world.running("given back")
        await world.append(given, then=Yield())
        world.clock.go_on(LEASE)
        await world.claim(worker=OTHER, limit=1, runs=(RunId("lost"),))
        world.clock.go_on(20)
        await world.write(world.delivery("mine", "x"))
        held = {RunId("mine"): 1, RunId("lost"): 1, RunId("unheard"): 1, RunId("given back"): 1}
        assert await world.outcome(self.renewal(held)) == Renewed(
            lost=frozenset({RunId("lost"), RunId("unheard")}),
            inboxes={RunId("mine"): 1},
            cancelled=frozenset(),
        )
        assert (await world.run("mine")).lease_until == world.clock.now() + timedelta(seconds=LEASE)

    async def test_a_renewal_under_an_old_epoch_prolongs_nothing(self, world: World) -> None:
        await world.running("a")
        world.clock.go_on(LEASE)
        await world.claim(worker=OTHER)
        before = await world.run("a")
        outcome = await world.outcome(self.renewal({RunId("a"): 1}))
        assert isinstance(outcome, Renewed)
        assert outcome.lost == {RunId("a")}
        assert await world.run("a") == before

    async def test_a_renewal_tells_of_cancellations(self, world: World) -> None:
        await world.running("a")
        assert (await world.write(Cancel(run_id=RunId("a")))).touched == {RunId("a")}
        outcome = await world.outcome(self.renewal({RunId("a"): 1}))
        assert isinstance(outcome, Renewed)
        assert outcome.cancelled == {RunId("a")}

    async def test_a_worker_is_present_by_its_renewals(self, world: World) -> None:
        await world.running("a")
        await world.outcome(self.renewal({RunId("a"): 1}))
        (worker,) = await world.store.workers()
        assert (worker.id, worker.deployment, worker.pool, worker.slots) == (WORKER, GREEN, POOL, 4)
        assert (worker.leased, worker.seen_at) == (1, world.clock.now())

    async def test_a_buried_workers_runs_are_due_at_once(self, world: World) -> None:
        await world.running("a")
        await world.running("b")
        await world.outcome(self.renewal({RunId("a"): 1, RunId("b"): 1}))
        written = await world.write(Bury(worker=WORKER))
        assert written == Written(outcomes=(Done(count=2),), woken=frozenset({(GREEN, POOL)}))
        assert await world.store.workers() == []
        assert [it.run.id for it in await world.claim(worker=OTHER)] == ["a", "b"]
        assert await world.outcome(Bury(worker=WORKER)) == Done(count=0)

    async def test_runs_that_nobody_began_can_change_their_home(self, world: World) -> None:
        await world.running("began", conversation="c")
        await world.submit("queued", conversation="c")
        await world.submit("ready")
        written = await world.write(Rehome(source=GREEN, target=BLUE))
        assert written == Written(outcomes=(Done(count=2),), woken=frozenset({(BLUE, POOL)}))
        homes = [(await world.run(name)).deployment for name in ("began", "queued", "ready")]
        assert homes == [GREEN, BLUE, BLUE]

    async def test_a_queued_run_that_changes_its_home_wakes_nobody_there(self, world: World) -> None:
        await world.running("began", conversation="c")
        await world.submit("queued", conversation="c")
        assert await world.write(Rehome(source=GREEN, target=BLUE)) == Written(outcomes=(Done(),))

    async def test_a_run_that_began_is_handed_over_as_it_stands_and_fences_who_held_it(
        self, world: World
    ) -> None:
        run = await world.running("a")
        await world.park(run, wake_in=99)
        there = await world.run("a")
        written = await world.write(self.handed(there))
        assert written == Written(outcomes=(Done(),), woken=frozenset({(BLUE, POOL)}))
        over = await world.run("a")
        assert (over.deployment, over.state, over.epoch) == (BLUE, RunState.WAITING, there.epoch + 1)
        assert (over.waits, over.wake_at, over.seq) == (there.waits, there.wake_at, there.seq)
        assert await world.store.next_wake(GREEN, POOL) is None
        assert await world.store.next_wake(BLUE, POOL) == there.wake_at
        assert await world.outcome(self.handed(there)) == Duplicate()
        assert await world.append(run, done()) == WriteFenced(current=over.epoch)

    async def test_a_run_is_not_handed_over_while_a_worker_holds_it_and_is_once_its_lease_ran_out(
        self, world: World
    ) -> None:
        run = await world.running("a")
        assert refusal(await world.outcome(self.handed(run))) == "held"
        world.clock.go_on(LEASE + 1)
        assert await world.outcome(self.handed(run)) == Done()
        assert await world.claim(worker=OTHER) == ()
        (claimed,) = await world.claim(worker=OTHER, deployment=BLUE)
        assert (claimed.run.id, claimed.run.epoch) == ("a", run.epoch + 2)
        assert [type(event) for event in claimed.events] == [Restarted]

    async def test_a_run_that_went_on_is_not_handed_over_by_what_was_seen_before(self, world: World) -> None:
        run = await world.running("a")
        await world.append(run, done())
        await world.park(run, wake_in=99)
        assert refusal(await world.outcome(self.handed(run))) == "moved"
        there = await world.run("a")
        await world.write(world.delivery("a", "x"))
        assert refusal(await world.outcome(self.handed(there))) == "moved"
        assert (await world.run("a")).deployment == GREEN

    async def test_what_has_ended_or_is_not_there_is_not_handed_over(self, world: World) -> None:
        run = await world.running("a")
        await world.finish(run)
        assert refusal(await world.outcome(self.handed(await world.run("a")))) == "illegal_move"
        nobody = HandOver(run_id=RunId("nobody"), target=BLUE, seq=0, inbox=0)
        assert refusal(await world.outcome(nobody)) == "not_found"

    def handed(self, run: Run) -> HandOver:
        return HandOver(run_id=run.id, target=BLUE, seq=run.seq, inbox=run.inbox)

    async def test_the_next_wake_is_the_first_timer_or_lease(self, world: World) -> None:
        assert await world.store.next_wake(GREEN, POOL) is None
        await world.submit("ready")
        assert await world.store.next_wake(GREEN, POOL) is None
        (claimed,) = await world.claim()
        assert await world.store.next_wake(GREEN, POOL) == world.clock.now() + timedelta(seconds=LEASE)
        await world.park(claimed.run, wake_in=99)
        assert await world.store.next_wake(GREEN, POOL) == world.clock.now() + timedelta(seconds=99)
        assert await world.store.next_wake(BLUE, POOL) is None
