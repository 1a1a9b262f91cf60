"""Letters become messages: wake-ups for workers, events for whoever listens, replies for whoever asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal

import msgspec

from watership.adapters.rabbitmq.topology import EVENTS, NAME_BYTES, WAKEUPS, wakeup_queue
from watership.durable.events import Failure
from watership.durable.ids import DeploymentId, RunId
from watership.durable.outbox import Announced, Moved, Posted, Wakeup
from watership.durable.states import RunState
from watership.errors import BadInput

RUNS_PER_MESSAGE: Final = 16
"""Of one transaction and queue. More would share a message's cost better, fewer among more workers."""

EVENTS_PER_MESSAGE: Final = 32
"""Of one transaction and routing key, when they are small."""

EVENT_BYTES: Final = 256 * 1024
"""Of the events in one message; one alone may be larger. A quorum queue keeps whole messages in memory."""

DEFAULT_EXCHANGE: Final = ""
JSON: Final = "application/json"


class Kind(StrEnum):
    """What a message is; it stands in its property `type`."""

    WAKEUP = "watership.wakeup"
    EVENT = "watership.event"
    ANNOUNCEMENT = "watership.announcement"
    REPLY = "watership.reply"


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A message to be published; `id` is the same whenever it is sent again."""

    kind: Kind
    exchange: str
    key: str
    body: bytes
    id: str
    correlation_id: str | None = None

    @property
    def mandatory(self) -> bool:
        """Whether somebody is to get it: an event may go to nobody."""
        return self.exchange != EVENTS


class WakeupBody(msgspec.Struct, frozen=True):
    """Runs of the queue's deployment, pool and priority that became ready."""

    runs: tuple[RunId, ...]


class ReplyTo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where an answer is to go; a run keeps it as `reply_to`."""

    queue: str
    correlation_id: str | None = None

    def written(self) -> str:
        """As a run keeps it."""
        return msgspec.json.encode(self).decode()


class Reply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The end of a run, for whoever asked for it: its result, or its failure."""

    run_id: RunId
    state: RunState
    result: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    failure: Failure | msgspec.UnsetType = msgspec.UNSET


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A run came to this state, by the `seq`-th entry of its journal. Only one that succeeded has a result."""

    run_id: RunId
    program: str
    tenant: str
    deployment: DeploymentId
    state: RunState
    at: datetime
    seq: int
    conversation: str | None = None
    parent: RunId | None = None
    result: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    failure: Failure | None = None


class Announcement(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A program told `value` under `topic`, by the `seq`-th entry of its run's journal."""

    run_id: RunId
    program: str
    tenant: str
    deployment: DeploymentId
    topic: str
    value: msgspec.Raw
    at: datetime
    seq: int
    conversation: str | None = None
    parent: RunId | None = None


class EventBody(msgspec.Struct, frozen=True):
    """Events of one routing key that came about in one transaction. A consumer tells repeats by run and `seq`."""

    events: tuple[Event, ...]


class AnnouncementBody(msgspec.Struct, frozen=True):
    """Announcements of one routing key that came about in one transaction; told apart as events are."""

    events: tuple[Announcement, ...]


