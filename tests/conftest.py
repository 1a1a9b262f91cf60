"""What every test shares: how much is tried, by day and by night, and the real servers."""

from __future__ import annotations

import faulthandler
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import TypeVar

import pytest
from hypothesis import settings
from types_boto3_elbv2 import ElasticLoadBalancingv2Client

from tests.adapters.aws.go_between import GoBetween
from tests.adapters.machines.machines import Machines, machines
from tests.managed import ManagedRabbit, Servers, managed_server
from watership.errors import Unavailable
from watership.testing.servers import (
    ArchivedPostgres,
    Chromium,
    HaproxyServer,
    PostgresPair,
    PostgresServer,
    PostgresStandby,
    PrometheusServer,
    RabbitServer,
    RedisServer,
    Server,
)
from watership.testing.servers.authority import Authority
from watership.testing.servers.aws import AwsServer
from watership.testing.servers.bind import BindServer
from watership.testing.servers.haproxy import SLOTS
from watership.testing.servers.names import NameServer
from watership.testing.servers.ports import LOOPBACK
from watership.testing.servers.postgres import ARCHIVING
from watership.testing.servers.tls import TlsServers
from watership.testing.standin import Answer, StandIn

# A suite, or what looks for several tests, says what was found as a test does.
pytest.register_assert_rewrite("tests.contracts", "tests.checklist", "tests.releases", "tests.simulation")

S = TypeVar("S", bound=Server)

NIGHTLY = os.environ.get("WATERSHIP_NIGHTLY", "") not in {"", "0"}

# No deadline: a busy machine must not fail a test. By day the examples are the same for everybody.
settings.register_profile("day", deadline=None, derandomize=True, max_examples=100)
settings.register_profile("night", deadline=None, print_blob=True, max_examples=2_000)
settings.load_profile("night" if NIGHTLY else "day")


@pytest.fixture(scope="session")
def nightly() -> bool:
    """Whether the large numbers are wanted: more seeds, longer histories."""
    return NIGHTLY


@pytest.fixture
def long() -> None:
    """For a test that may well take minutes, and has a bound for everything that it waits for.

    It is not to be shown where it stands (`faulthandler_timeout`) while it does what it should.
    """
    faulthandler.cancel_dump_traceback_later()


def started(make: Callable[[], S]) -> Iterator[S]:
    """The server that `make` makes. Where the program is missing, a laptop skips the test and CI fails it."""
    try:
        server = make()
    except Unavailable as missing:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(missing))
    with server:
        yield server


# One of each for the whole session, begun by the first test that asks; each test gets a fresh corner of it.
@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A real PostgreSQL, shared: do not kill it, start your own."""
    yield from started(PostgresServer)


@pytest.fixture(scope="session")
def rabbit_server() -> Iterator[RabbitServer]:
    """A real RabbitMQ, shared: do not kill it, start your own."""
    yield from started(RabbitServer)


@pytest.fixture(scope="session")
def rabbit_with_management() -> Iterator[ManagedRabbit]:
    """Another one with its management API, shared: take a virtual host of it."""
    for server in started(managed_server):
        yield ManagedRabbit(server)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A real Redis, shared: do not kill it, start your own."""
    yield from started(RedisServer)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Chromium]:
    """A real browser without a screen, shared: open a page of your own."""
    yield from started(Chromium)


@pytest.fixture(scope="session")
def postgres_pair() -> Iterator[PostgresPair]:
    """A PostgreSQL with a standby, shared: leave both running, and nothing paused or promoted."""
    for primary in started(lambda: PostgresServer(conf=ARCHIVING)):
        with PostgresStandby(primary) as standby:
            yield PostgresPair(primary, standby)


@pytest.fixture(scope="session")
def archived_postgres() -> Iterator[ArchivedPostgres]:
    """A PostgreSQL that pgBackRest backs up, shared: its table `orders` has 100 rows; leave its repository whole."""
    orders = "CREATE TABLE orders AS SELECT g AS id, 'rope' AS item FROM generate_series(1, 100) g"
    for server in started(ArchivedPostgres):
        server.sql(orders, url=server.url)
        yield server


