"""What a program may ask of the kernel: steps, waits, children, branches. Only inside a run."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, NoReturn, TypeVar, get_type_hints
from weakref import WeakKeyDictionary

import msgspec

from watership.durable.admission import Call
from watership.durable.branch import Branch, current_branch, current_step, here, words_of
from watership.durable.codec import decode, encode, fingerprint
from watership.durable.counters import Cost
from watership.durable.effects import Effect
from watership.durable.events import ChildStarted, SignalTaken, TimerFired, TimerSet
from watership.durable.execution import Execution
from watership.durable.ids import RunId, child_id
from watership.durable.keys import checked_topic, step_name
from watership.durable.program import Check, ChildFailed, OutsideRun, Unbranched, options_of
from watership.durable.retry import RetryPolicy
from watership.durable.run import ChildResult, Signal, Waiting, child_signal
from watership.durable.states import RunState
from watership.durable.stepping import StepCall, take_step
from watership.durable.writes import Submit
from watership.errors import BadInput

T = TypeVar("T")


async def step(
    body: Callable[..., Awaitable[T]],
    *args: object,
    name: str | None = None,
    key: str | None = None,
    effect: Effect | None = None,
    retry: RetryPolicy | None = None,
    identity: object = None,
    drift: object = None,
    check: Check | None = None,
    cost: Cost | None = None,
    on_cancel: Callable[[T], Awaitable[object]] | None = None,
    into: Any = None,
    topic: str = "",
    answered: Callable[[Any], object] | None = None,
) -> T:
    """The result of `body(*args)`, performed once: after its commit it is recalled and never entered again.

    The program may know the result a moment before that commit; no other body is entered, and nothing ends, before.
    `effect`, `retry` and `check` default to what `body` declares (see StepOptions). What declares no effect is
    unsafe: begun and without a result it is in doubt, and not silently entered again. The result comes back decoded
    from its journaled JSON, as `into` or as the body's return annotation says; `answered` makes one of the value that
    a check or a person gave in its place, where the two differ. `identity` stands for the arguments where these do
    not encode. `drift` is what may change harmlessly. `on_cancel` undoes the step when the run is cancelled. With a
    `cost`, what it may use up is reserved before it is entered: where that would exceed one of the run's caps it is
    not, and fails (code `over_cap`). With a `topic` (words with dots between) the result is told on the broker's events
    exchange, once it is committed. Raises StepFailed after the last attempt.
    """
    declared = options_of(body)
    asked = StepCall(
        name=step_name(name or str(getattr(body, "__name__", ""))),
        body=body,
        args=args,
        effect=effect or declared.effect,
        retry=retry or declared.retry,
        identity=identity,
        drift=drift,
        check=check or declared.check,
        cost=cost,
        on_cancel=on_cancel,
        into=into if into is not None else result_type(body),
        topic=checked_topic(topic),
        answered=answered,
    )
    execution = here("step").execution
    call = await execution.admission.admit(f"step {asked.name!r}", asked.name, "/", key)
    call.branch.learned |= declared.learned
    with execution.admission.active(call):
        value: T = await take_step(execution, call, asked)
        return value


async def announce(topic: str, value: object) -> None:
    """Tell `value` under `topic`, as a step with a topic would: once, however often the run is begun again."""

    async def announce() -> object:
        return value

    await step(announce, effect=Effect.PURE, topic=topic, into=Any)


async def sleep(seconds: float) -> None:
    """Wait, parked, `seconds` from the first time this call is reached."""
    await _sleep(None, seconds)


async def sleep_until(when: datetime) -> None:
    """Wait, parked, until `when` (timezone-aware)."""
    if when.tzinfo is None:
        raise BadInput(
            f"sleep_until() needs a time with a zone, got {when.isoformat()}.", fix="Add tzinfo=UTC."
        )
    await _sleep(when, 0.0)


async def _sleep(when: datetime | None, seconds: float) -> None:
    execution = here("sleep").execution
    call = await execution.admission.admit("sleep()", "sleep", "/", None)
    record = execution.journal.timers.get(call.key)
    if record is None:
        await execution.admission.may_go_on()
        due = when or execution.clock.now() + timedelta(seconds=seconds)
        await execution.appender.append(TimerSet(key=call.key, due=due))
        record = execution.journal.timers[call.key]
    if not record.fired:
        await execution.waits.wait(Waiting(kind="timer", key=call.key, due=record.due))
        await execution.appender.know(TimerFired(key=call.key))


async def signal(
    name: str,
    *,
    key: str | None = None,
    about: object = None,
    into: Any = Any,
    within: float | None = None,
) -> Any:
    """The value of the next signal of this name, in the order of arrival; `about` is shown to people meanwhile.

    Raises TimeoutError if none came `within` so many seconds of the first time this call is reached. One that is
    there when the run comes to look goes before a time that has passed.
    """
    execution = here("signal").execution
    call = await execution.admission.admit(f"signal {name!r}", step_name(name), "/", key)
    with execution.admission.active(call):
        shown = encode(about, f"what signal {name!r} is about")
        due = None if within is None else await _deadline(execution, call, within)
        waiting = Waiting(kind="signal", key=call.key, name=name, due=due, about=shown)
        taken = await _take(execution, call, name, waiting)
        if taken is None:
            raise TimeoutError(f"no signal {name!r} came within {within} s")
        return decode(taken, into)


async def _deadline(execution: Execution, call: Call, seconds: float) -> datetime:
    """When the wait of this call ends, as it was when the call was first reached."""
    record = execution.journal.timers.get(call.key)
    if record is None:
        await execution.admission.may_go_on()
        due = execution.clock.now() + timedelta(seconds=seconds)
        await execution.appender.append(TimerSet(key=call.key, due=due))
        record = execution.journal.timers[call.key]
    return record.due


async def _take(execution: Execution, call: Call, name: str, info: Waiting) -> msgspec.Raw | None:
    """The signal that this call consumed or now consumes; None when its time passed before."""
    recorded = execution.journal.signals.get(call.key)
    if recorded is not None:
        if recorded.name != name:
            await execution.admission.diverge(call.key, f"signal {recorded.name!r}", f"signal {name!r}")
        return recorded.value
    timer = execution.journal.timers.get(call.key)
    if timer is not None and timer.fired:
        return None
    there: Signal | None = execution.inbox.take(name, call.key)
    if there is None:
        there = await execution.waits.wait(info, execution.inbox.give_back)
    if there is None:
        await execution.appender.know(TimerFired(key=call.key))
        return None
    taken = SignalTaken(key=call.key, name=name, signal_id=there.id, number=there.number, value=there.value)
    await execution.appender.know(taken)
    return there.value


async def child(
    program: str, input: object = None, *, key: str | None = None, into: Any = Any, pool: str | None = None
) -> Any:
    """Start a run of `program` as a child, and wait for its result. Raises ChildFailed if it does not succeed.

    It runs in `pool`, or else in that of its parent.
    """
    execution = here("child").execution
    call = await execution.admission.admit(f"child {program!r}", step_name(program), "/", key)
    with execution.admission.active(call):
        given = encode(input, f"the input of child {program!r}")
        identity = fingerprint([program, input], f"the input of child {program!r}")
        await _start_child(execution, call, program, given, identity=identity, pool=pool)
        run_id = execution.journal.children[call.key].child
        name = child_signal(run_id)
        raw = await _take(execution, call, name, Waiting(kind="child", key=call.key, name=name))
        assert raw is not None, "a child's end has no deadline"
        result: ChildResult = decode(raw, ChildResult)
        call.branch.learned |= frozenset(result.learned)
        if result.state is not RunState.SUCCEEDED:
            raise ChildFailed(run_id, result.state, result.failure)
        return decode(result.result, into)


async def _start_child(
    execution: Execution, call: Call, program: str, given: msgspec.Raw, *, identity: str, pool: str | None
) -> None:
    started = execution.journal.children.get(call.key)
    if started is not None:
        if started.identity != identity:
            await execution.admission.diverge(call.key, f"child {started.program!r}", f"child {program!r}")
        return
    await execution.admission.may_go_on()
    row, known = execution.run_row, execution.programs.get(program)
    run_id = child_id(row.id, call.key)
    submit = Submit(
        run_id=run_id,
        program=program,
        input=given,
        tenant=row.tenant,
        principal=row.principal,
        deployment=row.deployment,
        pool=pool or row.pool,
        priority=row.priority,
        parent=row.id,
        parent_key=call.key,
        depth=row.depth + 1,
        caps=execution.caps,
        learned=words_of(call.branch),
        within_seconds=known.within_seconds if known is not None else None,
    )
    event = ChildStarted(key=call.key, child=run_id, program=program, identity=identity)
    await execution.appender.append(event, children=(submit,))


async def carry_on(state: object) -> NoReturn:
    """End this run and start its successor with `state` as input, on the deployment that is live now.

    The successor takes this run's place in its conversation and towards its parent. Bounds the journals of
    agents that live for weeks.
    """
    branch = here("carry_on")
    execution = branch.execution
    call = await execution.admission.admit("carry_on()", "carry_on", "/", None)
    if branch.path:
        raise Unbranched("carry_on()", branch.path)
    await execution.admission.may_go_on()
    row = execution.run_row
    successor = Submit(
        run_id=child_id(row.id, call.key),
        program=row.program,
        input=encode(state, "the state given to carry_on()"),
        tenant=row.tenant,
        principal=row.principal,
        pool=row.pool,
        priority=row.priority,
        conversation=row.conversation,
        parent=row.parent,
        parent_key=row.parent_key,
        depth=row.depth,
        caps=execution.caps,
        learned=words_of(branch),
    )
    execution.carry_on(successor)
    await execution.waits.halt()


async def now() -> datetime:
    """The time, as it was when this call was first reached."""
    execution = here("now").execution

    async def now() -> datetime:
        return execution.clock.now()

    return await step(now, effect=Effect.PURE)


def idempotency_key() -> str:
    """Inside a step's body: a key that is the same for every attempt at this step, and for no other step."""
    branch, key = current_branch.get(), current_step.get()
    if branch is None or key is None:
        raise OutsideRun("idempotency_key")
    return f"{branch.execution.run_id}:{key}"


