"""A release through somebody else's router and names: those are real, or moto's; the processes behind are simulated.

After each act what the others say themselves is written down, past everything of ours that acted on them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from tests.simulation.release_targets import (
    SimAudit,
    SimBackups,
    SimHosts,
    SimLock,
    SimMigrator,
    SimProbe,
    SimSnapshots,
)
from tests.simulation.release_world import BUILD, EXPAND, LIVE, NEXT, SHORT, SMOKE, Nobody
from watership.adapters.memory import MemoryBell, MemoryStore, MemoryWitness
from watership.adapters.memory.records import MemoryRecords
from watership.adapters.memory.witness import Sessions
from watership.durable.clock import SystemClock
from watership.durable.ids import DeploymentId, random_ids
from watership.fleet.deployment import Deployment, DeploymentState, Slot
from watership.releases.book.document import parse
from watership.releases.book.runbook import Runbook
from watership.releases.book.shelf import Source
from watership.releases.book.system import System
from watership.releases.controller import Brief, Controller
from watership.releases.environment import Environment
from watership.releases.plan import Overrides, Size, draw, fingerprint
from watership.releases.ports import HostSpec, Instance, ProbeAnswer, Router, TrafficTick
from watership.releases.program import Outcome
from watership.releases.readiness.signoff import SignOff
from watership.wiring.entrances import entrance_of
from watership.wiring.instruments import ProjectInstruments

PATIENCE_SECONDS = 120.0
"""A release of seconds, on a machine that may be busy."""

QUICK = Overrides(soak_seconds=1.0, watch_seconds=4.0, min_samples=50)

ENTRANCE = """
  - number: 0
    id: entrance
    title: Entrance
    at: T+0m
    budget: 60m
    owner: lead
    on_failure: stop
    items:
      - {{ do: ttl, id: lower, of: entrance, to: 1s, title: "Resolvers forget it within a second" }}
      - {{ do: repoint, id: lead, of: entrance, to: "{to}", title: "It leads to the new balancer" }}
"""
RAISED = """
      - { do: ttl, id: raise, of: entrance, to: 3s, title: "Resolvers keep it as before" }
"""


def with_entrance(to: str) -> str:
    """The short runbook, in which the name is led to another balancer first, and may be kept longer at the end."""
    before, phases, after = SHORT.partition("phases:\n")
    return before + phases + ENTRANCE.format(to=to).lstrip("\n") + after.rstrip("\n") + RAISED


class NumberedHosts(SimHosts):
    """Processes whose addresses are numbers, one of each deployment by its own: moto tells targets apart by that."""

    def _instance(self, spec: HostSpec, *args: Any, **named: Any) -> Instance:
        made = super()._instance(spec, *args, **named)
        return replace(made, address=address_of(spec.deployment)) if made.address else made


def address_of(deployment: DeploymentId) -> str:
    return {LIVE.deployment: "127.0.0.2:80", NEXT.deployment: "127.0.0.3:80"}[deployment]


class NumberedProbe(SimProbe):
    """Asks them at their numbers."""

    async def request(self, method: str, url: str, **named: Any) -> ProbeAnswer:
        for side in (LIVE, NEXT):
            url = url.replace(address_of(side.deployment), f"{side.deployment}-serve-0:80")
        return await super().request(method, url, **named)


class Figures:
    """Metrics, as whoever keeps them would tell: so many requests by the second of each slot, whoever sent them."""

    def __init__(self, bad: float) -> None:
        self._bad = bad

    async def ticks(self, *, after: int, until: int) -> Mapping[Slot, Sequence[TrafficTick]]:
        bad = {NEXT.slot: self._bad, LIVE.slot: 0.0}
        return {
            slot: [
                TrafficTick(second=at, requests=400, errors=round(400 * bad[slot]), latencies={"0.005": 400})
                for at in range(after + 1, until + 1)
            ]
            for slot in Slot
        }


class WatchedAudit(SimAudit):
    """An audit that looks at the world each time an act has ended."""

    def __init__(self, clock: SystemClock, look: Callable[[], object]) -> None:
        super().__init__(clock)
        self._look = look
        self.seen: list[tuple[str, object]] = []
        self.told: list[object] = []

    def append(self, actor: str, action: str, facts: Any) -> Any:
        act, _, end = action.removeprefix("release.").rpartition(".")
        if end in ("passed", "failed", "inconclusive"):
            self.seen.append((f"{act} {end}", self._look()))
            self.told.append(facts.get("evidence"))
        return super().append(actor, action, facts)


class Elsewhere:
    """One release. `look`: what is seen past us, after each act."""

    def __init__(
        self,
        router: Router,
        *,
        folder: Path,
        book: str,
        look: Callable[[], object],
        system: System | None = None,
        bad: float = 0.0,
    ) -> None:
        self.clock = SystemClock()
        self.router = router
        self.hosts = NumberedHosts(self.clock)
        self.audit = WatchedAudit(self.clock, look)
        self.work, self.own = MemoryStore(self.clock), MemoryStore(self.clock)
        self.environment = Environment(
            router=router,
            metrics=Figures(bad),
            intake=self.work,
            deployments=self.work,
            hosts=self.hosts,
            migrator=SimMigrator(5),
            backups=SimBackups(self.clock),
            probe=NumberedProbe(self.hosts),
            lock=SimLock(self.clock).process(),
            audit=self.audit,
            runs=self.work,
            work=self.work,
            snapshots=SimSnapshots(),
            clock=self.clock,
            used_disk=_half,
            records=MemoryRecords(self.audit),
            instruments=ProjectInstruments(folder),
            entrances=entrance_of,
        )
        self.plan = draw(
            Source(runbook=parse(book, Runbook), sha256="0" * 64),
            release="2.1.0-1",
            environment="elsewhere",
            live=LIVE,
            next=NEXT,
            migrations=(EXPAND,),
            smoke=SMOKE,
            size=Size(serve=1, workers=1),
            controller=BUILD,
            starter="Sam Starter",
            created_at=self.clock.now(),
            overrides=QUICK,
            systems={"entrance": system} if system else {},
        )

    async def released(self) -> Outcome:
        """From live in green, with all traffic, to the end of the release."""
        await self.hosts.ensure(
            HostSpec(deployment=LIVE.deployment, build=LIVE.build, slot=LIVE.slot, serve=1, workers=1),
            epoch=0,
        )
        standing = Deployment(
            id=LIVE.deployment,
            build=LIVE.build,
            slot=LIVE.slot,
            state=DeploymentState.STANDING,
            created_at=self.clock.now(),
        )
        await self.work.put(standing)
        await self.work.set_weights({LIVE.deployment: 100}, epoch=0)
        await self.router.set_targets(LIVE.slot, [address_of(LIVE.deployment)], epoch=0)
        controller = Controller(
            store=self.own,
            bell=MemoryBell(),
            witness=MemoryWitness(Sessions()),
            environment=self.environment,
            new_id=random_ids(),
            observer=Nobody(),
            build=BUILD,
            who="controller",
        )
        signed = SignOff(
            fingerprint=fingerprint(self.plan), role="owner", person="Olga", at=self.plan.created_at
        )
        brief = Brief(plan=self.plan, signoffs=(signed,), scripts=(EXPAND,), smoke=SMOKE, linger=0.0)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await controller.start(brief)
        except TimeoutError:
            raise AssertionError(f"It does not end; so far: {self.audit.seen} {self.audit.told}") from None


async def _half() -> float:
    return 0.5
