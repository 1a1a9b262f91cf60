"""A journal folded: for each key what became of it, whatever order the events came in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from watership.durable.events import (
    AnswerRefused,
    AnyEvent,
    ChildStarted,
    Drifted,
    Enough,
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
    Won,
)
from watership.durable.ids import Key, SignalId
from watership.durable.keys import Sequences


@dataclass(slots=True)
class StepRecord:
    """What the journal says of one step; its last word counts."""

    name: str
    identity: str
    attempt: int
    last: StepStarted | StepDone | StepFailed | StepRetried | StepAnswered
    position: int

    @property
    def in_doubt(self) -> bool:
        return isinstance(self.last, StepStarted)


@dataclass(slots=True)
class TimerRecord:
    due: datetime
    fired: bool = False


class Journal:
    """The events of one run, by key. `apply` adds what was committed since."""

    def __init__(self, events: Iterable[AnyEvent] = ()) -> None:
        self.steps: dict[Key, StepRecord] = {}
        self.timers: dict[Key, TimerRecord] = {}
        self.signals: dict[Key, SignalTaken] = {}
        self.taken: set[SignalId] = set()
        self.children: dict[Key, ChildStarted] = {}
        self.winners: dict[Key, int] = {}
        self.enough: dict[Key, tuple[int, ...]] = {}
        self.drifted: set[Key] = set()
        self.learned: frozenset[str] = frozenset()
        self.length = 0
        events = tuple(events)
        # A refusal was written by another than the program, so the program does not come by it.
        self.sequences = Sequences(
            event.key for event in events if event.key and not isinstance(event, AnswerRefused)
        )
        for event in events:
            self.apply(event)

    def apply(self, event: AnyEvent) -> None:
        self.length += 1
        match event:
            case StepStarted() | StepDone() | StepFailed() | StepRetried():
                self.steps[event.key] = StepRecord(
                    event.name, event.identity, event.attempt, event, self.length
                )
            case StepAnswered():
                record = self.steps[event.key]
                record.last, record.position = event, self.length
            case TimerSet():
                self.timers[event.key] = TimerRecord(event.due)
            case TimerFired():
                self.timers[event.key].fired = True
            case SignalTaken():
                self.signals[event.key] = event
                self.taken.add(event.signal_id)
            case ChildStarted():
                self.children[event.key] = event
            case Learned():
                self.learned |= frozenset(event.words)
            case Won():
                self.winners[event.key] = event.winner
            case Enough():
                self.enough[event.key] = event.ended
            case Drifted():
                self.drifted.add(event.key)
            case AnswerRefused() | Restarted() | Forked() | Finished():
                pass
            case _:
                assert_never(event)
