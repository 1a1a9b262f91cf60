"""Incidents in memory."""

from __future__ import annotations

from collections.abc import Sequence

from watership.releases.incidents.incident import Decide, Event, Incident, fold, happened


class MemoryIncidents:
    """The incidents of an environment, as long as the process lives."""

    def __init__(self) -> None:
        self._events: list[Event] = []

    async def all(self) -> Sequence[Incident]:
        return fold(self._events)

    async def add(self, decide: Decide) -> Incident | None:
        there = fold(self._events)
        event = decide(there)
        if event is None:
            return None
        after = happened(next((each for each in there if each.id == event.incident), None), event)
        self._events.append(event)
        return after
