"""Everything that changes the store, as data: writes go in, one outcome per write comes out.

A list of writes is one transaction (group commit), or a few, one after the other (see `ports.Store`). Each write is
whole and has an outcome of its own: one that is fenced or refused changes nothing and does not disturb the others.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from watership.durable.counters import Cap, Charge
from watership.durable.events import AnyEvent, Decision, Failure
from watership.durable.ids import DeploymentId, EntryId, Key, RunId, SignalId, WorkerId
from watership.durable.outbox import Posted
from watership.durable.run import DEFAULT_POOL, DEFAULT_PRIORITY, DEFAULT_TENANT, Origin, Run, Signal, Waiting
from watership.durable.states import RunState

WhenBusy = Literal["queue", "reject", "inject"]
"""What a message does while another run of its conversation is active."""

INJECTED = "message"
"""The signal name under which an injected message reaches the active run."""


class _Value(msgspec.Struct, frozen=True, kw_only=True):
    pass


# --- what may be written ------------------------------------------------------------------------------------


class Dedup(_Value, frozen=True):
    """An idempotency key in its scope (tenant, principal, operation), with the hash of the request it stands for."""

    scope: str
    key: str
    request: str


class Submit(_Value, frozen=True):
    """Start a run. Without `deployment` it is pinned by the intake's weights, read in this transaction.

    Refused (`too_late`) when its `deadline` has passed.
    """

    run_id: RunId
    program: str
    input: msgspec.Raw
    tenant: str = DEFAULT_TENANT
    principal: str = ""
    deployment: DeploymentId | None = None
    pool: str = DEFAULT_POOL
    priority: int = DEFAULT_PRIORITY
    conversation: str | None = None
    when_busy: WhenBusy = "queue"
    dedup: Dedup | None = None
    parent: RunId | None = None
    parent_key: Key | None = None
    depth: int = 0
    reply_to: str = ""
    caps: tuple[Cap, ...] = ()
    learned: tuple[str, ...] = ()
    """What comes along with the input; see `learn`."""
    deadline: datetime | None = None
    within_seconds: float | None = None
    """The same, counted from the commit. The earlier one holds, and its parent's if that is earlier still."""
    origin: Origin | None = None
    events: tuple[AnyEvent, ...] = ()
    """What the run of its origin had done: the journal begins with it."""


class Claim(_Value, frozen=True):
    """Take up to `limit` runs of one deployment and pool that are due, each with its epoch raised by one. None of a
    program that is paused, but what was asked to end.

    Due: READY; WAITING with `wake_at` passed; RUNNING with its lease expired. High priority first, then oldest.
    A run claimed more than `poison_limit` times without progress becomes STOPPED instead; before that, a suspect is
    given alone. With `runs` only these are looked at, in this order: a broker told of them.
    """

    worker: WorkerId
    deployment: DeploymentId
    pool: str
    limit: int
    lease_seconds: float
    poison_limit: int
    runs: tuple[RunId, ...] | None = None


class Park(_Value, frozen=True, tag="park"):
    """Wait. Refused if a signal or a cancellation came that the writer has not seen (`seen` < the inbox).

    `cancelling`: the writer knows of the cancellation; what it waits for belongs to its compensations.
    """

    wake_at: datetime | None
    seen: int
    in_doubt: bool = False
    cancelling: bool = False
    waits: tuple[Waiting, ...] = ()


class Yield(_Value, frozen=True, tag="yield"):
    """Give the run back: READY for another worker of its deployment."""


class Stop(_Value, frozen=True, tag="stop"):
    """The run cannot go on by itself; a person decides. `failure` says why."""

    failure: Failure


class Finish(_Value, frozen=True, tag="finish"):
    """The run ends. Its parent's inbox gets the result, and the next run of its conversation becomes READY.

    With `successor` it carries on: the successor takes its place in conversation and towards its parent.
    """

    state: RunState
    result: msgspec.Raw = msgspec.Raw(b"null")
    failure: Failure | None = None
    successor: Submit | None = None
    learned: tuple[str, ...] = ()
    """What goes along with the result; see `learn`."""


Then = Park | Yield | Stop | Finish


class Append(_Value, frozen=True):
    """Add `events` to a run's journal under `epoch`, start `children`, and then perhaps move the run on.

    Refused as a whole (`over_cap`) if one of the `charges` would exceed its cap. The children that were started below
    the `dropped` branches are asked to end, as by a Cancel: nobody waits for them any more.
    """

    entry_id: EntryId
    run_id: RunId
    epoch: int
    events: tuple[AnyEvent, ...] = ()
    children: tuple[Submit, ...] = ()
    charges: tuple[Charge, ...] = ()
    dropped: tuple[str, ...] = ()
    then: Then | None = None


class Deliver(_Value, frozen=True):
    """Put a signal into a run's inbox, once per `signal_id`; wakes the run if it waits.

    With `wait` it answers what is asked there: only while the run is parked on it, and before its time passes. So
    what was taken as an answer is in the inbox before the run looks whether its time has passed.
    """

    signal_id: SignalId
    run_id: RunId
    name: str
    value: msgspec.Raw = msgspec.Raw(b"null")
    wait: Key | None = None


class RefuseAnswer(_Value, frozen=True):
    """Keep in the journal, once per `entry_id`, that `by` was not let answer the wait at `key`; the run stays."""

    entry_id: EntryId
    run_id: RunId
    key: Key
    by: str
    reason: str


