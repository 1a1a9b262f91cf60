"""The queue of a pause: who waits in it, and what it came to for those who waited."""

from __future__ import annotations

from watership.releases.ports import Waited


class Queue:
    """Counts from when a pause begins until the next one does. Times are seconds of one clock."""

    def __init__(self) -> None:
        self.waiting = 0
        self._begun = False
        self._held = 0
        self._told = 0
        self._longest = 0.0
        self._first: float | None = None
        self._last = 0.0

    def begin(self) -> None:
        """A pause begins: who is let go of the one before at this very moment still counts for that one."""
        self._begun = True
        self._held = self.waiting
        self._told = 0
        self._longest = 0.0
        self._first = None
        self._last = 0.0

    def enter(self, now: float) -> float:
        """Somebody is held; since when."""
        self.waiting += 1
        self._held += 1
        if self._first is None:
            self._first = now
        return now

    def leave(self, came: float, now: float) -> None:
        self.waiting -= 1
        self._longest = max(self._longest, now - came)
        self._last = max(self._last, now)

    def turned_away(self) -> None:
        """Somebody is told to come again."""
        self._told += 1

    def told(self) -> Waited | None:
        """What the last pause came to; None before the first."""
        if not self._begun:
            return None
        since = self._last if self._first is None else self._first
        return Waited(
            waiting=self.waiting,
            held=self._held,
            told=self._told,
            longest=self._longest,
            seconds=max(0.0, self._last - since),
        )
