"""A world in which every measured point of the checklist passes, and in which a fault can be planted for each.

A part brings what some points look at (a server, a stand-in, files) and the faults of those points. A fault is a
context manager: inside it exactly its point is red.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from msgspec.structs import replace

from tests.checklist.image import IMAGE
from tests.checklist.labels import label, relabelled
from tests.releases.plans import ADD_TOPIC, a_plan, side
from tests.simulation.release_targets import SimAudit
from watership.adapters.memory.records import MemoryRecords
from watership.durable.clock import Clock, SystemClock
from watership.fleet.build import Build
from watership.fleet.deployment import Slot
from watership.releases.book.shelf import shipped
from watership.releases.book.system import System
from watership.releases.checks import CHECKS, Scene
from watership.releases.checks.reports import LABEL
from watership.releases.measurement import Measurement
from watership.releases.order import Release
from watership.releases.plan import Plan
from watership.releases.ports import Migration
from watership.releases.readiness.checklist import Point, Section, key
from watership.releases.readiness.records import Records
from watership.releases.readiness.rounds import round_of
from watership.releases.smoke import Smoke
from watership.releases.verdict import Verdict
from watership.wiring.instruments import ProjectInstruments

Fault = Callable[[], AbstractContextManager[object]]

RUNBOOK = "agent-orchestrator"

NEXT, LIVE = side("2.1.0", Slot.BLUE), side("2.0.5", Slot.GREEN)


@dataclass
class World:
    """Grown by its parts: `root` holds the files, `systems` name what checks look at, `faults` are by point."""

    root: Path
    systems: dict[str, System] = field(default_factory=dict)
    faults: dict[str, Fault] = field(default_factory=dict)
    smoke: Smoke = field(default_factory=Smoke)
    plan: Plan = field(default_factory=lambda: replace(a_plan(), image=IMAGE))
    next: Build = NEXT.build
    live: Build = LIVE.build
    migrations: tuple[Migration, ...] = (ADD_TOPIC,)
    """What all of it is about."""
    deployment: str = NEXT.deployment
    """Of next."""
    switched: Callable[[bool], None] = lambda on: None
    """What the flag `release-probe` does where an application asks it."""
    clock: Clock = field(default_factory=SystemClock)
    authorities: Path | None = None
    """Whom HTTP over TLS trusts here."""
    records: Callable[[Plan], Records] = lambda plan: MemoryRecords(SimAudit(SystemClock()))
    """What is on record of the plan."""

    def write(self, path: str, content: str | bytes) -> Path:
        """A file of the project, as checks find it."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        relabelled(file)
        return file

    def label(self, path: str, *, looked_at: int = 0) -> None:
        """A label for a report that lies there: it is about next, and was made an hour ago."""
        self.write(f"{path}{LABEL}", label(self.root / path, self.next.digest, looked_at=looked_at))

    def scene(self) -> Scene:
        return Scene(
            key="",
            clock=self.clock,
            instruments=ProjectInstruments(self.root, authorities=self.authorities),
            started=Release(plan=self.plan, signoffs=(), scripts=(), smoke=self.smoke, zero=self.clock.now()),
            records=self.records(self.plan),
            systems=self.systems,
            kinds=CHECKS,
        )

    def measure(self, points: Iterable[tuple[str, Point]]) -> Mapping[str, Measurement]:
        return asyncio.run(round_of(self.scene(), list(points)))

    def red(self, points: Iterable[tuple[str, Point]]) -> dict[str, str]:
        """The points that do not pass, with their words."""
        return {
            name: f"{got.verdict.value}: {got.evidence}"
            for name, got in self.measure(points).items()
            if got.verdict is not Verdict.PASSED
        }


def points(letter: str) -> list[tuple[str, Point]]:
    """The measured points of a section of the shipped runbook."""
    (section,) = [each for each in shipped(RUNBOOK).runbook.checklist if each.section == letter]
    return measured(section)


def measured(section: Section) -> list[tuple[str, Point]]:
    return [(key(item, point), point) for item in section.items for point in item.points if point.check]


def batches(faults: Mapping[str, Fault], size: int) -> list[list[str]]:
    """Faults in groups that are planted together: neighbours in the checklist, which share a system, are parted."""
    names = sorted(faults)
    count = -(-len(names) // size)
    return [names[start::count] for start in range(count)]


def planted(world: World, names: Iterable[str]) -> ExitStack:
    """Several faults at once."""
    stack = ExitStack()
    for name in names:
        stack.enter_context(world.faults[name]())
    return stack
