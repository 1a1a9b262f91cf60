"""A physical standby of a PostgreSQL: it replays what its primary streams, unless it is told to pause."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Self

from watership.errors import Unavailable
from watership.testing.servers.ports import LOOPBACK
from watership.testing.servers.postgres import ROLE, PostgresServer
from watership.testing.servers.program import run

FOLLOW_SECONDS = (
    30.0  # on loopback a change is replayed within milliseconds; a busy machine is allowed to be slow
)
POLL_SECONDS = 0.01


class PostgresStandby(PostgresServer):
    """A hot standby of `primary`, which runs when the standby is first started. It reads, and does not write."""

    name = "standby"

    def __init__(
        self, primary: PostgresServer, folder: Path | None = None, *, conf: Mapping[str, str] | None = None
    ) -> None:
        # A standby refuses to be smaller than its primary, whose settings it therefore has.
        super().__init__(folder, conf=primary.conf | dict(conf or {}))
        self.primary = primary

    def start(self) -> Self:
        """Start the standby and wait until it has replayed what the primary has done by now."""
        super().start()
        self.follow()
        return self

    def make(self, data: Path) -> None:
        """Copy the primary, and write down where it streams from."""
        command: list[str | Path] = [
            self.programs / "pg_basebackup",
            *("--pgdata", data, "--host", LOOPBACK, "--port", str(self.primary.port), "--username", ROLE),
            *("--wal-method", "stream", "--checkpoint", "fast", "--write-recovery-conf", "--no-sync"),
        ]
        run(command, environment=self.environment(), folder=self.folder, user=self.user)

    def pause(self) -> None:
        """Receive, and replay nothing: from now on the standby lags behind."""
        self.sql("SELECT pg_wal_replay_pause()")
        self._wait("SELECT pg_get_wal_replay_pause_state() = 'paused'", "paused its replay")

    def resume(self) -> None:
        """Replay again, and wait until nothing is left of the lag."""
        self.sql("SELECT pg_wal_replay_resume()")
        self.follow()

    def promote(self) -> None:
        """Become a primary, for good."""
        self.sql("SELECT pg_promote()")

    def follow(self) -> None:
        """Wait until all is replayed that the primary has written by now."""
        written = self.primary.sql("SELECT pg_current_wal_flush_lsn()")
        self._wait(f"SELECT pg_last_wal_replay_lsn() >= '{written}'", f"replayed the log up to {written}")

    def _wait(self, question: str, what: str) -> None:
        deadline = time.monotonic() + FOLLOW_SECONDS
        while self.sql(question) != "t":
            if time.monotonic() > deadline:
                raise Unavailable(f"The standby has not {what} within {FOLLOW_SECONDS:g} s.")
            time.sleep(POLL_SECONDS)


class PostgresPair(NamedTuple):
    """A primary and its standby."""

    primary: PostgresServer
    standby: PostgresStandby