def learn(*words: str) -> frozenset[str]:
    """Have the caller's branch know `words` from now on, and what it knows altogether.

    What a branch knows goes along with its data: into the branches that it opens and the runs that it starts, and from
    those that it waits for. The kernel does not ask what the words mean. A replay learns it again.
    """
    branch = here("learn")
    branch.learned |= frozenset(words)
    return branch.learned


def current_run() -> RunId:
    """The id of the run that the caller is part of."""
    return here("current_run").execution.run_id


@asynccontextmanager
async def branch(key: str, *, learned: frozenset[str] | None = None) -> AsyncIterator[Branch]:
    """A branch of its own, named by `key`, for what the current task does inside the block.

    It knows what is `learned` by then: all that its opener knows, unless the foreign loop says what its call may know.
    For tools that wait or spawn while another loop (a model's) drives them: their calls need no keys then.
    """
    execution = here("branch").execution
    call = await execution.admission.admit("branch()", "branch", "#", key)
    outer = call.branch
    known = outer.learned if learned is None else learned
    inner = Branch(call.key, execution, task=asyncio.current_task(), learned=known)
    token = current_branch.set(inner)
    try:
        with execution.admission.active(call), execution.branches.sheltering(inner):
            yield inner
            await execution.admission.nothing_skipped(inner.path, "the branch's end")
    finally:
        outer.learned |= inner.learned
        current_branch.reset(token)


