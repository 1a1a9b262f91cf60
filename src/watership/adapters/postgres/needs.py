"""A need names what the ledger asked for and the sheet does not hold yet."""

from __future__ import annotations

from dataclasses import dataclass

from watership.durable.ids import DeploymentId, EntryId, RunId, SignalId, WorkerId


@dataclass(frozen=True, slots=True)
class RunNeed:
    """The row of a run, under its lock."""

    run_id: RunId


@dataclass(frozen=True, slots=True)
class FreeNeed:
    """Rows of runs that nobody else is writing, with their histories."""

    runs: tuple[RunId, ...]


@dataclass(frozen=True, slots=True)
class DueNeed:
    """At least `limit` runs that may be claimed, with their histories; fewer only if there are no more."""

    deployment: DeploymentId
    pool: str
    limit: int


@dataclass(frozen=True, slots=True)
class HistoryNeed:
    """A run's input, journal and inbox."""

    run_id: RunId


@dataclass(frozen=True, slots=True)
class EntryNeed:
    """Whether a write is known already."""

    run_id: RunId
    entry_id: EntryId


@dataclass(frozen=True, slots=True)
class SignalNeed:
    """Whether a signal has been delivered before."""

    run_id: RunId
    signal_id: SignalId


@dataclass(frozen=True, slots=True)
class ConversationNeed:
    """The turns of a conversation, under its lock."""

    tenant: str
    conversation: str


@dataclass(frozen=True, slots=True)
class RequestNeed:
    """What an idempotency key stands for, under its lock."""

    scope: str
    key: str


@dataclass(frozen=True, slots=True)
class InjectionNeed:
    """Which run took the message of a submission."""

    submission: RunId


@dataclass(frozen=True, slots=True)
class IntakeNeed:
    """The intake's row, which does not change until the commit."""


@dataclass(frozen=True, slots=True)
class CountNeed:
    """A counter, under its lock."""

    name: str


@dataclass(frozen=True, slots=True)
class ChildrenNeed:
    """How many keys of a run have a child."""

    parent: RunId


@dataclass(frozen=True, slots=True)
class OpenChildrenNeed:
    """The rows of a run's children that have not ended, under their locks."""

    parent: RunId


@dataclass(frozen=True, slots=True)
class LeasedNeed:
    """The rows of what a worker holds, under their locks."""

    worker: WorkerId


@dataclass(frozen=True, slots=True)
class UnclaimedNeed:
    """The rows of what nobody began of a deployment, under their locks."""

    deployment: DeploymentId


@dataclass(frozen=True, slots=True)
class GoneNeed:
    """The session lock of a worker, taken until the commit if nobody has it."""

    worker: WorkerId


Need = (
    RunNeed
    | FreeNeed
    | DueNeed
    | HistoryNeed
    | EntryNeed
    | SignalNeed
    | ConversationNeed
    | RequestNeed
    | InjectionNeed
    | IntakeNeed
    | CountNeed
    | ChildrenNeed
    | OpenChildrenNeed
    | LeasedNeed
    | UnclaimedNeed
    | GoneNeed
)


class NotLoaded(Exception):  # it never leaves the transaction, which loads `need` and goes on
    """The write that was being applied is undone, `need` is loaded, and the write applied again."""

    def __init__(self, need: Need) -> None:
        super().__init__(need)
        self.need = need
