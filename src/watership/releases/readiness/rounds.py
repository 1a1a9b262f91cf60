"""A round goes through points of the checklist: those that a program can see are measured, and put on record."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from watership.releases.checks.scene import Kind, Scene
from watership.releases.measurement import Finding, Measurement, dated, scrubbed, unknown
from watership.releases.readiness.checklist import Point

AT_ONCE: Final = 8
"""Points that are measured at a time: most wait for an answer from elsewhere."""


async def round_of(scene: Scene, points: Sequence[tuple[str, Point]]) -> dict[str, Measurement]:
    """Measure points, each by its key; those that people attest are left out."""
    free = asyncio.Semaphore(AT_ONCE)

    async def one(name: str, point: Point) -> tuple[str, Measurement]:
        async with free:
            return name, await measured(scene, name, point)

    return dict(
        await asyncio.gather(*(one(name, point) for name, point in points if point.check is not None))
    )


async def measured(scene: Scene, name: str, point: Point) -> Measurement:
    """One point, measured within its time. What could not be found out is inconclusive, in its own words."""
    assert point.check is not None
    kind, began = scene.kinds[point.check], scene.now()
    finding = await _found(dataclasses.replace(scene, key=name, timeout=point.timeout), kind, point)
    finding = scrubbed(replace(finding, fix=finding.fix or kind.fix))
    good_for = kind.good_for if point.good_for is None else point.good_for
    return dated(finding, began, scene.now(), good_for=good_for)


async def _found(scene: Scene, kind: Kind, point: Point) -> Finding:
    try:
        async with asyncio.timeout(point.timeout):
            return await kind.measure(scene, point.parameters)
    except TimeoutError:
        return unknown(TimeoutError(f"it took longer than {point.timeout:g} s"))
    except Exception as error:  # noqa: BLE001 - whatever a measurement raises is no verdict
        return unknown(error)
