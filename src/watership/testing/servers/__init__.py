"""Real servers for tests: private ones, on free loopback ports, with their data in a folder of their own.

    with PostgresServer() as postgres:
        database = postgres.new_database()

What they need is installed by `scripts/servers`, or by the system's packages. The interface is synchronous, since
starting a server is starting programs; in async code, call it through `asyncio.to_thread`.

TlsServer (in `tls`, with the Authority of `authority`) and NameServer (in `names`) are threads of the test's own
process, and need what `watership[checks]` installs.
"""

from watership.testing.servers.chromium import Chromium
from watership.testing.servers.haproxy import HaproxyServer
from watership.testing.servers.pgbackrest import ArchivedPostgres
from watership.testing.servers.ports import free_port
from watership.testing.servers.postgres import PostgresServer
from watership.testing.servers.process import Server
from watership.testing.servers.prometheus import PrometheusServer
from watership.testing.servers.rabbitmq import RabbitServer
from watership.testing.servers.redis import RedisServer
from watership.testing.servers.sshd import SshServer
from watership.testing.servers.standby import PostgresPair, PostgresStandby

__all__ = [
    "ArchivedPostgres",
    "Chromium",
    "HaproxyServer",
    "PostgresPair",
    "PostgresServer",
    "PostgresStandby",
    "PrometheusServer",
    "RabbitServer",
    "RedisServer",
    "Server",
    "SshServer",
    "free_port",
]
