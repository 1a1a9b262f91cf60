"""Steps: recalled when their result is committed, retried when they raise, in doubt when nobody knows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from tests.durable.stage import calm_world, events, failure, live, play, program, pure, result
from watership.durable import Done, Effect, InDoubt, RetryPolicy, StepFailed, Uncertain, now, signal, step
from watership.durable.codec import PAYLOAD_LIMIT
from watership.durable.events import Drifted, Restarted, StepAnswered, StepDone, StepRetried, StepStarted
from watership.durable.ids import EntryId, Key, RunId
from watership.durable.states import RunState
from watership.durable.stepping import DOUBTFUL_ENTRIES
from watership.durable.writes import Answer
from watership.testing.simulation import World, decoded


@pure
async def double(number: int) -> int:
    return number * 2


def test_a_step_gives_its_result_decoded_from_its_journal() -> None:
    async def body() -> object:
        return [await step(double, 2), await step(double, 3)]

    run, journal = live(body)
    assert decoded(run) == [4, 6]
    assert [event.key for event in journal] == ["double/0", "double/1", ""]


def test_a_step_that_raises_is_tried_again_and_its_failure_is_the_same_on_replay() -> None:
    tried = []

    @pure
    async def breaks() -> None:
        tried.append(1)
        raise OSError("no disk")

    async def body() -> object:
        try:
            await step(breaks, retry=RetryPolicy(attempts=3))
        except StepFailed as error:
            return [error.failure.kind, error.attempts, await signal("go")]
        return None

    async def main() -> object:
        async with calm_world(program(body)) as world:
            run_id = await world.submit("p")
            await world.clock.sleep(60)
            await world.deliver(run_id, "go", "on")
            run = await world.end_of(run_id)
            assert sum(isinstance(e, StepRetried) for e in await events(world, run_id)) == 2
            return decoded(run)

    assert play(main) == ["OSError", 3, "on"]
    assert len(tried) == 3


def test_an_unsafe_step_that_raises_is_not_tried_again_unless_its_author_says_so() -> None:
    tried = []

    @pure
    async def breaks() -> None:
        tried.append(1)
        raise OSError("no disk")

    async def body() -> object:
        await step(breaks, effect=Effect.UNSAFE)
        return None

    run, _ = live(body)
    assert run.state is RunState.FAILED and failure(run) == "OSError" and len(tried) == 1


@pure
async def too_much() -> str:
    return "x" * (PAYLOAD_LIMIT + 1)


@pure
async def no_json() -> object:
    return object()


@pure
async def nests() -> object:
    return await step(double, 1)


@pytest.mark.parametrize(
    ("breaks", "kind"), [(too_much, "Unencodable"), (no_json, "Unencodable"), (nests, "Nested")]
)
def test_what_no_repetition_mends_is_not_repeated(breaks: Callable[[], Awaitable[object]], kind: str) -> None:
    async def body() -> object:
        return await step(breaks, retry=RetryPolicy(attempts=5))

    run, journal = live(body)
    assert failure(run) == kind
    assert not [event for event in journal if isinstance(event, StepRetried)]


def test_an_argument_that_does_not_encode_needs_an_identity() -> None:
    async def takes(thing: object) -> str:
        return "taken"

    async def body() -> object:
        refused = ""
        try:
            await step(takes, object())
        except Exception as error:  # noqa: BLE001
            refused = type(error).__name__
        return [refused, await step(takes, object(), identity="the thing")]

    assert result(body) == ["Unencodable", "taken"]


def test_a_program_that_returns_what_does_not_encode_fails() -> None:
    async def body() -> object:
        return object()

    run, _ = live(body)
    assert run.state is RunState.FAILED and failure(run) == "Unencodable"


def test_a_changed_prompt_drifts_and_does_not_diverge() -> None:
    prompts = iter(["monday", "tuesday", "wednesday"])

    async def body() -> object:
        return [await step(double, 4, drift=next(prompts)), await signal("go"), await signal("on")]

    async def main() -> object:
        async with calm_world(program(body)) as world:
            run_id = await world.submit("p")
            for name in ("go", "on"):
                await world.clock.sleep(10)
                await world.deliver(run_id, name)
            run = await world.end_of(run_id)
            assert sum(isinstance(e, Drifted) for e in await events(world, run_id)) == 1
            return decoded(run)

    assert play(main) == [8, None, None]


def test_now_is_the_time_at_which_it_was_first_asked() -> None:
    seen = []

    async def body() -> object:
        seen.append(await now())
        await signal("go")
        return None

    async def main() -> None:
        async with calm_world(program(body)) as world:
            run_id = await world.submit("p")
            await world.clock.sleep(100)
            await world.deliver(run_id, "go")
            await world.end_of(run_id)

    play(main)
    assert len(seen) == 2 and seen[0] == seen[1]


class Bank:
    """Pays, and its worker crashes before it can say so."""

    def __init__(self, crashes: int = 1) -> None:
        self.paid: list[int] = []
        self.world: World
        self.crashes = crashes

    async def pay(self, cents: int) -> str:
        self.paid.append(cents)
        if len(self.paid) <= self.crashes:
            for each in self.world.workers:
                self.world.crash(each)
            await asyncio.sleep(1)
        return f"paid {cents}"


def in_doubt(
    *,
    check: Any = None,
    answer: Answer | None = None,
    better: Answer | None = None,
    on_cancel: Any = None,
    effect: Effect | None = Effect.UNSAFE,
    policy: InDoubt = "ask",
    crashes: int = 1,
) -> tuple[Any, Bank, Any]:
    """A run whose payment is in doubt, to its end: its row, the bank, its journal."""
    bank = Bank(crashes)

    async def body() -> object:
        return await step(bank.pay, 5, effect=effect, check=check, on_cancel=on_cancel)

    async def main() -> Any:
        async with calm_world(replace(program(body), in_doubt=policy)) as world:
            bank.world = world
            world.answers_doubts = answer is None
            run_id = await world.submit("p")
            if answer is not None:
                run = await world.until(run_id, RunState.IN_DOUBT)
                assert [wait.kind for wait in run.waits] == ["answer"]
                assert bytes(run.waits[0].about) == b"[5]"
                await world.write(answer)
            if better is not None:
                asked = await world.until(run_id, RunState.IN_DOUBT)
                assert b"The answer was not taken" in bytes(asked.waits[0].about)
                await world.write(better)
            run = await world.end_of(run_id)
            assert world.oracle.violations == []
            # That another worker had to take it is not what is looked at here.
            journal = [event for event in await events(world, run_id) if not isinstance(event, Restarted)]
            return run, bank, journal

    return play(main)  # type: ignore[no-any-return]


def word(decision: Any, value: bytes = b"null") -> Answer:
    return Answer(
        entry_id=EntryId("word"),
        run_id=RunId("run"),
        key=Key("pay/0"),
        decision=decision,
        by="ada",
        value=msgspec.Raw(value),
    )


def test_a_person_may_say_that_a_step_in_doubt_was_done() -> None:
    run, bank, journal = in_doubt(answer=word("done", b'"paid after all"'))
    assert decoded(run) == "paid after all" and bank.paid == [5]
    assert [type(event) for event in journal[:2]] == [StepStarted, StepAnswered]


def test_an_answer_of_the_wrong_type_is_asked_for_again_and_ends_nothing() -> None:
    right = msgspec.structs.replace(word("done", b'"paid after all"'), entry_id=EntryId("a better word"))
    run, bank, journal = in_doubt(answer=word("done", b"42"), better=right)
    assert decoded(run) == "paid after all" and bank.paid == [5]
    assert [type(event) for event in journal[:3]] == [StepStarted, StepAnswered, StepAnswered]


def test_a_person_may_have_a_step_in_doubt_tried_again() -> None:
    run, bank, _ = in_doubt(answer=word("retry"))
    assert decoded(run) == "paid 5" and bank.paid == [5, 5]


def test_a_person_may_say_that_a_step_in_doubt_failed() -> None:
    run, bank, _ = in_doubt(answer=word("fail"))
    assert failure(run) == "DecidedFailed" and bank.paid == [5]


async def it_was_done() -> Done:
    return Done("paid, says the bank")


async def try_again() -> str:
    return "retry"


async def it_failed() -> str:
    return "fail"


def test_a_step_that_declares_nothing_is_never_silently_repeated() -> None:
    run, bank, journal = in_doubt(answer=word("fail"), effect=None)
    assert failure(run) == "DecidedFailed" and bank.paid == [5]
    assert [type(event) for event in journal[:2]] == [StepStarted, StepAnswered]


def test_a_check_may_say_that_a_step_in_doubt_was_done() -> None:
    run, bank, _ = in_doubt(check=it_was_done)
    assert decoded(run) == "paid, says the bank" and bank.paid == [5]


def test_a_check_may_have_a_step_in_doubt_tried_again() -> None:
    run, bank, _ = in_doubt(check=try_again)
    assert decoded(run) == "paid 5" and bank.paid == [5, 5]


def test_a_check_may_say_that_a_step_in_doubt_failed() -> None:
    run, bank, _ = in_doubt(check=it_failed)
    assert failure(run) == "DecidedFailed" and bank.paid == [5]


@pytest.mark.parametrize(("policy", "paid"), [("retry", [5, 5]), ("fail", [5])])
def test_a_policy_decides_about_a_step_in_doubt_that_has_no_check(policy: InDoubt, paid: list[int]) -> None:
    run, bank, journal = in_doubt(policy=policy)
    assert bank.paid == paid
    assert (failure(run) if policy == "fail" else decoded(run)) == (
        "DecidedFailed" if policy == "fail" else "paid 5"
    )
    answered = journal[1]
    assert isinstance(answered, StepAnswered) and (answered.decision, answered.by) == (policy, "policy")


def test_a_check_goes_before_the_policy() -> None:
    run, bank, _ = in_doubt(check=it_was_done, policy="fail")
    assert decoded(run) == "paid, says the bank" and bank.paid == [5]


def test_a_step_that_ends_in_doubt_each_time_is_a_persons_however_often_the_policy_would_enter_it() -> None:
    run, bank, journal = in_doubt(policy="retry", crashes=DOUBTFUL_ENTRIES, answer=word("fail"))
    assert failure(run) == "DecidedFailed" and bank.paid == [5] * DOUBTFUL_ENTRIES
    assert [each.by for each in journal if isinstance(each, StepAnswered)] == ["policy", "policy", "ada"]


def test_a_check_that_raises_leaves_the_decision_to_a_person() -> None:
    async def bank_is_closed() -> Done:
        raise OSError("closed")

    run, bank, _ = in_doubt(check=bank_is_closed, answer=word("done", b'"paid"'))
    assert decoded(run) == "paid" and bank.paid == [5]


class Line:
    """A line to the bank that is cut after each payment, the answer unheard."""

    def __init__(self, *, cuts: int = 1) -> None:
        self.paid: list[int] = []
        self.cuts = cuts

    async def pay(self, cents: int) -> str:
        self.paid.append(cents)
        if len(self.paid) <= self.cuts:
            raise Uncertain("The line was cut.")
        return f"paid {cents}"


def uncertain(
    line: Line,
    *,
    answer: Answer | None = None,
    effect: Effect = Effect.UNSAFE,
    policy: InDoubt = "ask",
    **facts: Any,
) -> tuple[Any, Any]:
    """A run whose payment does not know whether it was made, to its end: its row and its journal."""

    async def body() -> object:
        return await step(line.pay, 5, effect=effect, **facts)

    async def main() -> Any:
        async with calm_world(replace(program(body), in_doubt=policy)) as world:
            world.answers_doubts = False
            run_id = await world.submit("p")
            if answer is not None:
                run = await world.until(run_id, RunState.IN_DOUBT)
                assert bytes(run.waits[0].about) == b"[5]"
                await world.write(answer)
            return await world.end_of(run_id), await events(world, run_id)

    return play(main)  # type: ignore[no-any-return]


def test_an_unsafe_step_that_does_not_know_whether_it_acted_is_in_doubt_and_not_repeated() -> None:
    line = Line()
    retry = RetryPolicy(attempts=3, first=0.1)
    run, journal = uncertain(line, answer=word("done", b'"paid after all"'), retry=retry)
    assert decoded(run) == "paid after all" and line.paid == [5]
    assert [type(event) for event in journal[:2]] == [StepStarted, StepAnswered]


def test_a_check_decides_about_a_step_that_does_not_know_whether_it_acted() -> None:
    line = Line()
    run, _ = uncertain(line, check=it_was_done)
    assert decoded(run) == "paid, says the bank" and line.paid == [5]


@pytest.mark.parametrize(("policy", "paid"), [("retry", [5, 5]), ("fail", [5])])
def test_the_policy_decides_about_a_step_that_does_not_know(policy: InDoubt, paid: list[int]) -> None:
    line = Line()
    run, _ = uncertain(line, policy=policy)
    assert line.paid == paid
    assert (failure(run) if policy == "fail" else decoded(run)) == (
        "DecidedFailed" if policy == "fail" else "paid 5"
    )


@pytest.mark.parametrize("facts", [{"check": try_again}, {"policy": "retry"}])
def test_a_step_that_never_knows_comes_to_a_person_whoever_would_enter_it_again(facts: Any) -> None:
    line = Line(cuts=100)
    run, _ = uncertain(line, answer=word("fail"), **facts)
    assert failure(run) == "DecidedFailed" and line.paid == [5] * DOUBTFUL_ENTRIES


@pytest.mark.parametrize("effect", [Effect.PURE, Effect.IDEMPOTENT])
def test_a_repeatable_step_that_does_not_know_is_tried_again(effect: Effect) -> None:
    line = Line()
    run, journal = uncertain(line, effect=effect)
    assert decoded(run) == "paid 5" and line.paid == [5, 5]
    assert isinstance(journal[0], StepRetried)


def test_an_answer_is_given_to_the_program_in_the_form_of_the_steps_own_results() -> None:
    run, journal = uncertain(
        Line(), answer=word("done", b'"r-17"'), answered=lambda value: {"paid": value}, into=Any
    )
    assert decoded(run) == {"paid": "r-17"}
    assert bytes(journal[1].value) == b'"r-17"'


def test_a_check_makes_no_kernel_calls() -> None:
    async def asks_the_kernel() -> Done:
        return Done(await step(double, 1))

    run, _, journal = in_doubt(check=asks_the_kernel, answer=word("done", b'"paid"'))
    assert decoded(run) == "paid"
    assert "double/0" not in [event.key for event in journal if isinstance(event, StepDone)]
