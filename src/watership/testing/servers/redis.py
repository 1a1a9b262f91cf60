"""A private Redis that writes every command to its file: what it answered survives `kill`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from watership.errors import Unavailable
from watership.testing.servers.ports import LOOPBACK, answer, free_port
from watership.testing.servers.process import Server
from watership.testing.servers.program import find

PLACES = ("/opt/homebrew/opt/redis/bin", "/usr/local/opt/redis/bin")
SETTINGS = {
    "bind": LOOPBACK,
    "appendonly": "yes",
    # No snapshots beside the file of commands: they would only make the end of a test slow.
    "save": "",
}
OK = b"+OK"
PONG = b"+PONG"  # while it loads its data it answers -LOADING


class RedisServer(Server):
    """Redis with no password. `conf` holds lines of redis.conf, such as `maxmemory`."""

    name = "redis"

    def __init__(self, folder: Path | None = None, *, conf: Mapping[str, str] | None = None) -> None:
        self.program = find("redis-server", PLACES, package="redis-server", formula="redis")
        super().__init__(folder, conf=SETTINGS | dict(conf or {}))
        self.port = free_port()

    @property
    def url(self) -> str:
        """The address of its first database."""
        return f"redis://{LOOPBACK}:{self.port}/0"

    def flush(self) -> None:
        """Forget every key."""
        if answer(self.port, b"FLUSHALL\r\n", len(OK)) != OK:
            raise Unavailable("redis did not forget its keys.")

    def prepare(self) -> None:
        """Nothing: Redis makes its file itself, and its settings are arguments."""

    def command(self) -> Sequence[str | Path]:
        """The server in the foreground, with the settings that `conf` holds now."""
        settings = self.conf | {"port": str(self.port), "dir": str(self.folder)}
        return [self.program, *(part for name, value in settings.items() for part in (f"--{name}", value))]

    def answers(self) -> bool:
        """Whether it answers a PING."""
        return answer(self.port, b"PING\r\n", len(PONG)) == PONG
