"""A primary and its standby as a failover goes over them, and a client that has the addresses of both."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Final
from urllib.parse import urlencode

import asyncpg

from watership.adapters.address import parsed, shown
from watership.adapters.files.backups import Contents, differences
from watership.adapters.postgres.contents import BEATS, contents, session
from watership.adapters.postgres.dump import APPLICATION
from watership.adapters.postgres.pool import SCHEMES, Session, part
from watership.errors import BadInput, Conflict, Unavailable
from watership.releases.readiness.failover import Survived

ANSWER_SECONDS: Final = 2.0
"""How long a heartbeat may take before the client gives the server up, and knocks again."""

GONE_SECONDS: Final = 60.0
"""How long a primary may answer still after it was told to stop."""

LOOK_SECONDS: Final = 0.1

PROMOTE_SECONDS: Final = 60
STOP_SECONDS: Final = 120.0
"""How long the command that stops the primary may take."""

TOLD: Final = 500

_PLACE = f"CREATE TABLE {BEATS} (id int PRIMARY KEY, at timestamptz NOT NULL)"
_BEAT = f"INSERT INTO {BEATS} VALUES ($1, $2)"  # noqa: S608 - our own name
_SEEN = f"SELECT EXISTS (SELECT FROM {BEATS} WHERE id = $1)"  # noqa: S608 - our own name
_ALL = f"SELECT id, at FROM {BEATS}"  # noqa: S608 - our own name
_WHO = """
SELECT system_identifier AS system, pg_is_in_recovery() AS standby,
       pg_postmaster_start_time()::text || ' ' || current_setting('data_directory') AS server
  FROM pg_control_system()"""

_LOST: Final = (
    TimeoutError,
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a link that was told of its end, and is used once more
)

Lose = Callable[[], Awaitable[None]]


class PostgresPair:
    """The pair at `primary` and `standby`; `both` is the address of both, which goes to the one that takes writes.

    `lose` takes the primary away. `promoting`: the standby is promoted by us, not by whoever watches it. `whole`:
    nobody else writes to it, so that every table is compared.
    """

    def __init__(
        self,
        primary: str,
        standby: str,
        both: str,
        *,
        lose: Lose,
        promoting: bool = True,
        whole: bool = False,
        gone: float = GONE_SECONDS,
    ) -> None:
        self._primary = primary
        self._standby = standby
        self._both = both
        self._lose = lose
        self._promoting = promoting
        self._whole = whole
        self._gone = gone
        self._had: Contents | None = None
        self._client: Session | None = None
        self._watcher: Session | None = None

    async def begin(self) -> None:
        async with session(self._primary) as primary, session(self._standby) as standby:
            one, other = await primary.fetchrow(_WHO), await standby.fetchrow(_WHO)
            assert one is not None and other is not None, "functions answer"
            if one["standby"] or not other["standby"] or one["system"] != other["system"]:
                raise Conflict(
                    f"{shown(self._primary)} and {shown(self._standby)} are no primary with its standby.",
                    fix="SELECT pg_is_in_recovery(), system_identifier FROM pg_control_system()",
                )
            if self._whole:
                self._had = await contents(primary, logged=True)
            try:
                await primary.execute(_PLACE)
            except asyncpg.DuplicateTableError as there:
                raise Conflict(
                    f"{shown(self._primary)} has a table {BEATS}: another drill goes on, or was killed.",
                    fix=f"When none goes on: DROP TABLE {BEATS}",
                ) from there

    async def beat(self, number: int, at: datetime) -> None:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                if self._client is None:
                    self._client = await asyncpg.connect(
                        self._both,
                        target_session_attrs="read-write",
                        server_settings={"application_name": APPLICATION},
                        statement_cache_size=0,
                    )
                await self._client.execute(_BEAT, number, at)
        except _LOST as reason:
            if self._client is not None:
                self._client.terminate()
                self._client = None
            raise Unavailable(f"No heartbeat was taken: {str(reason) or type(reason).__name__}.") from reason

    async def seen(self, number: int) -> bool:
        try:
            if self._watcher is None:
                self._watcher = await asyncpg.connect(
                    self._standby,
                    statement_cache_size=0,
                    timeout=ANSWER_SECONDS,
                    command_timeout=ANSWER_SECONDS,
                )
            found: bool = await self._watcher.fetchval(_SEEN, number)
        except asyncpg.UndefinedTableError:
            return False
        except _LOST as reason:
            raise Unavailable(f"{shown(self._standby)} is not to be asked: {reason}.") from reason
        return found

    async def lose(self) -> None:
        words = ""
        try:
            await self._lose()
        except Unavailable as error:
            words = f" {error}"  # what counts is whether the primary is gone
        loop = asyncio.get_running_loop()
        deadline = loop.time() + (0 if words else self._gone)
        while await answers(self._primary):
            if loop.time() > deadline:
                raise Conflict(
                    f"{shown(self._primary)} answers still after it was to be gone: "
                    f"nothing was promoted, since then there would be two.{words}",
                    fix="Look at the command that stops it.",
                )
            await asyncio.sleep(LOOK_SECONDS)

    async def promote(self) -> None:
        if self._promoting:
            async with session(self._standby) as standby:
                if not await standby.fetchval(f"SELECT pg_promote(true, {PROMOTE_SECONDS})"):
                    raise Unavailable(f"{shown(self._standby)} is no primary after {PROMOTE_SECONDS} s.")

    async def survived(self) -> Survived:
        async with session(self._standby) as now:
            return Survived(beats={row["id"]: row["at"] for row in await now.fetch(_ALL)})

    async def differences(self) -> Sequence[str]:
        if self._had is None:
            return []
        async with session(self._standby) as now:
            found = await contents(now, logged=True)
        rest = {name: table for name, table in found.tables.items() if name != BEATS}
        return differences(self._had, Contents(tables=rest))

    async def end(self) -> None:
        for each in (self._client, self._watcher):
            if each is not None:
                await part(each)
        for place in (self._primary, self._standby):
            if await answers(place):
                async with session(place) as there:
                    if not await there.fetchval("SELECT pg_is_in_recovery()"):
                        await there.execute(f"DROP TABLE IF EXISTS {BEATS}")


async def answers(url: str) -> bool:
    """Whether a PostgreSQL answers there, be it that it lets nobody in; what is silent for a while does not."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            connection = await asyncpg.connect(url, statement_cache_size=0)
    except asyncpg.PostgresError:
        return True  # also: it is shutting down
    except (TimeoutError, OSError, asyncpg.InterfaceError, asyncpg.InternalClientError):
        return False
    connection.terminate()
    return True


