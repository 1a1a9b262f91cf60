"""A step: recall its outcome from the journal, or perform it and record the outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Any, NoReturn, assert_never

import msgspec
from msgspec.structs import replace

from watership.durable.admission import Call
from watership.durable.branch import current_step
from watership.durable.codec import decode, encode, fingerprint
from watership.durable.counters import Charge, Cost, reservation, settlement
from watership.durable.effects import Effect
from watership.durable.events import (
    AnyEvent,
    Drifted,
    Failure,
    StepAnswered,
    StepDone,
    StepRetried,
    StepStarted,
)
from watership.durable.events import (
    StepFailed as StepFailedEvent,
)
from watership.durable.execution import Compensation, Execution
from watership.durable.ids import Key
from watership.durable.journal import StepRecord
from watership.durable.program import Check, Checked, Done, InDoubt, StepFailed, Uncertain, failure_of
from watership.durable.retry import ONCE, THRICE, RetryPolicy, delay, later_by
from watership.durable.run import Waiting
from watership.errors import ProgramError, Unencodable

DRIFT_HASH = 16

DOUBTFUL_ENTRIES = 3
"""Entries of one step that ended in doubt, and that its check or the policy would have entered again: what kills its
worker each time is no accident, and a person decides."""

FREE = Cost({}, lambda _: {})


class StepCall(msgspec.Struct, frozen=True, eq=False):
    """A step as the program asks for it."""

    name: str
    body: Callable[..., Awaitable[object]]
    args: tuple[object, ...]
    effect: Effect
    retry: RetryPolicy | None
    identity: object
    drift: object
    check: Check | None
    cost: Cost | None
    on_cancel: Callable[[Any], Awaitable[object]] | None
    into: Any
    topic: str = ""
    answered: Callable[[Any], object] | None = None

    @property
    def policy(self) -> RetryPolicy:
        """An unsafe step that raised may have acted, so it is entered again only where its author says so."""
        return self.retry or (ONCE if self.effect is Effect.UNSAFE else THRICE)

    @property
    def declared(self) -> object:
        """The arguments, or what stands for them where they do not encode."""
        return self.args if self.identity is None else self.identity

    def print(self, where: str) -> str:
        """The identity that a replay must find again: the name and the declared arguments."""
        return fingerprint([self.name, self.declared], where)

    def drift_print(self, where: str) -> str:
        return "" if self.drift is None else fingerprint(self.drift, where)[:DRIFT_HASH]


async def take_step(execution: Execution, call: Call, asked: StepCall) -> Any:
    """The step's value. Raises StepFailed when the last attempt raised, now or in the journal."""
    identity = asked.print(f"the arguments of step {call.key!r}")
    record = execution.journal.steps.get(call.key)
    if record is not None and record.identity != identity:
        recorded = (
            f"step {record.name!r} with other arguments"
            if record.name == asked.name
            else f"step {record.name!r}"
        )
        await execution.admission.diverge(call.key, recorded, f"step {asked.name!r}")
    while True:
        outcome = await _settle(execution, call, asked, record)
        if isinstance(outcome, Done):
            return outcome.value
        await _Attempt(execution, call.key, asked, identity, outcome.attempt, outcome.lost).make()
        record = execution.journal.steps.get(call.key)


class _Again(msgspec.Struct, frozen=True):
    """The step must be entered, for the `attempt`-th time. `lost`: what was reserved for one that nobody heard of."""

    attempt: int
    lost: tuple[Charge, ...] = ()


async def _settle(
    execution: Execution, call: Call, asked: StepCall, record: StepRecord | None
) -> Done | _Again:
    """What the journal's last word on the step means: a value, a failure (raised), or another attempt."""
    if record is None:
        return _Again(1)
    match record.last:
        case StepDone(value=value, drift=drift):
            await _note_drift(execution, call.key, asked, drift)
            return _value(execution, call.key, asked, record, value)
        case StepFailedEvent(failure=failure, attempt=attempt):
            raise StepFailed(call.key, failure, attempt)
        case StepRetried(due=due, attempt=attempt):
            if due > execution.clock.now():
                await execution.waits.wait(Waiting(kind="timer", key=call.key, name=asked.name, due=due))
            return _Again(attempt + 1)
        case StepAnswered(decision="done", value=value):
            try:
                return _value(execution, call.key, asked, record, value)
            except msgspec.ValidationError as error:
                # What somebody typed must not end a run whose effect has happened: they are asked again.
                await _ask(execution, call.key, asked, f"The answer was not taken: {error}.")
        case StepAnswered(decision="fail", by=by):
            failure = Failure(kind="DecidedFailed", message=f"{by} decided that the step in doubt failed.")
            raise StepFailed(call.key, failure, record.attempt)
        case StepAnswered():
            return _Again(record.attempt + 1)
        case StepStarted(attempt=attempt, reserved=lost) if asked.effect is not Effect.UNSAFE:
            return _Again(attempt, lost)
        case StepStarted():
            return await _resolve_doubt(execution, call, asked, record)
        case _:
            assert_never(record.last)


