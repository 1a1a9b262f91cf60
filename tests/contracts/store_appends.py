"""The contract of appends: fencing, journals, children, and every way in which a run moves on."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from tests.contracts.world import BLUE, GREEN, LEASE, OTHER, POOL, World, done, raw, submission
from watership.durable.events import Failure, Finished, Learned, StepDone
from watership.durable.ids import EntryId, Key, RunId, child_id
from watership.durable.run import ChildResult, Waiting, child_signal
from watership.durable.states import RunState
from watership.durable.writes import (
    Append,
    Cancel,
    Deliver,
    Done,
    Duplicate,
    Finish,
    Outcome,
    Park,
    Refused,
    Stop,
    Submitted,
    WriteFenced,
    Written,
    Yield,
)


def code(outcome: Outcome) -> str:
    return outcome.code if isinstance(outcome, Refused) else type(outcome).__name__


class AppendSuite:
    async def test_a_journal_is_numbered_without_gaps(self, world: World) -> None:
        run = await world.running("a")
        await world.append(run, done("s/0"), done("s/1"))
        world.clock.go_on(1)
        await world.append(run, done("s/2"))
        entries = await world.store.journal(run.id)
        start = world.clock.now() - timedelta(seconds=1)
        assert [(e.seq, e.epoch, e.event.key, e.at) for e in entries] == [
            (1, 1, "s/0", start),
            (2, 1, "s/1", start),
            (3, 1, "s/2", world.clock.now()),
        ]
        assert (await world.run("a")).seq == 3

    async def test_a_journal_is_read_in_pages(self, world: World) -> None:
        run = await world.running("a")
        await world.append(run, *(done(f"s/{number}") for number in range(5)))
        page = await world.store.journal(run.id, after=1, limit=3)
        assert [entry.seq for entry in page] == [2, 3, 4]

    async def test_appends_to_many_runs_share_a_transaction(self, world: World) -> None:
        runs = [await world.running(name) for name in "abc"]
        written = await world.write(*(world.appending(run, done()) for run in runs for _ in range(2)))
        assert written.outcomes == (Done(),) * 6
        assert [(await world.run(name)).seq for name in "abc"] == [2, 2, 2]

    async def test_a_fenced_write_leaves_its_neighbours_alone(self, world: World) -> None:
        a, b = await world.running("a"), await world.running("b")
        stale = world.appending(a, done(), then=Yield())
        stale = msgspec.structs.replace(stale, epoch=7)
        nowhere = msgspec.structs.replace(world.appending(a, done()), run_id=RunId("nowhere"))
        written = await world.write(world.appending(a, done()), stale, nowhere, world.appending(b, done()))
        assert [code(it) for it in written.outcomes] == ["Done", "WriteFenced", "not_found", "Done"]
        assert await world.events("a") == [done()]
        assert await world.state("a") is RunState.RUNNING

    async def test_a_run_that_was_given_up_takes_no_more_entries(self, world: World) -> None:
        run = await world.running("a")
        await world.park(run)
        assert await world.append(run, done()) == WriteFenced(current=1)

    async def test_a_known_entry_is_a_duplicate_whatever_became_of_the_run(self, world: World) -> None:
        run = await world.running("a")
        write = world.appending(run, done(), then=Finish(state=RunState.SUCCEEDED))
        first, again = (await world.write(write, write)).outcomes
        assert (first, again) == (Done(), Duplicate())
        assert await world.outcome(write) == Duplicate()
        assert len(await world.events("a")) == 2

    async def test_an_entry_without_events_is_remembered_too(self, world: World) -> None:
        run = await world.running("a")
        write = world.appending(run, then=Yield())
        await world.outcome(write)
        await world.claim()
        assert await world.outcome(write) == Duplicate()
        assert await world.state("a") is RunState.RUNNING

    async def test_an_entry_of_another_run_is_no_duplicate(self, world: World) -> None:
        a, b = await world.running("a"), await world.running("b")
        one = EntryId("the-same")
        assert await world.append(a, done(), entry=one) == Done()
        assert await world.append(b, done(), entry=one) == Done()

    async def test_an_unexpected_error_leaves_nothing_half_done(self, world: World) -> None:
        run = await world.running("a")
        broken = StepDone(key=Key("s/1"), name="s", identity="i", value=object())  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            await world.write(
                world.appending(run, done(), children=[submission("child")]),
                submission("b", deployment=GREEN),
                world.delivery("a", "x"),
                world.claiming(pool="other"),
                world.appending(run, broken),
            )
        assert await world.run("a") == run
        assert [await world.store.get(RunId(name)) for name in ("b", "child")] == [None, None]
        assert (await world.events("a"), list(await world.inbox("a"))) == ([], [])
        assert await world.append(run, done()) == Done()

    async def test_a_journal_has_a_bound_but_the_end_always_fits(self, world: World) -> None:
        run = await world.running("a")
        many = tuple(done(f"s/{number}") for number in range(20_000))
        assert await world.append(run, *many) == Done()
        assert code(await world.append(run, done())) == "limit"
        world.clock.go_on(LEASE)
        (taken_over,) = await world.claim()  # although there is no room to say so
        assert (await world.finish(taken_over.run, RunState.FAILED)).outcomes == (Done(),)
        assert (await world.run("a")).seq == 20_001

    # --- parking -----------------------------------------------------------------------------

    async def test_a_parked_run_holds_nothing_but_its_timer(self, world: World) -> None:
        run = await world.running("a")
        wait = Waiting(kind="timer", key=Key("sleep/0"), due=world.clock.now() + timedelta(seconds=9))
        await world.park(run, wake_in=9, waits=(wait,))
        parked = await world.run("a")
        assert (parked.state, parked.lease_owner, parked.lease_until) == (RunState.WAITING, None, None)
        assert (parked.wake_at, parked.waits) == (wait.due, (wait,))

    async def test_a_signal_that_comes_while_the_run_advances_keeps_it_from_parking(
        self, world: World
    ) -> None:
        run = await world.running("a")
        await world.write(world.delivery("a", "x"))
        outcome = await world.append(run, done(), then=Park(wake_at=None, seen=0))
        assert code(outcome) == "inbox"
        assert (await world.events("a"), await world.state("a")) == ([], RunState.RUNNING)
        assert await world.append(run, done(), then=Park(wake_at=None, seen=1)) == Done()

    async def test_a_cancellation_that_the_writer_has_not_seen_keeps_it_from_parking(
        self, world: World
    ) -> None:
        run = await world.running("a")
        await world.write(Cancel(run_id=run.id))
        assert code(await world.park(run)) == "inbox"
        assert await world.park(run, cancelling=True) == Done()

    async def test_a_run_may_park_on_a_timer_that_has_passed_and_is_due_at_once(self, world: World) -> None:
        run = await world.running("a")
        written = await world.write(
            world.appending(run, then=Park(wake_at=world.clock.now() - timedelta(seconds=1), seen=0))
        )
        assert written.woken == {(GREEN, POOL)}
        assert len(await world.claim()) == 1

    async def test_a_run_in_doubt_waits_for_people_and_no_timer(self, world: World) -> None:
        run = await world.running("a")
        await world.park(run, wake_in=1, in_doubt=True)
        world.clock.go_on(99)
        assert await world.claim() == ()
        doubtful = await world.run("a")
        assert (doubtful.state, doubtful.wake_at) == (RunState.IN_DOUBT, None)

    async def test_a_stopped_run_says_why(self, world: World) -> None:
        run = await world.running("a")
        why = Failure(kind="Diverged", message="step/0 is another step", code="diverged")
        await world.append(run, then=Stop(failure=why))
        stopped = await world.run("a")
        assert (stopped.state, stopped.failure, stopped.lease_owner) == (RunState.STOPPED, why, None)
        assert await world.claim() == ()

    # --- ending ------------------------------------------------------------------------------

    async def test_a_finished_run_keeps_its_result_and_its_last_event(self, world: World) -> None:
        run = await world.running("a")
        await world.append(run, done(), then=Finish(state=RunState.SUCCEEDED, result=raw([1])))
        ended = await world.run("a")
        assert (ended.state, ended.result, ended.seq, ended.lease_owner) == (
            RunState.SUCCEEDED,
            raw([1]),
            2,
            None,
        )
        assert (await world.events("a"))[-1] == Finished(
            key=Key(""), state="succeeded", result=raw([1]), learned=()
        )

    async def test_a_failed_run_keeps_its_failure(self, world: World) -> None:
        failure = Failure(kind="ValueError", message="no")
        await world.finish(await world.running("a"), RunState.FAILED, failure=failure)
        assert (await world.run("a")).failure == failure

    async def test_a_run_does_not_end_in_a_state_that_is_no_end(self, world: World) -> None:
        run = await world.running("a")
        assert code(await world.append(run, done(), then=Finish(state=RunState.WAITING))) == "illegal_move"
        assert await world.events("a") == []

    # --- children ----------------------------------------------------------------------------

    async def test_a_child_lives_where_its_parent_lives(self, world: World) -> None:
        await world.store.set_weights({BLUE: 100}, epoch=1)
        parent = await world.running("a", tenant="t", principal="ann", depth=3)
        await world.store.set_readonly(True)
        child = submission("child", tenant="other", pool="gpu", parent_key=Key("child/0"))
        written = await world.write(world.appending(parent, children=[child]))
        assert written == Written(outcomes=(Done(),), woken=frozenset({(GREEN, "gpu")}))
        run = await world.run("child")
        assert (run.deployment, run.tenant, run.principal, run.depth) == (GREEN, "t", "ann", 4)
        assert (run.parent, run.parent_key) == ("a", "child/0")

    async def test_what_a_child_and_a_successor_begin_with_stands_first_in_their_journals(
        self, world: World
    ) -> None:
        parent, other = await world.running("a"), await world.running("b")
        words = ("private", "untrusted")
        await world.append(parent, done(), children=[submission("child", learned=words)])
        heir = submission("heir", deployment=GREEN, learned=words)
        await world.append(other, done(), then=Finish(state=RunState.SUCCEEDED, successor=heir))
        await world.submit("root", learned=words)
        for name in ("child", "heir", "root"):
            assert (name, await world.events(name)) == (name, [Learned(key=Key(""), words=words)])
        claimed = {each.run.id: each for each in await world.claim()}
        child = claimed[RunId("child")]
        assert (child.run.seq, child.events) == (1, (Learned(key=Key(""), words=words),))
        assert await world.append(child.run, done()) == Done()
        assert [entry.seq for entry in await world.store.journal(RunId("child"))] == [1, 2]

    async def test_what_a_child_learned_comes_with_its_result(self, world: World) -> None:
        parent = await world.running("a")
        await world.append(parent, children=[submission("child")], then=Park(wake_at=None, seen=0))
        (child,) = await world.claim()
        await world.finish(child.run, result=raw(1), learned=("private",))
        (signal,) = await world.inbox("a")
        result = msgspec.json.decode(signal.value, type=ChildResult)
        assert (result.result, result.learned) == (raw(1), ("private",))

    async def test_a_childs_end_reaches_its_parents_inbox_and_wakes_it(self, world: World) -> None:
        parent = await world.running("a")
        await world.append(parent, children=[submission("child")], then=Park(wake_at=None, seen=0))
        (claimed,) = await world.claim()
        failure = Failure(kind="ValueError", message="no")
        written = await world.finish(claimed.run, RunState.FAILED, result=raw(7), failure=failure)
        assert written.woken == {(GREEN, POOL)}
        assert await world.state("a") is RunState.READY
        (signal,) = await world.inbox("a")
        assert (signal.name, signal.id) == (child_signal(RunId("child")), "child:child")
        assert msgspec.json.decode(signal.value, type=ChildResult) == ChildResult(
            state=RunState.FAILED, result=raw(7), failure=failure
        )

    async def test_a_running_parent_is_told_of_its_childs_end(self, world: World) -> None:
        parent = await world.running("a")
        await world.append(parent, children=[submission("child")])
        (claimed,) = await world.claim(worker=OTHER)
        written = await world.finish(claimed.run)
        assert written == Written(outcomes=(Done(),), touched=frozenset({RunId("a")}))

    async def test_a_child_that_exists_is_left_as_it_is(self, world: World) -> None:
        parent = await world.running("a")
        await world.append(parent, children=[submission("child")])
        (claimed,) = await world.claim()
        assert await world.append(parent, children=[submission("child")]) == Done()
        assert await world.run("child") == claimed.run

    async def test_a_child_that_ends_after_its_parent_disturbs_nobody(self, world: World) -> None:
        parent = await world.running("a")
        await world.append(parent, children=[submission("child")], then=Finish(state=RunState.SUCCEEDED))
        (claimed,) = await world.claim()
        assert (await world.finish(claimed.run)).outcomes == (Done(),)
        assert list(await world.inbox("a")) == []

    async def test_the_children_of_dropped_branches_are_asked_to_end(self, world: World) -> None:
        parent = await world.running("a")
        keys = ("race#0/0/c/0", "race#0/1/c/0", "race#0/1/race#0/2/c/0", "race#0/10/c/0", "c/0")
        children = [submission(f"c{number}", parent_key=Key(key)) for number, key in enumerate(keys)]
        await world.append(parent, children=children)
        (begun,) = [each for each in (await world.claim(limit=9)) if each.run.id == "c1"]
        written = await world.write(world.appending(parent, done(), dropped=["race#0/1", "race#0/3"]))
        assert written.outcomes == (Done(),) and begun.run.id in written.touched
        asked = {each.id: each.cancel_requested for each in [await world.run(f"c{n}") for n in range(5)]}
        assert asked == {"c0": False, "c1": True, "c2": True, "c3": False, "c4": False}

    async def test_a_dropped_child_that_never_began_ends_at_once_and_its_parent_is_told(
        self, world: World
    ) -> None:
        parent = await world.running("a")
        born = submission("b", parent_key=Key("race#0/1/c/0"))
        await world.append(parent, done(), children=[born], dropped=["race#0/1"])
        assert await world.state("b") is RunState.CANCELLED
        assert [each.id for each in await world.inbox("a")] == [child_signal(RunId("b"))]
        assert code(await world.park(parent)) == "inbox"
        assert await world.park(parent, seen=1) == Done()

    async def test_a_dropped_child_wakes_a_parent_that_parks_in_the_same_write(self, world: World) -> None:
        parent = await world.running("a")
        await world.append(parent, children=[submission("b", parent_key=Key("race#0/1/c/0"))])
        await world.append(parent, dropped=["race#0/1"], then=Park(wake_at=None, seen=0))
        assert (await world.state("a"), await world.state("b")) == (RunState.READY, RunState.CANCELLED)

    async def test_a_refused_append_drops_no_child(self, world: World) -> None:
        parent = await world.running("a")
        await world.append(parent, children=[submission("b", parent_key=Key("race#0/1/c/0"))])
        refused = await world.append(parent, dropped=["race#0/1"], then=Finish(state=RunState.WAITING))
        assert code(refused) == "illegal_move"
        assert await world.state("b") is RunState.READY

    async def test_a_result_reaches_its_parent_however_full_the_inbox_is(self, world: World) -> None:
        parent = await world.running("a")
        await world.append(parent, children=[submission("child")])
        written = await world.write(*(world.delivery("a", f"s{number}") for number in range(10_001)))
        assert [code(it) for it in written.outcomes[-2:]] == ["Done", "limit"]
        (claimed,) = await world.claim()
        await world.finish(claimed.run)
        assert (await world.run("a")).inbox == 10_001

    async def test_children_and_generations_are_bounded(self, world: World) -> None:
        parent = await world.running("a")
        many = [submission(f"c{number}", parent_key=Key(f"c/{number}")) for number in range(10_000)]
        assert await world.append(parent, children=many) == Done()
        one_more = submission("more", parent_key=Key("more/0"))
        assert code(await world.append(parent, done(), children=[one_more])) == "limit"
        assert await world.events("a") == []
        deep = await world.running("deep", depth=20, pool="deep")
        assert code(await world.append(deep, children=[submission("deeper")])) == "limit"

    async def test_a_child_in_its_parents_conversation_does_not_wait_for_its_parent(
        self, world: World
    ) -> None:
        parent = await world.running("a", conversation="c")
        await world.submit("next", conversation="c")
        await world.append(parent, children=[submission("child", conversation="c")])
        (claimed,) = await world.claim()
        assert claimed.run.id == "child"
        await world.finish(claimed.run)
        assert await world.state("next") is RunState.QUEUED
        await world.finish(parent)
        assert await world.state("next") is RunState.READY

    async def test_a_child_in_another_conversation_gets_in_line(self, world: World) -> None:
        parent = await world.running("a")
        other = await world.running("b", conversation="c")
        child = submission("child", conversation="c", when_busy="reject")
        await world.append(parent, children=[child])
        assert await world.state("child") is RunState.QUEUED
        await world.finish(other)
        assert await world.state("child") is RunState.READY

    # --- carrying on -------------------------------------------------------------------------

    async def test_a_successor_starts_on_the_live_deployment_in_the_runs_place(self, world: World) -> None:
        await world.store.set_weights({BLUE: 100}, epoch=1)
        parent = await world.running("parent")
        await world.append(parent, children=[submission("a", conversation="c", parent_key=Key("child/0"))])
        (claimed,) = await world.claim()
        await world.submit("next", conversation="c")
        await world.store.set_readonly(True)
        written = await world.finish(claimed.run, result=raw("on"), successor=submission("b"))
        assert written.woken == {(BLUE, POOL)}
        old, new = await world.run("a"), await world.run("b")
        assert (old.state, old.successor) == (RunState.SUCCEEDED, "b")
        assert (new.state, new.deployment, new.conversation) == (RunState.READY, BLUE, "c")
        assert (new.parent, new.parent_key, new.depth) == ("parent", "child/0", 1)
        assert list(await world.inbox("parent")) == []
        assert await world.state("next") is RunState.QUEUED
        last = (await world.events("a"))[-1]
        assert isinstance(last, Finished)
        assert last.successor == "b"

    async def test_the_successors_result_is_the_parents(self, world: World) -> None:
        parent = await world.running("parent")
        await world.append(parent, children=[submission("a", parent_key=Key("child/0"))])
        (claimed,) = await world.claim()
        await world.finish(claimed.run, successor=submission("b", deployment=GREEN))
        (following,) = await world.claim()
        await world.finish(following.run, result=raw("end"))
        (signal,) = await world.inbox("parent")
        # Under the name that the parent knows: that of the child it started.
        assert signal.name == child_signal(child_id(RunId("parent"), Key("child/0")))
        assert msgspec.json.decode(signal.value, type=ChildResult).result == raw("end")

    async def test_a_successor_without_a_deployment_keeps_the_run_from_ending(self, world: World) -> None:
        run = await world.running("a")
        outcome = await world.append(
            run, done(), then=Finish(state=RunState.SUCCEEDED, successor=submission("b"))
        )
        assert code(outcome) == "no_deployment"
        assert (await world.events("a"), await world.state("a")) == ([], RunState.RUNNING)

    async def test_writes_of_all_kinds_keep_their_order_in_one_transaction(self, world: World) -> None:
        run = await world.running("a", conversation="c")
        written = await world.write(
            submission("b", deployment=GREEN, conversation="c"),
            Append(entry_id=world.entry(), run_id=run.id, epoch=1, then=Finish(state=RunState.SUCCEEDED)),
            submission("d", deployment=GREEN, conversation="c"),
            Deliver(signal_id=world.delivery("b", "x").signal_id, run_id=RunId("b"), name="n"),
        )
        states = [it.state for it in written.outcomes if isinstance(it, Submitted)]
        assert states == [RunState.QUEUED, RunState.QUEUED]
        assert [await world.state(name) for name in "abd"] == ["succeeded", "ready", "queued"]
