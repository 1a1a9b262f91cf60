"""An excerpt of the audit is what somebody asks for: of a release, by a person, of a kind, since a moment."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from msgspec import Struct

from watership.errors import BadInput
from watership.releases.auditing.audit import Entry
from watership.releases.book.quantity import duration


class Wanted(Struct, frozen=True, kw_only=True):
    """None is no condition. `actor` and `action` may hold `*`."""

    release: str | None = None
    actor: str | None = None
    action: str | None = None
    since: datetime | None = None


def excerpt(entries: Iterable[Entry], wanted: Wanted) -> list[Entry]:
    """The entries that meet every condition, in their order."""
    return [entry for entry in entries if _meets(entry, wanted)]


def moment(text: str, now: datetime) -> datetime:
    """`2h` is two hours before `now`; else a date, or a date with a time, in UTC unless it says its zone."""
    try:
        return now - timedelta(seconds=duration(text))
    except ValueError:
        pass
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(
            f"{text!r} is neither a time nor a duration.", fix="Write 2026-11-23T12:00, 2026-11-23 or 90m."
        ) from None
    return at if at.tzinfo else at.replace(tzinfo=now.tzinfo)


def _meets(entry: Entry, wanted: Wanted) -> bool:
    return (
        (wanted.release is None or entry.facts.get("release") == wanted.release)
        and (wanted.actor is None or fnmatchcase(entry.actor, wanted.actor))
        and (wanted.action is None or fnmatchcase(entry.action, wanted.action))
        and (wanted.since is None or entry.at >= wanted.since)
    )
