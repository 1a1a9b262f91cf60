"""Flags and the record of their changes, in dictionaries."""

from __future__ import annotations

from collections.abc import Sequence

from watership.fleet.flags import Flag, FlagChange


class MemoryFlags:
    """FlagRows. Nothing awaits between a change and its record, so they need no transaction."""

    def __init__(self) -> None:
        self.by_name: dict[str, Flag] = {}
        self._changes: list[FlagChange] = []

    def flag(self, name: str) -> Flag | None:
        return self.by_name.get(name)

    def put_flag(self, flag: Flag) -> None:
        self.by_name[flag.name] = flag

    def flag_count(self) -> int:
        return len(self.by_name)

    def add_change(self, change: FlagChange) -> None:
        self._changes.append(change)

    def changes(self, name: str | None, limit: int) -> Sequence[FlagChange]:
        found = (change for change in reversed(self._changes) if name is None or change.name == name)
        return [change for _, change in zip(range(limit), found, strict=False)]
