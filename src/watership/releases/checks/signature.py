"""A signature as AWS wants it (version 4): its services, and every store that speaks S3, know a request by it."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import parse_qsl, quote, urlsplit

from msgspec import Struct

ALGORITHM = "AWS4-HMAC-SHA256"
UNRESERVED = "-_.~"


class Key(Struct, frozen=True, kw_only=True):
    """An access key, and what it is used for: a service in a region."""

    id: str
    secret: str
    region: str
    service: str


def signed(
    key: Key, method: str, url: str, *, at: datetime, headers: Mapping[str, str] = {}, body: bytes = b""
) -> dict[str, str]:
    """The headers of the request with those that sign it. `headers` are signed too; S3 wants the body's digest."""
    moment = f"{at:%Y%m%dT%H%M%SZ}"
    digest = hashlib.sha256(body).hexdigest()
    whole = {name.lower(): value.strip() for name, value in headers.items()}
    whole |= {"host": urlsplit(url).netloc, "x-amz-date": moment}
    if key.service == "s3":
        whole["x-amz-content-sha256"] = digest
    names = ";".join(sorted(whole))
    scope = f"{moment[:8]}/{key.region}/{key.service}/aws4_request"
    canonical = "\n".join((method, *_target(key, url), *_lines(whole), "", names, digest))
    text = "\n".join((ALGORITHM, moment, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    signature = hmac.new(_signing_key(key, moment[:8]), text.encode(), hashlib.sha256).hexdigest()
    credential = f"{ALGORITHM} Credential={key.id}/{scope}, SignedHeaders={names}, Signature={signature}"
    del whole["host"]  # whoever sends the request writes it
    return {**whole, "authorization": credential}


def _target(key: Key, url: str) -> tuple[str, str]:
    """Path and query in the one form that both sides compute. S3's path is written once, every other's twice."""
    parts = urlsplit(url)
    path = parts.path or "/"
    query = sorted(parse_qsl(parts.query, keep_blank_values=True))
    written = "&".join(
        f"{quote(name, safe=UNRESERVED)}={quote(value, safe=UNRESERVED)}" for name, value in query
    )
    return (path if key.service == "s3" else quote(path, safe="/" + UNRESERVED)), written


def _lines(headers: Mapping[str, str]) -> list[str]:
    return [f"{name}:{value}" for name, value in sorted(headers.items())]


def _signing_key(key: Key, day: str) -> bytes:
    made = f"AWS4{key.secret}".encode()
    for word in (day, key.region, key.service, "aws4_request"):
        made = hmac.new(made, word.encode(), hashlib.sha256).digest()
    return made
