"""Branches: gather, race and timeout. Each branch counts its own calls, so that their order does not matter."""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Coroutine, Iterable, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from watership.durable.admission import Call
from watership.durable.branch import BranchTask, here
from watership.durable.events import TimerSet, Won
from watership.durable.execution import Execution
from watership.durable.program import Unbranched
from watership.durable.run import Waiting
from watership.errors import ProgramError

T = TypeVar("T")

BRANCHES = 10_000
"""Branches of one gather or race. More belong in child runs, which have journals of their own."""

TIMED_OUT = -1
"""The winner's number when time won."""


async def gather(*coroutines: Coroutine[Any, Any, T], limit: int | None = None) -> list[T]:
    """The results of all coroutines, each run in a branch of its own, `limit` at a time.

    All branches come to their end; then, if some raised, the error of the first of them in order is raised.
    """
    execution = here("gather").execution
    try:
        _bounded(coroutines, limit)
        call = await _admit(execution, "gather", leaf=False)
        await _none_missing(execution, call, execution.journal.sequences.branches(call.key), len(coroutines))
    except BaseException:
        _close(coroutines)
        raise
    ended = await _Branches(execution, call, enumerate(coroutines), limit or BRANCHES).all_ended()
    for each in ended:
        if each.error is not None:
            raise each.error
    return [each.value for each in ended]


async def race(*coroutines: Coroutine[Any, Any, T]) -> T:
    """The result (or the error) of the coroutine that ends first; the journal keeps which, the others are dropped."""
    execution = here("race").execution
    try:
        _bounded(coroutines)
        if not coroutines:
            raise ProgramError("race() needs at least one coroutine: nobody can win a race of none.")
        call = await _admit(execution, "race")
        winner = execution.journal.winners.get(call.key)
        # Losers are not begun again, so they may be left out.
        needed = execution.journal.sequences.branches(call.key) if winner is None else (winner,)
        await _none_missing(execution, call, needed, len(coroutines))
    except BaseException:
        _close(coroutines)
        raise
    if winner is not None:
        return await _only(execution, call, coroutines, winner)
    branches = _Branches(execution, call, enumerate(coroutines), BRANCHES)
    first = await branches.first_ended()
    await execution.appender.append(Won(key=call.key, winner=first))
    await branches.drop_others(first)
    result: T = branches.outcome(first)
    return result


async def timeout(seconds: float, coroutine: Coroutine[Any, Any, T]) -> T:
    """The coroutine's result if it ends within `seconds`; TimeoutError if time wins. The journal keeps which."""
    execution = here("timeout").execution
    try:
        call = await _admit(execution, "timeout")
        winner = execution.journal.winners.get(call.key)
        if winner is None and call.key not in execution.journal.timers:
            await execution.admission.may_go_on()
            due = execution.clock.now() + timedelta(seconds=seconds)
            await execution.appender.append(TimerSet(key=call.key, due=due))
    except BaseException:
        coroutine.close()
        raise
    if winner is None:
        branches = _Branches(execution, call, [(0, coroutine)], 1)
        winner = await branches.first_ended(
            Waiting(kind="timer", key=call.key, due=execution.journal.timers[call.key].due)
        )
        await execution.appender.append(Won(key=call.key, winner=winner))
        await branches.drop_others(winner)
        if winner != TIMED_OUT:
            result: T = branches.outcome(winner)
            return result
    elif winner != TIMED_OUT:
        return await _only(execution, call, (coroutine,), winner)
    coroutine.close()
    raise TimeoutError(f"{call.key} took longer than {seconds} s")


class _Branches:
    """The branches of one call, and how far they are."""

    def __init__(
        self,
        execution: Execution,
        call: Call,
        coroutines: Iterable[tuple[int, Coroutine[Any, Any, Any]]],
        limit: int,
    ) -> None:
        self._execution = execution
        self._call = call
        self._waiting = deque(coroutines)
        self._running: dict[int, BranchTask] = {}
        self._ended: dict[int, BranchTask] = {}
        self._want = len(self._waiting)
        for _ in range(min(limit, self._want)):
            self._open_next()

    def _open_next(self) -> None:
        index, work = self._waiting.popleft()
        opened = self._execution.branches.open(f"{self._call.key}/{index}", work)
        opened.on_end = lambda: self._on_end(index)
        self._running[index] = opened

    def _on_end(self, index: int) -> None:
        """Called before the branch stops counting as active, so that the run never seems to stand still."""
        opened = self._running.pop(index)
        if opened.branch.sealed:
            return
        self._ended[index] = opened
        if self._waiting:
            self._open_next()
        if len(self._ended) >= self._want:
            self._execution.waits.wake_key(self._call.key, index)

    async def all_ended(self) -> list[BranchTask]:
        """All branches, in order, each with its value or its error."""
        try:
            if self._want:
                await self._execution.waits.join(self._call.key)
        finally:
            _close([work for _, work in self._waiting])
        return [self._ended[index] for index in sorted(self._ended)]

    async def first_ended(self, until: Waiting | None = None) -> int:
        """The index of the branch that ended first; TIMED_OUT if `until` came before."""
        self._want = 1
        waits = self._execution.waits
        index: int | None = await (waits.join(self._call.key) if until is None else waits.wait(until))
        return TIMED_OUT if index is None else index

    async def drop_others(self, winner: int) -> None:
        losers = {index: each for index, each in (self._running | self._ended).items() if index != winner}
        await self._execution.drop([each.branch.path for each in losers.values()])

    def outcome(self, index: int) -> Any:
        ended = self._ended[index]
        if ended.error is not None:
            raise ended.error
        return ended.value


async def _only(
    execution: Execution, call: Call, coroutines: Sequence[Coroutine[Any, Any, T]], winner: int
) -> T:
    """Replay the branch that won; the others are not even begun."""
    _close([each for index, each in enumerate(coroutines) if index != winner])
    branches = _Branches(execution, call, [(winner, coroutines[winner])], 1)
    value: T = branches.outcome(await branches.first_ended())
    return value


async def _admit(execution: Execution, name: str, *, leaf: bool = True) -> Call:
    call = await execution.admission.admit(f"{name}()", name, "#", None, leaf=leaf)
    if not call.own:
        raise Unbranched(f"{name}()", call.branch.path)
    return call


async def _none_missing(execution: Execution, call: Call, recorded: Iterable[int], opened: int) -> None:
    """A recorded branch that is not opened any more would take a step in doubt with it: stop the run."""
    missing = min((index for index in recorded if index >= opened), default=None)
    if missing is not None:
        first = execution.journal.sequences.branches(call.key).get(missing, call.key)
        asked = f"{opened} branch{'' if opened == 1 else 'es'} of {call.key!r}"
        await execution.admission.diverge(first, f"branch {missing}", asked)


def _bounded(coroutines: Sequence[object], limit: int | None = None) -> None:
    if limit is not None and limit < 1:
        raise ProgramError(f"gather() cannot run {limit} branches at a time.", fix="Pass limit=1 or more.")
    if len(coroutines) > BRANCHES:
        raise ProgramError(
            f"{len(coroutines):,} branches are asked for, {BRANCHES:,} is the limit.", fix="Start child runs."
        )
    if not all(inspect.iscoroutine(each) for each in coroutines):
        raise ProgramError(
            "gather() and race() take coroutines: call the async functions, do not await them."
        )


def _close(coroutines: Sequence[object]) -> None:
    """End coroutines that were never begun, so that Python does not warn of them."""
    for each in coroutines:
        if inspect.iscoroutine(each):
            each.close()
