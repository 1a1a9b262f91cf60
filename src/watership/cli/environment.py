"""watership environment: two slots on this machine, with a router before them and a host agent under them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from watership.cli.desk import at_desk
from watership.cli.options import read_config
from watership.cli.output import say, show, table
from watership.cli.times import Duration

if TYPE_CHECKING:
    from watership.releases.ports import Instance, RouterState
    from watership.releases.status import Ended


@click.group()
def environment() -> None:
    """The place that releases change: up, show, down."""


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
@click.argument("time", type=Duration())
def leap(time: float) -> None:
    """Move the calendar of a rehearsal on by TIME (4h), for all who work at it. Only where `rehearsal = true`."""
    from watership.errors import Conflict
    from watership.wiring.controller import leapt

    config = read_config()
    if not config.environment.rehearsal:
        raise Conflict(
            "This environment is no rehearsal: its time is the machine's.",
            fix="For a rehearsal: rehearsal = true in [environment] of watership.toml.",
        )
    now = leapt(config, time)
    show({"now": now}, f"it is {now:%Y-%m-%d %H:%M:%S} UTC in this rehearsal")
    if (over := _over()) is not None:
        say(f"{over}. Nothing waits for this calendar any more.")


def _over() -> Ended | None:
    from watership.errors import NotFound

    try:
        return at_desk(lambda desk: desk.ended())
    except NotFound:  # the environment is not up yet
        return None


@environment.command()
def down() -> None:
    """Stop the environment's processes. Its data stays."""
    from watership.wiring.environment import LocalEnvironment

    asyncio.run(LocalEnvironment(read_config()).down())
    show({"down": True}, "down; its data is kept")
