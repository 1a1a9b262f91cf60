"""A private Prometheus: it scrapes what it is told to, by rules that it is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from watership.errors import BadInput
from watership.testing.servers.ports import LOOPBACK, answer, free_port
from watership.testing.servers.process import Server
from watership.testing.servers.program import find

PLACES = ("/opt/homebrew/opt/prometheus/bin", "/usr/local/opt/prometheus/bin")
SETTINGS = {"storage.tsdb.retention.time": "15d", "log.level": "warn"}
OK = b"HTTP/1.0 200"


class PrometheusServer(Server):
    """Prometheus without alert managers. `conf` holds flags, such as `storage.tsdb.retention.time`.

    `targets` are addresses by the name of their job, `rules` the texts of files by their names; what is changed of
    them holds from the next `reload`.
    """

    name = "prometheus"

    def __init__(
        self,
        folder: Path | None = None,
        *,
        conf: Mapping[str, str] | None = None,
        targets: Mapping[str, Sequence[str]] | None = None,
        rules: Mapping[str, str] | None = None,
        interval: str = "200ms",
    ) -> None:
        """`interval`: of scrapes, and of the evaluation of rules."""
        self.program = find("prometheus", PLACES, package="prometheus", formula="prometheus")
        super().__init__(folder, conf=SETTINGS | dict(conf or {}))
        self.port = free_port()
        self.targets = {job: list(addresses) for job, addresses in (targets or {}).items()}
        self.rules = dict(rules or {})
        self.interval = interval

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def prepare(self) -> None:
        """Write the configuration, from what `targets`, `rules` and `interval` say now."""
        for old in self.folder.glob("*.rules.yml"):
            old.unlink()
        for name, text in self.rules.items():
            (self.folder / f"{name}.rules.yml").write_text(text)
        often = {"scrape_interval": self.interval, "scrape_timeout": self.interval}
        jobs = [
            {"job_name": job, "static_configs": [{"targets": addresses}]}
            for job, addresses in self.targets.items()
        ]
        whole = {
            "global": {**often, "evaluation_interval": self.interval},
            "rule_files": ["*.rules.yml"],
            "scrape_configs": jobs,
        }
        (self.folder / "prometheus.yml").write_text(yaml.safe_dump(whole))

    def command(self) -> Sequence[str | Path]:
        """The server in the foreground, with the flags that `conf` holds now."""
        own = {
            "config.file": f"{self.folder}/prometheus.yml",
            "storage.tsdb.path": f"{self.folder}/data",
            "web.listen-address": f"{LOOPBACK}:{self.port}",
        }
        return [
            self.program,
            *(f"--{flag}={value}" for flag, value in (self.conf | own).items()),
            "--web.enable-lifecycle",
        ]

    def answers(self) -> bool:
        """Whether it says that it is ready."""
        return answer(self.port, b"GET /-/ready HTTP/1.0\r\n\r\n", len(OK)) == OK

    def reload(self) -> None:
        """Go by what `targets` and `rules` say now. Raises BadInput when Prometheus does not take it.

        Rules count at once; a new target is scraped within 5 s, since no more often does Prometheus look for them.
        """
        self.prepare()
        said = answer(self.port, b"POST /-/reload HTTP/1.0\r\nContent-Length: 0\r\n\r\n", 4096)
        if not said.startswith(OK):
            raise BadInput(f"prometheus does not take it: {said.decode(errors='replace')}")
