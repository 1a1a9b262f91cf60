"""watership release rehearse: the whole plan on servers of its own, its controller killed, its rollback timed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from watership.cli.desk import acting, at_desk, calling, one
from watership.cli.exits import Exit
from watership.cli.options import read_config
from watership.cli.output import say, show
from watership.cli.times import Duration

if TYPE_CHECKING:
    from pathlib import Path

    from watership.releases.readiness.dress import DressRehearsal
    from watership.wiring.desk import Desk

LANES, MOST_LANES = 3, 16


class Crashes(click.ParamType[str]):
    """none, each, all, or a number of places."""

    name = "none|each|all|N"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        if text in ("none", "each", "all") or (text.isdigit() and int(text) > 0):
            return text
        raise click.BadParameter(f"{text!r} is none of none, each, all, and no number of places.", ctx, param)


@click.command()
@one
@click.option(
    "--crash",
    type=Crashes(),
    default="none",
    show_default=True,
    help="Where the controller is killed: the first time of each write, every time, or at so many places.",
)
@click.option(
    "--within",
    type=Duration(),
    default="30m",
    show_default=True,
    help="After it no further take is begun; how many were held of how many is told.",
)
@click.option(
    "--lanes",
    type=click.IntRange(1, MOST_LANES),
    default=LANES,
    show_default=True,
    help="Stages side by side.",
)
@click.option(
    "--set",
    "variables",
    metavar="NAME=VALUE",
    multiple=True,
    help="What the builds' processes find in theirs; {database} is the path of the stage's own database.",
)
@acting
def rehearse(
    release: str | None,
    crash: str,
    within: float,
    lanes: int,
    variables: tuple[str, ...],
    name: str | None,
    token: str | None,
) -> Exit:
    """Run the plan's own runbook, builds and migrations on private servers in a temporary folder, to the promotion,
    and take it back; the environment that the plan is for is not touched.

    Times are cut short, and checks that look outside are left out, which is on record. With --crash the controller is
    killed (SIGKILL) before and after its writes, a release for each: journal, router, intake, hosts, register,
    migration, backup, audit, snapshots, lock, messages. A new one has to end the release within 30 s, and router,
    intake, schema, hosts, register, journal and audit have to agree.

    Messages go to a listener of the rehearsal's own. The builds' processes find your environment variables, but for
    WATERSHIP_…: point addresses of production elsewhere with --set. Exit 3 when anything went wrong.
    """
    from watership.fleet.identity import OPERATOR
    from watership.rehearsal.campaign import Wanted
    from watership.rehearsal.holding import hold

    caller = calling(name, token)
    numbered = crash.isdigit()
    wanted = Wanted(
        crash="some" if numbered else crash,  # type: ignore[arg-type]  # the type of the option saw to it
        most=int(crash) if numbered else None,
        seconds=within,
        lanes=lanes,
    )
    given = dict(_pair(each) for each in variables)

    async def held(desk: Desk) -> tuple[DressRehearsal, Path]:
        caller.require(desk.environment.audit, "rehearse", OPERATOR)
        return await hold(
            desk, read_config(), release, wanted, variables=given, person=caller.person, told=say
        )

    record, path = at_desk(held)
    show(record, page(record, path))
    return Exit.OK if record.passed else Exit.NOT_OK


def _pair(text: str) -> tuple[str, str]:
    name, parted, value = text.partition("=")
    if not parted or not name:
        raise click.UsageError(f"--set {text!r}: write NAME=VALUE.")
    return name, value


def page(record: DressRehearsal, path: Path) -> str:
    """A rehearsal for people."""
    kills, back = record.kills, record.way_back
    lines = [
        f"takes       {record.takes}: {record.promoted} promoted, {record.rolled_back} rolled back",
        f"kills       {kills.killed} of {kills.points} places"
        + (f", {len(kills.unreached)} more were not come by" if kills.unreached else ""),
    ]
    if kills.slowest is not None:
        lines.append(
            f"converged   {kills.slowest:.1f} s at most after the new controller's start (30 s are to be allowed; "
            f"a release without a death took {kills.undisturbed:.1f} s)"
        )
    if back is not None:
        lines.append(
            f"rollback    {back.median:.2f} s (median of {back.times}), {back.longest:.2f} s at most"
        )
    lines.append(
        f"traffic     {record.requests:,} requests, {record.failed} failed; {record.runs:,} runs, {record.lost} lost"
    )
    lines += [f"FAULT       {each}" for each in record.faults]
    if record.left_out:
        lines.append(f"left out    {', '.join(record.left_out)}")
    return "\n".join([*lines, "passed" if record.passed else "FAILED", f"on record in {path}"])
