"""One request to a receiver, and what its answer means: it has it, try again, or never."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any

import httpx2
import msgspec

from watership.durable.scrubbing import scrub
from watership.errors import BadInput, Unavailable
from watership.releases.notices.comms import safe

ANSWER_BYTES = 1024 * 1024
"""Of an answer; a list of fifty comments is far below it."""

WORDS = 200
"""Characters of an answer that are told."""

AGAIN = frozenset({408, 420, 425, 429})
"""Beside 5xx. 420 is Statuspage's word for too many requests."""

BUSY = frozenset({420, 429})
BUSY_SECONDS = 5.0
"""What a receiver gets that has too many requests, and does not say for how long."""
BUSY_LEAST = 2.0
"""More than the second after which anything is tried again."""

LATER_MOST = 3600.0
"""Seconds that a receiver may ask for at most."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer with a good status."""

    status: int
    body: bytes

    def json(self) -> Any:
        try:
            return msgspec.json.decode(self.body)
        except msgspec.DecodeError as error:
            raise Unavailable("The answer is not JSON.") from error


@cache
def _certificates() -> ssl.SSLContext:
    return httpx2.create_ssl_context()


async def exchange(
    method: str,
    url: str,
    body: bytes | Mapping[str, object] | None = None,
    *,
    headers: Mapping[str, str] = {},
    timeout: float,
) -> Answer:
    """Raises Unavailable when it may go better later, BadInput when it never will. No secret is in either's words."""
    content = body if isinstance(body, bytes | None) else msgspec.json.encode(body)
    try:
        # A message goes where the plan says: no proxy of somebody's shell, no redirect.
        async with (
            httpx2.AsyncClient(timeout=timeout, trust_env=False, verify=_certificates()) as client,
            client.stream(
                method,
                safe(url),
                content=content,
                headers={"content-type": "application/json", "user-agent": "watership", **headers},
            ) as response,
        ):
            answer = b""
            async for piece in response.aiter_bytes():
                answer += piece
                if len(answer) > ANSWER_BYTES:
                    raise Unavailable(f"The answer is longer than {ANSWER_BYTES:,} bytes.")
    except (httpx2.InvalidURL, UnicodeError, ValueError):
        raise BadInput("The URL, or a secret, holds what HTTP does not carry.") from None
    except httpx2.HTTPError as error:
        # The chain is cut: an exception below may hold the URL, which may be the secret.
        raise Unavailable(f"No answer: {scrub(str(error)) or type(error).__name__}.") from None
    return _judged(response.status_code, response.headers, answer)


def _judged(status: int, headers: Mapping[str, str], body: bytes) -> Answer:
    if 200 <= status < 300:
        return Answer(status=status, body=body)
    said = scrub(" ".join(body.decode("utf-8", "replace").split()))[:WORDS]
    words = f"It answered {status}{f': {said}' if said else '.'}"
    if status in AGAIN or status >= 500:
        raise Unavailable(words, retry_after=_later(status, headers.get("retry-after")))
    raise BadInput(words)


def _later(status: int, said: str | None) -> float:
    """Seconds to leave it alone: Retry-After, which is a number or a date; a little after too many requests."""
    if said is None:
        return BUSY_SECONDS if status in BUSY else 1.0
    try:
        seconds = float(said) if said.strip().isdecimal() else _until(parsedate_to_datetime(said))
    except ValueError:
        return BUSY_SECONDS
    return min(max(seconds, BUSY_LEAST), LATER_MOST)


def _until(when: datetime) -> float:
    zoned = when if when.utcoffset() is not None else when.replace(tzinfo=UTC)
    return (zoned - datetime.now(UTC)).total_seconds()
