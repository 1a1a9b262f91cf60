"""A greeting asks a mail server what it offers, and sends no mail."""

from __future__ import annotations

import asyncio
import smtplib
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, unquote

from watership.adapters.address import parsed, shown
from watership.adapters.http.trust import trust
from watership.errors import Unavailable

SECONDS: Final = 10.0
"""For each answer: a mail server may look up who asks before it says a word."""

PORTS: Final = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
"""smtp+starttls:// goes on in TLS or not at all; smtps:// begins in it."""


class Greeting:
    """Mail by SMTP; `authorities`: a file of those to trust in place of the system's."""

    def __init__(self, authorities: Path | None = None) -> None:
        self._authorities = authorities

    async def greet(self, url: str) -> Sequence[str]:
        parts = parsed(url, *PORTS)
        try:
            return await asyncio.to_thread(self._greet, parts)
        except smtplib.SMTPAuthenticationError as reason:
            raise Unavailable(
                f"{shown(url)} refused user or password ({reason.smtp_code}).", fix="Look at both in its URL."
            ) from None
        except smtplib.SMTPResponseException as reason:
            raise Unavailable(f"{shown(url)} refused: {reason.smtp_code} {_words(reason)}.") from reason
        except (smtplib.SMTPException, OSError) as reason:
            raise Unavailable(
                f"{shown(url)} does not answer: {str(reason) or type(reason).__name__}."
            ) from reason

    def _greet(self, parts: SplitResult) -> Sequence[str]:
        host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
        with self._connection(parts.scheme, host, port) as server:
            server.ehlo_or_helo_if_needed()
            offered = _offered(server)
            if parts.scheme == "smtp+starttls":
                server.starttls(context=trust(self._authorities))
                server.ehlo()
                offered |= _offered(server)
            if parts.username:
                server.login(unquote(parts.username), unquote(parts.password or ""))
        return sorted(offered)

    def _connection(self, scheme: str, host: str, port: int) -> smtplib.SMTP:
        if scheme == "smtps":
            return smtplib.SMTP_SSL(host, port, timeout=SECONDS, context=trust(self._authorities))
        return smtplib.SMTP(host, port, timeout=SECONDS)


def _offered(server: smtplib.SMTP) -> set[str]:
    # The library keeps what some extensions say with a blank before it.
    return {" ".join([name.upper(), *words.split()]) for name, words in server.esmtp_features.items()}


def _words(reason: smtplib.SMTPResponseException) -> str:
    said = reason.smtp_error
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
