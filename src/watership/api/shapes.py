"""The shapes of requests and answers: what clients see, apart from what the kernel keeps."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

import msgspec

from watership.agents.budget import Budget
from watership.agents.forks import MODEL
from watership.agents.messages import Answered
from watership.agents.people.question import seen_of
from watership.durable.events import Decision, Failure
from watership.durable.run import Origin, Run, Waiting
from watership.durable.states import RunState
from watership.durable.writes import WhenBusy

Shown = TypeVar("Shown")

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Reason = Annotated[str, msgspec.Meta(max_length=1000)]


class _In(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class _Out(msgspec.Struct, frozen=True, kw_only=True):
    pass


class Page(_Out, Generic[Shown], frozen=True):
    """A part of a list. `next` is the cursor of the part after it, None at the end."""

    data: tuple[Shown, ...]
    next: str | None
    total_count: int


class NewMessage(_In, frozen=True):
    """A message to an agent. Messages of one conversation are answered one after the other."""

    agent: Name
    input: msgspec.Raw
    conversation: Name | None = None
    budget: Budget | None = None
    deadline: datetime | None = None
    """Until when the run is to have ended (RFC 3339); then it is ended as failed."""
    within: float | None = None
    """The same in seconds from when it is accepted; the earlier one holds."""


class CancelBody(_In, frozen=True):
    reason: Reason = ""


class AnswerBody(_In, frozen=True):
    """`value` answers an approval or a question; `decision` says what became of a step in doubt.

    `seen` is the fingerprint that stands beside the question in the run's `waits`: the answer is one to that.
    """

    wait: str | None = None
    seen: str | None = None
    decision: Decision | None = None
    value: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class SignalBody(_In, frozen=True):
    name: Name
    value: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class LinkBody(_In, frozen=True):
    """Whom a link is for, in which roles (an admin says so for others), and how long it lives."""

    person: Name
    roles: tuple[Name, ...] = ()
    minutes: int = 60
    wait: str | None = None


class LinkView(_Out, frozen=True):
    """A link: `path` at this service shows one person what is asked, and takes their answer."""

    path: str
    person: str
    wait: str
    seen: str
    expires_at: datetime


class Links(_Out, frozen=True):
    run: str
    events: str


class Accepted(_Out, frozen=True):
    """The run stands in the store. `existing`: this key had started it before. `injected`: it was running.

    `paused`: its agent is; nobody begins it before the agent is resumed.
    """

    run_id: str
    deployment: str
    state: RunState
    existing: bool
    injected: bool
    paused: bool
    links: Links


class WaitView(_Out, frozen=True):
    kind: str
    key: str
    name: str
    due: datetime | None
    about: msgspec.Raw
    seen: str
    """The fingerprint of what is asked, for an answer to repeat; empty where no person is asked."""


class ForkedFrom(_Out, frozen=True):
    """The run of which a fork recalls what it had done by its entry `at`; and the fork's own model, if it has one."""

    run: str
    at: int
    model: str | None


class RunView(_Out, frozen=True):
    """A run as clients see it. `waits`: what it waits for, and what a person is asked."""

    id: str
    agent: str
    state: RunState
    deployment: str
    pool: str
    priority: int
    created_at: datetime
    updated_at: datetime
    principal: str
    conversation: str | None
    parent: str | None
    input: msgspec.Raw
    result: msgspec.Raw
    failure: Failure | None
    waits: tuple[WaitView, ...]
    wake_at: datetime | None
    worker: str | None
    seq: int
    cancel_requested: bool
    deadline: datetime | None
    forked_from: ForkedFrom | None
    successor: str | None
    links: Links


class AnsweredView(RunView, frozen=True):
    """The run after an answer, and whose answer stands. `existing`: it had been given before, nothing changed."""

    answered_by: str
    existing: bool


class RunList(Page[RunView], frozen=True):
    pass


class MessageView(_Out, frozen=True):
    run_id: str
    agent: str
    conversation: str | None
    input: msgspec.Raw
    state: RunState
    created_at: datetime
    links: Links


class MessageList(Page[MessageView], frozen=True):
    pass


class PauseBody(_In, frozen=True):
    reason: Reason = ""


class PauseView(_Out, frozen=True):
    """Who paused an agent, when and why."""

    by: str
    at: datetime | None
    reason: str


class AgentView(_Out, frozen=True):
    """`definition`: a hash of each part that the agent is made of, and `fingerprint` of all of them."""

    name: str
    description: str
    kind: str
    input_schema: dict[str, Any]
    conversation: WhenBusy
    pool: str
    priority: int
    fingerprint: str
    definition: dict[str, str]
    within_seconds: float | None
    paused: PauseView | None


class AgentList(Page[AgentView], frozen=True):
    pass


class ScheduleView(_Out, frozen=True):
    """`next`: the windows that come next. `latest_run`: the run of the window before them, where it was started."""

    name: str
    agent: str
    cron: str
    zone: str
    input: msgspec.Raw
    grace_seconds: float
    every_window: bool
    overlap: bool
    next: tuple[datetime, ...]
    latest_run: str | None


class ScheduleList(Page[ScheduleView], frozen=True):
    pass


class WorkerView(_Out, frozen=True):
    id: str
    deployment: str
    pool: str
    slots: int
    leased: int
    seen_at: datetime


class WorkerList(Page[WorkerView], frozen=True):
    pass


def links(run_id: str) -> Links:
    return Links(run=f"/api/v1/runs/{run_id}", events=f"/api/v1/runs/{run_id}/events")


def view(run: Run) -> RunView:
    """What clients see of `run`."""
    return RunView(
        id=run.id,
        agent=run.program,
        state=run.state,
        deployment=run.deployment,
        pool=run.pool,
        priority=run.priority,
        created_at=run.created_at,
        updated_at=run.updated_at,
        principal=run.principal,
        conversation=run.conversation,
        parent=run.parent,
        input=run.input,
        result=run.result,
        failure=run.failure,
        waits=tuple(_wait(run, one) for one in run.waits),
        wake_at=run.wake_at,
        worker=run.lease_owner,
        seq=run.seq,
        cancel_requested=run.cancel_requested,
        deadline=run.deadline,
        forked_from=None if run.origin is None else _forked_from(run.origin),
        successor=run.successor,
        links=links(run.id),
    )


def _forked_from(origin: Origin) -> ForkedFrom:
    return ForkedFrom(run=origin.run, at=origin.at, model=origin.variant.get(MODEL))


def message(run: Run) -> MessageView:
    """The message that started `run`."""
    return MessageView(
        run_id=run.id,
        agent=run.program,
        conversation=run.conversation,
        input=run.input,
        state=run.state,
        created_at=run.created_at,
        links=links(run.id),
    )


def answered_view(answered: Answered) -> AnsweredView:
    """What clients see of `answered`."""
    fields = msgspec.structs.asdict(view(answered.run))
    return AnsweredView(**fields, answered_by=answered.by, existing=answered.existing)


def _wait(run: Run, waiting: Waiting) -> WaitView:
    return WaitView(
        kind=waiting.kind,
        key=waiting.key,
        name=waiting.name,
        due=waiting.due,
        about=waiting.about,
        seen=seen_of(run.id, waiting) if waiting.kind in ("signal", "answer") else "",
    )
