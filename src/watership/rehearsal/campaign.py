"""A campaign is a rehearsal as it was asked for: one take without a death, then one for each place to die at."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from statistics import median
from typing import Final, assert_never

from msgspec import Struct

from watership.errors import BadInput
from watership.rehearsal.points import write_of
from watership.rehearsal.stage import SETTLE_SECONDS, Props, Stage, staged
from watership.rehearsal.take import Take, take
from watership.rehearsal.traffic import Traffic
from watership.releases.abridged import left_out
from watership.releases.readiness.dress import Crash, DressRehearsal, Kills, WayBack, scripts_of

LANES: Final = 3
"""Stages side by side: a take waits for its soak and its processes most of the time."""

STRIDE: Final = 17

FAULTS: Final = 100
"""Faults that a record tells; where there are more something is wrong from the ground up."""

Told = Callable[[str], None]


class Wanted(Struct, frozen=True, kw_only=True):
    """`most`: takes with a death at most; `seconds`: after them none is begun any more."""

    crash: Crash
    most: int | None = None
    seconds: float = 1800.0
    lanes: int = LANES


def chosen(points: Sequence[str], wanted: Wanted) -> list[str]:
    """Where to die, of the points that a release without a death came by.

    `each`: the first time of each write, before and after it. `all`: in strides, so that what the time does not suffice
    for lies everywhere. `some`: so many, evenly over the whole.
    """
    match wanted.crash:
        case "none":
            found: list[str] = []
        case "each":
            found = _first(points)
        case "all":
            found = [point for first in range(STRIDE) for point in points[first::STRIDE]]
        case "some":
            found = _even(points, wanted.most or 0)
        case _:
            assert_never(wanted.crash)
    return found if wanted.most is None else _even(found, wanted.most)


def _first(points: Sequence[str]) -> list[str]:
    first: dict[str, str] = {}
    for point in points:
        first.setdefault(write_of(point), point)
    return list(first.values())


def _even(points: Sequence[str], most: int) -> list[str]:
    if most >= len(points):
        return list(points)
    return [points[number * len(points) // most] for number in range(most)]


class Campaign:
    """Holds a rehearsal with `props`; `told` hears of each take."""

    def __init__(self, props: Props, wanted: Wanted, *, by: str, told: Told) -> None:
        self._props = props
        self._wanted = wanted
        self._by = by
        self._told = told
        self._takes: list[Take] = []
        self._traffic: list[Traffic] = []

    async def hold(self) -> DressRehearsal:
        """All of it, and what came of it. Raises BadInput where not even the first take gets anywhere."""
        began = datetime.now(UTC)
        loop = asyncio.get_running_loop()
        end = loop.time() + self._wanted.seconds
        async with AsyncExitStack() as stack:
            first = await stack.enter_async_context(staged(self._props))
            self._told(f"{self._props.draft.plan.live.build.version} serves on a stage of its own")
            opening = await self._one(first, "")
            if not opening.points:
                raise BadInput(f"The release without a death got nowhere: {'; '.join(opening.faults)}.")
            waiting = deque(chosen(opening.points, self._wanted))
            lanes = min(self._wanted.lanes, max(len(waiting), 1))
            more = [await stack.enter_async_context(staged(self._props)) for _ in range(lanes - 1)]
            stages = [first, *more]
            if waiting:
                self._told(f"the controller dies at {len(waiting)} of {len(opening.points)} places")
            async with asyncio.TaskGroup() as tasks:
                for stage in stages:
                    tasks.create_task(self._lane(stage, waiting, end))
        return self._record(began, opening)

    async def _lane(self, stage: Stage, waiting: deque[str], end: float) -> None:
        """One take after the other, until nothing is left or the time is over. A take without an end spoils a stage."""
        spoiled = False
        while waiting and not spoiled and asyncio.get_running_loop().time() < end:
            spoiled = (await self._one(stage, waiting.popleft())).outcome == "none"
        await stage.traffic.settle(SETTLE_SECONDS)
        self._traffic.append(stage.traffic)
        if spoiled and waiting and asyncio.get_running_loop().time() < end:
            async with staged(self._props) as another:
                await self._lane(another, waiting, end)

    async def _one(self, stage: Stage, dies: str) -> Take:
        undisturbed = self._takes[0].directed if self._takes else 0.0
        got = await take(stage, dies, undisturbed=undisturbed)
        self._takes.append(got)
        what = f"killed at {dies}" if got.died else f"did not come by {dies}" if dies else "no death"
        words = f"{len(self._takes)}: {what}: {got.outcome} in {got.seconds:.1f} s"
        if got.converged is not None:
            words += f", {got.converged:.1f} s after the new controller's start"
        if got.back is not None:
            words += f", taken back in {got.back:.2f} s"
        self._told("; ".join([words, *(f"FAULT {fault}" for fault in got.faults)]))
        return got

    def _record(self, began: datetime, opening: Take) -> DressRehearsal:
        plan, takes = self._props.draft.plan, self._takes
        died = [each for each in takes if each.died]
        back = sorted(each.back for each in takes if each.back is not None)
        faults = [f"{each.dies or 'no death'}: {fault}" for each in takes for fault in each.faults]
        failures = [words for traffic in self._traffic for words in traffic.failures]
        lost = [words for traffic in self._traffic for words in traffic.lost]
        if not faults:
            faults += [*(f"a request failed: {words}" for words in failures), *lost]
        return DressRehearsal(
            release=plan.release,
            by=self._by,
            began=began,
            ended=datetime.now(UTC),
            live=plan.live.build.digest,
            next=plan.next.build.digest,
            runbook_sha256=plan.runbook_sha256,
            smoke_sha256=plan.smoke_sha256,
            controller=plan.controller,
            scripts=scripts_of(plan),
            proxy=self._props.proxy,
            servers=self._props.servers.words,
            crash=self._wanted.crash,
            takes=len(takes),
            promoted=sum(each.outcome == "promoted" for each in takes),
            rolled_back=sum(each.outcome == "rolled_back" for each in takes),
            kills=Kills(
                points=len(opening.points),
                killed=len(died),
                unreached=tuple(each.dies for each in takes if each.dies and not each.died),
                undisturbed=opening.directed,
                slowest=max((each.converged for each in died if each.converged is not None), default=None),
            ),
            way_back=WayBack(times=len(back), median=median(back), longest=back[-1]) if back else None,
            requests=sum(traffic.requests for traffic in self._traffic),
            failed=len(failures),
            runs=sum(traffic.accepted for traffic in self._traffic),
            lost=len(lost),
            left_out=left_out(plan),
            faults=tuple(faults[:FAULTS]),
        )
