"""watership agent: what agents there are."""

from __future__ import annotations

import click

from watership.cli.client import Client
from watership.cli.options import server_options
from watership.cli.output import show, table


@click.group()
def agent() -> None:
    """Agents that take messages."""


@agent.command(name="list")
@server_options
def list_agents(server: str | None, token: str | None) -> None:
    """The agents of the build that answers."""
    page = Client(server, token).get("/api/v1/agents")
    show(page, table(page["data"], ["name", "kind", "conversation", "pool", "description"]))
