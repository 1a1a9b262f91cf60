"""watership deploy and watership migrate: single acts of a signed plan, by hand, that move no traffic."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from watership.cli.desk import acting, at_desk, calling, one
from watership.cli.exits import Exit, exit_for_verdict
from watership.cli.options import read_config
from watership.cli.output import show
from watership.cli.times import Duration
from watership.errors import BadInput

RECORD = Path("evidence/rehearsal.json")

if TYPE_CHECKING:
    from watership.releases.book.runbook import Deploy, Migrate
    from watership.releases.measurement import Finding
    from watership.releases.plan import Plan
    from watership.releases.readiness.rehearsal import Rehearsal
    from watership.wiring.desk import Desk


@click.command()
@click.argument("slot", type=click.Choice(["blue", "green"]))
@one
@click.option(
    "--timeout", type=Duration(), default="5m", show_default=True, help="Until its processes are ready."
)
@click.option("--dry-run", is_flag=True, help="Print what the hosts would be told, and tell them nothing.")
@acting
def deploy(
    slot: str, release: str | None, timeout: float, dry_run: bool, name: str | None, token: str | None
) -> int:
    """Put the planned build into SLOT and wait until it is ready. No traffic moves.

    The plan has to be signed; SLOT has to be the one that it releases into.
    """
    from watership.releases.book.runbook import Deploy

    if dry_run:
        return _told(slot, release)

    async def deployed(desk: Desk) -> Finding:
        plan = await _planned(desk, slot, release)
        does = Deploy(id="deploy", title="The build stands in the idle slot", timeout=timeout)
        return await _by_hand(desk, plan.release, does, "deploy", name, token)

    return _shown(at_desk(deployed))


async def _planned(desk: Desk, slot: str, release: str | None) -> Plan:
    """The plan, if it releases into this slot."""
    from watership.errors import Conflict

    plan = (await desk.clerk(release)).plan
    if plan.next.slot.value != slot:
        raise Conflict(
            f"{plan.release} puts {plan.next.build.version} into {plan.next.slot.value}, and not into {slot}.",
            fix=f"watership deploy {plan.next.slot.value}",
        )
    return plan


def _told(slot: str, release: str | None) -> Exit:
    from watership.releases.begun import spec
    from watership.wiring.hosts import told

    plan = at_desk(lambda desk: _planned(desk, slot, release))
    orders = told(read_config(), spec(plan.next, plan.size))
    show(orders, orders.text)
    return Exit.OK


@click.group()
def migrate() -> None:
    """The application's schema: where it stands, a rehearsal on a copy, and the signed plan's expansion by hand."""


@migrate.command()
def status() -> None:
    """The version that the database itself reports."""
    version = at_desk(lambda desk: desk.environment.migrator.version())
    show({"version": version}, f"schema {version}")


@migrate.command()
@one
@click.option(
    "--within",
    type=Duration(),
    default="5m",
    show_default=True,
    help="What the longest step may take; not with --on.",
)
@click.option(
    "--on",
    metavar="REFERENCE",
    help="A PostgreSQL to try them on, which is changed by it: env:NAME, file:PATH.",
)
@click.option("--of", default="production", show_default=True, help="What was copied there.")
@click.option("--taken-at", type=click.DateTime(), help="When (UTC).")
@click.option("--reads", type=click.Path(path_type=Path, dir_okay=False), help="Queries of the application.")
@click.option(
    "--integrity", type=click.Path(path_type=Path, dir_okay=False), help="Queries whose rows are wrong."
)
@click.option(
    "--record",
    type=click.Path(path_type=Path, dir_okay=False),
    default=RECORD,
    show_default=True,
    help="Where the checklist looks for it.",
)
@acting
def rehearse(
    release: str | None,
    within: float,
    on: str | None,
    of: str,
    taken_at: datetime | None,
    reads: Path | None,
    integrity: Path | None,
    record: Path,
    name: str | None,
    token: str | None,
) -> int:
    """Forward, backward and forward again on a copy, timed. The same as the seed's `migrate:test`.

    The environment's own database is copied. With --on it is a PostgreSQL that you restored for it: locks, index
    builds, and how slow the application's queries become are measured there, and put on record.
    """
    if on is not None:
        return _on_record(release, on, of, taken_at, reads, integrity, record, name, token)
    return _shown(at_desk(lambda desk: _measured(desk, release, "migration.rehearsed", {"within": within})))


def _on_record(
    release: str | None,
    on: str,
    of: str,
    taken_at: datetime | None,
    reads: Path | None,
    integrity: Path | None,
    record: Path,
    name: str | None,
    token: str | None,
) -> Exit:
    from watership.releases.readiness.rehearsal import Copy, faults
    from watership.wiring import rehearsal

    if taken_at is None:
        raise BadInput("When was the copy taken?", fix="Say it: --taken-at 2026-11-28T02:00:00")
    caller, copy = calling(name, token), Copy(of=of, taken_at=taken_at.replace(tzinfo=UTC), rows=0)

    async def tried(desk: Desk) -> Rehearsal:
        found = await rehearsal.rehearsed(desk, release, url=on, copy=copy, reads=reads, integrity=integrity)
        rehearsal.put(desk, record, found, caller.person)
        return found

    found = at_desk(tried)
    wrong = faults(found)
    words = (
        f"{len(found.scripts)} migration(s) were tried on {found.copy.rows:,} rows; on record in {record}."
    )
    show(found, "; ".join(wrong) or words)
    return Exit.NOT_OK if wrong else Exit.OK


@migrate.command()
@one
def verify(release: str | None) -> int:
    """What the database's own integrity checks find wrong."""
    return _shown(at_desk(lambda desk: _measured(desk, release, "schema.integrity", {})))


@migrate.command()
@one
@click.option("--timeout", type=Duration(), default="5m", show_default=True)
@acting
def up(release: str | None, timeout: float, name: str | None, token: str | None) -> int:
    """Run the signed plan's migrations forward, which only expand. A release does this by itself."""
    from watership.releases.book.runbook import Migrate

    async def migrated(desk: Desk) -> Finding:
        plan = (await desk.clerk(release)).plan
        does = Migrate(id="migrate", title="The schema is expanded", timeout=timeout)
        return await _by_hand(desk, plan.release, does, "migrate", name, token)

    return _shown(at_desk(migrated))


async def _by_hand(
    desk: Desk, release: str, does: Deploy | Migrate, act: str, name: str | None, token: str | None
) -> Finding:
    from watership.fleet.identity import OPERATOR

    caller = calling(name, token)
    caller.require(desk.environment.audit, act, OPERATOR, release=release)
    return await desk.controller.by_hand(await desk.brief(release, starter=caller.person), does)


async def _measured(desk: Desk, release: str | None, kind: str, parameters: dict[str, float]) -> Finding:
    from watership.releases.checks import CHECKS
    from watership.releases.measurement import scrubbed

    scene = (await desk.clerk(release)).scene()
    return scrubbed(await CHECKS[kind].measure(scene, dict(parameters)))


def _shown(found: Finding) -> Exit:
    show(found, f"{found.verdict.value}: {found.evidence}")
    return exit_for_verdict(found.verdict)