class _Written(msgspec.Struct, frozen=True):
    """An EventBody, or an AnnouncementBody, of events that are encoded already, for their size was asked."""

    events: tuple[msgspec.Raw, ...]


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a message that started no run; it stands among the dead letters."""

    failure: Failure
    state: Literal["refused"] = "refused"


_encode = msgspec.json.Encoder().encode
_reply_to = msgspec.json.Decoder(ReplyTo)
_wakeup = msgspec.json.Decoder(WakeupBody)


def read_wakeup(body: bytes) -> tuple[RunId, ...]:
    """The runs that a wake-up names. Raises BadInput."""
    try:
        return _wakeup.decode(body).runs
    except msgspec.DecodeError as error:
        raise BadInput(f"This is no wake-up: {error}.") from None


def messages(posted: Posted) -> list[Message]:
    """Everything that a letter has to say; wake-ups first, for somebody waits for them."""
    letter = posted.letter
    return [
        *(one for wakeup in letter.wakeups for one in _wakeups(posted.number, wakeup)),
        *(_reply(moved) for moved in letter.moved if moved.reply_to),
        *_events(posted.number, Kind.EVENT, _moves(letter.moved)),
        *_events(posted.number, Kind.ANNOUNCEMENT, _announcements(letter.announced)),
    ]


def answer(run_id: RunId, state: RunState, result: msgspec.Raw, failure: Failure | None) -> Reply:
    """What a run that ended has to say."""
    if failure is not None:
        return Reply(run_id=run_id, state=state, failure=failure)
    return Reply(run_id=run_id, state=state, result=result)


def _wakeups(number: int, wakeup: Wakeup) -> Iterator[Message]:
    queue = wakeup_queue(wakeup.deployment, wakeup.pool, wakeup.priority)
    for start in range(0, len(wakeup.runs), RUNS_PER_MESSAGE):
        yield Message(
            kind=Kind.WAKEUP,
            exchange=WAKEUPS,
            key=queue,
            body=_encode(WakeupBody(wakeup.runs[start : start + RUNS_PER_MESSAGE])),
            id=f"{number}/{wakeup.pool}/{wakeup.priority}/{start}",
        )


def _moves(moved: Iterable[Moved]) -> Iterator[tuple[str, Event]]:
    for each in moved:
        yield f"run.{each.state}.{each.program}", _event(each)


def _announcements(announced: Iterable[Announced]) -> Iterator[tuple[str, Announcement]]:
    for each in announced:
        yield f"announced.{each.topic}.{each.program}", _announcement(each)


def _events(number: int, kind: Kind, told: Iterable[tuple[str, Event | Announcement]]) -> Iterator[Message]:
    """Those of one routing key share messages: a message each would cost the broker more than the run did."""
    keys: dict[str, list[bytes]] = {}
    for name, event in told:
        key = name.encode()[:NAME_BYTES].decode(errors="ignore")
        keys.setdefault(key, []).append(_encode(event))
    for key, events in keys.items():
        start = 0
        for part in _parts(events):
            yield Message(
                kind=kind,
                exchange=EVENTS,
                key=key,
                body=_encode(_Written(tuple(part))),
                id=f"{number}/{key}/{start}",
            )
            start += len(part)


def _parts(events: Iterable[bytes]) -> Iterator[list[msgspec.Raw]]:
    """In their order, as many together as a message may hold."""
    part: list[msgspec.Raw] = []
    size = 0
    for event in events:
        length = len(event)
        if part and (len(part) == EVENTS_PER_MESSAGE or size + length > EVENT_BYTES):
            yield part
            part, size = [], 0
        part.append(msgspec.Raw(event))
        size += length
    if part:
        yield part


def _event(moved: Moved) -> Event:
    return Event(
        run_id=moved.run_id,
        program=moved.program,
        tenant=moved.tenant,
        deployment=moved.deployment,
        state=moved.state,
        at=moved.at,
        seq=moved.seq,
        conversation=moved.conversation,
        parent=moved.parent,
        result=moved.result if moved.state is RunState.SUCCEEDED else msgspec.UNSET,
        failure=moved.failure,
    )


def _announcement(announced: Announced) -> Announcement:
    return Announcement(
        run_id=announced.run_id,
        program=announced.program,
        tenant=announced.tenant,
        deployment=announced.deployment,
        topic=announced.topic,
        value=announced.value,
        at=announced.at,
        seq=announced.seq,
        conversation=announced.conversation,
        parent=announced.parent,
    )


def _reply(moved: Moved) -> Message:
    to = _reply_to.decode(moved.reply_to)
    reply = answer(moved.run_id, moved.state, moved.result, moved.failure)
    return Message(
        kind=Kind.REPLY,
        exchange=DEFAULT_EXCHANGE,
        key=to.queue,
        body=_encode(reply),
        id=f"{moved.run_id}/reply",
        correlation_id=to.correlation_id,
    )
