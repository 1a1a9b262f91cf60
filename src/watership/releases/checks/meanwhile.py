"""What Prometheus saw while a load test ran: neither before it nor after it is a machine under load."""

from __future__ import annotations

import math
from typing import Final
from urllib.parse import urlencode

from msgspec import Struct

from watership.errors import BadInput, Unavailable
from watership.releases.book.quantity import spoken
from watership.releases.checks.documents import marks
from watership.releases.checks.figures import NONE
from watership.releases.checks.kind import check
from watership.releases.checks.load import RUN, measured
from watership.releases.checks.prometheus import data
from watership.releases.checks.reports import WEEK
from watership.releases.checks.scene import Scene
from watership.releases.measurement import Finding, failed, found, inconclusive

MOMENTS: Final = 41
"""At which a time is looked at: in ten minutes each fifteen seconds, which is how often Prometheus scrapes."""

PRESENT: Final = 0.9
"""Of all moments those that have a value, at least: a scrape may fail."""


class _Range(Struct):
    values: list[tuple[float, str]]


class _Matrix(Struct):
    result: list[_Range]


@check("load.meanwhile", tells=True, good_for="24h", fix=RUN)
async def meanwhile(
    scene: Scene,
    *,
    report: str,
    of: str,
    query: str,
    below: float = NONE,
    at_least: float = NONE,
    mean: bool = False,
    younger_than: float = WEEK,
) -> Finding:
    """While the load test of k6's summary ran, the one number that a PromQL query gives in the Prometheus `of` kept its
    bounds at each of 41 moments, or, with `mean`, on the average. With a value at fewer than nine in ten of them it is
    not known."""
    document, load, wrong = await measured(scene, report, younger_than)
    if load.ended_at is None:  # a label knows when k6 was done with everything, not with the load
        wrong = [*wrong, "it does not say when it ended"]
    if wrong or load.ended_at is None:
        return failed(f"{report}: {'; '.join(wrong)}.")
    seconds = load.state.milliseconds / 1000
    values = await over(scene, of, query, load.ended_at.timestamp() - seconds, seconds)
    if len(values) < PRESENT * MOMENTS:
        return inconclusive(
            f"{of} has values at {len(values)} of {MOMENTS} moments of the load test, for: {query}"
        )
    average = math.fsum(values) / len(values)
    low, top = (average, average) if mean else (min(values), max(values))
    bounds = [f"below {below:g}"] if not math.isnan(below) else []
    bounds += [f"at least {at_least:g}"] if not math.isnan(at_least) else []
    told = f"{average:.4g} on the average" if mean else f"{low:.4g} to {top:.4g}"
    words = f"In {spoken(seconds)} of load, until {load.ended_at:%Y-%m-%d %H:%M}, it was {told}"
    good = not top >= below and not low < at_least
    return found(good, f"{words}; {' and '.join(bounds)} is wanted.", low=low, top=top, **marks(document))


async def over(scene: Scene, of: str, query: str, start: float, seconds: float) -> list[float]:
    """The values of a query at the moments of a time, as far as there are any. Raises Unavailable for no series, or for
    several: which one is meant is not known."""
    if seconds <= 0:
        raise BadInput("The load test took no time.", fix=RUN)
    step = seconds / (MOMENTS - 1)
    asked = {"query": query, "start": f"{start:.3f}", "end": f"{start + seconds:.3f}", "step": f"{step:.3f}"}
    told = await data(scene, of, f"/api/v1/query_range?{urlencode(asked)}", _Matrix)
    if len(told.result) != 1:
        raise Unavailable(f"{of} has {len(told.result)} series for: {query}")
    values = (float(value) for _, value in told.result[0].values)
    return [each for each in values if not math.isnan(each)]
