"""watership token: identities, signed with the secret of this configuration."""

from __future__ import annotations

from datetime import timedelta

import click

from watership.cli.options import read_config
from watership.cli.output import show
from watership.errors import BadInput


@click.group()
def token() -> None:
    """Tokens that say who somebody is."""


@token.command()
@click.argument("person")
@click.option(
    "--role", "roles", multiple=True, required=True, help="reader, writer, operator, admin or a release role."
)
@click.option("--tenant", default="default", show_default=True)
@click.option("--hours", type=click.FloatRange(min=0.01, max=8760), default=12.0, show_default=True)
def issue(person: str, roles: tuple[str, ...], tenant: str, hours: float) -> None:
    """A token for PERSON, printed once.

    \b
    WATERSHIP_SECRET_FILE=secret watership token issue ada --role operator
    """
    from watership.durable.clock import SystemClock
    from watership.fleet.identity import Tokens

    secret = read_config().secret
    if not secret:
        raise BadInput(
            "There is no secret to sign with.",
            fix="Set WATERSHIP_SECRET (python3 -c 'import secrets; print(secrets.token_urlsafe(32))').",
        )
    made = Tokens(secret, SystemClock()).issue(
        person, roles=roles, tenant=tenant, lifetime=timedelta(hours=hours)
    )
    show({"person": person, "roles": sorted(roles), "token": made}, made)
