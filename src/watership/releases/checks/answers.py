"""Instances are asked directly, past the router: each by its own address."""

from __future__ import annotations

import asyncio
from math import ceil

import msgspec

from watership.errors import Unavailable
from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene
from watership.releases.measurement import Finding, excerpt, failed, found
from watership.releases.plan import Side

HEALTH = "/health"
PROBE_PATH = "/livez"
"""Asked for latency where the smoke test has no plain GET."""


class HealthAnswer(msgspec.Struct):
    """What we read of an answer of /health."""

    status: str
    version: str


@check("http.health", good_for="1h")
async def health(scene: Scene, *, of: str) -> Finding:
    """Every serving process answers 200, calls itself ok, and is of the planned version; all ready in time."""
    side = scene.side(of)
    wrong: list[str] = []

    async def well() -> bool:
        wrong[:] = await unwell(scene, side)
        return not wrong

    # A process that has just begun may need a moment; half of the timeout is left for the check itself.
    await scene.until(well, scene.timeout / 2)
    addresses = await scene.addresses(side)
    return found(
        not wrong, "; ".join(wrong) or f"{len(addresses)} instance(s) are healthy in every component."
    )


async def unwell(scene: Scene, side: Side) -> list[str]:
    """What is wrong with the serving processes of a side, each by its address."""
    return [
        words
        for address in await scene.addresses(side)
        if (words := await _one_unwell(scene, side, address)) is not None
    ]


async def _one_unwell(scene: Scene, side: Side, address: str) -> str | None:
    try:
        answer = await scene.env.probe.request("GET", f"http://{address}{HEALTH}")
    except Unavailable as error:
        return str(error)
    if answer.status != 200:
        return f"{address} answers {answer.status}: {excerpt(answer.body)}"
    try:
        told = msgspec.json.decode(answer.body, type=HealthAnswer)
    except msgspec.DecodeError as error:
        return f"{address} answers what is no health: {error}"
    if told.status != "ok":
        return f"{address} is {told.status}"
    return None if told.version == side.build.version else f"{address} is version {told.version}"


@check("http.latency", good_for="1h")
async def latency(scene: Scene, *, of: str, samples: int, p95_below: float) -> Finding:
    """95 of 100 answers of `samples` requests come within `p95_below`."""
    path = next(
        (each.path for each in scene.release.smoke.requests if each.method == "GET" and each.status == 200),
        PROBE_PATH,
    )
    addresses = await scene.addresses(scene.side(of))
    took: list[float] = []
    for number in range(samples):
        url = f"http://{addresses[number % len(addresses)]}{path}"
        answer = await scene.env.probe.request("GET", url, headers=scene.release.smoke.headers)
        if not 200 <= answer.status < 300:
            return failed(f"{url} answered {answer.status}: a refusal is no answer, however quick.")
        took.append(answer.seconds)
        await asyncio.sleep(0)
    p95 = sorted(took)[ceil(0.95 * len(took)) - 1]
    words = f"p95 of {len(took)} requests to {path} is {1000 * p95:.1f} ms; {1000 * p95_below:.0f} ms is the limit."
    return found(p95 < p95_below, words, p95=p95)
