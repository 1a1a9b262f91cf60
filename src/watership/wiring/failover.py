"""A drill of the failover, on a pair of our own or on one that is named; what it would do is stated before."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from watership.adapters.address import parsed
from watership.durable.clock import SystemClock
from watership.errors import BadInput, Conflict, NotAllowed
from watership.releases.readiness.drill import Drill
from watership.releases.readiness.failover import Bounds, hold
from watership.wiring.backups import Means, address, put_on_record, read
from watership.wiring.database import SCHEMES
from watership.wiring.desk import Desk

PRIVATE = "private-pair"
"""Where a drill was held that touched no server but its own: no environment is called so."""


class Named(Struct, frozen=True, kw_only=True):
    """A pair that is there. `primary` and `standby` are references, `stop` is the command that takes the primary away.

    `automatic`: whoever watches the pair promotes the standby. `live`: it may be what the environment lives on.
    """

    primary: str
    standby: str
    stop: str
    automatic: bool = False
    live: bool = False


class Statement(Struct, frozen=True, kw_only=True):
    """What a drill on a pair that is there would do; `primary` is what has to be typed."""

    primary: str
    standby: str
    stop: str
    live: bool | None
    """Whether the environment lives on it; None: it does not name its database."""


async def privately(desk: Desk, means: Means, *, bounds: Bounds, person: str) -> tuple[Drill, Path]:
    """Hold it on a private copy of the database's server, which is only read."""
    from watership.adapters.postgres.private_pair import private_pair

    url = address(desk, means)
    if not url:
        raise BadInput(
            "The environment's own database is a file, which has no standby.",
            fix="Name a PostgreSQL: --on env:NAME, or a pair: --primary REFERENCE --standby REFERENCE",
        )
    async with private_pair(url, means.into) as pair:
        drill = await hold(
            pair, SystemClock(), environment=PRIVATE, by=person, method="private", bounds=bounds
        )
    return drill, put_on_record(desk, drill, person)


async def stated(desk: Desk, named: Named) -> Statement:
    """What the drill would do. Raises Unavailable where it cannot be told whether the environment lives on it."""
    from watership.adapters.postgres.pair import server_of

    urls = [read(desk, each) for each in (named.primary, named.standby)]
    primary, standby = (_place(url) for url in urls)
    live: bool | None = None
    if desk.places.url:
        own = await server_of(desk.places.url)
        live = own in [await server_of(url) for url in urls]
    return Statement(primary=primary, standby=standby, stop=named.stop, live=live)


def _place(url: str) -> str:
    parts = parsed(url, *(scheme.removesuffix("://") for scheme in SCHEMES))
    return f"{parts.hostname}:{parts.port or 5432}"


def require_allowed(desk: Desk, named: Named, statement: Statement) -> None:
    """Raises NotAllowed for what the environment lives on, or may live on, unless that was said."""
    if named.live or statement.live is False or (desk.rehearsal and statement.live is None):
        return
    why = (
        f"{desk.name} lives on {statement.primary} and {statement.standby}"
        if statement.live
        else f"{desk.name} does not name its PostgreSQL, so it may live on {statement.primary}"
    )
    raise NotAllowed(
        f"{why}: a drill there takes it down, until {statement.standby} takes over.",
        fix="Drill on a pair to rehearse with, or on a private copy (without --primary); else say --live too.",
    )


async def on_named(
    desk: Desk, named: Named, statement: Statement, confirmed: str, *, bounds: Bounds, person: str
) -> tuple[Drill, Path]:
    """Hold it on the pair that is named. Raises Conflict during a release, and where another pair was confirmed."""
    from watership.adapters.postgres.pair import PostgresPair, both_of, stopped_by

    require_allowed(desk, named, statement)
    if confirmed != statement.primary:
        raise Conflict(
            f"{confirmed} was confirmed, and the primary is {statement.primary}.",
            fix=f"--confirm {statement.primary}",
        )
    primary, standby = read(desk, named.primary), read(desk, named.standby)
    pair = PostgresPair(
        *(primary, standby, both_of(primary, standby)),
        lose=stopped_by(named.stop),
        promoting=not named.automatic,
    )
    lock = desk.environment.lock
    # A release and a failover at once would each take the other for the fault.
    await lock.acquire(who=person, release="drill failover")
    try:
        drill = await hold(
            pair, SystemClock(), environment=desk.name, by=person, method="pair", bounds=bounds
        )
    finally:
        await lock.release()
    return drill, put_on_record(desk, drill, person)
