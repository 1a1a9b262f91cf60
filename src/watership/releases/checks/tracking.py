"""Errors are tracked when a test event that was sent is found again: the intake takes it, the API shows it."""

from __future__ import annotations

import hashlib

import msgspec

from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene
from watership.releases.measurement import Finding, excerpt, failed, found

ENVELOPE = "application/x-sentry-envelope"


@check(
    "errors.tracked",
    adapted=True,
    good_for="24h",
    fix="Look at the DSN, and at the project's filters and quota.",
)
async def tracked(scene: Scene, *, intake: str, api: str) -> Finding:
    """A test event goes to Sentry (or what speaks its protocol) as an SDK would send it, and the API shows it within
    half of the check's time. `intake`: the DSN's host, with the fact `project` (its number) and the
    header X-Sentry-Auth; `api`: with the facts `organization` and `project` and a token that may read events."""
    event = hashlib.sha256(f"{scene.key} {scene.now().isoformat()}".encode()).hexdigest()[:32]
    system = scene.system(intake)
    url = system.address(scene.look.secrets).rstrip("/") + f"/api/{scene.fact(intake, 'project')}/envelope/"
    headers = {"content-type": ENVELOPE, **system.sent(scene.look.secrets)}
    answer = await scene.look.http.request("POST", url, body=envelope(scene, event), headers=headers)
    if answer.status != 200:
        return failed(f"{intake} answered {answer.status} to a test event: {excerpt(answer.body)}")
    path = f"/api/0/projects/{scene.fact(api, 'organization')}/{scene.fact(api, 'project')}/events/{event}/"
    status = 0

    async def shown() -> bool:
        nonlocal status
        status = (await scene.get(api, path)).status
        return status != 404

    await scene.until(shown, scene.timeout / 2)
    words = f"The test event {event} was taken"
    return found(
        status == 200,
        f"{words} and found again." if status == 200 else f"{words}; asked for it, {api} answers {status}.",
    )


def envelope(scene: Scene, event: str) -> bytes:
    """One event in an envelope: headers, the item's headers, the item, each a line (develop.sentry.dev)."""
    item = {
        "event_id": event,
        "timestamp": scene.sent_at().isoformat(),
        "platform": "python",
        "level": "info",
        "logger": "watership.check",
        "release": scene.plan.next.build.version,
        "environment": scene.plan.environment,
        "message": {
            "formatted": f"A test of error tracking before the release of {scene.plan.next.build.version}."
        },
    }
    body = msgspec.json.encode(item)
    lines = (
        msgspec.json.encode({"event_id": event, "sent_at": scene.sent_at().isoformat()}),
        msgspec.json.encode({"type": "event", "length": len(body)}),
        body,
    )
    return b"\n".join(lines) + b"\n"
