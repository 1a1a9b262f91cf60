"""A private PostgreSQL, durable as a real one: what it committed survives `kill`."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import stat
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Self

from watership.errors import BadInput, Unavailable
from watership.testing.servers.ports import LOOPBACK, answer, free_port
from watership.testing.servers.process import Server
from watership.testing.servers.program import find, group_of, run

PLACES = (
    "/usr/lib/postgresql/*/bin",  # Debian: not on the PATH
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
)
ROLE = "watership"
# PostgreSQL refuses to run as root. Its own user is there with Debian's package, nobody is there always.
UNPRIVILEGED = ("postgres", "nobody")
SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    # The default of 100 is short for a test of several processes with a pool each; a connection costs ~2 MB in use.
    "max_connections": "200",
    # These are the defaults. They stand here because the promises of the tests rest on them.
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
}
# The primary's word, and the standby's, for that it takes connections.
READY = ("ready", "standby")
# What makes a primary keep its log for others: every finished piece of it lies in `archive`.
ARCHIVING = {
    "archive_mode": "on",
    "archive_command": "mkdir -p ../archive && cp %p ../archive/%f.new && mv ../archive/%f.new ../archive/%f",
}
# The request for TLS: the shortest question that every PostgreSQL answers, with one letter.
TLS_REQUEST = bytes.fromhex("0000000804d2162f")


class PostgresServer(Server):
    """PostgreSQL with one role, `watership`, that needs no password. `conf` holds settings such as `fsync`."""

    name = "postgres"
    graceful = signal.SIGINT  # "fast": does not wait for the clients to go

    def __init__(self, folder: Path | None = None, *, conf: Mapping[str, str] | None = None) -> None:
        self.programs = find("postgres", PLACES, package="postgresql", formula="postgresql").parent
        super().__init__(folder, conf=SETTINGS | dict(conf or {}))
        self.port = free_port()
        self._names = count(1)

    @property
    def data(self) -> Path:
        """The folder that PostgreSQL calls its data directory."""
        return self.folder / "data"

    @property
    def archive(self) -> Path:
        """Where the finished pieces of the log are put, with ARCHIVING in `conf`."""
        return self.folder / "archive"

    @property
    def url(self) -> str:
        """The address of the database that is there from the start."""
        return self.url_of(ROLE)

    @property
    def user(self) -> str | None:
        """An unprivileged user when we are root."""
        return _unprivileged() if os.geteuid() == 0 else None

    def url_of(self, database: str) -> str:
        """The address of a database of this server."""
        return f"postgresql://{ROLE}@{LOOPBACK}:{self.port}/{database}"

    def new_database(self) -> str:
        """Make an empty database, and return its address."""
        database = f"{ROLE}_{os.getpid()}_{next(self._names)}"
        self.sql(f"CREATE DATABASE {database}")
        return self.url_of(database)

    def sql(self, statement: str, *, url: str | None = None) -> str:
        """Run one statement by `psql`, and return its rows: a line each, columns parted by `|`."""
        command: list[str | Path] = [
            self.programs / "psql",
            *("--no-psqlrc", "--quiet", "--tuples-only", "--no-align"),
            *("--set", "ON_ERROR_STOP=1", "--command", statement),
            url or self.url_of("postgres"),
        ]
        return run(command, environment=self.environment(), folder=self.folder).rstrip("\n")

    def start(self) -> Self:
        """Start the server; at the first start, make the database of `url`."""
        super().start()
        if ROLE not in self.sql("SELECT datname FROM pg_database").splitlines():
            self.sql(f"CREATE DATABASE {ROLE}")
        return self

    def prepare(self) -> None:
        """Make the data before the first start."""
        if self.data.exists():
            return
        if self.user is not None:
            self._give_folder(self.user)
        # Into a folder that gets its name when it is whole: an interrupted start is begun again.
        draft = self.folder / "data.new"
        shutil.rmtree(draft, ignore_errors=True)
        self.make(draft)
        draft.rename(self.data)

    def command(self) -> Sequence[str | Path]:
        """The server in the foreground, with the settings that `conf` holds now."""
        settings = self.conf | {"port": str(self.port)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [self.programs / "postgres", "-D", self.data, *options]

    def environment(self) -> dict[str, str]:
        """Ours, without what would lead a PostgreSQL program elsewhere."""
        return {name: value for name, value in os.environ.items() if not name.startswith("PG")} | {
            "LC_ALL": "C"
        }

    def answers(self) -> bool:
        """Whether the server says in its status file that it is ready, and answers."""
        try:
            status = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        ready = len(status) > 7 and status[0] == str(self.pid) and status[7].strip() in READY
        return ready and answer(self.port, TLS_REQUEST, 1) == b"N"

    def make(self, data: Path) -> None:
        """Make the data of an empty server."""
        options = ("--username", ROLE, "--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync")
        command: list[str | Path] = [self.programs / "initdb", "--pgdata", data, *options]
        run(command, environment=self.environment(), folder=self.folder, user=self.user)

    def _give_folder(self, user: str) -> None:
        closed = [
            str(parent)
            for parent in self.folder.resolve().parents
            if not parent.stat().st_mode & stat.S_IXOTH
        ]
        if closed:
            raise BadInput(
                f"PostgreSQL runs as {user} here, not as root, and {user} may not enter {closed[-1]}.",
                fix="Give a folder elsewhere, or none: then it makes a temporary one.",
            )
        os.chown(self.folder, pwd.getpwnam(user).pw_uid, group_of(user) or 0)


def _unprivileged() -> str:
    for user in UNPRIVILEGED:
        try:
            return pwd.getpwnam(user).pw_name
        except KeyError:
            continue
    raise Unavailable(
        f"PostgreSQL refuses to run as root, and this machine has no user {' or '.join(UNPRIVILEGED)}.",
        fix="Add one: useradd --system postgres",
    )
