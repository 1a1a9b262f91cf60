"""Figures of many machines are judged one by one: the worst decides, and one that says nothing is not well."""

from __future__ import annotations

import math
from typing import Final
from urllib.parse import quote

from watership.releases.checks.baselines import CAPTURE, on_record
from watership.releases.checks.documents import marks
from watership.releases.checks.figures import NONE
from watership.releases.checks.kind import check
from watership.releases.checks.prometheus import vector
from watership.releases.checks.scene import Scene
from watership.releases.measurement import Finding, failed, found, inconclusive
from watership.releases.service.baseline import DAY, PATH

SHOWN: Final = 5
"""Machines that are named."""


@check(
    "prometheus.every",
    tells=True,
    good_for="1h",
    fix="Look at that machine; one without data, at its exporter.",
)
async def every(
    scene: Scene,
    *,
    of: str,
    among: str,
    query: str,
    per: str = "instance",
    below: float = NONE,
    at_least: float = NONE,
) -> Finding:
    """Each machine that the query `among` gives (`up{job="node"}`, by the label `per`) has a value in `query`, and the
    worst of them keeps the bound. One without a value is not known."""
    machines = await _named(scene, of, among, per)
    if not machines:
        return inconclusive(f"{of} knows no machine: {among}")
    values = await _valued(scene, of, query, per)
    known = {name: values[name] for name in sorted(machines) if name in values}
    bad = [
        f"{name} has {value:.4g}"
        for name, many in known.items()
        for value in many
        if not (math.isnan(below) or value < below) or not (math.isnan(at_least) or value >= at_least)
    ]
    bounds = " and ".join(
        [f"below {below:g}"] * (not math.isnan(below))
        + [f"at least {at_least:g}"] * (not math.isnan(at_least))
    )
    if bad:
        return failed(f"{_some(bad)}; {bounds} is wanted of each of {len(machines)}.")
    if silent := sorted(machines - known.keys()):
        return inconclusive(f"{_some(silent)}: no data, of {len(machines)} machines.")
    all_of_them = [value for many in known.values() for value in many]
    worst = max(all_of_them) if not math.isnan(below) else min(all_of_them)
    return found(
        True,
        f"The worst of {len(machines)} has {worst:.4g}; {bounds} is wanted.",
        value=worst,
        machines=len(machines),
    )


@check("baseline.recorded", good_for="24h", fix=CAPTURE)
async def recorded(
    scene: Scene,
    *,
    figure: str,
    of: str,
    among: str,
    query: str,
    per: str = "instance",
    tolerance: float = 0.25,
    path: str = PATH,
    younger_than: float = DAY,
) -> Finding:
    """The baseline of the live build holds `figure`, more than nothing, and the monitoring has the same for that
    moment: the sum of `query` over all machines of `among`, but for `tolerance` of it. One without a value is not
    known."""
    document, baseline, wrong = await on_record(scene, path, younger_than)
    written = baseline.figures.get(figure)
    if written is None:
        wrong.append(f"{figure} is not known: {baseline.unknown.get(figure, 'nobody asked for it')}")
    elif not 0 < written < math.inf:
        wrong.append(f"{figure} is {written:g}, which no machine in use has")
    if wrong or written is None:
        return failed(f"{path}: {'; '.join(wrong)}.")
    machines = await _named(scene, of, among, per)
    at = f"&time={quote(baseline.captured_at.isoformat(), safe='')}"
    values = await _valued(scene, of, query, per, at)
    silent = sorted(machines - values.keys())
    if silent or not machines:
        return inconclusive(f"{_some(silent) or 'No machine'}: {figure} was not captured in {of}.")
    there = sum(sum(values[name]) for name in machines)
    words = (
        f"{figure} is {written:.4g} on record, and was {there:.4g} in {of} at {baseline.captured_at:%H:%M}, "
        f"of {len(machines)} machines"
    )
    good = abs(there - written) <= tolerance * written
    return found(good, f"{words}.", value=written, captured=there, machines=len(machines), **marks(document))


async def _named(scene: Scene, of: str, among: str, per: str) -> set[str]:
    """The machines that there are, whether they answer or not."""
    return {metric[per] for metric, _ in await vector(scene, of, among) if per in metric}


async def _valued(scene: Scene, of: str, query: str, per: str, at: str = "") -> dict[str, list[float]]:
    """The numbers of each machine; what is no number is none."""
    values: dict[str, list[float]] = {}
    for metric, value in await vector(scene, of, query, at):
        if per in metric and not math.isnan(value):
            values.setdefault(metric[per], []).append(value)
    return values


def _some(words: list[str]) -> str:
    more = f" and {len(words) - SHOWN} more" if len(words) > SHOWN else ""
    return ", ".join(words[:SHOWN]) + more
