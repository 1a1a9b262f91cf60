"""watership topology: the exchanges and queues that we need; print them, make them, compare them, document them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click
import msgspec

from watership.cli.exits import Exit
from watership.cli.options import app_option, chosen_app, read_config
from watership.cli.output import say, show, table

if TYPE_CHECKING:
    from watership.wiring.topology import Declaration


def _chosen(command: click.decorators.FC) -> click.decorators.FC:
    command = click.option("--pool", "pools", multiple=True, help="A pool, beside those of --app.")(command)
    command = click.option(
        "--deployment",
        "deployments",
        multiple=True,
        help="A deployment that has queues; none: what all share.",
    )(command)
    return app_option(command)


@click.group()
def topology() -> None:
    """Exchanges and queues: plan, apply, verify, export."""


@topology.command()
@_chosen
def plan(where: str | None, deployments: Sequence[str], pools: Sequence[str]) -> None:
    """Print every exchange, queue and binding, with every argument. Asks no broker."""
    from watership.wiring.topology import render

    found = _plan(where, deployments, pools)
    show(found, render(found))


@topology.command()
@_chosen
def apply(where: str | None, deployments: Sequence[str], pools: Sequence[str]) -> None:
    """Make what is missing. What stands is left as it is; other arguments are a conflict (exit 6)."""
    from watership.wiring.topology import apply_to

    found = _plan(where, deployments, pools)
    asyncio.run(apply_to(read_config().broker, found))
    show({"declared": len(found)}, f"{len(found)} declarations stand")


@topology.command()
@_chosen
def verify(where: str | None, deployments: Sequence[str], pools: Sequence[str]) -> int:
    """Compare with the broker, and change nothing.

    Exit 3 if something is missing or different, 7 if something could not be seen. AMQP shows no bindings: set
    broker.management to have them looked at.
    """
    from watership.wiring.topology import compare_with

    found = asyncio.run(compare_with(read_config().broker, _plan(where, deployments, pools)))
    rows = [msgspec.to_builtins(each) for each in found]
    show(rows, table(rows, ["standing", "kind", "name", "detail"]))
    standings = {each.standing.value for each in found}
    if standings & {"missing", "different"}:
        say("Make what is missing: watership topology apply. What is different needs a person.")
        return Exit.NOT_OK
    return Exit.INCONCLUSIVE if "unseen" in standings else Exit.OK


@topology.command()
@app_option
@click.option("--asyncapi", is_flag=True, required=True, help="As an AsyncAPI 3 document, which is JSON.")
def export(where: str | None, asyncapi: bool) -> None:
    """Describe what other programs may send and hear over AMQP."""
    from watership.wiring.topology import described

    click.echo(msgspec.json.format(msgspec.json.encode(described(chosen_app(where)[0]))).decode())


def _plan(where: str | None, deployments: Sequence[str], pools: Sequence[str]) -> list[Declaration]:
    from watership.wiring.topology import planned

    app = None if where is None else chosen_app(where)[0]
    return planned(app, deployments, pools)
