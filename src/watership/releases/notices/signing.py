"""A webhook is signed as Standard Webhooks 1.0 says: an id, a time, and an HMAC over both and the body."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from datetime import datetime
from typing import Final

from watership.errors import BadInput

PREFIX: Final = "whsec_"
"""Before a secret's Base64."""


def signed(identity: str, at: datetime, body: bytes, secret: str) -> dict[str, str]:
    """The three headers. `identity` holds no full stop: those part what is signed. Raises BadInput for no secret."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise BadInput(f"The secret of webhooks is {PREFIX} and Base64.") from None
    seconds = str(int(at.timestamp()))
    signature = hmac.new(key, f"{identity}.{seconds}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": identity,
        "webhook-timestamp": seconds,
        "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
    }
