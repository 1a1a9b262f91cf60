"""The database's clock by dead reckoning: its last answer, and what has passed here since."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from watership.adapters.ledger.columns import moment

RECKONED_SECONDS = 6.0
"""How long an answer is built upon: from one renewal of the leases to the next; two clocks hardly part meanwhile."""


class Reckoning:
    """Never ahead of the database's clock, and behind it by as long as its answer took to be heard here.

    Good enough to decide by where nothing depends on it. What is written down, what a lease or a dead-man's switch
    depends on, the database itself must say.
    """

    def __init__(self) -> None:
        self._told: datetime | None = None
        self._at = 0.0

    def note(self, micros: int) -> None:
        """The database has just said that it is so late."""
        self._told, self._at = moment(micros), time.monotonic()

    def now(self) -> datetime | None:
        """None when it was not heard of for too long."""
        passed = time.monotonic() - self._at
        if self._told is None or passed > RECKONED_SECONDS:
            return None
        return self._told + timedelta(seconds=passed)

    def forget(self) -> None:
        """Another server may answer from now on."""
        self._told = None
