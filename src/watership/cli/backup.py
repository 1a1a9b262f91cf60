"""watership backup: take one, list them, and verify one by restoring it elsewhere."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import click
import msgspec

from watership.cli.desk import acting, at_desk, calling
from watership.cli.exits import Exit
from watership.cli.output import say, show, table
from watership.cli.times import Moment

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from watership.releases.ports import Backup
    from watership.releases.readiness.restoring import Loss
    from watership.wiring.backups import Listing, Means
    from watership.wiring.desk import Desk

R = TypeVar("R")


def by_means(*wanted: str) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """The options that say which database, how it is backed up and where it is restored; they come as one `means`."""

    def added(command: Callable[..., R]) -> Callable[..., R]:
        @functools.wraps(command)
        def gathered(*args: object, **given: object) -> R:
            from watership.wiring.backups import Means

            said = {name: given.pop(name) for name in wanted}
            return command(*args, means=msgspec.convert(said, Means), **given)

        optioned: Callable[..., R] = gathered
        for name in reversed(wanted):
            optioned = MEANS[name](optioned)
        return optioned

    return added


MEANS: Final[Mapping[str, Callable[[Callable[..., R]], Callable[..., R]]]] = {
    "on": click.option(
        "--on",
        metavar="REFERENCE",
        help="A PostgreSQL in place of the environment's own database: env:NAME, file:PATH.",
    ),
    "scratch": click.option(
        "--scratch",
        metavar="REFERENCE",
        help="The PostgreSQL to restore a dump into, in a database made for it; that of --on unless given.",
    ),
    "stanza": click.option(
        "--stanza", help="What pgBackRest calls the server, where it backs it up in place of a dump."
    ),
    "config": click.option(
        "--config",
        metavar="FILE",
        help="pgBackRest's configuration, where it is not where pgBackRest looks by itself.",
    ),
    "into": click.option(
        "--into",
        type=click.Path(file_okay=False, exists=True, path_type=Path),
        metavar="FOLDER",
        help="Where pgBackRest restores to, in a folder that is made and removed; the temporary folder unless given.",
    ),
    "kind": click.option(
        "--type",
        "kind",
        type=click.Choice(["full", "diff", "incr"]),
        default="incr",
        show_default=True,
        help="Of pgBackRest's backup; the first of all is full.",
    ),
}


@click.group()
def backup() -> None:
    """Backups of the application's database: create, list, verify, restore.

    \b
    watership backup create before-2.1
    watership backup verify                                     (the newest: it is restored elsewhere and compared)
    watership backup create nightly --on env:DATABASE_URL
    watership backup verify --scratch env:SCRATCH_URL
    watership backup create nightly --stanza main --type full   (pgBackRest, with a restore point after it)
    watership backup restore --dry-run                          (how many rows would be lost)
    """


@backup.command()
@click.argument("label", default="manual")
@by_means("on", "stanza", "config", "kind")
@acting
def create(label: str, means: Means, name: str | None, token: str | None) -> None:
    """Take a backup called LABEL, with the moment that it was taken at: whole, or not at all."""
    from watership.fleet.identity import OPERATOR
    from watership.wiring import backups

    caller = calling(name, token)

    async def taken(desk: Desk) -> Backup:
        caller.require(desk.environment.audit, "back up", OPERATOR)
        return await backups.taken(desk, label, means, caller.person)

    made = at_desk(taken)
    show(made, f"{made.id}: {made.bytes:,} bytes, sha256 {made.sha256}\n{made.path}")


@backup.command(name="list")
@by_means("on", "stanza", "config")
def list_backups(means: Means) -> None:
    """The backups on record, the oldest first. As JSON it is a manifest that the checklist reads.

    With a stanza, of --stanza or the environment, also what else its repository has; and as JSON the pieces of the log
    of the last two days.
    """
    from watership.wiring import backups

    async def listed(desk: Desk) -> Listing:
        return await backups.listing(desk, means)

    found = at_desk(listed)
    rows = [
        {
            "backup": each.name,
            "kind": each.kind,
            "taken at": f"{each.taken_at:%Y-%m-%d %H:%M:%S}Z",
            "bytes": f"{each.bytes:,}",
            "sha256": each.sha256[:12],
        }
        for each in found.kept
    ]
    every = [*found.kept, *found.log]
    words = table(rows, ["backup", "kind", "taken at", "bytes", "sha256"])
    if found.log:
        words += f"\nthe log is in the archive up to {found.log[-1].taken_at:%Y-%m-%d %H:%M:%S}Z"
    show({"backups": every, "total_count": len(every)}, words)
    for path in found.strange:
        say(f"note: {path} is no record of a backup, so what lies beside it is not listed")
    for gone in found.expired:
        say(f"note: {gone} is on record, and not in the repository that was asked")


@backup.command()
@click.argument("which", required=False, metavar="[BACKUP]")
@by_means("on", "scratch", "stanza", "config", "into")
@acting
def verify(which: str | None, means: Means, name: str | None, token: str | None) -> Exit:
    """Restore BACKUP (the newest, unless named) elsewhere, and compare it with what was there. Exit 3: it differs."""
    from watership.fleet.identity import OPERATOR
    from watership.wiring import backups

    caller = calling(name, token)

    async def verified(desk: Desk) -> tuple[Backup, Sequence[str]]:
        caller.require(desk.environment.audit, "verify a backup", OPERATOR)
        warn_of_live(desk, means)
        return await backups.verified(desk, which, means, caller.person)

    found, wrong = at_desk(verified)
    words = "; ".join(wrong) or "restored elsewhere: every table, row count and checksum is as it was"
    show({"backup": found, "wrong": list(wrong)}, f"{found.id}: {words}")
    return Exit.NOT_OK if wrong else Exit.OK


@backup.command()
@click.argument("which", required=False, metavar="[BACKUP]")
@by_means("on", "scratch", "stanza", "config", "into")
@click.option("--at", type=Moment(), help="With pgBackRest: as it was at this moment, in place of a backup.")
@click.option("--dry-run", is_flag=True, help="Say what would be lost, and do nothing.")
@click.option(
    "--yes-lose", type=click.IntRange(min=0), metavar="ROWS", help="The number of rows that was stated."
)
@acting
def restore(
    which: str | None,
    means: Means,
    at: datetime | None,
    dry_run: bool,
    yes_lose: int | None,
    name: str | None,
    token: str | None,
) -> Exit:
    """Put BACKUP (the newest, unless named) in the place of the database, once what would be lost was stated.

    With --dry-run, or without --yes-lose, it is restored elsewhere and compared row by row: how many rows as they are
    now would be lost, and how many of before would be back, by table. --yes-lose takes the number of rows that were
    stated; anything that was written since voids it. A backup of what is there is taken first. Everybody else is kept
    out while the copy takes the place: what was there stays beside it, under the name that this says.
    """
    from watership.fleet.identity import OPERATOR
    from watership.releases.readiness.restoring import Placed, words
    from watership.wiring import restoring

    if dry_run and yes_lose is not None:
        raise click.UsageError("--dry-run does nothing, and --yes-lose does it.")
    caller = calling(name, token)

    async def done(desk: Desk) -> Loss | Placed:
        caller.require(desk.environment.audit, "restore a backup", OPERATOR)
        if yes_lose is None:
            return await restoring.would_lose(desk, which, at, means)
        return await restoring.placed(desk, which, at, means, yes_lose=yes_lose, person=caller.person)

    found = at_desk(done)
    if isinstance(found, Placed):
        ended = f"It is restored. What was there stays as {found.kept}, and in the backup {found.safety.id}."
        show(_figures(found.loss) | {"placed": found}, f"{words(found.loss)}\n{ended}")
        return Exit.OK
    show(
        _figures(found) | {"placed": None},
        f"{words(found)}\nNothing was done. To do it: --yes-lose {found.rows}",
    )
    return Exit.OK if dry_run else Exit.INCONCLUSIVE


def _figures(loss: Loss) -> dict[str, object]:
    return {"backup": loss.backup, "rows_lost": loss.rows, "rows_back": loss.back, "tables": loss.tables}


def warn_of_live(desk: Desk, means: Means) -> None:
    """Say that the server of the original will do the work of the restore."""
    from watership.wiring import backups

    if backups.beside_live(desk, means):
        say("note: no --scratch is named, so a dump is restored into a scratch database beside the original")
