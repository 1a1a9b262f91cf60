"""A lease says until when a worker may believe that a run is its own."""

from __future__ import annotations

from collections.abc import Callable

from watership.durable.clock import Clock

LEASE_SECONDS = 15.0
"""Long enough for a store that stalls for some seconds, short enough that a lost machine's runs move on soon."""

MARGIN = 0.2
"""Part of the lease that is not trusted: it covers the way to the store and what lies before the next look."""


class Lease:
    """Judged by a local clock that counts suspension, from a moment *before* the store was asked.

    So the holder gives up before the store's own clock lets anybody else in.
    """

    def __init__(
        self, clock: Clock, *, asked_at: float, seconds: float, session: Callable[[], bool] | None = None
    ) -> None:
        """`session` tells whether the holder's session lock is still its own: without it the lease is worth nothing."""
        self._clock = clock
        self._seconds = seconds
        self._until = asked_at + seconds
        self._session = session
        self.looked_at: float | None = None
        """When somebody last asked whether it holds. An entry that comes long after it tells of a freeze between."""

    def holds(self) -> bool:
        """Whether the run is ours, with the margin to spare."""
        self.looked_at = self._clock.monotonic()
        if self._session is not None and not self._session():
            return False
        return self.looked_at < self._until - self._seconds * MARGIN

    def end(self) -> None:
        """It cannot be told any more; not before the store confirms it again."""
        self._until = self._clock.monotonic()

    def renewed(self, asked_at: float) -> None:
        """The store confirmed the lease in answer to a question asked at `asked_at`."""
        self._until = asked_at + self._seconds
