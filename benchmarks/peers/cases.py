"""Cases: how much each peer is asked to do, in full and quickly; bounded, whatever happens."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """What one repetition of one peer consists of, of whatever kind."""

    warm_up: int = 20
    jobs: int = 1000
    per_second: float = 50.0
    latency_seconds: float = 3.0
    connections: tuple[int, ...] = (64, 256, 1000)
    """The connections of the whole path; the last of them must live without an error."""
    clients: tuple[int, ...] = (64, 256)
    """The concurrent runs of the engine alone."""
    seconds: float = 5.0
    """How long each of these is kept under load; the time until the last run is done comes on top."""
    kills: int = 3


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """`seconds` bounds all of it: what is not reached by then is reported as such."""

    repetitions: int
    seconds: float
    jobs: Mapping[str, int]
    case: Case
    kills: Mapping[str, int]
    """Of each peer whose recovery is measured, once: the kills are its repetitions."""


JOBS = {
    "watership": 6000,
    "celery-redis": 1500,
    "celery-postgres": 1000,
    "dramatiq": 2000,
    "dbos": 600,
    "procrastinate": 700,
    "taskiq": 2000,
}
"""Each about four seconds of work on two idle cores."""

KILLS = dict.fromkeys(JOBS, 3) | {"watership": 7}
"""Each costs a start of a worker; a median of three tells milliseconds from seconds."""

FULL = Plan(repetitions=3, seconds=570.0, jobs=JOBS, case=Case(), kills=KILLS)
"""Half a minute is left of ten for PostgreSQL's crash, the last questions to the servers, and their end."""

QUICK = Plan(
    repetitions=1,
    seconds=106.0,
    jobs={peer: max(150, jobs // 8) for peer, jobs in JOBS.items()},
    case=Case(warm_up=10, latency_seconds=1.0, seconds=1.5),
    kills={"watership": 2},
)

MEASUREMENT_SECONDS = 120.0
"""How long one repetition of one measurement may take: several times what it needs."""
