"""Releases of builds that are broken, or healthy, on real processes: only the gate takes them back."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.journeys.broken.builds import KINDS, Build, Kind, build_of
from tests.journeys.broken.rule import fired
from tests.journeys.broken.traffic import Traffic
from watership.config import load
from watership.durable.clock import SystemClock
from watership.fleet.identity import everybody
from watership.releases.cutover import HOLD_SECONDS, Dial
from watership.releases.environment import Authority
from watership.releases.judging.gate import Judgement
from watership.releases.judging.vigil import Vigil
from watership.releases.plan import Overrides, Plan, Side, Size
from watership.releases.ports import TrafficTick
from watership.releases.program import Outcome
from watership.releases.rollback import traffic_back
from watership.releases.snapshots import load as loaded
from watership.releases.verdict import Verdict
from watership.releases.warrant import Caller
from watership.wiring.controller import open_desk
from watership.wiring.desk import Desk, side_of
from watership.wiring.environment import Layout, LocalEnvironment

RATES = (50.0, 80.0, 120.0, 160.0, 200.0)
"""Requests a second of the five releases of each kind."""

SOAKS: dict[Kind, float] = {"healthy": 35.0, "errors": 60.0, "latency": 60.0, "runs": 60.0, "leak": 140.0}
"""Seconds that a soak lasts at least. A leak is seen by how it goes on, and takes a minute and a half."""

WATCH_SECONDS = 8.0
RELEASE_SECONDS = 300.0
"""A release that takes longer has lost its way."""

WORST_ROLLBACK = 3.0
"""Seconds within which 99 of 100 mechanical rollbacks are over."""

RUNBOOK = """
schema: watership/runbook/v1
name: broken
title: A release with nothing but the gate to take it back
roles: [{ id: lead, title: Lead, duty: All }]
signoffs: { needed: [owner], expires: 24h }
gate:
  min_samples: 500
  runs_after: 5s
  arms:
    - { against: live, of: errors, tolerance: 0.1%, sees: 3% }
    - { against: limit, of: errors, limit: 2%, sees: 5% }
    - { against: live, of: tail, tolerance: 2%, sees: 15% }
    - { against: live, of: runs, tolerance: 1%, sees: 15% }
    - { against: growth, of: memory, tolerance: 5, window: 5s, warm_up: 10s }
watch:
  length: 8s
  gate: { min_samples: 100, arms: [{ against: limit, of: errors, limit: 2%, sees: 20% }] }
standby: { at_least: 24h, at_most: 48h }
rollback: { traffic: 2m, all: 5m }
fuses: []
phases:
  - number: 2
    id: deployment
    title: Deployment
    at: T+0m
    budget: 10m
    owner: lead
    on_failure: roll_back
    items:
      - { do: check, id: signed, check: signoffs.complete, title: "It is signed" }
      - { do: deploy, id: deploy, timeout: 60s, title: "Next stands" }
      - { do: check, id: smoke, check: smoke, title: "Next answers", parameters: { of: next } }
  - number: 5
    id: cutover
    title: Cutover
    at: T+0m
    budget: 20m
    owner: lead
    on_failure: roll_back
    items:
      - { do: shift, id: half, weight: 50%, title: "Half goes to next" }
      - { do: soak, id: soak, length: 60s, give_up: 10m, title: "The gate looks" }
      - { do: shift, id: full, weight: 100%, title: "All goes to next" }
      - { do: drain, id: drain, length: 10s, title: "Live is drained" }
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """One release, as it went."""

    kind: Kind
    per_second: float
    outcome: str
    reason: str
    detected: float | None
    """Seconds from the first request of next to the verdict."""
    failed_requests: int
    failed_runs: int
    rollback: float | None
    rule: int | None
    """When the seed's fixed rule would take next back."""

    @property
    def as_meant(self) -> bool:
        return self.outcome == ("promoted" if self.kind == "healthy" else "rolled_back")

    @property
    def by_the_gate(self) -> bool:
        """Whether the reason is one that only the gate gives."""
        return self.kind == "healthy" or "refused at tick" in self.reason


