"""The probe makes one HTTP exchange and reports what came back, whatever the status."""

from __future__ import annotations

import ssl
import time
from collections.abc import Mapping
from functools import cache

import httpx2

from watership.errors import Unavailable
from watership.releases.ports import ProbeAnswer

BODY_BYTES = 1024 * 1024
"""Bytes read of an answer's body: checks look at small documents, and an endless one must not fill memory."""


@cache
def _certificates() -> ssl.SSLContext:
    """Read once: reading the authorities takes longer than most answers that are timed here."""
    return httpx2.create_ssl_context()


class HttpProbe:
    """Probe over real connections, a new one each time: a check must not profit from an old one.

    Redirects are not followed: the status that an address gives is what is asked for.
    """

    async def request(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] = {},
        timeout: float = 5.0,
    ) -> ProbeAnswer:
        certificates = _certificates()
        started = time.perf_counter()
        try:
            # trust_env: a proxy of the operator's shell must not answer for the instance.
            async with (
                httpx2.AsyncClient(timeout=timeout, trust_env=False, verify=certificates) as client,
                client.stream(method, url, content=body, headers=dict(headers)) as response,
            ):
                content = b""
                async for piece in response.aiter_bytes():
                    content += piece
                    if len(content) > BODY_BYTES:
                        raise Unavailable(f"{method} {url} answered with more than {BODY_BYTES:,} bytes.")
                return ProbeAnswer(
                    status=response.status_code,
                    headers={name.lower(): value for name, value in response.headers.items()},
                    body=content,
                    seconds=time.perf_counter() - started,
                )
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise Unavailable(
                f"{method} {url} got no answer: {str(error) or type(error).__name__}."
            ) from error
