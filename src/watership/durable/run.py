"""A run: one durable execution of a program, as its row in the store says."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from watership.durable.counters import Cap
from watership.durable.events import Failure
from watership.durable.ids import DeploymentId, Key, RunId, SignalId, WorkerId
from watership.durable.states import TERMINAL, RunState

DEFAULT_POOL = "default"
DEFAULT_TENANT = "default"
DEFAULT_PRIORITY = 1
"""Priorities are 0 (low), 1 (normal) and 2 (high)."""

POISON = "poison"
"""The code of the failure with which a run was stopped that no worker survived."""

SUSPECT_CLAIMS = 3
"""Claims without progress after which a run is tried alone. What kills its worker kills whatever is claimed beside it:

those then get a claim without progress too, and would in the end be stopped as poison in its place.
"""


class Waiting(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that a parked run waits for, for people to see: a timer, a signal, a child, an answer.

    `name` is the signal's name (or the child's id, or the step's name); `about` is what a person is asked.
    """

    kind: Literal["timer", "signal", "child", "answer"]
    key: Key
    name: str = ""
    due: datetime | None = None
    about: msgspec.Raw = msgspec.Raw(b"null")


class Origin(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a fork comes from: its journal begins with what `run` had done by its entry `at`.

    `entries` of its own journal are from there. `variant` is what it is to have otherwise than its program says, by
    names that whoever runs the program knows.
    """

    run: RunId
    at: int
    entries: int
    variant: dict[str, str] = {}

    def anew(self) -> Origin:
        """Of a run that recalls nothing, and has the same variant."""
        return msgspec.structs.replace(self, at=0, entries=0)


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What the store knows of a run. Times are UTC."""

    id: RunId
    program: str
    input: msgspec.Raw
    state: RunState
    deployment: DeploymentId
    created_at: datetime
    updated_at: datetime
    tenant: str = DEFAULT_TENANT
    principal: str = ""
    pool: str = DEFAULT_POOL
    priority: int = DEFAULT_PRIORITY
    conversation: str | None = None
    parent: RunId | None = None
    parent_key: Key | None = None
    depth: int = 0
    reply_to: str = ""
    """Where the broker sends the result, in the broker's own words; empty where nobody asked for it."""
    caps: tuple[Cap, ...] = ()
    """What it and its children may use up, beside what its program says of itself."""
    origin: Origin | None = None
    """What it was forked from."""
    deadline: datetime | None = None
    """Until when it is to have ended, by the store's clock."""
    epoch: int = 0
    seq: int = 0
    """The number of the last journal entry."""
    inbox: int = 0
    """The number of the last signal delivered."""
    claims: int = 0
    """Claims since the run last made progress; the poison counter."""
    wake_at: datetime | None = None
    waits: tuple[Waiting, ...] = ()
    """What it waits for while WAITING or IN_DOUBT, as its last Park said; empty in every other state."""
    lease_owner: WorkerId | None = None
    lease_until: datetime | None = None
    cancel_requested: bool = False
    expired: bool = False
    """Whether it was asked to end because its deadline had passed: then it ends FAILED, and not CANCELLED."""
    result: msgspec.Raw = msgspec.Raw(b"null")
    failure: Failure | None = None
    successor: RunId | None = None

    @property
    def ended(self) -> bool:
        return self.state in TERMINAL

    @property
    def poisoned(self) -> bool:
        """Whether it was stopped because no worker survived it."""
        return self.failure is not None and self.failure.code == POISON

    @property
    def suspect(self) -> bool:
        """Whether it was claimed so often without progress that nothing else is to be claimed beside it."""
        return self.claims > SUSPECT_CLAIMS


EXPIRED = "deadline"
"""The code of the failure with which a run ends whose deadline has passed."""


def expiry(run: Run) -> Failure:
    """Why a run has failed whose deadline has passed."""
    until = "" if run.deadline is None else f" by {run.deadline.isoformat()}"
    return Failure(kind="DeadlineExceeded", message=f"The run had not ended{until}.", code=EXPIRED)


class Signal(msgspec.Struct, frozen=True, kw_only=True):
    """A message in a run's inbox: the `number`-th (from 1), one per `id`."""

    run_id: RunId
    number: int
    id: SignalId
    name: str
    value: msgspec.Raw
    at: datetime


class ChildResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a child's end delivers to its parent's inbox, under the name `child_signal(child)`."""

    state: RunState
    result: msgspec.Raw = msgspec.Raw(b"null")
    failure: Failure | None = None
    learned: tuple[str, ...] = ()


def answer_signal(key: Key) -> str:
    """The name under which an answer reaches the one wait at `key`, whichever others wait for the same name."""
    return f"answer:{key}"


def child_signal(child: RunId) -> str:
    """The name under which a child's end arrives in its parent's inbox."""
    return f"child:{child}"
