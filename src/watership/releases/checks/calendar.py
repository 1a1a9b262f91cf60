"""A calendar is read as iCalendar (RFC 5545): whether there is a meeting, when it is, and how one joins it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Struct

from watership.errors import BadInput, Unavailable
from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene
from watership.releases.measurement import Finding, failed, found

JOIN: Final = re.compile(r"https?://\S+|\+\d[\d ()-]{6,}")
"""How one comes to a conference: by a link, or by telephone."""

BRIDGE: Final = ("CONFERENCE", "X-GOOGLE-CONFERENCE", "LOCATION", "URL", "DESCRIPTION")

LASTING: Final = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")

BOOK: Final = "Book it in the calendar, with its link."


class Event(Struct, frozen=True, kw_only=True):
    """An event of a calendar; `join` is how one takes part from afar."""

    summary: str
    begins: datetime
    ends: datetime
    join: str = ""


@check("calendar.planned", adapted=True, good_for="24h", fix=BOOK)
async def planned(scene: Scene, *, of: str, summary: str, after: str, before: str) -> Finding:
    """The calendar has an event whose summary has `summary` in it, which lies from `after` to `before` (`T-24h`)."""
    first, last = (scene.moment(text) for text in (after, before))
    there = await _events(scene, of, summary)
    good = [each for each in there if first <= each.begins and each.ends <= last]
    return _found(summary, there, good, f"from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC")


@check("calendar.bridge", adapted=True, good_for="24h", fix=BOOK)
async def bridge(scene: Scene, *, of: str, summary: str, begins: str, ends: str) -> Finding:
    """The calendar has an event whose summary has `summary` in it, which lasts all the time from `begins` to `ends`
    (`T+0m`), with a link or a telephone number to join by."""
    first, last = (scene.moment(text) for text in (begins, ends))
    there = await _events(scene, of, summary)
    good = [each for each in there if each.begins <= first and last <= each.ends and each.join]
    return _found(summary, there, good, f"over all of {first:%H:%M} to {last:%H:%M} UTC that one can join")


def _found(summary: str, there: list[Event], good: list[Event], wanted: str) -> Finding:
    if not there:
        return failed(f"No event of the calendar is called '{summary}'.")
    shown = good[0] if good else there[-1]
    words = f"'{shown.summary}' is at {shown.begins:%Y-%m-%d %H:%M} UTC"
    return found(bool(good), f"{words}." if good else f"{words}; one {wanted} is wanted.")


async def _events(scene: Scene, of: str, summary: str) -> list[Event]:
    try:
        answer = await scene.get(of)
    except Unavailable:
        # Its words hold the calendar's address, which is a secret.
        raise Unavailable(f"{of} got no answer.") from None
    text = answer.body.decode(errors="replace")
    if answer.status != 200 or "BEGIN:VCALENDAR" not in text:
        raise Unavailable(f"{of} answered {answer.status}, with no calendar.")
    return [each for each in events(text) if summary.casefold() in each.summary.casefold()]


def events(text: str) -> list[Event]:
    """The events of a calendar that are not cancelled. Those that repeat count for their first time alone."""
    return [event for fields in _blocks(text) if (event := _event(fields)) is not None]


def _blocks(text: str) -> Iterator[dict[str, tuple[str, str]]]:
    """The properties of each event: name to parameters and value. Long lines are folded; an alarm is no part of it."""
    fields: dict[str, tuple[str, str]] | None = None
    inner = 0  # parts of the event, such as an alarm, that have properties of their own
    for line in re.sub(r"\r?\n[ \t]", "", text).splitlines():
        head, _, value = line.partition(":")
        name, _, parameters = head.partition(";")
        if line == "BEGIN:VEVENT":
            fields = {}
        elif line == "END:VEVENT" and fields is not None:
            yield fields
            fields = None
        elif fields is not None and name in ("BEGIN", "END"):
            inner += 1 if name == "BEGIN" else -1
        elif fields is not None and not inner:
            fields[name.upper()] = (parameters, value)


def _event(fields: dict[str, tuple[str, str]]) -> Event | None:
    if "DTSTART" not in fields or fields.get("STATUS", ("", ""))[1] == "CANCELLED":
        return None
    begins = _time(*fields["DTSTART"])
    lasting = _lasting(fields.get("DURATION", ("", "PT0S"))[1])
    ends = _time(*fields["DTEND"]) if "DTEND" in fields else begins + lasting
    joins = [match[0] for name in BRIDGE if name in fields and (match := JOIN.search(fields[name][1]))]
    return Event(
        summary=_plain(fields.get("SUMMARY", ("", ""))[1]), begins=begins, ends=ends, join="".join(joins[:1])
    )


def _time(parameters: str, value: str) -> datetime:
    """A time in UTC. Without a zone it is UTC; a day alone begins at midnight."""
    zone = re.search(r"TZID=([^;:]+)", parameters)
    try:
        at = datetime.strptime(value.rstrip("Z"), "%Y%m%dT%H%M%S" if "T" in value else "%Y%m%d")  # noqa: DTZ007
        local = ZoneInfo(zone[1].strip('"')) if zone and not value.endswith("Z") else UTC
    except (ValueError, ZoneInfoNotFoundError) as error:
        raise BadInput(f"The calendar has a time that cannot be read: {value} ({error}).") from error
    return at.replace(tzinfo=local).astimezone(UTC)


def _lasting(text: str) -> timedelta:
    match = LASTING.fullmatch(text)
    days, hours, minutes, seconds = (int(part or 0) for part in (match.groups() if match else (0, 0, 0, 0)))
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def _plain(text: str) -> str:
    return re.sub(r"\\([,;\\])", r"\1", text.replace("\\n", "\n"))