@asynccontextmanager
async def hosting() -> AsyncIterator[None]:
    """The current branch is driven by a foreign loop whose every wait is a keyed kernel call of another task.

    So the run can be parked while that loop waits. What the loop awaits besides must be short.
    """
    execution = here("hosting").execution
    execution.waits.host(+1)
    try:
        yield
    finally:
        execution.waits.host(-1)


def result_type(body: Callable[..., object]) -> Any:
    """What `body` is annotated to return, as far as it can be told; else anything."""
    try:
        known = _results.get(
            body, _UNKNOWN
        )  # most bodies are plain functions, and known since their first step
    except TypeError:
        known = _UNKNOWN
    if known is not _UNKNOWN:
        return known
    target = inspect.unwrap(body)
    while isinstance(target, functools.partial):
        target = target.func
    function = getattr(target, "__func__", target)
    try:
        known = _results.get(function, _UNKNOWN)
    except TypeError:  # a callable of a kind that cannot be referred to weakly
        return _annotated_result(function)
    if known is _UNKNOWN:
        known = _results[function] = _annotated_result(function)
    return known


_UNKNOWN = object()
_results: WeakKeyDictionary[Callable[..., object], Any] = WeakKeyDictionary()
"""Weak: a body is often a closure made for one run, and must not be kept, with all that it holds, after it."""


def _annotated_result(function: Callable[..., object]) -> Any:
    try:
        annotation = get_type_hints(function).get("return", Any)
    except (NameError, TypeError, AttributeError):
        return Any  # names that only a type checker knows
    return Any if isinstance(annotation, TypeVar) else annotation