class Cancel(_Value, frozen=True):
    """Ask a run to end. Never claimed: it ends at once. Else a worker runs its compensations first.

    A stopped one ends without them `at_once` if that is wanted: no worker may survive them. Asked again of a run that
    was cancelled it is a Duplicate.
    """

    run_id: RunId
    reason: str = ""
    at_once: bool = False


class Expire(_Value, frozen=True):
    """Ask a run to end as failed, if its deadline has passed by the store's clock: in all else as by a Cancel.

    A stopped one ends at once: nobody has decided about it in time. One that was asked to end before is a Duplicate.
    """

    run_id: RunId


class Answer(_Value, frozen=True):
    """Decide, once per `entry_id`, what became of the step in doubt at `key`; the run becomes READY."""

    entry_id: EntryId
    run_id: RunId
    key: Key
    decision: Decision
    by: str
    value: msgspec.Raw = msgspec.Raw(b"null")


class Retry(_Value, frozen=True):
    """Let a STOPPED run try again, once per `entry_id`; its poison counter starts anew."""

    entry_id: EntryId
    run_id: RunId


class Renew(_Value, frozen=True):
    """A worker says that it lives, and prolongs the leases of `runs` (run → the epoch it holds)."""

    worker: WorkerId
    deployment: DeploymentId
    pool: str
    slots: int
    runs: dict[RunId, int]
    lease_seconds: float


class Bury(_Value, frozen=True):
    """A worker is dead (its session lock is free): its leases expire now and its presence ends.

    Where a lock can be lost and taken again by a living worker, nothing happens to one that holds it by now.
    `resigned`: the worker says so itself, while it still holds its lock.
    """

    worker: WorkerId
    resigned: bool = False


class Rehome(_Value, frozen=True):
    """Pin never-claimed runs of one deployment to another. Given again it moves what came since, perhaps nothing."""

    source: DeploymentId
    target: DeploymentId


class HandOver(_Value, frozen=True):
    """Pin a run to another deployment, whose program was seen to go on with it from where it stands.

    Only while it stands there still, at the journal's entry `seq` and the inbox's signal `inbox`, and no worker holds
    it. Its epoch rises, so that whoever held it before writes nothing more. Given again it is a Duplicate.
    """

    run_id: RunId
    target: DeploymentId
    seq: int
    inbox: int


Write = (
    Submit
    | Claim
    | Append
    | Deliver
    | RefuseAnswer
    | Cancel
    | Expire
    | Answer
    | Retry
    | Renew
    | Bury
    | Rehome
    | HandOver
)


# --- what became of it ----------------------------------------------------------------------------------------


class Submitted(_Value, frozen=True, tag="submitted"):
    """The run stands in the store. `existing`: an earlier, equal submission made it.

    `injected`: the message went to the active run `run_id` of its conversation; no run was made.
    `paused`: nobody begins it, or takes it up again, before its program is resumed.
    """

    run_id: RunId
    deployment: DeploymentId
    state: RunState
    existing: bool = False
    injected: bool = False
    paused: bool = False


class Claimed(_Value, frozen=True, tag="claimed"):
    """The runs taken, each with state RUNNING, its new epoch, its journal's events and its inbox."""

    runs: tuple[ClaimedRun, ...]


class ClaimedRun(_Value, frozen=True):
    run: Run
    events: tuple[AnyEvent, ...]
    inbox: tuple[Signal, ...]


class Renewed(_Value, frozen=True, tag="renewed"):
    """`lost`: runs whose epoch has passed on. `cancelled`: held runs that were asked to end.

    A run that its own holder has moved on stands nowhere here.
    """

    lost: frozenset[RunId]
    inboxes: dict[RunId, int]
    """The number of the last signal of each run that is still held."""
    cancelled: frozenset[RunId]


class Done(_Value, frozen=True, tag="done"):
    """Written. `count`: how many runs or rows it touched, where that can differ from one."""

    count: int = 1


class Duplicate(_Value, frozen=True, tag="duplicate"):
    """It had been written before, under the same id; nothing was changed now."""


class WriteFenced(_Value, frozen=True, tag="fenced"):
    """The writer's epoch has passed on; nothing was changed."""

    current: int


class Refused(_Value, frozen=True, tag="refused"):
    """The state of the store forbids it; nothing was changed. `code` is stable, `reason` is for people."""

    code: Literal[
        "not_found",
        "inbox",
        "illegal_move",
        "key_reused",
        "conversation_busy",
        "no_deployment",
        "limit",
        "over_cap",
        "not_in_doubt",
        "not_waiting",
        "too_late",
        "read_only",
        "alive",
        "moved",
        "held",
    ]
    reason: str


Outcome = Submitted | Claimed | Renewed | Done | Duplicate | WriteFenced | Refused


class Written(_Value, frozen=True):
    """The outcomes of writes, in their order, and whom to wake now that they are committed."""

    outcomes: tuple[Outcome, ...]
    woken: frozenset[tuple[DeploymentId, str]] = frozenset()
    """(deployment, pool) pairs that have runs newly READY."""
    touched: frozenset[RunId] = frozenset()
    """RUNNING runs that have new signals or a cancellation: their owner should look."""
    posted: tuple[Posted, ...] = ()
    """What a store with an outbox has for the broker."""
