"""A fork begins with what another run has done: its outcomes are recalled, and what was unfinished is begun anew."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

from msgspec.structs import replace

from watership.durable.events import (
    AnswerRefused,
    AnyEvent,
    ChildStarted,
    Drifted,
    Finished,
    Forked,
    Learned,
    Restarted,
    SignalTaken,
    StepAnswered,
    StepDone,
    StepFailed,
    StepRetried,
    StepStarted,
    TimerFired,
    TimerSet,
)
from watership.durable.execution import UNDO_PATH
from watership.durable.ids import Key, RunId
from watership.errors import BadInput

TOLD = AnswerRefused | Restarted | Drifted | Forked
"""What tells of a run and its workers, and nothing of what the program did."""

STEP = StepStarted | StepDone | StepFailed | StepRetried | StepAnswered


def place(events: Sequence[AnyEvent], at: int | str) -> int:
    """How many of a run's entries a fork begins with: the first `at`, or those before the step, or branch, of that key.

    Raises BadInput for a place that the journal does not have, or where the run was being undone already.
    """
    lived = len(list(takewhile(_lived, events)))
    if not lived:
        raise BadInput("The run has done nothing yet.", fix="Send its message again instead of forking it.")
    if isinstance(at, str):
        found = (number for number, event in enumerate(events[:lived]) if _below(event.key, at))
        first = next(found, None)
        if first is None:
            raise BadInput(
                f"The journal has no entry of {at!r}.", fix="Look at its keys: watership run watch RUN"
            )
        return first
    if not 0 <= at <= lived:
        raise BadInput(f"The run can be forked behind 0 to {lived} of its entries, not behind {at}.")
    return at


def prefix(run: RunId, events: Sequence[AnyEvent], at: int) -> tuple[AnyEvent, ...]:
    """The journal of a fork of `run` behind its first `at` entries."""
    # What came along with the input comes along with it again, wherever the fork begins.
    taken = [
        event
        for place, event in enumerate(events)
        if isinstance(event, Learned) or (place < at and not isinstance(event, TOLD))
    ]
    steps = {event.key: event for event in taken if isinstance(event, STEP)}
    waited = {event.key for event in taken if isinstance(event, SignalTaken | TimerFired)}
    settled = waited | {key for key, last in steps.items() if _is_outcome(last)}
    kept = (_free(event) for event in taken if _is_settled(event, settled))
    return (Forked(key=Key(""), run=run, at=at), *kept)


def _lived(event: AnyEvent) -> bool:
    """Whether the event is of the program itself: before the run's end, and before it was undone."""
    return not isinstance(event, Finished) and not _below(event.key, UNDO_PATH)


def _below(key: Key, place: str) -> bool:
    return key == place or key.startswith(f"{place}/")


def _is_outcome(last: STEP) -> bool:
    match last:
        case StepDone() | StepFailed():
            return True
        case StepAnswered(decision=decision):
            return decision != "retry"
        case _:
            return False


def _is_settled(event: AnyEvent, settled: set[Key]) -> bool:
    """Whether what the event belongs to has an outcome. The others are begun anew, as what the fork does itself."""
    return not isinstance(event, STEP | TimerSet | ChildStarted) or event.key in settled


def _free(event: AnyEvent) -> AnyEvent:
    """The event without what stands on counters: that was the other run's."""
    return replace(event, most={}, reserved=()) if isinstance(event, StepStarted) else event
