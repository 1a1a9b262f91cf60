"""A scan is judged by its own report: what it found, how bad that is, and that it is fresh and about this build."""

from __future__ import annotations

from watership.errors import BadInput
from watership.releases.checks.kind import check
from watership.releases.checks.reports import fresh
from watership.releases.checks.scanners import READERS, SEVERITIES
from watership.releases.checks.scene import Scene
from watership.releases.measurement import Finding, failed, found

SHOWN = 8
"""Findings that are named."""


@check("scan.clean", good_for="24h", fix="Mend what it found, build again, and scan that.")
async def clean(
    scene: Scene, *, kind: str, report: str, younger_than: float, severity: str = "critical", about: str = ""
) -> Finding:
    """A scanner's report has nothing of `severity` (low, medium, high, critical) or worse, is fresh, and names `about`
    ({version} and {digest} are next's). `kind`: trivy and osv (`--format json`), sarif, gitleaks (JSON), zap
    (traditional JSON). What a scanner knows no severity of counts as the worst."""
    if kind not in READERS:
        raise BadInput(f"No report is of kind '{kind}'.", fix=f"Say one of: {', '.join(READERS)}.")
    if severity not in SEVERITIES:
        raise BadInput(f"'{severity}' is no severity.", fix=f"Say one of: {', '.join(SEVERITIES)}.")
    document = await fresh(scene, report, younger_than=younger_than, about=about)
    if isinstance(document, Finding):
        return document
    every = list(READERS[kind](document))
    bad = [each for each in every if SEVERITIES.index(each.severity) >= SEVERITIES.index(severity)]
    counts = {f"{each}": sum(one.severity == each for one in every) for each in SEVERITIES}
    told = ", ".join(f"{count} {each}" for each, count in counts.items())
    words = f"{report}: {told}; none {severity} or worse is wanted"
    if bad:
        rest = f"; and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
        return failed(
            f"{words}: {'; '.join(f'{each.what} ({each.severity})' for each in bad[:SHOWN])}{rest}.", **counts
        )
    return found(True, f"{words}.", sha256=document.sha256, **counts)
