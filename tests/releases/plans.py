"""A plan to try things on."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache

from watership.durable.ids import DeploymentId
from watership.fleet.build import Build, SchemaRange
from watership.fleet.deployment import Slot
from watership.releases.book.shelf import shipped
from watership.releases.book.system import System
from watership.releases.plan import Overrides, Plan, Side, Size, draw
from watership.releases.ports import Migration
from watership.releases.smoke import Request, Smoke

# Reading one takes a tenth of a second, and nobody changes it.
_read = cache(shipped)

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
ADD_TOPIC = Migration(start=5, end=6, forward="ALTER …", backward="ALTER … DROP", name="add_topic")


def side(version: str, slot: Slot, *, lowest: int = 5, highest: int = 6) -> Side:
    build = Build(
        version=version, digest=f"sha256:{version}", source="demo", schema=SchemaRange(lowest, highest)
    )
    return Side(build=build, deployment=DeploymentId(f"d-{version}"), slot=slot)


def a_plan(
    *,
    overrides: Overrides | None = None,
    live: Side | None = None,
    migrations: tuple[Migration, ...] = (ADD_TOPIC,),
    created_at: datetime = NOON,
    pauses_writes: frozenset[str] = frozenset(),
    pause_seconds: dict[str, float] | None = None,
    holds: bool = True,
    book: str = "one-machine",
    nxt: Side | None = None,
    systems: dict[str, System] | None = None,
) -> Plan:
    return draw(
        _read(book),
        release="2.1.0-1",
        environment="production",
        live=live or side("2.0.5", Slot.GREEN),
        next=nxt or side("2.1.0", Slot.BLUE),
        migrations=migrations,
        smoke=Smoke(requests=(Request(name="a fact", path="/facts/1"),)),
        size=Size(serve=1, workers=2),
        controller="sha256:controller",
        starter="Sam Starter",
        created_at=created_at,
        overrides=overrides,
        pauses_writes=pauses_writes,
        pause_seconds=pause_seconds,
        holds=holds,
        systems=systems,
    )
