"""Posting hands a mail server a message, or asks it whether it would take one, or what it offers."""

from __future__ import annotations

import smtplib
from collections.abc import Mapping, Sequence
from email.message import EmailMessage
from email.utils import getaddresses, parseaddr
from pathlib import Path

from watership.adapters.mail.session import Session, spoken


class Posting:
    """Mail by SMTP; `authorities`: a file of those to trust in place of the system's."""

    def __init__(self, authorities: Path | None = None) -> None:
        self._session = Session(authorities)

    async def greet(self, url: str) -> Sequence[str]:
        return await self._session.held(url, _extensions)

    async def offer(self, url: str, sender: str, recipients: Sequence[str]) -> Mapping[str, str]:
        return await self._session.held(url, lambda server: _offered(server, sender, recipients))

    async def send(self, url: str, message: EmailMessage) -> Mapping[str, str]:
        return await self._session.held(url, lambda server: _sent(server, message))


def _extensions(server: smtplib.SMTP) -> list[str]:
    # The library keeps what some extensions say with a blank before it.
    return sorted({" ".join([name.upper(), *words.split()]) for name, words in server.esmtp_features.items()})


def _offered(server: smtplib.SMTP, sender: str, recipients: Sequence[str]) -> dict[str, str]:
    code, said = server.mail(sender)
    if code != 250:
        raise smtplib.SMTPSenderRefused(code, said, sender)
    refused = {}
    for address in recipients:
        code, said = server.rcpt(address)
        if code not in (250, 251):
            refused[address] = f"{code} {spoken(said)}"
    server.rset()
    return refused


def _sent(server: smtplib.SMTP, message: EmailMessage) -> dict[str, str]:
    to = [address for _, address in getaddresses([str(message["To"])])]
    try:
        refused = server.send_message(message, parseaddr(str(message["From"]))[1], to)
    except smtplib.SMTPRecipientsRefused as reason:
        refused = reason.recipients
    return {address: f"{code} {spoken(said)}" for address, (code, said) in refused.items()}
