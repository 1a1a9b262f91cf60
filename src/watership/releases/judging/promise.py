"""What the gates of a release promise, all of them together, and what they would see of the present traffic."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from msgspec import Struct

from watership.errors import Unavailable
from watership.releases.book.quantity import percent, spoken
from watership.releases.environment import Environment
from watership.releases.judging.arms import OF_RUNS
from watership.releases.judging.gate import GateSpec
from watership.releases.judging.power import PowerTable, Traffic, table
from watership.releases.judging.sight import lately, summed
from watership.releases.plan import Plan, stages

WINDOW = 60
"""Seconds of traffic, and of runs, that stand for the present one."""


class Sighting(Struct, frozen=True, kw_only=True):
    """What the gate would see in one soak, or in the watch."""

    name: str
    power: PowerTable


def bound(plan: Plan) -> float:
    """Of healthy releases, the share that is taken back by any gate, over all arms: a soak that is tried again opens
    its gate anew."""
    soaks = sum(1 + plan.phase(item).retries for item, _, _ in stages(plan))
    return soaks * plan.gate.false_alarm + plan.watch_gate.false_alarm


def promise(plan: Plan) -> str:
    """The bound in words."""
    soaks = sum(1 + plan.phase(item).retries for item, _, _ in stages(plan))
    each = "the soak" if soaks == 1 else f"each of {soaks} soaks, tried again ones included,"
    return (
        f"Of healthy releases the gate takes back at most {percent(bound(plan))} from the cutover to the end of the "
        f"watch, over all arms and however often it looks: {percent(plan.gate.false_alarm)} in {each} and "
        f"{percent(plan.watch_gate.false_alarm)} in the {spoken(plan.watch_seconds)} of the watch."
    )


async def sightings(env: Environment, plan: Plan) -> Sequence[Sighting]:
    """The power of each soak and of the watch at the traffic of the last minute. Raises Unavailable without any."""
    seconds, ticks = await lately(env, WINDOW)
    live = summed(ticks, plan.live.slot)
    nxt = summed(ticks, plan.next.slot)
    requests, errors = live.requests + nxt.requests, live.errors + nxt.errors
    if not requests:
        raise Unavailable(f"No request was served within {seconds} s: nothing says what the gate would see.")
    rate = errors / requests
    runs = await _runs(env, plan)
    found = []
    for item, soak, share in stages(plan):
        traffic = Traffic(per_second=requests / seconds, share=share, live_rate=rate)
        found.append(Sighting(name=item.does.title, power=_table(plan.gate, traffic, runs, soak.give_up)))
    traffic = Traffic(per_second=requests / seconds, share=1 - plan.hold_back, live_rate=rate)
    found.append(Sighting(name="watch", power=_table(plan.watch_gate, traffic, runs, plan.watch_seconds)))
    return found


def _table(gate: GateSpec, traffic: Traffic, runs: float | None, soak: float) -> PowerTable:
    of_runs = None if runs is None else Traffic(per_second=runs, share=traffic.share)
    return table(gate, traffic, soak, of_runs)


async def _runs(env: Environment, plan: Plan) -> float | None:
    """Runs that are made in a second, where an arm asks for them."""
    if not any(arm.of in OF_RUNS for arm in (*plan.gate.arms, *plan.watch_gate.arms)):
        return None
    now = await env.intake.now()
    sides = [plan.live.deployment, plan.next.deployment]
    cohorts = await env.runs.cohorts(sides, after=now - timedelta(seconds=WINDOW), until=now)
    return sum(each.made for each in cohorts.values()) / WINDOW
