"""What OWASP ZAP found when it attacked the application, by its own JSON report."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from msgspec import Struct, field

from watership.errors import BadInput
from watership.releases.checks.documents import marks
from watership.releases.checks.kind import check
from watership.releases.checks.reports import WEEK, json_report, moment, too_old
from watership.releases.checks.scene import Scene
from watership.releases.measurement import Finding, failed, passed

RISKS: Final = {"informational": 0, "low": 1, "medium": 2, "high": 3}
"""As ZAP numbers them."""


class Alert(Struct, frozen=True):
    name: str
    riskcode: str
    riskdesc: str = ""
    instances: list[dict[str, object]] = []


class Site(Struct, frozen=True):
    name: str = field(name="@name")
    alerts: list[Alert] = []


class Attack(Struct, frozen=True):
    """ZAP's "traditional" JSON report."""

    site: list[Site]
    created: str = ""
    generated: str = field(name="@generated", default="")

    def at(self) -> datetime | None:
        """When it was written; older versions say so in words, and without a zone."""
        if self.created:
            return moment(self.created)
        try:
            return datetime.strptime(self.generated, "%a, %d %b %Y %H:%M:%S").astimezone()
        except ValueError:
            return None


@check(
    "zap.clean",
    good_for="24h",
    fix="Mend what ZAP found, release that build, and let ZAP attack it.",
)
async def clean(
    scene: Scene, *, path: str, site: str, below: str = "medium", younger_than: float = WEEK
) -> Finding:
    """ZAP attacked the system `site`, and found nothing of the risk `below` (low, medium, high) or above."""
    if below not in RISKS:
        raise BadInput(f"There is no risk {below!r}.", fix=f"It is one of: {', '.join(RISKS)}.")
    document, attack = await json_report(scene, path, Attack)
    wrong = too_old(scene, attack.at(), younger_than)
    attacked, target = [each.name.rstrip("/") for each in attack.site], (await scene.urls(site))[0]
    if not any(target.startswith(each) for each in attacked):
        wrong.append(f"{target} was not attacked, but {', '.join(attacked) or 'nothing'}")
    alerts = [alert for each in attack.site for alert in each.alerts]
    wrong += [
        f"{each.name} ({each.riskdesc or each.riskcode}, {len(each.instances)} places)"
        for each in alerts
        if not each.riskcode.isdigit() or int(each.riskcode) >= RISKS[below]
    ]
    if wrong:
        return failed(f"{path}: {'; '.join(wrong)}.")
    words = f"{path}: {target} was attacked, {len(alerts)} alerts, all of a risk below {below}."
    return passed(words, alerts=len(alerts), **marks(document))
