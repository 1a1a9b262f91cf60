"""Live is looked at a last time before anything is changed: well, the version that was planned for, and writable."""

from __future__ import annotations

from typing import Final

import msgspec

from watership.releases.checks.faults import judged
from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene
from watership.releases.measurement import Finding, failed

PARTS: Final = ("status", "database", "rabbitmq", "redis")


@check("live.healthy", good_for="1h", fix="watership health live")
async def healthy(scene: Scene) -> Finding:
    """Every address of live answers /health with ok in each part and the version that the plan starts from, and /status
    without being read-only."""
    wrong, urls = [], await scene.urls("live")
    if not urls:
        return failed("Live has no address.")
    version = scene.plan.live.build.version
    for url in urls:
        health = await _told(scene, f"{url}/health")
        wrong += [f"{url}: {part} is {health.get(part)}" for part in PARTS if health.get(part) != "ok"]
        if health.get("version") != version:
            wrong.append(f"{url} is version {health.get('version')}, not {version}")
        if (await _told(scene, f"{url}/status")).get("readonly") is not False:
            wrong.append(f"{url} is read-only, or does not say that it is not")
    return judged(
        wrong, f"{len(urls)} address(es) of live, {version}: well, and writable.", addresses=len(urls)
    )


async def _told(scene: Scene, url: str) -> dict[str, object]:
    """The object that is answered; an unwell live answers 503, and says why all the same."""
    answer = await scene.fetch("live", url)
    try:
        return msgspec.json.decode(answer.body, type=dict[str, object])
    except msgspec.DecodeError:
        return {"status": f"no JSON ({answer.status})"}
