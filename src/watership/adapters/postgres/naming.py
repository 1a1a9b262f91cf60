"""What a list of writes names, so that all of it is locked and read in a few statements before the ledger begins."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, assert_never

from watership.durable.ids import DeploymentId, RunId
from watership.durable.run import Run
from watership.durable.writes import (
    Answer,
    Append,
    Bury,
    Cancel,
    Claim,
    Deliver,
    Expire,
    Finish,
    HandOver,
    RefuseAnswer,
    Rehome,
    Renew,
    Retry,
    Submit,
    Write,
)

BIRTHS = 100_000
"""Runs whose birth is remembered, ~200 bytes each: more than are open at a time. A forgotten one costs a look-up."""


class Birth(NamedTuple):
    """What never changes of a run, and tells what its end will touch."""

    tenant: str
    conversation: str | None
    parent: RunId | None


class Births:
    """The births of the runs that this process submitted or claimed lately."""

    def __init__(self) -> None:
        self._births: OrderedDict[RunId, Birth] = OrderedDict()

    def get(self, run_id: RunId) -> Birth | None:
        return self._births.get(run_id)

    def note(self, run: Run) -> None:
        self._births[run.id] = Birth(run.tenant, run.conversation, run.parent)
        if len(self._births) > BIRTHS:
            self._births.popitem(last=False)


@dataclass(slots=True)
class Names:
    """Everything named, in the order in which it was."""

    runs: dict[RunId, None] = field(default_factory=dict)
    conversations: dict[tuple[str, str], None] = field(default_factory=dict)
    requests: dict[tuple[str, str], None] = field(default_factory=dict)
    submissions: list[RunId] = field(default_factory=list)
    told: dict[RunId, None] = field(default_factory=dict)
    """Runs that a broker told of."""
    scans: dict[tuple[DeploymentId, str], int] = field(default_factory=dict)
    """How many runs are wanted of each pool."""
    counters: dict[str, None] = field(default_factory=dict)
    intake: bool = False


def names(writes: Sequence[Write], births: Births) -> Names:
    """What these writes name. What cannot be known yet is loaded when the ledger asks for it."""
    found = Names()
    for write in writes:
        match write:
            case Append():
                _name_append(found, write, births)
            case Submit():
                _name_submit(found, write)
            case Claim():
                _name_claim(found, write)
            case Deliver() | RefuseAnswer() | Answer() | Retry() | HandOver():
                found.runs[write.run_id] = None
            case Cancel() | Expire():
                _name_end(found, write.run_id, births)
            case Renew():
                found.runs.update(dict.fromkeys(write.runs))
            case Bury() | Rehome():
                pass  # searched for under their locks
            case _:
                assert_never(write)
    return found


def _name_append(found: Names, write: Append, births: Births) -> None:
    found.runs[write.run_id] = None
    found.counters.update(dict.fromkeys(charge.name for charge in write.charges))
    if write.children:
        birth = births.get(write.run_id)
        for child in write.children:
            found.runs[child.run_id] = None
            if child.conversation is not None and birth is not None:
                found.conversations[birth.tenant, child.conversation] = None
    if isinstance(write.then, Finish):
        _name_end(found, write.run_id, births)
        if write.then.successor is not None:
            found.runs[write.then.successor.run_id] = None
            found.intake = True


def _name_end(found: Names, run_id: RunId, births: Births) -> None:
    """An end tells the parent and lets the next of the conversation begin."""
    found.runs[run_id] = None
    birth = births.get(run_id)
    if birth is None:
        return
    if birth.parent is not None:
        found.runs[birth.parent] = None
    if birth.conversation is not None:
        found.conversations[birth.tenant, birth.conversation] = None


def _name_submit(found: Names, write: Submit) -> None:
    found.submissions.append(write.run_id)
    found.intake = True
    if write.conversation is not None:
        found.conversations[write.tenant, write.conversation] = None
    if write.dedup is not None:
        found.requests[write.dedup.scope, write.dedup.key] = None


def _name_claim(found: Names, write: Claim) -> None:
    found.intake = True
    if write.runs is not None:
        found.told.update(dict.fromkeys(write.runs))
        return
    pool = write.deployment, write.pool
    found.scans[pool] = found.scans.get(pool, 0) + write.limit
