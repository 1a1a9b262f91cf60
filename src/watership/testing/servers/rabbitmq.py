"""A private RabbitMQ node, with an Erlang port mapper, a cookie and plugins of its own."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import time
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Self

from watership.errors import Unavailable
from watership.testing.servers import family
from watership.testing.servers.ports import LOOPBACK, answer, free_port
from watership.testing.servers.process import START_SECONDS, Server
from watership.testing.servers.program import find, run

PLACES = (
    # Not the programs on Debian's PATH: they change to the user and to the folder of the system's own node.
    "/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin",
    "/opt/homebrew/opt/rabbitmq/sbin",
    "/usr/local/opt/rabbitmq/sbin",
)
# Two schedulers: a test's node shares the machine with the test.
SCHEDULERS = "+S 2:2"
# Virtual hosts made at a time: rabbitmqctl takes half a second to begin, and a tenth of one for each.
VHOSTS = 8
DISTRIBUTION = "-kernel inet_dist_use_interface {127,0,0,1}"
STARTING = "requires the 'rabbit' app to be running"
AMQP_GREETING = b"AMQP\x00\x00\x09\x01"
METHOD_FRAME = b"\x01"  # the first byte of Connection.Start: the node serves clients


class RabbitServer(Server):
    """RabbitMQ with its default user, `guest`. `conf` holds lines of rabbitmq.conf, such as `consumer_timeout`."""

    name = "rabbitmq"

    def __init__(
        self,
        folder: Path | None = None,
        *,
        conf: Mapping[str, str] | None = None,
        plugins: Sequence[str] = (),
    ) -> None:
        self.programs = find("rabbitmq-server", PLACES, package="rabbitmq-server", formula="rabbitmq").parent
        self._mapper_program = find("epmd", (), package="erlang-base", formula="erlang")
        super().__init__(folder, conf=conf)
        self.plugins = tuple(plugins)
        self.port, self.distribution_port, self.mapper_port = free_port(), free_port(), free_port()
        self.node = f"watership-{self.port}@localhost"
        self._mapper: subprocess.Popen[bytes] | None = None
        self._names = count(1)
        self._spare: list[str] = []

    @property
    def url(self) -> str:
        """The address of the default virtual host."""
        return f"amqp://guest:guest@{LOOPBACK}:{self.port}/"

    def new_vhost(self) -> str:
        """Make an empty virtual host, and return its address."""
        if not self._spare:
            self._spare = self._make_vhosts()
        return self.url + self._spare.pop(0)

    def ctl(self, *arguments: str) -> str:
        """Run `rabbitmqctl` on this node, and return what it printed."""
        command: list[str | Path] = [
            self.programs / "rabbitmqctl",
            "--quiet",
            "--node",
            self.node,
            *arguments,
        ]
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                return run(command, environment=self.environment(), folder=self.folder)
            except Unavailable as error:
                # A node may serve clients a moment before its own tools are served.
                if STARTING not in str(error) or time.monotonic() > deadline:
                    raise

    def start(self) -> Self:
        """Start the node, and before it the port mapper, which outlives the node as on a real machine."""
        if self._mapper is None or self._mapper.poll() is not None:
            # In the foreground, or it could not be stopped by its id: the node would start a daemon.
            self._mapper = subprocess.Popen(
                [self._mapper_program, "-port", str(self.mapper_port), "-address", LOOPBACK],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        return super().start()

    def close(self) -> None:
        """Stop the node and its port mapper."""
        try:
            super().close()
        finally:
            if self._mapper is not None:
                family.kill(self._mapper.pid)
                self._mapper.wait()

    def prepare(self) -> None:
        """Write the node's configuration, from what `conf` and `plugins` hold now, and its cookie."""
        cookie = self.folder / ".erlang.cookie"
        if not cookie.exists():
            cookie.write_text(secrets.token_hex(16))
            cookie.chmod(0o400)  # Erlang refuses one that others may read
        settings = {"listeners.tcp.1": f"{LOOPBACK}:{self.port}"} | self.conf
        lines = "".join(f"{name} = {value}\n" for name, value in settings.items())
        (self.folder / "rabbitmq.conf").write_text(lines)
        (self.folder / "enabled_plugins").write_text(f"[{','.join(self.plugins)}].\n")

    def command(self) -> Sequence[str | Path]:
        """The node in the foreground."""
        return [self.programs / "rabbitmq-server"]

    def environment(self) -> dict[str, str]:
        """Ours, without the system's node; every file of this one lies in the folder."""
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("RABBITMQ", "ERL_"))
        }
        return inherited | {
            "HOME": str(self.folder),
            "ERL_EPMD_PORT": str(self.mapper_port),
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "RABBITMQ_NODENAME": self.node,
            "RABBITMQ_DIST_PORT": str(self.distribution_port),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.folder / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_PID_FILE": str(self.folder / "rabbitmq.pid"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(self.folder / "config"),
            "RABBITMQ_SCHEMA_DIR": str(self.folder / "schema"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"{SCHEDULERS} {DISTRIBUTION}",
            "RABBITMQ_CTL_ERL_ARGS": DISTRIBUTION,
            # The start script then becomes the node instead of waiting for it: its id is the node's, and so is
            # the signal that asks it to stop.
            "RUNNING_UNDER_SYSTEMD": "true",
        }

    def answers(self) -> bool:
        """Whether the node greets an AMQP client."""
        return answer(self.port, AMQP_GREETING, 1) == METHOD_FRAME

    def _make_vhosts(self) -> list[str]:
        vhosts = [f"watership-{os.getpid()}-{next(self._names)}" for _ in range(VHOSTS)]
        everything = {"user": "guest", "configure": ".*", "write": ".*", "read": ".*"}
        definitions = {
            "vhosts": [{"name": vhost} for vhost in vhosts],
            "permissions": [{"vhost": vhost, **everything} for vhost in vhosts],
        }
        file = self.folder / "vhosts.json"
        file.write_text(json.dumps(definitions))
        self.ctl("import_definitions", str(file))
        return vhosts
