"""What `watership doctor --prod` looks at in PostgreSQL: each finding is one real question to the server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from watership.adapters.postgres.pool import CLOSE_SECONDS, Session, connect
from watership.adapters.postgres.schema import SCHEMA, read_status
from watership.errors import WatershipError
from watership.fleet.finding import Finding

OLDEST = 120_000
"""server_version_num: the oldest PostgreSQL that the schema is written for; 15 is what the tests run on."""

OFFSET_SECONDS = 1.0
"""Between the database's clock and ours: leases are the database's alone, yet logs of both are read side by side."""

SPARE_CONNECTIONS = 20
"""Connections that should be free: a process of ours opens up to nine, and a deploy starts new ones beside the old."""

Look = Callable[[Session], Awaitable[Finding]]


async def examine(url: str) -> list[Finding]:
    """Every finding about the server at `url`; one problem if it does not let us in."""
    try:
        connection = await connect(url, name="watership doctor")
    except WatershipError as error:
        return [Finding(what="PostgreSQL", state="problem", detail=error.message, fix=error.fix)]
    try:
        return [await look(connection) for look in _LOOKS]
    finally:
        await connection.close(timeout=CLOSE_SECONDS)


async def _version(db: Session) -> Finding:
    number = int(await db.fetchval("SHOW server_version_num"))
    name = await db.fetchval("SHOW server_version")
    return Finding(
        what="PostgreSQL",
        state="ok" if number >= OLDEST else "problem",
        detail=str(name),
        fix="" if number >= OLDEST else "Upgrade PostgreSQL to 12 or newer; 15 is what the tests run on.",
    )


async def _durability(db: Session) -> Finding:
    names = ("fsync", "full_page_writes", "synchronous_commit")
    values = {name: await db.fetchval(f"SHOW {name}") for name in names}
    off = [name for name, value in values.items() if value == "off"]
    fixes = [f'psql -c "ALTER SYSTEM SET {name} = on"' for name in off]
    return Finding(
        what="Durability",
        state="problem" if off else "ok",
        detail=", ".join(f"{name} {value}" for name, value in values.items()),
        fix="; ".join([*fixes, 'psql -c "SELECT pg_reload_conf()"']) if off else "",
    )


async def _primary(db: Session) -> Finding:
    standby = await db.fetchval("SELECT pg_is_in_recovery()")
    return Finding(
        what="Role",
        state="problem" if standby else "ok",
        detail="a standby: nothing can be written" if standby else "primary",
        fix="Point store.url to the primary, or promote this one: SELECT pg_promote()" if standby else "",
    )


async def _standby(db: Session) -> Finding:
    names = await db.fetchval("SHOW synchronous_standby_names")
    return Finding(
        what="Failover",
        state="ok" if names else "warning",
        detail=f"synchronous standby: {names}"
        if names
        else "no synchronous standby: a lost primary loses commits",
        fix=""
        if names
        else "psql -c \"ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (*)'\" (with a standby running)",
    )


async def _permissions(db: Session) -> Finding:
    user = await db.fetchval("SELECT current_user")
    able = await db.fetchval("SELECT has_schema_privilege(current_schema(), 'CREATE, USAGE')")
    return Finding(
        what="Permissions",
        state="ok" if able else "problem",
        detail=f"{user} may make tables" if able else f"{user} may not make tables in its schema",
        fix="" if able else f'psql -c "GRANT CREATE, USAGE ON SCHEMA public TO {user}"',
    )


async def _schema(db: Session) -> Finding:
    status = await read_status(db)
    wanted = f"{SCHEMA.lowest} to {SCHEMA.highest}"
    return Finding(
        what="Schema",
        state="ok" if status.fits else "problem",
        detail=f"{status.present or 'none'}; this build works with {wanted}",
        fix="" if status.fits else _schema_fix(status.present),
    )


def _schema_fix(present: int) -> str:
    return "watership db upgrade" if present < SCHEMA.lowest else "Start the newer build."


async def _connections(db: Session) -> Finding:
    most = int(await db.fetchval("SHOW max_connections"))
    used = int(
        await db.fetchval("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")
    )
    ok = most - used >= SPARE_CONNECTIONS
    return Finding(
        what="Connections",
        state="ok" if ok else "warning",
        detail=f"{used} of {most} in use",
        fix="" if ok else f'psql -c "ALTER SYSTEM SET max_connections = {2 * most}" and restart PostgreSQL',
    )


async def _clock(db: Session) -> Finding:
    asked = datetime.now(UTC)
    theirs = await db.fetchval("SELECT clock_timestamp()")
    between = asked + (datetime.now(UTC) - asked) / 2
    offset = (theirs - between).total_seconds()
    ok = abs(offset) < OFFSET_SECONDS
    return Finding(
        what="Clock",
        state="ok" if ok else "warning",
        detail=f"the database's clock is {offset:+.3f} s from ours",
        fix="" if ok else "timedatectl set-ntp true (on both machines)",
    )


_LOOKS: tuple[Look, ...] = (
    _version,
    _durability,
    _primary,
    _standby,
    _permissions,
    _schema,
    _connections,
    _clock,
)
