"""A private HAProxy between two slots: weights and health as its statistics and its runtime socket tell them."""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from watership.errors import Unavailable
from watership.testing.servers.ports import LOOPBACK, answer, free_port
from watership.testing.servers.process import Server
from watership.testing.servers.program import find

PLACES = ("/usr/sbin", "/opt/homebrew/opt/haproxy/bin", "/usr/local/opt/haproxy/bin")
BACKEND = "app"
SLOTS = ("blue", "green")
SETTINGS = {
    "hard-stop-after": "30s",
    "timeout connect": "1s",
    "timeout client": "30s",
    "timeout server": "30s",
}
OK = b"HTTP/1.1 200"
IN_GLOBAL = ("hard-stop-after", "maxconn")
CALL_SECONDS = 5.0
HEALTH = "inter 200ms fastinter 100ms downinter 200ms fall 2 rise 1"


class HaproxyServer(Server):
    """HAProxy with one backend, `app`, of two servers, `blue` and `green`, that are asked for their health.

    `targets` is the address of each slot, `weights` its share. `conf` holds `hard-stop-after`, how long connections
    are drained when it is stopped, and lines of `defaults` such as `timeout server`.
    """

    name = "haproxy"

    def __init__(
        self,
        targets: Mapping[str, str],
        folder: Path | None = None,
        *,
        conf: Mapping[str, str] | None = None,
        weights: Mapping[str, int] | None = None,
        health: str = "/readyz",
    ) -> None:
        """`health`: the path that is asked for; empty for no health checks."""
        self.program = find("haproxy", PLACES, package="haproxy", formula="haproxy")
        super().__init__(folder, conf=SETTINGS | dict(conf or {}))
        self.port, self.stats_port = free_port(), free_port()
        self.targets = dict(targets)
        self.weights = {"blue": 0, "green": 100} | dict(weights or {})
        self.health = health
        # In a folder of its own: the path of a socket may have some 100 letters, and a test's folder has them already.
        self._short = Path(tempfile.mkdtemp(prefix="watership-"))

    @property
    def url(self) -> str:
        """Where it passes requests on."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def stats_url(self) -> str:
        """Its statistics, as CSV."""
        return f"http://{LOOPBACK}:{self.stats_port}/;csv"

    @property
    def socket(self) -> Path:
        """Its runtime socket."""
        return self._short / "haproxy.sock"

    def tell(self, command: str) -> str:
        """What the runtime socket answers to a command, such as `set server app/blue weight 50`."""
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(CALL_SECONDS)
            try:
                line.connect(str(self.socket))
                line.sendall(f"{command}\n".encode())
                said = b"".join(iter(lambda: line.recv(65_536), b""))
            except OSError as reason:
                raise Unavailable(f"haproxy did not answer '{command}': {reason}.") from reason
        return said.decode().strip()

    def prepare(self) -> None:
        """Write the configuration, from what `targets`, `weights`, `health` and `conf` say now."""
        above = [f"{name} {self.conf[name]}" for name in IN_GLOBAL if name in self.conf]
        defaults = [f"{name} {value}" for name, value in self.conf.items() if name not in IN_GLOBAL]
        sections = {
            "global": [f"stats socket {self.socket} mode 600 level admin", *above],
            "defaults": ["mode http", *defaults],
            "frontend front": [f"bind {LOOPBACK}:{self.port}", f"default_backend {BACKEND}"],
            "frontend stats": [f"bind {LOOPBACK}:{self.stats_port}", "stats enable", "stats uri /"],
            f"backend {BACKEND}": [*self._checking(), *map(self._server, SLOTS)],
        }
        lines = [f"{head}\n" + "".join(f"    {line}\n" for line in body) for head, body in sections.items()]
        (self.folder / "haproxy.cfg").write_text("\n".join(lines))

    def command(self) -> Sequence[str | Path]:
        """The proxy in the foreground."""
        return [self.program, "-db", "-f", self.folder / "haproxy.cfg"]

    def answers(self) -> bool:
        """Whether it tells its statistics."""
        return answer(self.stats_port, b"GET /;csv HTTP/1.0\r\n\r\n", len(OK)) == OK

    def close(self) -> None:
        """Stop the proxy, and remove its socket."""
        try:
            super().close()
        finally:
            shutil.rmtree(self._short, ignore_errors=True)

    def _checking(self) -> list[str]:
        return [f"option httpchk GET {self.health}"] if self.health else []

    def _server(self, slot: str) -> str:
        checked = f" check {HEALTH}" if self.health else ""
        return f"server {slot} {self.targets[slot]} weight {self.weights[slot]}{checked}"
