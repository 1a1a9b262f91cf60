"""A capture asks each source of a baseline once, through the same checks that measure the checklist."""

from __future__ import annotations

from dataclasses import replace

from watership.errors import BadInput
from watership.releases.checks.scene import Scene
from watership.releases.measurement import Measurement
from watership.releases.plan import Side
from watership.releases.readiness.checklist import Point
from watership.releases.readiness.rounds import round_of
from watership.releases.service.baseline import Asked, Baseline, Figures, Sources, require_figures
from watership.releases.verdict import Verdict


async def captured(scene: Scene, sources: Sources, side: Side, *, environment: str, by: str) -> Baseline:
    """The figures of one side now. What cannot be had is None, with its reason. Raises BadInput."""
    require_figures(sources)
    strange = {asked.check for asked in sources.figures.values()} - scene.kinds.keys()
    if strange:
        raise BadInput(f"There is no check {min(strange)}.", fix="watership check explain")
    recording = replace(scene, recording=True)
    got = await round_of(recording, [(name, _point(name, asked)) for name, asked in sources.figures.items()])
    values = {name: value for name, each in got.items() if (value := _value(each)) is not None}
    return Baseline(
        environment=environment,
        version=side.build.version,
        digest=side.build.digest,
        deployment=side.deployment,
        captured_at=scene.now(),
        by=by,
        figures=Figures(**values),
        unknown={name: each.evidence for name, each in got.items() if name not in values},
    )


def _point(name: str, asked: Asked) -> Point:
    return Point(
        id=name.replace("_", "-"),
        text=name,
        check=asked.check,
        parameters=asked.parameters,
        timeout=asked.timeout,
    )


def _value(got: Measurement) -> float | None:
    """A figure is the `value` that a measurement told; one that did not come to a verdict told nothing."""
    value = got.facts.get("value")
    if got.verdict is Verdict.INCONCLUSIVE or isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value)
