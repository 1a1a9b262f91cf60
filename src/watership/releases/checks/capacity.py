"""Capacity is what a load test got through, held against what the service has to stand: neither says much alone."""

from __future__ import annotations

import re
from typing import Final

from watership.releases.book.quantity import percent
from watership.releases.checks.documents import marks, section_of
from watership.releases.checks.figures import queried
from watership.releases.checks.kind import check
from watership.releases.checks.load import RUN, measured
from watership.releases.checks.reports import WEEK
from watership.releases.checks.scene import Scene
from watership.releases.measurement import Finding, failed, found, inconclusive

STATED: Final = re.compile(r"(\d[\d,.]*)\s+requests per second", re.IGNORECASE)
"""`1,100 requests per second`."""


@check("capacity.assessed", good_for="24h", fix=RUN)
async def assessed(
    scene: Scene,
    *,
    report: str,
    of: str,
    query: str,
    headroom: float,
    failed_below: float,
    younger_than: float = WEEK,
) -> Finding:
    """What the load test of this build got through, with fewer than `failed_below` of its requests failed, is the load
    that Prometheus has seen (`query`, the peak of the time that it looks at) and `headroom` of it besides."""
    document, load, wrong = await measured(scene, report, younger_than)
    if wrong:
        return failed(f"{report}: {'; '.join(wrong)}.")
    rate, bad = load.value("http_reqs", "rate"), load.value("http_req_failed", "rate")
    if rate is None or bad is None:
        return inconclusive(f"{report} does not say how many requests there were, or how many failed.")
    peak = await queried(scene, of, query)
    if peak is None or peak <= 0:
        return inconclusive(f"{of} has seen no load to compare with: {query}")
    good = rate * (1 - bad)
    words = (
        f"{good:,.0f} requests per second were answered well, {percent(bad)} failed; the peak was {peak:,.0f}, "
        f"and {peak * (1 + headroom):,.0f} are wanted"
    )
    return found(
        bad < failed_below and good >= peak * (1 + headroom),
        f"{report}: {words}.",
        value=good,
        peak=peak,
        **marks(document),
    )


@check(
    "capacity.required", good_for="48h", fix="Write down the peak that has to be stood, from what was seen."
)
async def required(scene: Scene, *, path: str, section: str, of: str, query: str) -> Finding:
    """The section of the document states a number of requests per second that is not below what Prometheus has seen
    (`query`): a requirement below the load of last week is none."""
    document = await scene.look.documents.read(path)
    if document is None:
        return failed(f"There is no {path}.")
    body = section_of(document.content.decode(errors="replace"), section)
    stated = [float(number.replace(",", "").rstrip(".")) for number in STATED.findall(body or "")]
    if not stated:
        return failed(f"{path}, '{section}', states no number of requests per second.")
    peak = await queried(scene, of, query)
    if peak is None or peak <= 0:
        return inconclusive(f"{of} has seen no load to compare with: {query}")
    words = (
        f"{path}, '{section}': {max(stated):,.0f} requests per second are required; {peak:,.0f} were seen."
    )
    return found(max(stated) >= peak, words, required=max(stated), peak=peak, **marks(document))
