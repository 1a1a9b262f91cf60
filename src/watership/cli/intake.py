"""watership intake: which deployments take new work, where no release decides it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from watership.cli.options import read_config
from watership.cli.output import show

if TYPE_CHECKING:
    from watership.fleet.intake import IntakeState


@click.group()
def intake() -> None:
    """Where new runs go: show, set."""


@intake.command("show")
def show_weights() -> None:
    """The share of new runs that each deployment takes."""
    from watership.wiring.weights import read_weights

    _tell(asyncio.run(read_weights(read_config())))


@intake.command("set")
@click.argument("shares", nargs=-1, required=True, metavar="DEPLOYMENT=PERCENT…")
def set_weights(shares: tuple[str, ...]) -> None:
    """Send new runs to these deployments; the shares sum to 100.

    Runs that were accepted stay where they are. A release sets these weights itself, and is not disturbed by what was
    set before it.

    \b
    watership intake set green-1=100
    """
    from watership.wiring.weights import put_weights

    _tell(asyncio.run(put_weights(read_config(), dict(map(_share, shares)))))


def _share(words: str) -> tuple[str, int]:
    deployment, _, percent = words.partition("=")
    if not deployment or not percent.isdigit():
        raise click.UsageError(f"{words!r} is no share: say DEPLOYMENT=PERCENT, as in green-1=100.")
    return deployment, int(percent)


def _tell(state: IntakeState) -> None:
    words = "\n".join(f"{deployment}  {weight} %" for deployment, weight in sorted(state.weights.items()))
    if state.readonly:
        words += "\nread-only is on: nothing is taken"
    show(
        {"weights": state.weights, "epoch": state.epoch, "readonly": state.readonly},
        words or "no deployment takes new work\nnext: watership intake set DEPLOYMENT=100",
    )
