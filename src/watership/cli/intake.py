"""watership intake: which deployments take new work, and whose work can go elsewhere."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from watership.cli.exits import Exit
from watership.cli.options import against_option, app_of_build, read_config
from watership.cli.output import say, show, table

if TYPE_CHECKING:
    from watership.fleet.intake import IntakeState


@click.group()
def intake() -> None:
    """Where runs go: show, set; stranded, rehome, handover."""


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


@intake.command()
def stranded() -> int:
    """Deployments with open runs and without a living worker. Exit 3 if there is one.

    \b
    What can be done for their runs:
      watership environment revive DEPLOYMENT                 their own workers again
      watership intake rehome DEPLOYMENT OTHER                those that nobody has begun go elsewhere
      watership intake handover DEPLOYMENT OTHER --against …  those that another build would go on with
      watership run cancel RUN                                one of them ends
    """
    from watership.wiring.weights import find_stranded

    found = asyncio.run(find_stranded(read_config()))
    rows = [
        {"deployment": each.deployment, "runs": each.runs, "state": each.state or "unknown"} for each in found
    ]
    show(found, table(rows, ["deployment", "runs", "state"]) if rows else "no run is stranded")
    return Exit.NOT_OK if found else Exit.OK


@intake.command()
@click.argument("source")
@click.argument("target")
def rehome(source: str, target: str) -> None:
    """Pin the runs of SOURCE that nobody has begun to TARGET, both deployments."""
    from watership.wiring.handover import rehome as rehomed

    count = asyncio.run(rehomed(read_config(), source, target))
    show({"moved": count}, f"{count} runs of {source} that nobody had begun are {target}'s now")


@intake.command()
@click.argument("source")
@click.argument("target")
@against_option
@click.option("--dry-run", is_flag=True, help="Replay them, and pin none.")
def handover(source: str, target: str, where: str | None, dry_run: bool) -> int:
    """Pin the runs of SOURCE to TARGET that TARGET's build (--against) would go on with, by the replay check.

    A run that a worker holds stays. Exit 3 if one stays; with --dry-run if one would.

    \b
    watership intake handover 2.1.0-3f9ac1d2 2.0.5-77ab01ff --against builds/2.0.5
    """
    from watership.wiring.handover import hand_over

    told = asyncio.run(hand_over(read_config(), app_of_build(where), source, target, tries=dry_run))
    goes = [each for each in told if each.goes]
    rows = [{"run": each.run_id, "goes": "yes" if each.goes else "no", "why": each.why} for each in told]
    said = f"{len(goes)} of {len(told)} runs {'would go' if dry_run else 'went'} to {target}"
    show(
        {"runs": told, "goes": len(goes)}, (table(rows, ["run", "goes", "why"]) + "\n" if rows else "") + said
    )
    if dry_run and goes:
        say("next: the same without --dry-run")
    return Exit.OK if len(goes) == len(told) else Exit.NOT_OK


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
