"""Readings from a Prometheus server: range queries over its HTTP API, one value a step."""

from __future__ import annotations

from math import isfinite, isnan
from typing import Final, assert_never

from watership.adapters.prometheus.asking import Asking, number
from watership.errors import BadInput, Unavailable
from watership.releases.ports import Probe
from watership.releases.service.sla import (
    Bin,
    Errors,
    Goal,
    Latency,
    Level,
    Objective,
    Reading,
    Uptime,
    filled,
)

NOISE: Final = 1e-6
"""Requests: `increase` extrapolates, so a difference of two may come out a little below zero."""


class PrometheusReadings:
    """Readings by the HTTP API at `url`. What a series does not have stays away: it is not zero."""

    def __init__(self, probe: Probe, url: str) -> None:
        self._asking = Asking(probe, url)

    async def read(self, objective: Objective, now: float) -> Reading:
        match objective:
            case Uptime():
                up = await self._steps(objective, objective.up, now)
                bins = [
                    Bin(at, (1 - _share(value)) * objective.step, objective.step) for at, value in up.items()
                ]
            case Errors():
                bins = await self._parts(objective, objective.bad, objective.all, now)
            case Latency():
                bins = await self._parts(objective, objective.slow, objective.all, now)
                return Reading(
                    step=objective.step, bins=tuple(bins), figure=await self._figure(objective, now)
                )
            case Level() | Goal():
                values = await self._steps(objective, objective.value, now)
                bins = [Bin(at, value, 1.0) for at, value in values.items()]
            case _:
                assert_never(objective)
        return Reading(step=objective.step, bins=tuple(bins))

    async def _parts(self, objective: Objective, part: str, whole: str, now: float) -> list[Bin]:
        """A step is known when both of its numbers are."""
        some, every = await self._steps(objective, part, now), await self._steps(objective, whole, now)
        return [Bin(at, _positive(some[at]), _positive(every[at])) for at in every if at in some]

    async def _figure(self, objective: Latency, now: float) -> float | None:
        """The quantile of late; infinite when it lies beyond the last bucket, None when unknown.

        It is for people: nothing is judged by it, so that what makes it unknown leaves the objective as it is.
        """
        asked = {"query": filled(objective.figure, objective), "time": f"{now:.3f}"}
        try:
            found = await self._asking.one("query", asked)
        except (BadInput, Unavailable):
            return None
        if found is None or found.value is None:
            return None
        value = number(found.value[1])
        return None if isnan(value) else value

    async def _steps(self, objective: Objective, expression: str, now: float) -> dict[float, float]:
        """Unix time → value, for each step of the window that has a number."""
        asked = {
            "query": filled(expression, objective),
            "start": f"{now - objective.over + objective.step:.3f}",
            "end": f"{now:.3f}",
            "step": f"{objective.step:.3f}",
        }
        found = await self._asking.one("query_range", asked)
        values = {at: number(text) for at, text in found.values} if found is not None else {}
        return {at: value for at, value in values.items() if isfinite(value)}


def _share(value: float) -> float:
    if not 0 <= value <= 1:
        raise BadInput(f"An uptime is a share between 0 and 1, and not {value:g}: is it a count?")
    return value


def _positive(value: float) -> float:
    if value < -NOISE:
        raise BadInput(
            f"A number of requests cannot be {value:g}: is the expression a difference the wrong way?"
        )
    return max(value, 0.0)
