"""Grounds are the servers that all peers stand on: private, durable as they come, and asked what they are."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from benchmarks.peers.place import Place
from watership.adapters.sqlite.schema import filesystem
from watership.errors import BadInput
from watership.testing.servers import PostgresServer, RabbitServer, RedisServer

PARENT = Path("/var/tmp")  # noqa: S108 - by the hierarchy standard on disk, unlike /tmp; a folder of its own is made in it
IN_MEMORY = frozenset({"tmpfs", "ramfs"})
_SETTINGS = """
SELECT name, setting FROM pg_settings WHERE name IN
('server_version', 'fsync', 'full_page_writes', 'synchronous_commit', 'wal_level', 'max_connections')"""


class Conditions(msgspec.Struct, frozen=True, kw_only=True):
    """What the servers said of themselves; `queues`: the types of the queues that each peer declared."""

    filesystem: str
    postgres: dict[str, str]
    rabbitmq: str
    queues: dict[str, dict[str, int]]
    redis: dict[str, str]

    @property
    def durable(self) -> bool:
        return all(
            self.postgres.get(name) == "on" for name in ("fsync", "full_page_writes", "synchronous_commit")
        )


class Grounds:
    """Use `opened`."""

    def __init__(
        self, folder: Path, postgres: PostgresServer, rabbit: RabbitServer, redis: RedisServer
    ) -> None:
        self.folder = folder
        self._postgres = postgres
        self._rabbit = rabbit
        self._redis = redis
        self._owners: dict[str, str] = {}
        self._number = 0

    @contextmanager
    def place(self, peer: str, *, keep: bool = False) -> Iterator[Place]:
        """An empty place. Its database goes afterwards, so that its clean-up disturbs nobody else, unless `keep`."""
        self._number += 1
        folder = self.folder / f"{self._number:03}-{peer}"
        folder.mkdir()
        self._redis.flush()
        database, rabbit = self._postgres.new_database(), self._rabbit.new_vhost()
        self._owners[rabbit.rpartition("/")[2]] = peer
        servers = {"postgres": self._postgres.pid, "rabbitmq": self._rabbit.pid, "redis": self._redis.pid}
        yield Place(
            peer=peer,
            postgres=database,
            rabbit=rabbit,
            redis=self._redis.url,
            where=str(folder),
            servers=servers,
        )
        if not keep:
            self._postgres.sql(f"DROP DATABASE {database.rpartition('/')[2]} WITH (FORCE)")

    def crash_postgres(self) -> None:
        """SIGKILL, as when the power of its process is cut, and a start on what is on the disk."""
        self._postgres.kill()
        self._postgres.start()

    def conditions(self) -> Conditions:
        rows = self._postgres.sql(_SETTINGS).splitlines()
        return Conditions(
            filesystem=on_disk(self.folder),
            postgres=dict(sorted(row.split("|", 1) for row in rows)),
            rabbitmq=self._rabbit.ctl("version").strip(),
            queues=self._queues(),
            redis=self._redis_says(),
        )

    def _queues(self) -> dict[str, dict[str, int]]:
        """From the node's own definitions: the type of every durable queue, counted for each peer."""
        file = self.folder / "definitions.json"
        self._rabbit.ctl("export_definitions", str(file))
        counted: dict[str, dict[str, int]] = {}
        for queue in json.loads(file.read_text())["queues"]:
            owner = self._owners.get(queue["vhost"])
            if owner is not None:
                kind = queue.get("arguments", {}).get("x-queue-type", "classic")
                of_peer = counted.setdefault(owner, {})
                of_peer[kind] = of_peer.get(kind, 0) + 1
        return counted

    def _redis_says(self) -> dict[str, str]:
        import redis

        with redis.Redis.from_url(self._redis.url, decode_responses=True) as client:
            said = {name: client.config_get(name)[name] for name in ("appendonly", "appendfsync")}
            return {"version": str(client.info("server")["redis_version"])} | said


@contextmanager
def opened() -> Iterator[Grounds]:
    """PostgreSQL, RabbitMQ and Redis until the end of the block. Raises BadInput where their data are on no disk."""
    folder = Path(tempfile.mkdtemp(prefix="watership-peers-", dir=PARENT))
    folder.chmod(0o755)  # PostgreSQL's own user enters it
    try:
        on_disk(folder)
        with ExitStack() as stack:
            servers = (
                PostgresServer(folder / "postgres"),
                RabbitServer(folder / "rabbitmq"),
                RedisServer(folder / "redis"),
            )
            for server in servers:
                stack.enter_context(server)
            yield Grounds(folder, *servers)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def on_disk(folder: Path) -> str:
    """The kind of filesystem; what lies in memory is quick, and durable against nothing."""
    kind = filesystem(folder.resolve(), Path("/proc/self/mountinfo").read_text(encoding="utf-8"))
    if not kind or kind in IN_MEMORY:
        raise BadInput(f"{PARENT} is on {kind or 'an unknown filesystem'}, where nothing can be measured.")
    return kind
