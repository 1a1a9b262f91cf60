"""Cases: how much each peer is asked to do, bounded so that the whole takes less than four minutes."""

from __future__ import annotations

import msgspec

REPETITIONS = 3
"""Of each peer, taking turns, so that a disturbance of the machine meets them all."""

PEER_SECONDS = 90.0
"""How long one repetition of one peer may take before it is given up: three times what it needs."""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """What one repetition of one peer consists of."""

    warm_up: int = 10
    """Runs, one after the other, before anything is measured: imports, caches, prepared statements."""
    clients: tuple[int, ...] = (1, 64)
    seconds: float = 4.0
    per_second: float | None = 20.0
    """Low enough for every peer to follow: this is the time of a run, not of a queue."""
    latency_seconds: float = 5.0


PEERS: dict[str, Case] = {
    "watership": Case(clients=(1, 64, 256)),
    "dbos": Case(),
    # SQLite keeps the journal mode in the file: how much of the difference is that?
    "dbos-wal": Case(per_second=None),
}
