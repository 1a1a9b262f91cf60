"""Webhooks come in signed, as Standard Webhooks says; what is forged or stale is refused."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from datetime import datetime, timedelta
from typing import Final

import msgspec

from watership.errors import BadInput
from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene
from watership.releases.measurement import Finding, failed, passed

PREFIX: Final = "whsec_"

STALE: Final = timedelta(hours=1)
"""Older than any receiver may accept: five minutes are usual."""

BODY: Final = msgspec.json.encode({"type": "release.probe", "data": {}})


@check(
    "webhooks.verified",
    good_for="24h",
    fix="Give receiver and sender the same secret, and verify before you read.",
)
async def verified(scene: Scene, *, of: str, path: str) -> Finding:
    """`of` accepts a webhook that is signed with the secret of its system (whsec_…), and refuses the same with the
    signature of another secret, and one that is an hour old."""
    system = scene.system(of)
    if not system.secret:
        raise BadInput(f"The system '{of}' names no secret to sign with.", fix="Add: secret: env:NAME")
    secret, now = scene.look.secrets.read(system.secret), scene.sent_at()
    forged = PREFIX + base64.b64encode(hashlib.sha256(secret.encode()).digest()).decode()
    sent = f"release-probe-{int(now.timestamp())}"
    cases = (
        ("signed", signed(secret, sent, now, BODY), True),
        ("forged", signed(forged, f"{sent}-forged", now, BODY), False),
        ("stale", signed(secret, f"{sent}-stale", now - STALE, BODY), False),
    )
    wrong = []
    url = system.address(scene.look.secrets).rstrip("/") + path
    for name, headers, accepted in cases:
        answer = await scene.look.http.request("POST", url, body=BODY, headers=headers)
        good = 200 <= answer.status < 300 if accepted else 400 <= answer.status < 500
        if not good:
            wrong.append(f"one that is {name} was answered {answer.status}")
    if wrong:
        return failed("; ".join(wrong) + ".")
    return passed("A signed webhook was accepted; a forged one and a stale one were refused.")


def signed(secret: str, name: str, at: datetime, body: bytes) -> dict[str, str]:
    """The headers of a webhook, by Standard Webhooks. Raises BadInput for a secret that is none."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        raise BadInput("The secret of webhooks is whsec_ and Base64.") from None
    seconds = str(int(at.timestamp()))
    content = f"{name}.{seconds}.".encode() + body
    signature = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    return {
        "content-type": "application/json",
        "webhook-id": name,
        "webhook-timestamp": seconds,
        "webhook-signature": f"v1,{signature}",
    }
