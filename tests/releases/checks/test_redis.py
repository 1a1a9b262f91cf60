"""Redis: a real one, with and without a replica, and its keys."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import redis

from tests.checklist.section_b import online
from tests.releases.checks.scenes import Looker
from watership.releases.book.quantity import Given
from watership.testing.servers import RedisServer, free_port

KEYS = {"of": "redis", "document": "keys.md", "section": "Keys"}


@pytest.fixture(scope="module")
def master() -> Iterator[RedisServer]:
    """With a bound, of which next to nothing is used."""
    conf = {"repl-diskless-sync-delay": "0", "appendonly": "no", "maxmemory": "200mb"}
    with RedisServer(conf=conf) as server:
        yield server


@pytest.fixture
def client(master: RedisServer, looker: Looker) -> Iterator[redis.Redis]:
    looker.named("redis", master.url)
    looker.named("nobody", f"redis://127.0.0.1:{free_port()}/0")
    with redis.Redis(port=master.port) as client:
        client.flushall()
        client.config_resetstat()
        yield client


def test_a_master_without_its_replica_is_not_healthy(
    looker: Looker, client: redis.Redis, master: RedisServer
) -> None:
    looker.passes("redis.healthy", of="redis")
    looker.fails("redis.healthy", "0 replica(s) follow it, of 1", of="redis", replicas=1)
    conf = {"repl-diskless-sync-delay": "0", "appendonly": "no", "replicaof": f"127.0.0.1 {master.port}"}
    with RedisServer(conf=conf) as replica:
        online(client, 1)
        looker.passes("redis.healthy", of="redis", replicas=1)
        looker.named("replica", replica.url)
        looker.fails("redis.healthy", "its role is slave, not master", of="replica")
    looker.unsure("redis.healthy", "Unavailable", of="nobody")


def test_a_cluster_that_does_not_serve_all_slots_is_not_healthy(looker: Looker) -> None:
    # The port of its bus is 10,000 above its own by default, where outgoing connections may have it.
    conf = {"cluster-enabled": "yes", "cluster-port": str(free_port()), "appendonly": "no"}
    with (
        RedisServer(conf=conf) as node,
        redis.Redis(port=node.port) as client,
    ):
        looker.named("cluster", node.url)
        looker.fails("redis.healthy", "does not serve all slots", of="cluster")
        client.execute_command("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
        while "cluster_state:ok" not in str(client.execute_command("CLUSTER", "INFO")):
            time.sleep(0.05)
        looker.passes("redis.healthy", of="cluster")


def test_most_lookups_find_something(looker: Looker, client: redis.Redis) -> None:
    wish: dict[str, Given] = {"of": "redis", "at_least": 0.8}
    looker.unsure("redis.hit_ratio", "100 are needed", **wish)
    client.set("there", "1", ex=60)
    for key in ["there"] * 90 + ["none"] * 20:
        client.get(key)
    looker.passes("redis.hit_ratio", **wish)
    looker.fails("redis.hit_ratio", "90 % is wanted", of="redis", at_least=0.9)
    looker.unsure("redis.hit_ratio", "Unavailable", **(wish | {"of": "nobody"}))


def test_memory_has_a_bound_and_keeps_it(looker: Looker, client: redis.Redis) -> None:
    looker.passes("redis.memory", of="redis")
    looker.fails("redis.memory", "of its maxmemory", of="redis", below=0.0001)
    client.config_set("maxmemory", 0)
    looker.fails("redis.memory", "has no maxmemory", of="redis")
    client.config_set("maxmemory", "200mb")
    looker.unsure("redis.memory", "Unavailable", of="nobody")


def test_each_key_expires(looker: Looker, client: redis.Redis) -> None:
    looker.unsure("redis.expiring", "There is no key", of="redis")
    for number in range(30):
        client.set(f"cache:{number}", "1", ex=60)
    looker.passes("redis.expiring", of="redis")
    client.set("config:region", "eu")
    looker.fails("redis.expiring", "config:region: 1 of 31 keys never expire", of="redis")
    looker.passes("redis.expiring", of="redis", besides="config:*")
    looker.unsure("redis.expiring", "Unavailable", of="nobody")


def test_each_key_is_documented(looker: Looker, client: redis.Redis) -> None:
    looker.fails("redis.documented", "There is no keys.md", **KEYS)
    looker.write("keys.md", "# Keys\nMany.\n")
    looker.fails("redis.documented", "names no pattern", **KEYS)
    looker.write("keys.md", "# Keys\n`cache:*` are answers.\n")
    looker.unsure("redis.documented", "There is no key", **KEYS)
    client.set("cache:1", "1", ex=60)
    looker.passes("redis.documented", **KEYS)
    client.set("session:1", "1", ex=60)
    looker.fails("redis.documented", "1 of 2 keys are not documented: session:1", **KEYS)
    looker.write("keys.md", "# Keys\n`*`\n")
    looker.unsure("redis.documented", "matches every key", **KEYS)
    looker.write("keys.md", "# Keys\n`cache:*`\n")
    looker.unsure("redis.documented", "Unavailable", **(KEYS | {"of": "nobody"}))
