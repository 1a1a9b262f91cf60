"""Branches: gather, gather_until, race, timeout. Each branch counts its own calls, so that their order is free."""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Callable, Container, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from watership.durable.admission import Call
from watership.durable.branch import BranchTask, here
from watership.durable.events import Enough, TimerSet, Won
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
    """The result (or the error) of the coroutine that ends first; the journal keeps which, the others are dropped.

    The children that those started are asked to end.
    """
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
    await execution.appender.append(
        Won(key=call.key, winner=first), dropped=await branches.drop_others({first})
    )
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
        await execution.appender.append(
            Won(key=call.key, winner=winner), dropped=await branches.drop_others({winner})
        )
        if winner != TIMED_OUT:
            result: T = branches.outcome(winner)
            return result
    elif winner != TIMED_OUT:
        return await _only(execution, call, (coroutine,), winner)
    coroutine.close()
    raise TimeoutError(f"{call.key} took longer than {seconds} s")


@dataclass(frozen=True, slots=True)
class Returned:
    """The branch numbered `index` came to its end with `value`."""

    index: int
    value: Any


@dataclass(frozen=True, slots=True)
class Raised:
    """The branch numbered `index` raised `error`."""

    index: int
    error: Exception


Ended = Returned | Raised


async def gather_until(
    enough: Callable[[Sequence[Ended]], bool],
    *coroutines: Coroutine[Any, Any, Any],
    limit: int | None = None,
) -> list[Ended]:
    """What became of the coroutines, in the order in which they ended, until that is `enough`; the others are dropped,
    and the children that these started are asked to end.

    `enough` is asked after each end, about all so far: a pure function. The journal keeps which ended, and in which
    order. Without it ever saying so, all come to their end. An error is an outcome, and is not raised.
    """
    execution = here("gather_until").execution
    try:
        _bounded(coroutines, limit)
        call = await _admit(execution, "gather_until")
        recorded = execution.journal.enough.get(call.key)
        needed = execution.journal.sequences.branches(call.key) if recorded is None else recorded
        await _none_missing(execution, call, needed, len(coroutines))
    except BaseException:
        _close(coroutines)
        raise
    if recorded is not None:
        return await _these(execution, call, coroutines, recorded)
    branches = _Branches(execution, call, enumerate(coroutines), limit or BRANCHES)
    try:
        known = await branches.enough(enough)
    except Exception:  # of `enough` itself
        await branches.drop_others(())
        raise
    ended = tuple(each.index for each in known)
    dropped = await branches.drop_others(ended)
    await execution.appender.append(Enough(key=call.key, ended=ended), dropped=dropped)
    return known


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
        self._order: list[int] = []
        self._asks = False
        self._learned = call.branch.learned
        self._want = self._total = len(self._waiting)
        for _ in range(min(limit, self._want)):
            self._open_next()

    def _open_next(self) -> None:
        index, work = self._waiting.popleft()
        opened = self._execution.branches.open(f"{self._call.key}/{index}", work, self._learned)
        opened.on_end = lambda: self._on_end(index)
        self._running[index] = opened

    def _on_end(self, index: int) -> None:
        """Called before the branch stops counting as active, so that the run never seems to stand still."""
        opened = self._running.pop(index)
        if opened.branch.sealed:
            return
        self._ended[index] = opened
        self._order.append(index)
        if self._waiting and not self._asks:
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
        return [self._learn_of(index) for index in sorted(self._ended)]

    async def first_ended(self, until: Waiting | None = None) -> int:
        """The index of the branch that ended first; TIMED_OUT if `until` came before."""
        self._want = 1
        waits = self._execution.waits
        index: int | None = await (waits.join(self._call.key) if until is None else waits.wait(until))
        return TIMED_OUT if index is None else index

    async def enough(self, enough: Callable[[Sequence[Ended]], bool]) -> list[Ended]:
        """The outcomes in the order in which the branches ended, until they are `enough` or all."""
        known: list[Ended] = []
        self._asks = True  # before another is opened, which may be one too many
        try:
            while not (known and enough(known)) and len(known) < self._total:
                if known and self._waiting:
                    self._open_next()
                if len(self._order) == len(known):
                    self._want = len(known) + 1
                    await self._execution.waits.join(self._call.key)
                known.append(self.ended(self._order[len(known)]))
        finally:
            _close([work for _, work in self._waiting])
            self._waiting.clear()
        return known

    async def drop_others(self, kept: Container[int]) -> tuple[str, ...]:
        """Drop all but `kept`. Where they were: their children are to end with them.

        Before the decision is committed: what they began up to now is in the store before it, and they begin no more.
        """
        losers = [each for index, each in (self._running | self._ended).items() if index not in kept]
        paths = tuple(each.branch.path for each in losers)
        await self._execution.drop(paths)
        return paths

    def ended(self, index: int) -> Ended:
        branch = self._learn_of(index)
        return Returned(index, branch.value) if branch.error is None else Raised(index, branch.error)

    def outcome(self, index: int) -> Any:
        ended = self._learn_of(index)
        if ended.error is not None:
            raise ended.error
        return ended.value

    def _learn_of(self, index: int) -> BranchTask:
        """A branch whose outcome is taken, with what it learned; what losers learned goes with them."""
        ended = self._ended[index]
        self._call.branch.learned |= ended.branch.learned
        return ended


async def _only(
    execution: Execution, call: Call, coroutines: Sequence[Coroutine[Any, Any, T]], winner: int
) -> T:
    """Replay the branch that won; the others are not even begun."""
    _close([each for index, each in enumerate(coroutines) if index != winner])
    branches = _Branches(execution, call, [(winner, coroutines[winner])], 1)
    value: T = branches.outcome(await branches.first_ended())
    return value


async def _these(
    execution: Execution, call: Call, coroutines: Sequence[Coroutine[Any, Any, Any]], recorded: Sequence[int]
) -> list[Ended]:
    """Replay the branches that were enough; the others are not even begun."""
    wanted = frozenset(recorded)
    _close([each for index, each in enumerate(coroutines) if index not in wanted])
    branches = _Branches(execution, call, [(index, coroutines[index]) for index in recorded], BRANCHES)
    await branches.all_ended()
    return [branches.ended(index) for index in recorded]


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
