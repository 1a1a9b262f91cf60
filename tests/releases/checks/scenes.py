"""A scene to try checks in: real instruments, systems by name, files below a folder, and the plan of 2.0.5 to 2.1.0."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path

from tests.checklist.labels import label, relabelled
from tests.releases.checks.looks import worded
from tests.releases.plans import a_plan
from watership.durable.clock import Clock, SystemClock
from watership.releases.book.quantity import Given
from watership.releases.book.system import System
from watership.releases.checks import CHECKS, Scene
from watership.releases.checks.kind import CheckKind
from watership.releases.checks.reports import LABEL
from watership.releases.measurement import Measurement
from watership.releases.order import Release
from watership.releases.plan import Plan
from watership.releases.readiness.checklist import Point
from watership.releases.readiness.rounds import measured
from watership.releases.smoke import Smoke
from watership.releases.verdict import Verdict
from watership.wiring.instruments import ProjectInstruments


def now() -> datetime:
    """This moment: what is dated by it must not grow old while other tests run."""
    return SystemClock().now()


@dataclass
class Looker:
    """Measures one check at a time, as a round does: what raises is inconclusive."""

    root: Path
    systems: dict[str, System] = field(default_factory=dict)
    plan: Plan = field(default_factory=cache(a_plan))
    authorities: Path | None = None
    seconds: float = 30.0
    """That a check has."""
    kinds: Mapping[str, CheckKind] = field(default_factory=lambda: CHECKS)
    clock: Clock = field(default_factory=SystemClock)
    """The calendar's."""

    def write(self, path: str, content: str | bytes) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        relabelled(file)

    def label(self, path: str, build: str = "2.1.0", *, looked_at: int = 0, **ago: float) -> None:
        """A label for a report that lies there."""
        self.write(f"{path}{LABEL}", label(self.root / path, build, looked_at=looked_at, **ago))

    def named(self, name: str, url: str, *, secret: str = "", authorities: str = "", **facts: Given) -> None:
        """A system of that name."""
        self.systems[name] = System(url=url, secret=secret, authorities=authorities, facts=facts)

    def look(self, check: str, parameters: Mapping[str, Given] | None = None, **more: Given) -> Measurement:
        scene = Scene(
            key="",
            clock=self.clock,
            instruments=ProjectInstruments(self.root, authorities=self.authorities),
            started=Release(plan=self.plan, signoffs=(), scripts=(), smoke=Smoke(), zero=now()),
            systems=self.systems,
            kinds=self.kinds,
        )
        given = {**(parameters or {}), **more}
        point = Point(id="it", text="it", check=check, parameters=given, timeout=self.seconds)
        return asyncio.run(measured(scene, "item/it", point))

    def passes(self, check: str, **parameters: Given) -> str:
        got = self.look(check, parameters)
        assert got.verdict is Verdict.PASSED, got.evidence
        return got.evidence

    def fails(self, check: str, words: str, **parameters: Given) -> None:
        """It fails, and says why."""
        got = self.look(check, parameters)
        assert (got.verdict, words in got.evidence) == (Verdict.FAILED, True), got

    def unsure(self, check: str, words: str, **parameters: Given) -> None:
        """It cannot know, and says why."""
        got = self.look(check, parameters)
        assert (got.verdict, words in worded(got)) == (Verdict.INCONCLUSIVE, True), got
