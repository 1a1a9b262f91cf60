"""A scratch server on restored data: private to its user, reached by a socket in a closed folder, sends nothing."""

from __future__ import annotations

import asyncio
import os
import pwd
import re
import shutil
import signal
import stat
import tempfile
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

from watership.adapters.postgres.server_program import answer, group_of, server_program, variables
from watership.errors import BadInput, Unavailable

PORT: Final = 5432
"""Only names the socket: the server listens to no network."""

STOP_SECONDS: Final = 60.0
"""How long it may take to write what it has in memory; then it is killed, for its data are thrown away."""

LOOK_SECONDS: Final = 0.1

_LINES: Final = 5
"""Of its log, in an error."""

# What a standby must not be smaller in than the server whose log it replays, as pg_controldata calls it.
_SIZES: Final = {
    "max_connections": "max_connections setting",
    "max_worker_processes": "max_worker_processes setting",
    "max_wal_senders": "max_wal_senders setting",
    "max_prepared_transactions": "max_prepared_xacts setting",
    "max_locks_per_transaction": "max_locks_per_xact setting",
}

# What the restored settings may say, and the copy of a server must not do.
_QUIET: Final = {
    "listen_addresses": "",
    "port": str(PORT),
    "archive_mode": "off",
    "ssl": "off",
    "shared_preload_libraries": "",
    "primary_conninfo": "",
    "primary_slot_name": "",
    "synchronous_standby_names": "",
    "max_logical_replication_workers": "0",  # a subscription would begin to receive
    "autovacuum": "off",
    "logging_collector": "off",
    "log_destination": "stderr",
    "hot_standby": "on",
    "shared_buffers": "64MB",
    "cluster_name": "watership scratch",
}


class ScratchServer:
    """A server on the data in `data`, run as `user`, of PostgreSQL `version`."""

    def __init__(self, data: Path, run: Path, *, user: str | None, version: str) -> None:
        self.data = data
        self._run = run
        self._user = user
        self._version = version
        self._process: Process | None = None

    def url(self, database: str, role: str) -> str:
        """The address of a database of it."""
        place = f"host={quote(str(self._run))}&port={PORT}"
        return f"postgresql://{quote(role, safe='')}@/{quote(database, safe='')}?{place}"

    async def start(self, settings: Mapping[str, str] = {}) -> None:
        """Start it. Whoever connects has to ask again until it is as far: it replays before it answers."""
        quiet = _QUIET | await self._sizes() | {"unix_socket_directories": str(self._run)}
        files = {name: str(self._run / file) for name, file in _FILES.items()}
        options = [
            part
            for name, value in {**quiet, **files, **settings}.items()
            for part in ("-c", f"{name}={value}")
        ]
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                server_program("postgres", self._version),
                *("-D", str(self.data), *options),
                env=variables(),
                cwd="/",
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=self._user,
                group=group_of(self._user),
                extra_groups=None if self._user is None else [],
                start_new_session=True,
            )

    async def stop(self, *, orderly: bool = False) -> None:
        """End it: at once, as its data are thrown away; or in `orderly` fashion, for another start on them."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGINT if orderly else signal.SIGQUIT)
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()

    async def kill(self) -> None:
        """End it at once with all its processes, as the loss of its machine does."""
        process = self._process
        if process is not None and process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()

    def require_living(self) -> None:
        """Raises BadInput with its last words when it has ended: then what was restored is of no use."""
        if self._process is None or self._process.returncode is not None:
            raise BadInput(f"The restored server ended: {self.last_words()}")

    def last_words(self) -> str:
        """What it wrote last that was an error, or else the last lines of all."""
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        bad = [line for line in lines if re.search(r"\b(FATAL|PANIC)\b", line) and "starting up" not in line]
        return "; ".join((bad or lines or ["it said nothing"])[-_LINES:])

    @property
    def _log(self) -> Path:
        return self._run / "log"

    async def _sizes(self) -> dict[str, str]:
        told = await answer(
            [server_program("pg_controldata", self._version), self.data],
            user=self._user,
            seconds=STOP_SECONDS,
        )
        lines = dict(line.split(":", 1) for line in told.splitlines() if ":" in line)
        try:
            return {name: str(int(lines[called])) for name, called in _SIZES.items()}
        except (KeyError, ValueError) as reason:
            raise Unavailable(f"pg_controldata does not tell {reason}.") from reason


_FILES: Final = {"config_file": "conf", "hba_file": "hba", "ident_file": "ident"}


@asynccontextmanager
async def folders(
    parent: Path | None, user: str | None, *, room: int
) -> AsyncIterator[tuple[Path, Path, Path]]:
    """Three folders that are the user's alone: for data, for tablespaces, and for a server's run; gone at the end.

    Raises Unavailable where fewer than `room` bytes are free in `parent`, which is the system's temporary folder
    unless it is named.
    """
    place = parent or Path(tempfile.gettempdir())
    try:
        free = shutil.disk_usage(place).free
    except OSError as reason:
        raise Unavailable(f"{place} cannot be restored into: {reason.strerror}.") from reason
    if free < room:
        raise Unavailable(
            f"{place} has {free:,} bytes free; what is restored takes {room:,}.",
            fix="Name a folder that has room: --into FOLDER",
        )
    if user is not None and (closed := _closed(place, pwd.getpwnam(user).pw_uid)):
        raise BadInput(
            f"What is restored is {user}'s, and {user} may not enter {closed}.",
            fix="Name a folder that it may enter: --into FOLDER",
        )
    made = Path(tempfile.mkdtemp(prefix="watership-restore-", dir=place))
    run = Path(tempfile.mkdtemp(prefix="watership-run-"))  # short: the name of a socket has 107 bytes
    data, spaces = made / "data", made / "spaces"
    try:
        data.mkdir(mode=0o700)
        spaces.mkdir(mode=0o700)
        (run / "hba").write_text("local all all trust\nlocal replication all trust\n")
        for name in ("conf", "ident"):
            (run / name).touch()
        for path in (made, data, spaces, run, *run.iterdir()):
            _give(path, user)
        yield data, spaces, run
    finally:
        await asyncio.to_thread(shutil.rmtree, made, ignore_errors=True)
        shutil.rmtree(run, ignore_errors=True)


def _closed(place: Path, uid: int) -> Path | None:
    """The outermost folder on the way that lets only others through than that user."""
    way = [*reversed(place.resolve().parents), place.resolve()]
    found = ((each, each.stat()) for each in way)
    return next((each for each, its in found if its.st_uid != uid and not its.st_mode & stat.S_IXOTH), None)


def _give(path: Path, user: str | None) -> None:
    if user is not None:
        found = pwd.getpwnam(user)
        os.chown(path, found.pw_uid, found.pw_gid)
