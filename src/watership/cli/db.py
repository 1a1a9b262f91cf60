"""watership db: the schema of the store, looked at and moved by hand."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from watership.cli.exits import Exit
from watership.cli.options import read_config
from watership.cli.output import show

if TYPE_CHECKING:
    from watership.wiring.schema import SchemaStatus


@click.group()
def db() -> None:
    """The schema of the store. serve and worker do not move it: on PostgreSQL they refuse to start on another."""


@db.command()
def status() -> int:
    """Which schema the store has. Exit 3 if this build cannot work with it."""
    from watership.wiring.schema import schema_of

    found = asyncio.run(schema_of(read_config()).status())
    _tell(found)
    return Exit.OK if found.fits else Exit.NOT_OK


@db.command()
def upgrade() -> None:
    """Bring the store to the newest schema of this build. Twice is once."""
    from watership.wiring.schema import schema_of

    _tell(asyncio.run(schema_of(read_config()).upgrade()))


@db.command()
@click.argument("version", type=int)
@click.option("--yes", is_flag=True, help="Do not ask.")
def downgrade(version: int, yes: bool) -> int:
    """Bring the store back to schema VERSION. What only a newer one can hold is lost; 0 removes everything."""
    from watership.wiring.schema import schema_of

    schema = schema_of(read_config())
    question = f"Bring the store back to schema {version}? What only newer ones can hold is lost."
    if not yes and not click.confirm(question, err=True):
        return Exit.FAILED
    _tell(asyncio.run(schema.downgrade(version)))
    return Exit.OK


def _tell(found: SchemaStatus) -> None:
    mark = "" if found.fits else "  (not one of them)"
    show(
        {"present": found.present, "lowest": found.lowest, "highest": found.highest, "fits": found.fits},
        f"schema {found.present or 'none'}; this build works with {found.lowest} to {found.highest}{mark}",
    )
