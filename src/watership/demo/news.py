"""The news of a release, from its audit log as it grows: phases, verdicts, decisions, the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

from watership.releases.auditing.audit import Entry, decode
from watership.releases.book.runbook import Phase
from watership.releases.book.shelf import shipped

RUNBOOK = "one-machine"


@cache
def phases() -> dict[str, Phase]:
    """The shipped runbook's phases by id."""
    return {phase.id: phase for phase in shipped(RUNBOOK).runbook.phases}


@dataclass(frozen=True, slots=True)
class Item:
    """An item of a phase, and what the audit log says of it: begun, passed, failed, inconclusive."""

    phase: Phase
    title: str
    word: str
    evidence: str


class News:
    """Reads what is new in an audit log. A line that is still being written is read the next time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0
        self.entries: list[Entry] = []

    def more(self) -> list[Entry]:
        """Entries that came since the last call."""
        if not self._path.exists():
            return []
        with self._path.open("rb") as log:
            log.seek(self._read)
            content = log.read()
        whole = content[: content.rfind(b"\n") + 1]
        self._read += len(whole)
        fresh = [entry for line in whole.splitlines() if (entry := decode(line)) is not None]
        self.entries += fresh
        return fresh

    def of(self, release: str) -> Iterator[Entry]:
        """What has been read of one release."""
        return (entry for entry in self.entries if entry.facts.get("release") == release)

    def last(self, release: str, action: str) -> Entry | None:
        """The last entry of a release with this action."""
        found = [entry for entry in self.of(release) if entry.action == action]
        return found[-1] if found else None

    def phase(self, release: str) -> int | None:
        """The number of the phase that a release is in; None before the first."""
        items = [item for entry in self.of(release) if (item := item_of(entry)) is not None]
        return items[-1].phase.number if items else None


def item_of(entry: Entry) -> Item | None:
    """The item that an entry speaks of; None for other news."""
    kind, _, rest = entry.action.partition(".")
    phase, _, named = rest.partition(".")
    name, _, word = named.rpartition(".")
    known = phases().get(phase)
    if kind != "release" or known is None or not name:
        return None
    title = next((item.title for item in known.items if item.id == name), name)
    return Item(known, title, word, str(entry.facts.get("evidence", "")))


def decided_at(entry: Entry) -> datetime | None:
    """When it was decided to take a release back, by the entry that says that it was done."""
    seconds = entry.facts.get("seconds")
    return entry.at - timedelta(seconds=seconds) if isinstance(seconds, int | float) else None
