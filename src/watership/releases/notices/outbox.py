"""The outbox holds a message until each of its channels has it: written down before anything is sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal, Protocol

from msgspec import Struct
from msgspec.structs import replace

from watership.durable.retry import RetryPolicy, delay
from watership.releases.notices.notice import Message, Priority

GIVE_UP_SECONDS = 86_400.0
"""After a day a message is no news: it is given up, which is told in the audit and by `notify log`."""

PATIENCE = RetryPolicy(attempts=1_000_000, first=1.0, factor=2.0, most=60.0)
"""A receiver that comes back is noticed within a minute, and one that is down is not stormed."""

GROWS = 10
"""Failures after which the delay grows no more."""

URGENCY: Mapping[Priority | None, int] = {"CRITICAL": 0, "HIGH": 1, "MEDIUM": 2, None: 3}

State = Literal["pending", "delivered", "refused", "given_up"]
"""`refused`: the receiver will never take it. `given_up`: it could not be reached for a day."""


class Delivery(Struct, frozen=True, kw_only=True):
    """One message on its way through one channel. `evidence` is the receiver's word, or what went wrong last."""

    message: Message
    channel: str
    put_at: datetime
    state: State = "pending"
    attempts: int = 0
    tried_at: datetime | None = None
    evidence: str = ""


class Put(Struct, frozen=True, kw_only=True, tag_field="what", tag="put"):
    """A message was put out for channels."""

    at: datetime
    message: Message
    channels: tuple[str, ...]


class Tried(Struct, frozen=True, kw_only=True, tag_field="what", tag="tried"):
    """An attempt to deliver it was made, or it was given up; `state` is what it is since."""

    at: datetime
    id: str
    channel: str
    state: State
    evidence: str


Record = Put | Tried


class Outbox(Protocol):
    """Keeps deliveries, durably. What was returned is on disk; what was put before is not put again."""

    def put(self, message: Message, channels: Sequence[str], at: datetime) -> bool:
        """Whether there is a channel for which it is new."""

    def mark(self, delivery: Delivery, state: State, evidence: str, at: datetime) -> Delivery: ...

    def deliveries(self) -> Sequence[Delivery]:
        """All of them, in the order in which they were put."""

    def hold(self) -> bool:
        """Be the one who delivers; False while another process is."""

    def release(self) -> None: ...


Box = dict[tuple[str, str], Delivery]
"""Deliveries by message id and channel."""


def folded(box: Box, record: Record) -> Box:
    """The box with one record more in it. It is changed: a box has one owner."""
    match record:
        case Put(message=message, channels=channels, at=at):
            for channel in channels:
                box.setdefault((message.id, channel), Delivery(message=message, channel=channel, put_at=at))
        case Tried(id=identity, channel=channel, state=state):
            before = box.get((identity, channel))
            if before is not None and before.state == "pending":
                box[identity, channel] = replace(
                    before,
                    state=state,
                    attempts=before.attempts + 1,
                    tried_at=record.at,
                    evidence=record.evidence,
                )
    return box


def by_id(deliveries: Iterable[Delivery]) -> dict[str, Message]:
    """Every message that was put out, by its id."""
    return {delivery.message.id: delivery.message for delivery in deliveries}


def undelivered(deliveries: Iterable[Delivery]) -> frozenset[str]:
    """The ids of messages that have reached nobody."""
    reached: dict[str, bool] = {}
    for delivery in deliveries:
        identity = delivery.message.id
        reached[identity] = reached.get(identity, False) or delivery.state == "delivered"
    return frozenset(identity for identity, done in reached.items() if not done)


class Line(Struct, frozen=True, kw_only=True):
    """How a channel has behaved: failures since it last took something, and when it may be asked again."""

    failures: int = 0
    failed_at: datetime | None = None
    asked_for: float = 0.0
    """Seconds that the receiver itself asked to be left alone for."""


OPEN = Line()


def again_at(line: Line, channel: str) -> datetime | None:
    """When a channel that failed is tried again; None for one that works."""
    if line.failed_at is None:
        return None
    seconds = delay(PATIENCE, min(line.failures, GROWS), f"{channel}#{line.failures}", later=line.asked_for)
    assert seconds is not None
    return line.failed_at + timedelta(seconds=seconds)


def next_up(pending: Sequence[Delivery], line: Line, channel: str, now: datetime) -> Delivery | None:
    """What to send through a channel at `now`; None while there is nothing, or it is to be left alone.

    A channel that works gets the oldest first. One that failed is asked again with what was tried least, so that a
    message that it chokes on keeps none from it, and with what is most urgent among those; what was never tried goes
    at once, unless the receiver itself asked for a pause.
    """
    if not pending:
        return None
    resumes = again_at(line, channel)
    if resumes is None:
        return min(pending, key=lambda each: (each.attempts > 0, each.put_at))
    chosen = min(pending, key=lambda each: (each.attempts, URGENCY[each.message.priority], each.put_at))
    if now >= resumes or (chosen.attempts == 0 and not line.asked_for):
        return chosen
    return None


def outlived(delivery: Delivery, now: datetime) -> bool:
    """Whether it has been tried for as long as it may."""
    return (now - delivery.put_at).total_seconds() >= GIVE_UP_SECONDS
