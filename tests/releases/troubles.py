"""Incidents to try things on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from watership.releases.auditing.audit import Entry, Fact, chain
from watership.releases.incidents.incident import Event, Incident, Opened, Opening, Severity, happened

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def opening(**more: Any) -> Opening:
    values: dict[str, Any] = {
        "rule": "fuse: error rate",
        "release": "2.1.0-1",
        "title": "Error rate",
        "symptom": "15 % of requests fail",
        "severity": Severity.HIGH,
        "at": NOON,
    }
    return Opening(**(values | more))


def incident(*events: Event, id: str = "INC-1", **more: Any) -> Incident:
    """One that was opened at noon, after these events."""
    found = happened(None, Opened(incident=id, at=NOON, who="controller", opening=opening(**more)))
    for event in events:
        found = happened(found, event)
    return found


def entry(minutes: float, action: str, **facts: Fact) -> Entry:
    """What the controller put into the audit."""
    told: dict[str, Fact] = {"release": "2.1.0-1", **facts}
    return chain(None, at=at(minutes), actor="controller", action=action, facts=told)
