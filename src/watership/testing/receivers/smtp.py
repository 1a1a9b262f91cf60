"""A mail server for tests: SMTP with STARTTLS and AUTH, and a letter box that everybody may look into."""

from __future__ import annotations

import base64
import socketserver
import ssl
import threading
from email import message_from_bytes, policy
from email.message import EmailMessage
from types import TracebackType
from typing import ClassVar, Final, Self

import msgspec

from watership.testing.receivers.port import Port, ThreadingServer

LINE_BYTES: Final = 64 * 1024


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """One mail as it came in. `encrypted`: the connection was; `user`: who had logged in."""

    sender: str
    recipients: tuple[str, ...]
    message: EmailMessage
    encrypted: bool
    user: str | None

    @property
    def subject(self) -> str:
        return str(self.message["subject"])

    def text(self, kind: str = "plain") -> str:
        """Its words as `plain` text or as `html`."""
        part = self.message.get_body((kind,))
        return "" if part is None else str(part.get_content()).replace("\r\n", "\n")


class SmtpReceiver:
    """Use it as a context manager. With `tls` it offers STARTTLS, and takes mail and passwords only after it.

    With `users` (name to password) it takes mail only from who has logged in.
    """

    name: ClassVar[str] = "smtp"

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        users: dict[str, str] | None = None,
        reject: str = "reject@",
    ) -> None:
        self.tls = tls
        self.users = users
        self.reject = reject
        """Recipients that begin with it do not exist here."""
        self.fault: int | None = None
        self._lock = threading.Lock()
        self._received: list[Mail] = []
        self._port = Port(lambda address: _Server(address, self))

    def __enter__(self) -> Self:
        self._port.listen()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._port.close()

    @property
    def port(self) -> int:
        return self._port.number

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    @property
    def received(self) -> list[Mail]:
        with self._lock:
            return list(self._received)

    def down(self, status: int | None = None) -> None:
        """Refuse connections, or greet everybody with `status` (421: come back later)."""
        if status is None:
            self._port.refuse()
        else:
            self.fault = status

    def up(self) -> None:
        self.fault = None
        self._port.listen()

    def keep(self, mail: Mail) -> None:
        with self._lock:
            self._received.append(mail)


class _Server(ThreadingServer):
    def __init__(self, address: tuple[str, int], receiver: SmtpReceiver) -> None:
        self.receiver = receiver
        super().__init__(address, _Session)


class _Session(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        self.receiver = self.server.receiver
        self.encrypted = False
        self.user: str | None = None
        self._forget()
        if self.receiver.fault is not None:
            self._say(self.receiver.fault, "not now")
            return
        self._say(220, "stand-in ESMTP")
        while line := self.rfile.readline(LINE_BYTES):
            verb, _, rest = line.decode("utf-8", "replace").strip().partition(" ")
            if not self._do(verb.upper(), rest):
                return

    def finish(self) -> None:
        super().finish()
        self.connection.close()  # the encrypted one took the plain one's place

    def _do(self, verb: str, rest: str) -> bool:
        """One command; False ends the session."""
        match verb:
            case "EHLO" | "HELO":
                self._greet()
            case "STARTTLS" if self.receiver.tls is not None and not self.encrypted:
                self._encrypt(self.receiver.tls)
            case "AUTH" if self._may_log_in():
                self._log_in(rest)
            case "MAIL":
                self._from(rest)
            case "RCPT":
                self._to(rest)
            case "DATA" if self.recipients:
                self._data()
            case "RSET" | "NOOP":
                self._forget()
                self._say(250, "ok")
            case "QUIT":
                self._say(221, "bye")
                return False
            case "DATA" | "AUTH":
                self._say(503, "bad sequence of commands")
            case _:
                self._say(502, "command not implemented")
        return True

    def _greet(self) -> None:
        offers = ["stand-in", "8BITMIME", "SMTPUTF8"]
        offers += ["STARTTLS"] if self.receiver.tls is not None and not self.encrypted else []
        offers += ["AUTH PLAIN LOGIN"] if self._may_log_in() else []
        for offer in offers[:-1]:
            self.wfile.write(f"250-{offer}\r\n".encode())
        self._say(250, offers[-1])

    def _encrypt(self, tls: ssl.SSLContext) -> None:
        self._say(220, "go ahead")
        self.connection = tls.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", buffering=0)
        self.encrypted = True
        self._forget()

    def _may_log_in(self) -> bool:
        return self.receiver.users is not None and (self.encrypted or self.receiver.tls is None)

    def _log_in(self, rest: str) -> None:
        mechanism, _, given = rest.partition(" ")
        if mechanism.upper() == "PLAIN":
            _, user, password = _decoded(given or self._asked("")).split("\0")
        else:
            user, password = _decoded(given or self._asked("Username:")), _decoded(self._asked("Password:"))
        users = self.receiver.users or {}
        if users.get(user) == password:
            self.user = user
            self._say(235, "welcome")
        else:
            self._say(535, "authentication credentials invalid")

    def _asked(self, prompt: str) -> str:
        self._say(334, base64.b64encode(prompt.encode()).decode())
        return self.rfile.readline(LINE_BYTES).decode().strip()

    def _from(self, rest: str) -> None:
        if self.receiver.tls is not None and not self.encrypted:
            self._say(530, "must issue a STARTTLS command first")
        elif self.receiver.users is not None and self.user is None:
            self._say(530, "authentication required")
        else:
            self.sender = _address(rest)
            self._say(250, "ok")

    def _to(self, rest: str) -> None:
        address = _address(rest)
        if not self.sender:
            self._say(503, "need MAIL first")
        elif address.startswith(self.receiver.reject):
            self._say(550, "no such mailbox")
        else:
            self.recipients.append(address)
            self._say(250, "ok")

    def _data(self) -> None:
        self._say(354, "end with a full stop")
        lines = []
        while (line := self.rfile.readline(LINE_BYTES)) not in (b".\r\n", b".\n", b""):
            lines.append(line[1:] if line.startswith(b".") else line)
        message = message_from_bytes(b"".join(lines), policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.receiver.keep(
            Mail(
                sender=self.sender,
                recipients=tuple(self.recipients),
                message=message,
                encrypted=self.encrypted,
                user=self.user,
            )
        )
        self._forget()
        self._say(250, "queued")

    def _forget(self) -> None:
        self.sender = ""
        self.recipients: list[str] = []

    def _say(self, code: int, words: str) -> None:
        self.wfile.write(f"{code} {words}\r\n".encode())


def _decoded(text: str) -> str:
    return base64.b64decode(text).decode()


def _address(rest: str) -> str:
    return rest.partition("<")[2].partition(">")[0]
