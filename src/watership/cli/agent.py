"""watership agent: what agents there are, whether their runs go on, and what another build would change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from watership.cli.client import Client
from watership.cli.options import against_option, app_of_build, server_options
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
    show(page, table(rows, ["name", "kind", "conversation", "pool", "paused", "fingerprint", "description"]))


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


@agent.command()
@against_option
@server_options
def compare(where: str | None, server: str | None, token: str | None) -> None:
    """What another build would change: its agents beside those of the build that answers, part by part.

    A prompt, a model, a tool's parameters or its text: each is a part. Nothing of the other build is run but its
    file, as when it starts.
    """
    from watership.agents.definition import changes

    here = {each["name"]: each["definition"] for each in Client(server, token).get(PATH)["data"]}
    directory = app_of_build(where).directory
    there = {card.name: directory.definition(card.name) for card in directory.cards()}
    told = {
        name: "gone" if name not in there else "new" if name not in here else changes(here[name], there[name])
        for name in sorted(here.keys() | there.keys())
    }
    rows = [{"agent": name, "becomes": _becomes(each)} for name, each in told.items()]
    show({"agents": told}, table(rows, ["agent", "becomes"]))


def _becomes(told: str | Mapping[str, str]) -> str:
    if isinstance(told, str):
        return told
    return ", ".join(f"{part} {what}" for part, what in told.items()) or "the same"


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
