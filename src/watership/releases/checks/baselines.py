"""What live was like before is on record, and next is held against it; and the figures that a machine has by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from watership.errors import BadInput
from watership.fleet.deployment import Slot
from watership.releases.baseline import Baseline, Worse, bound
from watership.releases.checks.documents import marks
from watership.releases.checks.figures import queried
from watership.releases.checks.kind import check
from watership.releases.checks.papers import json_report, too_old
from watership.releases.checks.router import WINDOW
from watership.releases.checks.scene import Scene
from watership.releases.instruments import Document
from watership.releases.measurement import Finding, failed, found, inconclusive, passed
from watership.releases.ports import TrafficTick
from watership.releases.quantity import listed
from watership.releases.sight import lately, summed

PATH: Final = "evidence/baseline.json"
"""Where `watership baseline capture` puts it, and the checks look for it."""

DAY: Final = 86_400.0

CAPTURE: Final = "watership baseline capture"


@check("baseline.has", good_for="24h", fix=CAPTURE)
async def has(scene: Scene, *, figures: str, path: str = PATH, younger_than: float = DAY) -> Finding:
    """The baseline of the live build holds each of `figures` as a number, and is younger than `younger_than`."""
    document, baseline, wrong = await _read(scene, path, younger_than)
    told = []
    for name in listed(figures):
        value = baseline.figures.get(name)
        if value is None:
            wrong.append(f"{name} is not known: {baseline.unknown.get(name, 'nobody asked for it')}")
        told.append(f"{name} {value}")
    if wrong:
        return failed(f"{path}: {'; '.join(wrong)}.")
    return passed(f"{path}, {baseline.captured_at:%Y-%m-%d %H:%M}: {', '.join(told)}.", **marks(document))


@check("baseline.kept", good_for="1h")
async def kept(
    scene: Scene,
    *,
    figure: str,
    of: str,
    query: str,
    worse_by: float,
    besides: float = 0.0,
    path: str = PATH,
    younger_than: float = DAY,
) -> Finding:
    """A figure of next, by a query to the Prometheus `of`, is worse than the baseline's by no more than the part
    `worse_by` of it, and `besides`."""
    document, baseline, wrong = await _read(scene, path, younger_than)
    if wrong:
        return inconclusive(f"{path}: {'; '.join(wrong)}.")
    before, now = baseline.figures.get(figure), await queried(scene, of, query)
    if before is None or now is None:
        return inconclusive(f"{figure} is not known {'then' if before is None else 'now'}.")
    limit = bound(figure, before, Worse(by=worse_by, besides=besides))
    good = now <= limit if limit >= before else now >= limit
    words = f"{figure} was {before:.4g} and is {now:.4g}; {limit:.4g} is the limit."
    return found(good, words, before=before, value=now, **marks(document))


async def _read(scene: Scene, path: str, younger_than: float) -> tuple[Document, Baseline, list[str]]:
    document, baseline = await json_report(scene, path, Baseline)
    wrong, live = too_old(scene, baseline.captured_at, younger_than), scene.plan.live.build
    if baseline.digest != live.digest:
        wrong.append(f"it is about {baseline.version} ({baseline.digest}), live is {live.version}")
    return document, baseline, wrong


# --- figures that need no other system --------------------------------------------------------------------------


@check("traffic.figure", good_for="1h")
async def traffic(scene: Scene, *, figure: str, slot: str) -> Finding:
    """A figure of a slot (blue, green) over the last minute, by the router's own counts: requests_per_second,
    error_rate, p50 or p95. A percentile is the upper bound of the bucket in which it lies."""
    seconds, ticks = await lately(scene.env, WINDOW)
    place = _slot(slot)
    served = summed(ticks, place)
    if figure == "requests_per_second":
        return passed(f"{served.requests:,} requests in {seconds} s.", value=served.requests / seconds)
    if not served.requests:
        return inconclusive(f"The {slot} slot served no request within {seconds} s.")
    if figure == "error_rate":
        rate = served.errors / served.requests
        return passed(f"{served.errors:,} of {served.requests:,} requests failed.", value=rate)
    if figure not in PARTS:
        raise BadInput(f"There is no figure {figure!r} of traffic.")
    value = percentile(ticks, place, PARTS[figure])
    if value is None:
        return inconclusive(f"{figure} lies above every bound that the router counts by.")
    return passed(f"{figure} of {served.requests:,} requests is at most {value:g} s.", value=value)


PARTS: Final = {"p50": 0.5, "p95": 0.95}


def _slot(name: str) -> Slot:
    try:
        return Slot(name)
    except ValueError:
        raise BadInput(f"A slot is blue or green, not {name!r}.") from None


def percentile(ticks: Mapping[Slot, Sequence[TrafficTick]], slot: Slot, part: float) -> float | None:
    """The upper bound of the bucket in which `part` of the requests is reached; None without one, or above all."""
    counts: dict[float, int] = {}
    for tick in ticks[slot]:
        for bucket, count in tick.latencies.items():
            counts[float(bucket)] = counts.get(float(bucket), 0) + count
    wanted, seen = part * sum(counts.values()), 0
    for upper in sorted(counts):
        seen += counts[upper]
        if seen and seen >= wanted:
            return upper if upper != float("inf") else None
    return None


@check("machine.figure", good_for="1h")
async def machine(scene: Scene, *, figure: str) -> Finding:
    """A figure of the machine that the command runs on: cpu, memory (parts of 1), disk_io or network (bytes per
    second, over half a second)."""
    before = await scene.look.machine.load(seconds=0.0)
    began = scene.clock.monotonic()
    after = await scene.look.machine.load(seconds=0.5)
    took = max(scene.clock.monotonic() - began, 0.001)
    match figure:
        case "cpu":
            value = after.cpu
        case "memory":
            value = after.memory
        case "disk_io":
            moved = after.read_bytes + after.written_bytes - before.read_bytes - before.written_bytes
            value = moved / took
        case "network":
            moved = after.received_bytes + after.sent_bytes - before.received_bytes - before.sent_bytes
            value = moved / took
        case other:
            raise BadInput(f"There is no figure {other!r} of a machine.")
    return passed(f"{figure} of this machine is {value:.4g}.", value=value)
