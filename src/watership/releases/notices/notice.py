"""A notice is what people are to be told; a message is a notice in words, ready to be sent."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from msgspec import Struct

Kind = Literal[
    "announce", "approval", "decision", "status", "issue", "rollback", "success", "incident", "test"
]
Priority = Literal["CRITICAL", "HIGH", "MEDIUM"]

TEXT_CHARS = 16_000
"""Of a message; what is longer is cut, and says so. Slack takes 3,000 in a block and 50 of them."""
SUBJECT_CHARS = 200


class Issue(Struct, frozen=True, kw_only=True):
    """Something that is not as it should be. `key` names it for as long as it lasts."""

    key: str
    priority: Priority
    title: str
    symptoms: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    since: datetime | None = None


class Asked(Struct, frozen=True, kw_only=True):
    """A level of the escalation whose turn it is, why, and what it may do."""

    level: int
    title: str
    because: str
    powers: tuple[str, ...] = ()
    again: bool = False


class Incident(Struct, frozen=True, kw_only=True):
    """An incident as its messages need it; `closed_at` is when the trouble was over."""

    id: str
    priority: Priority
    title: str
    opened_at: datetime
    opened_by: str
    symptoms: tuple[str, ...] = ()
    acknowledged_by: str = ""
    closed_at: datetime | None = None
    resolution: str = ""
    again: int = 0
    """How often it was opened again."""
    asked: Asked | None = None
    """Who is asked now, in a message of the escalation."""

    @property
    def thread(self) -> str:
        """One that was opened again is told of as another."""
        return f"{self.id}/again-{self.again}" if self.again else self.id


class Notice(Struct, frozen=True, kw_only=True):
    """What is due. `id` follows from what it is about, so that the same is never due twice.

    `thread` names what belongs together at the receiver: an incident of a pager, an entry of a status page. A notice
    that `ends` it closes it there.
    """

    id: str
    kind: Kind
    template: str
    to: tuple[str, ...]
    at: datetime
    thread: str
    issue: Issue | None = None
    incident: Incident | None = None
    acknowledges: bool = False
    """Somebody has taken it on: a pager rings no more."""
    ends: bool = False

    @property
    def priority(self) -> Priority | None:
        about = self.issue or self.incident
        if about is not None:
            return about.priority
        return "CRITICAL" if self.kind == "rollback" else None


class Window(Struct, frozen=True, kw_only=True):
    """When the release is to begin and, by its budgets, to be over."""

    begins: datetime
    ends: datetime


class Message(Struct, frozen=True, kw_only=True):
    """A notice in words. `text` is Markdown, in which whatever came from outside is escaped. `by`: who sent it, if a
    person did."""

    id: str
    kind: Kind
    release: str
    at: datetime
    thread: str
    subject: str
    text: str
    title: str = ""
    """Of what it is about, where it is about an issue or an incident."""
    priority: Priority | None = None
    acknowledges: bool = False
    ends: bool = False
    window: Window | None = None
    by: str = ""
