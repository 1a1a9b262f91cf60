"""What live was like before is on record, and next is held against it; and the figures that a machine has by itself."""

from __future__ import annotations

import math
from typing import Final

from watership.errors import BadInput
from watership.fleet.deployment import Slot
from watership.releases.book.quantity import listed
from watership.releases.checks.documents import marks
from watership.releases.checks.figures import queried
from watership.releases.checks.kind import check
from watership.releases.checks.reports import json_report, too_old
from watership.releases.checks.router import WINDOW
from watership.releases.checks.scene import Scene
from watership.releases.instruments import Document
from watership.releases.judging.sight import lately, summed
from watership.releases.judging.traffic import percentile, together
from watership.releases.measurement import Finding, failed, found, inconclusive, passed
from watership.releases.service.baseline import DAY, LESS_IS_WORSE, PATH, Baseline, Worse, bound

CAPTURE: Final = "watership baseline capture"


@check("baseline.has", good_for="24h", fix=CAPTURE)
async def has(scene: Scene, *, figures: str, path: str = PATH, younger_than: float = DAY) -> Finding:
    """The baseline of the live build holds each of `figures` as a number, and is younger than `younger_than`."""
    document, baseline, wrong = await on_record(scene, path, younger_than)
    told = []
    for name in listed(figures):
        value = baseline.figures.get(name)
        if value is None:
            wrong.append(f"{name} is not known: {baseline.unknown.get(name, 'nobody asked for it')}")
        told.append(f"{name} {value}")
    if wrong:
        return failed(f"{path}: {'; '.join(wrong)}.")
    return passed(f"{path}, {baseline.captured_at:%Y-%m-%d %H:%M}: {', '.join(told)}.", **marks(document))


@check("baseline.latency", good_for="1h")
async def latency(
    scene: Scene,
    *,
    of: str,
    asked: str,
    worse_by: float,
    besides: float = 0.0,
    samples: int = 50,
    path: str = PATH,
    younger_than: float = DAY,
) -> Finding:
    """95 of 100 answers of `of` to `samples` requests for `asked` come within the baseline's p95, and no more than the
    part `worse_by` of it and `besides` later. It asks by itself: nobody else asks next before the cutover."""
    document, baseline, wrong = await on_record(scene, path, younger_than)
    if wrong:
        return inconclusive(f"{path}: {'; '.join(wrong)}.")
    before, now = baseline.figures.p95, await p95(scene, of, asked, samples)
    if before is None or now is None:
        return inconclusive(
            f"p95 is not known {'of live then' if before is None else f'of {of}: it refuses'}."
        )
    limit = bound("p95", before, Worse(by=worse_by, besides=besides))
    words = f"p95 was {1000 * before:.4g} ms and is {1000 * now:.4g} ms; {1000 * limit:.4g} ms is the limit."
    return found(now <= limit, words, before=before, value=now, **marks(document))


@check("baseline.kept", good_for="1h", fix="watership baseline compare; then look for what changed.")
async def kept(
    scene: Scene,
    *,
    figure: str,
    of: str,
    query: str,
    by: float = 0.0,
    besides: float = 0.0,
    path: str = PATH,
    younger_than: float = DAY,
) -> Finding:
    """A figure that Prometheus has now (`query`) is no worse than the live build's in the baseline, but for the part
    `by` of it and `besides`."""
    document, baseline, wrong = await on_record(scene, path, younger_than)
    if wrong:
        return inconclusive(f"{path}: {'; '.join(wrong)}.")
    before, now = baseline.figures.get(figure), await queried(scene, of, query)
    if before is None or now is None:
        return inconclusive(f"{figure} is not known {'of live then' if before is None else 'now'}.")
    limit = bound(figure, before, Worse(by=by, besides=besides))
    words = f"{figure} was {before:.4g} and is {now:.4g}; {limit:.4g} is the limit."
    good = now >= limit if figure in LESS_IS_WORSE else now <= limit
    return found(good, words, before=before, value=now, **marks(document))


async def p95(scene: Scene, of: str, asked: str, samples: int) -> float | None:
    """Seconds within which 95 of 100 requests are answered, over all addresses; None when one is not answered well."""
    urls, took = await scene.urls(of), []
    for number in range(samples):
        answer = await scene.fetch(of, urls[number % len(urls)] + asked)
        if not 200 <= answer.status < 300:
            return None
        took.append(answer.seconds)
    return sorted(took)[math.ceil(0.95 * len(took)) - 1] if took else None


async def on_record(scene: Scene, path: str, younger_than: float) -> tuple[Document, Baseline, list[str]]:
    """The baseline, and what is wrong with its time and its build."""
    document, baseline = await json_report(scene, path, Baseline)
    wrong, live = too_old(scene, baseline.captured_at, younger_than), scene.plan.live.build
    if baseline.digest != live.digest:
        wrong.append(f"it is about {baseline.version} ({baseline.digest}), live is {live.version}")
    return document, baseline, wrong


# --- figures that need no other system --------------------------------------------------------------------------


@check("traffic.figure", tells=True, good_for="1h")
async def traffic(scene: Scene, *, figure: str, of: str = "live") -> Finding:
    """A figure of live or next over the last minute, by the router's own counts: requests_per_second, error_rate, p50
    or p95. A percentile is the upper bound of the bucket in which it lies."""
    slot = await _slot(scene, of)
    seconds, ticks = await lately(scene.env, WINDOW)
    served = summed(ticks, slot)
    if figure == "requests_per_second":
        return passed(f"{served.requests:,} requests in {seconds} s.", value=served.requests / seconds)
    if not served.requests:
        return inconclusive(f"The {slot.value} slot served no request within {seconds} s.")
    if figure == "error_rate":
        rate = served.errors / served.requests
        return passed(f"{served.errors:,} of {served.requests:,} requests failed.", value=rate)
    if figure not in PARTS:
        raise BadInput(f"There is no figure {figure!r} of traffic.")
    value = percentile(together(ticks[slot]), PARTS[figure])
    if value is None or math.isinf(value):
        return inconclusive(f"{figure} lies above every bound that the router counts by.")
    return passed(f"{figure} of {served.requests:,} requests is at most {value:g} s.", value=value)


PARTS: Final = {"p50": 0.5, "p95": 0.95}


async def _slot(scene: Scene, of: str) -> Slot:
    """The slot of a side. Without a plan live is the one to which the router gives everything."""
    if scene.started is not None:
        return scene.side(of).slot
    weights = (await scene.env.router.read()).weights
    serving = [slot for slot, weight in weights.items() if weight == 100]
    if of != "live" or not serving:
        raise BadInput(
            f"Which slot is {of} is not known: no release is planned, and the router does not say."
        )
    return serving[0]


@check("machine.figure", tells=True, good_for="1h")
async def machine(scene: Scene, *, figure: str) -> Finding:
    """A figure of the machine that the command runs on: cpu, memory (parts of 1), disk_io or network (bytes per
    second, over half a second)."""
    before = await scene.look.machine.load(seconds=0.01)
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
