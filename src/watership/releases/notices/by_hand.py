"""A notice by hand is what a person has told: words of their own for issues and incidents, else facts alone."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from watership.errors import BadInput, Conflict, NotAllowed
from watership.fleet.identity import OPERATOR
from watership.releases.notices.comms import Comms
from watership.releases.notices.lint import scenes
from watership.releases.notices.notice import Incident, Issue, Kind, Message, Notice, Priority
from watership.releases.notices.schedule import next_status
from watership.releases.notices.situation import Situation
from watership.releases.notices.template import compose, plain_words
from watership.releases.warrant import Caller

TYPED: Final = ("issue", "incident")
"""What a person may put into words; everything else is told from facts alone."""

SENDERS: Final = (OPERATOR, "communication")
"""Who may send: operators, and the role of the runbook whose duty messages are."""

LOOK: Final = "To see the words all the same: watership notify preview KIND --example"


class Wish(Struct, frozen=True, kw_only=True):
    """What a person wants told. `words`, `priority`: of an issue or an incident. `ends`: the thread that is over."""

    kind: Kind
    words: str | None = None
    priority: Priority = "HIGH"
    ends: str | None = None


def require_sender(caller: Caller) -> None:
    """Also where there is no environment yet, and so no audit. Raises NotAllowed."""
    if not caller.open and not any(caller.identity.acts_as(role) for role in SENDERS):
        raise NotAllowed(
            f"To send messages needs the role {' or '.join(SENDERS)}; {caller.person} has neither.",
            fix=f"Ask an administrator for a token with --role {SENDERS[-1]}.",
        )


def require_true(kind: Kind, situation: Situation) -> None:
    """Nobody is told of what has not happened. Raises Conflict."""
    if kind == "success" and (not situation.promoted or situation.rollback is not None):
        raise Conflict(f"Release {situation.name} is not live: it is {situation.headline}.", fix=LOOK)
    if kind == "rollback" and situation.rollback is None:
        raise Conflict(
            f"Release {situation.name} is not being rolled back: it is {situation.headline}.", fix=LOOK
        )


def wished(wish: Wish, situation: Situation, comms: Comms | None, at: datetime, *, template: str) -> Notice:
    """The notice of a wish, to whom the comms say; `template` where they name none. Raises BadInput."""
    kind, words = wish.kind, wish.words
    if words is not None and kind not in TYPED:
        raise BadInput(
            f"A {kind} message says what is known, and nothing that is typed.",
            fix="Send an issue or an incident with --message.",
        )
    identity = f"by-hand/{kind}/{situation.name}/{at:%Y-%m-%dT%H:%M:%S.%fZ}"
    sendings = comms.of(kind) if comms else ()
    threads = {"rollback": f"rollback/{situation.name}", "issue": identity, "incident": identity}
    return Notice(
        id=identity,
        kind=kind,
        template=sendings[0].template if sendings else template,
        to=sendings[0].to if sendings else (),
        at=at,
        thread=wish.ends or threads.get(kind, f"release/{situation.name}"),
        ends=wish.ends is not None,
        issue=Issue(key=identity, priority=wish.priority, title=words) if words and kind == "issue" else None,
        incident=(
            Incident(id=identity, priority=wish.priority, title=words, opened_at=at, opened_by="a person")
            if words and kind == "incident"
            else None
        ),
    )


def filled(notice: Notice, situation: Situation) -> tuple[Notice, bool]:
    """An issue or an incident for a notice that names none: one that is there, else an example's, and then True."""
    example = next(iter(scenes(notice.kind)))
    match notice.kind:
        case "issue":
            issue = next(iter(situation.issues), None)
            return replace(notice, issue=issue or example.issue), issue is None
        case "incident":
            incident = next(iter(situation.incidents), None)
            return replace(notice, incident=incident or example.incident), incident is None
        case _:
            return notice, False


def worded(notice: Notice, situation: Situation, comms: Comms | None, text: str, *, by: str = "") -> Message:
    """The notice in the words of a template's `text`."""
    following = next_status(comms, situation, notice.at) if comms else None
    return compose(notice, situation, text, notice.at, next_update=following, by=by)


def trial(channel: str, person: str, at: datetime) -> Message:
    """The message that tries a channel."""
    identity = f"test/{channel}/{at:%Y-%m-%dT%H:%M:%S.%fZ}"
    return Message(
        id=identity,
        kind="test",
        release="",
        at=at,
        thread=identity,
        subject=f"Test of the channel {channel}",
        text=f"This is a test, by {plain_words(person)}. Nothing has happened, and nothing is to be done.\n",
        by=person,
    )
