"""The instruments that a release's checks look at the world with; what is behind each is imported when it is used."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from watership.adapters.files.documents import FileDocuments
from watership.adapters.files.secrets import ReferredSecrets
from watership.errors import Unavailable
from watership.releases.instruments import Instruments

if TYPE_CHECKING:
    from email.message import EmailMessage

    from watership.releases.instruments import (
        DnsAnswer,
        Finished,
        Knock,
        MachineLoad,
        Revocations,
        Row,
        SocketAnswer,
        TlsAnswer,
        Written,
    )
    from watership.releases.ports import ProbeAnswer

EXTRAS: Final = {
    "asyncpg": "servers",
    "redis": "servers",
    "cryptography": "checks",
    "dns": "checks",
    "OpenSSL": "checks",
    "psutil": "checks",
}
"""The packages that are not always installed, and what to install for them."""


def instruments(root: Path, *, authorities: Path | None = None) -> Instruments:
    """All of them, for a project whose files are below `root`. Nothing is opened, and next to nothing imported.

    `authorities`: a file of those that HTTP, WebSockets and mail trust in place of the system's.
    """
    return Instruments(
        http=_Http(authorities),
        sql=_Sql(),
        redis=_Redis(),
        tls=_Tls(root),
        dns=_Dns(),
        ports=_Ports(),
        commands=_Commands(root),
        documents=FileDocuments(root),
        machine=_Machine(root),
        sockets=_Sockets(authorities),
        mail=_Mail(authorities),
        secrets=ReferredSecrets(root, os.environ),
    )


@contextmanager
def _importing() -> Iterator[None]:
    """Say what to install for a package that is not there."""
    try:
        yield
    except ModuleNotFoundError as reason:
        package = (reason.name or "").partition(".")[0]
        if package not in EXTRAS:
            raise
        raise Unavailable(
            f"A check needs the package {package}, which is not installed.",
            fix=f"pip install 'watership[{EXTRAS[package]}]'",
        ) from None


class _Http:
    def __init__(self, authorities: Path | None) -> None:
        self._authorities = authorities

    async def request(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] = {},
        timeout: float = 5.0,
    ) -> ProbeAnswer:
        from watership.adapters.http.probe import HttpProbe

        probe = HttpProbe(self._authorities)
        return await probe.request(method, url, body=body, headers=headers, timeout=timeout)


class _Sql:
    async def rows(self, url: str, statement: str) -> Sequence[Row]:
        with _importing():
            from watership.adapters.postgres.sql import PostgresSql
        return await PostgresSql().rows(url, statement)

    async def write(self, url: str) -> Written:
        with _importing():
            from watership.adapters.postgres.sql import PostgresSql
        return await PostgresSql().write(url)

    async def admits(self, url: str) -> bool:
        with _importing():
            from watership.adapters.postgres.sql import PostgresSql
        return await PostgresSql().admits(url)


class _Redis:
    async def info(self, url: str) -> Row:
        with _importing():
            from watership.adapters.redis.commands import OneRedis
        return await OneRedis().info(url)

    async def call(self, url: str, *words: str) -> object:
        with _importing():
            from watership.adapters.redis.commands import OneRedis
        return await OneRedis().call(url, *words)


class _Tls:
    def __init__(self, root: Path) -> None:
        self._root = root

    async def look(self, address: str, *, name: str = "", authorities: str = "") -> TlsAnswer:
        with _importing():
            from watership.adapters.tls.handshake import Handshake
        file = str(self._root / authorities) if authorities else ""
        return await Handshake().look(address, name=name, authorities=file)

    async def listed(self, answer: TlsAnswer, content: bytes) -> Revocations:
        with _importing():
            from watership.adapters.tls.handshake import Handshake
        return await Handshake().listed(answer, content)


class _Dns:
    async def lookup(self, server: str, name: str, kind: str = "A") -> DnsAnswer:
        with _importing():
            from watership.adapters.dns.lookup import Lookup
        return await Lookup().lookup(server, name, kind)


class _Ports:
    async def knock(self, address: str, *, timeout: float = 2.0) -> Knock:
        from watership.adapters.tcp.knocking import Knocking

        return await Knocking().knock(address, timeout=timeout)

    async def here(self, address: str) -> bool:
        from watership.adapters.tcp.knocking import Knocking

        return await Knocking().here(address)


class _Commands:
    def __init__(self, root: Path) -> None:
        self._root = root

    async def run(
        self,
        words: Sequence[str],
        *,
        folder: str = "",
        variables: Mapping[str, str] = {},
        timeout: float = 60.0,
    ) -> Finished:
        with _importing():
            from watership.adapters.processes.commands import ProcessCommands
        commands = ProcessCommands(self._root)
        return await commands.run(words, folder=folder, variables=variables, timeout=timeout)


class _Machine:
    def __init__(self, root: Path) -> None:
        self._root = root

    async def load(self, *, seconds: float = 0.5) -> MachineLoad:
        with _importing():
            from watership.adapters.machine.load import LocalMachine
        return await LocalMachine(self._root).load(seconds=seconds)


class _Sockets:
    def __init__(self, authorities: Path | None) -> None:
        self._authorities = authorities

    async def open(
        self, url: str, *, headers: Mapping[str, str] = {}, send: str = "", timeout: float = 5.0
    ) -> SocketAnswer:
        from watership.adapters.http.sockets import WebSockets

        return await WebSockets(self._authorities).open(url, headers=headers, send=send, timeout=timeout)


class _Mail:
    def __init__(self, authorities: Path | None) -> None:
        self._authorities = authorities

    async def greet(self, url: str) -> Sequence[str]:
        from watership.adapters.mail.greeting import Greeting

        return await Greeting(self._authorities).greet(url)

    async def offer(self, url: str, sender: str, recipients: Sequence[str]) -> Mapping[str, str]:
        from watership.adapters.mail.posting import Posting

        return await Posting(self._authorities).offer(url, sender, recipients)

    async def send(self, url: str, message: EmailMessage) -> Mapping[str, str]:
        from watership.adapters.mail.posting import Posting

        return await Posting(self._authorities).send(url, message)