@pytest.fixture(scope="session")
def prometheus_server() -> Iterator[PrometheusServer]:
    """A real Prometheus that scrapes itself and has no rules, shared: what a test changes of that, it puts back."""

    def make() -> PrometheusServer:
        server = PrometheusServer()
        server.targets = {"prometheus": [f"{LOOPBACK}:{server.port}"]}
        return server

    yield from started(make)


@pytest.fixture(scope="session")
def aws_server() -> Iterator[AwsServer]:
    """moto in place of AWS, shared: each test makes a load balancer or a zone of its own."""
    yield from started(AwsServer)


@pytest.fixture(scope="session")
def aws_client(aws_server: AwsServer) -> Iterator[ElasticLoadBalancingv2Client]:
    """A client of its load balancers, by way of who looks at targets as a load balancer does; takes a while to make."""
    with GoBetween(aws_server.url) as between, closing(aws_server.elbv2(between.url)) as client:
        yield client


@pytest.fixture(scope="session")
def bind_pair() -> Iterator[tuple[BindServer, BindServer]]:
    """Both authorities of example.test, shared: each test makes names of its own."""
    for primary in started(lambda: BindServer(records=["app 3600 IN A 192.0.2.1"])):
        # Its primary has to know of it before it starts, to tell it of changes.
        secondary = BindServer(of=primary)
        primary.restart()
        with secondary:
            yield primary, secondary


def saying(slot: str) -> dict[str, Answer]:
    """A slot that is healthy, and says its name."""
    return {"GET /readyz": Answer("ready"), "GET /": Answer(slot)}


@pytest.fixture(scope="session")
def haproxy_server() -> Iterator[HaproxyServer]:
    """A real HAProxy with all traffic on green, shared: weights and states that a test sets, it puts back.

    Behind it each slot says its own name.
    """
    with ExitStack() as stack:
        slots = {slot: stack.enter_context(StandIn(saying(slot))) for slot in SLOTS}
        targets = {slot: f"{LOOPBACK}:{standin.port}" for slot, standin in slots.items()}
        yield from started(lambda: HaproxyServer(targets))


@pytest.fixture(scope="session")
def machine_pair() -> Iterator[Machines]:
    """Two machines with a real sshd and programs that record, shared: a test asks for `two_machines`."""
    try:
        with machines(2) as there:
            yield there
    except Unavailable as missing:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(missing))


@pytest.fixture
def two_machines(machine_pair: Machines) -> Iterator[Machines]:
    """Two machines on which nothing runs."""
    yield machine_pair
    machine_pair.sweep()


@pytest.fixture(scope="session")
def tls_authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Who issues the certificates of the session; `tls_authority.file` is what clients are to trust."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def tls_servers(tls_authority: Authority) -> Iterator[TlsServers]:
    """A TLS server of each kind, shared: `tls_servers["expired"]`."""
    with closing(TlsServers(tls_authority)) as servers:
        yield servers


@pytest.fixture(scope="session")
def name_server() -> Iterator[NameServer]:
    """The authority of example.test, shared: each test takes names of its own, and leaves it running."""
    with NameServer("example.test") as server:
        yield server


@pytest.fixture(scope="session")
def databases(
    postgres_server: PostgresServer, postgres_pair: PostgresPair
) -> tuple[PostgresServer, PostgresPair]:
    return postgres_server, postgres_pair


@pytest.fixture(scope="session")
def servers(
    databases: tuple[PostgresServer, PostgresPair],
    rabbit_with_management: ManagedRabbit,
    prometheus_server: PrometheusServer,
    tls_authority: Authority,
) -> Servers:
    """All that a whole go-live looks at, shared as each of them is."""
    postgres, pair = databases
    return Servers(
        postgres=postgres,
        pair=pair,
        rabbit=rabbit_with_management,
        prometheus=prometheus_server,
        authority=tls_authority,
    )


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> str:
    """An empty database."""
    return postgres_server.new_database()


@pytest.fixture
def rabbit_url(rabbit_server: RabbitServer) -> str:
    """An empty virtual host."""
    return rabbit_server.new_vhost()


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """A Redis without keys."""
    redis_server.flush()
    return redis_server.url
