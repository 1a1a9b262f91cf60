"""watership backup: take one, list them, and verify one by restoring it elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from watership.cli.desk import acting, at_desk, calling
from watership.cli.exits import Exit
from watership.cli.output import say, show, table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from watership.releases.ports import Backup
    from watership.wiring.desk import Desk


def database(command: click.decorators.FC) -> click.decorators.FC:
    """--on: which database."""
    return click.option(
        "--on",
        metavar="REFERENCE",
        help="A PostgreSQL in place of the environment's own database: env:NAME, file:PATH.",
    )(command)


def elsewhere(command: click.decorators.FC) -> click.decorators.FC:
    """--scratch: where a dump is restored."""
    return click.option(
        "--scratch",
        metavar="REFERENCE",
        help="The PostgreSQL to restore into, in a database that is made and dropped; that of --on unless given.",
    )(command)


@click.group()
def backup() -> None:
    """Backups of the application's database: create, list, verify.

    \b
    watership backup create before-2.1
    watership backup verify                                     (the newest: it is restored elsewhere and compared)
    watership backup create nightly --on env:DATABASE_URL
    watership backup verify --scratch env:SCRATCH_URL
    """


@backup.command()
@click.argument("label", default="manual")
@database
@acting
def create(label: str, on: str | None, name: str | None, token: str | None) -> None:
    """Take a backup called LABEL, with the moment that it was taken at: whole, or not at all."""
    from watership.fleet.identity import OPERATOR
    from watership.wiring import backups

    caller = calling(name, token)

    async def taken(desk: Desk) -> Backup:
        caller.require(desk.environment.audit, "back up", OPERATOR)
        return await backups.taken(desk, label, on, caller.person)

    made = at_desk(taken)
    show(made, f"{made.id}: {made.bytes:,} bytes, sha256 {made.sha256}\n{made.path}")


@backup.command(name="list")
def list_backups() -> None:
    """The backups on record, the oldest first. As JSON it is a manifest that the checklist reads."""
    from watership.wiring import backups

    async def listed(desk: Desk) -> tuple[Sequence[Backup], Sequence[Path]]:
        folder = backups.folder_of(desk)
        return folder.kept(), folder.unreadable()

    every, strange = at_desk(listed)
    rows = [
        {
            "backup": each.id,
            "taken at": f"{each.taken_at:%Y-%m-%d %H:%M:%S}Z",
            "bytes": f"{each.bytes:,}",
            "sha256": each.sha256[:12],
        }
        for each in every
    ]
    kept = [
        {
            "kind": "full",
            "name": each.id,
            "taken_at": each.taken_at,
            "bytes": each.bytes,
            "sha256": each.sha256,
        }
        for each in every
    ]
    show({"backups": kept, "total_count": len(kept)}, table(rows, ["backup", "taken at", "bytes", "sha256"]))
    for path in strange:
        say(f"note: {path} is no record of a backup, so what lies beside it is not listed")


@backup.command()
@click.argument("which", required=False, metavar="[BACKUP]")
@database
@elsewhere
@acting
def verify(
    which: str | None, on: str | None, scratch: str | None, name: str | None, token: str | None
) -> Exit:
    """Restore BACKUP (the newest, unless named) elsewhere, and compare it with what was there. Exit 3: it differs."""
    from watership.fleet.identity import OPERATOR
    from watership.wiring import backups

    caller = calling(name, token)

    async def verified(desk: Desk) -> tuple[Backup, Sequence[str]]:
        caller.require(desk.environment.audit, "verify a backup", OPERATOR)
        warn_of_live(desk, on, scratch)
        return await backups.verified(desk, which, on, scratch, caller.person)

    found, wrong = at_desk(verified)
    words = "; ".join(wrong) or "restored elsewhere: every table, row count and checksum is as it was"
    show({"backup": found, "wrong": list(wrong)}, f"{found.id}: {words}")
    return Exit.NOT_OK if wrong else Exit.OK


def warn_of_live(desk: Desk, on: str | None, scratch: str | None) -> None:
    """Say that the server of the original will do the work of the restore."""
    from watership.wiring import backups

    if backups.beside_live(desk, on, scratch):
        say("note: no --scratch is named, so a dump is restored into a scratch database beside the original")
