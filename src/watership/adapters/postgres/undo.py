"""Changes to dictionaries and lists that can be taken back as long as the write that made them is being applied."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Undo:
    """What the present write changed. Ours alone: a write that is refused has changed nothing."""

    __slots__ = ("_appended", "_set")

    def __init__(self) -> None:
        self._set: list[tuple[dict[Any, Any], Any, Any]] = []
        self._appended: list[list[Any]] = []

    def set(self, table: dict[K, V], key: K, value: V) -> None:
        self._set.append((table, key, table.get(key, _MISSING)))
        table[key] = value

    def append(self, table: list[V], value: V) -> None:
        self._appended.append(table)
        table.append(value)

    def keep(self) -> None:
        self._set.clear()
        self._appended.clear()

    def take_back(self) -> None:
        while self._appended:
            self._appended.pop().pop()
        while self._set:
            table, key, before = self._set.pop()
            if before is _MISSING:
                del table[key]
            else:
                table[key] = before


_MISSING = object()
