"""Somebody was reached when the channel itself has their acknowledgement: PagerDuty's log says who gave it, and how."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import quote

from msgspec import Struct

from watership.errors import Unavailable
from watership.releases.book.quantity import listed, spoken
from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene
from watership.releases.checks.shapes import shaped
from watership.releases.measurement import Finding, failed, found
from watership.releases.plan import Plan

PAGE: Final = 100
"""Entries of one answer, as many as PagerDuty gives."""

MOST: Final = 2_000
"""Entries that are read; a log that is longer is not known whole."""

GIVEN: Final = "acknowledge_log_entry"


class _Agent(Struct):
    type: str
    summary: str = ""


class _Channel(Struct):
    type: str


class Entry(Struct):
    """What happened to an incident: who did it, and by which channel (phone, sms, website, email …)."""

    type: str
    created_at: datetime
    agent: _Agent | None = None
    channel: _Channel | None = None


class _Log(Struct):
    log_entries: list[Entry]
    more: bool = False


@check(
    "pagerduty.answered",
    adapted=True,
    good_for="24h",
    fix="Send a test incident to them, and let them acknowledge it by telephone or SMS.",
)
async def answered(
    scene: Scene, *, of: str, within: float, seats: str = "", channels: str = "phone, sms"
) -> Finding:
    """Whoever sits on each of `seats` has acknowledged an incident within that time, by one of `channels`, as
    PagerDuty's own log says: the number reaches them, and they answer.

    Without `seats` it is whoever is named for a seat that is on call or a level of the escalation; that every one of
    these is named is for `rota.named` and `contacts.verified` to say.
    """
    people = {contact.seat: contact.person for contact in scene.plan.contacts}
    chosen = listed(seats) or [seat for seat in _called(scene.plan) if people.get(seat)]
    if not chosen:
        return failed("The plan names nobody to call.")
    there = await reached(scene, of, within, channels)
    wrong = []
    for seat in chosen:
        if not (person := people.get(seat, "")):
            wrong.append(f"{seat}: nobody is named")
        elif person.casefold() not in there:
            wrong.append(f"{seat}: {person} has acknowledged nothing by {channels} within {spoken(within)}")
    words = (
        f"{', '.join(people.get(seat, '') for seat in chosen)} answered by {channels} within {spoken(within)}"
    )
    return found(not wrong, f"{'; '.join(wrong) or words}.", seats=len(chosen))


async def reached(scene: Scene, of: str, within: float, channels: str = "phone, sms") -> frozenset[str]:
    """Who has acknowledged an incident within that time, by one of `channels`: names in small letters."""
    since = scene.now() - timedelta(seconds=within)
    entries = await _log(scene, of, since)
    return frozenset(_who(each) for each in entries if _is_answer(each, since, listed(channels)))


def _is_answer(entry: Entry, since: datetime, channels: Sequence[str]) -> bool:
    by_hand = entry.channel is not None and entry.channel.type in channels
    return entry.type == GIVEN and entry.created_at >= since and by_hand


def _who(entry: Entry) -> str:
    """The person who did it; empty for a service."""
    person = entry.agent is not None and entry.agent.type.startswith("user")
    return entry.agent.summary.casefold() if entry.agent is not None and person else ""


def _called(plan: Plan) -> Sequence[str]:
    """The seats that are called in need, each once."""
    rota, levels = plan.on_call, plan.escalation.levels if plan.escalation else ()
    seats = [rota.primary, rota.secondary, rota.manager] if rota else []
    return list(dict.fromkeys([*seats, *(level.seat for level in levels)]))


async def _log(scene: Scene, of: str, since: datetime) -> list[Entry]:
    """Everything that happened since. Raises Unavailable when there is more than is read."""
    found: list[Entry] = []
    for offset in range(0, MOST, PAGE):
        path = f"/log_entries?since={quote(since.isoformat(timespec='seconds'), safe='')}&limit={PAGE}&offset={offset}"
        page = shaped(of, await scene.json(of, path), _Log)
        found += page.log_entries
        if not page.more:
            return found
    raise Unavailable(f"{of} has more than {MOST:,} entries since {since:%Y-%m-%d %H:%M}: not all were read.")
