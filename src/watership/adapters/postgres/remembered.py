"""Rows that this process wrote last are remembered: while their revision is the same, they need not be read again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from watership.durable.ids import RunId
from watership.durable.run import Run
from watership.durable.states import RunState

REMEMBERED = 20_000
"""Rows kept, about 1 KiB each: more than any process executes at a time."""

_NULL = msgspec.Raw(b"null")


class RememberedRun(NamedTuple):
    """A row at one revision, without its input."""

    run: Run
    serial: int
    revision: int


class Remembered:
    """The running runs that this process claimed or wrote to. Only hints: the revision is checked under the lock."""

    def __init__(self) -> None:
        self._rows: OrderedDict[RunId, RememberedRun] = OrderedDict()

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

    def forget(self) -> None:
        """A connection was lost: another server may have taken over, where a revision means another row."""
        self._rows.clear()
