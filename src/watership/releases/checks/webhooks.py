"""Webhooks come in signed, as Standard Webhooks says; what is forged or stale is refused."""

from __future__ import annotations

import base64
import hashlib
from datetime import timedelta
from typing import Final

import msgspec

from watership.errors import BadInput
from watership.releases.checks.kind import check
from watership.releases.checks.scene import Scene
from watership.releases.measurement import Finding, failed, passed
from watership.releases.notices.signing import PREFIX, signed

JSON: Final = {"content-type": "application/json"}

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
        ("signed", signed(sent, now, BODY, secret), True),
        ("forged", signed(f"{sent}-forged", now, BODY, forged), False),
        ("stale", signed(f"{sent}-stale", now - STALE, BODY, secret), False),
    )
    wrong = []
    url = system.address(scene.look.secrets).rstrip("/") + path
    for name, headers, accepted in cases:
        answer = await scene.look.http.request("POST", url, body=BODY, headers=JSON | headers)
        good = 200 <= answer.status < 300 if accepted else 400 <= answer.status < 500
        if not good:
            wrong.append(f"one that is {name} was answered {answer.status}")
    if wrong:
        return failed("; ".join(wrong) + ".")
    return passed("A signed webhook was accepted; a forged one and a stale one were refused.")
