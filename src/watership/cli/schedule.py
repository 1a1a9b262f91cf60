"""watership schedule: what starts runs by itself."""

from __future__ import annotations

import click

from watership.cli.client import Client
from watership.cli.options import server_options
from watership.cli.output import show, table


@click.group()
def schedule() -> None:
    """Schedules: what starts runs by itself, and when next."""


@schedule.command(name="list")
@server_options
def list_schedules(server: str | None, token: str | None) -> None:
    """The schedules of the build that answers, with the windows that come next."""
    page = Client(server, token).get("/api/v1/schedules")
    rows = [{**each, "next": each["next"][0] if each["next"] else "never"} for each in page["data"]]
    show(page, table(rows, ["name", "agent", "cron", "zone", "next", "latest_run"]))
