"""watership dead: runs that gave up, and messages that started none; list them, let them try again, end them."""

from __future__ import annotations

import asyncio

import click
import msgspec

from watership.cli.client import Client
from watership.cli.options import read_config, server_options
from watership.cli.output import show, table
from watership.errors import BadInput


@click.group()
def dead() -> None:
    """Dead letters: runs that gave up, and why."""


@dead.command(name="list")
@click.option("--state", help="Only those that are stopped, or failed.")
@click.option("--limit", type=click.IntRange(1, 200), default=20, show_default=True)
@click.option("--after", help="The cursor that the page before ended with.")
@server_options
def list_dead(
    state: str | None, limit: int, after: str | None, server: str | None, token: str | None
) -> None:
    """Runs that gave up, newest first, each with its first error."""
    page = Client(server, token).get("/api/v1/dead-letters", state=state, limit=limit, after=after)
    rows = [
        row | {"error": f"{row['first_error']['kind']}: {row['first_error']['message']}"}
        if row["first_error"]
        else row | {"error": ""}
        for row in page["data"]
    ]
    more = f"\n{page['total_count']} in all; older: --after {page['next']}" if page.get("next") else ""
    show(page, table(rows, ["run_id", "agent", "state", "gave_up_at", "error"]) + more)


@dead.command()
@click.argument("run_id")
@server_options
def requeue(run_id: str, server: str | None, token: str | None) -> None:
    """Let a run try again: a stopped one goes on, a failed one begins anew under another id."""
    found = Client(server, token).post(f"/api/v1/dead-letters/{run_id}:requeue", {})
    show(found, f"{found['id']} is {found['state']}\nnext: watership run watch {found['id']}")


@dead.command()
@click.argument("run_id")
@server_options
def discard(run_id: str, server: str | None, token: str | None) -> None:
    """End a stopped run for good."""
    found = Client(server, token).post(f"/api/v1/dead-letters/{run_id}:discard", {})
    show(found, f"{run_id} is {found['state']}")


@dead.command()
@click.option("--requeue", "again", metavar="ID", help="Send this one to where it was sent before.")
@click.option("--discard", "gone", metavar="ID", help="Take this one out for good.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
def messages(again: str | None, gone: str | None, limit: int) -> None:
    """Messages at the broker that started no run, oldest first, each with the reason. Asks broker.url."""
    from watership.wiring.unreadable import discarded, listed, requeued

    if again and gone:
        raise BadInput("A message is sent again or discarded, not both.")
    broker = read_config().broker
    if again:
        found = asyncio.run(requeued(broker, again))
        show(msgspec.to_builtins(found), f"{again} went to {found.exchange or found.routing_key} again")
    elif gone:
        show(msgspec.to_builtins(asyncio.run(discarded(broker, gone))), f"{gone} is discarded")
    else:
        rows = [msgspec.to_builtins(each) for each in asyncio.run(listed(broker, limit))]
        show(rows, table(rows, ["id", "reason", "routing_key", "at", "detail"]))
