"""The SLA promises what was agreed, and each of its promises has series that it is judged by."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final, assert_never

from msgspec.structs import replace

from watership.errors import BadInput, NotFound
from watership.releases.book.document import parse
from watership.releases.book.quantity import percent, spoken
from watership.releases.checks.faults import judged
from watership.releases.checks.figures import NONE, queried
from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene
from watership.releases.measurement import Finding, failed, found, inconclusive
from watership.releases.service.sla import (
    Errors,
    Goal,
    Latency,
    Level,
    Objective,
    Sla,
    Uptime,
    filled,
    target,
)

KINDS: Final[dict[str, type[Objective]]] = {
    "uptime": Uptime,
    "errors": Errors,
    "latency": Latency,
    "level": Level,
    "goal": Goal,
}


@check("sla.promises", good_for="48h", fix="Write the objective into sla.yaml: docs/sla.md")
async def promises(
    scene: Scene, *, path: str, kind: str, at_least: float = NONE, below: float = NONE, quantile: float = NONE
) -> Finding:
    """The SLA has an objective of that `kind` (uptime, errors, latency, goal) that promises this much, or more."""
    if kind not in KINDS:
        raise BadInput(f"No objective is of the kind '{kind}'.", fix=f"Say one of: {', '.join(KINDS)}.")
    there = [each for each in (await _sla(scene, path)).objectives if isinstance(each, KINDS[kind])]
    if not there:
        return failed(f"{path} has no objective of the kind {kind}.")
    good = [each for each in there if _keeps(each, at_least, below, quantile)]
    words = "; ".join(f"{each.title}: {target(each)}" for each in good or there)
    return found(bool(good), f"{path} promises {words}.")


@check(
    "sla.tracked", good_for="4h", fix="Look at the query in Prometheus; then at the job that has its series."
)
async def tracked(scene: Scene, *, of: str, path: str) -> Finding:
    """Every expression of every objective of the SLA gives a number now."""
    wrong, asked = [], 0
    for objective in (await _sla(scene, path)).objectives:
        for expression in _expressions(objective):
            asked += 1
            if await queried(scene, of, filled(expression, objective)) is None:
                wrong.append(f"'{objective.title}' has no number for: {' '.join(expression.split())}")
    return judged(wrong, f"{asked} expressions of the SLA give numbers.", expressions=asked)


@check("sla.met", good_for="1h", fix="watership health --sla --over 24h; then look at what is not met.")
async def met(scene: Scene, *, of: str, path: str, over: float) -> Finding:
    """Each promise of the SLA about availability, errors and latency was kept over the last `over`. One of which
    nothing is known, or too few requests, is not kept but unknown."""
    wrong, unknown, told = [], [], []
    for objective in (await _sla(scene, path)).objectives:
        if isinstance(objective, Level | Goal):
            continue
        share = await _share(scene, of, replace(objective, step=over, over=over))
        if isinstance(share, str):
            unknown.append(f"'{objective.title}': {share}")
            continue
        good = share >= objective.at_least if isinstance(objective, Uptime) else share < _allowed(objective)
        told.append(f"{objective.title} {percent(share)}")
        wrong += [] if good else [f"'{objective.title}' is {percent(share)}, {target(objective)} is promised"]
    if unknown and not wrong:
        return inconclusive(f"{'; '.join(unknown)}.")
    if not told:
        return failed(f"{path} promises nothing of availability, errors or latency.")
    return judged(wrong, f"Over {spoken(over)}: {', '.join(told)}.", objectives=len(told))


def _allowed(objective: Errors | Latency) -> float:
    """The share of requests that may be bad."""
    return objective.below if isinstance(objective, Errors) else 1 - objective.quantile


async def _share(scene: Scene, of: str, objective: Uptime | Errors | Latency) -> float | str:
    """The share of time with service, or of requests that failed or were slow; why it is not known."""
    if isinstance(objective, Uptime):
        up = await queried(scene, of, filled(objective.up, objective))
        return "no number" if up is None else up
    expression = objective.bad if isinstance(objective, Errors) else objective.slow
    bad = await queried(scene, of, filled(expression, objective))
    every = await queried(scene, of, filled(objective.all, objective))
    if bad is None or every is None:
        return "no number"
    return bad / every if every >= objective.min_samples else f"{every:,.0f} requests are too few"


async def _sla(scene: Scene, path: str) -> Sla:
    document = await scene.look.documents.read(path)
    if document is None:
        raise NotFound(f"There is no {path}.", fix="Write what the service promises: docs/sla.md")
    return parse(document.content, Sla, source=path)


def _keeps(objective: Objective, at_least: float, below: float, quantile: float) -> bool:
    """Whether it promises at least what is wanted; a bound that is not wanted is kept by everything."""
    match objective:
        case Uptime() | Goal():
            return _no_less(objective.at_least, at_least)
        case Errors():
            return _no_more(objective.below, below)
        case Latency():
            return _no_more(objective.below, below) and _no_less(objective.quantile, quantile)
        case Level():
            return _no_more(objective.share_below or objective.below or math.inf, below)
        case _:
            assert_never(objective)


def _no_less(value: float, wanted: float) -> bool:
    return math.isnan(wanted) or value >= wanted


def _no_more(value: float, wanted: float) -> bool:
    return math.isnan(wanted) or value <= wanted


def _expressions(objective: Objective) -> Iterator[str]:
    match objective:
        case Uptime():
            yield objective.up
        case Errors():
            yield from (objective.bad, objective.all)
        case Latency():
            yield from (objective.slow, objective.all, objective.figure)
        case Level() | Goal():
            yield objective.value
        case _:
            assert_never(objective)
