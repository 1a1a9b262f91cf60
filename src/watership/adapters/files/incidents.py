"""The incidents of an environment as a file: one event a line, on disk before it is returned."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import msgspec

from watership.adapters.files.appending import append, growing, lines_of, mended, parsed, refused
from watership.errors import Unavailable
from watership.releases.incidents.incident import Decide, Event, Incident, happened

MAX_BYTES = 64 * 1024 * 1024
"""Some hundred thousand events: a file that has more is written by a program that goes in a circle."""


class IncidentFile:
    """Incidents in `path`. Several processes may add: each holds the file's lock while it looks and writes."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def all(self) -> Sequence[Incident]:
        return await asyncio.to_thread(self._all)

    async def add(self, decide: Decide) -> Incident | None:
        return await asyncio.to_thread(self._add, decide)

    def _all(self) -> list[Incident]:
        return self._folded(lines_of(self._path).whole)

    def _add(self, decide: Decide) -> Incident | None:
        with growing(self._path) as file:
            lines = mended(file)
            there = self._folded(lines.whole)
            event = decide(there)
            if event is None:
                return None
            after = happened(next((each for each in there if each.id == event.incident), None), event)
            self._write(file, msgspec.json.encode(event) + b"\n", lines.size)
            return after

    def _folded(self, lines: Sequence[bytes]) -> list[Incident]:
        found: dict[str, Incident] = {}

        def happens(line: bytes) -> None:
            event = msgspec.json.decode(line, type=Event)
            found[event.incident] = happened(found.get(event.incident), event)

        parsed(self._path, lines, happens, "event of an incident")
        return list(found.values())

    def _write(self, file: int, line: bytes, size: int) -> None:
        """Write at the end, whole or not at all."""
        if size + len(line) > MAX_BYTES:
            raise Unavailable(f"{self._path} has reached {MAX_BYTES:,} bytes.", fix="Move it away.")
        try:
            append(file, line)
        except OSError as error:
            raise refused(self._path, error) from error
