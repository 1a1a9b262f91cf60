"""watership agent: what agents there are, and what another build would change of them."""

from __future__ import annotations

from collections.abc import Mapping

import click

from watership.cli.client import Client
from watership.cli.options import against_option, app_of_build, server_options
from watership.cli.output import show, table


@click.group()
def agent() -> None:
    """Agents that take messages."""


@agent.command(name="list")
@server_options
def list_agents(server: str | None, token: str | None) -> None:
    """The agents of the build that answers."""
    page = Client(server, token).get("/api/v1/agents")
    columns = ["name", "kind", "conversation", "pool", "fingerprint", "description"]
    show(page, table(page["data"], columns))


@agent.command()
@against_option
@server_options
def compare(where: str | None, server: str | None, token: str | None) -> None:
    """What another build would change: its agents beside those of the build that answers, part by part.

    A prompt, a model, a tool's parameters or its text: each is a part. Nothing of the other build is run but its
    file, as when it starts.
    """
    from watership.agents.definition import changes

    here = {each["name"]: each["definition"] for each in Client(server, token).get("/api/v1/agents")["data"]}
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
