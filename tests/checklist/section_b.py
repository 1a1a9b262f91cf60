"""Section B in the world: a project with its files, the service with its neighbours, and the real servers it uses."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import aio_pika
import redis

from tests.checklist import application_files, application_service
from tests.checklist.changes import replaced, rewritten
from tests.checklist.papers import ago
from tests.checklist.world import Fault, World
from tests.managed import ManagedRabbit, Vhost
from watership.adapters.rabbitmq.calls import connected
from watership.adapters.rabbitmq.declaration import apply
from watership.adapters.rabbitmq.topology import plan
from watership.durable.ids import DeploymentId
from watership.releases.book.system import System
from watership.testing.servers import PostgresServer, RedisServer
from watership.testing.standin import StandIn

INBOX = "watership.v1.inbox"
WAKEUPS = [f"watership.v1.wakeups.next.default.{priority}" for priority in ("high", "normal", "low")]
LOOKUPS = 300


def grown(
    world: World,
    stack: ExitStack,
    *,
    postgres: PostgresServer,
    rabbit: ManagedRabbit,
    live: StandIn | None = None,
    next: StandIn | None = None,
) -> None:
    """All that the points of section B look at."""
    application_service.grown(world, stack, live=live, next=next)
    application_files.grown(world)
    migrations(world, postgres)
    broker(world, stack, rabbit.vhost())
    cache(world, stack)


def migrations(world: World, postgres: PostgresServer) -> None:
    """Schema 5 is there, 6 is what the plan leads to: a column, its index, and a type that grows."""
    world.systems["scratch"] = System(url=postgres.url)
    scripts = {
        "forward_5": "CREATE TABLE workers (id bigint PRIMARY KEY);\n"
        "CREATE TABLE jobs (id bigint PRIMARY KEY, kind varchar(20) NOT NULL, worker bigint REFERENCES workers);\n"
        "CREATE INDEX jobs_worker ON jobs (worker);\n",
        "backward_5": "DROP TABLE jobs;\nDROP TABLE workers;\n",
        "forward_6": "ALTER TABLE jobs ADD COLUMN topic text;\nCREATE INDEX jobs_topic ON jobs (topic);\n"
        "ALTER TABLE jobs ALTER COLUMN kind TYPE text;\n",
        "backward_6": "ALTER TABLE jobs DROP CONSTRAINT IF EXISTS jobs_kind;\n"
        "ALTER TABLE jobs ALTER COLUMN kind TYPE varchar(20);\nALTER TABLE jobs DROP COLUMN topic;\n",
    }
    for name, text in scripts.items():
        world.write(f"migrations/{name}.sql", text)
    case = '<testcase classname="migrations" name="forward and backward" time="0.2"/>'
    properties = '<properties><property name="version" value="2.1.0"/></properties>'
    suite = f'<testsuite name="migrations" timestamp="{ago(hours=1)}">{properties}{case}</testsuite>'
    world.write("evidence/junit-migrations.xml", f"<testsuites>{suite}</testsuites>")
    world.write(
        "docs/schema.md",
        "# Schema\n\n## 2.1.0\n\nThe table jobs gets a topic.\n\n"
        "## Data type changes\n\njobs.kind becomes text: nothing is rewritten, and every old value fits.\n",
    )
    unchecked = "ALTER TABLE jobs ADD CONSTRAINT jobs_kind CHECK (kind <> '') NOT VALID;\n"
    world.faults |= {
        "schema-migration/scripts-tested": replaced(
            world, "evidence/junit-migrations.xml", 'time="0.2"/>', 'time="0.2"><failure/></testcase>'
        ),
        "schema-migration/both-ways": replaced(
            world, "migrations/backward_6.sql", "varchar(20)", "varchar(10)"
        ),
        "schema-migration/documented": replaced(world, "docs/schema.md", "The table jobs", "A table"),
        "schema-migration/indexes": replaced(
            world, "migrations/forward_6.sql", "CREATE INDEX jobs_topic ON jobs (topic);\n", ""
        ),
        "schema-migration/constraints": rewritten(
            world, "migrations/forward_6.sql", lambda text: text + unchecked
        ),
        "schema-migration/data-types": replaced(world, "docs/schema.md", "jobs.kind", "A column"),
    }


def broker(world: World, stack: ExitStack, vhost: Vhost) -> None:
    """Our own topology with one deployment, and a client that consumes from it."""
    world.systems["rabbitmq"] = vhost.system
    client = stack.enter_context(Client(vhost))
    client.wait(lambda: vhost.call("GET", "/api/consumers/{vhost}"))
    client.wait(lambda: vhost.call("GET", "/api/vhosts/{vhost}/connections"))

    @contextmanager
    def exchange() -> Iterator[None]:
        """Nobody has seen events go by anyway."""
        vhost.call("DELETE", "/api/exchanges/{vhost}/watership.events")
        try:
            yield
        finally:
            vhost.call("PUT", "/api/exchanges/{vhost}/watership.events", {"type": "topic", "durable": True})

    @contextmanager
    def binding() -> Iterator[None]:
        vhost.call("DELETE", f"/api/bindings/{{vhost}}/e/watership.inbox/q/{INBOX}/%23")
        try:
            yield
        finally:
            vhost.call("POST", f"/api/bindings/{{vhost}}/e/watership.inbox/q/{INBOX}", {"routing_key": "#"})

    def queue(name: str, arguments: dict[str, object]) -> Fault:
        """A queue more, which lacks what those of its kind have."""

        @contextmanager
        def fault() -> Iterator[None]:
            path = f"/api/queues/{{vhost}}/{name}"
            vhost.call("PUT", path, {"durable": True, "arguments": {"x-queue-type": "classic", **arguments}})
            try:
                yield
            finally:
                vhost.call("DELETE", path)

        return fault

    world.faults |= {
        "rabbitmq-configuration/exchanges": exchange,
        "rabbitmq-configuration/bindings": binding,
        "rabbitmq-configuration/dead-letters": queue("watership.v1.wakeups.other.default.low", {}),
        "rabbitmq-configuration/message-ttl": queue(
            "watership.v1.inbox.other", {"x-message-ttl": 30 * 86_400_000}
        ),
        "rabbitmq-configuration/prefetch": client.greedy,
        "rabbitmq-configuration/connection-pooling": client.wasteful,
    }


def _rows(vhost: Vhost, path: str) -> list[dict[str, Any]]:
    rows = vhost.call("GET", path)
    assert isinstance(rows, list)
    return rows


class Client:
    """An AMQP client on a loop of its own: the world is measured from outside of it."""

    def __init__(self, vhost: Vhost) -> None:
        self.vhost = vhost
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._open: list[aio_pika.abc.AbstractConnection] = []

    def __enter__(self) -> Client:
        self._thread.start()
        self._run(self._declare())
        self._open.append(self._run(self._connect(32)))
        return self

    def __exit__(self, *_: object) -> None:
        for each in self._open:
            self._run(each.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5.0)
        self._loop.close()

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20.0)

    async def _declare(self) -> None:
        async with connected(self.vhost.url, name="topology") as connection:
            await apply(connection, plan([DeploymentId("next")], ["default"]))

    async def _connect(self, prefetch: int, *, consumes: bool = True) -> aio_pika.abc.AbstractConnection:
        connection = await aio_pika.connect(
            self.vhost.url, client_properties={"connection_name": "watership inbox"}
        )
        if consumes:
            await self._consume(connection, prefetch)
        return connection

    async def _consume(self, connection: aio_pika.abc.AbstractConnection, prefetch: int) -> None:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=prefetch)
        for name in (INBOX, *WAKEUPS):
            queue = await channel.get_queue(name, ensure=False)
            await queue.consume(_take)

    @contextmanager
    def greedy(self) -> Iterator[None]:
        """A consumer without a limit."""
        with self._more(1, 0, "/api/consumers/{vhost}"):
            yield

    @contextmanager
    def wasteful(self) -> Iterator[None]:
        """A connection for each thing that is done."""
        with self._more(5, None, "/api/vhosts/{vhost}/connections"):
            yield

    @contextmanager
    def _more(self, count: int, prefetch: int | None, path: str) -> Iterator[None]:
        before = len(_rows(self.vhost, path))
        opened = [
            self._run(self._connect(prefetch or 0, consumes=prefetch is not None)) for _ in range(count)
        ]
        try:
            self.wait(lambda: len(_rows(self.vhost, path)) >= before + count)
            yield
        finally:
            for each in opened:
                self._run(each.close())
            self.wait(lambda: len(_rows(self.vhost, path)) <= before)

    def wait(self, good: Callable[[], object]) -> None:
        """Until the management knows what the node has done; it is told five times in a second."""
        end = time.monotonic() + 20.0
        while not good():
            assert time.monotonic() < end, "the management API does not show it"
            time.sleep(0.05)


async def _take(message: aio_pika.abc.AbstractIncomingMessage) -> None:
    await message.ack()


def cache(world: World, stack: ExitStack) -> None:
    """A Redis with a replica, of which most lookups find something."""
    # A replica that is told to end while it writes its first file of commands does not.
    quick = {"repl-diskless-sync-delay": "0", "appendonly": "no"}
    master = stack.enter_context(RedisServer(conf=quick))
    follows = {"replicaof": f"127.0.0.1 {master.port}"}
    replica = stack.enter_context(RedisServer(conf=quick | follows))
    client = redis.Redis(port=master.port)
    stack.callback(client.close)
    other = redis.Redis(port=replica.port)
    stack.callback(other.close)
    world.systems["redis"] = System(url=master.url)
    for number in range(10):
        client.set(f"watership:limit:{number}", "1", ex=3_600)
        client.set(f"cache:agent:{number}", "…", ex=3_600)
    online(client, 1)

    def looked_up(key: str, times: int) -> None:
        pipeline = client.pipeline(transaction=False)
        for _ in range(times):
            pipeline.get(key)
        pipeline.execute()

    @contextmanager
    def alone() -> Iterator[None]:
        other.replicaof("NO", "ONE")
        online(client, 0)
        try:
            yield
        finally:
            other.replicaof("127.0.0.1", str(master.port))
            online(client, 1)

    @contextmanager
    def misses() -> Iterator[None]:
        """And nothing else: who looks at keys finds them, which counts."""
        client.config_resetstat()
        looked_up("cache:agent:none", LOOKUPS)
        try:
            yield
        finally:
            client.config_resetstat()
            looked_up("cache:agent:1", LOOKUPS)

    def key(name: str, seconds: int | None) -> Fault:
        @contextmanager
        def fault() -> Iterator[None]:
            client.set(name, "1", ex=seconds)
            try:
                yield
            finally:
                client.delete(name)

        return fault

    looked_up("cache:agent:1", LOOKUPS)
    world.faults |= {
        "caching/cluster": alone,
        "caching/keys-documented": key("session:7", 3_600),
        "caching/ttls": key("cache:agent:forever", None),
        "caching/hit-ratio": misses,
    }


def online(client: redis.Redis, replicas: int) -> None:
    """Wait until so many replicas follow."""
    end = time.monotonic() + 20.0
    while True:
        info: Any = client.info("replication")
        states = [each for name, each in info.items() if name.startswith("slave") and isinstance(each, dict)]
        if sum(each.get("state") == "online" for each in states) == replicas:
            return
        assert time.monotonic() < end, info
        with suppress(redis.RedisError):
            time.sleep(0.02)
