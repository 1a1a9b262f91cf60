"""A RabbitMQ with its management API, of which each test gets a virtual host."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count

import httpx2

from watership.errors import Unavailable
from watership.releases.book.system import System
from watership.testing.servers import PostgresPair, PostgresServer, PrometheusServer, RabbitServer
from watership.testing.servers.authority import Authority
from watership.testing.servers.ports import LOOPBACK, free_port

_numbers = count(1)

GUEST = ("guest", "guest")


@dataclass(frozen=True)
class Vhost:
    """A virtual host: its AMQP address, and where its management is."""

    name: str
    url: str
    management: str

    @property
    def system(self) -> System:
        address = self.management.replace("http://", "http://guest:guest@")
        return System(url=address, facts={"vhost": self.name})

    def call(self, method: str, path: str, body: object = None) -> object:
        """Ask the management API; `{vhost}` is this one. What it refuses is an error; what it fails at now and then,
        while its statistics change, is asked again."""
        url = self.management + path.replace("{vhost}", self.name)
        # Without the system's authorities: reading them takes longer than all the rest.
        with httpx2.Client(auth=GUEST, timeout=10.0, trust_env=False, verify=False) as client:
            answer = client.request(method, url, json=body)
            for _ in range(5):
                if answer.status_code < 500:
                    break
                answer = client.request(method, url, json=body)
        if answer.status_code >= 400:
            raise Unavailable(f"{method} {path} was answered {answer.status_code}: {answer.text}")
        return answer.json() if answer.content else None


def managed_server() -> RabbitServer:
    """Its statistics are fresh after a fifth of a second, where by default it takes five."""
    conf = {
        "management.tcp.port": str(free_port()),
        "management.tcp.ip": LOOPBACK,
        "collect_statistics_interval": "200",
    }
    return RabbitServer(conf=conf, plugins=["rabbitmq_management"])


@dataclass(frozen=True)
class ManagedRabbit:
    server: RabbitServer

    @property
    def management(self) -> str:
        return f"http://{LOOPBACK}:{self.server.conf['management.tcp.port']}"

    def vhost(self) -> Vhost:
        name = f"managed-{next(_numbers)}"
        made = Vhost(name, f"amqp://guest:guest@{LOOPBACK}:{self.server.port}/{name}", self.management)
        made.call("PUT", "/api/vhosts/{vhost}", {})
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        made.call("PUT", "/api/permissions/{vhost}/guest", everything)
        return made


@dataclass(frozen=True, kw_only=True)
class Servers:
    """The real servers that a whole go-live looks at."""

    postgres: PostgresServer
    pair: PostgresPair
    rabbit: ManagedRabbit
    prometheus: PrometheusServer
    authority: Authority
