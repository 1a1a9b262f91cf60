"""The instruments that a release's checks look at the world with; each is imported and made when it is first used."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from watership.adapters.files.documents import FileDocuments
from watership.adapters.files.secrets import ReferredSecrets
from watership.durable.clock import Clock, SystemClock
from watership.errors import Unavailable

if TYPE_CHECKING:
    from watership.releases.book.system import Secrets
    from watership.releases.instruments import (
        Commands,
        Dns,
        Documents,
        Machine,
        Mail,
        Ports,
        RedisCommands,
        Sockets,
        Sql,
        Tls,
    )
    from watership.releases.ports import Probe

EXTRAS: Final = {
    "asyncpg": "servers",
    "redis": "servers",
    "cryptography": "checks",
    "dns": "checks",
    "OpenSSL": "checks",
    "psutil": "checks",
}
"""The packages that are not always installed, and what to install for them."""


@contextmanager
def importing() -> Iterator[None]:
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


class ProjectInstruments:
    """Instruments for a project whose files are below `root`. Made, they have opened and imported next to nothing.

    `authorities`: a file of those that HTTP, WebSockets and mail trust in place of the system's.
    """

    def __init__(self, root: Path, *, authorities: Path | None = None) -> None:
        self._root = root
        self._authorities = authorities
        self.clock: Clock = SystemClock()
        self.documents: Documents = FileDocuments(root)
        self.secrets: Secrets = ReferredSecrets(root, os.environ)

    @cached_property
    def http(self) -> Probe:
        from watership.adapters.http.probe import HttpProbe

        return HttpProbe(self._authorities)

    @cached_property
    def sql(self) -> Sql:
        with importing():
            from watership.adapters.postgres.sql import PostgresSql
        return PostgresSql()

    @cached_property
    def redis(self) -> RedisCommands:
        with importing():
            from watership.adapters.redis.commands import OneRedis
        return OneRedis()

    @cached_property
    def tls(self) -> Tls:
        with importing():
            from watership.adapters.tls.handshake import Handshake
        return Handshake(self._root)

    @cached_property
    def dns(self) -> Dns:
        with importing():
            from watership.adapters.dns.lookup import Lookup
        return Lookup()

    @cached_property
    def ports(self) -> Ports:
        from watership.adapters.tcp.knocking import Knocking

        return Knocking()

    @cached_property
    def commands(self) -> Commands:
        with importing():
            from watership.adapters.processes.commands import ProcessCommands
        return ProcessCommands(self._root)

    @cached_property
    def machine(self) -> Machine:
        with importing():
            from watership.adapters.machine.load import LocalMachine
        return LocalMachine(self._root)

    @cached_property
    def sockets(self) -> Sockets:
        from watership.adapters.http.sockets import WebSockets

        return WebSockets(self._authorities)

    @cached_property
    def mail(self) -> Mail:
        from watership.adapters.mail.posting import Posting

        return Posting(self._authorities)
