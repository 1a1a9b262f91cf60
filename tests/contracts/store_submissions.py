"""The contract of submissions: placement, repetition, idempotency keys, conversations."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.contracts.world import BLUE, GREEN, POOL, World, raw, submission
from watership.adapters.ledger import bounds
from watership.durable.counters import Cap
from watership.durable.events import Failure, SignalTaken
from watership.durable.ids import Key, RunId, SignalId
from watership.durable.run import Run
from watership.durable.states import RunState
from watership.durable.writes import INJECTED, Cancel, Dedup, Finish, Refused, Stop, Submit, Submitted
from watership.errors import BadInput
from watership.fleet.intake import place

KEY = Dedup(scope="t/p/submit", key="k", request="h1")


class SubmissionSuite:
    async def test_a_submitted_run_stands_in_the_store_as_it_was_given(self, world: World) -> None:
        written = await world.write(
            submission(
                "a", tenant="t", principal="ann", deployment=GREEN, pool="gpu", priority=2, conversation="c"
            )
        )
        assert written.outcomes == (Submitted(run_id=RunId("a"), deployment=GREEN, state=RunState.READY),)
        assert written.woken == {(GREEN, "gpu")}
        now = world.clock.now()
        assert await world.run("a") == Run(
            id=RunId("a"),
            program="p",
            input=raw({"for": "a"}),
            state=RunState.READY,
            deployment=GREEN,
            created_at=now,
            updated_at=now,
            tenant="t",
            principal="ann",
            pool="gpu",
            priority=2,
            conversation="c",
        )

    async def test_a_run_without_a_deployment_goes_where_the_weights_put_its_conversation(
        self, world: World
    ) -> None:
        weights = {GREEN: 50, BLUE: 50}
        await world.store.set_weights(weights, epoch=1)
        names = [f"c{number}" for number in range(20)]
        written = await world.write(*(submission(f"run-{name}", conversation=name) for name in names))
        placed = [it.deployment for it in written.outcomes if isinstance(it, Submitted)]
        assert placed == [place(weights, name) for name in names]
        assert set(placed) == {GREEN, BLUE}

    async def test_a_run_outside_conversations_is_placed_by_its_own_id(self, world: World) -> None:
        weights = {GREEN: 50, BLUE: 50}
        await world.store.set_weights(weights, epoch=1)
        names = [f"r{number}" for number in range(20)]
        written = await world.write(*(submission(name) for name in names))
        assert [it.deployment for it in written.outcomes if isinstance(it, Submitted)] == [
            place(weights, name) for name in names
        ]

    async def test_without_any_weight_a_submission_is_refused(self, world: World) -> None:
        outcome = await world.submit("a", deployment=None)
        assert isinstance(outcome, Refused)
        assert outcome.code == "no_deployment"
        assert await world.store.get(RunId("a")) is None

    async def test_read_only_refuses_new_runs_but_answers_for_old_ones(self, world: World) -> None:
        await world.submit("old")
        await world.store.set_readonly(True)
        new, old = (await world.write(submission("new", deployment=GREEN), submission("old"))).outcomes
        assert isinstance(new, Refused)
        assert new.code == "read_only"
        assert isinstance(old, Submitted)
        assert old.existing
        await world.store.set_readonly(False)
        assert isinstance(await world.submit("new"), Submitted)

    async def test_the_same_run_again_is_the_run_that_stands(self, world: World) -> None:
        first = await world.submit("a")
        again = await world.write(submission("a", deployment=BLUE))
        assert first == Submitted(run_id=RunId("a"), deployment=GREEN, state=RunState.READY)
        assert again.outcomes == (
            Submitted(run_id=RunId("a"), deployment=GREEN, state=RunState.READY, existing=True),
        )
        assert again.woken == frozenset()

    async def test_the_same_key_for_the_same_request_is_the_first_run(self, world: World) -> None:
        await world.submit("a", dedup=KEY)
        again = await world.submit("b", dedup=KEY)
        assert again == Submitted(run_id=RunId("a"), deployment=GREEN, state=RunState.READY, existing=True)
        assert await world.store.get(RunId("b")) is None

    async def test_the_same_key_for_another_request_is_refused(self, world: World) -> None:
        await world.submit("a", dedup=KEY)
        other = await world.submit("b", dedup=Dedup(scope=KEY.scope, key=KEY.key, request="h2"))
        assert isinstance(other, Refused)
        assert other.code == "key_reused"

    async def test_a_key_means_nothing_in_another_scope(self, world: World) -> None:
        await world.submit("a", dedup=KEY)
        other = await world.submit("b", dedup=Dedup(scope="t/q/submit", key=KEY.key, request="h2"))
        assert other == Submitted(run_id=RunId("b"), deployment=GREEN, state=RunState.READY)

    async def test_a_refused_submission_leaves_its_key_unused(self, world: World) -> None:
        await world.submit("a", deployment=None, dedup=Dedup(scope=KEY.scope, key=KEY.key, request="h0"))
        assert isinstance(await world.submit("b", dedup=KEY), Submitted)
        assert await world.state("b") is RunState.READY

    async def test_a_key_is_forgotten_after_seven_days(self, world: World) -> None:
        await world.submit("a", dedup=KEY)
        world.clock.go_on(7 * 86_400 - 1)
        assert await world.submit("b", dedup=KEY) == Submitted(
            run_id=RunId("a"), deployment=GREEN, state=RunState.READY, existing=True
        )
        world.clock.go_on(1)
        assert await world.submit("c", dedup=KEY) == Submitted(
            run_id=RunId("c"), deployment=GREEN, state=RunState.READY
        )

    async def test_old_keys_leave_the_store_when_new_ones_come_and_may_be_used_anew(
        self, world: World
    ) -> None:
        old = [Dedup(scope=KEY.scope, key=f"k{number}", request="h") for number in range(30)]
        await world.write(*(submission(f"old-{each.key}", deployment=GREEN, dedup=each) for each in old[:20]))
        world.clock.go_on(86_400)
        await world.write(*(submission(f"old-{each.key}", deployment=GREEN, dedup=each) for each in old[20:]))
        assert await world.keys() == 30
        world.clock.go_on(6 * 86_400)
        await world.submit("new", dedup=KEY)
        assert await world.keys() == 10 + 1
        assert await world.submit("anew", dedup=old[0]) == Submitted(
            run_id=RunId("anew"), deployment=GREEN, state=RunState.READY
        )
        assert await world.keys() == 10 + 2

    async def test_more_old_keys_leave_in_one_transaction_than_new_ones_come(self, world: World) -> None:
        def batch(name: str, size: int) -> list[Submit]:
            keys = [Dedup(scope=KEY.scope, key=f"{name}{number}", request="h") for number in range(size)]
            return [submission(each.key, deployment=GREEN, dedup=each) for each in keys]

        await world.write(*batch("a", 500))
        world.clock.go_on(7 * 86_400)
        await world.write(*batch("b", 6))
        assert await world.keys() == 6

    async def test_a_message_waits_behind_the_active_run_of_its_conversation(self, world: World) -> None:
        a = await world.running("a", conversation="c")
        b, c = (
            await world.write(
                submission("b", deployment=BLUE, conversation="c"),
                submission("c", deployment=GREEN, conversation="c"),
            )
        ).outcomes
        assert b == Submitted(run_id=RunId("b"), deployment=BLUE, state=RunState.QUEUED)
        assert c == Submitted(run_id=RunId("c"), deployment=GREEN, state=RunState.QUEUED)
        written = await world.finish(a)
        assert written.woken == {(BLUE, POOL)}
        assert [await world.state(name) for name in "abc"] == ["succeeded", "ready", "queued"]

    async def test_conversations_of_two_tenants_do_not_wait_for_each_other(self, world: World) -> None:
        await world.submit("a", conversation="c", tenant="t")
        await world.submit("b", conversation="c", tenant="u")
        assert await world.state("b") is RunState.READY

    async def test_a_run_that_stands_still_keeps_its_conversation(self, world: World) -> None:
        a = await world.running("a", conversation="c")
        await world.append(a, then=Stop(failure=Failure(kind="K", message="m")))
        await world.submit("b", conversation="c")
        assert await world.state("b") is RunState.QUEUED
        await world.write(Cancel(run_id=a.id))
        (again,) = await world.claim()
        await world.finish(again.run, RunState.CANCELLED)
        assert await world.state("b") is RunState.READY

    async def test_a_busy_conversation_may_reject(self, world: World) -> None:
        await world.submit("a", conversation="c")
        outcome = await world.submit("b", conversation="c", when_busy="reject")
        assert isinstance(outcome, Refused)
        assert outcome.code == "conversation_busy"
        assert await world.store.get(RunId("b")) is None

    async def test_a_message_may_be_injected_into_the_active_run(self, world: World) -> None:
        await world.running("a", conversation="c")
        written = await world.write(submission("b", deployment=BLUE, conversation="c", when_busy="inject"))
        assert written.outcomes == (
            Submitted(run_id=RunId("a"), deployment=GREEN, state=RunState.RUNNING, injected=True),
        )
        assert written.touched == {RunId("a")}
        (signal,) = await world.inbox("a")
        assert (signal.id, signal.name, signal.value) == ("b", INJECTED, raw({"for": "b"}))
        assert await world.store.get(RunId("b")) is None

    async def test_an_injected_message_that_is_repeated_is_recognised(self, world: World) -> None:
        a = await world.running("a", conversation="c")
        write = submission("b", deployment=GREEN, conversation="c", when_busy="inject", dedup=KEY)
        await world.write(write)
        taken = SignalTaken(key=Key("s"), name=INJECTED, signal_id=SignalId("b"), number=1, value=raw(1))
        await world.write(
            world.appending(a, taken, then=Finish(state=RunState.SUCCEEDED, result=raw("done")))
        )
        by_id = await world.outcome(write)
        by_key = await world.submit("b2", conversation="c", when_busy="inject", dedup=KEY)
        assert by_id == Submitted(
            run_id=RunId("a"), deployment=GREEN, state=RunState.SUCCEEDED, existing=True, injected=True
        )
        assert by_key == by_id
        assert len(await world.inbox("a")) == 1

    async def test_what_the_active_run_may_not_answer_for_is_queued_instead_of_injected(
        self, world: World
    ) -> None:
        await world.running("a", conversation="c", principal="ann")
        others = {
            "of another person": submission("b", principal="bob"),
            "to another agent": replace(submission("d", principal="ann"), program="q"),
            "with a deadline": submission("e", principal="ann", within_seconds=60.0),
            "with a budget": submission(
                "f", principal="ann", caps=(Cap(counter="run:f", unit="turns", most=1),)
            ),
        }
        for why, each in others.items():
            write = replace(each, conversation="c", when_busy="inject", deployment=GREEN)
            outcome = await world.outcome(write)
            assert isinstance(outcome, Submitted) and not outcome.injected, why
            assert outcome.state is RunState.QUEUED, why
        assert not await world.inbox("a")

    async def test_an_injected_message_that_was_not_taken_gets_a_run_when_its_taker_ends(
        self, world: World
    ) -> None:
        a = await world.running("a", conversation="c")
        for name in ("b", "d"):
            await world.submit(name, conversation="c", when_busy="inject")
        taken = SignalTaken(key=Key("s"), name=INJECTED, signal_id=SignalId("d"), number=2, value=raw(1))
        end = Finish(state=RunState.SUCCEEDED, result=raw("done"))
        written = await world.write(world.appending(a, taken, then=end))
        b = await world.store.get(RunId("b"))
        assert b is not None and await world.store.get(RunId("d")) is None
        assert (b.state, b.input, b.conversation, b.program) == (RunState.READY, raw({"for": "b"}), "c", "p")
        assert written.woken
        again = await world.outcome(submission("b", deployment=GREEN, conversation="c", when_busy="inject"))
        assert again == Submitted(run_id=RunId("b"), deployment=GREEN, state=RunState.READY, existing=True)

    async def test_where_nobody_is_active_an_injected_message_starts_a_run(self, world: World) -> None:
        assert await world.submit("b", conversation="c", when_busy="inject") == Submitted(
            run_id=RunId("b"), deployment=GREEN, state=RunState.READY
        )

    async def test_a_conversation_takes_a_thousand_waiting_messages(self, world: World) -> None:
        assert bounds.MAX_QUEUED == 1_000
        # In two transactions: a committer never writes so many in one, and a busy machine cuts one that takes long.
        for first, last in ((0, 500), (500, 1_001)):
            some = (submission(f"r{n}", deployment=GREEN, conversation="c") for n in range(first, last))
            await world.write(*some)
        outcome = await world.submit("late", conversation="c")
        assert isinstance(outcome, Refused)
        assert outcome.code == "limit"

    async def test_a_submission_too_many_generations_deep_is_refused(self, world: World) -> None:
        assert isinstance(await world.submit("a", depth=20), Submitted)
        outcome = await world.submit("b", depth=21)
        assert isinstance(outcome, Refused)
        assert outcome.code == "limit"

    @pytest.mark.parametrize("text", ["", "§ ü 漢", "a'b\"c", "\x01"])
    async def test_any_text_comes_back_as_it_was(self, world: World, text: str) -> None:
        await world.submit("a", tenant=text, principal=text, conversation=text)
        run = await world.run("a")
        assert (run.tenant, run.principal, run.conversation) == (text, text, text)

    async def test_a_text_that_a_store_cannot_hold_is_refused_and_changes_nothing(self, world: World) -> None:
        try:
            await world.submit("a", tenant="\x00")
        except BadInput:
            assert await world.store.get(RunId("a")) is None
        else:
            assert (await world.run("a")).tenant == "\x00"