async def _resolve_doubt(
    execution: Execution, call: Call, asked: StepCall, record: StepRecord
) -> Done | _Again:
    """The step began and has no result: its check decides, or without one the program's policy, or else a person."""
    assert isinstance(record.last, StepStarted)
    if asked.check is None:
        by, checked = "policy", _policy(execution.in_doubt)
    else:
        by, checked = "check", await _check(execution, call.key, asked.check)
    if checked == "retry" and record.last.attempt >= DOUBTFUL_ENTRIES:
        checked = None
    if checked is None:
        execution.observer.note("step in doubt", run_id=execution.run_id, key=call.key)
        await _ask(execution, call.key, asked, record.last.arguments)
    if isinstance(checked, Done):
        value = encode(checked.value, f"the checked result of step {call.key!r}")
        answer = StepAnswered(key=call.key, decision="done", by=by, value=value)
    else:
        answer = StepAnswered(key=call.key, decision=checked, by=by)
    await execution.appender.know(answer)
    return await _settle(execution, call, asked, execution.journal.steps[call.key])


def _policy(policy: InDoubt) -> Checked | None:
    """What the program's policy says; None when a person decides."""
    match policy:
        case "ask":
            return None
        case "retry" | "fail":
            return policy
        case _:
            assert_never(policy)


async def _ask(execution: Execution, key: Key, asked: StepCall, about: object) -> NoReturn:
    """Park until a person decides. The answer comes as a journal event of the next execution."""
    shown = encode(about, f"what step {key!r} is about")
    await execution.waits.wait(Waiting(kind="answer", key=key, name=asked.name, about=shown))
    raise AssertionError("an answer ends the execution that waits for it")


async def _check(execution: Execution, key: Key, check: Check) -> Checked | None:
    """What the step's check says; None when it raised, so that a person decides."""
    await execution.appender.settle()
    await execution.admission.may_go_on()
    token = current_step.set(key)
    try:
        return await check()
    except Exception as error:  # noqa: BLE001 - a check may raise anything; it has then decided nothing
        execution.observer.note("check failed", run_id=execution.run_id, key=key, reason=repr(error))
        return None
    finally:
        current_step.reset(token)


