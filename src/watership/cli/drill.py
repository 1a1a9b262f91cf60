"""watership drill: rehearse a loss, measure it, and put it on record."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from watership.cli.backup import by_means, warn_of_live
from watership.cli.desk import acting, at_desk, calling
from watership.cli.exits import Exit
from watership.cli.output import show
from watership.cli.times import Duration

if TYPE_CHECKING:
    from pathlib import Path

    from watership.releases.readiness.drill import Drill
    from watership.wiring.backups import Means
    from watership.wiring.desk import Desk


@click.group()
def drill() -> None:
    """Drills: what nobody hopes for, rehearsed and measured. Records go to evidence/drills/."""


@drill.command(name="backup-restore")
@click.option("--of", "which", metavar="BACKUP", help="One that is there, in place of a new one; or: newest.")
@by_means("on", "scratch", "stanza", "config", "into", "kind")
@click.option(
    "--rto", type=Duration(), default="30m", show_default=True, help="What the restore may take at most."
)
@click.option(
    "--rpo", type=Duration(), default="5m", show_default=True, help="How much of the past may be lost."
)
@click.option(
    "--loss-after",
    type=Duration(),
    help="With pgBackRest: how long after its restore point the loss comes; 1m unless given.",
)
@acting
def backup_restore(
    which: str | None,
    means: Means,
    rto: float,
    rpo: float,
    loss_after: float | None,
    name: str | None,
    token: str | None,
) -> Exit:
    """Take a backup, restore it elsewhere, compare. Exit 3 when it fails, or takes or loses more than allowed.

    A heartbeat is written to the database all the while. The loss is taken to come when the backup is done: RTO is
    from there until the restored copy was compared, RPO from the newest heartbeat in the copy until there. With --of
    the loss comes now: RPO is then the age of what that backup shows.

    With pgBackRest (--stanza, or the environment's) the loss comes after the restore point, and what the archive has of
    the log by then is all that there is: it is restored to the point, compared, and replayed to the end of that log.
    """
    from watership.fleet.identity import OPERATOR
    from watership.releases.readiness.course import Limits
    from watership.wiring import backups

    caller = calling(name, token)

    async def drilled(desk: Desk) -> tuple[Drill, Path]:
        caller.require(desk.environment.audit, "hold a drill", OPERATOR)
        warn_of_live(desk, means)
        limits, person = Limits(rto=rto, rpo=rpo), caller.person
        return await backups.drilled(desk, which, means, limits=limits, person=person, loss_after=loss_after)

    held, path = at_desk(drilled)
    show(held, _page(held, path, rto, rpo))
    return Exit.OK if held.passed else Exit.NOT_OK


def _page(held: Drill, path: Path, rto: float, rpo: float) -> str:
    from watership.releases.book.quantity import spoken

    def figure(seconds: float | None, most: float) -> str:
        return f"{'not measured' if seconds is None else spoken(seconds)} ({spoken(most)} allowed)"

    since = {
        "heartbeat": "from the newest heartbeat in the copy to the loss",
        "snapshot": "from the moment that the backup shows to the loss, which came now",
    }[str(held.facts.get("rpo_by", "heartbeat"))]
    lines = [
        f"{'ok' if step.passed else 'FAILED':8}{step.name}, {spoken(step.seconds)}" for step in held.steps
    ]
    return "\n".join(
        [
            *lines,
            f"RTO     {figure(held.rto_seconds, rto)}: from the loss until the copy was compared",
            f"RPO     {figure(held.rpo_seconds, rpo)}: {since}",
            f"{held.outcome}{f': {held.words}' if held.words else ''}",
            f"on record in {path}",
        ]
    )
