"""Issues are what people have to know or to decide at this moment, and what they still owe the release."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from watership.releases.auditing.audit import Entry
from watership.releases.journal import Fold
from watership.releases.notices.notice import Issue, Priority
from watership.releases.order import Release
from watership.releases.readiness.standing import ItemStanding
from watership.releases.status import ItemStatus, ReleaseStatus

PAGES: dict[str, Priority] = {
    "release.freeze": "CRITICAL",
    "release.page": "HIGH",
    "release.investigate": "MEDIUM",
}
"""What a vigil writes into the audit for people, and how urgent it is."""

FUSE = "fuse/"
"""How the keys of issues begin that a fuse has raised."""

LAST_CALL = 3600.0
"""Seconds before T+0 from which on approvals that are missing are an issue."""

REMINDED = 10
"""Points of a late item that are named."""


def issues(
    release: Release, state: Fold, status: ReleaseStatus, audit: Iterable[Entry] = ()
) -> tuple[Issue, ...]:
    """What people have to know or to decide at this moment. Once it is over, only that it was refused, or broke."""
    found: list[Issue] = []
    if status.stage in ("stopped", "failed", "cancelled"):
        found.append(
            Issue(
                key=f"broken/{status.stage}",
                priority="CRITICAL",
                title=f"The controller will not go on with release {status.release}",
                symptoms=(status.reason or f"Its run is {status.stage}.",),
                actions=("watership release rollback --now",),
                since=status.ended,
            )
        )
    if status.stage == "refused" and state.position.demand is None:  # who ordered it knows
        found.append(
            Issue(
                key="refused",
                priority="HIGH",
                title=f"Release {status.release} was refused, before it changed anything that serves",
                symptoms=(status.reason,) if status.reason else (),
                since=status.ended,
            )
        )
    if status.over:
        return tuple(found)
    if status.asks:
        found.append(_asking(state, status))
    found += [_failing(item) for item in status.items if item.state in ("failed", "inconclusive")]
    found += _paging(release, audit)
    return tuple(found)


def reminders(
    release: Release,
    status: ReleaseStatus,
    lacking: Sequence[str],
    items: Sequence[ItemStanding],
    now: datetime,
) -> Iterator[Issue]:
    """What people still owe the release: items that are late, and in the last hour before T+0 approvals."""
    if status.over or status.stage != "running":
        return
    for item in items:
        if item.late:
            missing = [point.text for point in item.points if not point.good]
            yield Issue(
                key=f"late/{item.id}",
                priority="MEDIUM",
                title=f"Item {item.number} is late: {item.title} ({item.owner})",
                symptoms=tuple(missing[:REMINDED]),
                actions=(f"watership check show {item.id}",),
                since=item.due,
            )
    last_call = release.zero - timedelta(seconds=LAST_CALL * release.plan.overrides.clock_factor)
    if lacking and now >= last_call:
        yield Issue(
            key="approvals",
            priority="HIGH",
            title=f"Approvals of release {status.release} are missing",
            symptoms=tuple(lacking),
            actions=("watership signoff give ROLE",),
            since=last_call,
        )


def _asking(state: Fold, status: ReleaseStatus) -> Issue:
    stuck = state.position.taken_back is not None
    about = hashlib.sha256(status.asks.encode()).hexdigest()[:8]
    return Issue(
        key=f"asks/{state.position.seen}/{about}",
        priority="CRITICAL" if stuck else "HIGH",
        title="The release waits for a person",
        symptoms=(status.asks,),
        actions=("watership release rollback --now",)
        if stuck
        else ("watership release go-on", "watership release abort"),
        since=state.facts.at if state.facts else None,
    )


def _failing(item: ItemStatus) -> Issue:
    return Issue(
        key=f"{item.key}/{item.attempts}",
        priority="HIGH",
        title=item.title,
        symptoms=(item.evidence or f"It is {item.state}.",),
        since=item.ended,
    )


def _paging(release: Release, audit: Iterable[Entry]) -> list[Issue]:
    """The fuses that blew without ending the vigil, each once."""
    found: dict[str, Issue] = {}
    for entry in audit:
        if entry.action in PAGES and entry.facts.get("release") == release.plan.release:
            fuse, reason = str(entry.facts.get("fuse", "")), str(entry.facts.get("reason", ""))
            key = f"{FUSE}{hashlib.sha256(fuse.encode()).hexdigest()[:8]}"
            found.setdefault(
                key,
                Issue(key=key, priority=PAGES[entry.action], title=fuse, symptoms=(reason,), since=entry.at),
            )
    return list(found.values())
