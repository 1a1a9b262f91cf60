"""An observer that remembers what it was told."""

from __future__ import annotations

import asyncio

PATIENCE_SECONDS = 15.0
"""Until a test gives up waiting: a busy machine is allowed to be slow."""


class Notes:
    """All notes, with their facts, in the order in which they were taken."""

    def __init__(self) -> None:
        self.all: list[tuple[str, dict[str, object]]] = []

    def note(self, event: str, **facts: object) -> None:
        self.all.append((event, facts))

    @property
    def events(self) -> list[str]:
        return [event for event, _ in self.all]

    def named(self, event: str) -> list[dict[str, object]]:
        """The facts of each note of that name."""
        return [facts for name, facts in self.all if name == event]

    def count(self, event: str) -> int:
        """How often it was noted."""
        return self.events.count(event)

    async def until(self, *events: str) -> None:
        """Wait until these and no others were noted, in this order."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.events != list(events):
                await asyncio.sleep(0.05)
