"""watership db: the store's tables; what stands, forward, back."""

from __future__ import annotations

import asyncio

import click

from watership.cli.exits import Exit
from watership.cli.options import read_config
from watership.cli.output import show


@click.group()
def db() -> None:
    """The store's schema: status, upgrade, downgrade."""


@db.command()
def status() -> int:
    """Which schema the store has, and which ones this build works with. Exit 3 if they do not fit."""
    from watership.wiring.schema import schema_of

    found = asyncio.run(schema_of(read_config()).status())
    known = f"{found.known.lowest} to {found.known.highest}"
    words = f"schema {found.present or 'none'}; this build works with {known}"
    next_step = "" if found.fits else "\nnext: watership db upgrade"
    show({"present": found.present, "known": found.known, "fits": found.fits}, words + next_step)
    return Exit.OK if found.fits else Exit.NOT_OK


@db.command()
def upgrade() -> None:
    """Bring the store to this build's newest schema. Done twice it is done once."""
    from watership.wiring.schema import schema_of

    found = asyncio.run(schema_of(read_config()).upgrade())
    show({"present": found.present}, f"schema {found.present}")


@db.command()
@click.argument("version", type=click.IntRange(0))
@click.option("--yes", is_flag=True, help="What only the newer schema can hold may be lost.")
def downgrade(version: int, yes: bool) -> None:
    """Go back to schema VERSION; 0 takes our tables away, with all runs."""
    from watership.errors import BadInput
    from watership.wiring.schema import schema_of

    if not yes:
        raise BadInput(
            f"Going back to schema {version} loses what it cannot hold.", fix="Make a backup, then say --yes."
        )
    found = asyncio.run(schema_of(read_config()).downgrade(version))
    show({"present": found.present}, f"schema {found.present or 'none'}")
