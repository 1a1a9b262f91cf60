"""What migrations leave wrong is what the integrity checks find after them, and did not find before."""

from __future__ import annotations

from watership.releases.ports import Migrator


class Soundness:
    """Looks before the first migration and after each; a fault that a later one mends is none.

    A constraint that is added without a look at the rows is such a fault: its validation is a step of its own.
    """

    def __init__(self, migrator: Migrator) -> None:
        self._migrator = migrator
        self._before: frozenset[str] | None = None
        self._after: dict[str, str] = {}

    async def remember(self) -> None:
        """What was wrong before any migration ran."""
        if self._before is None:
            self._before = frozenset(await self._migrator.integrity())

    async def look(self, migration: str) -> None:
        """What is wrong after this one, that nobody saw before."""
        for fault in await self._migrator.integrity():
            if fault not in (self._before or ()):
                self._after.setdefault(fault, migration)

    async def wrong(self) -> list[str]:
        """What is still wrong in the end, each with the migration after which it was seen first."""
        if not self._after:
            return []
        left = await self._migrator.integrity()
        return [f"Since migration {name}: {fault}." for fault, name in self._after.items() if fault in left]
