"""The outlook for work under way: what a cutover leaves where it is, what could move, and how long it may take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from math import ceil
from typing import Final

from msgspec import Struct

from watership.durable.ids import DeploymentId
from watership.durable.ports import RunFilter, Runs
from watership.durable.run import Run
from watership.durable.states import OPEN, RunState
from watership.fleet.stranded import open_runs
from watership.releases.book.quantity import spoken

LISTED: Final = 200
"""Runs to a page, and ended runs of a program from which its length is known."""
LOOKED_AT: Final = 1_000
"""Open runs that are looked at one by one, newest first; beyond them only their number is told."""
LONG: Final = 0.95
"""So many of the ended runs of a program took no longer than what is told as usual."""


class Outlook(Struct, frozen=True, kw_only=True):
    """Of the runs that `deployment` has under way."""

    deployment: DeploymentId
    in_flight: int
    looked_at: int
    stay: int
    """Have begun: they finish on the deployment's own workers."""
    can_move: int
    """Were never begun: any deployment may have them."""
    for_people: int
    """Of those that stay: wait for somebody's word, however long that takes."""
    unknown: int
    """Of those that stay: no run of their program has ended yet, so that nobody knows how long they take."""
    longest: float | None
    """Seconds that the longest of the others may still take; None where there is none."""


async def outlook(runs: Runs, deployment: DeploymentId, now: datetime) -> Outlook:
    """Look at what a deployment has under way."""
    found = await _listed(runs, RunFilter(states=OPEN, deployment=deployment), LOOKED_AT)
    programs = {run.program for run in found}
    usual = {program: await _usual(runs, program) for program in sorted(programs)}
    total = open_runs(await runs.census(), deployment)
    return reckoned(deployment, found, usual, now, total=total)


def reckoned(
    deployment: DeploymentId,
    found: Sequence[Run],
    usual: Mapping[str, float | None],
    now: datetime,
    *,
    total: int,
) -> Outlook:
    """The outlook for these open runs of `total`; `usual`: seconds that runs of a program take, if anybody knows."""
    begun = [run for run in found if run.epoch]
    asking = [run for run in begun if _waits_for_people(run)]
    left = [_left(run, usual.get(run.program), now) for run in begun if run not in asking]
    known = [seconds for seconds in left if seconds is not None]
    return Outlook(
        deployment=deployment,
        in_flight=max(total, len(found)),
        looked_at=len(found),
        stay=len(begun),
        can_move=len(found) - len(begun),
        for_people=len(asking),
        unknown=len(left) - len(known),
        longest=max(known, default=None),
    )


def words(seen: Outlook) -> str:
    """As people are told before a GO: `37 in flight: 31 stay, 6 can move, the longest about 2h`."""
    if not seen.in_flight:
        return "no run is in flight"
    parts = [f"{seen.stay} stay", f"{seen.can_move} can move"]
    if seen.longest is not None:
        parts.append(f"the longest about {spoken(seen.longest) or '0s'}")
    if seen.for_people:
        parts.append(f"{seen.for_people} wait for people")
    if seen.unknown:
        parts.append(f"of {seen.unknown} nobody knows how long they take")
    if seen.looked_at < seen.in_flight:
        parts.append(f"told of the newest {seen.looked_at:,}")
    return f"{seen.in_flight:,} in flight: {', '.join(parts)}"


def _waits_for_people(run: Run) -> bool:
    if run.state in (RunState.IN_DOUBT, RunState.STOPPED):
        return True
    return run.state is RunState.WAITING and run.wake_at is None and any(w.kind != "child" for w in run.waits)


def _left(run: Run, usual: float | None, now: datetime) -> float | None:
    """Seconds until a run's own timer, and what runs of its program usually take beyond its age."""
    sleeps = 0.0 if run.wake_at is None else (run.wake_at - now).total_seconds()
    if usual is None:
        return None
    return max(usual - (now - run.created_at).total_seconds(), sleeps, 0.0)


async def _usual(runs: Runs, program: str) -> float | None:
    ended = RunFilter(states=frozenset({RunState.SUCCEEDED}), program=program)
    return _long(await _listed(runs, ended, LISTED))


def _long(ended: Iterable[Run]) -> float | None:
    """What all but a few of these took at most."""
    took = sorted((run.updated_at - run.created_at).total_seconds() for run in ended)
    return took[ceil(LONG * len(took)) - 1] if took else None


async def _listed(runs: Runs, which: RunFilter, most: int) -> list[Run]:
    found: list[Run] = []
    after: str | None = None
    while len(found) < most:
        page = await runs.list(which, limit=min(LISTED, most - len(found)), after=after)
        found += page.runs
        after = page.next
        if after is None:
            break
    return found
