"""What this process knows of the database: hints, which the database confirms before anything rests on them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from watership.adapters.postgres.naming import Births
from watership.adapters.postgres.reckoning import Reckoning
from watership.durable.ids import RunId
from watership.durable.run import Run
from watership.durable.states import RunState
from watership.fleet.intake import IntakeState

REMEMBERED = 20_000
"""Rows kept, about 1 KiB each: more than any process executes at a time."""

_NULL = msgspec.Raw(b"null")


class RememberedRun(NamedTuple):
    """A row at one revision, without its input."""

    run: Run
    serial: int
    revision: int


class RememberedRuns:
    """The running runs that this process claimed or wrote to. While its revision is the same, a row is the
    same, but for the time of its last change, which the database writes."""

    def __init__(self) -> None:
        self._rows: OrderedDict[RunId, RememberedRun] = OrderedDict()

    def latest(self, run_id: RunId) -> RememberedRun | None:
        """As it was last seen, whatever it is now."""
        return self._rows.get(run_id)

    def get(self, run_id: RunId, revision: int) -> RememberedRun | None:
        known = self._rows.get(run_id)
        return known if known is not None and known.revision == revision else None

    def note(self, rows: Iterable[RememberedRun]) -> None:
        """After the commit. Runs that nobody executes are let go."""
        for row in rows:
            run = row.run
            if run.state is not RunState.RUNNING:
                self._rows.pop(run.id, None)
                continue
            self._rows[run.id] = row if run.input == _NULL else row._replace(run=replace(run, input=_NULL))
            if len(self._rows) > REMEMBERED:
                self._rows.popitem(last=False)

    def drop(self, runs: Iterable[RunId]) -> None:
        """These were not as they are remembered."""
        for run_id in runs:
            self._rows.pop(run_id, None)

    def forget(self) -> None:
        self._rows.clear()


@dataclass(slots=True)
class Memory:
    """What a process keeps between transactions."""

    births: Births = field(default_factory=Births)
    runs: RememberedRuns = field(default_factory=RememberedRuns)
    intake: IntakeState | None = None
    """The row as it was last read or written."""
    clock: Reckoning = field(default_factory=Reckoning)

    def forget(self) -> None:
        """A connection was lost: another server may have taken over, where a revision means another row."""
        self.runs.forget()
        self.intake = None
        self.clock.forget()
