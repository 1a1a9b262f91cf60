"""A scene for users' tests of their own checks: the real instruments, systems by name, and files below a folder."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from watership.durable.clock import Clock, SystemClock
from watership.errors import NotFound
from watership.releases.book.quantity import Given
from watership.releases.book.shelf import read
from watership.releases.book.system import System
from watership.releases.checks.scene import TIMEOUT, Scene
from watership.releases.measurement import Measurement
from watership.releases.order import Release
from watership.releases.readiness.checklist import Point
from watership.releases.readiness.rounds import measured as measured_point
from watership.wiring.instruments import ProjectInstruments
from watership.wiring.kinds import of_source


def scene(
    root: Path, *, release: Release | None = None, clock: Clock | None = None, **systems: str | System
) -> Scene:
    """Where a check looks in a test. `root` holds the files that it reads; `systems` are URLs, by their names:

    scene(tmp_path, search=standin.url, redis=System(url=…, secret="env:REDIS_PASSWORD"))
    """
    return Scene(
        key="",
        clock=clock or SystemClock(),
        instruments=ProjectInstruments(root),
        started=release,
        systems={name: System(url=each) if isinstance(each, str) else each for name, each in systems.items()},
    )


def measured(
    runbook: Path, kind: str, within: Scene, *, timeout: float = TIMEOUT, **parameters: Given
) -> Measurement:
    """What a check of a runbook finds in a scene, as in a release: one that raises, or takes too long, is inconclusive.

    Raises DocumentError for a file of the runbook that cannot be used, NotFound for a check that is not there.
    """
    kinds = of_source(read(runbook))
    if kind not in kinds:
        raise NotFound(f"There is no check {kind} in {runbook}.", fix="watership runbook add-check NAME")
    point = Point(id="it", text="it", check=kind, parameters=parameters, timeout=timeout)
    return asyncio.run(measured_point(replace(within, kinds=kinds), kind, point))
