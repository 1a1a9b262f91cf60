"""A roster has facts about workers, what they can do, how busy they are and when they were heard of; one is chosen."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from typing import Any

import msgspec

from watership.durable.ports import HEARD_SECONDS, WorkerPresence
from watership.durable.run import DEFAULT_POOL, DEFAULT_PRIORITY


class Skilled(msgspec.Struct, frozen=True):
    """What an agent can do, and the pool whose workers run it."""

    can: frozenset[str] = frozenset()
    pool: str = DEFAULT_POOL


class Worker(msgspec.Struct, frozen=True):
    """An agent as a leader sees it. `load` of `slots` are taken; `silent` is the seconds since its last heartbeat,
    None if there never was one. Its runs go to `pool`, or else to the leader's."""

    name: str
    can: frozenset[str]
    load: int
    slots: int
    silent: float | None
    pool: str | None = None

    @property
    def present(self) -> bool:
        """Whether it was heard of within HEARD_SECONDS."""
        return self.slots > 0 and self.silent is not None and self.silent <= HEARD_SECONDS


class Job(msgspec.Struct, frozen=True):
    """`needs`: what its worker must be able to do. `priority`: a higher one is given out first."""

    name: str
    given: Any = None
    needs: frozenset[str] = frozenset()
    priority: int = DEFAULT_PRIORITY


def staff(
    agents: Mapping[str, Skilled], presences: Sequence[WorkerPresence], now: datetime
) -> tuple[Worker, ...]:
    """The agents as workers, by the heartbeats of those who run their pools (`Runs.workers()`, GET /api/v1/workers).

    Of one deployment: a child runs on that of its parent.
    """
    found: list[Worker] = []
    for name, skilled in agents.items():
        there = [each for each in presences if each.pool == skilled.pool]
        silent = min(((now - each.seen_at).total_seconds() for each in there), default=None)
        alive = [each for each in there if (now - each.seen_at).total_seconds() <= HEARD_SECONDS]
        load, slots = sum(each.leased for each in alive), sum(each.slots for each in alive)
        found.append(Worker(name, skilled.can, load, slots, silent, skilled.pool))
    return tuple(found)


def choose(job: Job, workers: Iterable[Worker], tried: Collection[str] = ()) -> Worker | None:
    """Who is to do the job: of those who are there, can do it and were not `tried`, the one with the least load for its
    slots; of equals the one that can do the least else, so that those of many skills stay free; then by name."""
    able = [each for each in workers if each.present and job.needs <= each.can and each.name not in tried]
    return min(
        able, key=lambda each: (Fraction(each.load, each.slots), len(each.can), each.name), default=None
    )


def assign(jobs: Sequence[Job], workers: Sequence[Worker]) -> dict[str, str | None]:
    """A worker for each job, by the jobs' names; None where nobody who is there can do it.

    Jobs of a higher priority choose first, and of one priority those that come first; each adds to its worker's load.
    """
    known = {each.name: each for each in workers}
    chosen: dict[str, str | None] = {}
    for job in sorted(jobs, key=lambda each: -each.priority):
        worker = choose(job, known.values())
        chosen[job.name] = None if worker is None else worker.name
        if worker is not None:
            known[worker.name] = msgspec.structs.replace(worker, load=worker.load + 1)
    return {job.name: chosen[job.name] for job in jobs}
