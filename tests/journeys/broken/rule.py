"""The rule of the runbook that started the project, on the very traffic that the gate judged."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from watership.releases.judging.fuse import Action, ErrorRate, Fuse, Level, Reading, Second, blown
from watership.releases.judging.traffic import latency_p95
from watership.releases.ports import TrafficTick

RULES: tuple[Fuse, ...] = (
    ErrorRate(above=0.1, window=120, min_samples=1, then="roll_back"),
    Level(of="latency_p95", slower_than=5.0, window=30, then="roll_back"),
)
"""More than 10 % of errors for two minutes, or a p95 above 5 s for half a minute."""

LOOKED_SECONDS = 600
"""The traffic up to the gate's verdict is repeated until it is so long: what the rule would do without a gate."""


def fired(ticks: Sequence[TrafficTick]) -> int | None:
    """The second in which the rule would take next back; None where it never would."""
    if not ticks:
        return None
    seconds: list[Second] = []
    for at in range(LOOKED_SECONDS):
        seconds.append(_second(at, ticks[at % len(ticks)]))
        found = blown(RULES, seconds[-120:])
        if any(each.action is Action.ROLL_BACK for each in found):
            return at + 1
    return None


def _second(at: int, tick: TrafficTick) -> Second:
    p95 = latency_p95(tick)
    reading = Reading(requests=tick.requests, errors=tick.errors, latency_p95=3600.0 if p95 == inf else p95)
    return Second(at=at, next=reading)
