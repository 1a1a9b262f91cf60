"""watership agent: what agents there are, and whether their runs go on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from watership.cli.client import Client
from watership.cli.options import server_options
from watership.cli.output import show, table

PATH = "/api/v1/agents"

reason_option = click.option("--reason", default="", help="Why; it stands in the record.")


@click.group()
def agent() -> None:
    """Agents that take messages."""


@agent.command(name="list")
@server_options
def list_agents(server: str | None, token: str | None) -> None:
    """The agents of the build that answers."""
    page = Client(server, token).get(PATH)
    rows = [row | {"paused": _paused(row)} for row in page["data"]]
    show(page, table(rows, ["name", "kind", "conversation", "pool", "paused", "description"]))


@agent.command(name="show")
@click.argument("name")
@server_options
def show_agent(name: str, server: str | None, token: str | None) -> None:
    """One agent: what it takes, and who paused it, if somebody did."""
    _show(Client(server, token).get(f"{PATH}/{name}"))


@agent.command()
@click.argument("name")
@reason_option
@server_options
def pause(name: str, reason: str, server: str | None, token: str | None) -> None:
    """Take NAME's messages, and let no worker begin its runs or take them up, until `resume`.

    What a worker is executing goes on to its next wait or its end. Held across processes and restarts.
    """
    _show(Client(server, token).post(f"{PATH}/{name}:pause", {"reason": reason}))


@agent.command()
@click.argument("name")
@reason_option
@server_options
def resume(name: str, reason: str, server: str | None, token: str | None) -> None:
    """Let the runs of NAME go on; what came meanwhile is begun within a second."""
    _show(Client(server, token).post(f"{PATH}/{name}:resume", {"reason": reason}))


def _show(found: Mapping[str, Any]) -> None:
    given = dict(found) | {"paused": _paused(found)}
    show(found, "\n".join(f"{name:<14}{value}" for name, value in given.items() if value not in (None, "")))


def _paused(row: Mapping[str, Any]) -> str:
    """`by hazel since 2026-01-01T00:00:00Z: it burns`, or `no`."""
    pause = row.get("paused")
    if not pause:
        return "no"
    why = f": {pause['reason']}" if pause["reason"] else ""
    return f"by {pause['by']} since {pause['at']}{why}"