async def server_of(url: str) -> tuple[int, str]:
    """Which server it is: the identity of its data, and what tells it from copies of these."""
    async with session(url) as connection:
        found = await connection.fetchrow(_WHO)
    assert found is not None, "functions answer"
    return found["system"], found["server"]


def both_of(primary: str, standby: str) -> str:
    """The address of both, with the primary's role, database and parameters. Raises BadInput."""
    one, other = parsed(primary, *SCHEMES), parsed(standby, *SCHEMES)
    hosts = [each.netloc.rpartition("@")[2] for each in (one, other)]
    who = one.netloc.rpartition("@")[0]
    if "target_session_attrs" in one.query:
        raise BadInput(f"{shown(primary)} says target_session_attrs, which the drill says itself.")
    return one._replace(netloc=f"{who}@{','.join(hosts)}" if who else ",".join(hosts)).geturl()


def by_sockets(role: str, database: str, folders: Sequence[str], port: int) -> str:
    """The address of servers that are reached by sockets in these folders."""
    query = urlencode({"host": ",".join(folders), "port": ",".join(str(port) for _ in folders)})
    return f"postgresql://{role}@/{database}?{query}"


def stopped_by(command: str) -> Lose:
    """Take the primary away by a command of the shell. Raises Unavailable for one that fails."""

    async def lose() -> None:
        process = await asyncio.create_subprocess_shell(
            command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(STOP_SECONDS):
                _, told = await process.communicate()
        except TimeoutError:
            raise Unavailable(
                f"The command that stops the primary took longer than {STOP_SECONDS:g} s."
            ) from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode != 0:
            words = " ".join(told.decode(errors="replace").split())[-TOLD:]
            raise Unavailable(f"The command that stops the primary ended with {process.returncode}: {words}")

    return lose
