"""A session with a mail server: in TLS and logged in where its URL asks for it, its errors in our words."""

from __future__ import annotations

import asyncio
import smtplib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import SplitResult, unquote

from watership.adapters.address import parsed, shown
from watership.adapters.http.trust import trust
from watership.errors import Unavailable

T = TypeVar("T")

SECONDS: Final = 10.0
"""For each answer: a mail server may look up who asks before it says a word."""

PORTS: Final = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
"""smtp+starttls:// goes on in TLS or not at all; smtps:// begins in it."""


class Session:
    """Mail by SMTP; `authorities`: a file of those to trust in place of the system's."""

    def __init__(self, authorities: Path | None = None) -> None:
        self._authorities = authorities

    async def held(self, url: str, does: Callable[[smtplib.SMTP], T]) -> T:
        """What `does` returns of a session that is open. Raises Unavailable."""
        parts = parsed(url, *PORTS)
        try:
            return await asyncio.to_thread(self._held, parts, does)
        except smtplib.SMTPAuthenticationError as reason:
            raise Unavailable(
                f"{shown(url)} refused user or password ({reason.smtp_code}).", fix="Look at both in its URL."
            ) from None
        except smtplib.SMTPResponseException as reason:
            raise Unavailable(
                f"{shown(url)} refused: {reason.smtp_code} {spoken(reason.smtp_error)}."
            ) from reason
        except (smtplib.SMTPException, OSError) as reason:
            raise Unavailable(
                f"{shown(url)} does not answer: {str(reason) or type(reason).__name__}."
            ) from reason

    def _held(self, parts: SplitResult, does: Callable[[smtplib.SMTP], T]) -> T:
        with self._open(parts) as server:
            return does(server)

    @contextmanager
    def _open(self, parts: SplitResult) -> Iterator[smtplib.SMTP]:
        host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
        with self._connection(parts.scheme, host, port) as server:
            server.ehlo_or_helo_if_needed()
            if parts.scheme == "smtp+starttls":
                before = dict(server.esmtp_features)
                server.starttls(context=trust(self._authorities))
                server.ehlo()
                # What it offered before TLS it offers still, and STARTTLS is told only there.
                server.esmtp_features = before | server.esmtp_features
            if parts.username:
                server.login(unquote(parts.username), unquote(parts.password or ""))
            yield server

    def _connection(self, scheme: str, host: str, port: int) -> smtplib.SMTP:
        if scheme == "smtps":
            return smtplib.SMTP_SSL(host, port, timeout=SECONDS, context=trust(self._authorities))
        return smtplib.SMTP(host, port, timeout=SECONDS)


def spoken(words: bytes | str) -> str:
    """What a server said, in one line."""
    return " ".join((words.decode("utf-8", "replace") if isinstance(words, bytes) else words).split())
