"""A program is a named async function; the rules it can break have errors of their own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from watership.durable.counters import Cap
from watership.durable.effects import Effect
from watership.durable.events import Failure
from watership.durable.ids import Key, RunId
from watership.durable.retry import RetryPolicy
from watership.durable.run import Run
from watership.durable.scrubbing import scrub
from watership.errors import ProgramError, WatershipError

InDoubt = Literal["ask", "retry", "fail"]
"""What becomes of an unsafe step without a check that began and has no result: a person is asked, unless it says
that entering it again does no harm ("retry"), or that nothing may follow on it ("fail")."""


@dataclass(frozen=True, slots=True)
class Program:
    """What a run executes. `call` decodes the run's input itself and returns a value that can be encoded."""

    name: str
    call: Callable[[msgspec.Raw], Awaitable[object]]
    caps: Callable[[Run], tuple[Cap, ...]] = lambda _: ()
    """What a run of it may use up, with its children: beside what it was started with."""
    in_doubt: InDoubt = "ask"
    within_seconds: float | None = None
    """How long a run of it may take, from when it was accepted."""


Programs = Mapping[str, Program]


@dataclass(frozen=True, slots=True)
class Done:
    """A `check=` function's word that the step in doubt had its effect; `value` becomes its result."""

    value: object


Checked = Done | Literal["retry", "fail"]
Check = Callable[[], Awaitable[Checked]]


@dataclass(frozen=True, slots=True)
class StepOptions:
    """What a function declares about itself as a step, kept in its attribute `__watership_step__`.

    What declares nothing is unsafe: never silently repeated.
    """

    effect: Effect = Effect.UNSAFE
    retry: RetryPolicy | None = None
    check: Check | None = None
    learned: frozenset[str] = frozenset()
    """What whoever takes its result knows by it; see `learn`."""


def options_of(body: object) -> StepOptions:
    """What `body` declares; the defaults where it declares nothing."""
    declared: Any = getattr(body, "__watership_step__", None)
    return declared if isinstance(declared, StepOptions) else StepOptions()


class Sealed(BaseException):
    """A kernel call from code that is being unwound after its run was parked or lost. Let it pass.

    Not an Exception, so that `except Exception` does not swallow it.
    """


class OutsideRun(ProgramError):
    """A kernel call where no run is."""

    code = "outside_run"

    def __init__(self, call: str) -> None:
        super().__init__(
            f"{call}() was called outside a run.",
            fix="Send a message to the agent instead: `watership run start`, or POST /api/v1/messages.",
        )


class Unbranched(ProgramError):
    """A kernel call from a task that is not its branch's own, so that its place cannot be told."""

    code = "unbranched"

    def __init__(self, call: str, branch: str) -> None:
        super().__init__(
            f"{call} was called from a task that is not the own one of branch {branch or 'root'!r}, "
            "so a replay could not tell which call it is.",
            fix="Use watership's gather() or race() instead of asyncio's, or pass key=.",
        )


class Nested(ProgramError):
    """A kernel call inside a step's body."""

    code = "nested"

    def __init__(self, call: str, step: Key) -> None:
        super().__init__(
            f"{call} was called inside the body of step {step!r}; a step is entered again as a whole.",
            fix="Call it from the program itself, before or after the step.",
        )


class KeyUsedTwice(ProgramError):
    """Two calls of one run claim the same key."""

    code = "key_used_twice"

    def __init__(self, key: Key) -> None:
        super().__init__(
            f"The key {key!r} is used by two calls of this run.", fix="Give each call its own key=."
        )


class Diverged(ProgramError):
    """The program asks for something else than the journal holds: its code changed under a running run."""

    code = "diverged"

    def __init__(self, key: Key, recorded: str, asked: str) -> None:
        super().__init__(
            f"At {key!r} the journal holds {recorded}, and the program asks for {asked}.",
            fix="Run it on the build that it began on, or cancel it.",
        )
        self.key = key


class StepFailed(ProgramError):
    """A step raised on its last attempt. The same on the first execution and on every replay."""

    code = "step_failed"

    def __init__(self, key: Key, failure: Failure, attempts: int) -> None:
        super().__init__(
            f"Step {key!r} failed after {attempts} attempt(s): {failure.kind}: {failure.message}"
        )
        self.key = key
        self.failure = failure
        self.attempts = attempts


class Uncertain(WatershipError):
    """Raised by a step's body that cannot know whether it had its effect: an answer was lost, a line was cut.

    An unsafe step is then in doubt, as one whose worker died. For others it is a failure like any other, since they
    may be entered again.
    """

    code = "uncertain"


class ChildFailed(ProgramError):
    """A child run ended otherwise than by success."""

    code = "child_failed"

    def __init__(self, child: RunId, state: str, failure: Failure | None) -> None:
        why = f": {failure.kind}: {failure.message}" if failure else ""
        super().__init__(f"Child run {child} ended {state}{why}")
        self.child = child
        self.failure = failure


def failure_of(error: BaseException) -> Failure:
    """What the journal keeps of an exception."""
    if isinstance(error, StepFailed):
        return error.failure
    return Failure(
        kind=type(error).__name__,
        message=scrub(str(error))[:FAILURE_TEXT],
        code=getattr(error, "code", "") if isinstance(error, ProgramError) else "",
    )


FAILURE_TEXT = 4_000
"""Characters of an exception's words that are kept: enough for a person, too few to flood a journal."""
