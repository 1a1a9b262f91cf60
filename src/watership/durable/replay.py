"""A replay walks a run's journal with a program and does nothing: no body is entered, nothing is written.

It tells whether the program would go on from where the run stands, before it is let near the run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, Literal

import msgspec
from msgspec.structs import replace

from watership.durable.clock import Clock
from watership.durable.committer import Asker
from watership.durable.events import AnyEvent, Drifted, Enough, Failure, Finished, Won
from watership.durable.execution import Ending, Execution
from watership.durable.ids import Key, RunId, seeded_ids
from watership.durable.lease import Lease
from watership.durable.ports import Runs
from watership.durable.program import Program
from watership.durable.run import Waiting
from watership.durable.states import RunState
from watership.durable.writes import Append, ClaimedRun, Done, Finish, Outcome, Stop, Write

REPLAY_SECONDS: Final = 30.0
"""How long one replay may take: it does nothing but decode and decide, thousands of steps a second."""

PATIENCE_SECONDS: Final = 2.0
"""How long a foreign loop may be between two calls before what it did not ask for counts as left out."""

Verdict = Literal["fits", "drifts", "diverges", "stuck"]


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it. `drifted`: where what may change harmlessly has changed. `why`: in words, if it does not fit.
    `result`: of a program that came to its end."""

    run_id: RunId
    verdict: Verdict
    why: str = ""
    drifted: tuple[Key, ...] = ()
    result: msgspec.Raw | None = None
    failure: Failure | None = None


async def replay(claimed: ClaimedRun, program: Program, runs: Runs, clock: Clock) -> Replayed:
    """Walk `program` along a run's journal; the run may have ended. `runs` is there for form: nothing is asked."""
    walk = _Walk(claimed, program, runs, clock)
    walk.drain()  # begin nothing new: what is not in the journal is not done
    try:
        async with asyncio.timeout(REPLAY_SECONDS):
            await walk.run()
    except TimeoutError:
        why = f"The program did not stand still within {REPLAY_SECONDS:g} s: it waits for something that is no step."
        return Replayed(run_id=walk.run_id, verdict="stuck", why=why)
    return _judged(walk)


class _Walk(Execution):
    """An execution for which promptness is nothing: what its journal holds besides is waited for, since a foreign loop
    on a busy machine may be long between two calls."""

    def __init__(self, claimed: ClaimedRun, program: Program, runs: Runs, clock: Clock) -> None:
        self._recorded = claimed.events
        self.recorder = recorder = _Recorder()
        super().__init__(
            claimed,
            program,
            committer=recorder,  # type: ignore[arg-type]  # of a committer it has what an execution uses
            runs=runs,
            clock=clock,
            lease=Lease(clock, asked_at=clock.monotonic(), seconds=2 * REPLAY_SECONDS),
            confirm_lease=_confirmed,
            new_id=seeded_ids(0),
            observer=recorder,
        )
        self._stood: tuple[Waiting, ...] = ()
        self._asked_for_more = False
        """Whether it stood before a call that a replay does not make: what it waits for after that, nobody knows."""

    async def _move(self) -> Ending | None:
        self._stood, self._asked_for_more = self.waits.infos(), self.waits.halted > 0
        return await super()._move()

    def settle_seconds(self) -> float:
        return super().settle_seconds() if self.left_out() is None else PATIENCE_SECONDS

    def left_out(self) -> Key | None:
        """The first key of the journal that the program did not ask for, and was to: losers of a race are not run
        again. Nor are those that lost in the replay itself, where the journal ends just before it says who won."""
        asked, dropped = self.admission.used, _Dropped((*self._recorded, *self.recorder.events))
        return next(
            (
                event.key
                for event in self._recorded
                if event.key and event.key not in asked and event.key not in dropped
            ),
            None,
        )

    def not_awaited(self) -> Waiting | None:
        """The first signal, or child, that the run is parked on and the program does not wait for where it stands."""
        if self._asked_for_more or self.run_row.state not in (RunState.WAITING, RunState.IN_DOUBT):
            return None
        stood = {(wait.kind, wait.key, wait.name) for wait in self._stood}
        return next(
            (
                wait
                for wait in self.run_row.waits
                if wait.kind in ("signal", "child") and (wait.kind, wait.key, wait.name) not in stood
            ),
            None,
        )


class _Dropped:
    """The keys in branches that lost."""

    def __init__(self, events: Sequence[AnyEvent]) -> None:
        self._calls: list[tuple[str, tuple[str, ...]]] = []
        for event in events:
            match event:
                case Won(key=key, winner=winner):
                    self._calls.append((f"{key}/", (f"{key}/{winner}/",)))
                case Enough(key=key, ended=ended):
                    self._calls.append((f"{key}/", tuple(f"{key}/{index}/" for index in ended)))

    def __contains__(self, key: Key) -> bool:
        return any(key.startswith(call) and not key.startswith(kept) for call, kept in self._calls)


def _judged(walk: _Walk) -> Replayed:
    drifted = tuple(event.key for event in walk.recorder.events if isinstance(event, Drifted))
    told = Replayed(run_id=walk.run_id, verdict="drifts" if drifted else "fits", drifted=drifted)
    left_out = walk.left_out()
    match walk.recorder.then:
        case Stop(failure=failure):
            return replace(told, verdict="diverges", why=failure.message)
        case _ if left_out is not None:
            why = f"The journal holds {left_out!r}, and the program does not ask for it."
            return replace(told, verdict="diverges", why=why)
        case _ if (wait := walk.not_awaited()) is not None:
            why = f"The run waits at {wait.key!r} for {wait.name!r}, and the program does not."
            return replace(told, verdict="diverges", why=why)
        case Finish(result=result, failure=failure):
            return replace(told, result=result, failure=failure)
        case _:
            return told


def ended_alike(replayed: Replayed, events: Sequence[AnyEvent]) -> bool:
    """Whether a program that came to its end came to the one that the journal tells."""
    ends = [event for event in events if isinstance(event, Finished)]
    if not ends:
        return replayed.result is None
    return (replayed.result, replayed.failure) == (ends[-1].result, ends[-1].failure)


async def _confirmed(_: RunId) -> bool:
    return True


class _Recorder:
    """Takes every write, and makes none."""

    def __init__(self) -> None:
        self.events: list[AnyEvent] = []
        self.then: object = None

    def send(self, write: Write, asker: Asker) -> None:
        assert isinstance(write, Append)
        self.events += write.events
        self.then = write.then or self.then
        asyncio.get_running_loop().call_soon(_tell, asker, Done())

    def note(self, event: str, **facts: object) -> None:
        """What is logged of a run is not said of its replay."""


def _tell(asker: Asker, outcome: Outcome) -> None:
    if not asker.done():
        asker.set_result(outcome)
