"""The faults of a campaign, and the order in which they strike: a pure function of a seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Final, Literal

Server = Literal["postgres", "rabbitmq", "redis"]
SERVERS: Final[tuple[Server, ...]] = ("postgres", "rabbitmq", "redis")


class Fault(StrEnum):
    """What can befall a system without anybody being at fault."""

    WORKER_KILLED = "worker killed"
    WORKER_FROZEN = "worker frozen past its lease"
    SERVE_KILLED = "serve killed"
    SERVE_FROZEN = "serve frozen"
    POSTGRES_FAST = "postgres restarted"
    POSTGRES_IMMEDIATE = "postgres restarted, immediate"
    POSTGRES_KILLED = "postgres killed"
    POSTGRES_FROZEN = "postgres frozen"
    STORM = "connection storm"
    SESSIONS_ENDED = "workers' sessions ended"
    BROKER_RESTARTED = "broker restarted"
    BROKER_KILLED = "broker killed"
    BROKER_ALARM = "broker alarm"
    QUEUES_DELETED = "queues deleted"
    REDIS_FLUSHED = "redis flushed"
    REDIS_KILLED = "redis killed"
    REDIS_FROZEN = "redis frozen"
    LINK_CUT = "link cut"
    LINK_SLOW = "link slow"
    LINK_HELD = "link held"
    LINK_HALF_OPEN = "link half-open"
    LINK_RESET = "link reset in the middle"
    LINK_REFUSED = "link refused"


PROCESSES: Final = (Fault.WORKER_KILLED, Fault.WORKER_FROZEN, Fault.SERVE_KILLED, Fault.SERVE_FROZEN)
LINKS: Final = (
    Fault.LINK_CUT,
    Fault.LINK_SLOW,
    Fault.LINK_HELD,
    Fault.LINK_HALF_OPEN,
    Fault.LINK_RESET,
    Fault.LINK_REFUSED,
)

SECONDS: Final = {
    Fault.WORKER_KILLED: 0.0,
    Fault.SERVE_KILLED: 0.0,
    Fault.SERVE_FROZEN: 1.0,
    Fault.POSTGRES_KILLED: 0.5,
    Fault.BROKER_KILLED: 0.5,
    Fault.REDIS_KILLED: 1.0,
    Fault.BROKER_ALARM: 2.0,
    Fault.STORM: 1.5,
}
"""How long a fault lasts; a second, where nothing is said. A frozen worker sleeps for as many leases as LEASES says."""

LEASES: Final = 1.6
"""A lease's time and a half: others have then begun on the frozen worker's runs."""

PAUSE: Final = (0.2, 0.8)
"""Seconds between two faults: some fall into what the one before has left behind, some into quiet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """One fault. `pick` in [0, 1) chooses among those whom it may befall; all of them, where `everywhere`."""

    fault: Fault
    server: Server | None = None
    pause: float
    seconds: float
    pick: float
    everywhere: bool

    @property
    def name(self) -> str:
        """What is counted, and has to be seen."""
        return self.fault.value if self.server is None else f"{self.server} {self.fault.value}"


def kinds(servers: bool) -> tuple[tuple[Fault, Server | None], ...]:
    """Every kind of fault there is: on the embedded default, or with `servers`, each of whose links can fail."""
    if not servers:
        return tuple((fault, None) for fault in PROCESSES)
    links = tuple((fault, server) for fault in LINKS for server in SERVERS)
    return (*((fault, None) for fault in Fault if fault not in LINKS), *links)


def strikes(random: Random, of: Sequence[tuple[Fault, Server | None]], lease: float) -> Iterator[Strike]:
    """Rounds without end, each with every kind once, in another order."""
    while True:
        for fault, server in random.sample(of, len(of)):
            longest = LEASES * lease if fault is Fault.WORKER_FROZEN else SECONDS.get(fault, 1.0)
            yield Strike(
                fault=fault,
                server=server,
                pause=random.uniform(*PAUSE),
                seconds=longest,
                pick=random.random(),
                everywhere=random.random() < 0.3,
            )
