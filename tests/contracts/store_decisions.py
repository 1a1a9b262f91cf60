"""The contract of signals, cancellations and answers."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from tests.contracts.store_appends import code
from tests.contracts.world import GREEN, LEASE, POOL, World, done, raw, submission
from watership.durable.events import AnswerRefused, Failure, Finished, StepAnswered, StepStarted
from watership.durable.ids import EntryId, Key, RunId, SignalId
from watership.durable.run import Run, Waiting, child_signal
from watership.durable.states import RunState
from watership.durable.writes import (
    Answer,
    Cancel,
    Done,
    Duplicate,
    Park,
    RefuseAnswer,
    Retry,
    Stop,
    Write,
    Written,
    Yield,
)

ENTRY = EntryId("decision")
ASKED = Waiting(kind="signal", key=Key("approval/0"), name="approval", about=raw("Pay?"))
STARTED = StepStarted(key=Key("pay/0"), name="pay", identity="i", attempt=1)


class DecisionSuite:
    # --- signals -----------------------------------------------------------------------------

    async def test_signals_are_numbered_and_taken_once(self, world: World) -> None:
        await world.running("a")
        written = await world.write(
            world.delivery("a", "x", 1), world.delivery("a", "y", 2), world.delivery("a", "x", 3)
        )
        assert written.outcomes == (Done(), Done(), Duplicate())
        assert await world.outcome(world.delivery("a", "y")) == Duplicate()
        inbox = await world.inbox("a")
        assert [(s.number, s.id, s.value, s.at) for s in inbox] == [
            (1, "x", raw(1), world.clock.now()),
            (2, "y", raw(2), world.clock.now()),
        ]
        assert [s.number for s in await world.store.inbox(RunId("a"), after=1)] == [2]

    async def test_a_signal_wakes_a_waiting_run(self, world: World) -> None:
        await world.park(await world.running("a"), wake_in=99)
        written = await world.write(world.delivery("a", "x"))
        assert written == Written(outcomes=(Done(),), woken=frozenset({(GREEN, POOL)}))
        run = await world.run("a")
        assert (run.state, run.wake_at, run.waits) == (RunState.READY, None, ())

    async def test_a_signal_touches_a_running_run(self, world: World) -> None:
        await world.running("a")
        written = await world.write(world.delivery("a", "x"))
        assert written == Written(outcomes=(Done(),), touched=frozenset({RunId("a")}))

    async def test_a_signal_does_not_move_a_run_that_waits_for_people_or_its_turn(self, world: World) -> None:
        doubt = await world.running("doubt", conversation="c")
        await world.park(doubt, in_doubt=True)
        await world.submit("queued", conversation="c")
        stopped = await world.running("stopped")
        await world.append(stopped, then=Stop(failure=Failure(kind="K", message="m")))
        written = await world.write(*(world.delivery(name, "x") for name in ("doubt", "queued", "stopped")))
        assert written == Written(outcomes=(Done(),) * 3)
        states = [await world.state(name) for name in ("doubt", "queued", "stopped")]
        assert states == ["in_doubt", "queued", "stopped"]

    async def test_an_ended_run_takes_no_new_signals_but_knows_the_old(self, world: World) -> None:
        run = await world.running("a")
        await world.write(world.delivery("a", "x"))
        await world.finish(run)
        assert await world.outcome(world.delivery("a", "x")) == Duplicate()
        assert code(await world.outcome(world.delivery("a", "y"))) == "illegal_move"

    # --- what is asked -----------------------------------------------------------------------

    async def test_an_answer_is_taken_while_it_is_asked_and_once(self, world: World) -> None:
        await world.park(await world.running("a"), wake_in=99, waits=(ASKED,))
        elsewhere = replace(world.delivery("a", "x"), wait=Key("question/7"))
        assert code(await world.outcome(elsewhere)) == "not_waiting"
        first = replace(world.delivery("a", "x", "yes"), wait=ASKED.key)
        assert await world.outcome(first) == Done()
        # It is asked no more: the same one is known, another one comes for nothing.
        assert await world.outcome(first) == Duplicate()
        assert code(await world.outcome(replace(first, signal_id=SignalId("y")))) == "not_waiting"
        assert [signal.value for signal in await world.inbox("a")] == [raw("yes")]

    async def test_an_answer_after_its_time_is_refused_though_no_worker_has_looked(
        self, world: World
    ) -> None:
        asked = replace(ASKED, due=world.clock.now() + timedelta(seconds=9))
        await world.park(await world.running("a"), wake_in=9, waits=(asked,))
        world.clock.go_on(9)
        late = replace(world.delivery("a", "x", "yes"), wait=asked.key)
        assert code(await world.outcome(late)) == "too_late"
        assert not await world.inbox("a")

    async def test_an_answer_that_is_refused_stands_in_the_journal_and_moves_nothing(
        self, world: World
    ) -> None:
        await world.park(await world.running("a"), wake_in=99, waits=(ASKED,))
        refuse = RefuseAnswer(
            entry_id=ENTRY, run_id=RunId("a"), key=ASKED.key, by="mallory", reason="Not hers to give."
        )
        assert await world.write(refuse) == Written(outcomes=(Done(),))
        assert await world.outcome(refuse) == Duplicate()
        (event,) = await world.events("a")
        assert event == AnswerRefused(key=ASKED.key, by="mallory", reason="Not hers to give.")
        run = await world.run("a")
        assert (run.state, run.waits, run.inbox) == (RunState.WAITING, (ASKED,), 0)
        other = replace(refuse, entry_id=EntryId("other"), key=Key("question/7"))
        assert code(await world.outcome(other)) == "not_waiting"

    @pytest.mark.parametrize("kind", ["signal", "refusal", "cancel", "retry", "answer"])
    async def test_nothing_reaches_a_run_that_does_not_exist(self, world: World, kind: str) -> None:
        nobody = RunId("nobody")
        writes: dict[str, Write] = {
            "signal": world.delivery("nobody", "x"),
            "refusal": RefuseAnswer(entry_id=ENTRY, run_id=nobody, key=Key("k"), by="ann", reason="r"),
            "cancel": Cancel(run_id=nobody),
            "retry": Retry(entry_id=ENTRY, run_id=nobody),
            "answer": Answer(entry_id=ENTRY, run_id=nobody, key=Key("k"), decision="done", by="ann"),
        }
        assert code(await world.outcome(writes[kind])) == "not_found"

    # --- cancelling --------------------------------------------------------------------------

    async def test_a_run_that_never_began_is_cancelled_at_once(self, world: World) -> None:
        parent = await world.running("parent")
        await world.append(
            parent, children=[submission("a", conversation="c")], then=Park(wake_at=None, seen=0)
        )
        await world.submit("next", conversation="c")
        written = await world.write(Cancel(run_id=RunId("a")))
        assert written == Written(outcomes=(Done(),), woken=frozenset({(GREEN, POOL)}))
        assert await world.state("a") is RunState.CANCELLED
        assert await world.events("a") == [Finished(key=Key(""), state="cancelled")]
        assert [signal.name for signal in await world.inbox("parent")] == [child_signal(RunId("a"))]
        assert [await world.state(name) for name in ("parent", "next")] == ["ready", "ready"]

    async def test_a_queued_run_is_cancelled_without_moving_its_conversation(self, world: World) -> None:
        for name in "abc":
            await world.submit(name, conversation="c")
        await world.write(Cancel(run_id=RunId("b")))
        assert [await world.state(name) for name in "abc"] == ["ready", "cancelled", "queued"]

    async def test_a_running_run_is_asked_to_end(self, world: World) -> None:
        run = await world.running("a")
        written = await world.write(Cancel(run_id=run.id))
        assert written == Written(outcomes=(Done(),), touched=frozenset({run.id}))
        asked = await world.run("a")
        assert (asked.state, asked.cancel_requested) == (RunState.RUNNING, True)

    @pytest.mark.parametrize("stand", ["waiting", "in_doubt", "stopped", "ready"])
    async def test_a_run_that_stands_is_made_ready_to_compensate(self, world: World, stand: str) -> None:
        run = await world.running("a")
        then = {
            "waiting": Park(wake_at=None, seen=0),
            "in_doubt": Park(wake_at=None, seen=0, in_doubt=True),
            "stopped": Stop(failure=Failure(kind="K", message="m")),
            "ready": Yield(),
        }[stand]
        await world.append(run, then=then)
        written = await world.write(Cancel(run_id=run.id))
        assert written == Written(outcomes=(Done(),), woken=frozenset({(GREEN, POOL)}))
        (claimed,) = await world.claim()
        assert (claimed.run.cancel_requested, claimed.run.epoch) == (True, 2)

    async def test_cancelling_twice_is_cancelling_once(self, world: World) -> None:
        run = await world.running("a")
        await world.write(Cancel(run_id=run.id))
        await world.park(run, cancelling=True)
        before = await world.run("a")
        written = await world.write(Cancel(run_id=run.id))
        assert written == Written(outcomes=(Done(),), woken=frozenset())
        assert await world.run("a") == before

    async def test_a_run_that_stopped_while_it_compensated_ends_when_asked_again(self, world: World) -> None:
        run = await world.running("a")
        await world.write(Cancel(run_id=run.id))
        await world.append(run, then=Stop(failure=Failure(kind="K", message="m")))
        assert await world.outcome(Cancel(run_id=run.id)) == Done()
        assert await world.state("a") is RunState.CANCELLED

    async def test_a_poisoned_run_gets_new_attempts_to_compensate(self, world: World) -> None:
        run = await world.running("a")
        world.clock.go_on(LEASE)
        await world.claim(poison_limit=1)
        await world.write(Cancel(run_id=run.id))
        assert len(await world.claim(poison_limit=1)) == 1

    async def test_an_ended_run_cannot_be_cancelled(self, world: World) -> None:
        run = await world.running("a")
        await world.finish(run)
        assert code(await world.outcome(Cancel(run_id=run.id))) == "illegal_move"

    # --- answering ---------------------------------------------------------------------------

    async def test_an_answer_is_journaled_and_lets_the_run_go_on(self, world: World) -> None:
        run = await world.running("a")
        await world.append(run, STARTED, then=Park(wake_at=None, seen=0, in_doubt=True))
        answer = Answer(
            entry_id=ENTRY,
            run_id=run.id,
            key=Key("pay/0"),
            decision="done",
            by="ann",
            value=raw({"paid": True}),
        )
        written = await world.write(answer)
        assert written == Written(outcomes=(Done(),), woken=frozenset({(GREEN, POOL)}))
        answered = StepAnswered(key=Key("pay/0"), decision="done", by="ann", value=raw({"paid": True}))
        assert await world.events("a") == [STARTED, answered]
        entry = (await world.store.journal(run.id))[-1]
        assert (entry.seq, entry.epoch) == (2, 1)
        assert await world.state("a") is RunState.READY

    async def test_an_answer_to_a_step_that_is_not_in_doubt_is_refused(self, world: World) -> None:
        run = await world.running("a")
        answer = Answer(entry_id=ENTRY, run_id=run.id, key=Key("pay/0"), decision="retry", by="ann")
        assert code(await world.outcome(answer)) == "not_in_doubt"
        await world.append(run, STARTED, done("pay/0"), then=Park(wake_at=None, seen=0, in_doubt=True))
        assert code(await world.outcome(answer)) == "not_in_doubt"
        assert await world.state("a") is RunState.IN_DOUBT

    async def test_a_step_is_answered_once(self, world: World) -> None:
        run = await world.running("a")
        other = StepStarted(key=Key("pay/1"), name="pay", identity="i", attempt=1)
        await world.append(run, STARTED, other, then=Park(wake_at=None, seen=0, in_doubt=True))
        answer = Answer(entry_id=ENTRY, run_id=run.id, key=Key("pay/0"), decision="retry", by="ann")
        assert await world.outcome(answer) == Done()
        (claimed,) = await world.claim()
        await world.park(claimed.run, in_doubt=True)
        assert code(await world.outcome(replace(answer, entry_id=EntryId("f")))) == "not_in_doubt"

    async def test_an_answer_that_was_committed_says_so_when_it_is_given_again(self, world: World) -> None:
        run = await world.running("a")
        await world.append(run, STARTED, then=Park(wake_at=None, seen=0, in_doubt=True))
        answer = Answer(entry_id=ENTRY, run_id=run.id, key=Key("pay/0"), decision="retry", by="ann")
        await world.write(answer)
        assert await world.write(answer) == Written(outcomes=(Duplicate(),))
        (claimed,) = await world.claim()
        await world.append(claimed.run, STARTED, then=Park(wake_at=None, seen=0, in_doubt=True))
        assert await world.outcome(answer) == Duplicate()
        assert await world.state("a") is RunState.IN_DOUBT

    async def test_a_retry_that_was_committed_says_so_when_it_is_given_again(self, world: World) -> None:
        run = await world.running("a")
        await world.append(run, then=Stop(failure=Failure("K", "m")))
        retry = Retry(entry_id=ENTRY, run_id=run.id)
        await world.write(retry)
        (claimed,) = await world.claim()
        assert await world.write(retry) == Written(outcomes=(Duplicate(),))
        await world.append(claimed.run, then=Stop(failure=Failure("K", "m")))
        assert await world.outcome(retry) == Duplicate()
        assert await world.state("a") is RunState.STOPPED

    async def test_a_cancellation_that_ended_a_run_says_so_when_it_is_given_again(self, world: World) -> None:
        await world.submit("a")
        await world.write(Cancel(run_id=RunId("a")))
        assert await world.write(Cancel(run_id=RunId("a"))) == Written(outcomes=(Duplicate(),))

    async def family(self, world: World) -> Run:
        """A running parent of three: one that ran and waits, one that ended, one that nobody claimed yet."""
        parent = await world.running("parent")
        children = [submission(name, parent_key=Key(f"p/{name}")) for name in ("waits", "ended", "new")]
        await world.append(parent, children=children[:2])
        waits, ended = await world.claim()
        await world.append(waits.run, children=[submission("grandchild", parent_key=Key("p/0"))])
        await world.park(waits.run)
        await world.finish(ended.run)
        (grandchild,) = await world.claim()
        await world.park(grandchild.run)
        await world.append(parent, children=children[2:])
        return parent

    async def test_a_cancelled_run_takes_its_open_children_along(self, world: World) -> None:
        parent = await self.family(world)
        await world.write(Cancel(run_id=parent.id))
        assert await world.state("waits") is RunState.WAITING
        written = await world.finish(parent, RunState.CANCELLED)
        assert written.woken == frozenset({(GREEN, POOL)})
        states = [await world.state(name) for name in ("waits", "ended", "new")]
        assert states == [RunState.READY, RunState.SUCCEEDED, RunState.CANCELLED]
        assert (await world.run("waits")).cancel_requested
        assert await world.state("grandchild") is RunState.WAITING
        (waits,) = await world.claim()
        await world.finish(waits.run, RunState.CANCELLED)
        assert await world.state("grandchild") is RunState.READY
        assert (await world.run("grandchild")).cancel_requested

    async def test_a_running_child_of_a_cancelled_run_is_told(self, world: World) -> None:
        parent = await world.running("parent")
        await world.append(parent, children=[submission("child", parent_key=Key("p/0"))])
        await world.claim()
        written = await world.finish(parent, RunState.CANCELLED)
        assert written.touched == frozenset({RunId("child")})

    async def test_a_run_that_ends_otherwise_leaves_its_children_alone(self, world: World) -> None:
        parent = await self.family(world)
        await world.finish(parent, RunState.FAILED)
        assert [await world.state(name) for name in ("waits", "new")] == [RunState.WAITING, RunState.READY]

    async def test_only_a_stopped_run_is_let_try_again(self, world: World) -> None:
        run = await world.running("a")
        assert code(await world.outcome(Retry(entry_id=ENTRY, run_id=run.id))) == "illegal_move"
