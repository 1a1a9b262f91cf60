"""Mail over SMTP, as plain text and as HTML."""

from __future__ import annotations

import asyncio
import hashlib
import smtplib
import ssl
from datetime import UTC
from email.message import EmailMessage
from email.utils import format_datetime

from watership.adapters.channels.secrets import Resolved
from watership.durable.scrubbing import scrub
from watership.errors import BadInput, Unavailable
from watership.releases.book.system import Secrets
from watership.releases.notices import writing
from watership.releases.notices.comms import Email
from watership.releases.notices.notice import Message

WORDS = 200
"""Characters of a server's answer that are told."""

PAGE = '<!doctype html><html><head><meta charset="utf-8"></head><body>\n{}</body></html>\n'


class MailChannel:
    """Sends one mail to all of `to`, in a thread: the standard library's client waits where it stands."""

    def __init__(self, spec: Email, secrets: Secrets) -> None:
        self._spec = spec
        self._resolved = Resolved(secrets)

    @property
    def timeout(self) -> float:
        return self._spec.timeout

    async def send(self, message: Message) -> str:
        return await asyncio.to_thread(self._sent, letter(message, self._spec))

    def _sent(self, mail: EmailMessage) -> str:
        try:
            with self._connected() as server:
                refused = server.send_message(mail)
        except smtplib.SMTPRecipientsRefused as error:
            code, words = max(error.recipients.values(), key=lambda answer: answer[0] < 500)
            raise _judged(code, words) from None
        except smtplib.SMTPResponseException as error:
            raise _judged(error.smtp_code, error.smtp_error) from None
        except smtplib.SMTPNotSupportedError as error:
            raise BadInput(f"The mail server cannot do that: {error}") from None
        except (smtplib.SMTPException, OSError) as error:
            why = scrub(str(error)) or type(error).__name__
            raise Unavailable(f"The mail server cannot be reached: {why}.") from None
        but = f", but not by {', '.join(sorted(refused))}" if refused else ""
        return f"taken by {self._spec.host} for {len(self._spec.to) - len(refused)} recipients{but}"

    def _connected(self) -> smtplib.SMTP:
        spec = self._spec
        server: smtplib.SMTP
        if spec.security == "tls":
            server = smtplib.SMTP_SSL(
                spec.host, spec.port, timeout=spec.timeout, context=self._certificates()
            )
        else:
            server = smtplib.SMTP(spec.host, spec.port, timeout=spec.timeout)
        try:
            if spec.security == "starttls":
                server.starttls(context=self._certificates())
            if spec.user is not None and spec.password is not None:
                server.login(self._resolved(spec.user), self._resolved(spec.password))
        except BaseException:
            server.close()
            raise
        return server

    def _certificates(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self._spec.authority)


def letter(message: Message, spec: Email) -> EmailMessage:
    """The mail. Its id follows from the notice's, so that mail programs see a repetition as the same."""
    mail = EmailMessage()
    mail["Subject"] = message.subject
    mail["From"] = spec.sender
    mail["To"] = ", ".join(spec.to)
    mail["Date"] = format_datetime(message.at.astimezone(UTC))
    mail["Message-ID"] = _identity(message.id)
    if message.thread != message.id:
        mail["References"] = _identity(message.thread)
    mail["Auto-Submitted"] = "auto-generated"
    if message.priority == "CRITICAL":
        mail["Importance"] = "high"
    mail.set_content(writing.plain(message.text))
    mail.add_alternative(PAGE.format(writing.html(message.text)), subtype="html")
    return mail


def _identity(name: str) -> str:
    return f"<{hashlib.sha256(name.encode()).hexdigest()[:32]}@notices.watership>"


def _judged(code: int, words: bytes | str) -> Unavailable | BadInput:
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
    said = f"The mail server answered {code}: {scrub(text)[:WORDS]}"
    return BadInput(said) if 500 <= code < 600 else Unavailable(said)
