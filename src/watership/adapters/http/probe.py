"""The probe makes one HTTP exchange and reports what came back, whatever the status."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import httpx2

from watership.adapters.address import shown
from watership.adapters.http.trust import trust
from watership.errors import Unavailable
from watership.releases.ports import ProbeAnswer

BODY_BYTES = 1024 * 1024
"""Bytes read of an answer's body: checks look at small documents, and an endless one must not fill memory."""


class HttpProbe:
    """Probe over real connections, a new one each time: a check must not profit from an old one.

    Redirects are not followed: the status that an address gives is what is asked for.
    """

    def __init__(self, authorities: Path | None = None, *, most: int = BODY_BYTES) -> None:
        """`authorities`: a file of those to trust in place of the system's. `most`: bytes of a body."""
        self._authorities = authorities
        self._most = most

    async def request(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] = {},
        timeout: float = 5.0,
    ) -> ProbeAnswer:
        certificates = trust(self._authorities)
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
                    if len(content) > self._most:
                        raise Unavailable(
                            f"{method} {shown(url)} answered with more than {self._most:,} bytes."
                        )
                return ProbeAnswer(
                    status=response.status_code,
                    headers={name.lower(): value for name, value in response.headers.items()},
                    body=content,
                    seconds=time.perf_counter() - started,
                )
        except httpx2.InvalidURL as error:  # its words may hold a piece of the password
            raise Unavailable(f"{method} {shown(url)} got no answer: that is no URL.") from error
        except httpx2.HTTPError as error:
            raise Unavailable(
                f"{method} {shown(url)} got no answer: {str(error) or type(error).__name__}."
            ) from error
