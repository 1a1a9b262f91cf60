"""A figure is one number that a system answers with, and the bounds that it has to keep."""

from __future__ import annotations

import math
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import Struct

from watership.errors import Unavailable
from watership.releases.checks.kind import check
from watership.releases.checks.requests import at as placed
from watership.releases.checks.scene import Scene
from watership.releases.measurement import Finding, failed, found, inconclusive, passed

NONE = math.nan
"""A bound that is not set."""


@check("sql.figure", tells=True, good_for="1h")
async def sql(scene: Scene, *, of: str, query: str, below: float = NONE, at_least: float = NONE) -> Finding:
    """The one number that a query of the database `of` gives keeps its bounds. No row, or NULL, is not known."""
    rows = await scene.look.sql.rows(scene.address(of), query)
    if len(rows) != 1 or len(rows[0]) != 1:
        return failed(f"The query gives {len(rows)} rows; one with one number is wanted.")
    (value,) = rows[0].values()
    if value is None:
        return inconclusive("The query gives NULL: it is not known.")
    return kept(float(value), below, at_least)


@check("prometheus.figure", tells=True, good_for="1h")
async def prometheus(
    scene: Scene, *, of: str, query: str, below: float = NONE, at_least: float = NONE
) -> Finding:
    """The one number that a PromQL query gives now keeps its bounds. A series that is missing is not known."""
    value = await queried(scene, of, query)
    if value is None:
        return inconclusive(f"Prometheus has no value for: {query}")
    return kept(value, below, at_least)


async def queried(scene: Scene, of: str, query: str) -> float | None:
    """The value of an instant query; None when there is none, or when it is no number. Raises Unavailable."""
    answer = await scene.json(of, f"/api/v1/query?query={quote(query, safe='')}")
    try:
        result = msgspec.convert(answer, _Answer).data
        series = (
            [result.result] if result.resultType == "scalar" else [each["value"] for each in result.result]
        )
        numbers = [float(pair[1]) for pair in series]
    except (msgspec.ValidationError, TypeError, KeyError, IndexError, ValueError) as error:
        raise Unavailable(f"{of} answered what is no result of a query.") from error
    return numbers[0] if len(numbers) == 1 and not math.isnan(numbers[0]) else None


class _Result(Struct):
    resultType: str  # noqa: N815 - as Prometheus spells it
    result: list[Any]


class _Answer(Struct):
    data: _Result


@check("http.figure", tells=True, good_for="1h")
async def http(
    scene: Scene, *, of: str, path: str, at: str, below: float = NONE, at_least: float = NONE
) -> Finding:
    """The one number that stands at `at` (`a.b.0`) in the JSON that a system answers at `path` keeps its bounds."""
    try:
        value = placed(await scene.json(of, path), at)
    except LookupError:
        return inconclusive(f"{of}{path} has no '{at}'.")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return inconclusive(f"{of}{path} has {str(value)[:80]!r} at '{at}', which is no number.")
    return kept(float(value), below, at_least)


def kept(value: float, below: float, at_least: float) -> Finding:
    """Whether a number keeps its bounds. Only for a record there is none."""
    bounds = [f"below {below:g}"] if not math.isnan(below) else []
    bounds += [f"at least {at_least:g}"] if not math.isnan(at_least) else []
    if not bounds:  # see CheckKind.unbounded
        return passed(f"It is {value:.6g}.", value=value)
    good = (math.isnan(below) or value < below) and (math.isnan(at_least) or value >= at_least)
    return found(good, f"It is {value:.6g}; {' and '.join(bounds)} is wanted.", value=value)