class Campaign:
    """One environment, and releases in it one after the other."""

    def __init__(self, folder: Path, desk: Desk, traffic: Traffic, say: Callable[[str], None]) -> None:
        self._folder = folder
        self._desk = desk
        self._traffic = traffic
        self._say = say
        self._number = 0

    async def release(self, kind: Kind, per_second: float) -> Released:
        """Draw, sign, release, and see how it ended."""
        self._number += 1
        version, name = f"2.1.{self._number}", f"r{self._number}"
        self._traffic.per_second = per_second
        source = build_of(kind, version, per_second).make(self._folder / version)
        draft = await self._desk.draw(
            source,
            release=name,
            starter="Sam",
            overrides=Overrides(soak_seconds=SOAKS[kind], watch_seconds=WATCH_SECONDS),
            size=Size(serve=1, workers=1, slots=16),
            book=str(self._folder / "runbook.yaml"),
        )
        self._desk.folder(name).save_draft(draft)
        clerk = await self._desk.clerk(name)
        await clerk.sign("owner", Caller(everybody("Ada", SystemClock()), open=True))
        async with asyncio.timeout(RELEASE_SECONDS):
            outcome = await self._desk.controller.start(await self._desk.brief(name, starter="Sam"))
        found = await self._seen(kind, per_second, draft.plan, outcome)
        self._say(
            f"{name} {kind} at {per_second:g}/s: {found.outcome} "
            f"{'' if found.detected is None else f'{found.detected:.0f} s after it began to serve '}({found.reason})"
        )
        return found

    async def _seen(self, kind: Kind, per_second: float, plan: Plan, outcome: Outcome) -> Released:
        vigil = await loaded(self._desk.environment.snapshots, f"{plan.release}.cutover/soak.1", Vigil)
        assert vigil is not None, outcome
        began, ended = int(vigil.began.timestamp()), vigil.last
        ticks = await self._desk.environment.metrics.ticks(after=began, until=ended)
        nexts: Sequence[TrafficTick] = ticks.get(plan.next.slot, ())
        judgement = self._desk.environment.judge(vigil.gate, plan.gate)
        return Released(
            kind=kind,
            per_second=per_second,
            outcome=outcome.outcome,
            reason=outcome.reason,
            detected=float(vigil.gate.failed_at) if vigil.gate.failed_at is not None else None,
            failed_requests=vigil.errors,
            failed_runs=_failed_runs(judgement),
            rollback=outcome.rollback_seconds,
            rule=fired(nexts),
        )

    async def rollbacks(self, number: int) -> list[float]:
        """Traffic to both, and all of it back, so many times, under load; seconds until both planes say so."""
        env = self._desk.environment
        standing = {each.slot: each for each in await env.deployments.all() if each.state.value == "standing"}
        live = await self._desk.live()
        other: Side = side_of(standing[live.slot.other])
        authority = Authority(env.lock, who="campaign", release="rollbacks")
        await authority.take()
        try:
            dial = Dial(env, authority, to=live, away=other)
            return [await self._rollback(dial, authority) for _ in range(number)]
        finally:
            await authority.give_up()

    async def _rollback(self, dial: Dial, authority: Authority) -> float:
        await dial.set(50, hold=HOLD_SECONDS)
        began = time.monotonic()
        found = await traffic_back(self._desk.environment, authority, dial)
        assert found.verdict is Verdict.PASSED, found.evidence
        return time.monotonic() - began


def _failed_runs(judgement: Judgement) -> int:
    return next((int(arm.next.bad) for arm in judgement.arms if arm.name == "runs against live"), 0)


@asynccontextmanager
async def campaign(folder: Path, say: Callable[[str], None]) -> AsyncIterator[Campaign]:
    """An environment in `folder` with its first build live, and traffic on it."""
    (folder / "watership.toml").write_text('[environment]\nname = "broken"\n', encoding="utf-8")
    (folder / "runbook.yaml").write_text(RUNBOOK, encoding="utf-8")
    source = Build("2.0.0").make(folder / "2.0.0")
    config, before = load(folder, {}), Path.cwd()
    local = LocalEnvironment(config)
    os.chdir(folder)
    try:
        address = await local.up("127.0.0.1:0")
        await local.establish(source, layout=Layout(serve=1, workers=1))
        async with open_desk(config) as desk, Traffic(address, RATES[0]) as traffic:
            yield Campaign(folder, desk, traffic, say)
    finally:
        await local.down()
        os.chdir(before)


def of_kind(kind: Kind, found: Sequence[Released]) -> str:
    """A row of the printed table."""
    mine = [each for each in found if each.kind == kind]
    detected = [each.detected for each in mine if each.detected is not None]
    failed = [each.failed_runs if kind == "runs" else each.failed_requests for each in mine]
    back = [each.rollback for each in mine if each.rollback is not None]
    rule = [each.rule for each in mine if each.rule is not None]
    return (
        f"| {kind} | {sum(each.as_meant and each.by_the_gate for each in mine)} of {len(mine)} | "
        f"{_range(detected)} | {_range([float(each) for each in failed])} | {_range(back, 2)} | "
        f"{len(rule)} of {len(mine)} |"
    )


def _range(values: Sequence[float], digits: int = 0) -> str:
    """Median, and the worst."""
    return f"{median(values):.{digits}f}, {max(values):.{digits}f}" if values else "–"


def p99(seconds: Sequence[float]) -> float:
    ranked = sorted(seconds)
    return ranked[min(len(ranked) - 1, int(0.99 * len(ranked)))]


__all__ = ["KINDS", "RATES", "Campaign", "Released", "campaign", "of_kind", "p99"]
