"""A scan is judged by its own report: what it found, how bad that is, and that it is fresh and about this build."""

from __future__ import annotations

from collections.abc import Sequence

from watership.errors import BadInput
from watership.releases.checks.documents import marks
from watership.releases.checks.kind import check
from watership.releases.checks.reports import label_of, stale
from watership.releases.checks.reports import report as read
from watership.releases.checks.scanners import READERS, SEVERITIES, Scan
from watership.releases.checks.scene import Scene
from watership.releases.instruments import Document
from watership.releases.measurement import Finding, failed, inconclusive, passed

SHOWN = 8
"""Findings that are named."""


@check("scan.clean", good_for="24h", fix="Mend what it found, build again, and scan that.")
async def clean(
    scene: Scene, *, kind: str, report: str, younger_than: float, severity: str = "critical"
) -> Finding:
    """A scanner's report has nothing of `severity` (low, medium, high, critical) or worse, shows that something was
    looked at, is fresh, and about the build that is released; what its format does not tell a label tells. `kind`:
    trivy and osv (`--all-packages`), both `--format json`, sarif, or gitleaks (JSON). What a scanner knows no severity
    of counts as the worst."""
    if kind not in READERS:
        raise BadInput(f"No report is of kind '{kind}'.", fix=f"Say one of: {', '.join(READERS)}.")
    if severity not in SEVERITIES:
        raise BadInput(f"'{severity}' is no severity.", fix=f"Say one of: {', '.join(SEVERITIES)}.")
    document = await read(scene, report)
    scan = READERS[kind](document)
    build = scene.plan.next.build
    named = [each for each in scan.about if each in (build.digest, build.version)]
    wrong = await stale(scene, document, younger_than=younger_than, at=scan.at, builds=named)
    unknown = list(scan.unknown)
    if scan.silent and not ((label := await label_of(scene, document)) and label.looked_at):
        unknown.append("it is empty, and no label says at how many things the scanner looked")
    return found_in(document, scan, severity, wrong=wrong, unknown=unknown)


def found_in(
    document: Document, scan: Scan, severity: str, *, wrong: list[str], unknown: Sequence[str], also: str = ""
) -> Finding:
    """What a scan is worth: failed by what is wrong with its report and by what it found, inconclusive where it does
    not show that it looked. `also`: what more is to be said of one that is well."""
    bad = scan.as_bad_as(severity)
    counts = {each: sum(one.severity == each for one in scan.found) for each in SEVERITIES}
    if bad:
        rest = f"; and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
        wrong = [*wrong, f"{'; '.join(f'{each.what} ({each.severity})' for each in bad[:SHOWN])}{rest}"]
    if wrong:
        return failed(f"{document.path}: {'; '.join(wrong)}.", **counts)
    if unknown:
        return inconclusive(f"{document.path}: {'; '.join(unknown)}.")
    told = ", ".join(f"{count} {each}" for each, count in counts.items())
    return passed(
        f"{document.path}: {also}{told}; none {severity} or worse is wanted.", **counts, **marks(document)
    )
