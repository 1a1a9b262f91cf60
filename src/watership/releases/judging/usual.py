"""What is usual is what live showed before the release had everything: in the soaks beside next, else in the baseline.

The soaks come first, for there live was seen by the same eyes as next.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from statistics import median
from typing import Final, get_args

import msgspec

from watership.errors import BadInput, Unavailable
from watership.releases.environment import Environment
from watership.releases.judging.fuse import Second, Trend
from watership.releases.plan import Plan
from watership.releases.service.baseline import DAY, PATH, Baseline
from watership.releases.snapshots import load, save

TRENDS: Final[tuple[Trend, ...]] = get_args(Trend)


async def usual(env: Environment, plan: Plan) -> dict[Trend, float]:
    """What is known of it. What cannot be read says nothing."""
    known: dict[Trend, float] = {}
    with suppress(Unavailable, BadInput):
        known |= await _on_record(env, plan)
    with suppress(Unavailable):
        known |= await load(env.snapshots, _name(plan), dict[Trend, float]) or {}
    return known


async def keep_usual(env: Environment, plan: Plan, seconds: Sequence[Second]) -> None:
    """Put down what live showed in these seconds, beside next."""
    shown: dict[Trend, float] = {}
    for trend in TRENDS:
        values = [value for second in seconds if (value := getattr(second.live, trend)) is not None]
        if values:
            shown[trend] = median(values)
    if shown:
        await save(env.snapshots, _name(plan), shown)


def _name(plan: Plan) -> str:
    return f"{plan.release}.usual"


async def _on_record(env: Environment, plan: Plan) -> dict[Trend, float]:
    """The figures of the baseline, if it is of live's very build, and of the day before the plan or later."""
    document = await env.instruments.documents.read(PATH) if env.instruments is not None else None
    if document is None:
        return {}
    try:
        baseline = msgspec.json.decode(document.content, type=Baseline)
    except msgspec.DecodeError:
        return {}
    old = (plan.created_at - baseline.captured_at).total_seconds() > DAY
    if old or baseline.digest != plan.live.build.digest:
        return {}
    return {trend: value for trend in TRENDS if (value := baseline.figures.get(trend)) is not None}
