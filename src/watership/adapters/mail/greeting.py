"""A greeting asks a mail server what it offers, and sends no mail."""

from __future__ import annotations

import smtplib
from collections.abc import Sequence
from pathlib import Path

from watership.adapters.mail.session import Session


class Greeting:
    """Mail by SMTP; `authorities`: a file of those to trust in place of the system's."""

    def __init__(self, authorities: Path | None = None) -> None:
        self._session = Session(authorities)

    async def greet(self, url: str) -> Sequence[str]:
        return await self._session.held(url, _offered)


def _offered(server: smtplib.SMTP) -> list[str]:
    # The library keeps what some extensions say with a blank before it.
    return sorted({" ".join([name.upper(), *words.split()]) for name, words in server.esmtp_features.items()})
