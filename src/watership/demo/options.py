"""What a demo may be asked for."""

from __future__ import annotations

from dataclasses import dataclass

SECONDS = 80.0
"""How long the traffic lasts, at least: two releases, and a quarter of a minute before and between them."""

SEED = 1

RATE = 240.0
"""Facts asked for in a second: 12,000 requests in a minute, at a third of two small cores."""

RUNS_RATE = 6.0
"""Messages sent in a second."""


SHORT_HASTE = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`seconds`: of traffic, at least, for it lasts until both releases have ended. `keep`: the state folder."""

    seconds: float = SECONDS
    chaos: bool = False
    seed: int = SEED
    keep: bool = False
    plain: bool = False
    """Lines instead of a live view, whatever the terminal can do."""

    @property
    def haste(self) -> float:
        """What people's delays and the agents' timers are multiplied by: a short demo has little time for them."""
        return 1.0 if self.whole else SHORT_HASTE

    @property
    def whole(self) -> bool:
        """Whether it is long enough for the volumes that are promised; a shorter one promises only the rest."""
        return self.seconds >= SECONDS
