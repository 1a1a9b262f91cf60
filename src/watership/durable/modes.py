"""What an execution is about: to run, to hand over, to undo, to stop; every change wakes its loop."""

from __future__ import annotations

import asyncio
from enum import Enum

from watership.durable.events import Failure


class Mode(Enum):
    """What the execution is about once it stands still."""

    RUN = "run"  # park
    DRAIN = "drain"  # hand over
    CANCEL = "cancel"  # compensate, then end
    UNDO = "undo"  # compensations are running
    CARRY_ON = "carry on"  # end, with a successor
    STOP = "stop"  # a person must look
    LOST = "lost"  # somebody else owns the run now: touch nothing


class Course:
    """The mode of one execution, and why it stops. `changed` is set by every change."""

    def __init__(self, changed: asyncio.Event) -> None:
        self.mode = Mode.RUN
        self.failure: Failure | None = None
        self._changed = changed

    def become(self, mode: Mode) -> None:
        self.mode = mode
        self._changed.set()

    def lose(self) -> None:
        """The run has another owner: write nothing more."""
        self.become(Mode.LOST)

    def stop(self, failure: Failure) -> None:
        """A person must look; the first reason is told."""
        if self.mode is not Mode.LOST:
            self.failure = self.failure or failure
            self.become(Mode.STOP)
