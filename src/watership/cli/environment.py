"""watership environment: two slots on this machine, with a router before them and a host agent under them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from watership.cli.desk import acting, at_desk, calling
from watership.cli.exits import Exit
from watership.cli.options import read_config
from watership.cli.output import say, show, table
from watership.cli.times import Duration, Offset
from watership.errors import Conflict

if TYPE_CHECKING:
    from watership.releases.ports import Instance, RouterState
    from watership.wiring.desk import Desk


@click.group()
def environment() -> None:
    """The place that releases change: up, show, revive, down."""


@environment.command()
@click.argument("build", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--listen", help="host:port for clients; [http] of watership.toml unless given.")
@click.option("--slot", type=click.Choice(["blue", "green"]), default="green", show_default=True)
@click.option("--workers", type=click.IntRange(1, 64), default=2, show_default=True)
def up(build: Path, listen: str | None, slot: str, workers: int) -> None:
    """Start an environment with BUILD (a folder with a build.toml) as its live deployment.

    \b
    watership environment up ./my-app
    """
    from watership.fleet.deployment import Slot
    from watership.wiring.environment import Layout, LocalEnvironment, check_build

    config = read_config()
    check_build(build.resolve())

    async def started() -> tuple[str, str]:
        local = LocalEnvironment(config)
        address = await local.up(listen or f"{config.http.host}:{config.http.port}")
        say(f"router at {address}; starting {build}")
        try:
            deployment = await local.establish(build.resolve(), Slot(slot), Layout(workers=workers))
        except BaseException:
            await local.down()
            raise
        return address, deployment.id

    address, deployment = asyncio.run(started())
    show({"address": address, "deployment": deployment}, f"{deployment} serves at http://{address}")


@environment.command()
@click.argument("deployment")
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True)
@click.option(
    "--slots", type=click.IntRange(1, 1000), default=16, show_default=True, help="Runs that each works on."
)
def revive(deployment: str, workers: int, slots: int) -> None:
    """Workers again for a DEPLOYMENT whose runs nobody works on; it gets no requests and no new runs.

    They stay until its runs have ended and its slot is cleared by the next release.
    """
    from watership.wiring.environment import LocalEnvironment

    local = LocalEnvironment(read_config())
    local.require_up()
    revived = asyncio.run(local.revive(deployment, workers, slots))
    show(
        {"deployment": revived.id, "workers": workers},
        f"{workers} worker(s) of {revived.id} ({revived.build.version}) are at work on its runs",
    )


@environment.command(name="show")
def show_environment() -> None:
    """Slots, weights, processes and runs, as the environment itself tells them."""
    from watership.wiring.environment import LocalEnvironment

    local = LocalEnvironment(read_config())
    local.require_up()

    async def looked() -> tuple[RouterState, Sequence[Instance]]:
        return await local.router.read(), await local.hosts.instances()

    router, instances = asyncio.run(looked())
    rows = [
        {
            "name": each.name,
            "state": each.state,
            "version": each.version,
            "address": each.address,
            "pid": each.pid,
        }
        for each in instances
    ]
    shares = "  ".join(f"{slot} {weight} %" for slot, weight in router.weights.items())
    text = f"{shares}\n\n{table(rows, ['name', 'state', 'version', 'address', 'pid'])}"
    show({"router": router, "instances": instances}, text)


@environment.command()
@click.argument("time", type=Duration(), required=False)
@click.option("--to", "to", type=Offset(), help="A moment of the release's calendar, such as T-4h or T+90m.")
@click.option("--force", is_flag=True, help="Leap, though it ends what the release is at.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=1),
    default=300.0,
    show_default=True,
    help="With --to: seconds without any news before it gives up; exit 8 after them.",
)
@acting
def leap(
    time: float | None,
    to: float | None,
    force: bool,
    timeout: float,
    name: str | None,
    token: str | None,
) -> int:
    """Move the calendar of a rehearsal on by TIME (4h), for all who work at it. Only where `rehearsal = true`.

    A leap over the budget of the phase that is under way, or of its item, would end the release, and is refused (6).
    With --to the calendar goes on from one wait of the release to the next, and what is due in between is done: it
    stops at that moment, at the release's end, or where a person is asked (7).

    \b
    watership environment leap 20h
    watership environment leap --to T+90m
    """
    if (time is None) == (to is None):
        raise click.UsageError("Say how far: TIME (4h), or --to T-4h.")
    config = read_config()
    if not config.environment.rehearsal:
        raise Conflict(
            "This environment is no rehearsal: its time is the machine's.",
            fix="For a rehearsal: rehearsal = true in [environment] of watership.toml.",
        )
    who = calling(name, token).person
    return at_desk(lambda desk: _leapt(desk, who, time, to, force, timeout))


async def _leapt(
    desk: Desk, who: str, time: float | None, to: float | None, force: bool, timeout: float
) -> int:
    from watership.cli import standing
    from watership.wiring.leaping import Leaper

    leaper = Leaper(desk, who)
    if time is not None:
        told = await leaper.by(time, force=force)
        late = f"; due at once: {', '.join(told.overtaken)}" if told.overtaken else ""
        where = f", {told.at} of {told.release}{late}" if told.release else "; no release is under way"
        shown = {"now": told.now, "release": told.release, "at": told.at, "overtaken": told.overtaken}
        show(shown, f"it is {told.now:%Y-%m-%d %H:%M:%S} UTC in this rehearsal{where}")
        if not told.release and (over := await desk.ended()) is not None:
            say(f"{over}. Nothing waits for this calendar any more.")
        return Exit.OK
    assert to is not None, "one of the two is said"
    found = await leaper.to(to, patience=timeout, told=say)
    if found is None:
        say(f"nothing has changed for {timeout:g} s; look: watership release status")
        return Exit.TIMED_OUT
    show(found, standing.line(found, desk.environment.clock.now()))
    return standing.exit_for(found)


@environment.command()
def down() -> None:
    """Stop the environment's processes. Its data stays."""
    from watership.wiring.environment import LocalEnvironment

    asyncio.run(LocalEnvironment(read_config()).down())
    show({"down": True}, "down; its data is kept")
