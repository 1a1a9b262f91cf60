"""A private PostgreSQL that pgBackRest backs up, its repository in a folder beside the data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self

from watership.testing.servers.postgres import ROLE, PostgresServer
from watership.testing.servers.program import find, run

STANZA: Final = "main"


class ArchivedPostgres(PostgresServer):
    """PostgreSQL with the stanza `main`: every finished piece of its log goes to the repository."""

    name = "archived"

    def __init__(self, folder: Path | None = None, *, conf: Mapping[str, str] | None = None) -> None:
        self.pgbackrest = find("pgbackrest", (), package="pgbackrest", formula="pgbackrest")
        super().__init__(folder, conf=conf)
        self.config = self.folder / "pgbackrest.conf"
        push = f"{self.pgbackrest} --config={self.config} --stanza={STANZA} archive-push %p"
        self.conf |= {
            "unix_socket_directories": str(self.folder),  # pgBackRest goes by no other way
            "archive_mode": "on",
            "archive_command": push,
        } | dict(conf or {})

    def prepare(self) -> None:
        """Make the data and the configuration before the first start."""
        super().prepare()
        places = (f"{name}-path={self.folder / name}" for name in ("log", "lock", "spool"))
        common = ["[global]", f"repo1-path={self.folder / 'repo'}", *places, "log-level-file=off"]
        speed = ["start-fast=y", "compress-type=lz4", "process-max=2"]
        server = [f"[{STANZA}]", f"pg1-path={self.data}", f"pg1-socket-path={self.folder}"]
        who = [f"pg1-port={self.port}", f"pg1-user={ROLE}", "pg1-database=postgres"]
        self.config.write_text("\n".join([*common, *speed, *server, *who, ""]))
        self.config.chmod(0o644)

    def start(self) -> Self:
        """Start the server; at the first start, make the stanza."""
        super().start()
        if not (self.folder / "repo").exists():
            self.back("stanza-create")
        return self

    def back(self, *words: str) -> str:
        """Run a command of pgBackRest, and return what it printed."""
        command: list[str | Path] = [self.pgbackrest, f"--config={self.config}", f"--stanza={STANZA}", *words]
        return run(command, environment=self.environment(), folder=Path("/"), user=self.user)
