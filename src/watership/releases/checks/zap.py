"""What OWASP ZAP found when it attacked the application, by its own JSON report."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct

from watership.errors import BadInput
from watership.releases.checks.kind import check
from watership.releases.checks.reports import WEEK, moment, report, stale
from watership.releases.checks.scanners import WORST, Found, Scan
from watership.releases.checks.scans import found_in
from watership.releases.checks.scene import Scene
from watership.releases.checks.shapes import decoded
from watership.releases.instruments import Document
from watership.releases.measurement import Finding


class _Alert(Struct):
    riskcode: str
    name: str = ""
    alert: str = ""
    riskdesc: str = ""
    instances: list[dict[str, object]] = []

    @property
    def words(self) -> str:
        return f"{self.name or self.alert} ({self.riskdesc or self.riskcode}, {len(self.instances)} places)"


class _Site(Struct, rename={"name": "@name"}):
    name: str
    alerts: list[_Alert] = []


class _Zap(Struct, rename={"generated": "@generated"}):
    site: list[_Site]
    created: str = ""
    generated: str = ""

    def at(self) -> datetime | None:
        """When it was written; older versions say so in words, and without a zone, which is taken for UTC."""
        if self.created:
            return moment(self.created)
        try:
            return datetime.strptime(self.generated, "%a, %d %b %Y %H:%M:%S").replace(tzinfo=UTC)
        except ValueError:
            return None


RISKS: Final = {"1": "low", "2": "medium", "3": "high"}
"""As ZAP numbers them; 0 only informs."""


def attacked(document: Document) -> Scan:
    """ZAP's "traditional" JSON. It is about the sites that were attacked."""
    told = decoded(document, _Zap)
    alerts = (each for site in told.site for each in site.alerts if each.riskcode != "0")
    return Scan(
        found=tuple(Found(each.words, RISKS.get(each.riskcode, WORST)) for each in alerts),
        at=told.at(),
        about=tuple(each.name for each in told.site),
        unknown=() if told.site else ("no site was attacked",),
    )


PORTS: Final = {"http": 80, "https": 443}


@check(
    "zap.clean",
    good_for="24h",
    fix="Mend what ZAP found, release that build, and let ZAP attack it.",
)
async def clean(
    scene: Scene, *, path: str, site: str, below: str = "medium", younger_than: float = WEEK
) -> Finding:
    """ZAP attacked the system `site` while it was the build that is released, and found nothing of the risk `below`
    (low, medium, high) or above. ZAP does not know the build: the report has a label."""
    if below not in RISKS.values():
        raise BadInput(f"There is no risk {below!r}.", fix=f"It is one of: {', '.join(RISKS.values())}.")
    document = await report(scene, path)
    scan, target = attacked(document), (await scene.urls(site))[0]
    wrong = await stale(scene, document, younger_than=younger_than, at=scan.at)
    if scan.about and origin(target) not in map(origin, scan.about):
        wrong.append(f"{target} was not attacked, but {', '.join(scan.about)}")
    return found_in(document, scan, below, wrong=wrong, unknown=scan.unknown, also=f"{target} was attacked: ")


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port: what is one site to ZAP."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or PORTS.get(parts.scheme)
