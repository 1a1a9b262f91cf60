"""A dispatch gives jobs to workers by what they can do, who is there and how busy they are; a leader's work."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from watership.agents.teams.fan_out import BEST_EFFORT, Policy, fan_out
from watership.agents.teams.roster import Job, Skilled, Worker, assign, choose, staff
from watership.durable import ChildFailed, Effect, child, sleep, step
from watership.durable.branch import here
from watership.durable.events import Failure
from watership.errors import BadInput, ProgramError

LOOK_SECONDS = 15.0
"""How long a job for which nobody is there waits before the roster is looked at again: one heartbeat or two."""

LOOKS = 40
"""Looks at the roster for one job, while nobody who can do it is there: ten minutes, unless told otherwise."""

Roster = Mapping[str, Skilled] | Callable[[], Awaitable[Sequence[Worker]]]
"""Agents by name with what they can do, who are present by the heartbeats of this deployment's workers; or a function
that gives the workers as they are now. It is looked at in a step, so that a replay chooses by the same facts."""


class Dispatched(msgspec.Struct, frozen=True):
    """Results and failures by the jobs' names, and by whom (`by`) each result is. Look at the failures."""

    results: dict[str, Any]
    failures: dict[str, Failure]
    by: dict[str, str]
    dropped: tuple[str, ...] = ()


class NobodyThere(ProgramError):
    """Nobody who can do a job was heard of for so long."""

    code = "nobody_there"

    def __init__(self, job: Job, tried: Sequence[str], looks: int) -> None:
        needs = ", ".join(sorted(job.needs)) or "nothing special"
        before = f" besides {', '.join(tried)}, who failed" if tried else ""
        super().__init__(
            f"Nobody{before} is there for job {job.name!r}, which needs {needs}, after {looks} looks.",
            fix="Start a worker for the pool of an agent that can do it: `watership worker --agents NAME`.",
        )


async def dispatch(
    jobs: Sequence[Job],
    roster: Roster,
    *,
    policy: Policy = BEST_EFFORT,
    tries: int = 1,
    seconds: float | None = None,
    look_seconds: float = LOOK_SECONDS,
    looks: int = LOOKS,
) -> Dispatched:
    """Give each job to an agent of the roster, as a child run, all at once; `choose` and `assign` say who gets which.

    A job for which nobody is there waits, and the roster is looked at again, `looks` times. One whose agent failed is
    given to another one, `tries` times in all; a job that may not be repeated has one try. `seconds` bounds all of that
    for each job. `policy` says how much may fail, as for fan_out.
    """
    names = [job.name for job in jobs]
    if len(set(names)) < len(names) or not jobs:
        raise BadInput("There are no jobs, or two of one name.", fix="Give each job a name of its own.")
    if tries < 1 or looks < 1:
        raise BadInput(f"{tries} tries and {looks} looks get nothing done.", fix="Give at least one of each.")
    workers = {each.name: each for each in await _look(roster)}
    plan = assign(jobs, [*workers.values()])
    carriers: dict[str, _Carrier] = {
        job.name: _Carrier(job, roster, workers.get(plan[job.name] or ""), tries, look_seconds, looks)
        for job in jobs
    }
    done = await fan_out(dict.fromkeys(names), carriers, policy=policy, seconds=seconds)
    return Dispatched(
        {name: each["answer"] for name, each in done.results.items()},
        done.failures,
        {name: each["by"] for name, each in done.results.items()},
        done.dropped,
    )


async def _look(roster: Roster) -> Sequence[Worker]:
    execution = here("dispatch").execution

    async def look() -> tuple[Worker, ...]:
        if not isinstance(roster, Mapping):
            return tuple(await roster())
        # Its children run on its own deployment; and the clock is that by which the heartbeats were noted.
        home = execution.run_row.deployment
        there = [each for each in await execution.runs.workers() if each.deployment == home]
        return staff(roster, there, (await execution.runs.backlog([home], limit=1)).at)

    return await step(look, name="roster", effect=Effect.PURE, into=tuple[Worker, ...])


@dataclass(frozen=True, slots=True)
class _Carrier:
    """Carries one job to whoever does it; to `first` at first."""

    job: Job
    roster: Roster
    first: Worker | None
    tries: int
    look_seconds: float
    looks: int

    async def __call__(self, _: object) -> Mapping[str, Any]:
        worker, tried = self.first, list[str]()
        while True:
            if worker is None:
                worker = await self._find(tried)
            try:
                answer = await child(worker.name, self.job.given, pool=worker.pool)
                return {"answer": answer, "by": worker.name}
            except ChildFailed:
                tried.append(worker.name)
                if len(tried) >= self.tries:
                    raise
                worker = None

    async def _find(self, tried: Sequence[str]) -> Worker:
        """Somebody who is there for it, as soon as there is one."""
        for look in range(self.looks):
            if look or not tried:  # after a failure others may be there at once
                await sleep(self.look_seconds)
            worker = choose(self.job, await _look(self.roster), tried)
            if worker is not None:
                return worker
        raise NobodyThere(self.job, tried, self.looks)
