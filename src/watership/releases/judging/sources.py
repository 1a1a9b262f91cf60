"""Sources are where the fuses' figures and events come from; a fuse that none of them feeds is named in the plan."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from watership.releases.judging.feed import Feed, fed
from watership.releases.judging.fuse import Drift, ErrorRate, Event, Fuse, Level, Lost, Reading, Second

EXPOSED: Final = frozenset({"cache_hit_rate", "query_time", "unhandled_in_critical_path", "feature_failure"})
"""What instances expose at /metrics: what they found where, how long it took, and what they did not catch."""

COUNTED: Final = frozenset({"requests", "latency_p95"})
"""What the router counts."""

REACHED: Final = frozenset({"database", "rabbitmq"})
"""What instances say at /health that they reach, or do not."""

ALWAYS: Final = COUNTED | REACHED | EXPOSED | frozenset({"data_corruption", "disk"})
"""What is measured wherever there is an environment: also what the database's own checks find, and this host's disk."""

OF_PROCESSES: Final = frozenset({"cpu", "memory", "out_of_memory"})
"""What is measured where the processes run on this machine, under its host agent."""

BY_PEOPLE: Final = frozenset({"security_breach"})
"""What people put down, where there are incidents: one whose trigger is `security`."""


UNTOLD: Final = "release.untold"
"""What an entry of the audit is called that names fuses whose sources say nothing."""


def sources(
    feeds: Sequence[Feed], *, metrics_kept: bool, processes_here: bool, incidents: bool
) -> frozenset[str]:
    """Everything that is measured in an environment, with a runbook's feeds where somebody keeps the metrics."""
    return (
        ALWAYS
        | (fed(feeds) if metrics_kept else frozenset())
        | (OF_PROCESSES if processes_here else frozenset())
        | (BY_PEOPLE if incidents else frozenset())
    )


def blind(fuses: Sequence[Fuse], there: Collection[str] = ALWAYS) -> tuple[str, ...]:
    """The fuses that can never blow here, because nobody measures what they watch."""
    return tuple(each.name for each in fuses if watched(each) not in there)


def untold(fuses: Sequence[Fuse], there: Collection[str], seconds: Sequence[Second]) -> tuple[Fuse, ...]:
    """The fuses that have a source, and were told nothing of next in any of these seconds."""
    fed_ones = [each for each in fuses if watched(each) in there]
    return tuple(each for each in fed_ones if not any(_tells(second.next, each) for second in seconds))


def _tells(reading: Reading, fuse: Fuse) -> bool:
    if isinstance(fuse, Event):
        return fuse.of in reading.happened
    return getattr(reading, watched(fuse)) is not None


def watched(fuse: Fuse) -> str:
    """What a fuse watches, by the name of its source."""
    match fuse:
        case ErrorRate():
            return "requests"
        case Level() | Drift() | Lost() | Event():
            return fuse.of