class _Attempt(msgspec.Struct, frozen=True, eq=False):
    """One entry into a step's body."""

    execution: Execution
    key: Key
    asked: StepCall
    identity: str
    number: int
    lost: tuple[Charge, ...]

    async def make(self) -> None:
        """Enter the body once and let the program know what came of it."""
        if self.asked.effect is not Effect.UNSAFE:
            await self.execution.appender.settle()
            await self.execution.admission.may_go_on()
            await (self._enter() if self.asked.cost is None else self._start_and_enter())
            return
        await self.execution.admission.may_go_on()
        # A task of its own: it is not left half done when its branch is dropped.
        body = asyncio.get_running_loop().create_task(
            self._start_and_enter(), name=f"{self.execution.run_id} {self.key}"
        )
        self.execution.keep(body)
        try:
            await asyncio.shield(body)
        except asyncio.CancelledError:
            self.execution.outlives(body)
            raise

    async def _start_and_enter(self) -> None:
        cost = self.asked.cost or FREE
        most, now = cost.most, self.execution.clock.now()
        reserved = reservation(self.execution.caps + cost.caps, most, now)
        started = StepStarted(
            key=self.key,
            name=self.asked.name,
            identity=self.identity,
            attempt=self.number,
            arguments=self._shown(),
            most=dict(most),
            reserved=reserved,
        )
        over = await self._charge(started, settlement(self.lost, None) + reserved)
        if over is not None:
            failure = replace(over, kind="OverCap")
            await self._charge(self._failed(failure), settlement(self.lost, None))
            return
        # The commit may have taken long: look at the lease again in the last instant before the effect.
        await self.execution.admission.still_ours()
        await self._enter(reserved)

    def _shown(self) -> msgspec.Raw:
        """The arguments, where a person may have to decide about them."""
        if self.asked.effect is not Effect.UNSAFE:
            return msgspec.Raw(b"null")
        return encode(self.asked.declared, f"the arguments of step {self.key!r}")

    async def _charge(self, event: AnyEvent, charges: tuple[Charge, ...]) -> Failure | None:
        """Commit the event with its charges; why not, if a cap forbids it."""
        if charges:
            return await self.execution.appender.charge(event, charges)
        await self.execution.appender.append(event)
        return None

    async def _enter(self, reserved: tuple[Charge, ...] = ()) -> None:
        where = f"the result of step {self.key!r}"
        token = current_step.set(self.key)
        outcome: StepDone | StepFailedEvent | StepRetried
        try:
            value = await self.asked.body(*self.asked.args)
            outcome = StepDone(
                key=self.key,
                name=self.asked.name,
                identity=self.identity,
                value=encode(value, where),
                attempt=self.number,
                drift=self.asked.drift_print(where),
                used={} if self.asked.cost is None else dict(self.asked.cost.used(value)),
                topic=self.asked.topic,
            )
        except Exception as error:  # noqa: BLE001 - a body may raise anything; the journal keeps what it was
            if isinstance(error, Uncertain) and self.asked.effect is Effect.UNSAFE:
                # Its start stands in the journal without a result, as after a crash: it is in doubt.
                self.execution.observer.note(
                    "step uncertain", run_id=self.execution.run_id, key=self.key, reason=error.message
                )
                return
            outcome = self._after(error)
        finally:
            current_step.reset(token)
        if reserved:
            await self._charge(outcome, settlement(reserved, outcome.used))
        else:
            await self.execution.appender.know(outcome)

    def _after(self, error: Exception) -> StepFailedEvent | StepRetried:
        failure = failure_of(error)
        self.execution.observer.note(
            "step raised", run_id=self.execution.run_id, key=self.key, attempt=self.number, error=error
        )
        seed = f"{self.execution.run_id}/{self.key}"
        seconds = delay(self.asked.policy, self.number, seed, later=later_by(error))
        hopeless = isinstance(error, ProgramError | Unencodable) or failure.kind in self.asked.policy.never
        if seconds is None or hopeless:
            return self._failed(failure, self._used_in_vain(error))
        return StepRetried(
            key=self.key,
            name=self.asked.name,
            identity=self.identity,
            failure=failure,
            attempt=self.number,
            due=self.execution.clock.now() + timedelta(seconds=seconds),
            used=self._used_in_vain(error),
        )

    def _failed(self, failure: Failure, used: dict[str, int] | None = None) -> StepFailedEvent:
        return StepFailedEvent(
            key=self.key,
            name=self.asked.name,
            identity=self.identity,
            failure=failure,
            attempt=self.number,
            used=used or {},
        )

    def _used_in_vain(self, error: Exception) -> dict[str, int]:
        """What an attempt that raised used up: as much as it might have, where nothing tells."""
        cost = self.asked.cost
        if cost is None:
            return {}
        used = cost.failed(error)
        return dict(cost.most if used is None else used)


async def _note_drift(execution: Execution, key: Key, asked: StepCall, before: str) -> None:
    """What may change harmlessly has changed: an event for the replay gate, once, and never a failure."""
    after = asked.drift_print(f"the drift of step {key!r}")
    if before and after and before != after and key not in execution.journal.drifted:
        await execution.appender.know(Drifted(key=key, before=before, after=after))


def _value(execution: Execution, key: Key, asked: StepCall, record: StepRecord, raw: msgspec.Raw) -> Done:
    value: object = decode(raw, asked.into)
    if asked.answered is not None and isinstance(record.last, StepAnswered):
        value = asked.answered(value)
    origin = execution.run_row.origin
    # What another run did before this one was forked from it is not this one's to undo.
    own = origin is None or record.position > origin.entries
    if asked.on_cancel is not None and own:
        execution.compensations[key] = Compensation(
            record.position, partial(take_undo, execution, key, asked.on_cancel, value)
        )
    return Done(value)


async def take_undo(
    execution: Execution, undone: Key, undo: Callable[[Any], Awaitable[object]], value: object
) -> None:
    """Compensate a step, as an idempotent step of its own."""
    call = await execution.admission.admit("on_cancel", "on_cancel", "/", undone)
    asked = StepCall(
        name="on_cancel",
        body=undo,
        args=(value,),
        effect=Effect.IDEMPOTENT,
        retry=None,
        identity=undone,
        drift=None,
        check=None,
        cost=None,
        on_cancel=None,
        into=Any,
    )
    with execution.admission.active(call):
        await take_step(execution, call, asked)
