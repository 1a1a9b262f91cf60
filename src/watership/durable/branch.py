"""A branch is one line of a program's execution, lived by a task of its own, counting its own calls."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from watership.durable.ids import Key
from watership.durable.program import OutsideRun, Sealed
from watership.errors import ProgramError

if TYPE_CHECKING:
    from watership.durable.execution import Execution

UNWIND_SECONDS = 5.0
"""How long dropped tasks may take to unwind before the execution leaves them behind."""


@dataclass(eq=False, slots=True)
class Branch:
    """One line of a program's execution. `path` is its place, '' for the root."""

    path: str
    execution: Execution
    task: asyncio.Task[Any] | None = None
    counts: dict[str, int] = field(default_factory=dict)
    sealed: bool = False
    learned: frozenset[str] = frozenset()
    """What this line knows, in words of the programs. It begins with what the one that opened it knew then, and who
    waits for it knows it too: so it is the same in every replay, whatever was at work at the same time."""

    def unit(self, name: str, separator: str) -> str:
        """The next unit of this name: `name/0`, then `name/1`; or `gather#0`."""
        number = self.counts.get(name, 0)
        self.counts[name] = number + 1
        return f"{name}{separator}{number}"


current_branch: ContextVar[Branch | None] = ContextVar("watership_branch", default=None)
current_step: ContextVar[Key | None] = ContextVar("watership_step", default=None)


def here(call: str) -> Branch:
    """The branch that the current task belongs to; OutsideRun if none."""
    branch = current_branch.get()
    if branch is None:
        raise OutsideRun(call)
    return branch


def words_of(branch: Branch) -> tuple[str, ...]:
    """What a branch has learned, in the one order that equal sets share."""
    return tuple(sorted(branch.learned))


class BranchTask:
    """A branch with the task that lives it; `value` or `error` once it ended by itself."""

    def __init__(self, branch: Branch, work: Awaitable[Any]) -> None:
        self.branch = branch
        self.task: asyncio.Task[None]
        self.value: Any = None
        self.error: Exception | None = None
        self.ended = False
        self.on_end: Callable[[], None] | None = None
        self._work = work

    async def live(self) -> None:
        try:
            self.value = await self._work
        except Sealed:
            return
        except Exception as error:  # noqa: BLE001 - a program may raise anything; it becomes the branch's outcome
            self.error = error
        end = "the branch's end" if self.error is None else f"its end by {type(self.error).__name__}"
        await self.branch.execution.admission.nothing_skipped(self.branch.path, end)
        self.ended = True

    def close(self) -> None:
        """The task is over. One that was cancelled before its first step never began its work."""
        if inspect.iscoroutine(self._work):
            self._work.close()
        if not self.ended and self.error is None and not self.branch.sealed:
            self.error = ProgramError(f"Branch {self.branch.path or 'root'!r} cancelled its own task.")


class Branches:
    """The branches of one execution. `count` is told of each that begins (+1) and ends (-1)."""

    def __init__(self, execution: Execution, count: Callable[[int], None]) -> None:
        self._execution = execution
        self._count = count
        self._open: dict[Branch, None] = {}  # ordered, as a set of objects is not

    def open(self, path: str, work: Awaitable[Any], learned: frozenset[str]) -> BranchTask:
        """Start a branch in a task of its own, which knows what its opener had `learned` before the call."""
        branch = Branch(path, self._execution, learned=learned)
        self._open[branch] = None
        self._count(+1)
        opened = BranchTask(branch, work)
        context = copy_context()
        context.run(current_branch.set, branch)
        context.run(current_step.set, None)
        opened.task = asyncio.get_running_loop().create_task(
            opened.live(), name=f"{self._execution.run_id} {path or 'root'}", context=context
        )
        branch.task = opened.task
        opened.task.add_done_callback(lambda _: self._ended(opened))
        return opened

    def _ended(self, opened: BranchTask) -> None:
        opened.close()
        self._open.pop(opened.branch, None)
        if opened.on_end is not None:
            opened.on_end()
        self._count(-1)

    @contextmanager
    def sheltering(self, branch: Branch) -> Iterator[None]:
        """Know of a branch that another loop's task lives, so that it is sealed with the others."""
        self._open[branch] = None
        try:
            yield
        finally:
            self._open.pop(branch, None)

    async def drop(self, paths: Sequence[str]) -> None:
        """Seal and end the branches at `paths` with all that is below them."""
        below = tuple(path + "/" for path in paths)
        await self._drop([b for b in self._open if b.path in paths or b.path.startswith(below)])

    async def drop_all(self) -> None:
        await self._drop(tuple(self._open))

    async def _drop(self, branches: Sequence[Branch]) -> None:
        tasks = [branch.task for branch in branches if branch.task is not None and not branch.task.done()]
        for branch in branches:
            branch.sealed = True
        for task in tasks:
            task.cancel()
        if tasks:
            _, left = await asyncio.wait(tasks, timeout=UNWIND_SECONDS)
            for task in left:
                self._execution.observer.note(
                    "task does not unwind", run_id=self._execution.run_id, task=task.get_name()
                )
