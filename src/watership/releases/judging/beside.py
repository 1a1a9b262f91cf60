"""Beside the traffic: the runs and the memory of both slots, looked at every few seconds by arms that want them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from watership.durable.ids import DeploymentId, RunId
from watership.durable.ports import Cohort
from watership.durable.usage import usage
from watership.errors import Unavailable
from watership.fleet.deployment import Slot
from watership.releases.environment import Environment
from watership.releases.judging.arms import OF_RUNS, SPENT, AgainstGrowth, Counts, RunCounts
from watership.releases.judging.gate import GateSpec
from watership.releases.plan import Plan

EVERY_SECONDS: Final = 2.0
"""Between two looks; a fifth of the age at which runs are counted."""

ANSWER_SECONDS: Final = 3.0
"""What is not answered by then is not known: the switches must be renewed meanwhile."""

MEASURED_SECONDS: Final = 0.05
"""For which the machine looks at processes: their memory is told at once."""

SOME: Final = 20
"""Runs of each slot whose journals are read in a look, where what they spend is judged."""

TOKENS, MONEY = "tokens", "microdollars"
"""The units in which agents' journals count what a run uses up."""


class Beside(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was seen in one look. `cohort`: until when runs are counted, by the store's clock; None: not yet at all."""

    cohort: datetime | None = None
    runs: Mapping[Slot, RunCounts] = {}
    memory: Mapping[Slot, int] = {}

    def added(self, slot: Slot, counts: Counts) -> Counts:
        """A slot's counts of a second, with what was seen of it."""
        return Counts(
            requests=counts.requests,
            errors=counts.errors,
            slow=counts.slow,
            latencies=counts.latencies,
            runs=self.runs.get(slot),
            memory=self.memory.get(slot),
        )


def wanted(gate: GateSpec) -> bool:
    """Whether an arm looks beside the traffic."""
    return any(isinstance(arm, AgainstGrowth) or arm.of in OF_RUNS for arm in gate.arms)


async def look(env: Environment, plan: Plan, gate: GateSpec, cohort: datetime | None) -> Beside:
    """What is to be seen now, for those arms that the gate has. It never raises: no answer is not known."""
    seen = Beside(cohort=cohort)
    if any(arm.of in OF_RUNS for arm in gate.arms):
        with suppress(Unavailable, TimeoutError):
            async with asyncio.timeout(ANSWER_SECONDS):
                seen = await _runs(env, plan, gate, cohort)
    memory: Mapping[Slot, int] = {}
    if any(isinstance(arm, AgainstGrowth) for arm in gate.arms):
        with suppress(Unavailable, TimeoutError):
            async with asyncio.timeout(ANSWER_SECONDS):
                memory = await _memory(env, plan)
    return Beside(cohort=seen.cohort, runs=seen.runs, memory=memory)


async def _runs(env: Environment, plan: Plan, gate: GateSpec, cohort: datetime | None) -> Beside:
    """The runs that have come of age since the last look, as both slots made them under one split."""
    now = await env.intake.now()
    if cohort is None:
        return Beside(cohort=now)
    until = now - timedelta(seconds=gate.runs_after)
    if until <= cohort:
        return Beside(cohort=cohort)
    sides = {plan.live.slot: plan.live.deployment, plan.next.slot: plan.next.deployment}
    spent = {arm.of for arm in gate.arms} & SPENT
    cohorts = await env.runs.cohorts(
        list(sides.values()), after=cohort, until=until, some=SOME if spent else 0
    )
    runs = {slot: await _counted(env, cohorts[deployment]) for slot, deployment in sides.items()}
    return Beside(cohort=until, runs=runs)


async def _counted(env: Environment, cohort: Cohort) -> RunCounts:
    used = [await _used(env, run_id) for run_id in cohort.some]
    return RunCounts(
        made=cohort.made,
        failed=cohort.fell,
        tokens=tuple(each.get(TOKENS, 0) for each in used),
        cost=tuple(each.get(MONEY, 0) for each in used),
    )


async def _used(env: Environment, run_id: RunId) -> Mapping[str, int]:
    """What a run has used up by now; of a long journal what its first page tells, on both sides alike."""
    return usage(entry.event for entry in await env.runs.journal(run_id)).used


async def _memory(env: Environment, plan: Plan) -> dict[Slot, int]:
    """Bytes of all processes of each side; of a side of which one is not told, nothing is."""
    if env.usage is None:
        return {}
    pids: dict[DeploymentId, list[int | None]] = {plan.live.deployment: [], plan.next.deployment: []}
    for each in await env.hosts.instances():
        if each.deployment in pids:
            pids[each.deployment].append(each.pid)
    used = await env.usage.of(
        [pid for side in pids.values() for pid in side if pid], seconds=MEASURED_SECONDS
    )
    memory = {pid: use.memory for pid, use in used.processes.items()}
    sides = {plan.live.slot: plan.live.deployment, plan.next.slot: plan.next.deployment}
    sums = {
        slot: _sum([memory.get(pid or 0) for pid in pids[deployment]]) for slot, deployment in sides.items()
    }
    return {slot: bytes_ for slot, bytes_ in sums.items() if bytes_ is not None}


def _sum(memory: Sequence[int | None]) -> int | None:
    known = [each for each in memory if each is not None]
    return sum(known) if known and len(known) == len(memory) else None
