"""Instruments are how a check looks at the world: each shows what is there, and none knows what would be good.

All raise Unavailable when they get no answer, and BadInput when they were asked for what makes no sense.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from email.message import EmailMessage
from typing import Literal, Protocol

from msgspec import Struct

from watership.durable.clock import Clock
from watership.releases.auditing.audit import Plain
from watership.releases.book.system import Secrets
from watership.releases.ports import Probe

Row = Mapping[str, Plain]


class Written(Struct, frozen=True, kw_only=True):
    """How a write went that was taken back. `read_only`: transactions begin so; `refused`: the database's words when it
    did not take the write, `forbidden`: because the role may not."""

    read_only: bool
    refused: str = ""
    forbidden: bool = False


class Sql(Protocol):
    """A database that speaks SQL."""

    async def rows(self, url: str, statement: str) -> Sequence[Row]:
        """The rows of one reading statement. A statement that the database refuses is BadInput, in its words."""

    async def write(self, url: str) -> Written:
        """Write a temporary table in a transaction as the database begins it, and roll it back."""

    async def admits(self, url: str) -> bool:
        """Whether the database lets in who comes with this user and password. Unavailable when that is not known."""


class RedisCommands(Protocol):
    """A Redis."""

    async def info(self, url: str) -> Row:
        """All sections of INFO, flat, numbers as numbers."""

    async def call(self, url: str, *words: str) -> object:
        """One command's reply: text, number, None, or a list of these."""


class Certificate(Struct, frozen=True, kw_only=True):
    """A certificate as its issuer made it."""

    subject: str
    issuer: str
    not_before: datetime
    not_after: datetime
    names: tuple[str, ...]
    """The host names that it is for."""
    ocsp_urls: tuple[str, ...] = ()
    crl_urls: tuple[str, ...] = ()
    sha256: str = ""
    """Of the very bytes that were sent."""
    serial: int = 0


class Revocations(Struct, frozen=True, kw_only=True):
    """What somebody says of whether a certificate was revoked. `status`: good, revoked or unknown; `wrong`: why it says
    nothing of this very certificate (another's, or not signed by who may), else empty."""

    status: str
    since: datetime
    until: datetime | None = None
    wrong: str = ""


class TlsAnswer(Struct, frozen=True, kw_only=True):
    """What a TLS server showed. `chain`: what it sent, leaf first. `untrusted`: why it is not trusted, else empty."""

    version: str
    chain: tuple[Certificate, ...]
    sent: tuple[bytes, ...] = ()
    """The same certificates, as they came."""
    untrusted: str = ""
    staple: Revocations | None = None
    """What the OCSP response says that it sent along."""


class Tls(Protocol):
    """The handshake of a TLS server."""

    async def look(self, address: str, *, name: str = "", authorities: str = "") -> TlsAnswer:
        """Shake hands with HOST:PORT as a client that asks for `name` (default: HOST) and trusts the system's
        authorities, or those of the file `authorities`. An untrusted chain is an answer, not an error."""

    async def listed(self, answer: TlsAnswer, content: bytes) -> Revocations:
        """What a list of the revoked (CRL) says of the certificate that was shown. BadInput for what is no list."""


class DnsAnswer(Struct, frozen=True, kw_only=True):
    values: tuple[str, ...]
    ttl: int
    """Seconds that resolvers may keep it, as the authority says."""


class Dns(Protocol):
    """A name server."""

    async def lookup(self, server: str, name: str, kind: str = "A") -> DnsAnswer:
        """Ask HOST:PORT for a name's records, past every cache. A name that is not there is an empty answer."""


Knock = Literal["open", "refused", "silent"]
"""What a port does with who wants to connect: `silent` may be a firewall, or a machine that is not there."""


class Ports(Protocol):
    """TCP ports of machines."""

    async def knock(self, address: str, *, timeout: float = 2.0) -> Knock:
        """Connect to HOST:PORT and close. Unavailable when no way leads to that host."""

    async def here(self, address: str) -> bool:
        """Whether HOST is this very machine. Unavailable for a name that is not known."""


class Finished(Struct, frozen=True, kw_only=True):
    """A command that ended by itself."""

    code: int
    output: str
    errors: str
    cut: bool = False
    """It printed more than is kept, which is the end: what is missing is no proof of anything."""


class Commands(Protocol):
    """Programs of this machine."""

    async def run(
        self,
        words: Sequence[str],
        *,
        folder: str = "",
        variables: Mapping[str, str] = {},
        timeout: float = 60.0,
    ) -> Finished:
        """Run without a shell and without input; what it prints is kept up to a bound. Unavailable when there is no
        such program, or when it took longer and was ended."""


class Document(Struct, frozen=True, kw_only=True):
    """A file as it is now. It has no time of its own: a fresh checkout makes every file young."""

    path: str
    content: bytes
    sha256: str


class Documents(Protocol):
    """Files of the project and its evidence, below one root."""

    async def read(self, path: str) -> Document | None:
        """A file, None when there is none. Larger than 16 MiB, or outside of the root: BadInput."""

    async def names(self, pattern: str) -> Sequence[str]:
        """The files that a glob matches, sorted."""


class MachineLoad(Struct, frozen=True, kw_only=True):
    """Shares of 1, of the machine that the command runs on."""

    cpu: float
    memory: float
    disk: float
    read_bytes: int
    """Since boot; disks, and below the network."""
    written_bytes: int
    received_bytes: int
    sent_bytes: int


class Machine(Protocol):
    async def load(self, *, seconds: float = 0.5) -> MachineLoad:
        """CPU is measured over `seconds`."""


class SocketAnswer(Struct, frozen=True, kw_only=True):
    """How a WebSocket handshake went; `first` is the first text that came within the time, or None."""

    status: int
    first: str | None = None


class Sockets(Protocol):
    async def open(
        self, url: str, *, headers: Mapping[str, str] = {}, send: str = "", timeout: float = 5.0
    ) -> SocketAnswer:
        """Open a WebSocket, send `send` unless it is empty, wait for a text, and close."""


class Mail(Protocol):
    async def greet(self, url: str) -> Sequence[str]:
        """The extensions that an SMTP server offers after EHLO (smtp://[USER:PASSWORD@]HOST:PORT; STARTTLS and login
        where the URL asks for them). Nothing is sent."""

    async def offer(self, url: str, sender: str, recipients: Sequence[str]) -> Mapping[str, str]:
        """The recipients that a server would not take mail for, each with its words. Nothing is sent."""

    async def send(self, url: str, message: EmailMessage) -> Mapping[str, str]:
        """Hand a message to a server; the recipients that it refused, each with its words."""


class Instruments(Protocol):
    """All of them."""

    @property
    def clock(self) -> Clock:
        """The machine's own, whatever the calendar of a rehearsal says: by it others judge what is signed and sent."""
        ...

    @property
    def http(self) -> Probe: ...

    @property
    def sql(self) -> Sql: ...

    @property
    def redis(self) -> RedisCommands: ...

    @property
    def tls(self) -> Tls: ...

    @property
    def dns(self) -> Dns: ...

    @property
    def ports(self) -> Ports: ...

    @property
    def commands(self) -> Commands: ...

    @property
    def documents(self) -> Documents: ...

    @property
    def machine(self) -> Machine: ...

    @property
    def sockets(self) -> Sockets: ...

    @property
    def mail(self) -> Mail: ...

    @property
    def secrets(self) -> Secrets: ...
