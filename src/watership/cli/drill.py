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
    from watership.releases.readiness.failover import Bounds
    from watership.wiring.backups import Means
    from watership.wiring.desk import Desk
    from watership.wiring.failover import Named, Statement


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

    With pgBackRest (--stanza, or the environment's) the loss comes after a restore point that is set now, and what the
    archive has of the log by then is all that there is: the backup is restored, replayed to the point, compared, and
    replayed to the end of that log.
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


@drill.command()
@by_means("on", "into")
@click.option("--primary", metavar="REFERENCE", help="A pair that is there, in place of a private copy.")
@click.option("--standby", metavar="REFERENCE", help="Its standby.")
@click.option(
    "--stop-primary", metavar="COMMAND", help="The command of the shell that takes the primary away."
)
@click.option("--automatic", is_flag=True, help="Promote nothing: whoever watches the pair does.")
@click.option("--live", is_flag=True, help="Although the environment lives on it, or may.")
@click.option(
    "--confirm", metavar="HOST:PORT", help="The primary, typed: what this says without it will be done."
)
@click.option(
    "--failover", "most", type=Duration(), default="5m", show_default=True, help="What it may take at most."
)
@click.option(
    "--rpo", type=Duration(), default="5m", show_default=True, help="How much of the past may be lost."
)
@click.option(
    "--lag", type=Duration(), default="100ms", show_default=True, help="How far behind the standby may be."
)
@acting
def failover(
    means: Means,
    primary: str | None,
    standby: str | None,
    stop_primary: str | None,
    automatic: bool,
    live: bool,
    confirm: str | None,
    most: float,
    rpo: float,
    lag: float,
    name: str | None,
    token: str | None,
) -> Exit:
    """Lose a primary under writes, and measure until its standby takes them. Exit 3: too long, or too much lost.

    Without a pair it is held on a private copy of the database's server: a base backup is started as a primary, a
    standby is made of it, and the primary is killed. The server itself is only read.

    A pair that is named is taken down by --stop-primary, and its standby is promoted: say first without --confirm what
    that would be. It is refused for what the environment lives on, unless --live is said too. Nothing is promoted while
    the primary answers. Afterwards the old primary is no part of the pair: make it a standby anew.
    """
    from watership.fleet.identity import OPERATOR
    from watership.releases.readiness.failover import Bounds
    from watership.wiring import failover as drills

    caller, bounds = calling(name, token), Bounds(failover=most, rpo=rpo, lag=lag)
    named = _named(primary, standby, stop_primary, automatic=automatic, live=live, confirm=confirm)

    async def held(desk: Desk) -> tuple[Drill, Path] | Statement:
        caller.require(desk.environment.audit, "hold a drill", OPERATOR)
        if named is None:
            return await drills.privately(desk, means, bounds=bounds, person=caller.person)
        statement = await drills.stated(desk, named)
        if confirm is None:
            drills.require_allowed(desk, named, statement)
            return statement
        return await drills.on_named(desk, named, statement, confirm, bounds=bounds, person=caller.person)

    found = at_desk(held)
    if isinstance(found, tuple):
        record, path = found
        show(record, _failed_over(record, path, bounds))
        return Exit.OK if record.passed else Exit.NOT_OK
    show(found, _stated(found, automatic=automatic))
    return Exit.INCONCLUSIVE


def _named(
    primary: str | None,
    standby: str | None,
    stop: str | None,
    *,
    automatic: bool,
    live: bool,
    confirm: str | None,
) -> Named | None:
    """The pair that is named as a whole, or none."""
    from watership.wiring.failover import Named

    if primary and standby and stop:
        return Named(primary=primary, standby=standby, stop=stop, automatic=automatic, live=live)
    if primary or standby or stop or automatic or live or confirm:
        raise click.UsageError("A pair is named by --primary, --standby and --stop-primary together.")
    return None


def _stated(statement: Statement, *, automatic: bool) -> str:
    lives = {True: "the environment lives on it", False: "not what the environment lives on"}
    whether = (
        "the environment does not name its PostgreSQL" if statement.live is None else lives[statement.live]
    )
    promoted = "whoever watches the pair is to promote it" if automatic else "it is promoted, for good"
    return "\n".join(
        [
            f"primary {statement.primary}: taken away by: {statement.stop}",
            f"standby {statement.standby}: {promoted}",
            f"        {whether}",
            "        a table watership_heartbeat is made, written to, and dropped",
            f"Nothing was done. To do it: --confirm {statement.primary}",
        ]
    )


def _failed_over(held: Drill, path: Path, bounds: Bounds) -> str:
    from watership.releases.book.quantity import spoken

    def figure(seconds: float | None, most: float) -> str:
        return f"{'not measured' if seconds is None else spoken(seconds)} ({spoken(most)} allowed)"

    took, loses = figure(held.rto_seconds, bounds.failover), figure(held.rpo_seconds, bounds.rpo)
    facts = held.facts
    counted = (
        f"{facts['lost']} of {facts['kept']} heartbeats are missing" if "kept" in facts else "not counted"
    )
    return "\n".join(
        [
            *_steps(held),
            f"RTO     {took}: from the loss until a client with both addresses could write",
            f"RPO     {loses}: {counted}",
            f"{held.outcome}{f': {held.words}' if held.words else ''}",
            f"on record in {path}",
        ]
    )


def _steps(held: Drill) -> list[str]:
    from watership.releases.book.quantity import spoken

    return [
        f"{'ok' if step.passed else 'FAILED':8}{step.name}, {spoken(step.seconds)}" for step in held.steps
    ]


def _page(held: Drill, path: Path, rto: float, rpo: float) -> str:
    from watership.releases.book.quantity import spoken

    def figure(seconds: float | None, most: float) -> str:
        return f"{'not measured' if seconds is None else spoken(seconds)} ({spoken(most)} allowed)"

    since = {
        "heartbeat": "from the newest heartbeat in the copy to the loss",
        "snapshot": "from the moment that the backup shows to the loss, which came now",
    }[str(held.facts.get("rpo_by", "heartbeat"))]
    return "\n".join(
        [
            *_steps(held),
            f"RTO     {figure(held.rto_seconds, rto)}: from the loss until the copy was compared",
            f"RPO     {figure(held.rpo_seconds, rpo)}: {since}",
            f"{held.outcome}{f': {held.words}' if held.words else ''}",
            f"on record in {path}",
        ]
    )
